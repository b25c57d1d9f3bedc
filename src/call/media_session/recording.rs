//! The caller's sound, kept as it came: one octet a sample, gaps filled with silence by the packets' timestamps.
//!
//! A streamed recording forgets what it has reported. A long gap is reported as such, so that no silence takes memory.

use std::time::{Duration, Instant};

use audio::{Take, g711, samples_in};
use base::Codec;

use crate::media_control::{MediaEvent, RecordMode};

/// A recording in progress.
#[derive(Debug)]
pub(super) struct Recording {
    mode: RecordMode,
    /// What is kept, from the sample `base` on.
    octets: Vec<u8>,
    base: usize,
    codec: Codec,
    began: Instant,
    max: Duration,
    /// The timestamp of the first sample.
    origin: Option<u32>,
    /// How many samples have been reported.
    reported: usize,
    /// Packets that the peer's stream had lost before.
    lost_before: u64,
}

impl Recording {
    pub(super) fn new(now: Instant, max: Duration, codec: Codec, mode: RecordMode, lost_before: u64) -> Recording {
        let max = max.min(LONGEST);
        Recording { mode, octets: Vec::new(), base: 0, codec, began: now, max, origin: None, reported: 0, lost_before }
    }

    /// The next stretch that no late packet will change.
    fn next_part(&mut self) -> Option<Vec<i16>> {
        let from = self.reported - self.base;
        let part = self.octets.get(from..from + PART).filter(|_| self.octets.len() >= from + PART + LATEST)?;
        let part = part.iter().map(|octet| g711::decode(self.codec, *octet)).collect();
        self.reported += PART;
        if self.mode == RecordMode::Streamed {
            self.octets.drain(..from + PART);
            self.base = self.reported;
        }
        Some(part)
    }

    /// The number of the next sample.
    fn end(&self) -> usize {
        self.base + self.octets.len()
    }

    /// How many packets never came while it was made, of all that never came.
    pub(super) fn lost_since(&self, lost: u64) -> u64 {
        lost.saturating_sub(self.lost_before)
    }

    /// Whether its time is up, by the clock or by the sound.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= self.max || self.end() >= samples_in(self.max)
    }

    /// Adds a packet. `fresh`: it is the first of a source; `late`: others that were sent after it came before.
    pub(super) fn add(
        &mut self,
        now: Instant,
        (fresh, late): (bool, bool),
        timestamp: u32,
        (codec, octets): (Codec, &[u8]),
        events: &mut Vec<MediaEvent>,
    ) {
        let end = self.end();
        let Some(from) = self.place(now, (fresh, late), timestamp) else { return };
        let most = samples_in(self.max);
        if from >= most {
            return;
        }
        if self.mode == RecordMode::Streamed && from > end + LEEWAY {
            self.pass_over(from, events);
        }
        // What is reported stays as it is.
        let Some(place) = from.checked_sub(self.base) else { return };
        let until = (from + octets.len()).min(most) - self.base;
        if until > self.octets.len() {
            self.octets.resize(until, g711::idle(self.codec));
        }
        for (to, octet) in self.octets[place..until].iter_mut().zip(octets) {
            *to = g711::transcode(codec, self.codec, *octet);
        }
        while let Some(part) = self.next_part() {
            events.push(MediaEvent::Sound(part));
        }
    }

    /// The sample that a packet begins with; none for one from before the recording began. A packet that is not late comes
    /// behind all that is there: a new source, and a clock that stands still, goes back or leaps further than time has passed,
    /// go on where the recording stands.
    fn place(&mut self, now: Instant, (fresh, late): (bool, bool), timestamp: u32) -> Option<usize> {
        let end = self.end();
        let from = self.origin.map(|origin| timestamp.wrapping_sub(origin) as usize);
        if late {
            return from.filter(|from| *from < end);
        }
        let passed = samples_in(now.duration_since(self.began)) + LEEWAY;
        let goes_on = from.filter(|from| !fresh && (end..=passed).contains(from));
        goes_on.or_else(|| {
            self.origin = Some(timestamp.wrapping_sub(end as u32));
            Some(end)
        })
    }

    /// Reports all that is there, and silence up to the sample `from`.
    fn pass_over(&mut self, from: usize, events: &mut Vec<MediaEvent>) {
        let end = self.end();
        let rest = std::mem::take(&mut self.octets);
        if !rest.is_empty() {
            events.push(MediaEvent::Sound(rest.iter().map(|octet| g711::decode(self.codec, *octet)).collect()));
        }
        events.push(MediaEvent::Quiet(from - end));
        (self.base, self.reported) = (from, from);
    }

    /// Octets in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.octets.len()
    }

    pub(super) fn into_take(self) -> Take {
        Take { octets: self.octets, codec: Some(self.codec) }
    }
}

/// 200 ms at once, and no packet comes more than 100 ms late.
const PART: usize = 1600;
const LATEST: usize = 800;
/// One second.
const LEEWAY: usize = 8000;
/// Whatever a flow says: 4.8 MB.
const LONGEST: Duration = Duration::from_secs(600);
