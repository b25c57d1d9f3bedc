//! The caller's sound, kept as it came: one octet a sample, gaps filled with silence by the packets' timestamps.

use std::time::{Duration, Instant};

use audio::{Take, g711, samples_in};
use base::Codec;

/// A recording in progress.
#[derive(Debug)]
pub(super) struct Recording {
    octets: Vec<u8>,
    codec: Codec,
    began: Instant,
    max: Duration,
    /// The timestamp of the first sample.
    origin: Option<u32>,
    /// How many samples have been reported, if they are reported while they are recorded.
    told: Option<usize>,
    /// Packets that the peer's stream had lost before.
    lost_before: u64,
}

impl Recording {
    pub(super) fn new(now: Instant, max: Duration, codec: Codec, telling: bool, lost_before: u64) -> Recording {
        let (octets, told) = (Vec::new(), telling.then_some(0));
        Recording { octets, codec, began: now, max: max.min(LONGEST), origin: None, told, lost_before }
    }

    /// The next stretch that no late packet will change.
    pub(super) fn next_part(&mut self) -> Option<Vec<i16>> {
        let told = self.told.as_mut()?;
        let part = self.octets.get(*told..*told + PART).filter(|_| self.octets.len() >= *told + PART + LATEST)?;
        *told += PART;
        Some(part.iter().map(|octet| g711::decode(self.codec, *octet)).collect())
    }

    /// How many packets never came while it was made, of all that never came.
    pub(super) fn lost_since(&self, lost: u64) -> u64 {
        lost.saturating_sub(self.lost_before)
    }

    /// Whether its time is up, by the clock or by the sound.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= self.max || self.octets.len() >= samples_in(self.max)
    }

    /// Adds a packet. A new source, or a timestamp that leaps further than time has passed, goes on where the
    /// recording stands.
    pub(super) fn add(&mut self, now: Instant, new_source: bool, timestamp: u32, codec: Codec, octets: &[u8]) {
        let end = self.octets.len();
        let here = timestamp.wrapping_sub(end as u32);
        let passed = samples_in(now.duration_since(self.began)) + LEEWAY;
        let origin = match self.origin {
            Some(origin) if !new_source && (timestamp.wrapping_sub(origin) as i32) < 0 => {
                return self.outside(here, origin);
            }
            Some(origin) if !new_source && timestamp.wrapping_sub(origin) as usize <= passed => origin,
            Some(_) | None => here,
        };
        self.origin = Some(origin);
        let from = timestamp.wrapping_sub(origin) as usize;
        let most = samples_in(self.max);
        if from >= most {
            return;
        }
        let until = (from + octets.len()).min(most);
        if until > end {
            self.octets.resize(until, g711::idle(self.codec));
        }
        for (to, octet) in self.octets[from..until].iter_mut().zip(octets) {
            *to = g711::transcode(codec, self.codec, *octet);
        }
    }

    pub(super) fn into_take(self) -> Take {
        Take { octets: self.octets, codec: Some(self.codec) }
    }

    /// A packet from before the recording began is left out. A clock that jumps back further than a late packet can
    /// explain continues at the recording's end.
    fn outside(&mut self, here: u32, origin: u32) {
        if origin.wrapping_sub(here) as usize > LEEWAY + self.octets.len() {
            self.origin = Some(here);
        }
    }
}

/// 200 ms at once, and no packet comes more than 100 ms late.
const PART: usize = 1600;
const LATEST: usize = 800;
/// One second.
const LEEWAY: usize = 8000;
/// Whatever a flow says: 4.8 MB.
const LONGEST: Duration = Duration::from_secs(600);
