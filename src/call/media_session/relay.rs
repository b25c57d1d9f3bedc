//! The sound of one session on its way to another: a small buffer by RTP time, from which the other session takes each of
//! its packets when that is due.
//!
//! ```text
//!  packets of the peer ─► placed by their timestamps ─► [ played │ waits ··hole·· waits ] ─► packets of the other session
//! ```
//!
//! Sound leaves with the next packet of the other session, not at its arrival. So packets leave on the one schedule that
//! music and prompts had (packet *n* at start + *n* × ptime), in the other side's packet time, under one SSRC and clock, through
//! the same code for hold, SRTP and RTCP; nothing is heard of the joining but the sound itself.
//!
//! At first octets wait for [`DELAY`] more than until the next packet leaves, so that others may come late. If for [`WATCHED`] none
//! came so late that this was needed, with [`MARGIN`] to spare, the next silence is shorter by as much. So a connection with little
//! jitter adds between 5 and 25 ms to packets of 20 ms.
//!
//! Octets lie at the place of their timestamp. A lost packet is a hole as long as the packet: what came before it is
//! repeated for a moment, then there is silence, and what follows keeps its time. A packet that comes too late for its
//! time moves the time of all that follows by so much; the surplus is dropped once it was not needed for a while.

use std::time::{Duration, Instant};

use audio::g711;
use base::Codec;

/// Sound that waits for the other session.
#[derive(Debug)]
pub struct Relay {
    /// The law of the octets: that of the packets that they leave in.
    law: Codec,
    octets: Box<[u8; ROOM]>,
    /// Which octets are there, a bit each.
    present: [u64; ROOM / 64],
    /// The timestamps of the octet that is played next, and of the one after the last; none before the first packet.
    span: Option<Span>,
    /// When the newest packet came.
    newest: Option<Instant>,
    /// For so many octets in a row each could have left by [`DELAY`] sooner.
    spare: u32,
    /// Octets of the hole that is being played.
    hole: u32,
    /// The fewest octets that waited after a packet was taken, and over how many octets.
    fewest: u32,
    watched: u32,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    play: u32,
    end: u32,
}

impl Relay {
    pub(super) fn new(law: Codec) -> Relay {
        Relay {
            law,
            octets: Box::new([g711::idle(law); ROOM]),
            present: [0; ROOM / 64],
            span: None,
            newest: None,
            spare: 0,
            hole: 0,
            fewest: u32::MAX,
            watched: 0,
        }
    }

    /// A packet of sound that comes now. `fresh`: it is the first of its source; `reordered`: later ones came before it.
    pub(super) fn push(
        &mut self,
        now: Instant,
        timestamp: u32,
        (codec, octets): (Codec, &[u8]),
        (fresh, reordered): (bool, bool),
    ) {
        let octets = &octets[..octets.len().min(PACKET_MAX)];
        let length = octets.len() as u32;
        let span = match self.span.filter(|_| !fresh) {
            Some(span) => self.place(span, timestamp, length, reordered),
            None => self.restart(timestamp),
        };
        let Some(mut span) = span else { return };
        for (n, octet) in octets.iter().enumerate() {
            let at = timestamp.wrapping_add(n as u32);
            if after(span.play, at) >= 0 {
                self.octets[index(at)] = g711::transcode(codec, self.law, *octet);
                self.mark(at, true);
            }
        }
        let end = timestamp.wrapping_add(length);
        if after(span.end, end) > 0 {
            (span.end, self.newest) = (end, Some(now));
        }
        self.span = Some(span);
    }

    /// Where the octets of a packet lie; none: its time is over.
    fn place(&mut self, mut span: Span, timestamp: u32, length: u32, reordered: bool) -> Option<Span> {
        let ahead = after(span.play, timestamp);
        let far = !(-LATE_MAX..=AHEAD_MAX).contains(&ahead);
        if far && reordered {
            return None;
        }
        if far {
            return self.restart(timestamp);
        }
        if ahead < 0 && !reordered {
            span.play = timestamp;
            self.watch();
        }
        // A burst, or a time in which the other side took nothing.
        let waits = after(span.play, timestamp.wrapping_add(length));
        if waits > WAITS_MAX {
            let surplus = (waits - WAITS_MAX / 2).cast_unsigned();
            self.forget(span.play, surplus);
            span.play = span.play.wrapping_add(surplus);
        }
        Some(span)
    }

    fn restart(&mut self, timestamp: u32) -> Option<Span> {
        self.present = [0; ROOM / 64];
        self.newest = None;
        self.watch();
        Some(Span { play: timestamp.wrapping_sub(DELAY), end: timestamp })
    }

    /// Begins to watch how long octets wait.
    fn watch(&mut self) {
        (self.fewest, self.watched, self.spare) = (u32::MAX, 0, 0);
    }

    /// A packet of so many octets leaves now: watches whether they could have left sooner.
    pub(super) fn begin(&mut self, now: Instant, samples: u32) {
        let Some(span) = self.span else { return };
        let sooner = span.play.wrapping_add(DELAY + samples);
        let in_time = self.newest.is_some_and(|newest| now.saturating_duration_since(newest) >= MARGIN);
        let could = after(sooner, span.end) >= 0 && in_time;
        self.spare = if could { self.spare.saturating_add(samples) } else { 0 };
    }

    /// Fills a packet of this codec with what is due.
    pub(super) fn take(&mut self, codec: Codec, to: &mut [u8]) {
        self.follow(codec);
        let Some(mut span) = self.span else { return to.fill(g711::idle(codec)) };
        if self.spare >= WATCHED && self.is_silent(span.play) {
            self.forget(span.play, DELAY);
            span.play = span.play.wrapping_add(DELAY);
            self.watch();
        }
        for (n, octet) in to.iter_mut().enumerate() {
            *octet = self.octet(span.play.wrapping_add(n as u32));
        }
        self.advance(span, to.len() as u32);
    }

    /// Passes over what is due: it cannot leave.
    pub(super) fn skip(&mut self, samples: u32) {
        if let Some(span) = self.span {
            self.forget(span.play, samples.min(ROOM as u32));
            self.advance(span, samples);
        }
    }

    /// Whether what waits from here on for [`DELAY`] is silence.
    fn is_silent(&self, from: u32) -> bool {
        (0..DELAY).all(|n| g711::decode(self.law, self.octets[index(from.wrapping_add(n))]).unsigned_abs() <= SILENT)
    }

    fn octet(&mut self, at: u32) -> u8 {
        let place = index(at);
        if self.present[place / 64] & (1 << (place % 64)) != 0 {
            self.mark(at, false);
            self.hole = 0;
            return self.octets[place];
        }
        // What is repeated lies in its place, so that a long hole repeats it again.
        let known =
            if self.hole < HOLE_MAX { self.octets[index(at.wrapping_sub(PERIOD))] } else { g711::idle(self.law) };
        self.octets[place] = known;
        self.hole = self.hole.saturating_add(1);
        known
    }

    fn advance(&mut self, mut span: Span, samples: u32) {
        span.play = span.play.wrapping_add(samples);
        let waits = after(span.play, span.end).max(0).cast_unsigned();
        self.fewest = self.fewest.min(waits);
        self.watched = self.watched.saturating_add(samples);
        if self.watched >= WATCHED {
            let surplus = self.fewest.saturating_sub(DELAY);
            if surplus >= SURPLUS {
                self.forget(span.play, surplus);
                span.play = span.play.wrapping_add(surplus);
            }
            (self.fewest, self.watched) = (u32::MAX, 0);
        }
        self.span = Some(span);
    }

    /// Goes on in another law.
    fn follow(&mut self, codec: Codec) {
        if self.law != codec {
            self.octets.iter_mut().for_each(|octet| *octet = g711::transcode(self.law, codec, *octet));
            self.law = codec;
        }
    }

    fn forget(&mut self, from: u32, count: u32) {
        (0..count).for_each(|n| self.mark(from.wrapping_add(n), false));
    }

    fn mark(&mut self, at: u32, present: bool) {
        let place = index(at);
        let bit = 1 << (place % 64);
        if present {
            self.present[place / 64] |= bit;
        } else {
            self.present[place / 64] &= !bit;
        }
    }
}

/// How far one timestamp is after another.
fn after(first: u32, second: u32) -> i32 {
    second.wrapping_sub(first).cast_signed()
}

fn index(timestamp: u32) -> usize {
    timestamp as usize % ROOM
}

/// Half a second.
const ROOM: usize = 4096;
/// 60 ms: no packet holds more.
const PACKET_MAX: usize = 480;
/// 20 ms: how long the first packet waits, so that the next ones may come so late.
const DELAY: u32 = 160;
/// A packet may always come late by this time.
const MARGIN: Duration = Duration::from_millis(5);
/// Samples up to this level, -50 dB below the loudest, are silence.
const SILENT: u16 = 104;
/// 160 ms: more never waits.
const WAITS_MAX: i32 = 1280;
/// A timestamp further away is that of another clock.
const AHEAD_MAX: i32 = (ROOM - 2 * PACKET_MAX) as i32;
const LATE_MAX: i32 = 1600;
/// 20 ms of what came before a hole are repeated.
const PERIOD: u32 = 160;
/// 40 ms of a hole are filled so.
const HOLE_MAX: u32 = 320;
/// 20 ms that waited without need for five seconds are dropped.
const SURPLUS: u32 = 160;
const WATCHED: u32 = 40_000;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Octets that tell their time.
    fn octets(from: u32, count: u32) -> Vec<u8> {
        (from..from + count).map(|n| (n % 251) as u8).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant can be made in no other way")]
    pub(in super::super) fn start() -> Instant {
        Instant::now()
    }

    fn push(relay: &mut Relay, timestamp: u32, count: u32) {
        relay.push(start(), timestamp, (Codec::Alaw, &octets(timestamp, count)), (false, false));
    }

    fn take(relay: &mut Relay, count: usize) -> Vec<u8> {
        let mut packet = vec![0; count];
        relay.take(Codec::Alaw, &mut packet);
        packet
    }

    #[test]
    fn packets_leave_in_order_after_the_delay_in_any_packet_time() {
        for (came, left) in [(160, 160), (80, 240), (240, 80), (480, 160)] {
            let mut relay = Relay::new(Codec::Alaw);
            assert_eq!(take(&mut relay, 160), [g711::idle(Codec::Alaw); 160], "nothing has come");
            let (mut heard, mut sent) = (Vec::new(), 0);
            while sent < 4800 {
                push(&mut relay, sent, came);
                sent += came;
                while heard.len() < sent as usize {
                    heard.extend(take(&mut relay, left));
                }
            }
            let begins = heard.windows(400).position(|window| window == octets(1000, 400));
            assert!(begins.is_some(), "{came} {left}");
        }
    }

    /// Packets of 20 ms each way, so many milliseconds apart; all but some are silent. How many milliseconds octets wait at the end.
    fn waits_after(seconds: u32, ms: u64, late: impl Fn(u32) -> u64, silent: impl Fn(u32) -> bool) -> u64 {
        let mut relay = Relay::new(Codec::Alaw);
        let (begin, packet) = (start(), Duration::from_millis(20));
        let speech = octets(0, 160);
        for n in 0..seconds * 50 {
            let (came, leaves) = (begin + packet * n, begin + packet * n + Duration::from_millis(ms));
            let late = Duration::from_millis(late(n));
            if late > Duration::from_millis(ms) {
                relay.begin(leaves, 160);
                take(&mut relay, 160);
            }
            let sound = if silent(n) { &[0xD5; 160] } else { &speech[..] };
            relay.push(came + late, n * 160, (Codec::Alaw, sound), (n == 0, false));
            if late <= Duration::from_millis(ms) {
                relay.begin(leaves, 160);
                take(&mut relay, 160);
            }
        }
        let span = relay.span.expect("sound has come");
        ms + u64::from(after(span.play, span.end).unsigned_abs()) / 8
    }

    #[test]
    fn octets_wait_less_when_none_came_late_for_a_while() {
        let never = |_| 0;
        assert_eq!(waits_after(4, 10, never, |_| true), 30, "it is not known yet");
        for (ms, waits) in [(0, 20), (4, 24), (5, 5), (10, 10), (19, 19)] {
            assert_eq!(waits_after(6, ms, never, |_| true), waits, "{ms}");
        }
        assert_eq!(waits_after(8, 10, never, |_| false), 30, "nothing of the speech is left out");
        assert_eq!(waits_after(8, 10, never, |n| n > 350), 10, "but of the next silence");
        let often = |n| if n % 100 == 99 { 15 } else { 0 };
        assert_eq!(waits_after(12, 10, often, |_| true), 30, "others come late");
        assert_eq!(waits_after(12, 10, |n| if n == 450 { 15 } else { 0 }, |_| true), 30, "and wait longer again");
    }

    #[test]
    fn a_lost_packet_is_a_repetition_of_its_length_and_never_a_shift() {
        let mut relay = Relay::new(Codec::Alaw);
        let mut heard = Vec::new();
        for n in 0..20 {
            if n != 8 && !(12..15).contains(&n) {
                push(&mut relay, n * 160, 160);
            }
            heard.extend(take(&mut relay, 160));
        }
        let at = |n: usize| &heard[160 + n * 160..320 + n * 160];
        for n in (0..19).filter(|n| *n != 8 && !(12..15).contains(n)) {
            assert_eq!(at(n), octets(n as u32 * 160, 160), "{n}");
        }
        assert_eq!((at(8), at(12), at(13)), (at(7), at(11), at(11)));
        assert_eq!(at(14), [g711::idle(Codec::Alaw); 160], "then there is silence");
    }

    #[test]
    fn a_late_packet_is_heard_whole_and_the_delay_goes_back_when_it_is_not_needed() {
        let mut relay = Relay::new(Codec::Alaw);
        push(&mut relay, 0, 160);
        for _ in 0..3 {
            take(&mut relay, 160);
        }
        // Two packets are late; they come together with the next.
        for n in 1..4 {
            push(&mut relay, n * 160, 160);
        }
        assert_eq!(take(&mut relay, 160), octets(160, 160));
        let mut heard = Vec::new();
        for n in 4..1000 {
            push(&mut relay, n * 160, 160);
            heard.push(take(&mut relay, 160));
        }
        assert_eq!(heard[0], octets(2 * 160, 160));
        let last = heard.last().expect("many");
        assert_eq!(*last, octets(998 * 160, 160), "one packet waits, as at first");
    }

    #[test]
    fn a_reordered_packet_finds_its_place_or_is_dropped() {
        let mut relay = Relay::new(Codec::Alaw);
        push(&mut relay, 0, 160);
        push(&mut relay, 320, 160);
        relay.push(start(), 160, (Codec::Alaw, &octets(160, 160)), (false, true));
        take(&mut relay, 160);
        assert_eq!(take(&mut relay, 480), octets(0, 480));
        relay.push(start(), 320, (Codec::Alaw, &octets(320, 160)), (false, true));
        push(&mut relay, 480, 160);
        assert_eq!(take(&mut relay, 160), octets(480, 160));
    }

    #[test]
    fn a_new_clock_or_source_begins_again() {
        for (timestamp, fresh) in [(1_000_000, false), (0x8000_0000, false), (400, true)] {
            let mut relay = Relay::new(Codec::Alaw);
            push(&mut relay, 0, 160);
            take(&mut relay, 160);
            let sound: Vec<u8> = (0..160).collect();
            relay.push(start(), timestamp, (Codec::Alaw, &sound), (fresh, false));
            take(&mut relay, DELAY as usize);
            assert_eq!(take(&mut relay, 160), sound);
        }
    }

    #[test]
    fn laws_are_exchanged_by_table() {
        let mut relay = Relay::new(Codec::Alaw);
        let sound: Vec<u8> = (0..160).collect();
        relay.push(start(), 0, (Codec::Ulaw, &sound), (true, false));
        take(&mut relay, 160);
        let expected: Vec<u8> = sound.iter().map(|octet| g711::transcode(Codec::Ulaw, Codec::Alaw, *octet)).collect();
        assert_eq!(take(&mut relay, 160), expected);
        relay.push(start(), 160, (Codec::Ulaw, &sound), (false, false));
        let mut packet = [0; 160];
        relay.take(Codec::Ulaw, &mut packet);
        relay.push(start(), 320, (Codec::Ulaw, &sound), (false, false));
        relay.take(Codec::Ulaw, &mut packet);
        assert_eq!(packet, *sound, "the same law passes unchanged");
    }

    proptest! {
        #[test]
        fn whatever_comes_what_waits_is_bounded_and_nothing_panics(
            steps in proptest::collection::vec((any::<u32>(), 0usize..700, any::<bool>(), any::<bool>(), 0usize..500), 1..60),
            near in any::<bool>(),
        ) {
            let mut relay = Relay::new(Codec::Alaw);
            let sound = [7; 700];
            for (timestamp, length, fresh, reordered, taken) in steps {
                let timestamp = if near { timestamp % 6000 } else { timestamp };
                relay.push(start(), timestamp, (Codec::Alaw, &sound[..length]), (fresh, reordered));
                if let Some(span) = relay.span {
                    prop_assert!(after(span.play, span.end) <= ROOM as i32);
                }
                relay.take(Codec::Ulaw, &mut vec![0; taken]);
                relay.skip(taken as u32);
            }
        }
    }
}
