//! Publishes what the writer has committed: the cache drops its keys before the new age becomes visible.

use std::sync::atomic::Ordering;

use replica::Mark;

use crate::alarms::{HELD, KEPT};
use crate::file::{held, quarantine, state};
use crate::locks::locked;
use crate::write::batch::ApplyError;
use crate::write::batch_run::Committed;
use crate::write::writer::Writer;

impl Writer {
    pub(crate) fn publish_commit(&self, commit: Committed) {
        let shared = &self.shared;
        if commit.quarantine {
            self.publish_quarantine();
        }
        match commit.touched {
            Some(keys) => keys.into_iter().for_each(|key| shared.cache.drop_key(key)),
            None => shared.cache.drop_all(),
        }
        shared.metrics.rows.store(commit.rows, Ordering::Relaxed);
    }

    /// Publishes the quarantine: its cases are not served.
    pub(crate) fn publish_quarantine(&self) {
        let read = || -> Result<_, ApplyError> {
            let connection = self.connection()?;
            Ok((quarantine::withheld(connection)?, state::read(connection)?))
        };
        match read() {
            Ok((withheld, state)) => {
                self.shared.set_withheld(withheld);
                self.shared.metrics.quarantined.store(state.quarantined, Ordering::Relaxed);
                self.shared.metrics.quarantine_lost.store(state.lost, Ordering::Relaxed);
            }
            Err(error) => tracing::error!(%error, "quarantine_read_failed"),
        }
    }

    pub(crate) fn publish_mark(&self, mark: Mark) {
        self.shared.metrics.set_as_of(mark.as_of);
        *locked(&self.shared.mark) = Some(mark);
    }

    /// Publishes the held batch, and the cases that an operator kept.
    pub(crate) fn publish_held(&self) {
        let read = || -> Result<_, ApplyError> {
            let connection = self.connection()?;
            Ok((held::get(connection)?, state::kept_deletes(connection)?))
        };
        match read() {
            Ok((held, kept)) => {
                let waits = held.filter(|held| held.decision.is_none());
                self.shared.metrics.held.store(u64::from(waits.is_some()), Ordering::Relaxed);
                self.shared.alarms.set(HELD, waits.map(|held| held.to_string()));
                self.shared.alarms.set(KEPT, (kept > 0).then(|| kept_text(kept)));
            }
            Err(error) => tracing::error!(%error, "held_batch_read_failed"),
        }
    }
}

fn kept_text(cases: u64) -> String {
    format!(
        "{cases} cases are served although the source deleted them, as an operator decided (held drop); when the source is \
         correct again, run jindu replica rebuild"
    )
}
