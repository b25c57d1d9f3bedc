//! The connection of one browser: ICE-lite, DTLS and SRTP by str0m, and its sound as RTP in the clear.
//!
//! str0m keeps no clock and no socket. Its contract is that all outputs are polled after each input; [`Connection::drain`] does so
//! at the end of every method. Its negotiated payload numbers are those of the browser's offer; inside this node they are
//! the static ones of G.711 and [`EVENTS`] for telephone events.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::config::CryptoProvider;
use str0m::crypto::from_feature_flags;
use str0m::format::{Codec as Format, FormatParams};
use str0m::ice::{IceCreds, StunMessage};
use str0m::media::{Frequency, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::error::OfferError;
use super::numbers::Numbers;
use base::Codec;
use rtp::{HEADER_OCTETS, Header, Packet};

/// What must be unguessable of a connection.
#[derive(Clone)]
pub struct Secrets {
    /// Names the telephone in requests of its page.
    pub id: String,
    /// RFC 8839 §5.4: at least 4 characters of letters and digits, unique among the connections.
    pub fragment: String,
    /// At least 22 such characters.
    pub password: String,
}

/// A browser's connection.
pub(crate) struct Connection {
    rtc: Rtc,
    local: Arc<[SocketAddr]>,
    audio: Audio,
    numbers: Numbers,
    /// When the browser was last heard.
    heard: Instant,
    due: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Up,
    /// The browser has said so, or str0m cannot go on.
    Closed {
        since: Instant,
    },
}

/// The negotiated audio.
struct Audio {
    mid: Mid,
    /// The browser's payload number of each of this node's.
    payloads: Vec<(u8, Pt)>,
}

impl Audio {
    /// What was agreed on for a media line; none: it is no audio in G.711.
    fn of(rtc: &Rtc, mid: Mid) -> Option<Audio> {
        let media = rtc.media(mid).filter(|media| media.kind() == MediaKind::Audio)?;
        let agreed = rtc.codec_config().params().iter().filter(|params| media.remote_pts().contains(&params.pt()));
        let payloads = agreed.filter_map(|params| Some((inner_payload(params.spec().codec)?, params.pt())));
        let audio = Audio { mid, payloads: payloads.collect() };
        audio.payloads.iter().any(|(payload, _)| *payload != EVENTS).then_some(audio)
    }
}

/// What a connection wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConnectionOutput {
    /// To the browser.
    Transmit { to: SocketAddr, octets: Vec<u8> },
    /// An RTP packet of the browser's sound.
    Sound(Vec<u8>),
    /// The handshakes are over.
    Up,
}

impl Connection {
    /// Answers the offer of a browser.
    pub(crate) fn accept(
        now: Instant,
        offer: &str,
        local: Arc<[SocketAddr]>,
        secrets: &Secrets,
        out: &mut Vec<ConnectionOutput>,
    ) -> Result<(Connection, String), OfferError> {
        let malformed = |error: &dyn std::fmt::Display| OfferError::Malformed(error.to_string());
        if offer.len() > OFFER_OCTETS_MAX {
            return Err(OfferError::Malformed(format!("it is longer than {OFFER_OCTETS_MAX} octets")));
        }
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| malformed(&error))?;
        let mut rtc = rtc(now, secrets);
        for address in local.iter() {
            let candidate = Candidate::host(*address, Protocol::Udp).map_err(|error| malformed(&error))?;
            rtc.add_local_candidate(candidate);
        }
        let lines: Vec<Mid> = offer.media_lines.iter().map(|line| line.mid()).collect();
        let answer = rtc.sdp_api().accept_offer(offer).map_err(|error| malformed(&error))?;
        let audio = lines.into_iter().find_map(|mid| Audio::of(&rtc, mid)).ok_or(OfferError::NoCodec)?;
        let (numbers, state) = (Numbers::default(), State::Connecting);
        let mut connection = Connection { rtc, local, audio, numbers, heard: now, due: now, state };
        connection.drain(now, out);
        Ok((connection, answer.to_sdp_string()))
    }

    /// A datagram of the browser.
    pub(crate) fn datagram(&mut self, now: Instant, from: SocketAddr, octets: &[u8], out: &mut Vec<ConnectionOutput>) {
        // One candidate of each IP version: the socket need not say at which of its addresses a datagram came.
        let Some(to) = self.local.iter().find(|local| local.is_ipv4() == from.is_ipv4()) else { return };
        let Ok(received) = Receive::new(Protocol::Udp, from, *to, octets) else { return };
        let input = Input::Receive(now, received);
        if self.is_closed() || !self.rtc.accepts(&input) {
            return;
        }
        self.heard = now;
        match self.rtc.handle_input(input) {
            Ok(()) => self.drain(now, out),
            Err(_) => self.state = State::Closed { since: now },
        }
    }

    /// An RTP packet for the browser; nothing is sent before the connection is up.
    pub(crate) fn send(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Vec<ConnectionOutput>) {
        let known = self.audio.payloads.iter().find(|(payload, _)| *payload == packet.header.payload_type);
        let Some((_, payload)) = known.filter(|_| self.state == State::Up) else { return };
        let Some(place) = self.numbers.place(now, &packet.header) else { return };
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(self.audio.mid, None) else { return };
        let sent = RtpWrite::new(*payload, place.sequence.into(), place.timestamp, now, packet.payload);
        stream.write_rtp(sent.marker(packet.header.marker || place.is_first));
        self.time(now, out);
    }

    /// [`Connection::deadline`] has come.
    pub(crate) fn time(&mut self, now: Instant, out: &mut Vec<ConnectionOutput>) {
        if self.is_closed() {
            return;
        }
        // What was written before must have left first.
        self.drain(now, out);
        match self.rtc.handle_input(Input::Timeout(now)) {
            Ok(()) => self.drain(now, out),
            Err(_) => self.state = State::Closed { since: now },
        }
    }

    /// When [`Connection::time`] is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.due
    }

    /// When the browser counts as lost, unless it is heard before.
    pub(crate) fn lost_at(&self) -> Instant {
        match self.state {
            State::Connecting | State::Up => self.heard + LOST_AFTER,
            State::Closed { since } => since + RETURNS_WITHIN,
        }
    }

    /// Whether it was closed: only another connection helps.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    fn drain(&mut self, now: Instant, out: &mut Vec<ConnectionOutput>) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return self.due = at,
                Ok(Output::Transmit(sent)) => {
                    let (to, octets) = (sent.destination, sent.contents.to_vec());
                    out.push(ConnectionOutput::Transmit { to, octets });
                }
                Ok(Output::Event(event)) => self.on_event(now, event, out),
                // str0m cannot go on: the browser notices it as a lost network, and connects again.
                Err(_) => return self.state = State::Closed { since: now },
            }
        }
    }

    fn on_event(&mut self, now: Instant, event: Event, out: &mut Vec<ConnectionOutput>) {
        match event {
            Event::Connected if self.state == State::Connecting => {
                self.state = State::Up;
                out.push(ConnectionOutput::Up);
            }
            Event::RtpPacket(packet) => out.extend(self.sound(&packet).map(ConnectionOutput::Sound)),
            Event::Closed => self.state = State::Closed { since: now },
            // ICE is judged by when the browser was heard; nothing else concerns a telephone.
            _ => {}
        }
    }

    /// A packet of the browser, with this node's payload number.
    fn sound(&self, packet: &RtpPacket) -> Option<Vec<u8>> {
        let came = packet.header.payload_type;
        let (payload_type, _) = self.audio.payloads.iter().find(|(_, theirs)| *theirs == came)?;
        let RtpPacket { header, payload, .. } = packet;
        let (marker, payload_type) = (header.marker, *payload_type);
        let (sequence, timestamp, ssrc) = (header.sequence_number, header.timestamp, *header.ssrc);
        let mut octets = vec![0; HEADER_OCTETS];
        let head = octets.first_chunk_mut().expect("as long as a header");
        Header { marker, payload_type, sequence, timestamp, ssrc }.write(head);
        octets.extend_from_slice(payload);
        Some(octets)
    }
}

/// The local user fragment that a connectivity check names (RFC 8445 §7.2.2), by which the first datagram of an address finds its
/// connection.
pub(crate) fn fragment(datagram: &[u8]) -> Option<String> {
    // RFC 7983 §7: STUN.
    if !matches!(datagram.first(), Some(0..=3)) {
        return None;
    }
    let message = StunMessage::parse(datagram).ok().filter(StunMessage::is_binding_request)?;
    message.split_username().map(|(local, _)| local.to_owned())
}

fn rtc(now: Instant, secrets: &Secrets) -> Rtc {
    static CRYPTO: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(from_feature_flags()));
    let (ufrag, pass) = (secrets.fragment.clone(), secrets.password.clone());
    let mut config = RtcConfig::new()
        .set_crypto_provider(Arc::clone(&CRYPTO))
        .set_local_ice_credentials(IceCreds { ufrag, pass })
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_pcma(true, false)
        .enable_pcmu(true, false);
    let events = FormatParams::parse_line("0-15");
    config.codec_config().add_config(EVENTS.into(), None, Format::Tele, Frequency::EIGHT_KHZ, None, events);
    config.build(now)
}

/// The payload number inside this node.
fn inner_payload(format: Format) -> Option<u8> {
    match format {
        Format::PCMA => Some(Codec::Alaw.static_payload()),
        Format::PCMU => Some(Codec::Ulaw.static_payload()),
        Format::Tele => Some(EVENTS),
        _ => None,
    }
}

/// A browser that is silent for so long is lost: browsers send connectivity checks every few seconds (RFC 7675 §5.1).
pub const LOST_AFTER: Duration = Duration::from_secs(15);
/// A page that is loaded again is back within this time.
pub(crate) const RETURNS_WITHIN: Duration = Duration::from_secs(5);
/// The payload number of telephone events inside this node.
pub(crate) const EVENTS: u8 = 101;
/// Offers of audio have 2 to 4 KiB.
const OFFER_OCTETS_MAX: usize = 16 * 1024;
