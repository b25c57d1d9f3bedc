//! The peer's sound on its way into the recording of a conversation.
//!
//! ```text
//!  packets of the peer ─► a relay of the tap's own ─► a piece each packet time ─► blocks of a fifth of a second and more
//! ```
//!
//! The sound is taken on the session's own schedule, as the other side of a bridge takes it ([`Relay`]): holes are filled, late packets
//! find their place, and a peer whose clock runs fast or slow shifts nothing. So the place of a sample is the time since the tap began,
//! in every session alike, and two sessions that are tapped together stay together to within a packet. What a third session hears or
//! says has no part in it. While the tap is closed the time passes in silence.

use std::time::Instant;

use super::relay::Relay;
use audio::g711;
use base::Codec;

/// A stretch of the peer's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapBlock<'a> {
    /// Its first sample, counted at 8 kHz from the moment that the tap began.
    pub at: u64,
    /// How many samples it has, at most [`TAP_BLOCK_MAX`].
    pub samples: usize,
    /// The law of its octets.
    pub law: Codec,
    /// An octet for each sample; absent where the tap was closed: silence.
    pub octets: Option<&'a [u8]>,
}

/// A tap in progress.
#[derive(Debug)]
pub(super) struct Tap {
    relay: Relay,
    law: Codec,
    /// The block that is being filled.
    octets: [u8; TAP_BLOCK_MAX],
    filled: usize,
    /// The place of its first sample.
    at: u64,
    /// Whether the tap is open in it.
    open: bool,
    /// Samples whose time has come, and which were not taken yet.
    due: u64,
}

impl Tap {
    /// A tap whose first sample is so many samples after its beginning.
    pub(super) fn new(law: Codec, at: u64) -> Tap {
        let octets = [g711::idle(law); TAP_BLOCK_MAX];
        Tap { relay: Relay::new(law, WAIT), law, octets, filled: 0, at, open: false, due: 0 }
    }

    /// A packet of the peer's sound; as [`Relay::push`].
    pub(super) fn push(
        &mut self,
        now: Instant,
        timestamp: u32,
        sound: (Codec, &[u8]),
        (fresh, reordered): (bool, bool),
    ) {
        self.relay.push(now, timestamp, sound, (fresh, reordered));
    }

    /// The time of so many samples has come.
    pub(super) fn pass(&mut self, samples: u64) {
        self.due += samples;
    }

    /// Takes what is due, and gives the blocks that became full. `open`: whether it is recorded.
    pub(super) fn take(&mut self, open: bool, mut give: impl FnMut(TapBlock<'_>)) {
        if open != self.open {
            self.give(&mut give);
            self.open = open;
            // What came while the tap was closed is not recorded, and neither is the end of it that waits.
            if open {
                self.relay = Relay::new(self.law, WAIT);
            }
        }
        if self.due > STALL {
            // The thread stood still: what waits is older than any relay keeps.
            self.give(&mut give);
            self.relay.skip(u32::try_from(self.due).unwrap_or(u32::MAX));
            self.at += std::mem::take(&mut self.due);
        }
        while self.due > 0 {
            let count = self.due.min(PIECE as u64) as usize;
            let piece = &mut self.octets[self.filled..self.filled + count];
            if open {
                self.relay.take(self.law, piece);
            } else {
                self.relay.skip(count as u32);
            }
            self.filled += count;
            self.due -= count as u64;
            if self.filled > TAP_BLOCK_MAX - PIECE {
                self.give(&mut give);
            }
        }
    }

    /// Gives the block that is being filled.
    pub(super) fn give(&mut self, give: &mut impl FnMut(TapBlock<'_>)) {
        if self.filled > 0 {
            let octets = self.open.then_some(&self.octets[..self.filled]);
            give(TapBlock { at: self.at, samples: self.filled, law: self.law, octets });
            self.at += std::mem::take(&mut self.filled) as u64;
        }
    }
}

/// The most samples of one block: 260 ms.
pub const TAP_BLOCK_MAX: usize = 2080;
/// 60 ms: no packet time is longer.
const PIECE: usize = 480;
/// 20 ms: how long sound waits for late packets. It delays the recording only.
const WAIT: u32 = 160;
/// One second.
const STALL: u64 = 8000;

#[cfg(test)]
mod tests {
    use super::super::relay::tests::start;
    use super::*;

    fn octets(from: u32, count: u32) -> Vec<u8> {
        (from..from + count).map(|n| (n % 251) as u8).collect()
    }

    /// Plays `seconds` of 20 ms packets with a clock of the peer's, and gives what was taken.
    fn taken(tap: &mut Tap, packets: u32, open: impl Fn(u32) -> bool) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut blocks = Vec::new();
        let mut keep = |block: TapBlock<'_>| blocks.push((block.at, block.octets.map(<[u8]>::to_vec)));
        for n in 0..packets {
            tap.push(start(), n * 160, (Codec::Alaw, &octets(n * 160, 160)), (n == 0, false));
            tap.pass(160);
            tap.take(open(n), &mut keep);
        }
        tap.give(&mut keep);
        blocks
    }

    #[test]
    fn blocks_follow_each_other_and_hold_the_sound_in_its_place() {
        let mut tap = Tap::new(Codec::Alaw, 40);
        let blocks = taken(&mut tap, 100, |_| true);
        let mut next = 40;
        let mut sound: Vec<u8> = Vec::new();
        for (at, octets) in &blocks {
            let octets = octets.as_ref().expect("it is open");
            assert!(*at == next && octets.len() <= TAP_BLOCK_MAX, "{at} {next}");
            next += octets.len() as u64;
            sound.extend(octets);
        }
        assert_eq!(next, 40 + 100 * 160);
        // One packet waits in the relay, so that the next one may be late.
        assert_eq!(sound[160 + 4000..160 + 4400], octets(4000, 400));
    }

    #[test]
    fn a_closed_tap_is_silence_of_the_same_length_and_the_sound_goes_on_in_its_place() {
        let mut tap = Tap::new(Codec::Alaw, 0);
        let blocks = taken(&mut tap, 100, |n| !(40..60).contains(&n));
        let length = |open: bool| -> usize {
            let of = blocks.iter().enumerate().filter(|(_, (_, octets))| octets.is_some() == open);
            of.map(|(n, (at, _))| (blocks.get(n + 1).map_or(16_000, |(next, _)| *next) - at) as usize).sum()
        };
        assert_eq!((length(false), length(true)), (20 * 160, 80 * 160));
        let (at, last) = blocks.last().expect("blocks");
        let last = last.as_ref().expect("open again");
        let heard = *at as u32 - 160;
        assert_eq!(last[..], octets(heard, last.len() as u32)[..], "what was said meanwhile is not made up for");
    }

    #[test]
    fn a_thread_that_stood_still_leaves_a_gap_and_no_shift() {
        let mut tap = Tap::new(Codec::Ulaw, 0);
        let mut places = Vec::new();
        tap.pass(160);
        tap.take(true, |block| places.push((block.at, block.samples)));
        tap.pass(80_000);
        tap.take(true, |block| places.push((block.at, block.samples)));
        tap.pass(1600);
        tap.take(true, |block| places.push((block.at, block.samples)));
        tap.give(&mut |block: TapBlock<'_>| places.push((block.at, block.samples)));
        assert_eq!(places, [(0, 160), (80_160, 1600)]);
    }
}
