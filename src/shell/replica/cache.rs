//! Rows in memory, dropped by the change that touches them, and one read a key however many ask.
//!
//! ```text
//!  look-up ── get ── there ───────────────────────────────► answer
//!               └─── not there ─ join ─┬─ a flight is on its way: wait for it
//!                                      └─ none: start one ─► reader ─ land ─► put, if nothing changed since
//!  change (after its commit) ── drop: generation + 1, flight forgotten, row removed
//! ```
//!
//! A reader that began before a change may hold the old row. It may not put it back: the generation that it noted
//! before it read is no longer the stripe's. Nobody who asks after the change joins its flight either.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use quick_cache::UnitWeighter;
use tokio::sync::oneshot;

use replica::Row;

/// A row, or that there is none.
pub(super) type Entry = Option<Arc<Row>>;

/// What a flight brings: the entry and the age that was known before it was read; nothing when it could not be read.
pub(super) type Landed = Option<(Entry, Timestamp)>;

/// The rows in memory.
pub(super) struct Cache {
    entries: quick_cache::sync::Cache<i64, Entry, UnitWeighter, BuildHasherDefault<KeyHash>>,
    stripes: Box<[Mutex<Stripe>]>,
}

/// A part of the keys, and what is going on among them.
#[derive(Default)]
struct Stripe {
    generation: u64,
    flights: HashMap<i64, Arc<Flight>, BuildHasherDefault<KeyHash>>,
}

/// A read on its way, and who waits for it.
#[derive(Default)]
pub(super) struct Flight {
    waiting: Mutex<Vec<oneshot::Sender<Landed>>>,
}

/// What a look-up has to do after [`Cache::join`].
pub(super) enum Joined {
    /// Wait.
    Waiting(oneshot::Receiver<Landed>),
    /// Wait, and have this flight flown.
    Started(oneshot::Receiver<Landed>, Arc<Flight>),
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

    /// Joins the flight for a key, or starts one.
    pub(crate) fn join(&self, key: i64) -> Joined {
        let (sender, receiver) = oneshot::channel();
        let mut stripe = self.stripe(key);
        if let Some(flight) = stripe.flights.get(&key) {
            flight.waiting().push(sender);
            return Joined::Waiting(receiver);
        }
        let flight = Arc::new(Flight { waiting: Mutex::new(vec![sender]) });
        stripe.flights.insert(key, flight.clone());
        Joined::Started(receiver, flight)
    }

    /// The generation of a key, to be noted before it is read.
    pub(crate) fn generation(&self, key: i64) -> u64 {
        self.stripe(key).generation
    }

    /// Ends a flight: keeps what it brought, unless the key may have changed since `generation`, and tells who waits.
    pub(crate) fn land(&self, key: i64, flight: &Arc<Flight>, generation: u64, landed: &Landed) {
        {
            let mut stripe = self.stripe(key);
            if stripe.flights.get(&key).is_some_and(|other| Arc::ptr_eq(other, flight)) {
                stripe.flights.remove(&key);
            }
            if let Some((entry, _)) = landed
                && stripe.generation == generation
            {
                self.entries.insert(key, entry.clone());
            }
        }
        for waiting in std::mem::take(&mut *flight.waiting()) {
            let _ = waiting.send(landed.clone());
        }
    }

    /// Forgets a flight that nobody waits for, so that the read is spared; `false` when somebody does.
    pub(crate) fn discard(&self, key: i64, flight: &Arc<Flight>) -> bool {
        let mut stripe = self.stripe(key);
        let abandoned = flight.waiting().iter().all(oneshot::Sender::is_closed);
        if abandoned && stripe.flights.get(&key).is_some_and(|other| Arc::ptr_eq(other, flight)) {
            stripe.flights.remove(&key);
        }
        abandoned
    }

    /// Drops a key whose change was committed.
    pub(crate) fn drop_key(&self, key: i64) {
        let mut stripe = self.stripe(key);
        stripe.generation += 1;
        stripe.flights.remove(&key);
        self.entries.remove(&key);
    }

    /// Drops everything: many keys changed, or the file was exchanged.
    pub(crate) fn drop_all(&self) {
        for stripe in &self.stripes {
            let mut stripe = locked(stripe);
            stripe.generation += 1;
            stripe.flights.clear();
        }
        self.entries.clear();
    }

    fn stripe(&self, key: i64) -> MutexGuard<'_, Stripe> {
        locked(&self.stripes[key as usize % STRIPES])
    }
}

impl Flight {
    fn waiting(&self) -> MutexGuard<'_, Vec<oneshot::Sender<Landed>>> {
        locked(&self.waiting)
    }
}

/// Nothing inside these locks can be left half done, so one that a panic held is as good as any.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys are keyed hashes themselves: nobody can choose them, and one multiplication spreads them over the table.
#[derive(Default)]
pub(super) struct KeyHash(u64);

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

    fn landed(entry: Entry) -> Landed {
        Some((entry, Timestamp::UNIX_EPOCH))
    }

    fn started(joined: Joined) -> (oneshot::Receiver<Landed>, Arc<Flight>) {
        match joined {
            Joined::Started(receiver, flight) => (receiver, flight),
            Joined::Waiting(_) => panic!("a flight is on its way already"),
        }
    }

    #[test]
    fn many_who_ask_at_once_cause_one_read() {
        let cache = Cache::new(100);
        let (mut first, flight) = started(cache.join(5));
        let Joined::Waiting(mut second) = cache.join(5) else { panic!("a second flight") };
        cache.land(5, &flight, cache.generation(5), &landed(None));
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(landed(None)), Ok(landed(None))));
        assert_eq!(cache.get(5), Some(None), "an absent number is remembered");
        started(cache.join(5));
    }

    #[test]
    fn a_reader_that_began_before_a_change_cannot_put_the_old_row_back() {
        let cache = Cache::new(100);
        let (mut receiver, flight) = started(cache.join(5));
        let generation = cache.generation(5);
        cache.drop_key(5);
        cache.land(5, &flight, generation, &landed(None));
        assert_eq!(cache.get(5), None);
        assert_eq!(receiver.try_recv(), Ok(landed(None)), "who asked before the change gets what was true then");
    }

    #[test]
    fn who_asks_after_a_change_does_not_join_a_read_from_before_it() {
        let cache = Cache::new(100);
        let (_, before) = started(cache.join(5));
        let generation = cache.generation(5);
        cache.drop_key(5);
        let (mut receiver, after) = started(cache.join(5));
        cache.land(5, &before, generation, &landed(None));
        assert!(receiver.try_recv().is_err());
        cache.land(5, &after, cache.generation(5), &landed(None));
        assert_eq!(receiver.try_recv(), Ok(landed(None)));
    }

    #[test]
    fn a_read_that_failed_is_not_remembered() {
        let cache = Cache::new(100);
        let (mut receiver, flight) = started(cache.join(5));
        cache.land(5, &flight, cache.generation(5), &None);
        assert_eq!((receiver.try_recv(), cache.get(5)), (Ok(None), None));
        started(cache.join(5));
    }

    #[test]
    fn dropping_everything_outdates_every_read() {
        let cache = Cache::new(100);
        let flights: Vec<_> = (0..50).map(|key| (key, cache.generation(key), started(cache.join(key)))).collect();
        cache.drop_all();
        for (key, generation, (_, flight)) in &flights {
            cache.land(*key, flight, *generation, &landed(None));
            assert_eq!(cache.get(*key), None);
        }
    }

    #[test]
    fn a_flight_that_nobody_waits_for_is_spared() {
        let cache = Cache::new(100);
        let (receiver, flight) = started(cache.join(5));
        assert!(!cache.discard(5, &flight));
        drop(receiver);
        assert!(cache.discard(5, &flight));
        started(cache.join(5));
    }
}
