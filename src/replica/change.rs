//! One change of a case, from any kind of upstream.

use base::Private;

use super::feed::CaseRecord;

/// One change, in the order in which the upstream made it. `Debug` prints no value.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// A case with a version: where a row is as new or newer, nothing changes.
    Put(CaseRecord),
    /// A case as the upstream has it. Its version is ignored: the order of the changes decides.
    Replace(CaseRecord),
    /// A case leaves the replica.
    Delete {
        /// The case's receipt number.
        receipt: Private<String>,
    },
    /// All cases leave the replica. Always held for an operator.
    Truncate,
    /// A case that cannot be used.
    Bad(BadRow),
    /// The upstream has deleted the row that is in quarantine under this id.
    Gone {
        /// The row's [`BadRow::id`].
        id: String,
    },
}

/// A case that cannot be used as it came: quarantined, reported, and retried.
#[derive(Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Identifies the row in later changes: a line of a file, a primary key. It names no person.
    pub id: String,
    /// What is wrong, and what would do. It quotes no value.
    pub why: String,
    /// The case's receipt number, if it is readable. Until the row is corrected, the case is not served; the next
    /// usable change of the same case takes it out of quarantine.
    pub receipt: Option<Private<String>>,
    /// The case as a line of a batch, retried when the program or its settings change. Stored encrypted. None: only the
    /// source can send it again.
    pub line: Option<Private<String>>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Change::Put(_) => "Put",
            Change::Replace(_) => "Replace",
            Change::Delete { .. } => "Delete",
            Change::Truncate => "Truncate",
            Change::Bad(_) => "Bad",
            Change::Gone { .. } => "Gone",
        })
    }
}
