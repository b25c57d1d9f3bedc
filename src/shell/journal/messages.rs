//! Keeps messages that callers leave: a recording on the disk and its row in the journal, both or none.
//!
//! ```text
//!  begin ── quota, disk ──► recording ──► keep: TICKET.part ─ synced ─► TICKET.wav ──► row ──► ticket
//!                                                   └─ a program that died ─┴─ at the next start ─► removed, or given a row
//! ```

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;

pub use crate::entry::FOLDER;
use crate::entry::{PART, WAVE};
use crate::{Journal, Message};
use inquiry::{MessageCaller, MessageDisk, MessageQuota, MessageRefusal};
use os::{clock, folder};

/// Where messages go, and how many there may be.
pub struct MessageBox {
    journal: Arc<Journal>,
    folder: PathBuf,
    settings: config::Messages,
    quota: Mutex<MessageQuota>,
}

/// A recording in progress; dropped when it is over.
pub struct MessagePermit {
    messages: Arc<MessageBox>,
    caller: MessageCaller,
}

impl MessageBox {
    /// Messages in a folder, whose rows are in a journal.
    pub fn new(journal: Arc<Journal>, folder: PathBuf, settings: config::Messages) -> Arc<MessageBox> {
        let quota = Mutex::new(MessageQuota::new(settings.limits));
        Arc::new(MessageBox { journal, folder, settings, quota })
    }

    /// The longest message.
    pub fn longest(&self) -> Duration {
        self.settings.longest
    }

    /// Begins a recording of a caller, named by a keyed hash; none: the number is withheld.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn begin(self: &Arc<Self>, trunk: &str, caller: Option<u64>) -> Result<MessagePermit, MessageRefusal> {
        let mut hasher = DefaultHasher::new();
        (trunk, caller).hash(&mut hasher);
        let hash = hasher.finish();
        let caller = if caller.is_some() { MessageCaller::Known(hash) } else { MessageCaller::Withheld(hash) };
        let disk = self.disk();
        self.quota().begin(Instant::now(), caller, disk)?;
        Ok(MessagePermit { messages: Arc::clone(self), caller })
    }

    fn disk(&self) -> MessageDisk {
        // Before the first message there is no folder yet.
        let free = folder::free_bytes(&self.folder).or_else(|| self.folder.parent().and_then(folder::free_bytes));
        MessageDisk { stored: self.journal.message_bytes(), free }
    }

    fn quota(&self) -> MutexGuard<'_, MessageQuota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MessagePermit {
    /// Writes a message of 16-bit samples at 8 kHz, as they come, and records it for `keep`, with the sealed number of a caller who
    /// agreed. Its ticket once both are on the disk; `None`
    /// when either failed, or a limit was reached meanwhile, and neither is there.
    pub async fn keep(
        self,
        notify: String,
        keep: Duration,
        number: Option<Vec<u8>>,
        samples: impl Iterator<Item = i16> + Send + 'static,
    ) -> Option<String> {
        let messages = &self.messages;
        let disk = messages.disk();
        let counted = messages.quota().keep(Instant::now(), self.caller, disk);
        if let Err(refusal) = counted {
            tracing::warn!(limit = refusal.name(), "a message was recorded and not kept: a limit is reached");
            return None;
        }
        let ticket = messages.journal.ticket().await?;
        let (name, folder) = (format!("{ticket}.{WAVE}"), messages.folder.clone());
        let path = folder.join(&name);
        let keep_until = clock::steady().saturating_add(SignedDuration::try_from(keep).ok()?).ok()?;
        let relative = PathBuf::from(folder.file_name()?).join(name);
        let writing = move || Ok::<_, io::Error>((write(&folder, &ticket, samples)?, ticket));
        let written = tokio::task::spawn_blocking(writing).await.ok()?;
        let (length, ticket) = written
            .inspect_err(|error| tracing::error!(%error, "the recording of a message cannot be written"))
            .ok()?;
        let message = Message { ticket: ticket.clone(), path: relative, notify, length, keep_until, number };
        if messages.journal.record_message(message).await {
            return Some(ticket);
        }
        let _ = tokio::task::spawn_blocking(move || fs::remove_file(path)).await;
        None
    }
}

impl Drop for MessagePermit {
    fn drop(&mut self) {
        self.messages.quota().end();
    }
}

/// Writes a file under another name, and renames it once it is on the disk; a failure leaves nothing. How long it plays.
fn write(folder: &Path, ticket: &str, samples: impl Iterator<Item = i16>) -> io::Result<Duration> {
    fs::create_dir_all(folder)?;
    let (part, whole) = (folder.join(format!("{ticket}.{PART}")), folder.join(format!("{ticket}.{WAVE}")));
    let written = write_samples(&part, samples).and_then(|length| {
        fs::rename(&part, &whole)?;
        File::open(folder)?.sync_all()?;
        Ok(length)
    });
    match written {
        Ok(length) => Ok(length),
        Err(error) => {
            let _ = (fs::remove_file(&part), fs::remove_file(&whole));
            Err(error)
        }
    }
}

fn write_samples(path: &Path, samples: impl Iterator<Item = i16>) -> io::Result<Duration> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut writer = hound::WavWriter::new(BufWriter::new(file), spec).map_err(io::Error::other)?;
    let mut count = 0_u64;
    for sample in samples {
        writer.write_sample(sample).map_err(io::Error::other)?;
        count += 1;
    }
    writer.finalize().map_err(io::Error::other)?;
    File::open(path)?.sync_all()?;
    Ok(Duration::from_micros(count * 125))
}
