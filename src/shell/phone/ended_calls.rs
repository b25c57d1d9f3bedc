//! What remains of calls that have ended, until their late retransmissions are over: some hundred octets each, so that a
//! node that answers thousands of calls a second keeps little of them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use os::clock;
use sip::{Arrival, EndedLeg, Late, LegKey, Message};

/// The calls that have ended.
#[derive(Default)]
pub(crate) struct EndedCalls {
    /// Hashes stand for keys. The hasher's own key is random, so that no two can be made alike on purpose.
    hasher: RandomState,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    remains: HashMap<u64, EndedLeg>,
    /// In the order in which they are forgotten; an entry whose call was replaced meanwhile has no effect.
    queue: VecDeque<(Instant, u64)>,
    /// More than this many were kept since the memory was last given back.
    is_large: bool,
}

impl EndedCalls {
    /// Keeps what remains of a call.
    pub(crate) fn keep(&self, key: &LegKey, remains: EndedLeg) {
        let hash = self.hasher.hash_one(key);
        let mut calls = self.calls();
        calls.forget(clock::now());
        calls.queue.push_back((remains.until(), hash));
        calls.remains.insert(hash, remains);
        calls.is_large |= calls.remains.len() > MANY;
    }

    /// Answers a message of a call that has ended; gives it back if there is none, or if it begins another call.
    pub(crate) fn receive(&self, key: &LegKey, message: Message, arrival: &Arrival) -> Result<Late, Message> {
        let hash = self.hasher.hash_one(key);
        let mut calls = self.calls();
        let Some(remains) = calls.remains.get(&hash) else { return Err(message) };
        match remains.receive(message, arrival) {
            Late::NextCall(message) => {
                calls.remains.remove(&hash);
                Err(message)
            }
            late => Ok(late),
        }
    }

    /// Whether a call with this key has ended lately.
    pub(crate) fn contains(&self, key: &LegKey) -> bool {
        self.calls().remains.contains_key(&self.hasher.hash_one(key))
    }

    /// Forgets the calls whose time is over. Returns whether much memory has become free.
    pub(crate) fn sweep(&self) -> bool {
        let mut calls = self.calls();
        calls.forget(clock::now());
        let freed = calls.is_large && calls.remains.is_empty();
        if freed {
            *calls = Calls::default();
        }
        freed
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    fn forget(&mut self, now: Instant) {
        while let Some((until, hash)) = self.queue.front().copied().filter(|(until, _)| *until <= now) {
            self.queue.pop_front();
            // A later call under the same key stays.
            if self.remains.get(&hash).is_some_and(|remains| remains.until() == until) {
                self.remains.remove(&hash);
            }
        }
    }
}

/// Above this many calls their memory is worth giving back to the system.
const MANY: usize = 10_000;
