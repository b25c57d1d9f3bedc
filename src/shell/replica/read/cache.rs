//! Rows in memory. A change drops its keys, and concurrent look-ups of one key share one read.
//!
//! ```text
//!  look-up ── get ── hit ─────────────────────────────────► answer
//!               └─── miss ─ join ─┬─ a read is pending: wait for it
//!                                 └─ none: start one ─► reader ─ complete ─► insert, if the key did not change
//!  change (after its commit) ── drop: generation + 1, pending read forgotten, row removed
//! ```
//!
//! A reader that started before a change may hold the old row. It does not insert it: the generation that it noted before
//! the read has changed. A look-up that starts after the change does not join that read either.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use quick_cache::UnitWeighter;
use tokio::sync::oneshot;

use replica::Row;

use crate::locks::locked;

/// A row, or that there is none.
pub(crate) type Entry = Option<Arc<Row>>;

/// The result of a read: the entry, and the age known before the read; `None` when the read failed.
pub(crate) type ReadResult = Option<(Entry, Timestamp)>;

/// The rows in memory.
pub(crate) struct Cache {
    entries: quick_cache::sync::Cache<i64, Entry, UnitWeighter, BuildHasherDefault<KeyHash>>,
    stripes: Box<[Mutex<Stripe>]>,
}

/// A part of the keys, with its pending reads. The generation counts the changes among its keys.
#[derive(Default)]
struct Stripe {
    generation: u64,
    pending: HashMap<i64, Arc<PendingRead>, BuildHasherDefault<KeyHash>>,
}

/// A read that is queued or running, and the look-ups that wait for it.
#[derive(Default)]
pub(crate) struct PendingRead {
    waiting: Mutex<Vec<oneshot::Sender<ReadResult>>>,
}

/// What a look-up has to do after [`Cache::join`].
pub(crate) enum Joined {
    /// Wait.
    Waiting(oneshot::Receiver<ReadResult>),
    /// Wait, and queue this read.
    Started(oneshot::Receiver<ReadResult>, Arc<PendingRead>),
}

impl Cache {
    pub(crate) fn new(entries: usize) -> Cache {
        let hash = BuildHasherDefault::default();
        let entries = quick_cache::sync::Cache::with(entries, entries as u64, UnitWeighter, hash, Default::default());
        Cache { entries, stripes: (0..STRIPES).map(|_| Mutex::default()).collect() }
    }

    /// The entry of a key, if it is in memory.
    pub(crate) fn get(&self, key: i64) -> Option<Entry> {
        self.entries.get(&key)
    }

    /// Joins the pending read of a key, or starts one.
    pub(crate) fn join(&self, key: i64) -> Joined {
        let (sender, receiver) = oneshot::channel();
        let mut stripe = self.stripe(key);
        if let Some(read) = stripe.pending.get(&key) {
            read.waiting().push(sender);
            return Joined::Waiting(receiver);
        }
        let read = Arc::new(PendingRead { waiting: Mutex::new(vec![sender]) });
        stripe.pending.insert(key, read.clone());
        Joined::Started(receiver, read)
    }

    /// The generation of a key, to be noted before it is read.
    pub(crate) fn generation(&self, key: i64) -> u64 {
        self.stripe(key).generation
    }

    /// Completes a read: inserts its entry, unless the key may have changed since `generation`, and answers the waiting
    /// look-ups.
    pub(crate) fn complete(&self, key: i64, read: &Arc<PendingRead>, generation: u64, result: &ReadResult) {
        {
            let mut stripe = self.stripe(key);
            if stripe.pending.get(&key).is_some_and(|other| Arc::ptr_eq(other, read)) {
                stripe.pending.remove(&key);
            }
            if let Some((entry, _)) = result
                && stripe.generation == generation
            {
                self.entries.insert(key, entry.clone());
            }
        }
        for waiting in std::mem::take(&mut *read.waiting()) {
            let _ = waiting.send(result.clone());
        }
    }

    /// Forgets a read whose look-ups have all given up; `false` when one still waits.
    pub(crate) fn discard(&self, key: i64, read: &Arc<PendingRead>) -> bool {
        let mut stripe = self.stripe(key);
        let abandoned = read.waiting().iter().all(oneshot::Sender::is_closed);
        if abandoned && stripe.pending.get(&key).is_some_and(|other| Arc::ptr_eq(other, read)) {
            stripe.pending.remove(&key);
        }
        abandoned
    }

    /// Drops a key whose change was committed.
    pub(crate) fn drop_key(&self, key: i64) {
        let mut stripe = self.stripe(key);
        stripe.generation += 1;
        stripe.pending.remove(&key);
        self.entries.remove(&key);
    }

    /// Drops everything: many keys changed, or the file was replaced.
    pub(crate) fn drop_all(&self) {
        for stripe in &self.stripes {
            let mut stripe = locked(stripe);
            stripe.generation += 1;
            stripe.pending.clear();
        }
        self.entries.clear();
    }

    fn stripe(&self, key: i64) -> MutexGuard<'_, Stripe> {
        locked(&self.stripes[key as usize % STRIPES])
    }
}

impl PendingRead {
    fn waiting(&self) -> MutexGuard<'_, Vec<oneshot::Sender<ReadResult>>> {
        locked(&self.waiting)
    }
}

/// Keys are keyed hashes, which an attacker cannot choose; one multiplication spreads them over the table.
#[derive(Default)]
pub(crate) struct KeyHash(u64);

impl Hasher for KeyHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_i64(i64::from(*byte));
        }
    }

    fn write_i64(&mut self, key: i64) {
        self.0 = (self.0 ^ key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

const STRIPES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn result(entry: Entry) -> ReadResult {
        Some((entry, Timestamp::UNIX_EPOCH))
    }

    fn started(joined: Joined) -> (oneshot::Receiver<ReadResult>, Arc<PendingRead>) {
        match joined {
            Joined::Started(receiver, read) => (receiver, read),
            Joined::Waiting(_) => panic!("a read is pending already"),
        }
    }

    #[test]
    fn concurrent_look_ups_of_a_key_share_one_read() {
        let cache = Cache::new(100);
        let (mut first, read) = started(cache.join(5));
        let Joined::Waiting(mut second) = cache.join(5) else { panic!("a second read") };
        cache.complete(5, &read, cache.generation(5), &result(None));
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(result(None)), Ok(result(None))));
        assert_eq!(cache.get(5), Some(None), "an absent number is remembered");
        started(cache.join(5));
    }

    #[test]
    fn a_reader_that_began_before_a_change_cannot_put_the_old_row_back() {
        let cache = Cache::new(100);
        let (mut receiver, read) = started(cache.join(5));
        let generation = cache.generation(5);
        cache.drop_key(5);
        cache.complete(5, &read, generation, &result(None));
        assert_eq!(cache.get(5), None);
        assert_eq!(receiver.try_recv(), Ok(result(None)), "a look-up from before the change gets what was true then");
    }

    #[test]
    fn a_look_up_after_a_change_does_not_join_a_read_from_before_it() {
        let cache = Cache::new(100);
        let (_, before) = started(cache.join(5));
        let generation = cache.generation(5);
        cache.drop_key(5);
        let (mut receiver, after) = started(cache.join(5));
        cache.complete(5, &before, generation, &result(None));
        assert!(receiver.try_recv().is_err());
        cache.complete(5, &after, cache.generation(5), &result(None));
        assert_eq!(receiver.try_recv(), Ok(result(None)));
    }

    #[test]
    fn a_read_that_failed_is_not_remembered() {
        let cache = Cache::new(100);
        let (mut receiver, read) = started(cache.join(5));
        cache.complete(5, &read, cache.generation(5), &None);
        assert_eq!((receiver.try_recv(), cache.get(5)), (Ok(None), None));
        started(cache.join(5));
    }

    #[test]
    fn dropping_everything_outdates_every_read() {
        let cache = Cache::new(100);
        let pending: Vec<_> = (0..50).map(|key| (key, cache.generation(key), started(cache.join(key)))).collect();
        cache.drop_all();
        for (key, generation, (_, read)) in &pending {
            cache.complete(*key, read, *generation, &result(None));
            assert_eq!(cache.get(*key), None);
        }
    }

    #[test]
    fn a_read_without_a_waiting_look_up_is_discarded() {
        let cache = Cache::new(100);
        let (receiver, read) = started(cache.join(5));
        assert!(!cache.discard(5, &read));
        drop(receiver);
        assert!(cache.discard(5, &read));
        started(cache.join(5));
    }
}
