//! The sound of one session on its way to another: a small buffer by RTP time, from which the other session takes each of
//! its packets when that is due.
//!
//! ```text
//!  packets of the peer ─► placed by their timestamps ─► [ played │ waits ··hole·· waits ] ─► packets of the other session
//! ```
//!
//! Sound leaves with the next packet of the other session, not at its arrival. So packets leave on one schedule, as
//! music and prompts did, in the other side's packet time, under one SSRC and clock, through
//! the same code for hold, SRTP and RTCP; nothing is heard of the joining but the sound itself.
//!
//! The first packet leaves with the next packet of the other session, or later by the jitter buffer of the settings. The other session
//! then shifts its schedule once, by at most half a packet time, so that its packets leave 10 ms (at most half a packet time) after the
//! peer's packets arrive.
//!
//! Octets lie at the place of their timestamp. A lost packet is a hole as long as the packet: what came before it is
//! repeated for a moment, then there is silence, and what follows keeps its time. A packet that arrives too late
//! delays all that follows by as much. When a delay shorter by [`STEP`] would have been enough for one second, the next silence is
//! shortened by it; after two seconds sound is shortened, too, with a cross-fade. If a packet is late within [`SOON`] of that, these times double.

use std::ops::Range;
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
    /// The jitter buffer of the settings, in octets: the shortest delay.
    least: u32,
    /// The number of octets in a row that could have left sooner by [`STEP`].
    spare: u32,
    /// The delay is shortened after so many of them.
    watch: u32,
    /// Octets that left since the delay was shortened last.
    since: u32,
    /// Octets of the hole that is being played.
    hole: u32,
    /// The octets of the newest packet; none once octets have left.
    begins: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    play: u32,
    end: u32,
}

impl Relay {
    /// `least`: the jitter buffer, in octets.
    pub(super) fn new(law: Codec, least: u32) -> Relay {
        Relay {
            law,
            octets: Box::new([g711::idle(law); ROOM]),
            present: [0; ROOM / 64],
            span: None,
            newest: None,
            least: least.min(LEAST_MAX),
            spare: 0,
            watch: WATCH_LEAST,
            since: u32::MAX,
            hole: 0,
            begins: Some(0),
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
        let played = after(timestamp, span.play).clamp(0, length.cast_signed()).cast_unsigned();
        let (from, mut rest) = (timestamp.wrapping_add(played), &octets[played as usize..]);
        for place in places(from, length - played) {
            let (now, later) = rest.split_at(place.len());
            rest = later;
            match codec == self.law {
                true => self.octets[place].copy_from_slice(now),
                false => {
                    let to = self.octets[place].iter_mut().zip(now);
                    to.for_each(|(to, octet)| *to = g711::transcode(codec, self.law, *octet));
                }
            }
        }
        self.mark(from, length - played, true);
        let end = timestamp.wrapping_add(length);
        if after(span.end, end) > 0 {
            (span.end, self.newest) = (end, Some(now));
            self.begins = self.begins.map(|_| length);
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
            self.spare = 0;
            let was_short = self.since < SOON;
            self.watch = if was_short { self.watch * 2 } else { self.watch / 2 }.clamp(WATCH_LEAST, WATCH_MOST);
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
        self.spare = 0;
        Some(Span { play: timestamp.wrapping_sub(self.least), end: timestamp })
    }

    /// A packet of so many octets leaves now: notes whether they could have left sooner. Returns once, for the first packet, how long ago
    /// the peer's packet arrived, if both have the same length.
    pub(super) fn begin(&mut self, now: Instant, samples: u32) -> Option<Duration> {
        let (span, newest) = (self.span.as_mut()?, self.newest?);
        let waited = now.saturating_duration_since(newest);
        let mut came = None;
        if let Some(packet) = self.begins.take() {
            // Of packets with other lengths, so many octets are held back that the next one arrives in time.
            let octets = if packet > samples { 2 * packet - samples } else { samples };
            span.play = span.end.wrapping_sub(octets.min(AHEAD_MAX.cast_unsigned()) + self.least);
            came = (packet == samples).then_some(waited);
        }
        let in_time = waited >= MARGIN;
        let sooner = span.play.wrapping_add(STEP + samples + self.least);
        let could = after(sooner, span.end) >= 0 && in_time;
        self.spare = if could { self.spare.saturating_add(samples) } else { 0 };
        came
    }

    /// Fills a packet of this codec with what is due.
    pub(super) fn take(&mut self, codec: Codec, to: &mut [u8]) {
        self.follow(codec);
        let Some(mut span) = self.span else { return to.fill(g711::idle(codec)) };
        if self.spare >= self.watch && (self.spare >= 2 * self.watch || self.is_silent(span.play)) {
            self.fade(span.play);
            self.forget(span.play, STEP);
            span.play = span.play.wrapping_add(STEP);
            (self.spare, self.since) = (0, 0);
        }
        let count = to.len() as u32;
        if self.is_present(span.play, count) {
            let mut rest = &mut to[..];
            for place in places(span.play, count) {
                let (now, later) = rest.split_at_mut(place.len());
                now.copy_from_slice(&self.octets[place]);
                rest = later;
            }
            self.mark(span.play, count, false);
            self.hole = 0;
        } else {
            for (n, octet) in to.iter_mut().enumerate() {
                *octet = self.octet(span.play.wrapping_add(n as u32));
            }
        }
        self.advance(span, count);
    }

    /// Passes over what is due: it cannot leave.
    pub(super) fn skip(&mut self, samples: u32) {
        if let Some(span) = self.span {
            self.forget(span.play, samples.min(ROOM as u32));
            self.advance(span, samples);
        }
    }

    /// Whether what waits from here on for [`STEP`] is silence.
    fn is_silent(&self, from: u32) -> bool {
        (0..STEP).all(|n| g711::decode(self.law, self.octets[index(from.wrapping_add(n))]).unsigned_abs() <= SILENT)
    }

    /// Cross-fades the octets from here on with those [`STEP`] later, in the place of the latter.
    fn fade(&mut self, from: u32) {
        for n in 0..FADE {
            let (first, second) = (index(from.wrapping_add(n)), index(from.wrapping_add(STEP + n)));
            let [going, coming] = [first, second].map(|at| i32::from(g711::decode(self.law, self.octets[at])));
            let mixed = (going * (FADE - n) as i32 + coming * n as i32) / FADE as i32;
            self.octets[second] = g711::encode(self.law, mixed as i16);
        }
    }

    fn octet(&mut self, at: u32) -> u8 {
        let place = index(at);
        if self.present[place / 64] & (1 << (place % 64)) != 0 {
            self.mark(at, 1, false);
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
        self.since = self.since.saturating_add(samples);
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
        self.mark(from, count.min(ROOM as u32), false);
    }

    /// Notes whether octets are there; at most [`ROOM`].
    fn mark(&mut self, from: u32, count: u32, present: bool) {
        for (word, bits) in words(from, count) {
            match present {
                true => self.present[word] |= bits,
                false => self.present[word] &= !bits,
            }
        }
    }

    fn is_present(&self, from: u32, count: u32) -> bool {
        count as usize <= ROOM && words(from, count).all(|(word, bits)| self.present[word] & bits == bits)
    }
}

/// How far one timestamp is after another.
fn after(first: u32, second: u32) -> i32 {
    second.wrapping_sub(first).cast_signed()
}

fn index(timestamp: u32) -> usize {
    timestamp as usize % ROOM
}

/// Where so many octets lie, at most [`ROOM`]: in one piece, or at the end and at the beginning.
fn places(from: u32, count: u32) -> [Range<usize>; 2] {
    let (first, count) = (index(from), count as usize);
    let last = (first + count).min(ROOM);
    [first..last, 0..first + count - last]
}

/// Their bits, by words.
fn words(from: u32, count: u32) -> impl Iterator<Item = (usize, u64)> {
    places(from, count).into_iter().filter(|place| !place.is_empty()).flat_map(|place| {
        (place.start / 64..=(place.end - 1) / 64).map(move |word| {
            let (first, last) = (place.start.max(word * 64), place.end.min(word * 64 + 64));
            (word, (u64::MAX >> (64 - (last - first))) << (first % 64))
        })
    })
}

/// Half a second.
const ROOM: usize = 4096;
/// 60 ms: no packet holds more.
const PACKET_MAX: usize = 480;
/// 100 ms: the longest jitter buffer.
const LEAST_MAX: u32 = 800;
/// 20 ms: the delay is shortened in these steps.
const STEP: u32 = 160;
/// 5 ms of cross-fade.
const FADE: u32 = 40;
/// A packet may always come late by this time.
const MARGIN: Duration = Duration::from_millis(4);
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
/// One second, one minute.
const WATCH_LEAST: u32 = 8_000;
const WATCH_MOST: u32 = 480_000;
/// Five seconds.
const SOON: u32 = 40_000;

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
            let mut relay = Relay::new(Codec::Alaw, STEP);
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
        let mut relay = Relay::new(Codec::Alaw, 0);
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
    fn octets_wait_for_the_next_packet_and_longer_after_one_that_came_late() {
        let never = |_| 0;
        for ms in [0, 3, 4, 10, 19] {
            assert_eq!(waits_after(1, ms, never, |_| false), ms);
            assert_eq!(waits_after(20, ms, never, |_| false), ms);
        }
        let once = |n| if n == 50 { 15 } else { 0 };
        assert_eq!(waits_after(2, 10, once, |_| true), 30, "the wait stays for a second");
        assert_eq!(waits_after(3, 10, once, |_| true), 10, "none did");
        assert_eq!(waits_after(3, 10, once, |_| false), 30, "nothing of the speech is left out");
        assert_eq!(waits_after(3, 10, once, |n| n > 120), 10, "but of the next silence");
        assert_eq!(waits_after(4, 10, once, |_| false), 10, "or of the speech, where no silence came");
        let often = |n| if n % 100 == 99 { 15 } else { 0 };
        assert_eq!(waits_after(30, 10, often, |_| true), 30);
    }

    /// An hour of packets each way, of clocks that differ by so many millionths: how many packets were not heard as they were sent,
    /// and the longest wait of an octet, in milliseconds.
    fn hour(millionths: i64) -> (u32, u64) {
        let mut relay = Relay::new(Codec::Alaw, 0);
        let (begin, packet) = (start(), Duration::from_millis(20));
        let came = |n: u32| {
            let drift = i64::from(n) * 20 * millionths;
            let drift = if millionths < 0 { Duration::ZERO } else { Duration::from_nanos(drift.unsigned_abs()) };
            begin + packet * n - drift
        };
        let (mut sent, mut broken, mut longest, mut last) = (0, 0, 0, None);
        for n in 0..180_000 {
            let leaves = begin + packet * n + Duration::from_millis(10);
            let late = Duration::from_nanos((i64::from(n) * 20 * millionths.min(0)).unsigned_abs());
            while came(sent) + late <= leaves {
                relay.push(came(sent) + late, sent * 160, (Codec::Alaw, &octets(sent * 160, 160)), (sent == 0, false));
                sent += 1;
            }
            relay.begin(leaves, 160);
            let heard = take(&mut relay, 160);
            let follows = |pair: &[u8]| pair[1] == (pair[0] + 1) % 251;
            let joins = last.is_none_or(|last| follows(&[last, heard[0]]));
            broken += u32::from(n > 0 && !(joins && heard.windows(2).all(follows)));
            last = heard.last().copied();
            let waits = relay.span.map_or(0, |span| u64::from(after(span.play, span.end).unsigned_abs()) / 8);
            longest = longest.max(waits);
        }
        (broken, longest)
    }

    #[test]
    fn an_hour_of_clocks_that_differ_changes_little_and_lets_nothing_wait_longer() {
        assert_eq!(hour(0), (0, 0));
        // Telephones' clocks differ by some 50 millionths: 180 ms in an hour, nine packets. A change touches three packets at most.
        for (millionths, most) in [(50, 27), (-50, 27), (200, 108), (-200, 108)] {
            let (broken, longest) = hour(millionths);
            assert!(broken <= most && longest <= 40, "{millionths}: {broken} packets, {longest} ms");
        }
    }

    #[test]
    fn a_wait_that_is_asked_for_stays() {
        let mut relay = Relay::new(Codec::Alaw, 480);
        for n in 0..1000 {
            push(&mut relay, n * 160, 160);
            let later = start() + MARGIN;
            relay.begin(later, 160);
            let heard = take(&mut relay, 160);
            if n >= 3 {
                assert_eq!(heard, octets((n - 3) * 160, 160));
            }
        }
    }

    #[test]
    fn sound_that_is_left_out_is_faded_over() {
        let mut relay = Relay::new(Codec::Alaw, 0);
        let level = |n: u32| if n < 10 { 0xAA } else { 0x2A };
        for n in 0..12 {
            relay.push(start(), n * 160, (Codec::Alaw, &[level(n); 160]), (n == 0, false));
        }
        relay.span.as_mut().expect("sound").play = 9 * 160;
        relay.spare = 2 * WATCH_LEAST;
        let heard: Vec<i16> = take(&mut relay, 160).iter().map(|octet| g711::decode(Codec::Alaw, *octet)).collect();
        let steps: Vec<u16> = heard.windows(2).map(|pair| pair[0].abs_diff(pair[1])).collect();
        let (from, to) = (g711::decode(Codec::Alaw, 0xAA), g711::decode(Codec::Alaw, 0x2A));
        assert_eq!((heard[0], heard[159]), (from, to));
        assert!(steps.iter().all(|step| u32::from(*step) <= u32::from(from.abs_diff(to)) / 8), "no click: {steps:?}");
    }

    #[test]
    fn a_lost_packet_is_a_repetition_of_its_length_and_never_a_shift() {
        let mut relay = Relay::new(Codec::Alaw, STEP);
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
        let mut relay = Relay::new(Codec::Alaw, STEP);
        push(&mut relay, 0, 160);
        relay.begin(start() + MARGIN, 160);
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
            relay.begin(start() + MARGIN, 160);
            heard.push(take(&mut relay, 160));
        }
        assert_eq!(heard[0], octets(2 * 160, 160));
        let last = heard.last().expect("many");
        assert_eq!(*last, octets(998 * 160, 160), "one packet waits, as at first");
    }

    #[test]
    fn a_reordered_packet_finds_its_place_or_is_dropped() {
        let mut relay = Relay::new(Codec::Alaw, STEP);
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
            let mut relay = Relay::new(Codec::Alaw, STEP);
            push(&mut relay, 0, 160);
            take(&mut relay, 160);
            let sound: Vec<u8> = (0..160).collect();
            relay.push(start(), timestamp, (Codec::Alaw, &sound), (fresh, false));
            take(&mut relay, STEP as usize);
            assert_eq!(take(&mut relay, 160), sound);
        }
    }

    #[test]
    fn laws_are_exchanged_by_table() {
        let mut relay = Relay::new(Codec::Alaw, STEP);
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
            let mut relay = Relay::new(Codec::Alaw, STEP);
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
