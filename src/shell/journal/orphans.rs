//! Recordings of messages without a row: what a program that died, or a journal that was damaged, left behind.
//!
//! A recording that was not whole is removed. A whole one gets a row, since somebody may have been promised that it is
//! heard; it is deleted in its time like any other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::entry::{FOLDER, Message, PART, WAVE};
use crate::file::put_message;
use crate::message_file;
use os::clock;

/// Looks once through the messages of a data folder. The number of recordings removed, and of those given a row.
pub(crate) fn sweep(connection: &Connection, data: &Path) -> io::Result<(usize, usize)> {
    let folder = data.join(FOLDER);
    if !folder.exists() {
        return Ok((0, 0));
    }
    let (mut removed, mut adopted) = (0, 0);
    for file in fs::read_dir(&folder)? {
        let path = file?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension == Some(PART) {
            fs::remove_file(&path)?;
            removed += 1;
        } else if extension == Some(WAVE) && adopt(connection, &path).map_err(io::Error::other)? {
            adopted += 1;
        }
    }
    Ok((removed, adopted))
}

/// Gives a recording a row if it has none.
fn adopt(connection: &Connection, path: &Path) -> rusqlite::Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str());
    let (Some(name), Some(ticket)) = (name, path.file_stem().and_then(|stem| stem.to_str())) else { return Ok(false) };
    let relative = PathBuf::from(FOLDER).join(name);
    let sql = "SELECT 1 FROM messages WHERE ticket = ?1 AND path IS NOT NULL";
    if connection.prepare_cached(sql)?.query_row([ticket], |_| Ok(())).optional()?.is_some() {
        return Ok(false);
    }
    let message = Message {
        ticket: ticket.to_owned(),
        path: relative,
        notify: String::new(),
        length: message_file::length(path),
        keep_until: clock::steady().saturating_add(KEPT).unwrap_or(Timestamp::MAX),
        trunk: None,
        caller: None,
        number: None,
    };
    put_message(connection, modified(path), &message)?;
    Ok(true)
}

/// When a recording was made: it counts against the limits of that day, not of today.
fn modified(path: &Path) -> Timestamp {
    let modified = fs::metadata(path).and_then(|file| file.modified()).ok();
    modified.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_else(Timestamp::now)
}

/// The flow's own time is not known any more.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;
    use crate::{DAY, recent};
    use support::folder::Folder;

    #[test]
    fn an_older_recording_without_a_row_does_not_count_today() {
        let data = Folder::new();
        fs::create_dir(data.join(FOLDER)).unwrap();
        for (ticket, age) in [("12345678", 2 * DAY), ("87654321", DAY / 24)] {
            let file = File::create(data.join(FOLDER).join(format!("{ticket}.{WAVE}"))).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        let connection = crate::file::open(&data.join(crate::file::FILE_NAME)).unwrap();
        assert_eq!(sweep(&connection, data.path()).unwrap(), (0, 2));
        let counted = recent::messages(&connection, DAY).unwrap();
        assert_eq!(counted.iter().map(|recent| recent.count).sum::<u32>(), 1);
    }
}
