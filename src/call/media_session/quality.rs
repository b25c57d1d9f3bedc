//! How a stream goes, and how good it sounds.

use std::time::Duration;

use super::SrtpDrop;
use rtp::{Mos, Sources, mouth_to_ear, rtcp};

/// How a stream went, for the call's record and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaQuality {
    /// RTP packets produced.
    pub packets_sent: u64,
    /// RTP packets accepted from the peer.
    pub packets_received: u64,
    /// Of the peer's stream.
    pub packets_lost: u64,
    /// Datagrams from others, or that were no RTP.
    pub packets_refused: u64,
    /// Packets of a protected stream that were not authentic, or not new.
    pub srtp_dropped: SrtpDrops,
    /// Of our stream, from the peer's last report.
    pub peer_packets_lost: i32,
    /// From our report to the peer's answer and back, less the time that the peer held it.
    pub round_trip: Option<Duration>,
    /// The estimate of the worse direction, as far as each is known; none before enough packets have come or been
    /// reported on.
    pub mos: Option<Mos>,
}

/// How many packets were dropped for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SrtpDrops([u64; SrtpDrop::ALL.len()]);

impl SrtpDrops {
    /// How many were dropped for this reason.
    pub fn of(&self, reason: SrtpDrop) -> u64 {
        self.0[reason as usize]
    }

    pub(super) fn count(&mut self, reason: SrtpDrop) {
        self.0[reason as usize] += 1;
    }
}

/// What the peer says of our stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerView {
    lost: i32,
    /// Sent until it reported.
    sent: u64,
    jitter: u32,
}

impl PeerView {
    pub(super) fn new(block: &rtcp::ReportBlock, sent: u64) -> PeerView {
        PeerView { lost: block.lost, sent, jitter: block.jitter }
    }
}

/// Estimates a call from both directions.
pub(super) fn estimate(
    ours: &Sources,
    peer: Option<PeerView>,
    round_trip: Option<Duration>,
    ptime: Duration,
) -> Option<Mos> {
    let round_trip = round_trip.unwrap_or_default();
    let direction = |lost: u64, expected: u64, jitter: u32| {
        let loss = lost.min(expected) as f64 / expected as f64;
        let jitter = Duration::from_micros(u64::from(jitter.min(JITTER_MAX)) * 125);
        (expected >= ENOUGH).then(|| Mos::estimate(loss, mouth_to_ear(round_trip, jitter, ptime)))
    };
    let from_peer = direction(ours.lost(), ours.expected(), ours.jitter());
    // Duplicates can make the count negative (RFC 3550 §6.4.1).
    let to_peer = peer.and_then(|peer| direction(peer.lost.max(0).cast_unsigned().into(), peer.sent, peer.jitter));
    match (from_peer, to_peer) {
        (Some(from), Some(to)) => Some(from.min(to)),
        (known, None) | (None, known) => known,
    }
}

/// Packets of a second.
const ENOUGH: u64 = 50;
/// One second: a peer that counts its jitter in another clock says more.
const JITTER_MAX: u32 = 8000;
