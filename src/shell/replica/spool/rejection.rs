//! Why a file of the spool is rejected for good. Its content is still missing afterwards.

use feed::text::ReadError;
use replica::gate::{FileError, SealError};

/// Why a file is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The file is incomplete, damaged or malformed.
    #[error("{0}")]
    File(FileError),
    /// The signature is missing or wrong.
    #[error("{0}")]
    Seal(SealError),
    /// The compressed data is damaged.
    #[error("damaged: it cannot be decompressed ({0}); send it again")]
    Packing(String),
    /// The compression ratio exceeds that of any feed.
    #[error("it decompresses to far more than any feed does; find out who sent it")]
    Bomb,
    /// Another file of the same number was applied.
    #[error(
        "number {0} was applied with other content: there are two packers, or the upstream was restored; send a snapshot"
    )]
    Fork(u64),
    /// Its predecessor is not the file that was applied last.
    #[error(
        "number {0} does not follow the file applied before it: there are two packers, or the upstream was restored; send \
         a snapshot"
    )]
    Broken(u64),
    /// It comes from another source.
    #[error("from source {theirs}; this copy follows {ours}, see replica.spool_source")]
    OtherSource {
        /// The source of the file.
        theirs: String,
        /// The source that the replica follows.
        ours: String,
    },
    /// A batch file without a signature, on a node with keys.
    #[error("not a feed file, and this node accepts signed files only; pack it with jindu feed pack")]
    NotSealed,
    /// A batch file for a copy that follows a feed.
    #[error("not a feed file, and this copy follows the feed of {0}; pack it there with jindu feed pack")]
    Follows(String),
    /// The batch itself is at fault.
    #[error("{0}")]
    Batch(String),
}

impl Rejection {
    /// The number of [`Refusal::NAMES`].
    pub const COUNT: usize = NAMES.len();

    /// The stable names under which rejected files are counted.
    pub const NAMES: [&'static str; NAMES.len()] = NAMES;

    /// The index of its name in [`Refusal::NAMES`].
    pub fn index(&self) -> usize {
        match self {
            Rejection::File(FileError::Torn(_)) => 0,
            Rejection::File(FileError::Hash) | Rejection::Packing(_) => 1,
            Rejection::File(
                FileError::NoFeed
                | FileError::Newer(_)
                | FileError::Header(_)
                | FileError::Seal(_)
                | FileError::AfterSeal
                | FileError::Count { .. },
            ) => 2,
            Rejection::File(FileError::Long | FileError::Large) | Rejection::Bomb => 3,
            Rejection::Seal(SealError::Unsigned) | Rejection::NotSealed => 4,
            Rejection::Seal(SealError::Unknown(_) | SealError::OutOfTurn { .. }) => 5,
            Rejection::Seal(SealError::Signature(_)) => 6,
            Rejection::Fork(_) => 7,
            Rejection::Broken(_) => 8,
            Rejection::OtherSource { .. } | Rejection::Follows(_) => 9,
            Rejection::Batch(_) => 10,
        }
    }

    /// The rejection that a read error means; an error of the disk is returned.
    pub fn of(error: ReadError) -> Result<Rejection, std::io::Error> {
        match error {
            ReadError::Io(error) => Err(error),
            ReadError::File(error) => Ok(Rejection::File(error)),
            ReadError::Packing(what) => Ok(Rejection::Packing(what)),
            ReadError::Bomb => Ok(Rejection::Bomb),
        }
    }
}

const NAMES: [&str; 11] = [
    "torn",
    "damaged",
    "malformed",
    "too_large",
    "unsigned",
    "unknown_key",
    "bad_signature",
    "fork",
    "broken_chain",
    "other_source",
    "batch",
];
