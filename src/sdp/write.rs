//! Writes session descriptions (RFC 8866 §5): CR LF, every mandatory line, no unused optional line.

use std::fmt::Write;
use std::net::IpAddr;

use super::description::{Description, Media};
use super::{LocalMedia, Negotiated};
use base::Codec;

/// The line that an answer accepts.
pub(super) struct Chosen<'a> {
    pub line: usize,
    pub negotiated: &'a Negotiated,
    pub event_parameters: &'static str,
}

/// The local offer in the 200 to an INVITE without one: both laws, telephone-event, 20 ms.
pub fn offer(ours: &LocalMedia) -> Vec<u8> {
    let mut text = session(ours);
    let _ = write!(text, "m=audio {} RTP/AVP 8 0 101\r\n", ours.rtp_port);
    text.push_str("a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n");
    text.push_str("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=maxptime:60\r\n");
    rtcp_port(&mut text, ours);
    text.push_str("a=sendrecv\r\n");
    text.into_bytes()
}

/// An answer with the offer's `m=` lines in their order; only the chosen one has a port.
pub(super) fn write_answer(offer: &Description, chosen: &Chosen<'_>, ours: &LocalMedia) -> Vec<u8> {
    let mut text = session(ours);
    for (line, media) in offer.media.iter().enumerate() {
        if line == chosen.line {
            accepted(&mut text, media, chosen, ours);
        } else {
            declined(&mut text, media);
        }
    }
    text.into_bytes()
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
    let Negotiated { codec, payload, event_payload, ptime, peer, direction } = chosen.negotiated;
    let name = match codec {
        Codec::Alaw => "PCMA",
        Codec::Ulaw => "PCMU",
    };
    let _ = write!(text, "m={} {} {} {payload}", media.kind, ours.rtp_port, media.protocol);
    if let Some(event) = event_payload {
        let _ = write!(text, " {event}");
    }
    let _ = write!(text, "\r\na=rtpmap:{payload} {name}/8000\r\n");
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
