//! A remote offer → the local answer; the answer to a local offer → the agreed media (RFC 3264).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::description::{Address, Description, Media, payload};
use super::write::{Chosen, write_answer};
use super::{Direction, LocalMedia, Negotiated, Rejection, RemoteMedia};
use base::Codec;

/// Answers an offer: the first usable audio line is accepted, all others are declined with port 0.
///
/// The answer has the offer's number and order of `m=` lines (RFC 3264 §6), one codec, the first
/// supported one of the offer, and the offer's payload type of telephone-event.
pub fn answer(offer: &[u8], ours: &LocalMedia) -> Result<(Negotiated, Vec<u8>), Rejection> {
    let description = Description::parse(offer)?;
    let (line, negotiated) = choose(&description, ours)?;
    let media = &description.media[line];
    let chosen = Chosen { line, negotiated: &negotiated, event_parameters: event_parameters(media, &negotiated) };
    let text = write_answer(&description, &chosen, ours);
    Ok((negotiated, text))
}

/// Answers a subsequent offer of the same call: the version is incremented if the answer differs from `previous`
/// (RFC 3264 §8).
pub fn answer_subsequent(
    offer: &[u8],
    ours: &mut LocalMedia,
    previous: &[u8],
) -> Result<(Negotiated, Vec<u8>), Rejection> {
    let (negotiated, text) = answer(offer, ours)?;
    if text == previous {
        return Ok((negotiated, text));
    }
    ours.version = ours.version.wrapping_add(1);
    answer(offer, ours)
}

/// Reads the answer to an offer that [`super::offer`] wrote.
pub fn accept(answer: &[u8], ours: &LocalMedia) -> Result<Negotiated, Rejection> {
    let description = Description::parse(answer)?;
    let (_line, mut negotiated) = choose(&description, ours)?;
    if let Some(peer) = &mut negotiated.peer
        && peer.rtcp_mux
    {
        // The local offer never has rtcp-mux, so the answer must not accept it (RFC 5761 §5.1.1).
        *peer = RemoteMedia { rtcp: following(peer.rtp), rtcp_mux: false, ..*peer };
    }
    Ok(negotiated)
}

/// The first usable audio line, or why the first audio line is not usable.
fn choose(description: &Description, ours: &LocalMedia) -> Result<(usize, Negotiated), Rejection> {
    let mut first_reason = None;
    for (line, media) in description.media.iter().enumerate() {
        if !media.kind.eq_ignore_ascii_case("audio") {
            continue;
        }
        match negotiate(media, ours) {
            Ok(negotiated) => return Ok((line, negotiated)),
            Err(reason) => first_reason = first_reason.or(Some(reason)),
        }
    }
    Err(first_reason.unwrap_or(NO_AUDIO))
}

fn negotiate(media: &Media, ours: &LocalMedia) -> Result<Negotiated, Rejection> {
    if media.port == 0 {
        return Err(NO_AUDIO);
    }
    if !["RTP/AVP", "RTP/AVPF"].iter().any(|known| media.protocol.eq_ignore_ascii_case(known)) {
        return Err(OTHER_TRANSPORT);
    }
    let (codec, payload) = codec(media).ok_or(NO_CODEC)?;
    let address = address(media, ours)?;
    let peer = address.map(|address| peer(media, address));
    let direction = match (peer, media.direction) {
        (Some(_), direction) => direction,
        // RFC 2543 §B.5: an address of zeros is a hold.
        (None, Direction::SendRecv | Direction::SendOnly) => Direction::SendOnly,
        (None, Direction::RecvOnly | Direction::Inactive) => Direction::Inactive,
    };
    Ok(Negotiated {
        codec,
        payload,
        event_payload: event_payload(media, payload),
        ptime: ptime(media),
        peer,
        direction,
    })
}

/// The first of the peer's formats that is G.711; a map overrides the static meaning of 0 and 8 (RFC 3551 §6).
fn codec(media: &Media) -> Option<(Codec, u8)> {
    media.formats.iter().filter_map(|format| payload(format)).find_map(|number| {
        let codec = match media.maps.iter().find(|map| map.payload == number) {
            Some(map) if map.clock != 8000 || map.channels != 1 => None,
            Some(map) if map.encoding.eq_ignore_ascii_case("PCMA") => Some(Codec::Alaw),
            Some(map) if map.encoding.eq_ignore_ascii_case("PCMU") => Some(Codec::Ulaw),
            Some(_) => None,
            None if number == 8 => Some(Codec::Alaw),
            None if number == 0 => Some(Codec::Ulaw),
            None => None,
        };
        codec.map(|codec| (codec, number))
    })
}

/// The payload type of telephone-event at the clock rate of the codec (RFC 4733 §2.1).
fn event_payload(media: &Media, codec_payload: u8) -> Option<u8> {
    media.formats.iter().filter_map(|format| payload(format)).filter(|number| *number != codec_payload).find(|number| {
        media
            .maps
            .iter()
            .find(|map| map.payload == *number)
            .is_some_and(|map| map.clock == 8000 && map.encoding.eq_ignore_ascii_case("telephone-event"))
    })
}

/// `0-16` if the peer offers a hook flash too, for peers that compare the lists; keys are read in either case.
fn event_parameters(media: &Media, negotiated: &Negotiated) -> &'static str {
    let offers_flash = media
        .parameters
        .iter()
        .any(|(number, text)| Some(*number) == negotiated.event_payload && text.replace(' ', "") == "0-16");
    if offers_flash { "0-16" } else { "0-15" }
}

fn ptime(media: &Media) -> Duration {
    let wanted = media.ptime_ms.filter(|ms| (10..=60).contains(ms)).unwrap_or(20);
    let longest = media.maxptime_ms.filter(|ms| *ms >= 10).unwrap_or(60);
    Duration::from_millis(wanted.min(longest).into())
}

/// The peer's address; `None` for an address of zeros, which is a hold.
fn address(media: &Media, ours: &LocalMedia) -> Result<Option<IpAddr>, Rejection> {
    let ip = match media.address {
        Address::Ip(ip) => ip,
        Address::Missing => return Err(Rejection::Malformed("there is no c= line")),
        Address::Name => return Err(NOT_NUMERIC),
        Address::OtherNetwork => return Err(OTHER_NETWORK),
    };
    if ip.is_multicast() || ip == IpAddr::from([255, 255, 255, 255]) {
        return Err(MULTICAST);
    }
    if ip.is_unspecified() {
        return Ok(None);
    }
    if ip.is_ipv4() != ours.address.to_canonical().is_ipv4() {
        return Err(OTHER_FAMILY);
    }
    Ok(Some(ip))
}

fn peer(media: &Media, address: IpAddr) -> RemoteMedia {
    let rtp = SocketAddr::new(address, media.port);
    if media.rtcp_mux {
        return RemoteMedia { rtp, rtcp: rtp, rtcp_mux: true };
    }
    let rtcp_address = media
        .rtcp_address
        .filter(|ip| ip.is_ipv4() == address.is_ipv4() && !ip.is_multicast() && !ip.is_unspecified())
        .unwrap_or(address);
    let rtcp_port = media.rtcp_port.unwrap_or_else(|| following(rtp).port());
    RemoteMedia { rtp, rtcp: SocketAddr::new(rtcp_address, rtcp_port), rtcp_mux: false }
}

/// RFC 3550 §11: RTCP is on the next port.
fn following(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1))
}

// The codes are those of RFC 3261 §20.43.
const NO_AUDIO: Rejection = Rejection::NotAcceptable { warning: 304, text: "no audio stream is offered" };
const NO_CODEC: Rejection =
    Rejection::NotAcceptable { warning: 305, text: "neither PCMA nor PCMU at 8000 Hz is offered" };
const OTHER_TRANSPORT: Rejection =
    Rejection::NotAcceptable { warning: 302, text: "only RTP/AVP and RTP/AVPF are supported" };
const OTHER_NETWORK: Rejection = Rejection::NotAcceptable { warning: 300, text: "only network type IN is supported" };
const NOT_NUMERIC: Rejection = Rejection::NotAcceptable { warning: 301, text: "the media address is not numeric" };
const OTHER_FAMILY: Rejection =
    Rejection::NotAcceptable { warning: 301, text: "the media address has another IP version than this side" };
const MULTICAST: Rejection = Rejection::NotAcceptable { warning: 330, text: "multicast is not supported" };
