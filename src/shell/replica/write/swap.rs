//! Replaces the live file by a rebuilt one.

use std::fs::{self, File};
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use replica::{Mark, SAMPLE};

use crate::alarms::DAMAGED;
use crate::file::held::{self, Decision, Held, HeldReason};
use crate::file::{failure, state, store};
use crate::locks::locked;
use crate::metrics::count;
use crate::write::batch::ApplyError;
use crate::write::batch_run::Committed;
use crate::write::writer::Writer;

impl Writer {
    /// Replaces the live file by `built`, once neither the sample rule nor the loss of cases forbids it.
    pub(crate) fn swap(&mut self, built: &Path, rows: u64, mut mark: Mark) -> Result<(), ApplyError> {
        self.expect_no_sample(&mark)?;
        self.expect_no_loss(rows, &mark)?;
        // The old file's log is moved into it first: a log left beside the new file would be applied to the new file. The
        // log of a file that is damaged beyond opening does not matter.
        if let Some(connection) = &self.open
            && !store::truncate_wal(connection, SWAP_PATIENCE)
                .or_else(|error| if failure::is_damage(&error) { Ok(true) } else { Err(error) })?
        {
            return Err(ApplyError::Crowded);
        }
        self.note_sample(mark.source == SAMPLE);
        let shared = self.shared.clone();
        let opening = shared.opening.write().unwrap_or_else(PoisonError::into_inner);
        drop(self.open.take());
        rename_over(built, &self.path)?;
        shared.file_replaced();
        drop(opening);
        shared.queue.wake();
        shared.cache.drop_all();
        shared.requests.set_rebuild_requested(false);
        shared.damage_known.store(false, Ordering::Release);
        shared.alarms.clear(DAMAGED);
        shared.metrics.damaged.store(0, Ordering::Relaxed);
        count(&shared.metrics.rebuilds);
        tracing::info!(rows, "replica_swapped");
        self.reopen();
        self.observe_clock(&mut mark, None);
        self.publish_commit(Committed { touched: None, rows, quarantine: true });
        self.publish_mark(mark);
        self.publish_held();
        self.note_sample(true);
        Ok(())
    }

    /// The sample replaces only itself: a source may have delivered its first snapshot meanwhile.
    pub(crate) fn expect_no_sample(&self, mark: &Mark) -> Result<(), ApplyError> {
        let other = locked(&self.shared.mark).as_ref().is_some_and(|live| live.source != SAMPLE);
        if mark.source == SAMPLE && other { Err(ApplyError::Dropped) } else { Ok(()) }
    }

    /// Holds a rebuilt copy that has far fewer cases than the live one, unless the live one is the sample.
    pub(crate) fn expect_no_loss(&self, rows: u64, mark: &Mark) -> Result<(), ApplyError> {
        // A file that is damaged beyond reading has no cases to lose.
        let Ok(connection) = self.connection() else { return Ok(()) };
        let state = match state::read(connection) {
            Err(error) if failure::is_damage(&error) => return Ok(()),
            state => state?,
        };
        let fewer = state.rows.saturating_sub(rows);
        let sample = state.mark.as_ref().is_none_or(|mark| mark.source == SAMPLE);
        if sample || !held::is_mass(fewer, state.rows) {
            return Ok(());
        }
        let (what, since) = (HeldReason::Smaller, Timestamp::now());
        // A second rebuild has another position and is the same decision.
        let earlier = held::get(connection)?.filter(|held| held.what == what && held.source == mark.source);
        match earlier.and_then(|held| held.decision) {
            Some(Decision::Apply) => return Ok(()),
            Some(Decision::Drop) => {
                held::clear(connection)?;
                state::add_kept_deletes(connection, fewer)?;
                self.shared.requests.set_rebuild_requested(false);
                self.publish_held();
                return Err(ApplyError::Dropped);
            }
            None => {}
        }
        let held = Held {
            source: mark.source.clone(),
            sequence: None,
            what,
            deletes: fewer,
            rows: state.rows,
            since,
            decision: None,
        };
        held::hold(connection, &held)?;
        self.publish_held();
        Err(ApplyError::Held { what, deletes: fewer, rows: state.rows })
    }
}

/// The rename that completes a swap, synced.
fn rename_over(built: &Path, path: &Path) -> std::io::Result<()> {
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(store::with_suffix(path, end));
    }
    fs::rename(built, path)?;
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// How long a swap waits for running reads before it is retried.
const SWAP_PATIENCE: Duration = Duration::from_secs(1);
