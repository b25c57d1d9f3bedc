//! Writes session descriptions (RFC 8866 §5): CR LF, every mandatory line, no unused optional line.

use std::fmt::Write;
use std::net::IpAddr;

use super::crypto::Crypto;
use super::description::{Description, Media};
use super::formats::{codecs, events};
use super::{LocalMedia, Negotiated};
use base::Codec;

/// The line that an answer accepts.
pub(super) struct Chosen<'a> {
    pub line: usize,
    pub negotiated: &'a Negotiated,
    pub event_parameters: &'static str,
    /// The local key, in an answer whose media is protected.
    pub crypto: Option<&'a Crypto>,
}

/// The local offer in the 200 to an INVITE without one: the codecs in the order of preference, telephone-event, ptime.
pub fn offer(ours: &LocalMedia) -> Vec<u8> {
    write_offer(ours, true, None, &[], ("RTP/AVP", &[])).into_bytes()
}

/// The offer of a call that is in progress has the `m=` lines of the last local description, in their order, and its
/// numbers and keys; it gives none of the `taken` numbers another meaning (RFC 3264 §8, §8.3.2). `with_events`: it offers
/// telephone-event. `first` is the protocol and the keys of a call's first offer.
pub(super) fn write_offer(
    ours: &LocalMedia,
    with_events: bool,
    last: Option<&Description>,
    taken: &[u8],
    first: (&str, &[Crypto]),
) -> String {
    let mut text = session(ours);
    let Some(last) = last else {
        let (protocol, crypto) = first;
        let numbers: Vec<_> = ours.codecs.iter().map(|codec| (codec.static_payload(), codec)).collect();
        let event = with_events.then_some(101);
        let line = Offered { kind: "audio", protocol, codecs: &numbers, event, mux: false, crypto };
        offered(&mut text, &line, ours);
        return text;
    };
    for media in &last.media {
        if media.port == 0 {
            declined(&mut text, media);
            continue;
        }
        let used = |codec: Codec| codecs(media).find(|(_, known)| *known == codec).map(|(number, _)| number);
        let number = |codec: Codec| (used(codec).unwrap_or_else(|| codec.static_payload()), codec);
        let numbers: Vec<_> = ours.codecs.iter().map(number).collect();
        let free = |number: &u8| !numbers.iter().any(|(used, _)| used == number) && !taken.contains(number);
        let event = events(media).next().or_else(|| std::iter::once(101).chain(96..=127).find(free)).unwrap_or(101);
        let event = with_events.then_some(event);
        let (kind, protocol, mux) = (&*media.kind, &*media.protocol, media.rtcp_mux);
        offered(&mut text, &Offered { kind, protocol, codecs: &numbers, event, mux, crypto: &media.crypto }, ours);
    }
    text
}

/// The audio line of a local offer.
struct Offered<'a> {
    kind: &'a str,
    protocol: &'a str,
    codecs: &'a [(u8, Codec)],
    event: Option<u8>,
    mux: bool,
    crypto: &'a [Crypto],
}

fn offered(text: &mut String, line: &Offered<'_>, ours: &LocalMedia) {
    let Offered { kind, protocol, codecs, event, mux, crypto } = line;
    let _ = write!(text, "m={kind} {} {protocol}", ours.rtp_port);
    for (number, _) in *codecs {
        let _ = write!(text, " {number}");
    }
    if let Some(event) = event {
        let _ = write!(text, " {event}");
    }
    text.push_str("\r\n");
    for (number, codec) in *codecs {
        let _ = write!(text, "a=rtpmap:{number} {}/8000\r\n", codec.name());
    }
    if let Some(event) = event {
        let _ = write!(text, "a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n");
    }
    let _ = write!(text, "a=ptime:{}\r\na=maxptime:60\r\n", ours.ptime.as_millis());
    if *mux {
        text.push_str("a=rtcp-mux\r\n");
    }
    rtcp_port(text, ours);
    crypto.iter().for_each(|line| line.write(text));
    text.push_str("a=sendrecv\r\n");
}

/// An answer with the offer's `m=` lines in their order; only the chosen one has a port.
pub(super) fn write_answer(offer: &Description, chosen: &Chosen<'_>, ours: &LocalMedia) -> String {
    let mut text = session(ours);
    for (line, media) in offer.media.iter().enumerate() {
        if line == chosen.line {
            accepted(&mut text, media, chosen, ours);
        } else {
            declined(&mut text, media);
        }
    }
    text
}

fn session(ours: &LocalMedia) -> String {
    let family = match ours.address.to_canonical() {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    let LocalMedia { session_id, version, .. } = ours;
    let address = ours.address.to_canonical();
    format!(
        "v=0\r\no=jindu {session_id} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
    )
}

fn accepted(text: &mut String, media: &Media, chosen: &Chosen<'_>, ours: &LocalMedia) {
    let Negotiated { codec, payload, event_payload, ptime, peer, direction, .. } = chosen.negotiated;
    let _ = write!(text, "m={} {} {} {payload}", media.kind, ours.rtp_port, media.protocol);
    if let Some(event) = event_payload {
        let _ = write!(text, " {event}");
    }
    let _ = write!(text, "\r\na=rtpmap:{payload} {}/8000\r\n", codec.name());
    if let Some(event) = event_payload {
        let parameters = chosen.event_parameters;
        let _ = write!(text, "a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} {parameters}\r\n");
    }
    let _ = write!(text, "a=ptime:{}\r\n", ptime.as_millis());
    if peer.map_or(media.rtcp_mux, |peer| peer.rtcp_mux) {
        text.push_str("a=rtcp-mux\r\n");
    } else {
        rtcp_port(text, ours);
    }
    chosen.crypto.iter().for_each(|line| line.write(text));
    let _ = write!(text, "a={}\r\n", direction.mirrored().name());
}

/// RFC 3264 §6: port 0 and at least one format, which has no meaning.
fn declined(text: &mut String, media: &Media) {
    let format = media.formats.first().map_or("0", String::as_str);
    let _ = write!(text, "m={} 0 {} {format}\r\n", media.kind, media.protocol);
}

/// RFC 3605, only where RTCP is not on the next port.
fn rtcp_port(text: &mut String, ours: &LocalMedia) {
    if Some(ours.rtcp_port) != ours.rtp_port.checked_add(1) {
        let _ = write!(text, "a=rtcp:{}\r\n", ours.rtcp_port);
    }
}
