//! Two channels that come in stretches of their own become frames of both.
//!
//! A frame is given once both channels have passed it. A channel that stays behind, since its side is gone or its sound was lost, is
//! silent there. What comes later than that is left out.

use std::collections::VecDeque;

/// Two channels on their way into one file.
#[derive(Debug, Default)]
pub struct Interleaver {
    /// The place of the first frame that was not given.
    next: u64,
    frames: VecDeque<[i16; 2]>,
    /// Up to where each channel has come.
    ends: [u64; 2],
}

impl Interleaver {
    /// Puts samples into a channel, 0 or 1, at their place from the beginning on, at 8 kHz.
    pub fn put(&mut self, channel: usize, at: u64, samples: impl ExactSizeIterator<Item = i16>) {
        let end = at + samples.len() as u64;
        for (place, sample) in (at..end).zip(samples) {
            let Some(offset) = place.checked_sub(self.next) else { continue };
            let offset = offset as usize;
            if offset >= self.frames.len() {
                self.frames.resize(offset + 1, [0; 2]);
            }
            self.frames[offset][channel] = sample;
        }
        self.reach(channel, end);
    }

    /// A channel is silent for so many samples.
    pub fn put_silence(&mut self, channel: usize, at: u64, samples: usize) {
        self.reach(channel, at + samples as u64);
    }

    fn reach(&mut self, channel: usize, end: u64) {
        self.ends[channel] = self.ends[channel].max(end);
    }

    /// The frames that no channel changes any more, as samples of both in turn.
    pub fn take(&mut self) -> Vec<i16> {
        let [first, second] = self.ends;
        let until = first.min(second).max(first.max(second).saturating_sub(LAG_MAX));
        self.take_until(until)
    }

    /// All that is left.
    pub fn take_rest(&mut self) -> Vec<i16> {
        self.take_until(self.end())
    }

    /// Up to where the channels have come.
    pub fn end(&self) -> u64 {
        self.ends[0].max(self.ends[1])
    }

    fn take_until(&mut self, until: u64) -> Vec<i16> {
        let count = until.saturating_sub(self.next) as usize;
        self.next += count as u64;
        let there = self.frames.drain(..count.min(self.frames.len())).flatten();
        let mut samples: Vec<i16> = there.collect();
        samples.resize(2 * count, 0);
        samples
    }
}

/// Two seconds: so long one channel waits for the other.
const LAG_MAX: u64 = 16_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn put(both: &mut Interleaver, channel: usize, at: u64, count: u64) {
        let samples: Vec<i16> = (at..at + count).map(|n| n as i16 + 1).collect();
        both.put(channel, at, samples.into_iter());
    }

    #[test]
    fn frames_come_once_both_channels_have_passed_them() {
        let mut both = Interleaver::default();
        put(&mut both, 0, 0, 4);
        assert!(both.take().is_empty());
        put(&mut both, 1, 2, 3);
        assert_eq!(both.take(), [1, 0, 2, 0, 3, 3, 4, 4], "the second channel began later");
        both.put_silence(0, 4, 2);
        assert_eq!(both.take(), [0, 5]);
        assert_eq!(both.take_rest(), [0, 0]);
        assert_eq!(both.end(), 6);
    }

    #[test]
    fn a_channel_that_is_gone_is_silent_and_what_comes_too_late_is_left_out() {
        let mut both = Interleaver::default();
        put(&mut both, 0, 0, LAG_MAX + 100);
        assert_eq!(both.take().len(), 200);
        put(&mut both, 1, 0, 102);
        assert_eq!(both.take(), [101, 101, 102, 102]);
        // A stretch was lost.
        put(&mut both, 1, LAG_MAX + 200, 1);
        both.put_silence(0, LAG_MAX + 100, 101);
        let rest = both.take_rest();
        assert_eq!(rest.len() as u64, 2 * (LAG_MAX + 201 - 102));
        assert_eq!(rest[rest.len() - 2..], [0, (LAG_MAX + 201) as i16]);
    }
}
