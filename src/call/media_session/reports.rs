//! RTCP of one stream: when to report (RFC 3550 §6.2: 5 s, between half and one and a half times that), and what.

use std::time::{Duration, Instant};

use super::random::Random;
use rtp::{ReceptionReport, Sources, rtcp};

/// What a stream reports, and by when.
#[derive(Debug)]
pub(super) struct Reports {
    ssrc: u32,
    /// RFC 7022: a name that says nothing of the host, new with each stream.
    name: String,
    random: Random,
    epoch: Instant,
    due: Instant,
    packets: u32,
    octets: u32,
    packets_reported: u32,
}

impl Reports {
    pub(super) fn new(ssrc: u32, mut random: Random, now: Instant) -> Reports {
        let name = format!("{:016x}", random.next());
        let mut reports =
            Reports { ssrc, name, random, epoch: now, due: now, packets: 0, octets: 0, packets_reported: 0 };
        reports.due = now + reports.pause() / 2;
        reports
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Another source from here on; a random number for its first packet.
    pub(super) fn begin_source(&mut self) -> u64 {
        self.ssrc = self.random.next() as u32;
        (self.packets, self.octets, self.packets_reported) = (0, 0, 0);
        self.random.next()
    }

    pub(super) fn sent(&mut self, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
    }

    pub(super) fn round_trip(&self, now: Instant, block: &rtcp::ReportBlock) -> Option<Duration> {
        let trip = rtcp::round_trip(block, (self.ntp(now) >> 16) as u32)?;
        Some(Duration::from_micros((u64::from(trip) * 1_000_000) >> 16))
    }

    pub(super) fn are_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// Writes a report and sets the time of the next one.
    pub(super) fn write(
        &mut self,
        now: Instant,
        timestamp: u32,
        sources: &mut Sources,
        bye: bool,
        to: &mut [u8; rtcp::COMPOUND_MAX],
    ) -> usize {
        self.due = now + self.pause();
        let sends = self.packets != self.packets_reported;
        self.packets_reported = self.packets;
        let sender = rtcp::SenderInfo { ntp: self.ntp(now), timestamp, packets: self.packets, octets: self.octets };
        let mut blocks = [ReceptionReport::default(); rtcp::REPORTS_MAX];
        let count = sources.reports(now, &mut blocks);
        let own = rtcp::LocalReport {
            ssrc: self.ssrc,
            sender: sends.then_some(sender),
            receptions: &blocks[..count],
            name: &self.name,
            bye,
        };
        rtcp::write(&own, to)
    }

    /// Seconds since a day before the stream began, 32.32: RFC 3550 §6.4.1 allows any even clock.
    fn ntp(&self, now: Instant) -> u64 {
        let passed = Duration::from_secs(86_400) + now.duration_since(self.epoch);
        (passed.as_secs() << 32) | ((u64::from(passed.subsec_nanos()) << 32) / 1_000_000_000)
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(2_500 + self.random.next() % 5_000)
    }
}
