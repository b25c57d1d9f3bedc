//! The sources of one peer, each with the state of its own that RFC 3550 §8 wants: sequence, jitter, reports, keys.
//!
//! A peer may send keys under an SSRC of their own beside the sound, give each payload type one, or change it at any
//! time, even with each key. The table is bounded. A source is valid with its second packet (A.1); a new one takes the place
//! of one that is not, else of one that brought nothing but keys which are up again, else of one that is silent, so that a
//! flood of SSRCs never takes the place of one that speaks.
//!
//! One source at a time is the sound: another one becomes it once that one is silent, and two packets of it have come.

use std::time::{Duration, Instant};

use super::rtcp::REPORTS_MAX;
use super::{EventKey, Header, Reception, ReceptionReport, SequencePlace, TelephoneEvents};
use base::Key;

/// The sources of one peer.
#[derive(Clone, Debug)]
pub struct Sources {
    epoch: Instant,
    list: Vec<Source>,
    /// Of sources that are forgotten.
    expected_before: u64,
    lost_before: u64,
    sound: Option<SoundSource>,
}

#[derive(Clone, Debug)]
struct Source {
    reception: Reception,
    events: TelephoneEvents,
    has_events: bool,
    /// It has brought packets that are no events.
    has_others: bool,
    last_heard: Instant,
    heard_since_report: bool,
    /// The middle 32 bits of the NTP time of its last sender report, and when that came.
    last_sender: Option<(u32, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct SoundSource {
    ssrc: u32,
    last_heard: Instant,
    /// The source that may come next, and how many packets of it came since this one was heard.
    rival: Option<(u32, u8)>,
}

/// Whether a packet of sound is to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundPlace {
    /// Of the source that is heard.
    Current,
    /// The first of the source that is heard from here on.
    New,
    /// Of another source.
    Other,
}

impl Sources {
    /// No source yet; times are counted from `epoch`.
    pub fn new(epoch: Instant) -> Sources {
        Sources { epoch, list: Vec::new(), expected_before: 0, lost_before: 0, sound: None }
    }

    /// Counts a packet; `timed` as for [`Reception::packet`]. `None` if it is of a source that there is no room for.
    pub fn packet(&mut self, now: Instant, header: &Header, timed: bool) -> Option<SequencePlace> {
        if let Some(source) = self.source(header.ssrc) {
            (source.last_heard, source.heard_since_report) = (now, true);
            return Some(source.reception.packet(now, header, timed));
        }
        if self.list.len() >= SOURCES_MAX {
            self.forget_one(now)?;
        }
        self.list.push(Source {
            reception: Reception::new(self.epoch, now, header, timed),
            events: TelephoneEvents::default(),
            has_events: false,
            has_others: false,
            last_heard: now,
            heard_since_report: true,
            last_sender: None,
        });
        Some(SequencePlace::First)
    }

    /// Takes the telephone event of a packet that [`Sources::packet`] has counted; as [`TelephoneEvents::packet`].
    pub fn event(
        &mut self,
        now: Instant,
        header: &Header,
        payload: &[u8],
        on_key: impl FnMut(EventKey),
    ) -> Option<Key> {
        let is_new = self.source(header.ssrc).is_some_and(|source| !source.has_events);
        let continues = is_new
            && self.list.iter().any(|other| {
                other.reception.ssrc() != header.ssrc && other.events.is_continued_by(now, header, payload)
            });
        let source = self.source(header.ssrc)?;
        source.has_events = true;
        if continues {
            source.events.adopt(now, header, payload);
            return None;
        }
        source.events.packet(now, header, payload, on_key)
    }

    /// Whether a packet of sound is to be heard; `ptime` is the time of one packet.
    pub fn sound(&mut self, now: Instant, ssrc: u32, ptime: Duration) -> SoundPlace {
        if let Some(source) = self.source(ssrc) {
            source.has_others = true;
        }
        let fresh = SoundSource { ssrc, last_heard: now, rival: None };
        let Some(current) = &mut self.sound else {
            self.sound = Some(fresh);
            return SoundPlace::New;
        };
        if current.ssrc == ssrc {
            *current = fresh;
            return SoundPlace::Current;
        }
        let count = current.rival.filter(|(rival, _)| *rival == ssrc).map_or(1, |(_, count)| count.saturating_add(1));
        current.rival = Some((ssrc, count));
        let silent = now.saturating_duration_since(current.last_heard) >= ptime + ptime / 2;
        if silent && count >= VALID {
            self.sound = Some(fresh);
            return SoundPlace::New;
        }
        SoundPlace::Other
    }

    /// Notes a sender report: the middle 32 bits of its NTP time.
    pub fn sender_report(&mut self, now: Instant, ssrc: u32, time: u32) {
        if let Some(source) = self.source(ssrc) {
            source.last_sender = Some((time, now));
        }
    }

    /// Whether packets of this source have come.
    pub fn knows(&self, ssrc: u32) -> bool {
        self.list.iter().any(|source| source.reception.ssrc() == ssrc)
    }

    /// Whether no packet has come at all.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Writes a report block for each valid source heard since its last one (RFC 3550 §6.4); returns how many.
    pub fn reports(&mut self, now: Instant, to: &mut [ReceptionReport; REPORTS_MAX]) -> usize {
        let heard = self.list.iter_mut().filter(|source| source.heard_since_report && source.is_valid());
        let mut count = 0;
        for (block, source) in to.iter_mut().zip(heard) {
            source.heard_since_report = false;
            let (last_report, delay) = source.last_sender.map_or((0, 0), |(time, at)| {
                (time, (now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000) as u32)
            });
            *block = ReceptionReport { last_report, delay, ..source.reception.report() };
            count += 1;
        }
        count
    }

    /// Packets lost, over all sources.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.list.iter().map(|source| source.reception.lost()).sum::<u64>()
    }

    /// Packets sent by the peer, as far as sequence numbers tell, over all sources.
    pub fn expected(&self) -> u64 {
        self.expected_before + self.list.iter().map(|source| source.reception.expected()).sum::<u64>()
    }

    /// The jitter of the sound, in 1/8000 s.
    pub fn jitter(&self) -> u32 {
        let sound = self.sound.map(|sound| sound.ssrc);
        let source = self.list.iter().find(|source| Some(source.reception.ssrc()) == sound);
        source.map_or(0, |source| source.reception.jitter())
    }

    fn source(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.list.iter_mut().find(|source| source.reception.ssrc() == ssrc)
    }

    /// Makes room: the least recently heard of the sources that are not valid, else of those whose keys are up, else of those
    /// that are silent.
    fn forget_one(&mut self, now: Instant) -> Option<()> {
        let silent = |source: &Source| source.is_silent(now, SILENT);
        let oldest = |may_go: &dyn Fn(&Source) -> bool| {
            let candidates = self.list.iter().enumerate().filter(|(_, source)| may_go(source));
            candidates.min_by_key(|(_, source)| source.last_heard).map(|(place, _)| place)
        };
        let place = oldest(&|source| !source.is_valid())
            .or_else(|| oldest(&|source| source.has_done(now)))
            .or_else(|| oldest(&silent))?;
        let gone = self.list.remove(place);
        self.expected_before += gone.reception.expected();
        self.lost_before += gone.reception.lost();
        Some(())
    }
}

impl Source {
    fn is_valid(&self) -> bool {
        self.reception.received() >= VALID.into()
    }

    fn is_silent(&self, now: Instant, time: Duration) -> bool {
        now.saturating_duration_since(self.last_heard) >= time
    }

    /// Whether it has brought nothing but keys, and they are up: where all packets of an end are lost, silence shows it.
    fn has_done(&self, now: Instant) -> bool {
        let up = !self.events.is_down() || self.is_silent(now, KEY_SILENT);
        self.has_events && !self.has_others && up
    }
}

/// Sources that are kept; each may have a report block.
const SOURCES_MAX: usize = REPORTS_MAX;
/// MIN_SEQUENTIAL of RFC 3550 A.1.
const VALID: u8 = 2;
/// A source that has been silent for so long may be forgotten for another one.
const SILENT: Duration = Duration::from_secs(5);
/// After so long without a packet of it a key is up.
const KEY_SILENT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PTIME: Duration = Duration::from_millis(20);

    struct Peer {
        sources: Sources,
        start: Instant,
        now: Instant,
        keys: String,
    }

    impl Peer {
        fn new() -> Peer {
            #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
            let start = Instant::now();
            Peer { sources: Sources::new(start), start, now: start, keys: String::new() }
        }

        fn pass(&mut self, ms: u64) -> &mut Peer {
            self.now += Duration::from_millis(ms);
            self
        }

        fn sound(&mut self, ssrc: u32, sequence: u16) -> Option<SoundPlace> {
            let timestamp = (self.now - self.start).as_millis() as u32 * 8;
            let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc };
            self.sources.packet(self.now, &header, true)?;
            Some(self.sources.sound(self.now, ssrc, PTIME))
        }

        fn event(&mut self, ssrc: u32, sequence: u16, timestamp: u32, duration: u16) {
            let header = Header { marker: duration == 160, payload_type: 101, sequence, timestamp, ssrc };
            let [high, low] = duration.to_be_bytes();
            self.event_packet(&header, [5, 10, high, low]);
        }

        fn event_packet(&mut self, header: &Header, payload: [u8; 4]) {
            if self.sources.packet(self.now, header, false).is_some() {
                let keys = &mut self.keys;
                let _ = self.sources.event(self.now, header, &payload, |key| keys.push(key.key.as_char()));
            }
        }

        /// A press of 60 ms under an SSRC of its own, beside the sound of source 1; `ends`: how many end packets arrive.
        fn key_of_its_own_source(&mut self, event: u8, ssrc: u32, timestamp: u32, ends: u16) {
            for n in 1..=6u16 {
                let sequence = ((self.now - self.start).as_millis() / 20) as u16;
                assert_ne!(self.sound(1, sequence), Some(SoundPlace::Other));
                let [high, low] = (n.min(3) * 160).to_be_bytes();
                let header = Header { marker: n == 1, payload_type: 101, sequence: n, timestamp, ssrc };
                if n <= 3 + ends {
                    self.event_packet(&header, [event, if n > 3 { 0x8A } else { 10 }, high, low]);
                }
                self.pass(20);
            }
        }

        fn reports(&mut self) -> Vec<ReceptionReport> {
            let mut to = [ReceptionReport::default(); REPORTS_MAX];
            let count = self.sources.reports(self.now, &mut to);
            to[..count].to_vec()
        }
    }

    #[test]
    fn keys_beside_the_sound_are_a_key_a_press_and_lose_nothing() {
        let mut peer = Peer::new();
        for press in 0..3u16 {
            for n in 0..10 {
                assert_ne!(peer.sound(1, press * 10 + n), Some(SoundPlace::Other));
                peer.event(2, 7000 + press * 10 + n, 500_000 + u32::from(press) * 3200, 160 + n * 160);
                peer.pass(20);
            }
        }
        assert_eq!((peer.keys.as_str(), peer.sources.lost(), peer.sources.jitter()), ("555", 0, 0));
        assert_eq!(peer.reports().iter().map(|report| report.ssrc).collect::<Vec<_>>(), [1, 2]);
        assert!(peer.reports().is_empty(), "of a source that was not heard since there is none");
    }

    #[test]
    fn a_press_goes_on_in_another_source() {
        let mut peer = Peer::new();
        for n in 0..4u16 {
            peer.event(1, n, 800, 160 * (n + 1));
            peer.pass(20);
        }
        for n in 4..8u16 {
            peer.event(2, 9000 + n, 77, 160 * (n + 1));
            peer.pass(20);
        }
        assert_eq!(peer.keys, "5");
        peer.pass(100).event(2, 9010, 3277, 160);
        assert_eq!(peer.keys, "55");
    }

    #[test]
    fn the_sound_follows_a_change_of_source_and_late_packets_do_not_take_it_back() {
        let mut peer = Peer::new();
        assert_eq!(peer.sound(1, 10), Some(SoundPlace::New));
        assert_eq!(peer.pass(20).sound(1, 11), Some(SoundPlace::Current));
        assert_eq!(peer.pass(20).sound(2, 500), Some(SoundPlace::Other));
        assert_eq!(peer.pass(20).sound(2, 501), Some(SoundPlace::New));
        assert_eq!(peer.sound(1, 12), Some(SoundPlace::Other));
        assert_eq!(peer.pass(20).sound(2, 502), Some(SoundPlace::Current));
    }

    #[test]
    fn of_two_sources_that_speak_at_once_the_first_is_heard() {
        let mut peer = Peer::new();
        for n in 0..50 {
            assert_ne!(peer.sound(1, n), Some(SoundPlace::Other));
            assert_eq!(peer.sound(2, n), Some(SoundPlace::Other));
            peer.pass(20);
        }
    }

    #[test]
    fn a_report_tells_the_sources_own_last_sender_report() {
        let mut peer = Peer::new();
        for n in 0..2 {
            peer.sound(1, n);
            peer.sound(2, n);
        }
        peer.sources.sender_report(peer.now, 2, 0xABCD);
        let reports = peer.pass(500).reports();
        assert_eq!((reports[0].last_report, reports[0].delay), (0, 0));
        assert_eq!((reports[1].last_report, reports[1].delay), (0xABCD, 0x8000));
    }

    #[test]
    fn keys_of_a_source_each_are_a_key_each_however_fast_they_come() {
        for (ends, pause, timestamp) in
            [(3, 0, None), (3, 340, None), (0, 60, None), (3, 40, Some(0)), (1, 100, Some(9))]
        {
            let mut peer = Peer::new();
            let pressed = "3144401632347192555500";
            for (n, key) in (0u32..).zip(pressed.bytes()) {
                peer.key_of_its_own_source(key - b'0', 1000 + n, timestamp.unwrap_or(n * 77_777), ends);
                peer.pass(pause);
            }
            assert_eq!(peer.keys, pressed, "{ends} {pause} {timestamp:?}");
            assert!(peer.sources.knows(1));
        }
    }

    proptest! {
        #[test]
        fn no_flood_of_keys_takes_the_place_of_the_sound(
            keys in proptest::collection::vec((0u8..12, 2u32..40, any::<u32>(), 0u16..4), 0..60),
        ) {
            let mut peer = Peer::new();
            peer.sound(1, 65_535);
            for (event, ssrc, timestamp, ends) in keys {
                peer.key_of_its_own_source(event, ssrc, timestamp, ends);
                prop_assert!(peer.sources.list.len() <= SOURCES_MAX && peer.sources.knows(1));
            }
            prop_assert_eq!(peer.sources.sound.map(|sound| sound.ssrc), Some(1));
        }

        #[test]
        fn no_flood_of_sources_takes_the_place_of_one_that_speaks(
            flood in proptest::collection::vec((any::<u32>(), any::<u16>(), 1u16..5), 0..400),
        ) {
            let mut peer = Peer::new();
            peer.sound(1, 0);
            let mut sequence = 0;
            for flood in flood.chunks(20) {
                peer.pass(20);
                sequence += 1;
                prop_assert_eq!(peer.sound(1, sequence), Some(SoundPlace::Current));
                for (ssrc, first, count) in flood {
                    for n in 0..*count {
                        if *ssrc != 1 {
                            prop_assert_ne!(peer.sound(*ssrc, first.wrapping_add(n)), Some(SoundPlace::New));
                        }
                    }
                }
                prop_assert!(peer.sources.list.len() <= SOURCES_MAX && peer.sources.knows(1));
            }
            let reports = peer.reports();
            prop_assert!(sequence == 0 || reports.iter().any(|report| report.ssrc == 1 && report.lost == 0));
        }
    }
}
