//! The log of SIP from addresses of no trunk: an operator who forgot an address must see it, and a scanner of the network
//! must not fill the disk. One line a minute for each source, for a few sources at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sources that were logged within the last minute.
#[derive(Default)]
pub(super) struct Strangers(Mutex<HashMap<IpAddr, Source>>);

struct Source {
    logged: Instant,
    /// Messages since then.
    dropped: u64,
}

impl Strangers {
    /// A message came from this source and is dropped. How many were dropped without a line before it, if it is to be
    /// logged.
    pub(super) fn dropped(&self, now: Instant, source: IpAddr) -> Option<u64> {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sources.get_mut(&source) {
            if now.saturating_duration_since(known.logged) < EVERY {
                known.dropped += 1;
                return None;
            }
            known.logged = now;
            return Some(std::mem::take(&mut known.dropped));
        }
        if sources.len() >= SOURCES_MAX {
            sources.retain(|_, known| now.saturating_duration_since(known.logged) < EVERY);
        }
        if sources.len() >= SOURCES_MAX {
            return None;
        }
        sources.insert(source, Source { logged: now, dropped: 0 });
        Some(0)
    }
}

/// Logs a dropped message, and what to do about it.
pub(super) fn log(source: IpAddr, unlogged: u64) {
    tracing::warn!(%source, unlogged, "SIP from {source} dropped: not in a trunk; a peer needs its address in a [[trunk]]");
}

/// Logs a refused telephone, and what to do about it.
pub(super) fn log_registration(source: IpAddr, unlogged: u64) {
    tracing::warn!(%source, unlogged, "REGISTER from {source} refused: not in phone.registrar.addresses; add its address there");
}

const EVERY: Duration = Duration::from_secs(60);
/// Sources with a line of their own within a minute; the metric counts the others.
const SOURCES_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_logged_once_a_minute_with_what_was_not() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let source: IpAddr = "192.0.2.2".parse().unwrap();
        assert_eq!(strangers.dropped(now, source), Some(0));
        assert!((0..1000).all(|_| strangers.dropped(now + EVERY / 2, source).is_none()));
        assert_eq!(strangers.dropped(now + EVERY, source), Some(1000));
    }

    #[test]
    fn many_sources_cannot_fill_the_log_or_the_memory() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let lines = (0..10_000_u32).filter(|n| strangers.dropped(now, IpAddr::V4((*n).into())).is_some()).count();
        assert_eq!(lines, SOURCES_MAX);
        assert!(strangers.dropped(now + EVERY, IpAddr::V4(u32::MAX.into())).is_some());
    }
}
