//! What remains of calls that have ended, until their late retransmissions are over: some hundred octets each, so that a
//! node that answers thousands of calls a second keeps little of them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use os::clock;
use sip::{Arrival, EndedLeg, Late, LegKey, Message};

/// The calls that have ended.
pub(crate) struct EndedCalls {
    /// Hashes stand for keys. The hasher's own key is random, so that no two can be made alike on purpose.
    hasher: RandomState,
    /// By hash. A table that grows takes all of its entries along: one of many parts does so without holding up a call.
    parts: [Mutex<Calls>; PARTS],
}

impl Default for EndedCalls {
    fn default() -> Self {
        EndedCalls { hasher: RandomState::new(), parts: std::array::from_fn(|_| Mutex::default()) }
    }
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
        let mut calls = self.part(hash);
        calls.forget(clock::now());
        calls.queue.push_back((remains.until(), hash));
        calls.remains.insert(hash, remains);
        calls.is_large |= calls.remains.len() > MANY;
    }

    /// Answers a message of a call that has ended; gives it back if there is none, or if it begins another call.
    pub(crate) fn receive(&self, key: &LegKey, message: Message, arrival: &Arrival) -> Result<Late, Box<Message>> {
        let hash = self.hasher.hash_one(key);
        let mut calls = self.part(hash);
        let Some(remains) = calls.remains.get(&hash) else { return Err(Box::new(message)) };
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
        let hash = self.hasher.hash_one(key);
        self.part(hash).remains.contains_key(&hash)
    }

    /// Forgets the calls whose time is over. Returns whether much memory has become free.
    pub(crate) fn sweep(&self) -> bool {
        let mut freed = false;
        for part in &self.parts {
            let mut calls = part.lock().unwrap_or_else(PoisonError::into_inner);
            calls.forget(clock::now());
            if calls.is_large && calls.remains.is_empty() {
                *calls = Calls::default();
                freed = true;
            }
        }
        freed
    }

    fn part(&self, hash: u64) -> MutexGuard<'_, Calls> {
        self.parts[hash as usize % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
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

const PARTS: usize = 64;
/// Above this many calls in one part their memory is worth giving back to the system.
const MANY: usize = 200;
