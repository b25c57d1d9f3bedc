//! The packets that leave: header, and what plays.

use std::time::Duration;

use super::frame::MediaFrame;
use super::mixing;
use super::relay::Relay;
use super::reports::Reports;
use super::sent_keys::{EventPacket, SentKeys};
use audio::{Bank, Playlist, Take, g711, samples_in};
use base::Codec;
use flow::PlayId;
use rtp::{HEADER_OCTETS, Header};

/// The stream to the peer.
#[derive(Debug)]
pub(super) struct Outbound {
    pub timestamp: u32,
    sequence: u16,
    /// The next packet is the first after a pause (RFC 3551 §4.1).
    pub marker: bool,
    pub playing: Option<(PlayId, Playlist)>,
    /// Samples of silence before anything plays, for trunks that open the way of the sound late.
    lead_in: usize,
    pub sent: u64,
    pub keys: SentKeys,
}

/// What a packet is made of.
pub(super) struct Source<'a> {
    pub bank: &'a Bank,
    pub take: &'a Take,
    pub codec: Codec,
    pub payload_type: u8,
    /// telephone-event, if it was agreed on.
    pub event_payload: Option<u8>,
    pub samples: usize,
    /// The sound of the sessions that this one hears.
    pub relays: &'a mut [Option<Box<Relay>>],
}

impl Outbound {
    /// Begins at random numbers (RFC 3550 §5.1).
    pub(super) fn new(start: u64, lead_in: Duration) -> Outbound {
        Outbound {
            timestamp: start as u32,
            // Below 2^15, as libsrtp and others ask of senders.
            sequence: (start >> 32) as u16 & 0x7FFF,
            marker: true,
            playing: None,
            lead_in: samples_in(lead_in.min(LEAD_IN_MAX)),
            sent: 0,
            keys: SentKeys::default(),
        }
    }

    /// Begins another source, at a random sequence number.
    pub(super) fn begin_source(&mut self, random: u64) {
        (self.sequence, self.marker) = (random as u16 & 0x7FFF, true);
    }

    /// The caller is there: nothing more is held back.
    pub(super) fn end_lead_in(&mut self) {
        self.lead_in = 0;
    }

    /// Passes over packets that could not leave in their time.
    pub(super) fn skip(&mut self, packets: u32, samples: usize) {
        self.timestamp = self.timestamp.wrapping_add(packets.wrapping_mul(samples as u32));
    }

    /// Writes the next packet; returns the play that ended with it.
    pub(super) fn packet(
        &mut self,
        mut from: Source<'_>,
        reports: &mut Reports,
        frame: &mut MediaFrame,
    ) -> Option<PlayId> {
        if let Some(payload_type) = from.event_payload
            && let Some(event) = self.keys.event(self.timestamp, from.samples)
        {
            self.event_packet(payload_type, &event, reports, frame);
            mixing::skip(from.relays, from.samples as u32);
            return None;
        }
        let header = Header {
            marker: std::mem::take(&mut self.marker),
            payload_type: from.payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: reports.ssrc(),
        };
        if let Some(fixed) = frame.rtp.first_chunk_mut() {
            header.write(fixed);
        }
        let samples = from.samples;
        let ended = self.fill(&mut from, &mut frame.rtp[HEADER_OCTETS..HEADER_OCTETS + samples]);
        frame.rtp_length = HEADER_OCTETS + samples;
        self.count(samples, reports);
        ended
    }

    fn count(&mut self, octets: usize, reports: &mut Reports) {
        self.sequence = self.sequence.wrapping_add(1);
        self.sent += 1;
        reports.sent(octets);
    }

    /// Writes a packet of an event, in place of one of sound.
    fn event_packet(&mut self, payload_type: u8, event: &EventPacket, reports: &mut Reports, frame: &mut MediaFrame) {
        let header = Header {
            marker: event.first,
            payload_type,
            sequence: self.sequence,
            timestamp: event.timestamp,
            ssrc: reports.ssrc(),
        };
        if let Some(fixed) = frame.rtp.first_chunk_mut() {
            header.write(fixed);
        }
        frame.rtp_length = HEADER_OCTETS + event.payload.len();
        frame.rtp[HEADER_OCTETS..frame.rtp_length].copy_from_slice(&event.payload);
        // The sound that follows begins after a pause.
        self.marker = true;
        self.count(event.payload.len(), reports);
    }

    fn fill(&mut self, from: &mut Source<'_>, payload: &mut [u8]) -> Option<PlayId> {
        let ended = self.sound(from, payload);
        if from.event_payload.is_none() {
            self.keys.tones(from.codec, payload);
        }
        ended
    }

    /// A prompt that plays comes before the sound of other sessions.
    fn sound(&mut self, from: &mut Source<'_>, payload: &mut [u8]) -> Option<PlayId> {
        let silence = self.lead_in.min(payload.len());
        self.lead_in -= silence;
        let (silent, rest) = payload.split_at_mut(silence);
        silent.fill(g711::idle(from.codec));
        let playing = self.playing.is_some() || rest.is_empty();
        if !playing && from.relays.iter().any(Option::is_some) {
            mixing::skip(from.relays, silence as u32);
            mixing::take(from.relays, from.codec, rest);
            return None;
        }
        mixing::skip(from.relays, from.samples as u32);
        match &mut self.playing {
            Some(_) if rest.is_empty() => None,
            Some((id, list)) => {
                let id = *id;
                let over = list.fill(from.bank, from.take, from.codec, rest);
                over.then(|| {
                    self.playing = None;
                    id
                })
            }
            None => {
                rest.fill(g711::idle(from.codec));
                None
            }
        }
    }
}

/// Longer than any trunk takes to open the way of the sound.
const LEAD_IN_MAX: Duration = Duration::from_secs(5);
