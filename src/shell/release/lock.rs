//! The publication lock: held while a release is made and goes live.

use std::fs;
use std::io;
use std::time::Duration;

use base::Bilingual;
use config::Settings;

use crate::layout::folder;

/// Locks publication: two at once would each undo the other. Waits ten seconds; `None` while another program holds the
/// lock.
///
/// # Errors
/// The lock file cannot be opened.
pub fn lock(settings: &Settings) -> Result<Option<fs::File>, Bilingual> {
    let path = folder(settings).join("lock");
    let failed = |error: io::Error| os::io_fault(&path, &error);
    fs::create_dir_all(folder(settings)).map_err(failed)?;
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Ok(None)
}

const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
