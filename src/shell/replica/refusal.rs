//! Why a file of the spool is not taken, ever: it goes to `rejected`, and what it should have brought is still missing.

use feed::text::ReadError;
use replica::gate::{FileError, SealError};

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    File(FileError),
    #[error("{0}")]
    Seal(SealError),
    #[error("damaged: it cannot be unpacked ({0}); send it again")]
    Packing(String),
    #[error("it unpacks to far more than any feed does: find out who sent it")]
    Bomb,
    #[error(
        "number {0} is in the copy with another content: two packers, or an upstream that was set back; send a snapshot \
         to go on from"
    )]
    Fork(u64),
    #[error(
        "number {0} does not follow what the copy holds: two packers, or an upstream that was set back; send a snapshot \
         to go on from"
    )]
    Broken(u64),
    #[error("of source {theirs}; this copy follows {ours}: replica.spool_source says whom it follows")]
    OtherSource { theirs: String, ours: String },
    #[error("not a feed file, and this node takes signed ones only: pack it with jindu feed pack")]
    NotSealed,
    #[error("not a feed file, and this copy follows the feed of {0}: pack it there, with jindu feed pack")]
    Follows(String),
    #[error("{0}")]
    Batch(String),
}

impl Refusal {
    /// How many names there are.
    pub const COUNT: usize = NAMES.len();

    /// The names under which refusals are counted.
    pub const NAMES: [&'static str; NAMES.len()] = NAMES;

    /// The name's place among [`Refusal::NAMES`].
    pub fn place(&self) -> usize {
        match self {
            Refusal::File(FileError::Torn(_)) => 0,
            Refusal::File(FileError::Hash) | Refusal::Packing(_) => 1,
            Refusal::File(
                FileError::NoFeed
                | FileError::Newer(_)
                | FileError::Header(_)
                | FileError::Seal(_)
                | FileError::AfterSeal
                | FileError::Count { .. },
            ) => 2,
            Refusal::File(FileError::Long | FileError::Large) | Refusal::Bomb => 3,
            Refusal::Seal(SealError::Unsigned) | Refusal::NotSealed => 4,
            Refusal::Seal(SealError::Unknown(_) | SealError::OutOfTurn { .. }) => 5,
            Refusal::Seal(SealError::Signature(_)) => 6,
            Refusal::Fork(_) => 7,
            Refusal::Broken(_) => 8,
            Refusal::OtherSource { .. } | Refusal::Follows(_) => 9,
            Refusal::Batch(_) => 10,
        }
    }

    /// What is wrong with a file, unless it is the disk that is.
    pub fn of(error: ReadError) -> Result<Refusal, std::io::Error> {
        match error {
            ReadError::Io(error) => Err(error),
            ReadError::File(error) => Ok(Refusal::File(error)),
            ReadError::Packing(what) => Ok(Refusal::Packing(what)),
            ReadError::Bomb => Ok(Refusal::Bomb),
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
