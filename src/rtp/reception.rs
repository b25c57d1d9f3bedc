//! Reception statistics of one SSRC: sequence, loss, jitter (RFC 3550 §6.4.1, A.1, A.3, A.8).
//!
//! A jump of the sequence that a second packet confirms starts a new count.

use std::time::Instant;

use super::Header;

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

/// The counters of one SSRC.
#[derive(Clone, Debug)]
pub struct Reception {
    epoch: Instant,
    ssrc: u32,
    count: Count,
    /// Arrival minus timestamp of the last packet, and the jitter × 16 (A.8).
    transit: Option<u32>,
    jitter: u32,
    /// Of the counts before a jump.
    expected_before_jump: u64,
    received_before_jump: u64,
}

/// The packets since the first one, or since a jump.
#[derive(Clone, Debug)]
struct Count {
    /// Extended by the cycles of the 16-bit number (A.1).
    base: u64,
    newest: u64,
    /// Bit n: `newest - n` was received.
    seen: u64,
    received: u64,
    /// The sequence number that would confirm a jump.
    jump: Option<u16>,
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
    /// LSR: the middle 32 bits of the source's last sender report; 0 for none.
    pub last_report: u32,
    /// DLSR: the time since that report, in 1/65536 s.
    pub delay: u32,
}

impl Reception {
    /// Begins with the first packet of a source; `timed` as for [`Reception::packet`]. Times are counted from `epoch`.
    pub fn new(epoch: Instant, now: Instant, header: &Header, timed: bool) -> Reception {
        Reception {
            epoch,
            ssrc: header.ssrc,
            count: Count::from(header.sequence),
            transit: timed.then(|| ticks(epoch, now).wrapping_sub(header.timestamp)),
            jitter: 0,
            expected_before_jump: 0,
            received_before_jump: 0,
        }
    }

    /// Counts one packet. `timed`: its timestamp tells when it was sent, as that of sound does; all packets of a
    /// telephone event carry the time of its beginning.
    pub fn packet(&mut self, now: Instant, header: &Header, timed: bool) -> SequencePlace {
        let place = self.count.place(header.sequence);
        match place {
            SequencePlace::First => {
                self.expected_before_jump += self.count.expected();
                self.received_before_jump += self.count.received.min(self.count.expected());
                (self.count, self.transit) = (Count::from(header.sequence), None);
            }
            SequencePlace::Next { .. } | SequencePlace::Late => self.count.received += 1,
            SequencePlace::Duplicate | SequencePlace::Stray => {}
        }
        if timed && matches!(place, SequencePlace::First | SequencePlace::Next { .. }) {
            self.time(ticks(self.epoch, now).wrapping_sub(header.timestamp));
        }
        place
    }

    /// The report since the last one, without LSR and DLSR.
    pub fn report(&mut self) -> ReceptionReport {
        ReceptionReport {
            ssrc: self.ssrc,
            fraction_lost: self.count.fraction_lost(),
            lost: self.lost().min(0x7F_FFFF) as i32,
            highest: (self.count.newest - (1 << 16)) as u32,
            jitter: self.jitter(),
            last_report: 0,
            delay: 0,
        }
    }

    /// Packets lost.
    pub fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received())
    }

    /// Packets that were sent, by their sequence numbers.
    pub fn expected(&self) -> u64 {
        self.expected_before_jump + self.count.expected()
    }

    /// Packets received, without duplicates.
    pub fn received(&self) -> u64 {
        self.received_before_jump + self.count.received
    }

    /// The mean deviation of the packets' spacing (A.8), in 1/8000 s.
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    fn time(&mut self, transit: u32) {
        if let Some(last) = self.transit.replace(transit) {
            let d = transit.wrapping_sub(last) as i32;
            // A jump of the peer's timestamp is no jitter.
            let d = d.unsigned_abs().min(JITTER_STEP_MAX);
            self.jitter = (self.jitter + d).saturating_sub((self.jitter + 8) >> 4);
        }
    }
}

/// The time of arrival in units of 1/8000 s.
fn ticks(epoch: Instant, now: Instant) -> u32 {
    (now.saturating_duration_since(epoch).as_micros() * 8 / 1000) as u32
}

impl Count {
    fn from(sequence: u16) -> Count {
        // One cycle up, so that a packet older than the first one has a number too.
        let first = (1 << 16) + u64::from(sequence);
        Count { base: first, newest: first, seen: 1, received: 1, jump: None, expected_before: 0, received_before: 0 }
    }

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

    fn expected(&self) -> u64 {
        self.newest - self.base + 1
    }

    fn fraction_lost(&mut self) -> u8 {
        let expected = self.expected() - self.expected_before.min(self.expected());
        let received = self.received - self.received_before;
        (self.expected_before, self.received_before) = (self.expected(), self.received);
        let missing = expected.saturating_sub(received);
        (missing * 256).checked_div(expected).map_or(0, |part| part.min(255) as u8)
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
        reception: Option<Reception>,
        start: Instant,
    }

    impl Receiver {
        fn new() -> Receiver {
            #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
            let start = Instant::now();
            Receiver { reception: None, start }
        }

        fn at(&mut self, ms: u64, sequence: u16, timestamp: u32) -> SequencePlace {
            let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 5 };
            let now = self.start + Duration::from_millis(ms);
            match &mut self.reception {
                Some(reception) => reception.packet(now, &header, true),
                None => {
                    self.reception = Some(Reception::new(self.start, now, &header, true));
                    SequencePlace::First
                }
            }
        }

        fn reception(&mut self) -> &mut Reception {
            self.reception.as_mut().expect("a packet came")
        }
    }

    #[test]
    fn loss_is_counted_and_a_late_packet_takes_it_back() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.at(0, 10, 0), SequencePlace::First);
        assert_eq!(receiver.at(20, 13, 480), SequencePlace::Next { missing: 2 });
        assert_eq!(receiver.reception().lost(), 2);
        assert_eq!(receiver.at(21, 12, 320), SequencePlace::Late);
        assert_eq!(receiver.at(21, 12, 320), SequencePlace::Duplicate);
        assert_eq!(receiver.at(22, 13, 480), SequencePlace::Duplicate);
        let report = receiver.reception().report();
        assert_eq!((report.lost, report.fraction_lost, report.highest), (1, 64, 13));
        assert_eq!(receiver.reception().report().fraction_lost, 0);
    }

    #[test]
    fn the_sequence_wraps_and_a_packet_before_the_first_is_late() {
        let mut receiver = Receiver::new();
        assert_eq!(receiver.at(0, 65_535, 0), SequencePlace::First);
        assert_eq!(receiver.at(20, 0, 160), SequencePlace::Next { missing: 0 });
        assert_eq!(receiver.at(20, 65_534, 0), SequencePlace::Late);
        assert_eq!((receiver.reception().lost(), receiver.reception().report().highest), (0, 65_536));
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
        assert_eq!(receiver.reception().lost(), 0);
    }

    #[test]
    fn losses_before_and_after_a_jump_add_up() {
        let mut receiver = Receiver::new();
        for sequence in [10, 12, 30_000, 30_001, 30_003] {
            receiver.at(0, sequence, 0);
        }
        let reception = receiver.reception();
        assert_eq!((reception.expected(), reception.received(), reception.lost()), (6, 4, 2));
    }

    #[test]
    fn a_telephone_event_is_no_jitter() {
        let mut receiver = Receiver::new();
        receiver.at(0, 1, 0);
        let event = |sequence| Header { marker: false, payload_type: 101, sequence, timestamp: 0, ssrc: 5 };
        for n in 1..20u16 {
            let now = receiver.start + Duration::from_millis(20 * u64::from(n));
            receiver.reception().packet(now, &event(1 + n), false);
        }
        receiver.at(400, 21, 3200);
        assert_eq!(receiver.reception().jitter(), 0);
    }

    #[test]
    fn even_arrivals_have_no_jitter_and_uneven_ones_have() {
        let mut even = Receiver::new();
        let mut uneven = Receiver::new();
        for n in 0..200u64 {
            even.at(n * 20, n as u16, n as u32 * 160);
            uneven.at(n * 20 + (n % 2) * 10, n as u16, n as u32 * 160);
        }
        assert_eq!(even.reception().jitter(), 0);
        let jitter = uneven.reception().jitter();
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
            prop_assert_eq!(receiver.reception().lost(), 0);
        }

        #[test]
        fn no_sequence_makes_the_counter_panic(packets in proptest::collection::vec(any::<(u16, u32, u16)>(), 0..300)) {
            let mut receiver = Receiver::new();
            for (sequence, timestamp, ms) in packets {
                receiver.at(ms.into(), sequence, timestamp);
                if sequence % 7 == 0 {
                    let _ = receiver.reception().report();
                }
            }
        }
    }
}
