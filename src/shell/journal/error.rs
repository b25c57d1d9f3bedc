//! Why the journal cannot be used.

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite cannot open or write the file.
    #[error("{path}: {error}; the data folder must be writable by this user")]
    Sqlite {
        /// The journal's file.
        path: String,
        /// What SQLite reports.
        error: rusqlite::Error,
    },
    /// The file's schema is newer than this program.
    #[error("{path}: written by a newer version (schema {schema}): start that version, or move the file away")]
    Newer {
        /// The journal's file.
        path: String,
        /// `PRAGMA user_version` of the file.
        schema: i64,
    },
    /// The system gives no thread for the writer.
    #[error("cannot start the journal's thread: {0}")]
    Thread(std::io::Error),
}

impl JournalError {
    /// Whether the disk or the file is at fault: a node can start without its journal.
    pub(crate) fn is_transient(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        let code = match self {
            JournalError::Sqlite { error, .. } => error.sqlite_error_code(),
            JournalError::Newer { .. } | JournalError::Thread(_) => None,
        };
        self.is_damage() || matches!(code, Some(DiskFull | ReadOnly | SystemIoFailure | CannotOpen))
    }

    /// Whether the file is no readable database.
    pub(crate) fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            JournalError::Sqlite { error, .. } => {
                matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
            }
            JournalError::Newer { .. } | JournalError::Thread(_) => false,
        }
    }
}
