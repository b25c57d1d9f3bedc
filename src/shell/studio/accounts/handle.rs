//! The handle of the accounts' file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use base::Private;
use os::folder;

use super::account::{AccountEvent, AccountRow};
use super::error::AccountError;
use super::file;
use super::hashing::HashLimiter;
use super::initial_file;
use super::session::SessionAges;

/// The accounts of one data folder.
pub struct Accounts {
    connection: Mutex<Connection>,
    pub(super) studio: PathBuf,
    pub(super) hashing: HashLimiter,
    pub(super) ages: SessionAges,
}

impl Accounts {
    /// Opens the accounts of a data folder, and creates their file if there is none.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open(data: &Path, ages: SessionAges) -> Result<Accounts, AccountError> {
        let studio = data.join("studio");
        folder::create(&studio).map_err(AccountError::Folder)?;
        let connection = file::open(&studio.join("accounts.sqlite3"))?;
        Ok(Accounts { connection: Mutex::new(connection), studio, hashing: HashLimiter::default(), ages })
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<Vec<AccountRow>, AccountError> {
        Ok(file::list(&self.lock())?)
    }

    /// Whether an account was ever made, removed ones included.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ever_had_one(&self) -> Result<bool, AccountError> {
        Ok(file::any(&self.lock())?)
    }

    /// The audit log, newest first: at most `max` events.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn events(&self, max: u32) -> Result<Vec<AccountEvent>, AccountError> {
        Ok(file::events(&self.lock(), max)?)
    }

    /// The file that holds the account's first password, if it does.
    pub fn initial_password_file(&self, name: &str) -> Option<PathBuf> {
        initial_file::of(&self.studio, name)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic while it was held rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 random bits in hex.
pub(super) fn token() -> Result<Private<String>, AccountError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| AccountError::Busy)?;
    Ok(Private::new(base::hex(&bytes)))
}

pub(super) fn before(now: Timestamp, age: Duration) -> Timestamp {
    now.saturating_sub(signed(age)).unwrap_or(Timestamp::MIN)
}

pub(super) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
