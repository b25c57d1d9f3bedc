//! Why the journal cannot be used.

use base::{Bilingual, bilingual};

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub enum JournalError {
    /// SQLite cannot open or write the file.
    Sqlite {
        /// The journal's file.
        path: String,
        /// What SQLite reports.
        error: rusqlite::Error,
    },
    /// The file's schema is newer than this program.
    Newer {
        /// The journal's file.
        path: String,
        /// `PRAGMA user_version` of the file.
        schema: i64,
    },
    /// The system gives no thread for the writer.
    Thread(std::io::Error),
}

impl JournalError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            JournalError::Sqlite { path, error } => bilingual!(
                "{path}: {error}; the data folder must be writable by this user",
                "{path}：{error}；数据文件夹须可由本用户写入"
            ),
            JournalError::Newer { path, schema } => bilingual!(
                "{path}: written by a newer version (schema {schema}): start that version, or move the file away",
                "{path}：由更新的版本写成（schema {schema}）：请启动该版本，或移走该文件"
            ),
            JournalError::Thread(error) => {
                bilingual!("cannot start the journal's thread: {error}", "无法启动通话记录线程：{error}")
            }
        }
    }
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
