//! What waits to be written to one stream, bounded in octets.
//!
//! ```text
//!  push ──► waiting ──► front ──► written
//!             │ above HIGH_WATER: the reader of the same stream pauses, so that its requests wait in the kernel
//!             └ above STREAM_OCTETS, or TOTAL_OCTETS over all streams: refused
//! ```
//!
//! A message stays at the front until it is written whole, so that each one is either written or reported as failed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use os::clock;

/// A message, and what to call if it certainly does not go out.
pub(super) struct Waiting {
    pub(super) bytes: Bytes,
    failed: Box<dyn FnOnce() + Send>,
}

/// The queue between those who send and the task that writes.
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes the reader.
    drained: Notify,
    /// Octets that wait in all outboxes.
    total: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Waiting, Instant)>,
    octets: usize,
    /// Nothing more is taken.
    finished: bool,
}

/// Why a message was not taken; it comes back.
pub(super) enum Refused {
    /// The far end reads too slowly.
    Full(Waiting),
    /// The stream is closing.
    Closed(Waiting),
}

impl Waiting {
    pub(super) fn new(bytes: Bytes, failed: impl FnOnce() + Send + 'static) -> Waiting {
        Waiting { bytes, failed: Box::new(failed) }
    }

    /// Reports that the message did not go out.
    pub(super) fn fail(self) {
        (self.failed)();
    }
}

impl Outbox {
    pub(super) fn new(total: Arc<AtomicUsize>) -> Outbox {
        Outbox { state: Mutex::default(), filled: Notify::new(), drained: Notify::new(), total }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message; never waits.
    pub(super) fn push(&self, message: Waiting) -> Result<(), Refused> {
        let mut state = self.state();
        if state.finished {
            return Err(Refused::Closed(message));
        }
        let length = message.bytes.len();
        let mine = state.octets + length;
        let all = self.total.load(Ordering::Relaxed) + length;
        if mine > STREAM_OCTETS || (all > TOTAL_OCTETS && mine > SHARE_OCTETS) {
            return Err(Refused::Full(message));
        }
        state.octets = mine;
        self.total.fetch_add(length, Ordering::Relaxed);
        state.waiting.push_back((message, clock::now()));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// The message to write next, and since when it waits. `None` once the outbox is finished and empty.
    pub(super) async fn front(&self) -> Option<(Bytes, Instant)> {
        loop {
            {
                let state = self.state();
                match state.waiting.front() {
                    Some((message, since)) => return Some((message.bytes.clone(), *since)),
                    None if state.finished => return None,
                    None => {}
                }
            }
            self.filled.notified().await;
        }
    }

    /// The message at the front is written.
    pub(super) fn written(&self) {
        let mut state = self.state();
        if let Some((message, _)) = state.waiting.pop_front() {
            state.octets -= message.bytes.len();
            self.total.fetch_sub(message.bytes.len(), Ordering::Relaxed);
        }
        let has_room = state.octets <= HIGH_WATER;
        drop(state);
        if has_room {
            self.drained.notify_one();
        }
    }

    /// Waits until little enough is waiting that the stream may be read on.
    pub(super) async fn room(&self) {
        loop {
            {
                let state = self.state();
                if state.octets <= HIGH_WATER || state.finished {
                    return;
                }
            }
            self.drained.notified().await;
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.state().waiting.is_empty()
    }

    /// Whether the stream is closing.
    pub(super) fn is_finished(&self) -> bool {
        self.state().finished
    }

    /// Takes nothing more; what waits is still written.
    pub(super) fn finish(&self) {
        self.state().finished = true;
        self.filled.notify_one();
        self.drained.notify_one();
    }

    /// Takes nothing more, and reports what waits as failed.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.finished = true;
        let waiting = std::mem::take(&mut state.waiting);
        self.total.fetch_sub(std::mem::take(&mut state.octets), Ordering::Relaxed);
        drop(state);
        self.filled.notify_one();
        self.drained.notify_one();
        for (message, _) in waiting {
            message.fail();
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.close();
    }
}

/// Above it the far end is not read.
const HIGH_WATER: usize = 64 * 1024;
/// The most that waits for one stream: what calls in progress send while nothing is read.
const STREAM_OCTETS: usize = 1024 * 1024;
/// The most that waits for all streams together, beyond [`SHARE_OCTETS`] for each.
const TOTAL_OCTETS: usize = 64 * 1024 * 1024;
const SHARE_OCTETS: usize = 16 * 1024;
/// What waits longer is of use to no transaction (RFC 3261 Table 4: 64 × T1).
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> (Outbox, Arc<AtomicUsize>) {
        let total = Arc::new(AtomicUsize::new(0));
        (Outbox::new(Arc::clone(&total)), total)
    }

    fn message(length: usize, failures: &Arc<AtomicUsize>) -> Waiting {
        let failures = Arc::clone(failures);
        Waiting::new(vec![b'x'; length].into(), move || {
            failures.fetch_add(1, Ordering::Relaxed);
        })
    }

    #[tokio::test]
    async fn each_message_is_written_or_reported_and_its_octets_are_given_back() {
        let (outbox, total) = outbox();
        let failures = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            assert!(outbox.push(message(100, &failures)).is_ok());
        }
        for _ in 0..2 {
            assert!(outbox.front().await.is_some());
            outbox.written();
        }
        // The third is being written when the stream breaks.
        assert!(outbox.front().await.is_some());
        assert_eq!(total.load(Ordering::Relaxed), 300);
        outbox.close();
        assert_eq!((total.load(Ordering::Relaxed), failures.load(Ordering::Relaxed)), (0, 3));
        assert!(outbox.front().await.is_none());
        assert!(matches!(outbox.push(message(1, &failures)), Err(Refused::Closed(_))));
    }

    #[tokio::test]
    async fn a_finished_outbox_is_emptied_first() {
        let (outbox, _) = outbox();
        let failures = Arc::default();
        assert!(outbox.push(message(7, &failures)).is_ok());
        outbox.finish();
        assert_eq!(outbox.front().await.map(|(bytes, _)| bytes.len()), Some(7));
        outbox.written();
        assert!(outbox.front().await.is_none());
    }

    #[tokio::test]
    async fn one_stream_and_all_of_them_are_bounded_and_each_keeps_a_share() {
        let (first, total) = outbox();
        let failures = Arc::default();
        while first.push(message(1000, &failures)).is_ok() {}
        assert!((STREAM_OCTETS - 1000..=STREAM_OCTETS).contains(&total.load(Ordering::Relaxed)));
        total.fetch_add(TOTAL_OCTETS, Ordering::Relaxed);
        let second = Outbox::new(Arc::clone(&total));
        assert!(second.push(message(SHARE_OCTETS, &failures)).is_ok());
        assert!(matches!(second.push(message(1, &failures)), Err(Refused::Full(_))));
    }

    #[tokio::test]
    async fn the_reader_goes_on_when_enough_is_written() {
        let (outbox, _) = outbox();
        let outbox = Arc::new(outbox);
        let failures = Arc::default();
        for _ in 0..3 {
            assert!(outbox.push(message(HIGH_WATER / 2, &failures)).is_ok());
        }
        let waiting = Arc::clone(&outbox);
        let reader = tokio::spawn(async move { waiting.room().await });
        tokio::task::yield_now().await;
        assert!(!reader.is_finished());
        outbox.written();
        reader.await.expect("it ends");
    }
}
