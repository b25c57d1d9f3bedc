//! Why the file cannot be opened, read or written, and what a failure of SQLite means for it.

/// Why the file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite or the disk failed.
    #[error("{path}: {error}{}", action(error))]
    Sqlite {
        /// The file.
        path: String,
        /// The failure.
        error: rusqlite::Error,
    },
    /// Another program's file.
    #[error("{0}: not a replica; remove the file, or set data.folder to another folder")]
    Foreign(String),
    /// A newer program's schema.
    #[error(
        "{path}: written by a newer version (schema {schema}); start that version, or remove the file and load again"
    )]
    Newer {
        /// The file.
        path: String,
        /// The file's `user_version`.
        schema: i64,
    },
    /// An older program's schema, opened by a program that cannot write it.
    #[error("{path}: written by an older version (schema {schema}); start the server once, which upgrades the file")]
    Older {
        /// The file.
        path: String,
        /// The file's `user_version`.
        schema: i64,
    },
    /// The keyed hashes belong to another installation.
    #[error("{0}: made with another secret.key; restore that key, or remove the file and load again")]
    OtherKey(String),
}

/// Whether a failure means that the files beside the replica cannot be created or written.
pub(crate) fn is_unwritable(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    let code = error.sqlite_error_code();
    code.is_some_and(|code| matches!(code, CannotOpen | DiskFull | PermissionDenied | ReadOnly | SystemIoFailure))
}

/// Whether a failure means that the file was opened read-only.
pub(crate) fn is_read_only(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly)
}

/// What to do after a failure, where that is known.
fn action(error: &rusqlite::Error) -> &'static str {
    match is_damage(error) {
        true => {
            ": the file is damaged; start the server, which renames it and rebuilds it from archived files or its source"
        }
        false => "",
    }
}

/// Whether a failure means that the file is damaged.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    error.sqlite_error_code().is_some_and(|code| matches!(code, DatabaseCorrupt | NotADatabase))
}
