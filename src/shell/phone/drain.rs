//! How a node waits for its last calls before it stops.
//!
//! ```text
//!  a call holds a line ──► wait
//!  a BYE of this node awaits its response ──► wait, at most 64 × T1 after the last line became free
//!  a message came within QUIET ──► wait: a lost response may make the caller send its BYE again
//!  otherwise ──► done
//! ```

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use os::clock;
use sip::limits;

/// What a node still waits for.
#[derive(Default)]
pub(super) struct Drain {
    begun: AtomicBool,
    /// Calls whose far end has still to answer: those in progress, and those with a BYE under way.
    unsettled: AtomicUsize,
    /// When a message last came for a call, or a call last ended.
    heard_at: Mutex<Option<Instant>>,
    changed: Notify,
}

impl Drain {
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Begins to drain, and returns when nothing is left to wait for.
    pub(super) async fn run(&self, has_calls: impl Fn() -> bool) {
        self.begun.store(true, Ordering::Relaxed);
        let mut over_at = None;
        loop {
            let changed = self.changed.notified();
            let now = clock::now();
            let wait_until = (!has_calls()).then(|| self.last_messages(now, *over_at.get_or_insert(now)));
            match wait_until {
                Some(until) if until <= now => return,
                Some(until) => drop(tokio::time::timeout_at(until.into(), changed).await),
                None => changed.await,
            }
        }
    }

    /// Until when late messages of ended calls are awaited; `over_at` is when the last line became free.
    fn last_messages(&self, now: Instant, over_at: Instant) -> Instant {
        let limit = over_at + limits::GIVE_UP;
        if self.unsettled.load(Ordering::Relaxed) > 0 {
            return limit;
        }
        let heard = *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or(now, |heard| (heard + QUIET).min(limit))
    }

    pub(super) fn unsettled(&self) -> usize {
        self.unsettled.load(Ordering::Relaxed)
    }

    /// A call began, which must be settled.
    pub(super) fn owe(&self) {
        self.unsettled.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn settle(&self) {
        if self.unsettled.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.wake();
        }
    }

    pub(super) fn heard(&self) {
        *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
    }

    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }
}

/// The silence after which no more messages of an ended call are expected: three lost responses to a BYE are repeated
/// within it (after 0.5, 1 and 2 s).
const QUIET: Duration = Duration::from_millis(2500);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_calls_a_drain_ends_at_once_and_stays_begun() {
        let drain = Drain::default();
        assert!(!drain.has_begun());
        drain.run(|| false).await;
        assert!(drain.has_begun());
    }

    #[tokio::test]
    async fn a_call_in_progress_keeps_a_drain_waiting() {
        let drain = Drain::default();
        assert!(tokio::time::timeout(Duration::from_millis(20), drain.run(|| true)).await.is_err());
    }

    #[test]
    fn a_bye_without_response_is_awaited_no_longer_than_it_is_repeated() {
        let drain = Drain::default();
        drain.owe();
        let over_at = clock::now();
        assert_eq!(drain.last_messages(over_at, over_at), over_at + limits::GIVE_UP);
        drain.settle();
        assert_eq!(drain.last_messages(over_at, over_at), over_at);
    }

    #[test]
    fn after_a_late_message_the_next_one_is_awaited() {
        let drain = Drain::default();
        let over_at = clock::now();
        drain.heard();
        let until = drain.last_messages(over_at, over_at);
        assert!(until >= over_at + QUIET && until < over_at + QUIET * 2, "{:?}", until - over_at);
        let long_over = over_at.checked_sub(limits::GIVE_UP).expect("the machine runs for a minute");
        assert_eq!(drain.last_messages(over_at, long_over), over_at, "and no longer than the limit");
    }
}
