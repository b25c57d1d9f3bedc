//! Reception statistics of one peer: sequence, loss, jitter (RFC 3550 §6.4.1, A.1, A.3, A.8).
//!
//! A source counts from its first packet, without the probation of A.1: the call is known, and the source address is
//! checked. A new SSRC, or a jump of the sequence that a second packet confirms, starts a new count. One source is
//! current at a time, so no table of sources is needed.

use std::time::Instant;

/// The place of one packet in its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequencePlace {
    /// The first of a source, or after a confirmed jump.
    First,
    /// Newer than all packets so far.
    Next {
        /// Packets between the newest so far and this one.
        missing: u16,
    },
    /// Older than the newest, received for the first time.
    Late,
    /// Received before.
    Duplicate,
    /// Far from the sequence so far: not usable unless the next packet confirms it.
    Stray,
}

/// The counters of one peer's stream.
#[derive(Clone, Debug)]
pub struct Reception {
    epoch: Instant,
    source: Option<Source>,
    /// Lost packets of the sources before the current one.
    lost_before: u64,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: u32,
    /// Extended by the cycles of the 16-bit number (A.1).
    base: u64,
    newest: u64,
    /// Bit n: `newest - n` was received.
    seen: u64,
    received: u64,
    /// The sequence number that would confirm a jump.
    jump: Option<u16>,
    /// Arrival minus timestamp of the last packet, and the jitter × 16 (A.8).
    transit: Option<u32>,
    jitter: u32,
    /// The counters at the last report.
    expected_before: u64,
    received_before: u64,
}

/// The local part of a reception report block (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceptionReport {
    /// The source that the block describes.
    pub ssrc: u32,
    /// The share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all; 24 bits, signed.
    pub lost: i32,
    /// The highest sequence number, extended by its cycles.
    pub highest: u32,
    /// In timestamp units, 1/8000 s.
    pub jitter: u32,
}

impl Reception {
    /// Times are counted from `epoch`.
    pub fn new(epoch: Instant) -> Reception {
        Reception { epoch, source: None, lost_before: 0 }
    }

    /// Counts one packet.
    pub fn packet(&mut self, now: Instant, sequence: u16, timestamp: u32, ssrc: u32) -> SequencePlace {
        let ticks = self.ticks(now);
        let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) else {
            return self.begin(sequence, timestamp, ssrc, ticks);
        };
        let arrival = source.place(sequence);
        match arrival {
            SequencePlace::First => return self.begin(sequence, timestamp, ssrc, ticks),
            SequencePlace::Next { .. } => {
                source.received += 1;
                source.time(ticks.wrapping_sub(timestamp));
            }
            SequencePlace::Late => source.received += 1,
            SequencePlace::Duplicate | SequencePlace::Stray => {}
        }
        arrival
    }

    /// The report since the last one; `None` before the first packet.
    pub fn report(&mut self) -> Option<ReceptionReport> {
        self.source.as_mut().map(Source::report)
    }

    /// Packets lost, over all sources.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.source.as_ref().map_or(0, Source::lost)
    }

    /// The peer's current source.
    pub fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    fn begin(&mut self, sequence: u16, timestamp: u32, ssrc: u32, ticks: u32) -> SequencePlace {
        self.lost_before = self.lost();
        // One cycle up, so that a packet older than the first one has a number too.
        let first = (1 << 16) + u64::from(sequence);
        self.source = Some(Source {
            ssrc,
            base: first,
            newest: first,
            seen: 1,
            received: 1,
            jump: None,
            transit: Some(ticks.wrapping_sub(timestamp)),
            jitter: 0,
            expected_before: 0,
            received_before: 0,
        });
        SequencePlace::First
    }

    /// The time of arrival in units of 1/8000 s.
    fn ticks(&self, now: Instant) -> u32 {
        (now.saturating_duration_since(self.epoch).as_micros() * 8 / 1000) as u32
    }
}

impl Source {
    /// Where a number lies relative to the newest.
    fn place(&mut self, sequence: u16) -> SequencePlace {
        let ahead = sequence.wrapping_sub(self.newest as u16);
        let behind = ahead.wrapping_neg();
        let jump = self.jump.take();
        if ahead == 0 {
            return SequencePlace::Duplicate;
        }
        if ahead <= DROPOUT_MAX {
            self.newest += u64::from(ahead);
            self.seen = self.seen.checked_shl(ahead.into()).unwrap_or(0) | 1;
            return SequencePlace::Next { missing: ahead - 1 };
        }
        if behind < SEEN {
            let bit = 1 << behind;
            if self.seen & bit != 0 {
                return SequencePlace::Duplicate;
            }
            self.seen |= bit;
            self.base = self.base.min(self.newest - u64::from(behind));
            return SequencePlace::Late;
        }
        if jump == Some(sequence) {
            return SequencePlace::First;
        }
        self.jump = Some(sequence.wrapping_add(1));
        SequencePlace::Stray
    }

    fn time(&mut self, transit: u32) {
        if let Some(last) = self.transit.replace(transit) {
            let d = transit.wrapping_sub(last) as i32;
            // A jump of the peer's timestamp is no jitter.
            let d = d.unsigned_abs().min(JITTER_STEP_MAX);
            self.jitter = (self.jitter + d).saturating_sub((self.jitter + 8) >> 4);
        }
    }

    fn expected(&self) -> u64 {
        self.newest - self.base + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn report(&mut self) -> ReceptionReport {
        let expected = self.expected() - self.expected_before.min(self.expected());
        let received = self.received - self.received_before;
        self.expected_before = self.expected();
        self.received_before = self.received;
        let missing = expected.saturating_sub(received);
        ReceptionReport {
            ssrc: self.ssrc,
            fraction_lost: (missing * 256).checked_div(expected).map_or(0, |part| part.min(255) as u8),
            lost: self.lost().min(0x7F_FFFF) as i32,
            highest: (self.newest - (1 << 16)) as u32,
            jitter: self.jitter >> 4,
        }
    }
}

const DROPOUT_MAX: u16 = 3000;
/// How far back a late packet is distinguished from a duplicate.
const SEEN: u16 = 64;
/// One second.
const JITTER_STEP_MAX: u32 = 8000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    struct Receiver {
        reception: Reception,
        start: Instant,
    }

    impl Receiver {
        fn new() -> Receiver {
            #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
            let start = Instant::now();
            Receiver { reception: Reception::new(start), start }
        }

        fn at(&mut self, ms: u64, sequence: u16, timestamp: u32) -> SequencePlace {
            self.reception.packet(self.start + Duration::from_millis(ms), sequence, timestamp, 5)
        }
    }

    #[test]
    fn loss_is_counted_and_a_late_packet_takes_it_back() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.at(0, 10, 0), SequencePlace::First);
        assert_eq!(receiver.at(20, 13, 480), SequencePlace::Next { missing: 2 });
        assert_eq!(receiver.reception.lost(), 2);
        assert_eq!(receiver.at(21, 12, 320), SequencePlace::Late);
        assert_eq!(receiver.at(21, 12, 320), SequencePlace::Duplicate);
        assert_eq!(receiver.at(22, 13, 480), SequencePlace::Duplicate);
        let report = receiver.reception.report().expect("a source");
        assert_eq!((report.lost, report.fraction_lost, report.highest), (1, 64, 13));
        assert_eq!(receiver.reception.report().map(|report| report.fraction_lost), Some(0));
    }

    #[test]
    fn the_sequence_wraps_and_a_packet_before_the_first_is_late() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.at(0, 65_535, 0), SequencePlace::First);
        assert_eq!(receiver.at(20, 0, 160), SequencePlace::Next { missing: 0 });
        assert_eq!(receiver.at(20, 65_534, 0), SequencePlace::Late);
        assert_eq!((receiver.reception.lost(), receiver.reception.report().map(|r| r.highest)), (0, Some(65_536)));
        let mut receiver = Receiver::new();
        assert_eq!(receiver.at(0, 0, 0), SequencePlace::First);
        assert_eq!(receiver.at(0, 65_535, 0), SequencePlace::Late);
    }

    #[test]
    fn a_jump_counts_when_a_second_packet_confirms_it() {
        let mut receiver = Receiver::new();
        receiver.at(0, 10, 0);
        assert_eq!(receiver.at(20, 30_000, 0), SequencePlace::Stray);
        assert_eq!(receiver.at(20, 11, 160), SequencePlace::Next { missing: 0 });
        assert_eq!(receiver.at(40, 30_000, 0), SequencePlace::Stray);
        assert_eq!(receiver.at(60, 30_001, 0), SequencePlace::First);
        assert_eq!(receiver.reception.lost(), 0);
    }

    #[test]
    fn a_new_source_begins_a_new_count_and_losses_add_up() {
        let mut receiver = Receiver::new();
        receiver.at(0, 10, 0);
        receiver.at(20, 12, 320);
        assert_eq!(receiver.reception.packet(receiver.start, 500, 9, 6), SequencePlace::First);
        assert_eq!((receiver.reception.ssrc(), receiver.reception.lost()), (Some(6), 1));
    }

    #[test]
    fn even_arrivals_have_no_jitter_and_uneven_ones_have() {
        let mut even = Receiver::new();
        let mut uneven = Receiver::new();
        for n in 0..200u64 {
            even.at(n * 20, n as u16, n as u32 * 160);
            uneven.at(n * 20 + (n % 2) * 10, n as u16, n as u32 * 160);
        }
        assert_eq!(even.reception.report().map(|report| report.jitter), Some(0));
        let jitter = uneven.reception.report().map_or(0, |report| report.jitter);
        assert!((70..=80).contains(&jitter), "{jitter}");
    }

    proptest! {
        #[test]
        fn any_order_counts_every_packet_once(mut order in Just((0u16..50).collect::<Vec<_>>()).prop_shuffle()) {
            let mut receiver = Receiver::new();
            let repeated = order.clone();
            order.extend(repeated);
            let counted = order.iter().filter(|n| {
                let arrival = receiver.at(0, n.wrapping_add(65_500), 0);
                matches!(arrival, SequencePlace::First | SequencePlace::Next { .. } | SequencePlace::Late)
            });
            prop_assert_eq!(counted.count(), 50);
            prop_assert_eq!(receiver.reception.lost(), 0);
        }

        #[test]
        fn no_sequence_makes_the_counter_panic(packets in proptest::collection::vec(any::<(u16, u32, bool, u16)>(), 0..300)) {
            let mut receiver = Receiver::new();
            for (sequence, timestamp, other, ms) in packets {
                let at = receiver.start + Duration::from_millis(ms.into());
                receiver.reception.packet(at, sequence, timestamp, u32::from(other));
                if sequence % 7 == 0 {
                    let _ = receiver.reception.report();
                }
            }
        }
    }
}
