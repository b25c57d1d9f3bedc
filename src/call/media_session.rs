//! One call's sound, sans-IO: what leaves every packet time, and what arrives.
//!
//! Packet *n* leaves at start + *n* × ptime. A packet that could not leave in its time is skipped, never made up for in
//! a burst; the RTP clock runs through everything, and between prompts silence is sent, so that a prompt starts and
//! stops at the next packet. While the peer holds us nothing is sent and what plays stands still.
//!
//! ```text
//!  Command ──► Stream ──► Frame (RTP, sometimes RTCP) at each deadline
//!  datagram ─►        ──► Event (key, played, recorded, peer lost)
//!
//!             Play                       last sample, Stop or another Play
//!  silence ─────────► a playlist's octets ─────────────────────────────────► silence
//! ```

mod latch;
mod playlist;
mod recording;
mod rtcp_reports;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use latch::Latch;
pub use playlist::MissingClip;
use recording::Recording;
use rtcp_reports::Reports;

use super::{KeySource, MediaCommand, MediaEvent, MediaSetup};
use audio::{Bank, DtmfDetector, Playlist, Take, g711, samples_in};
use base::Codec;
use flow::PlayId;
use rtp::{HEADER_OCTETS, Header, Packet, Reception, SequencePlace, TelephoneEvents, is_rtcp, rtcp};

/// Limits of a media session.
#[derive(Clone, Copy, Debug)]
pub struct MediaLimits {
    /// After this long without a packet, a peer that should send counts as lost.
    pub media_timeout: Duration,
    /// Whether the session latches to the first source at any address (callers behind NAT), or only to the signalled
    /// address.
    pub latch_any: bool,
}

/// What one deadline produced; lent by the caller and used again and again.
#[derive(Clone, Debug)]
pub struct MediaFrame {
    rtp: [u8; HEADER_OCTETS + PAYLOAD_MAX],
    rtp_length: usize,
    rtcp: [u8; rtcp::COMPOUND_MAX],
    rtcp_length: usize,
    skipped: u32,
}

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
    /// Of our stream, from the peer's last report.
    pub peer_packets_lost: i32,
    /// From our report to the peer's answer and back, less the time that the peer held it.
    pub round_trip: Option<Duration>,
}

/// A call's sound.
#[derive(Debug)]
pub struct MediaSession {
    setup: MediaSetup,
    bank: Arc<Bank>,
    limits: MediaLimits,
    /// When the next packet leaves, and its timestamp.
    due: Instant,
    timestamp: u32,
    sequence: u16,
    /// The next packet is the first after a pause (RFC 3551 §4.1).
    marker: bool,
    playing: Option<(PlayId, Playlist)>,
    recording: Option<Recording>,
    take: Take,
    latch: Latch,
    reception: Reception,
    event_keys: TelephoneEvents,
    tones: Option<Box<DtmfDetector>>,
    /// Since when the peer has been silent; none once that was reported.
    silent_since: Option<Instant>,
    reports: Reports,
    quality: MediaQuality,
    /// The peer reported since the last tick.
    peer_reported: bool,
}

impl MediaSession {
    /// A stream whose first packet is due at once. SSRC, first sequence number and timestamp follow from the seed
    /// (RFC 3550 §5.1 wants them unguessable).
    pub fn new(setup: MediaSetup, bank: Arc<Bank>, limits: MediaLimits, seed: u64, now: Instant) -> MediaSession {
        let setup = within_limits(setup);
        let mut dice = Dice(seed);
        let (ssrc, start) = (dice.roll() as u32, dice.roll());
        let mut stream = MediaSession {
            latch: Latch::new(setup.peer, setup.signalling_address, limits.latch_any),
            setup,
            bank,
            limits,
            due: now,
            timestamp: start as u32,
            // Below 2^15, as libsrtp and others ask of senders.
            sequence: (start >> 32) as u16 & 0x7FFF,
            marker: true,
            playing: None,
            recording: None,
            take: Take::default(),
            reception: Reception::new(now),
            event_keys: TelephoneEvents::default(),
            tones: None,
            silent_since: Some(now),
            reports: Reports::new(ssrc, dice, now),
            quality: MediaQuality::default(),
            peer_reported: false,
        };
        stream.listen_for_tones();
        stream
    }

    /// When [`MediaSession::tick`] is due.
    pub fn deadline(&self) -> Instant {
        self.due
    }

    /// Moves the schedule: the next packet leaves at `at`. Streams that begin together are spread so.
    pub fn start_at(&mut self, at: Instant) {
        self.due = at;
    }

    /// How far apart packets are.
    pub fn ptime(&self) -> Duration {
        self.setup.ptime
    }

    /// Where RTP goes: to the address that packets come from, before that to the signalled one.
    pub fn rtp_target(&self) -> Option<SocketAddr> {
        self.latch.rtp_target()
    }

    /// The address that packets come from, once it is latched; packets from elsewhere are refused.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.latch.source()
    }

    /// Where RTCP goes. With [`MediaSession::rtcp_mux`] it leaves from the RTP port.
    pub fn rtcp_target(&self) -> Option<SocketAddr> {
        self.latch.rtcp_target()
    }

    /// Whether RTP and RTCP share a port (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.setup.peer.is_some_and(|peer| peer.rtcp_mux)
    }

    /// How the stream has gone so far.
    pub fn quality(&self) -> MediaQuality {
        MediaQuality { packets_lost: self.reception.lost(), ..self.quality }
    }

    /// Does what the control plane says. A playlist with a missing clip is played without it, and the clip is named.
    pub fn command(
        &mut self,
        now: Instant,
        command: MediaCommand,
        events: &mut Vec<MediaEvent>,
    ) -> Result<(), MissingClip> {
        match command {
            MediaCommand::Setup(setup) => self.change(now, setup),
            MediaCommand::Play { id, pieces } => {
                let (list, missing) = playlist::resolve(&self.bank, &pieces);
                self.playing = Some((id, list));
                return missing.map_or(Ok(()), Err);
            }
            MediaCommand::Stop => self.playing = None,
            MediaCommand::Record { max, telling } => {
                self.end_recording(events);
                let lost = self.reception.lost();
                self.recording = Some(Recording::new(now, max, self.setup.codec, telling, lost));
            }
            MediaCommand::Load(take) => self.take = take,
            MediaCommand::StopRecord => self.end_recording(events),
            MediaCommand::Close => {
                self.end_recording(events);
                self.playing = None;
            }
        }
        Ok(())
    }

    /// A datagram came to the RTP port.
    pub fn handle_packet(&mut self, now: Instant, datagram: &[u8], from: SocketAddr, events: &mut Vec<MediaEvent>) {
        if self.rtcp_mux() && is_rtcp(datagram) {
            return self.handle_rtcp(now, datagram, from);
        }
        let Ok(packet) = Packet::read(datagram) else { return self.refuse() };
        if !self.latch.admits(from) {
            return self.refuse();
        }
        let Header { sequence, timestamp, ssrc, payload_type, .. } = packet.header;
        let earlier = self.reception.ssrc();
        let arrival = self.reception.packet(now, sequence, timestamp, ssrc);
        if arrival == SequencePlace::First && earlier.is_some() {
            self.event_keys.reset();
        }
        self.heard(now);
        self.quality.packets_received += 1;
        if self.setup.events.contains(&payload_type) {
            // The event itself distinguishes repeated and late event packets.
            let key = self.event_keys.packet(&packet.header, packet.payload);
            events.extend(key.map(|key| MediaEvent::Key { key, source: KeySource::Rtp }));
        } else if let Some(codec) = self.setup.codec_of(payload_type) {
            self.sound(now, arrival, timestamp, (codec, packet.payload), events);
        }
    }

    /// A datagram came to the RTCP port.
    pub fn handle_rtcp(&mut self, now: Instant, datagram: &[u8], from: SocketAddr) {
        let Some(report) = rtcp::read(datagram, self.reports.ssrc()) else { return self.refuse() };
        if !self.latch.admits_rtcp(from) {
            return self.refuse();
        }
        self.heard(now);
        self.reports.received(now, &report);
        if let Some(block) = report.block {
            self.quality.peer_packets_lost = block.lost;
            self.quality.round_trip = self.reports.round_trip(now, &block).or(self.quality.round_trip);
            self.peer_reported = true;
        }
    }

    /// Produces what is due; an empty frame if nothing is.
    pub fn tick(&mut self, now: Instant, frame: &mut MediaFrame, events: &mut Vec<MediaEvent>) {
        frame.clear();
        if now < self.due {
            return;
        }
        let ptime = self.setup.ptime;
        let samples = samples_in(ptime);
        let skipped = ((now - self.due).as_nanos() / ptime.as_nanos()).min(u32::MAX.into()) as u32;
        self.timestamp = self.timestamp.wrapping_add(skipped.wrapping_mul(samples as u32));
        self.due += ptime * skipped;
        if self.setup.sending && self.rtp_target().is_some() {
            frame.skipped = skipped;
            self.packet(samples, frame, events);
        } else {
            self.marker = true;
        }
        self.report(now, frame);
        self.timestamp = self.timestamp.wrapping_add(samples as u32);
        self.due += ptime;
        self.watch(now, events);
    }

    /// Passes the peer's report on: with the tick, so that a peer that reports too often cannot fill the events' queue.
    fn pass_peer_report(&mut self, events: &mut Vec<MediaEvent>) {
        if std::mem::take(&mut self.peer_reported) {
            // Duplicates can make the count negative (RFC 3550 §6.4.1).
            let packets_lost = self.quality.peer_packets_lost.max(0).cast_unsigned();
            events.push(MediaEvent::PeerReport { packets_lost, round_trip: self.quality.round_trip });
        }
    }

    /// The goodbye of a stream that has sent anything (RFC 3550 §6.3.7).
    pub fn goodbye(&mut self, now: Instant, frame: &mut MediaFrame) {
        frame.clear();
        if self.quality.packets_sent > 0 && self.rtcp_target().is_some() {
            let reception = self.reception.report();
            frame.rtcp_length = self.reports.write(now, self.timestamp, reception, true, &mut frame.rtcp);
        }
    }

    fn packet(&mut self, samples: usize, frame: &mut MediaFrame, events: &mut Vec<MediaEvent>) {
        let header = Header {
            marker: std::mem::take(&mut self.marker),
            payload_type: self.setup.payload,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.reports.ssrc(),
        };
        if let Some(fixed) = frame.rtp.first_chunk_mut() {
            header.write(fixed);
        }
        let payload = &mut frame.rtp[HEADER_OCTETS..HEADER_OCTETS + samples];
        match &mut self.playing {
            Some((id, list)) => {
                if list.fill(&self.bank, &self.take, self.setup.codec, payload) {
                    events.push(MediaEvent::Played(*id));
                    self.playing = None;
                }
            }
            None => payload.fill(g711::idle(self.setup.codec)),
        }
        frame.rtp_length = HEADER_OCTETS + samples;
        self.sequence = self.sequence.wrapping_add(1);
        self.quality.packets_sent += 1;
        self.reports.sent(samples);
    }

    fn report(&mut self, now: Instant, frame: &mut MediaFrame) {
        if self.reports.are_due(now) && self.rtcp_target().is_some() {
            let reception = self.reception.report();
            frame.rtcp_length = self.reports.write(now, self.timestamp, reception, false, &mut frame.rtcp);
        }
    }

    /// What falls due by time alone.
    fn watch(&mut self, now: Instant, events: &mut Vec<MediaEvent>) {
        self.pass_peer_report(events);
        if self.recording.as_ref().is_some_and(|recording| recording.is_over(now)) {
            self.end_recording(events);
        }
        let silent = self.silent_since.is_some_and(|since| now.duration_since(since) >= self.limits.media_timeout);
        if silent && self.setup.receiving {
            self.silent_since = None;
            events.push(MediaEvent::PeerLost);
        }
    }

    fn sound(
        &mut self,
        now: Instant,
        arrival: SequencePlace,
        timestamp: u32,
        (codec, octets): (Codec, &[u8]),
        events: &mut Vec<MediaEvent>,
    ) {
        match arrival {
            SequencePlace::First | SequencePlace::Next { .. } => {
                if let Some(tones) = &mut self.tones {
                    let samples = octets.iter().map(|octet| g711::decode(codec, *octet));
                    tones.feed(samples, |key| events.push(MediaEvent::Key { key, source: KeySource::Tone }));
                }
            }
            SequencePlace::Late => {}
            SequencePlace::Duplicate | SequencePlace::Stray => return,
        }
        if let Some(recording) = &mut self.recording {
            recording.add(now, arrival == SequencePlace::First, timestamp, codec, octets);
            events.extend(recording.next_part().map(MediaEvent::Sound));
            if recording.is_over(now) {
                self.end_recording(events);
            }
        }
    }

    fn end_recording(&mut self, events: &mut Vec<MediaEvent>) {
        if let Some(recording) = self.recording.take() {
            let packets_lost = recording.lost_since(self.reception.lost());
            self.take = recording.into_take();
            events.push(MediaEvent::Recorded { samples: self.take.samples(), packets_lost });
        }
    }

    fn change(&mut self, now: Instant, setup: MediaSetup) {
        let setup = within_limits(setup);
        if setup.peer != self.setup.peer {
            self.latch = Latch::new(setup.peer, setup.signalling_address, self.limits.latch_any);
        }
        if setup.receiving && !self.setup.receiving {
            self.silent_since = Some(now);
        }
        self.setup = setup;
        self.listen_for_tones();
    }

    /// With RFC 4733 a tone in the sound would be a second sign of the same key.
    fn listen_for_tones(&mut self) {
        if self.setup.event_payload.is_some() {
            self.tones = None;
        } else if self.tones.is_none() {
            self.tones = Some(Box::default());
        }
    }

    fn heard(&mut self, now: Instant) {
        if let Some(since) = &mut self.silent_since {
            *since = now;
        }
    }

    fn refuse(&mut self) {
        self.quality.packets_refused += 1;
    }
}

impl MediaFrame {
    /// The RTP packet to send, or nothing.
    pub fn rtp(&self) -> &[u8] {
        &self.rtp[..self.rtp_length]
    }

    /// The RTCP packet to send, or nothing.
    pub fn rtcp(&self) -> &[u8] {
        &self.rtcp[..self.rtcp_length]
    }

    /// How many packets before this one were skipped because they could not leave in their time.
    pub fn skipped(&self) -> u32 {
        self.skipped
    }

    fn clear(&mut self) {
        (self.rtp_length, self.rtcp_length, self.skipped) = (0, 0, 0);
    }
}

impl Default for MediaFrame {
    fn default() -> Self {
        MediaFrame {
            rtp: [0; HEADER_OCTETS + PAYLOAD_MAX],
            rtp_length: 0,
            rtcp: [0; rtcp::COMPOUND_MAX],
            rtcp_length: 0,
            skipped: 0,
        }
    }
}

/// Numbers that follow from a seed (SplitMix64, Steele 2014).
#[derive(Clone, Copy, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }
}

/// A packet time that an offer cannot name is brought to the next one that it can.
fn within_limits(setup: MediaSetup) -> MediaSetup {
    MediaSetup { ptime: setup.ptime.clamp(PTIME_MIN, PTIME_MAX), ..setup }
}

const PTIME_MIN: Duration = Duration::from_millis(10);
const PTIME_MAX: Duration = Duration::from_millis(60);
/// [`PTIME_MAX`] at 8000 Hz.
const PAYLOAD_MAX: usize = 480;

#[cfg(test)]
mod tests;
