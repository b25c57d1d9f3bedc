//! A remote offer → the local answer; the answer to a local offer → the agreed media (RFC 3264).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::crypto::Crypto;
use super::description::{Address, Description, Media};
use super::formats::{codecs, events, numbers};
use super::security::{Profile, accept_crypto, choose_crypto};
use super::write::{Chosen, write_answer};
use super::{Direction, LocalMedia, Negotiated, Rejection, RemoteMedia, SrtpKeys, SrtpPolicy};
use base::{Codec, Codecs};

/// Answers an offer: the first usable audio line is accepted, all others are declined with port 0.
///
/// The answer has the offer's number and order of `m=` lines (RFC 3264 §6), one codec, the one of the offer that
/// [`LocalMedia::codecs`] prefers, and the offer's payload type of telephone-event.
///
/// # Errors
/// The offer cannot be read, or has no audio line that can be accepted.
pub fn answer(offer: &[u8], ours: &LocalMedia) -> Result<(Negotiated, Vec<u8>), Rejection> {
    let offer = Description::parse(offer)?;
    let chosen = Choice::of(&offer, ours, SrtpPolicy::Off)?;
    let text = chosen.write(ours, None);
    Ok((chosen.negotiated, text.into_bytes()))
}

/// What is chosen of an offer.
pub(super) struct Choice<'a> {
    offer: &'a Description,
    line: usize,
    /// The line that is answered with a local key; none: the media is in the clear.
    pub crypto: Option<&'a Crypto>,
    pub negotiated: Negotiated,
}

impl<'a> Choice<'a> {
    pub(super) fn of(offer: &'a Description, ours: &LocalMedia, policy: SrtpPolicy) -> Result<Choice<'a>, Rejection> {
        let Usable { line, negotiated, protection } =
            choose(offer, ours, Some(ours.codecs), |media| choose_crypto(media, policy))?;
        Ok(Choice { offer, line, crypto: protection, negotiated })
    }

    /// The answer that says so.
    pub(super) fn write(&self, ours: &LocalMedia, crypto: Option<&Crypto>) -> String {
        let Choice { offer, line, negotiated, .. } = self;
        let event_parameters = event_parameters(&offer.media[*line], negotiated);
        write_answer(offer, &Chosen { line: *line, negotiated, event_parameters, crypto }, ours)
    }

    /// The numbers to which the offer gives a meaning that this side does not know.
    pub(super) fn foreign_numbers(&self) -> Vec<u8> {
        let Negotiated { receive, events, .. } = &self.negotiated;
        let known = |number: &u8| events.contains(number) || receive.iter().any(|(known, _)| known == number);
        numbers(&self.offer.media[self.line]).filter(|number| !known(number)).collect()
    }
}

/// Reads the answer to an offer that [`super::offer`] wrote.
///
/// # Errors
/// The answer cannot be read, or accepts nothing that was offered.
pub fn accept(answer: &[u8], ours: &LocalMedia) -> Result<Negotiated, Rejection> {
    let offered = Description::parse(&super::offer(ours))?;
    accept_for(answer, ours, &offered, SrtpPolicy::Off).map(|(negotiated, _)| negotiated)
}

/// Reads the answer to this local offer. The peer may send by the offer's numbers, as it must, or by those of its answer.
pub(super) fn accept_for(
    answer: &[u8],
    ours: &LocalMedia,
    offered: &Description,
    policy: SrtpPolicy,
) -> Result<(Negotiated, Option<SrtpKeys>), Rejection> {
    let description = Description::parse(answer)?;
    let offered = offered.media.iter().find(|media| media.port != 0);
    let protect = |media| accept_crypto(media, offered, policy);
    let Usable { mut negotiated, protection, .. } = choose(&description, ours, None, protect)?;
    if let Some(peer) = &mut negotiated.peer
        && peer.rtcp_mux
        && !offered.is_some_and(|media| media.rtcp_mux)
    {
        // An answer must not accept what was not offered (RFC 5761 §5.1.1).
        *peer = RemoteMedia { rtcp: following(peer.rtp), rtcp_mux: false, ..*peer };
    }
    if let Some(offered) = offered {
        let theirs = Heard { receive: negotiated.receive, events: negotiated.events };
        let heard = Heard { receive: codecs(offered).collect(), events: events(offered).collect() }.and(theirs);
        (negotiated.receive, negotiated.events) = (heard.receive, heard.events);
    }
    Ok((negotiated, protection))
}

/// The payload types that are heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub receive: Vec<(u8, Codec)>,
    pub events: Vec<u8>,
}

impl Heard {
    /// Adds numbers that have no meaning yet.
    pub(super) fn and(mut self, more: Heard) -> Heard {
        for (number, codec) in more.receive {
            if !self.knows(number) {
                self.receive.push((number, codec));
            }
        }
        for number in more.events {
            if !self.knows(number) {
                self.events.push(number);
            }
        }
        self
    }

    fn knows(&self, number: u8) -> bool {
        self.events.contains(&number) || self.receive.iter().any(|(known, _)| *known == number)
    }
}

/// A line that can be used.
struct Usable<P> {
    line: usize,
    negotiated: Negotiated,
    protection: P,
}

/// The first usable audio line, or why the first audio line is not usable. Telephones that offer one sound both ways
/// give it a line each: those of RTP/SAVP come first. Without a preference among codecs the line's own order counts, as the
/// answerer chose it (RFC 3264 §6.1).
fn choose<'a, P>(
    description: &'a Description,
    ours: &LocalMedia,
    preference: Option<Codecs>,
    protect: impl Fn(&'a Media) -> Result<P, Rejection>,
) -> Result<Usable<P>, Rejection> {
    let audio = |(_, media): &(usize, &Media)| media.kind.eq_ignore_ascii_case("audio");
    let mut lines: Vec<(usize, &Media)> = description.media.iter().enumerate().filter(audio).collect();
    let first = lines.first().map(|(line, _)| *line);
    let mut first_reason = NO_AUDIO;
    lines.sort_by_key(|(_, media)| Profile::of(media) != Some(Profile::Secure));
    for (line, media) in lines {
        match negotiate(media, ours, preference, &protect) {
            Ok((negotiated, protection)) => return Ok(Usable { line, negotiated, protection }),
            Err(reason) if Some(line) == first => first_reason = reason,
            Err(_) => {}
        }
    }
    Err(first_reason)
}

fn negotiate<'a, P>(
    media: &'a Media,
    ours: &LocalMedia,
    preference: Option<Codecs>,
    protect: impl Fn(&'a Media) -> Result<P, Rejection>,
) -> Result<(Negotiated, P), Rejection> {
    if media.port == 0 {
        return Err(NO_AUDIO);
    }
    let protection = protect(media)?;
    let receive: Vec<(u8, Codec)> = codecs(media).filter(|(_, codec)| ours.codecs.contains(*codec)).collect();
    let preferred = receive.iter().min_by_key(|(_, codec)| preference.and_then(|codecs| codecs.rank(*codec)));
    let &(payload, codec) = preferred.ok_or_else(|| no_codec(ours.codecs))?;
    let events: Vec<u8> = events(media).collect();
    let address = address(media, ours)?;
    let peer = address.map(|address| peer(media, address));
    let direction = match (peer, media.direction) {
        (Some(_), direction) => direction,
        // RFC 2543 §B.5: an address of zeros is a hold.
        (None, Direction::SendRecv | Direction::SendOnly) => Direction::SendOnly,
        (None, Direction::RecvOnly | Direction::Inactive) => Direction::Inactive,
    };
    let negotiated = Negotiated {
        codec,
        payload,
        event_payload: events.first().copied(),
        receive,
        events,
        ptime: ptime(media, ours.ptime),
        peer,
        direction,
        srtp: None,
    };
    Ok((negotiated, protection))
}

/// `0-16` if the peer offers a hook flash too, for peers that compare the lists; keys are read in either case.
fn event_parameters(media: &Media, negotiated: &Negotiated) -> &'static str {
    let offers_flash = media
        .parameters
        .iter()
        .any(|(number, text)| Some(*number) == negotiated.event_payload && text.replace(' ', "") == "0-16");
    if offers_flash { "0-16" } else { "0-15" }
}

/// What the peer asks for, as far as it can be sent; else this side's own time. It never exceeds what the peer takes.
fn ptime(media: &Media, ours: Duration) -> Duration {
    let milliseconds = |ms: u32| Duration::from_millis(ms.into());
    let wanted = media.ptime_ms.filter(|ms| (10..=60).contains(ms)).map_or(ours, milliseconds);
    let longest = media.maxptime_ms.filter(|ms| *ms >= 10).map_or(wanted, milliseconds);
    wanted.min(longest)
}

fn no_codec(usable: Codecs) -> Rejection {
    let text = match (usable.contains(Codec::Alaw), usable.contains(Codec::Ulaw)) {
        (true, false) => "PCMA at 8000 Hz is not offered",
        (false, true) => "PCMU at 8000 Hz is not offered",
        (true, true) | (false, false) => "neither PCMA nor PCMU at 8000 Hz is offered",
    };
    Rejection::NotAcceptable { warning: 305, text }
}

/// The peer's address; `None` for an address of zeros, which is a hold.
fn address(media: &Media, ours: &LocalMedia) -> Result<Option<IpAddr>, Rejection> {
    let ip = match media.address {
        Address::Ip(ip) => ip,
        Address::Missing => return Err(Rejection::Malformed("there is no c= line")),
        Address::Name => return Err(NOT_NUMERIC),
        Address::OtherNetwork => return Err(OTHER_NETWORK),
        Address::OtherType => return Err(OTHER_TYPE),
    };
    if ip.is_multicast() || ip == IpAddr::from([255, 255, 255, 255]) {
        return Err(MULTICAST);
    }
    if ip.is_unspecified() {
        return Ok(None);
    }
    if is_unreachable(ip) {
        return Err(UNREACHABLE);
    }
    if ip.is_ipv4() != ours.address.to_canonical().is_ipv4() {
        return Err(OTHER_FAMILY);
    }
    Ok(Some(ip))
}

/// Addresses that no host has: "this network" and the reserved 240.0.0.0/4 (RFC 6890 §2.2.2).
fn is_unreachable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => matches!(ip.octets(), [0 | 240.., ..]),
        IpAddr::V6(_) => false,
    }
}

fn peer(media: &Media, address: IpAddr) -> RemoteMedia {
    let rtp = SocketAddr::new(address, media.port);
    if media.rtcp_mux {
        return RemoteMedia { rtp, rtcp: rtp, rtcp_mux: true, learn: false };
    }
    let rtcp_address = media
        .rtcp_address
        .filter(|ip| ip.is_ipv4() == address.is_ipv4() && !ip.is_multicast() && !ip.is_unspecified())
        .unwrap_or(address);
    let rtcp_port = media.rtcp_port.unwrap_or_else(|| following(rtp).port());
    RemoteMedia { rtp, rtcp: SocketAddr::new(rtcp_address, rtcp_port), rtcp_mux: false, learn: false }
}

/// RFC 3550 §11: RTCP is on the next port.
pub(super) fn following(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
}

// The codes are those of RFC 3261 §20.43.
const NO_AUDIO: Rejection = Rejection::NotAcceptable { warning: 304, text: "no audio stream is offered" };
const OTHER_NETWORK: Rejection = Rejection::NotAcceptable { warning: 300, text: "only network type IN is supported" };
const OTHER_TYPE: Rejection =
    Rejection::NotAcceptable { warning: 301, text: "only address types IP4 and IP6 are supported" };
const UNREACHABLE: Rejection = Rejection::NotAcceptable { warning: 301, text: "the media address belongs to no host" };
const NOT_NUMERIC: Rejection = Rejection::NotAcceptable { warning: 301, text: "the media address is not numeric" };
const OTHER_FAMILY: Rejection =
    Rejection::NotAcceptable { warning: 301, text: "the media address has another IP version than this side" };
const MULTICAST: Rejection = Rejection::NotAcceptable { warning: 330, text: "multicast is not supported" };
