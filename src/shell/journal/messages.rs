//! Keeps messages that callers leave: a recording on the disk, and its ticket in the journal.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;

use crate::{Journal, Message};
use os::clock;

/// Writes a message of 16-bit samples at 8 kHz into `folder` and records it for `keep`. Its ticket once both are on the
/// disk; `None` when either failed.
pub async fn keep(
    journal: &Journal,
    folder: &Path,
    notify: String,
    keep: Duration,
    samples: Vec<i16>,
) -> Option<String> {
    let ticket = journal.ticket().await?;
    let length = Duration::from_micros(samples.len() as u64 * 125);
    let name = format!("{ticket}.wav");
    let path = folder.join(&name);
    let written = tokio::task::spawn_blocking(move || write(&path, &samples)).await;
    if let Ok(Err(error)) = &written {
        tracing::error!(error, "the recording of a message cannot be written");
    }
    written.ok()?.ok()?;
    let path = PathBuf::from(folder.file_name()?).join(name);
    let keep_until = clock::timestamp().saturating_add(SignedDuration::try_from(keep).ok()?).ok()?;
    let message = Message { ticket: ticket.clone(), path, notify, length, keep_until };
    journal.record_message(message).await.then_some(ticket)
}

fn write(path: &Path, samples: &[i16]) -> Result<(), String> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    let mut writer = hound::WavWriter::create(path, spec).map_err(|error| error.to_string())?;
    for sample in samples {
        writer.write_sample(*sample).map_err(|error| error.to_string())?;
    }
    writer.finalize().map_err(|error| error.to_string())?;
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(|error| error.to_string())
}
