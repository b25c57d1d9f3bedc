//! Why a sign-in fails, or an account cannot be changed.

use std::time::Duration;

use studio::accounts::RuleError;

/// Why a sign-in is rejected.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Wrong name, number, password or PIN; which of them is not said.
    #[error("name and password do not match: try again")]
    Credentials,
    /// Too many failed attempts.
    #[error("too many failed attempts: wait {} seconds", .retry_after.as_secs().max(1))]
    LockedOut {
        /// When the next attempt is allowed.
        retry_after: Duration,
    },
    /// The password is right, and was chosen by another person.
    #[error(
        "the password of {name} was set by another person and must be changed first: jindu studio passwd {name}, or sign in at /studio"
    )]
    MustChange {
        /// The account.
        name: String,
    },
    /// Too many sign-ins are being verified.
    #[error("too many people are signing in: try again in a moment")]
    Busy,
    /// The accounts cannot be used, or a new password or PIN breaks a rule.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Why an account cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// SQLite cannot open or write the file.
    #[error("the accounts cannot be read or written: {0}; the data folder must be writable by this user, with room")]
    Sqlite(#[from] rusqlite::Error),
    /// The file's schema is newer than this program.
    #[error("{path}: written by a newer version (schema {schema}): start that version, or move the file away")]
    Newer {
        /// The accounts' file.
        path: String,
        /// `PRAGMA user_version` of the file.
        schema: i64,
    },
    /// The data folder cannot be created.
    #[error("{0}")]
    Folder(String),
    /// A name, number, password or PIN breaks a rule.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// No account has this name.
    #[error("there is no account {0}; see jindu studio account list")]
    Unknown(String),
    /// An account has this name.
    #[error("there is an account {0} already: choose another name")]
    NameTaken(String),
    /// An account has this operator number.
    #[error("the operator number {0} is taken: choose another one, or leave --number out")]
    NumberTaken(String),
    /// Too many passwords are being hashed, or the system has no random numbers.
    #[error("too many requests at once, or the system gives no random numbers: try again")]
    Busy,
}
