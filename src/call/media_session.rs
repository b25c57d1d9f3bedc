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
//!
//! While the session hears other ones, their sound takes the place of silence (`relay.rs`, `mixing.rs`).

mod frame;
mod keys;
mod liveness;
mod mixing;
mod outbound;
mod playlist;
mod protection;
mod quality;
mod random;
mod recording;
mod relay;
mod remote;
mod reports;
mod sent_keys;
mod tap;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use frame::MediaFrame;
use keys::Keys;
use liveness::{Liveness, is_comfort_noise};
pub use mixing::{LISTENERS_MAX, SOURCES_MAX};
use outbound::{Outbound, Source};
pub use playlist::MissingClip;
use protection::Protection;
pub use protection::SrtpDrop;
use quality::PeerView;
pub use quality::{MediaQuality, SrtpDrops};
use random::Random;
use recording::Recording;
pub use relay::Relay;
use remote::{Remote, Verdict};
use reports::Reports;
use tap::Tap;
pub use tap::{TAP_BLOCK_MAX, TapBlock};

use super::{KeySource, MediaCommand, MediaEvent, MediaSetup};
use audio::{Bank, Playlist, Span, Take, samples_in};
use base::Codec;
use flow::PlayId;
use rtp::{Header, Packet, SequencePlace, SoundPlace, Sources, rtcp};

/// Limits of a media session.
#[derive(Clone, Copy, Debug)]
pub struct MediaLimits {
    /// After this long without a packet, a peer that should send counts as lost.
    pub media_timeout: Duration,
    /// The same for a peer that need not send: it holds the call, or announced silence.
    pub hold_timeout: Duration,
}

/// A call's sound.
#[derive(Debug)]
pub struct MediaSession {
    setup: MediaSetup,
    bank: Arc<Bank>,
    limits: MediaLimits,
    /// When the next packet leaves.
    due: Instant,
    outbound: Outbound,
    recording: Option<Recording>,
    /// The sound that waits for each session that hears this one.
    relays: [Option<Box<Relay>>; LISTENERS_MAX],
    /// Nothing of the peer's sound is given to another session.
    muted: bool,
    /// The sound for the recording of the conversation.
    tap: Option<Box<Tap>>,
    take: Arc<Take>,
    /// What goes on playing where the take ends.
    next_take: Option<Arc<Take>>,
    remote: Remote,
    sources: Sources,
    keys: Keys,
    liveness: Liveness,
    /// None while the media is in the clear.
    protection: Option<Box<Protection>>,
    reports: Reports,
    quality: MediaQuality,
    peer_view: Option<PeerView>,
    /// The peer reported since the last tick.
    peer_reported: bool,
    collision: Collision,
}

/// Whether the peer has used the SSRC of this side (RFC 3550 §8.2). It is answered once in a session: where another collision
/// follows, the peer sends this side's own packets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Collision {
    None,
    Found,
    Resolved,
}

impl MediaSession {
    /// A stream whose first packet is due at once. SSRC, first sequence number and timestamp follow from the seed
    /// (RFC 3550 §5.1 wants them unguessable).
    pub fn new(setup: MediaSetup, bank: Arc<Bank>, limits: MediaLimits, seed: u64, now: Instant) -> MediaSession {
        let mut random = Random(seed);
        let (ssrc, start) = (random.next() as u32, random.next());
        let mut stream = MediaSession {
            outbound: Outbound::new(start, setup.lead_in),
            setup: within_limits(setup),
            bank,
            limits,
            due: now,
            recording: None,
            relays: Default::default(),
            muted: false,
            tap: None,
            take: Arc::default(),
            next_take: None,
            remote: Remote::new(),
            sources: Sources::new(now),
            keys: Keys::default(),
            liveness: Liveness::new(now),
            protection: None,
            reports: Reports::new(ssrc, random, now),
            quality: MediaQuality::default(),
            peer_view: None,
            peer_reported: false,
            collision: Collision::None,
        };
        stream.follow_setup(now, true);
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

    /// Whether the stream may send and has not yet: its first packet need not wait for the time at which it began in silence.
    pub fn is_about_to_send(&self) -> bool {
        self.setup.sending && self.outbound.sent == 0
    }

    /// Whether its peer's sound is recorded as a take or a message.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// How far apart packets are.
    pub fn ptime(&self) -> Duration {
        self.setup.ptime
    }

    /// Where RTP goes: to the signalled address; of a symmetric setup, to another one that packets come from instead.
    pub fn rtp_target(&self) -> Option<SocketAddr> {
        self.remote.rtp_target()
    }

    /// The address that packets come from, if no other one needs to be heard: a socket may be connected to it.
    pub fn steady_source(&self, now: Instant) -> Option<SocketAddr> {
        self.remote.steady_source(now)
    }

    /// Where RTCP goes. With [`MediaSession::rtcp_mux`] it leaves from the RTP port.
    pub fn rtcp_target(&self) -> Option<SocketAddr> {
        self.remote.rtcp_target()
    }

    /// Whether RTP and RTCP share a port (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.setup.peer.is_some_and(|peer| peer.rtcp_mux)
    }

    /// How the stream has gone so far.
    pub fn quality(&self) -> MediaQuality {
        let mos = quality::estimate(&self.sources, self.peer_view, self.quality.round_trip, self.setup.ptime);
        MediaQuality { packets_sent: self.outbound.sent, packets_lost: self.sources.lost(), mos, ..self.quality }
    }

    /// Does what the control plane says. A playlist with a missing clip is played without it, and the clip is named.
    pub fn command(
        &mut self,
        now: Instant,
        command: MediaCommand,
        events: &mut Vec<MediaEvent>,
    ) -> Result<(), MissingClip> {
        match command {
            MediaCommand::Setup(setup) => self.change(now, *setup),
            MediaCommand::Play { id, pieces } => {
                let (list, missing) = playlist::resolve(&self.bank, &pieces);
                (self.outbound.playing, self.next_take) = (Some((id, list)), None);
                return missing.map_or(Ok(()), Err);
            }
            MediaCommand::Stop => {
                (self.outbound.playing, self.next_take) = (None, None);
                // Only a caller who pressed a key stops what plays, and has heard that the call is there.
                self.outbound.end_lead_in();
            }
            MediaCommand::Record { max, mode } => {
                self.end_recording(events);
                let lost = self.sources.lost();
                self.recording = Some(Recording::new(now, max, self.setup.codec, mode, lost));
            }
            MediaCommand::Load(take) => self.take = Arc::new(take),
            MediaCommand::LoadNext(take) => self.next_take = Some(Arc::new(take)),
            MediaCommand::StopRecord => self.end_recording(events),
            MediaCommand::SendKey(key) => self.outbound.keys.send(key),
            MediaCommand::Mute(on) => self.muted = on,
            MediaCommand::PeerAlive => {
                self.liveness.alive(now);
                self.remote.answers_sip();
            }
            MediaCommand::Close => {
                self.end_recording(events);
                self.outbound.playing = None;
            }
        }
        Ok(())
    }

    /// An RTP packet in the clear came to the RTP port.
    fn handle_rtp(&mut self, now: Instant, datagram: &[u8], from: SocketAddr, events: &mut Vec<MediaEvent>) {
        let Ok(packet) = Packet::read(datagram) else { return self.refuse() };
        let is_event = self.setup.events.contains(&packet.header.payload_type);
        match self.remote.judge(now, from, &packet.header, is_event.then_some(packet.payload)) {
            Verdict::Accept => self.accept(now, &packet, is_event, events),
            Verdict::Believe(held) => {
                for key in held.iter().filter(|key| key.header != packet.header) {
                    self.quality.packets_received += 1;
                    self.event(key.at, &key.header, key.payload(), events);
                }
                self.accept(now, &packet, is_event, events);
            }
            Verdict::Refuse => self.refuse(),
        }
    }

    /// A packet of the peer.
    fn accept(&mut self, now: Instant, packet: &Packet<'_>, is_event: bool, events: &mut Vec<MediaEvent>) {
        let Header { timestamp, ssrc, payload_type, .. } = packet.header;
        self.quality.packets_received += 1;
        if ssrc == self.reports.ssrc() && self.collision == Collision::None {
            self.collision = Collision::Found;
        }
        let codec = self.setup.codec_of(payload_type);
        let noise = codec.is_none() && !is_event && is_comfort_noise(payload_type, packet.payload);
        if noise || codec.is_some() {
            self.liveness.heard(now, noise);
            self.remote.announces(noise);
        } else {
            // A key says nothing of the silence around it.
            self.liveness.alive(now);
        }
        if is_event {
            // The event itself distinguishes repeated and late event packets.
            return self.event(now, &packet.header, packet.payload, events);
        }
        let Some(arrival) = self.sources.packet(now, &packet.header, codec.is_some()) else { return self.refuse() };
        if let Some(codec) = codec {
            let place = self.sources.sound(now, ssrc, self.setup.ptime);
            self.sound(now, (arrival, place), timestamp, (codec, packet.payload), events);
        }
    }

    fn event(&mut self, now: Instant, header: &Header, payload: &[u8], events: &mut Vec<MediaEvent>) {
        if self.sources.packet(now, header, false).is_none() {
            return self.refuse();
        }
        let (keys, outbound) = (&mut self.keys, &mut self.outbound);
        let held = self.sources.event(now, header, payload, |event| {
            outbound.end_lead_in();
            events.extend(keys.event(event).map(|key| MediaEvent::Key { key, source: KeySource::Rtp }));
        });
        let held = held.and_then(|key| self.keys.held(now, key));
        events.extend(held.map(|key| MediaEvent::KeyHeld { key }));
    }

    /// An RTCP packet in the clear came.
    fn handle_plain_rtcp(&mut self, now: Instant, datagram: &[u8], from: SocketAddr) {
        let Some(report) = rtcp::read(datagram, self.reports.ssrc()) else { return self.refuse() };
        let known = self.sources.knows(report.ssrc) || report.block.is_some();
        if !self.remote.admits_rtcp(now, from, known) {
            return self.refuse();
        }
        self.liveness.alive(now);
        if let Some(time) = report.sender_time {
            self.sources.sender_report(now, report.ssrc, time);
        }
        if let Some(block) = report.block {
            self.quality.peer_packets_lost = block.lost;
            self.quality.round_trip = self.reports.round_trip(now, &block).or(self.quality.round_trip);
            self.peer_view = Some(PeerView::new(&block, self.outbound.sent));
            self.peer_reported = true;
        }
    }

    /// Begins to keep the peer's sound for the listener of this place, below [`LISTENERS_MAX`], or ends it.
    pub fn set_relaying(&mut self, place: usize, on: bool) {
        self.keys.forget_tone();
        if let Some(relay) = self.relays.get_mut(place) {
            *relay = on.then(|| Box::new(Relay::new(self.setup.codec, samples_in(self.setup.jitter_buffer) as u32)));
        }
    }

    fn is_heard(&self) -> bool {
        self.relays.iter().any(Option::is_some)
    }

    /// The sound that waits for the listener of this place, which gives it back after its [`tick`](MediaSession::tick).
    pub fn lend_relay(&mut self, place: usize) -> Option<Box<Relay>> {
        self.relays.get_mut(place)?.take()
    }

    /// Takes back what was lent.
    pub fn return_relay(&mut self, place: usize, relay: Box<Relay>) {
        if let Some(own) = self.relays.get_mut(place) {
            *own = Some(relay);
        }
    }

    /// Begins to take the peer's sound for the recording of a conversation, whose time begins now.
    pub fn begin_tap(&mut self, now: Instant) {
        let first = samples_in(self.due.saturating_duration_since(now)) as u64;
        self.tap = Some(Box::new(Tap::new(self.setup.codec, first)));
    }

    /// Gives the blocks of the peer's sound that have become full, after a [`tick`](MediaSession::tick). `open`: whether what has come
    /// since is recorded; else it is silence. Allocates nothing.
    pub fn take_tapped(&mut self, open: bool, give: impl FnMut(TapBlock<'_>)) {
        if let Some(tap) = &mut self.tap {
            tap.take(open, give);
        }
    }

    /// Ends the tap, and gives its last block.
    pub fn end_tap(&mut self, mut give: impl FnMut(TapBlock<'_>)) {
        if let Some(mut tap) = self.tap.take() {
            tap.give(&mut give);
        }
    }

    /// Produces what is due; an empty frame if nothing is. `relays`: the sound of the sessions that this one hears.
    pub fn tick(
        &mut self,
        now: Instant,
        relays: &mut [Option<Box<Relay>>],
        frame: &mut MediaFrame,
        events: &mut Vec<MediaEvent>,
    ) {
        frame.clear();
        if now < self.due {
            return;
        }
        let ptime = self.setup.ptime;
        let samples = samples_in(ptime);
        let skipped = ((now - self.due).as_nanos() / ptime.as_nanos()).min(u32::MAX.into()) as u32;
        self.outbound.skip(skipped, samples);
        let mut came = None;
        for relay in relays.iter_mut().flatten() {
            came = relay.begin(now, samples as u32).or(came);
        }
        mixing::skip(relays, skipped.saturating_mul(samples as u32));
        self.due += ptime * skipped;
        if let Some(tap) = &mut self.tap {
            tap.pass((u64::from(skipped) + 1) * samples as u64);
        }
        let reaches = self.reaches(now);
        if self.setup.sending && reaches {
            frame.skipped = skipped;
            let setup = &self.setup;
            let (bank, take) = (&self.bank, &*self.take);
            let (codec, payload_type, event_payload) = (setup.codec, setup.payload, setup.event_payload);
            let source = Source { bank, take, codec, payload_type, event_payload, samples, relays };
            let ended = self.outbound.packet(source, &mut self.reports, frame);
            events.extend(ended.map(|id| self.go_on(id)));
        } else {
            self.outbound.marker = true;
            mixing::skip(relays, samples as u32);
        }
        self.report(now, reaches, frame, events);
        self.protect(frame);
        if self.collision == Collision::Found {
            self.leave_source();
        }
        self.outbound.skip(1, samples);
        self.due += ptime;
        if let Some(came) = came.filter(|came| *came <= ptime) {
            // From now on packets leave some time after the peer's arrive.
            self.due = self.due + TIME_TO_COME.min(ptime / 2) - came;
        }
        self.watch(now, events);
    }

    /// A play came to its end: the next take follows, if there is one.
    fn go_on(&mut self, id: PlayId) -> MediaEvent {
        let Some(next) = self.next_take.take() else { return MediaEvent::Played(id) };
        self.take = next;
        self.outbound.playing = Some((id, Playlist::new(vec![Span::Take])));
        MediaEvent::NextTake(id)
    }

    /// Whether packets may go to the peer now. One that announced that it only receives, or that holds the call, need not
    /// send.
    fn reaches(&mut self, now: Instant) -> bool {
        let expected = self.setup.sending && self.setup.receiving;
        match self.setup.peer {
            Some(peer) if !expected && !peer.learn => true,
            Some(_) => self.remote.may_send(now),
            None => false,
        }
    }

    /// The goodbye of a stream that has sent anything (RFC 3550 §6.3.7).
    pub fn goodbye(&mut self, now: Instant, frame: &mut MediaFrame) {
        frame.clear();
        if self.outbound.sent > 0 && self.rtcp_target().is_some() {
            let timestamp = self.outbound.timestamp;
            frame.rtcp_length = self.reports.write(now, timestamp, &mut self.sources, true, frame.compound());
        }
        self.protect(frame);
    }

    /// Reports to the peer, and on how the call sounds.
    fn report(&mut self, now: Instant, reaches: bool, frame: &mut MediaFrame, events: &mut Vec<MediaEvent>) {
        let bye = self.collision == Collision::Found;
        let due = bye || self.reports.are_due(now);
        if due && reaches {
            let timestamp = self.outbound.timestamp;
            frame.rtcp_length = self.reports.write(now, timestamp, &mut self.sources, bye, frame.compound());
        }
        // With the tick, so that a peer that reports too often cannot fill the events' queue.
        let reported = std::mem::take(&mut self.peer_reported);
        if reported {
            // Duplicates can make the count negative (RFC 3550 §6.4.1).
            let packets_lost = self.quality.peer_packets_lost.max(0).cast_unsigned();
            events.push(MediaEvent::PeerReport { packets_lost, round_trip: self.quality.round_trip });
        }
        if reported || frame.rtcp_length > 0 {
            events.extend(self.quality().mos.map(MediaEvent::Quality));
        }
    }

    /// Sends under another SSRC from here on.
    fn leave_source(&mut self) {
        self.collision = Collision::Resolved;
        self.outbound.begin_source(self.reports.begin_source());
        if let Some(protection) = &mut self.protection {
            protection.begin_source();
        }
    }

    /// What falls due by time alone.
    fn watch(&mut self, now: Instant, events: &mut Vec<MediaEvent>) {
        if self.recording.as_ref().is_some_and(|recording| recording.is_over(now)) {
            self.end_recording(events);
        }
        if self.liveness.is_lost(now, self.limits.media_timeout, self.limits.hold_timeout, self.setup.receiving) {
            events.push(MediaEvent::PeerLost);
        }
    }

    fn sound(
        &mut self,
        now: Instant,
        (arrival, place): (SequencePlace, SoundPlace),
        timestamp: u32,
        (codec, octets): (Codec, &[u8]),
        events: &mut Vec<MediaEvent>,
    ) {
        if place == SoundPlace::Other {
            return;
        }
        match arrival {
            // In a conversation the other side hears the tones in the sound.
            SequencePlace::First | SequencePlace::Next { .. } if self.is_heard() => {}
            SequencePlace::First | SequencePlace::Next { .. } => {
                let outbound = &mut self.outbound;
                self.keys.sound(now, codec, octets, |key| {
                    outbound.end_lead_in();
                    events.push(MediaEvent::Key { key, source: KeySource::Tone });
                });
            }
            SequencePlace::Late => {}
            SequencePlace::Duplicate | SequencePlace::Stray => return,
        }
        let new_source = arrival == SequencePlace::First || place == SoundPlace::New;
        let order = (new_source, arrival == SequencePlace::Late);
        for relay in self.relays.iter_mut().flatten().filter(|_| !self.muted) {
            relay.push(now, timestamp, (codec, octets), order);
        }
        if let Some(tap) = self.tap.as_mut().filter(|_| !self.muted) {
            tap.push(now, timestamp, (codec, octets), order);
        }
        if let Some(recording) = &mut self.recording {
            recording.add(now, order, timestamp, (codec, octets), events);
            if recording.is_over(now) {
                self.end_recording(events);
            }
        }
    }

    fn end_recording(&mut self, events: &mut Vec<MediaEvent>) {
        if let Some(recording) = self.recording.take() {
            let packets_lost = recording.lost_since(self.sources.lost());
            self.take = Arc::new(recording.into_take());
            events.push(MediaEvent::Recorded { take: Arc::clone(&self.take), packets_lost });
        }
    }

    fn change(&mut self, now: Instant, setup: MediaSetup) {
        let setup = within_limits(setup);
        // A peer that names no address holds the call, and comes back.
        let other = |peer: sdp::RemoteMedia| self.setup.peer.is_some_and(|before| before.rtp.ip() != peer.rtp.ip());
        let other_peer = setup.peer.is_some_and(other);
        self.setup = setup;
        self.liveness.alive(now);
        self.follow_setup(now, other_peer);
    }

    fn follow_setup(&mut self, now: Instant, other_peer: bool) {
        let setup = &self.setup;
        self.remote.describe(now, setup.peer, setup.signalling_address.as_ref(), setup.symmetric);
        self.keys.describe(setup.dtmf, setup.event_payload.is_some(), other_peer);
        self.follow_srtp(now);
    }

    fn refuse(&mut self) {
        self.quality.packets_refused += 1;
    }
}

/// A packet time that an offer cannot name is brought to the next one that it can.
fn within_limits(setup: MediaSetup) -> MediaSetup {
    MediaSetup { ptime: setup.ptime.clamp(PTIME_MIN, PTIME_MAX), ..setup }
}

/// How long a packet from the other side of a bridge waits until it leaves.
const TIME_TO_COME: Duration = Duration::from_millis(10);
const PTIME_MIN: Duration = Duration::from_millis(10);
const PTIME_MAX: Duration = Duration::from_millis(60);

#[cfg(test)]
mod tests;
