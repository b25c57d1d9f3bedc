//! What a follower remembers from one connection to the next, and how it reports what keeps it from following.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use config::Postgres;
use replica::upstream::{Lsn, Position, UpstreamError, UpstreamErrorKind, WhyCopy};

use crate::write::handle::WriterHandle;

use super::metrics::UpstreamMetrics;

/// The state of a follower.
pub(super) struct Following {
    pub settings: Postgres,
    pub writer: WriterHandle,
    /// Why the last stream requires a new copy.
    pub copy_next: Option<WhyCopy>,
    /// Whether an operator kept the old copy: the next copy waits for jindu replica rebuild.
    pub old_copy_kept: AtomicBool,
    pub failures: u32,
    /// Whether the remarks on the upstream's setup were logged.
    pub remarks_logged: bool,
    /// A transaction too large for memory that was counted; the next stream applies it in parts.
    pub large: Option<LargeTransaction>,
}

/// A transaction too large for memory, after it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LargeTransaction {
    pub commit: Lsn,
    pub deletes: u64,
}

/// How a stream ended without trouble.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It has to be started again: the upstream's setup has changed, or a copy is requested.
    Restart,
}

impl Following {
    pub(super) fn new(settings: Postgres, writer: WriterHandle) -> Following {
        Following {
            settings,
            writer,
            copy_next: None,
            old_copy_kept: AtomicBool::new(false),
            failures: 0,
            remarks_logged: false,
            large: None,
        }
    }

    pub(super) fn metrics(&self) -> &UpstreamMetrics {
        &self.writer.shared.metrics.upstream
    }

    /// The position of the replica in this upstream's log, and the last applied commit.
    pub(super) fn stored(&self) -> Option<(Position, Lsn)> {
        let mark = self.writer.mark().filter(|mark| mark.source == SOURCE)?;
        Some((Position::read(mark.position.as_deref()?)?, mark.sequence?))
    }

    /// Logs a trouble once, and gives the pause before the next attempt.
    pub(super) fn report(&mut self, trouble: UpstreamError) -> Duration {
        match trouble.kind {
            UpstreamErrorKind::Diverged => self.copy_next = Some(WhyCopy::Diverged),
            UpstreamErrorKind::Drift => self.copy_next = Some(WhyCopy::Drift),
            _ => {}
        }
        let kind = trouble.kind.name();
        if self.begin_trouble(&trouble) {
            if trouble.kind.passes() {
                tracing::warn!(kind, why = %trouble, "upstream_interrupted");
            } else {
                tracing::error!(kind, why = %trouble, "upstream_not_followed");
            }
        }
        self.failures = self.failures.saturating_add(1);
        pause(&self.settings, self.failures, random_share())
    }

    /// Sets the trouble in status and metrics; `true` when it differs from the one before.
    pub(super) fn begin_trouble(&self, trouble: &UpstreamError) -> bool {
        let before = self.metrics().set_trouble(Some(trouble.clone()));
        if let Some(before) = before.as_ref().filter(|before| before.kind != trouble.kind) {
            self.writer.alarm(before.kind.alarm(), None);
        }
        self.writer.alarm(trouble.kind.alarm(), Some(trouble.what.clone()));
        before.as_ref() != Some(trouble)
    }

    /// Clears the trouble; `true` when there was one.
    pub(super) fn end_trouble(&self) -> bool {
        let before = self.metrics().set_trouble(None);
        if let Some(before) = &before {
            self.writer.alarm(before.kind.alarm(), None);
        }
        before.is_some()
    }
}

/// The pause after so many failures: doubled each time up to a limit, half of it random.
fn pause(settings: &Postgres, failures: u32, random_share: f64) -> Duration {
    let doubled = settings.reconnect_first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(settings.reconnect_max).mul_f64(0.5 + random_share / 2.0)
}

/// A random number from 0 to 1.
fn random_share() -> f64 {
    let mut bytes = [0; 4];
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

/// The source of the marks of a copy that follows PostgreSQL.
pub const SOURCE: &str = "postgres";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_limit_and_is_partly_random() {
        let settings = Postgres::default();
        assert_eq!(pause(&settings, 1, 1.0), settings.reconnect_first);
        assert_eq!(pause(&settings, 2, 1.0), settings.reconnect_first * 2);
        assert_eq!(pause(&settings, 40, 1.0), settings.reconnect_max);
        assert_eq!(pause(&settings, 40, 0.0), settings.reconnect_max / 2);
    }
}
