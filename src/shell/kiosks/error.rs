//! Why the register of kiosks cannot be read or changed.

use std::io;

use base::{Bilingual, bilingual};
use web::EnrolmentError;

/// Why the register of kiosks cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub enum KioskStoreError {
    /// A file cannot be read or written.
    Io {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The file is no register of this version.
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        error: EnrolmentError,
    },
    /// The register does not allow the change.
    Enrolment(#[from] EnrolmentError),
}

impl KioskStoreError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            KioskStoreError::Io { path, error } => bilingual!(
                "{path}: {error}; the data folder must be writable by this user, with room",
                "{path}：{error}；数据文件夹须可由本用户写入，且有空间"
            ),
            KioskStoreError::File { path, error } => bilingual!(
                "{path}: {error}; restore it from another node, or move it away and enrol the kiosks again",
                "{path}：{error:#}；请从另一节点恢复，或移走该文件后重新登记各查询机"
            ),
            KioskStoreError::Enrolment(error) => error.text(),
        }
    }
}
