//! Where look-ups of the phone get their answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::DateTime;

use base::Private;
use flow::sheet::{Db, Records};
use flow::{Caller, LookUpAnswer, Release};
use replica_store::Replica;

/// Who answers.
pub enum Cases {
    /// The copy on this node.
    Copy(Arc<Replica>),
    /// A call sheet: the node rehearses.
    Staged(Arc<Stage>),
}

/// How things stand in a call that a sheet describes.
pub struct Stage {
    pub release: Arc<Release>,
    /// When calls are made, whatever the clock says.
    pub civil: DateTime,
    pub caller: Caller,
    records: Mutex<Records>,
}

impl Stage {
    pub fn new(release: Arc<Release>, civil: DateTime, caller: Caller) -> Stage {
        Stage { release, civil, caller, records: Mutex::default() }
    }

    /// Does as a `db` line says.
    pub fn apply(&self, db: &Db) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).apply(db);
    }

    /// What a look-up finds, and how long that takes.
    pub fn find(&self, source: &str, by: &BTreeMap<Arc<str>, Private<String>>) -> (LookUpAnswer, Duration) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        (records.find(&self.release.flow, source, by), records.delay())
    }
}
