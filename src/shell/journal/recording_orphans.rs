//! Recordings of conversations that a program that died left behind: what was written of them is kept.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::recording_file::{PART, RECORDINGS_FOLDER, RecordingFile, RecordingSound, WAVE, file_name};
use crate::recording_rows::{EndedRecording, NewRecording, pauses_left, put_end, put_new};
use crate::recordings::is_recording_id;
use os::clock;

/// Looks once through the recordings of a data folder; how many were closed.
pub(crate) fn sweep(connection: &Connection, data: &Path) -> io::Result<usize> {
    let folder = data.join(RECORDINGS_FOLDER);
    let mut closed = 0;
    if folder.exists() {
        for file in fs::read_dir(&folder)? {
            closed += usize::from(look_at(connection, &folder, &file?.path()).map_err(io::Error::other)?);
        }
    }
    // Of these not even the beginning was written.
    let lost = "DELETE FROM recordings WHERE length_ms IS NULL";
    connection.execute(lost, []).map_err(io::Error::other)?;
    Ok(closed)
}

/// Closes one that was being written, and gives one without a row the row that can be made of its file.
fn look_at(
    connection: &Connection,
    folder: &Path,
    path: &Path,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let text = |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).unwrap_or("").to_owned();
    let (id, extension) = (text(path.file_stem()), text(path.extension()));
    if !is_recording_id(&id) || ![PART, WAVE].contains(&extension.as_str()) {
        return Ok(false);
    }
    let sql = "SELECT length_ms IS NOT NULL FROM recordings WHERE id = ?1";
    let row = connection.query_row(sql, [&id], |row| row.get::<_, bool>(0)).optional()?;
    if extension == WAVE && row == Some(true) {
        return Ok(false);
    }
    let at = modified(path);
    if extension == PART {
        RecordingFile::give_up(folder, &id)?;
    }
    let path = folder.join(file_name(&id));
    let sound = RecordingSound::open(&path, false)?;
    if sound.plays().is_zero() {
        fs::remove_file(&path)?;
        return Ok(false);
    }
    if row.is_none() {
        let keep_until = clock::steady().saturating_add(KEPT).unwrap_or(Timestamp::MAX);
        let began = at.saturating_sub(sound.plays()).unwrap_or(at);
        let (queue, agent, call) = (String::new(), String::new(), None);
        put_new(connection, &NewRecording { id: id.clone(), at: began, queue, agent, call, keep_until })?;
    }
    let (length, octets) = (sound.plays(), fs::metadata(&path)?.len());
    let pauses = pauses_left(connection, &id, length)?;
    put_end(connection, &EndedRecording { id, length, pauses, is_whole: false, octets })?;
    Ok(true)
}

fn modified(path: &Path) -> Timestamp {
    let modified = fs::metadata(path).and_then(|file| file.modified()).ok();
    modified.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_else(Timestamp::now)
}

/// As long as one is kept whose own time is not known any more.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use inquiry::Keys;

    use super::*;
    use crate::file;
    use crate::recording_rows::put_pauses;
    use crate::recordings::{RecordingFilter, recordings};
    use support::folder::Folder;

    #[test]
    fn what_was_written_before_a_program_died_is_kept_and_what_was_not_is_forgotten() {
        let data = Folder::new();
        let (folder, keys) = (data.join(RECORDINGS_FOLDER), Keys::new(&[9; 32]));
        let connection = file::open(&data.join(file::FILE_NAME)).expect("a journal");
        let at = Timestamp::from_second(1_796_000_000).expect("a time");
        let new = |id: &str| NewRecording {
            id: id.into(),
            at,
            queue: "desk".into(),
            agent: "li".into(),
            call: None,
            keep_until: at,
        };
        let (cut, short, gone, stray) =
            ("000000000000000a", "000000000000000b", "000000000000000c", "000000000000000d");
        for id in [cut, short, gone] {
            put_new(&connection, &new(id)).expect("stored");
        }
        for (id, frames) in [(cut, 8000), (short, 10), (stray, 8000)] {
            let mut file = RecordingFile::begin(&folder, id, &keys).expect("a writable folder");
            file.add(&vec![5; 2 * frames]).expect("room");
        }
        let ms = |[from, to]: [u64; 2]| (Duration::from_millis(from), Duration::from_millis(to));
        // The last one goes on; the one before ended.
        put_pauses(&connection, cut, &[[100, 300], [500, 500]].map(ms)).expect("stored");
        put_pauses(&connection, short, &[ms([100, 100])]).expect("stored");
        assert_eq!(sweep(&connection, data.path()).expect("swept"), 2);
        let mut left = recordings(data.path(), &RecordingFilter::default()).expect("readable");
        left.sort_by(|one, other| one.id.cmp(&other.id));
        let found: Vec<(&str, &str)> = left.iter().map(|one| (one.id.as_str(), one.agent.as_str())).collect();
        assert_eq!(found, [(cut, "li"), (stray, "")]);
        assert!(left.iter().all(|one| one.path.is_file() && !one.is_whole));
        // 32 kB are seven chunks and a part of one.
        let length = left[0].length.expect("it is closed");
        let pauses = &left[0].pauses;
        assert_eq!((pauses[0], pauses[1].0, pauses.len()), (ms([100, 300]), Duration::from_millis(500), 2));
        assert_eq!(pauses[1].1.as_millis(), length.as_millis());
        assert!(length > Duration::from_millis(850) && length < Duration::from_secs(1), "{length:?}");
        assert_eq!(sweep(&connection, data.path()).expect("swept"), 0, "once");
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2);
    }
}
