//! Why the register of kiosks cannot be read or changed.

use std::io;

use web::EnrolmentError;

/// Why the register of kiosks cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KioskStoreError {
    /// A file cannot be read or written.
    #[error("{path}: {error}; the data folder must be writable by this user, with room")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no register of this version.
    #[error("{path}: {error}; restore it from another node, or move it away and enrol the kiosks again")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        error: EnrolmentError,
    },
    /// The register does not allow the change.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
}
