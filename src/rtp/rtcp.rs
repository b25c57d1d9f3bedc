//! RTCP: sender and receiver reports, CNAME and BYE (RFC 3550 §6).

use super::ReceptionReport;

/// The content of a compound packet from the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The sender of the packet.
    pub ssrc: u32,
    /// The middle 32 bits of the sender report's NTP time: the LSR of the next local report.
    pub sender_time: Option<u32>,
    /// The report block about the local stream.
    pub block: Option<ReportBlock>,
    /// The peer leaves (RFC 3550 §6.6).
    pub bye: bool,
}

/// One reception report block as received (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all; negative with duplicates.
    pub lost: i32,
    /// The highest sequence number received, extended by its cycles.
    pub highest: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// LSR: the middle 32 bits of the last sender report's NTP time; 0 for none.
    pub last_report: u32,
    /// DLSR: the time since that report, in 1/65536 s.
    pub delay: u32,
}

/// The sender information of a sender report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Seconds and fractions, 32.32, of any clock that runs evenly.
    pub ntp: u64,
    /// The same instant in RTP timestamp units.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload octets sent.
    pub octets: u32,
}

/// The content of a local compound packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalReport<'a> {
    /// The local source.
    pub ssrc: u32,
    /// `None` before the first RTP packet: the packet is a receiver report.
    pub sender: Option<SenderInfo>,
    /// The report blocks about the sources heard, at most [`REPORTS_MAX`].
    pub receptions: &'a [ReceptionReport],
    /// The CNAME, cut off at 255 octets.
    pub name: &'a str,
    /// Adds a BYE.
    pub bye: bool,
}

/// The round-trip time in 1/65536 s, from a block about the local stream and the middle 32 bits of the local NTP time
/// (RFC 3550 §6.4.1); `None` for a peer without LSR or with an implausible one.
pub fn round_trip(block: &ReportBlock, now: u32) -> Option<u32> {
    let trip = now.wrapping_sub(block.last_report).wrapping_sub(block.delay);
    // A peer that computes DLSR wrongly yields hours.
    (block.last_report != 0 && trip < 60 << 16).then_some(trip)
}

/// Reads a compound packet; `ours` is the local SSRC. `None` for a datagram that is not one (RFC 3550 A.2).
pub fn read(datagram: &[u8], ours: u32) -> Option<Report> {
    let mut report = Report::default();
    let mut rest = datagram;
    let mut first = true;
    while !rest.is_empty() {
        let &[flags, kind, high, low, ..] = rest else { return None };
        let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        if flags >> 6 != 2 || length > rest.len() || first && !matches!(kind, SENDER | RECEIVER) {
            return None;
        }
        let (packet, after) = rest.split_at(length);
        let count = usize::from(flags & 0x1F);
        match kind {
            SENDER => sender(&packet[4..], count, ours, &mut report)?,
            RECEIVER => receiver(&packet[4..], count, ours, &mut report)?,
            GOODBYE => report.bye = true,
            _ignored_packet_type => {}
        }
        (rest, first) = (after, false);
    }
    (!first).then_some(report)
}

fn sender(body: &[u8], count: usize, ours: u32, report: &mut Report) -> Option<()> {
    report.ssrc = word(body, 0)?;
    report.sender_time = Some(word(body, 1)? << 16 | word(body, 2)? >> 16);
    blocks(body.get(24..)?, count, ours, report)
}

fn receiver(body: &[u8], count: usize, ours: u32, report: &mut Report) -> Option<()> {
    report.ssrc = word(body, 0)?;
    blocks(body.get(4..)?, count, ours, report)
}

fn blocks(body: &[u8], count: usize, ours: u32, report: &mut Report) -> Option<()> {
    for n in 0..count {
        let block = body.get(24 * n..24 * n + 24)?;
        let loss = word(block, 1)?;
        if word(block, 0)? == ours {
            report.block = Some(ReportBlock {
                fraction_lost: (loss >> 24) as u8,
                lost: (loss << 8) as i32 >> 8,
                highest: word(block, 2)?,
                jitter: word(block, 3)?,
                last_report: word(block, 4)?,
                delay: word(block, 5)?,
            });
        }
    }
    Some(())
}

fn word(body: &[u8], index: usize) -> Option<u32> {
    body.get(4 * index..).and_then(<[u8]>::first_chunk).map(|octets| u32::from_be_bytes(*octets))
}

/// Writes a compound packet and returns its length, at most [`LONGEST`] octets.
pub fn write(own: &LocalReport<'_>, to: &mut [u8; COMPOUND_MAX]) -> usize {
    let mut out = Out { to, at: 0 };
    let kind = if own.sender.is_some() { SENDER } else { RECEIVER };
    let receptions = &own.receptions[..own.receptions.len().min(REPORTS_MAX)];
    out.packet(kind, receptions.len() as u8, |out| {
        out.word(own.ssrc);
        if let Some(sender) = own.sender {
            out.word((sender.ntp >> 32) as u32);
            out.word(sender.ntp as u32);
            for word in [sender.timestamp, sender.packets, sender.octets] {
                out.word(word);
            }
        }
        for reception in receptions {
            out.word(reception.ssrc);
            out.word(u32::from(reception.fraction_lost) << 24 | reception.lost as u32 & 0xFF_FFFF);
            for word in [reception.highest, reception.jitter, reception.last_report, reception.delay] {
                out.word(word);
            }
        }
    });
    out.packet(DESCRIPTION, 1, |out| {
        let name = &own.name.as_bytes()[..own.name.len().min(255)];
        out.word(own.ssrc);
        out.octets(&[1, name.len() as u8]);
        out.octets(name);
        // At least one zero ends the list; zeros up to the next word (RFC 3550 §6.5).
        let zeros = 4 - (2 + name.len()) % 4;
        out.octets(&[0; 4][..zeros]);
    });
    if own.bye {
        out.packet(GOODBYE, 1, |out| out.word(own.ssrc));
    }
    out.at
}

struct Out<'a> {
    to: &'a mut [u8; COMPOUND_MAX],
    at: usize,
}

impl Out<'_> {
    fn packet(&mut self, kind: u8, count: u8, body: impl FnOnce(&mut Self)) {
        let start = self.at;
        self.octets(&[0x80 | count, kind, 0, 0]);
        body(self);
        let words = ((self.at - start) / 4 - 1) as u16;
        self.to[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
    }

    fn word(&mut self, word: u32) {
        self.octets(&word.to_be_bytes());
    }

    fn octets(&mut self, octets: &[u8]) {
        self.to[self.at..self.at + octets.len()].copy_from_slice(octets);
        self.at += octets.len();
    }
}

/// Report blocks of one packet.
pub const REPORTS_MAX: usize = 8;
/// Octets of a sender report with [`REPORTS_MAX`] blocks, a CNAME of 255 octets, and a BYE.
pub const COMPOUND_MAX: usize = 28 + 24 * REPORTS_MAX + 8 + 260 + 8;
const SENDER: u8 = 200;
const RECEIVER: u8 = 201;
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::is_rtcp;

    const ABOUT_9: ReceptionReport =
        ReceptionReport { ssrc: 9, fraction_lost: 4, lost: -5, highest: 6, jitter: 7, last_report: 8, delay: 9 };
    const TWO: [ReceptionReport; 2] = [ReceptionReport { ssrc: 3, lost: 1, ..ABOUT_9 }, ABOUT_9];

    fn own(name: &str) -> LocalReport<'_> {
        LocalReport {
            ssrc: 7,
            sender: Some(SenderInfo { ntp: 0x0123_4567_89AB_CDEF, timestamp: 1, packets: 2, octets: 3 }),
            receptions: &TWO,
            name,
            bye: true,
        }
    }

    #[test]
    fn what_is_written_is_read_by_the_other_side() {
        let mut to = [0; COMPOUND_MAX];
        let length = write(&own("jindu"), &mut to);
        assert!(is_rtcp(&to[..length]));
        let report = read(&to[..length], 9).expect("well-formed");
        let block = ReportBlock { fraction_lost: 4, lost: -5, highest: 6, jitter: 7, last_report: 8, delay: 9 };
        assert_eq!(report, Report { ssrc: 7, sender_time: Some(0x4567_89AB), block: Some(block), bye: true });
        assert_eq!(read(&to[..length], 10).map(|report| report.block), Some(None));
        assert_eq!(read(&to[..length], 3).and_then(|report| report.block).map(|block| block.lost), Some(1));
    }

    #[test]
    fn blocks_beyond_the_limit_are_left_out() {
        let mut to = [0; COMPOUND_MAX];
        let many = [ABOUT_9; 40];
        let name = "n".repeat(255);
        let length = write(&LocalReport { receptions: &many, ..own(&name) }, &mut to);
        assert_eq!((length, usize::from(to[0] & 0x1F)), (COMPOUND_MAX, REPORTS_MAX));
        assert!(read(&to, 9).is_some());
    }

    #[test]
    fn a_receiver_without_any_packet_still_reports() {
        let mut to = [0; COMPOUND_MAX];
        let own = LocalReport { sender: None, receptions: &[], bye: false, ..own("") };
        let length = write(&own, &mut to);
        assert_eq!(read(&to[..length], 9), Some(Report { ssrc: 7, ..Report::default() }));
    }

    #[test]
    fn every_name_ends_at_a_word() {
        for length in 0..=300 {
            let name = "n".repeat(length);
            let mut to = [0; COMPOUND_MAX];
            let written = write(&own(&name), &mut to);
            assert!(written.is_multiple_of(4) && read(&to[..written], 9).is_some(), "{length}");
        }
    }

    #[test]
    fn a_round_trip_excludes_the_peers_delay() {
        let block =
            ReportBlock { fraction_lost: 0, lost: 0, highest: 0, jitter: 0, last_report: 0x1_0000, delay: 0x8000 };
        assert_eq!(round_trip(&block, 0x2_0000), Some(0x8000));
        assert_eq!(round_trip(&block, 0x1_0000), None);
        assert_eq!(round_trip(&ReportBlock { last_report: 0, ..block }, 0x2_0000), None);
    }

    #[test]
    fn datagrams_that_are_no_compound_packet_are_rejected() {
        for datagram in [
            [].as_slice(),
            &[0x80],
            &[0x80, 202, 0, 0],
            &[0x40, 200, 0, 0],
            &[0x80, 200, 0, 0],
            &[0x81, 201, 0, 1, 0, 0, 0, 7],
            &[0x80, 201, 0, 9, 0, 0, 0, 7],
            &[0x80, 201, 0, 1, 0, 0, 0, 7, 0],
        ] {
            assert_eq!(read(datagram, 7), None, "{datagram:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), ours in any::<u32>()) {
            let _ = read(&bytes, ours);
            if bytes.len() > 4 {
                bytes[..4].copy_from_slice(&[0x81, 200, 0, 12]);
                let _ = read(&bytes, ours);
            }
        }
    }
}
