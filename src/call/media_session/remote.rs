//! Where a peer's packets come from, and where ours go: symmetric RTP (RFC 4961) behind what the SDP says.
//!
//! The address that the SDP names always counts, and is where we send (RFC 3264 §8.3.1). Another source is heard only while
//! that address is silent, and only after it has gone on for a while: packets in sequence of one SSRC, as RFC 3550 A.1 wants.
//! It comes from the machine of the SDP or of the SIP, from another media address of the trunk, or, on a symmetric trunk
//! (callers behind NAT), from anywhere; any other machine gives way to that of the SDP or the SIP. As soon as the SDP's
//! address speaks, it counts again. Only on a symmetric trunk packets go to the source that is heard: elsewhere a peer may
//! receive at one port and send from another.
//!
//! ```text
//!            another source goes on,           it is silent too,
//!            the SDP's address is silent       and another one goes on
//!  Named ────────────────────────────────► Learnt ◄───────┐
//!    ▲                                      │  └──────────┘
//!    └── a packet from there, or a new SDP ─┘
//! ```
//!
//! The keys of a source that is not believed yet are held, and count once it is. After a new SDP late packets from the
//! address before are heard for a moment, and move nothing. While the peer holds the call without an address (RFC 2543), the
//! sources that were heard before are heard.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::media_control::Signalling;
use rtp::Header;
use sdp::{MediaAddresses, RemoteMedia};

/// Where a stream's packets come from and go to.
#[derive(Debug)]
pub(super) struct Remote {
    peer: Option<RemoteMedia>,
    signalling: Option<IpAddr>,
    /// The media addresses of the trunk; none: those of the SDP and the SIP alone.
    media: Option<MediaAddresses>,
    symmetric: bool,
    /// The address that the SDP named last; it stays while the peer names none, on hold.
    named: Option<SocketAddr>,
    /// When a packet came from there.
    named_at: Option<Instant>,
    /// The last packet from there announced silence (RFC 3389).
    pauses: bool,
    learnt: Option<Learnt>,
    candidates: Vec<Candidate>,
    /// The source before the SDP changed, and until when its late packets are heard.
    former: Option<(SocketAddr, Instant)>,
    rtcp_learnt: Option<SocketAddr>,
    rtcp_named_at: Option<Instant>,
    /// RTCP or SIP from its host showed that the peer is there.
    answers: bool,
    /// Until when packets go to an address that nothing came from; none: none went there yet.
    trial_ends: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Learnt {
    from: SocketAddr,
    at: Instant,
}

/// A source that may be believed.
#[derive(Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    packets: u8,
    since: Instant,
    at: Instant,
    held: Vec<Held>,
}

/// A packet with a key, of a source that is not believed yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub at: Instant,
    pub header: Header,
    payload: [u8; HELD_OCTETS],
    length: usize,
}

/// What to do with a packet.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is the peer's.
    Accept,
    /// It is the peer's, whose source is believed from here on; these keys of it came before.
    Believe(Vec<Held>),
    /// It is not, or not yet.
    Refuse,
}

impl Held {
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload[..self.length]
    }
}

impl Remote {
    pub(super) fn new() -> Remote {
        Remote {
            peer: None,
            signalling: None,
            media: None,
            symmetric: false,
            named: None,
            named_at: None,
            pauses: false,
            learnt: None,
            candidates: Vec::new(),
            former: None,
            rtcp_learnt: None,
            rtcp_named_at: None,
            answers: false,
            trial_ends: None,
        }
    }

    /// Takes the addresses of a session description. One that names another address begins anew.
    pub(super) fn describe(
        &mut self,
        now: Instant,
        peer: Option<RemoteMedia>,
        signalling: Option<&Signalling>,
        symmetric: bool,
    ) {
        (self.peer, self.symmetric) = (peer, symmetric);
        self.signalling = signalling.map(|signalling| signalling.address.to_canonical());
        self.media = signalling.map(|signalling| signalling.media.clone());
        let Some(peer) = peer else { return };
        let rtp = canonical(peer.rtp);
        if self.named != Some(rtp) {
            let source =
                self.learnt.map(|learnt| learnt.from).or_else(|| self.named.filter(|_| self.named_at.is_some()));
            self.former = source.map(|source| (source, now + FORMER));
            (self.named, self.named_at, self.pauses) = (Some(rtp), None, false);
            self.learnt = None;
            self.candidates.clear();
            (self.rtcp_learnt, self.rtcp_named_at) = (None, None);
            (self.answers, self.trial_ends) = (false, None);
        }
    }

    /// SIP of this call came from the peer. It says something of its media only where both have one address.
    pub(super) fn answers_sip(&mut self) {
        self.answers |= self.signalling.is_some() && self.named.map(|named| named.ip()) == self.signalling;
    }

    /// Whether packets may go to the peer now. Anybody can name an address in a description: one that nothing comes from
    /// gets packets for [`TRIAL`], and none at all where the address is to be learnt.
    pub(super) fn may_send(&mut self, now: Instant) -> bool {
        let Some(peer) = self.peer else { return false };
        let heard = self.learnt.is_some() || self.named_at.is_some();
        if heard || (self.answers && !peer.learn) {
            return true;
        }
        let trial = if peer.learn { Duration::ZERO } else { TRIAL };
        now < *self.trial_ends.get_or_insert(now + trial)
    }

    /// The source that speaks from where the SDP names it: the socket may be connected to it. Another one would have to
    /// be heard once it is silent.
    pub(super) fn steady_source(&self, now: Instant) -> Option<SocketAddr> {
        let speaks = self.named_at.is_some_and(|at| now.saturating_duration_since(at) < STEADY);
        let former = self.former.is_some_and(|(_, until)| now < until);
        self.named.filter(|_| speaks && !former && self.peer.is_some())
    }

    pub(super) fn rtp_target(&self) -> Option<SocketAddr> {
        let peer = self.peer?;
        let learnt = self.learnt.filter(|_| self.follows_sources(peer));
        Some(learnt.map_or(peer.rtp, |learnt| learnt.from))
    }

    /// Whether packets go to where they come from, in place of where the SDP says.
    fn follows_sources(&self, peer: RemoteMedia) -> bool {
        self.symmetric || peer.learn
    }

    pub(super) fn rtcp_target(&self) -> Option<SocketAddr> {
        let peer = self.peer?;
        if peer.rtcp_mux {
            return self.rtp_target();
        }
        Some(self.rtcp_learnt.filter(|_| self.follows_sources(peer)).unwrap_or(peer.rtcp))
    }

    /// Judges a packet by its source; `event` is the payload of one that holds a key.
    pub(super) fn judge(&mut self, now: Instant, from: SocketAddr, header: &Header, event: Option<&[u8]>) -> Verdict {
        let from = canonical(from);
        if self.named == Some(from) {
            (self.named_at, self.learnt) = (Some(now), None);
            self.candidates.clear();
            return Verdict::Accept;
        }
        if let Some(learnt) = self.learnt.as_mut().filter(|learnt| learnt.from == from) {
            learnt.at = now;
            let mut candidates = std::mem::take(&mut self.candidates);
            candidates.retain(|candidate| self.rank(candidate.from) > self.rank(from));
            self.candidates = candidates;
            return Verdict::Accept;
        }
        if self.former.is_some_and(|(former, until)| former == from && now < until) {
            return Verdict::Accept;
        }
        if self.peer.is_none() || self.rank(from) == 0 {
            return Verdict::Refuse;
        }
        self.consider(now, from, header, event)
    }

    /// Notes whether the packet just accepted announces silence, or is sound: while announced silence lasts, no other source is
    /// believed.
    pub(super) fn announces(&mut self, silence: bool) {
        self.pauses = silence && self.learnt.is_none();
    }

    /// Whether an RTCP packet is the peer's; `known` says that it is about the sources of this call. Another machine's
    /// port is answered only while the SDP's is silent.
    pub(super) fn admits_rtcp(&mut self, now: Instant, from: SocketAddr, known: bool) -> bool {
        let from = canonical(from);
        let admitted = self.admits_rtcp_from(now, from, known);
        self.answers |= admitted && self.named.is_some_and(|named| named.ip() == from.ip());
        admitted
    }

    fn admits_rtcp_from(&mut self, now: Instant, from: SocketAddr, known: bool) -> bool {
        let Some(peer) = self.peer else { return known && self.is_near(from.ip()) };
        if from == canonical(peer.rtcp) {
            (self.rtcp_named_at, self.rtcp_learnt) = (Some(now), None);
            return true;
        }
        let learnt = self.learnt.map(|learnt| learnt.from);
        if from == canonical(peer.rtp) || learnt == Some(from) {
            return true;
        }
        let near = self.rank(from) > 0 || learnt.is_some_and(|learnt| learnt.ip() == from.ip());
        if !near || !known {
            return false;
        }
        if self.rtcp_named_at.is_none_or(|at| now.saturating_duration_since(at) > RTCP_SILENT) {
            self.rtcp_learnt = Some(from);
        }
        true
    }

    /// A packet of a source that may be believed later, or with this packet.
    fn consider(&mut self, now: Instant, from: SocketAddr, header: &Header, event: Option<&[u8]>) -> Verdict {
        let mut candidate = self.candidate(now, from, header);
        candidate.take(now, header, event);
        if self.believes(now, &candidate) {
            (self.learnt, self.pauses) = (Some(Learnt { from, at: now }), false);
            return Verdict::Believe(candidate.held);
        }
        self.candidates.push(candidate);
        Verdict::Refuse
    }

    /// The candidate at this address, out of the list: one that goes on, or a new one. Where there is no room, a new one
    /// takes the place of the least recently heard of those whose address says least.
    fn candidate(&mut self, now: Instant, from: SocketAddr, header: &Header) -> Candidate {
        let known = self.candidates.iter().position(|candidate| candidate.from == from);
        let known = known.map(|place| self.candidates.swap_remove(place));
        if let Some(candidate) = known.filter(|candidate| now.saturating_duration_since(candidate.at) < SILENT) {
            return candidate;
        }
        if self.candidates.len() >= CANDIDATES {
            let places = 0..self.candidates.len();
            let least = places.min_by_key(|place| {
                let candidate = &self.candidates[*place];
                (self.rank(candidate.from), candidate.at)
            });
            self.candidates.swap_remove(least.unwrap_or(0));
        }
        Candidate::new(now, from, header)
    }

    fn believes(&self, now: Instant, candidate: &Candidate) -> bool {
        if candidate.packets < PROBATION {
            return false;
        }
        let spoke = match self.learnt {
            Some(learnt) if self.rank(candidate.from) > self.rank(learnt.from) => return true,
            Some(learnt) => Some(learnt.at),
            None => self.named_at,
        };
        let Some(spoke) = spoke else { return true };
        let silence = if self.pauses { PAUSE } else { SILENT };
        let passed = |since: Instant| now.saturating_duration_since(since);
        passed(spoke) >= silence && passed(candidate.since) >= GOES_ON
    }

    /// How much a source's address says that it is the peer's: 2 the machine of the SDP or the SIP, 1 another one of the trunk,
    /// or any behind NAT, 0 a stranger.
    fn rank(&self, from: SocketAddr) -> u8 {
        if from.port() < PORT_MIN {
            return 0;
        }
        let of_trunk = || self.media.as_ref().is_some_and(|media| media.allows(from));
        if self.is_near(from.ip()) { 2 } else { u8::from(self.symmetric || of_trunk()) }
    }

    /// Whether it is the machine of the SDP or the SIP.
    fn is_near(&self, ip: IpAddr) -> bool {
        self.named.is_some_and(|named| named.ip() == ip) || self.signalling == Some(ip)
    }
}

impl Candidate {
    fn new(now: Instant, from: SocketAddr, header: &Header) -> Candidate {
        let sequence = header.sequence.wrapping_sub(1);
        Candidate { from, ssrc: header.ssrc, sequence, packets: 0, since: now, at: now, held: Vec::new() }
    }

    /// Counts packets in sequence of one SSRC; keys may have one of their own.
    fn take(&mut self, now: Instant, header: &Header, event: Option<&[u8]>) {
        self.at = now;
        if let Some(payload) = event
            && self.held.len() < HELD_MAX
        {
            let mut octets = [0; HELD_OCTETS];
            let length = payload.len().min(HELD_OCTETS);
            octets[..length].copy_from_slice(&payload[..length]);
            self.held.push(Held { at: now, header: *header, payload: octets, length });
        }
        if header.ssrc != self.ssrc {
            if event.is_none() {
                (self.ssrc, self.sequence, self.packets) = (header.ssrc, header.sequence, 1);
            }
            return;
        }
        match header.sequence.wrapping_sub(self.sequence) {
            1..=GAP_MAX => (self.sequence, self.packets) = (header.sequence, self.packets.saturating_add(1)),
            0 | 0xFF00.. => {}
            _jump => (self.sequence, self.packets) = (header.sequence, 1),
        }
    }
}

/// An IPv4 address as an IPv6 socket shows it is an IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// How long packets go to an address that nothing comes from.
const TRIAL: Duration = Duration::from_secs(5);
/// No telephone receives at the ports below, and services do that answer (RFC 6335 §6).
const PORT_MIN: u16 = 1024;
/// Sources that may be believed next, at a time.
const CANDIDATES: usize = 4;
/// Packets in sequence that show a source: 100 ms of sound.
const PROBATION: u8 = 5;
/// Packets of a sequence that may be missing between two.
const GAP_MAX: u16 = 50;
/// After so long without a packet a source is silent; while it announced silence, after so long.
const SILENT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_secs(10);
/// How long another source goes on before it takes the place of one that spoke.
const GOES_ON: Duration = Duration::from_millis(250);
/// A source that spoke so recently goes on speaking.
const STEADY: Duration = Duration::from_millis(120);
/// How long late packets come from the address of the SDP before.
const FORMER: Duration = Duration::from_secs(2);
/// Three reports (RFC 3550 §6.2).
const RTCP_SILENT: Duration = Duration::from_secs(15);
/// The packets of the keys of a source that is not believed yet: those of a second, one event each.
const HELD_MAX: usize = 64;
const HELD_OCTETS: usize = 8;
