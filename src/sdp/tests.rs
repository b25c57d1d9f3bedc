//! Unusual offers, and the answer to each.

mod preferences;
mod security;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use base::{Codec, Codecs};

const OURS: LocalMedia = LocalMedia {
    address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
    rtp_port: 20000,
    rtcp_port: 20001,
    session_id: 77,
    version: 1,
    codecs: Codecs::ALL,
    ptime: LocalMedia::PTIME,
};
const HEAD: &str = "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

/// A normal session part and these lines, separated by `|`.
fn offer_of(lines: &str) -> Vec<u8> {
    let mut text = HEAD.to_owned();
    for line in lines.split('|') {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.into_bytes()
}

fn agreed(lines: &str) -> (Negotiated, String) {
    raw(&offer_of(lines))
}

fn raw(offer: &[u8]) -> (Negotiated, String) {
    let (negotiated, text) = answer(offer, &OURS).unwrap_or_else(|reason| panic!("refused: {reason}"));
    (negotiated, String::from_utf8(text).expect("answers are ASCII"))
}

fn warning(lines: &str) -> u16 {
    match answer(&offer_of(lines), &OURS) {
        Err(Rejection::NotAcceptable { warning, text }) => {
            assert!(!text.is_empty());
            warning
        }
        other => panic!("{other:?}"),
    }
}

fn malformed(offer: &[u8]) {
    assert!(matches!(answer(offer, &OURS), Err(Rejection::Malformed(_))), "{:?}", String::from_utf8_lossy(offer));
}

fn m_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).collect()
}

#[test]
fn a_plain_offer_gets_a_complete_answer() {
    let (negotiated, text) = agreed("m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15");
    assert_eq!(
        text,
        "v=0\r\no=jindu 77 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 \
         101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let peer = negotiated.peer.expect("an address was named");
    assert_eq!((negotiated.codec, negotiated.payload, negotiated.event_payload), (Codec::Alaw, 8, Some(101)));
    assert_eq!((peer.rtp.to_string(), peer.rtcp.to_string()), ("192.0.2.1:4000".into(), "192.0.2.1:4001".into()));
    assert!(negotiated.we_send() && negotiated.we_expect());
}

#[test]
fn the_offers_order_decides_the_codec_and_its_numbers_are_kept() {
    for (lines, codec, payload, event) in [
        ("m=audio 4000 RTP/AVP 0 8", Codec::Ulaw, 0, None),
        ("m=audio 4000 RTP/AVP 8 0", Codec::Alaw, 8, None),
        ("m=audio 4000 RTP/AVP 0 97 8|a=rtpmap:97 PCMA/8000", Codec::Ulaw, 0, None),
        ("m=audio 4000 RTP/AVP 18 4 0", Codec::Ulaw, 0, None),
        ("m=audio 4000 RTP/AVP 97 8|a=rtpmap:97 pcmu/8000/1", Codec::Ulaw, 97, None),
        ("m=audio 4000 RTP/AVP 8 0|a=rtpmap:8 G729/8000", Codec::Ulaw, 0, None),
        ("m=audio 4000 RTP/AVP 96 8|a=rtpmap:96 PCMA/16000", Codec::Alaw, 8, None),
        ("m=audio 4000 RTP/AVP 96 8|a=rtpmap:96 PCMU/8000/2", Codec::Alaw, 8, None),
        ("m=audio 4000 RTP/AVP 8 96|a=rtpmap:96 telephone-event/8000", Codec::Alaw, 8, Some(96)),
        ("m=audio 4000 RTP/AVP 120 8|a=rtpmap:120 TELEPHONE-EVENT/8000", Codec::Alaw, 8, Some(120)),
        ("m=audio 4000 RTP/AVP 8 110|a=rtpmap:110 telephone-event/48000", Codec::Alaw, 8, None),
        (
            "m=audio 4000 RTP/AVP 9 8 100 101|a=rtpmap:100 telephone-event/16000|a=rtpmap:101 telephone-event/8000",
            Codec::Alaw,
            8,
            Some(101),
        ),
        ("m=audio 4000 RTP/AVP 8|a=rtpmap:101 telephone-event/8000", Codec::Alaw, 8, None),
        ("m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event", Codec::Alaw, 8, None),
        ("m=audio 4000 RTP/AVP 8 8 8", Codec::Alaw, 8, None),
        ("m=audio 4000 RTP/AVP 300 -1 x 8", Codec::Alaw, 8, None),
        ("m=audio 4000 RTP/AVP 8|a=rtpmap:99999999999999999999 X/8000|a=rtpmap:|a=rtpmap:8", Codec::Alaw, 8, None),
    ] {
        let (negotiated, text) = agreed(lines);
        assert_eq!(
            (negotiated.codec, negotiated.payload, negotiated.event_payload),
            (codec, payload, event),
            "{lines}"
        );
        assert!(text.contains(&format!("m=audio 20000 RTP/AVP {payload}")), "{lines}");
    }
}

#[test]
fn everything_that_the_offer_lists_is_heard_by_its_numbers() {
    for (lines, receive, events) in [
        ("m=audio 4000 RTP/AVP 8 0", vec![(8, Codec::Alaw), (0, Codec::Ulaw)], vec![]),
        (
            "m=audio 4000 RTP/AVP 0 97 8|a=rtpmap:97 PCMA/8000",
            vec![(0, Codec::Ulaw), (97, Codec::Alaw), (8, Codec::Alaw)],
            vec![],
        ),
        (
            "m=audio 4000 RTP/AVP 8 101 96 102|a=rtpmap:101 telephone-event/8000|a=rtpmap:96 telephone-event/8000|a=rtpmap:102 telephone-event/16000",
            vec![(8, Codec::Alaw)],
            vec![101, 96],
        ),
        ("m=audio 4000 RTP/AVP 8 8 18", vec![(8, Codec::Alaw)], vec![]),
    ] {
        let (negotiated, _) = agreed(lines);
        assert_eq!((negotiated.receive, negotiated.events), (receive, events), "{lines}");
    }
}

#[test]
fn an_answer_is_heard_by_the_numbers_of_both_sides() {
    let both = [(8, Codec::Alaw), (0, Codec::Ulaw)];
    for (lines, payload, more, events) in [
        ("m=audio 4000 RTP/AVP 8 96|a=rtpmap:96 telephone-event/8000", 8, None, vec![101, 96]),
        ("m=audio 4000 RTP/AVP 8 0", 8, None, vec![101]),
        ("m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000", 0, None, vec![101]),
        ("m=audio 4000 RTP/AVP 98|a=rtpmap:98 PCMA/8000", 98, Some((98, Codec::Alaw)), vec![101]),
        ("m=audio 4000 RTP/AVP 101 0|a=rtpmap:101 PCMA/8000", 101, None, vec![101]),
    ] {
        let negotiated = accept(&offer_of(lines), &OURS).expect("usable");
        let receive: Vec<_> = both.iter().copied().chain(more).collect();
        assert_eq!((negotiated.payload, negotiated.receive, negotiated.events), (payload, receive, events), "{lines}");
    }
}

#[test]
fn events_at_101_need_no_map_where_their_list_stands_there() {
    for (lines, events) in [
        ("m=audio 4000 RTP/AVP 8 101|a=fmtp:101 0-15", vec![101]),
        ("m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event|a=fmtp:101 0-11, 16", vec![101]),
        ("m=audio 4000 RTP/AVP 8 101", vec![]),
        ("m=audio 4000 RTP/AVP 8|a=fmtp:101 0-15", vec![]),
        ("m=audio 4000 RTP/AVP 8 101|a=fmtp:101 mode=20", vec![]),
        ("m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/16000|a=fmtp:101 0-15", vec![]),
        ("m=audio 4000 RTP/AVP 8 97|a=fmtp:97 0-15", vec![]),
    ] {
        let (negotiated, text) = agreed(lines);
        assert_eq!(negotiated.events, events, "{lines}");
        assert_eq!(text.contains("a=rtpmap:101 telephone-event/8000"), !events.is_empty(), "{lines}");
    }
}

#[test]
fn a_hook_flash_in_the_offer_is_repeated() {
    let (_, text) = agreed("m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-16");
    assert!(text.contains("a=fmtp:101 0-16\r\n"));
    let (_, text) = agreed("m=audio 4000 RTP/AVP 8 101|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-11,16");
    assert!(text.contains("a=fmtp:101 0-15\r\n"));
}

#[test]
fn ptime_is_honoured_from_10_to_60_ms() {
    for (attributes, ms) in [
        ("a=ptime:10", 10),
        ("a=ptime:30", 30),
        ("a=ptime:60", 60),
        ("a=ptime:0", 20),
        ("a=ptime:200", 20),
        ("a=ptime:-20", 20),
        ("a=ptime:4294967296", 20),
        ("a=ptime: 20.5", 20),
        ("a=ptime:", 20),
        ("a=ptime:60|a=maxptime:40", 40),
        ("a=maxptime:10", 10),
        ("a=maxptime:0", 20),
    ] {
        let (negotiated, text) = agreed(&format!("m=audio 4000 RTP/AVP 8|{attributes}"));
        assert_eq!(negotiated.ptime, Duration::from_millis(ms), "{attributes}");
        assert!(text.contains(&format!("a=ptime:{ms}\r\n")), "{attributes}");
    }
}

#[test]
fn rtcp_goes_where_the_offer_says() {
    for (attributes, rtcp) in [
        ("a=rtcp:5005", "192.0.2.1:5005"),
        ("a=rtcp:5005 IN IP4 192.0.2.7", "192.0.2.7:5005"),
        ("a=rtcp:5005 IN IP6 2001:db8::1", "192.0.2.1:5005"),
        ("a=rtcp:5005 IN IP4 224.0.0.1", "192.0.2.1:5005"),
        ("a=rtcp:0", "192.0.2.1:4001"),
        ("a=rtcp:x", "192.0.2.1:4001"),
        ("a=rtcp-mux|a=rtcp:5005", "192.0.2.1:4000"),
        ("a=rtcp-mux-only", "192.0.2.1:4000"),
    ] {
        let (negotiated, text) = agreed(&format!("m=audio 4000 RTP/AVP 8|{attributes}"));
        let peer = negotiated.peer.expect("an address was named");
        assert_eq!(peer.rtcp.to_string(), rtcp, "{attributes}");
        assert_eq!(text.contains("a=rtcp-mux\r\n"), peer.rtcp_mux, "{attributes}");
    }
    let (negotiated, _) = agreed("m=audio 65535 RTP/AVP 8");
    assert_eq!(negotiated.peer.map(|peer| peer.rtcp.port()), Some(65535));
}

#[test]
fn our_unpaired_rtcp_port_is_written() {
    let ours = LocalMedia { rtcp_port: 30000, ..OURS };
    let (_, text) = answer(&offer_of("m=audio 4000 RTP/AVP 8"), &ours).expect("usable");
    assert!(String::from_utf8_lossy(&text).contains("a=rtcp:30000\r\n"));
    assert!(String::from_utf8_lossy(&offer(&ours)).contains("a=rtcp:30000\r\n"));
}

#[test]
fn the_first_usable_audio_line_is_taken_and_the_others_are_declined_in_order() {
    for (lines, expected) in [
        ("m=audio 4000 RTP/AVP 8|m=video 4002 RTP/AVP 31", vec!["m=audio 20000 RTP/AVP 8", "m=video 0 RTP/AVP 31"]),
        ("m=video 4002 RTP/AVP 31 32|m=audio 4000 RTP/AVP 0", vec!["m=video 0 RTP/AVP 31", "m=audio 20000 RTP/AVP 0"]),
        ("m=audio 4000 RTP/SAVP 8|m=audio 4002 RTP/AVP 8", vec!["m=audio 0 RTP/SAVP 8", "m=audio 20000 RTP/AVP 8"]),
        (
            "m=audio 0 RTP/AVP 8|m=audio 4002 RTP/AVP 0|m=audio 4004 RTP/AVP 8",
            vec!["m=audio 0 RTP/AVP 8", "m=audio 20000 RTP/AVP 0", "m=audio 0 RTP/AVP 8"],
        ),
        ("m=audio 4000 RTP/AVP 18|m=audio 4002 RTP/AVPF 8", vec!["m=audio 0 RTP/AVP 18", "m=audio 20000 RTP/AVPF 8"]),
        (
            "m=image 4006 udptl t38|m=application 9 UDP/DTLS/SCTP webrtc-datachannel|m=audio 4000 RTP/AVP 8",
            vec!["m=image 0 udptl t38", "m=application 0 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 20000 RTP/AVP 8"],
        ),
        (
            "m=message 4000 TCP/MSRP *|m=audio 4000/2 RTP/AVP 8",
            vec!["m=message 0 TCP/MSRP *", "m=audio 20000 RTP/AVP 8"],
        ),
    ] {
        assert_eq!(m_lines(&agreed(lines).1), expected, "{lines}");
    }
}

#[test]
fn direction_is_mirrored_and_a_lines_own_comes_before_the_sessions() {
    for (lines, ours, send, expect) in [
        ("m=audio 4000 RTP/AVP 8|a=sendonly", "recvonly", false, false),
        ("m=audio 4000 RTP/AVP 8|a=recvonly", "sendonly", true, false),
        ("m=audio 4000 RTP/AVP 8|a=inactive", "inactive", false, false),
        ("m=audio 4000 RTP/AVP 8|a=SendRecv", "sendrecv", true, true),
        ("a=inactive|m=audio 4000 RTP/AVP 8", "inactive", false, false),
        ("a=inactive|m=audio 4000 RTP/AVP 8|a=sendrecv", "sendrecv", true, true),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4 0.0.0.0", "recvonly", false, false),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4 0.0.0.0|a=inactive", "inactive", false, false),
        ("m=audio 4000 RTP/AVP 8|c=IN IP6 ::", "recvonly", false, false),
    ] {
        let (negotiated, text) = agreed(lines);
        assert!(text.ends_with(&format!("a={ours}\r\n")), "{lines}: {text}");
        assert_eq!((negotiated.we_send(), negotiated.we_expect()), (send, expect), "{lines}");
    }
}

#[test]
fn an_unusable_offer_is_rejected_with_its_warning() {
    for (lines, code) in [
        ("a=nothing", 304),
        ("m=video 4000 RTP/AVP 31", 304),
        ("m=audio 0 RTP/AVP 8", 304),
        ("m=audio 0 RTP/AVP 8|m=audio 0 RTP/AVP 0", 304),
        ("m=audio 4000 RTP/AVP 18", 305),
        ("m=audio 4000 RTP/AVP", 305),
        ("m=audio 4000 RTP/AVP 101|a=rtpmap:101 telephone-event/8000", 305),
        ("m=audio 4000 RTP/SAVP 8", 302),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 8|a=ice-ufrag:x|a=fingerprint:sha-256 AA", 302),
        ("m=audio 4000 TCP/RTP/AVP 8", 302),
        ("m=audio 4000 RTP/AVP 8|c=IN IP6 2001:db8::1", 301),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4 media.example.com", 301),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4 999.1.1.1", 301),
        ("m=audio 4000 RTP/AVP 8|c=", 301),
        ("m=audio 4000 RTP/AVP 8|c=ATM NSAP 47.0091", 300),
        ("m=audio 4000 RTP/AVP 8|c=IN IP5 192.0.2.1", 301),
        ("m=audio 4000 RTP/AVP 8|c=IN E164 +862096110110", 301),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4", 301),
        ("m=audio 4000 RTP/AVP 8|c=IN 192.0.2.1", 301),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4 0.0.0.7", 301),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4 240.0.0.1", 301),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4 224.2.36.42/127", 330),
        ("m=audio 4000 RTP/AVP 8|c=IN IP6 ff15::101", 330),
        ("m=audio 4000 RTP/AVP 8|c=IN IP4 255.255.255.255", 330),
    ] {
        assert_eq!(warning(lines), code, "{lines}");
    }
}

#[test]
fn ipv6_meets_ipv6_and_a_mapped_address_is_ipv4() {
    let ours = LocalMedia { address: IpAddr::V6(Ipv6Addr::LOCALHOST), ..OURS };
    let offer = offer_of("m=audio 4000 RTP/AVP 8|c=IN IP6 2001:db8::7");
    let (negotiated, text) = answer(&offer, &ours).expect("usable");
    assert!(String::from_utf8_lossy(&text).contains("c=IN IP6 ::1\r\n"));
    assert_eq!(negotiated.peer.map(|peer| peer.rtp.to_string()), Some("[2001:db8::7]:4000".into()));
    let (negotiated, _) = agreed("m=audio 4000 RTP/AVP 8|c=IN IP6 ::ffff:192.0.2.9");
    assert_eq!(negotiated.peer.map(|peer| peer.rtp.to_string()), Some("192.0.2.9:4000".into()));
    assert!(answer(&offer_of("m=audio 4000 RTP/AVP 8"), &ours).is_err());
}

#[test]
fn untidy_descriptions_are_read() {
    let long = format!("v=0\r\nc=IN IP4 192.0.2.1\r\na=x:{}\r\nm=audio 4000 RTP/AVP 8\r\n", "y".repeat(20_000));
    let many = format!("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP {} 8\n", "18 ".repeat(40));
    for offer in [
        b"v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 8\n".as_slice(),
        b"\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8",
        b"m=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.1\r\n",
        b"v=0\r\ns=\xd6\xd0\xb9\xfa\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\n",
        b"v=0\r\nZ=what\r\nnonsense\r\n=\r\nc=IN IP4 192.0.2.1\r\nm=audio  4000  RTP/AVP  8 \r\n",
        b"v=0\r\no=x 999999999999999999999999999999 1 IN IP4 h\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\n",
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\nm=audio 4000 RTP/AVP 8\r\na=crypto:1 x\r\na=candidate:1 1 UDP 1 1.1.1.1 1 typ host\r\na=group:BUNDLE a\r\n",
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=AUDIO 4000 rtp/avp 8\r\n",
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n\0\0\0",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        assert_eq!(raw(offer).0.codec, Codec::Alaw);
    }
}

#[test]
fn input_that_is_no_description_is_malformed() {
    let many = format!("{HEAD}{}", "m=audio 4000 RTP/AVP 8\r\n".repeat(40));
    for offer in [
        b"".as_slice(),
        b"\r\n",
        b"hello",
        b"\xff\xfe\x00",
        b"v=1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\n",
        b"v=0\r\nm=audio 4000 RTP/AVP 8\r\n",
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 70000 RTP/AVP 8\r\n",
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio -1 RTP/AVP 8\r\n",
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio RTP/AVP\r\n",
        b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=au\rdio 4000 RTP/AVP 8\r\n",
        many.as_bytes(),
        &[b'x'; 70_000],
    ] {
        malformed(offer);
    }
}

#[test]
fn our_own_offer_is_accepted_as_the_answer_says() {
    let ours = offer(&OURS);
    assert!(String::from_utf8_lossy(&ours).contains("m=audio 20000 RTP/AVP 8 0 101\r\n"));
    let theirs = LocalMedia {
        address: [192, 0, 2, 1].into(),
        rtp_port: 4000,
        rtcp_port: 4001,
        session_id: 1,
        version: 1,
        ..OURS
    };
    let (_, reply) = answer(&ours, &theirs).expect("usable");
    let negotiated = accept(&reply, &OURS).expect("usable");
    assert_eq!((negotiated.codec, negotiated.event_payload), (Codec::Alaw, Some(101)));
    assert_eq!(negotiated.peer.map(|peer| peer.rtp.to_string()), Some("192.0.2.1:4000".into()));
    let mux = accept(&offer_of("m=audio 4000 RTP/AVP 0|a=rtcp-mux"), &OURS).expect("usable");
    assert_eq!(mux.peer.map(|peer| (peer.rtcp.port(), peer.rtcp_mux)), Some((4001, false)));
    assert!(accept(&offer_of("m=audio 0 RTP/AVP 8"), &OURS).is_err());
    assert!(accept(b"", &OURS).is_err());
}

/// The fuzzer's corpus: the second-last part of a name is the status of the answer.
#[test]
fn the_corpus_is_answered_as_its_names_say() {
    let files = support::corpus::files("sdp");
    for (name, offer) in &files {
        let status = match answer(offer, &OURS) {
            Ok(_) => "200",
            Err(Rejection::NotAcceptable { .. }) => "488",
            Err(Rejection::Malformed(_)) => "400",
        };
        assert_eq!(name.rsplit('.').nth(1), Some(status), "{name}");
    }
    assert!(files.len() >= 30, "{}", files.len());
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]=.{0,30}",
        "m=(audio|video|x) [0-9]{1,6}(/2)? (RTP/AVP|RTP/SAVP|udp) ?[0-9 ]{0,12}",
        "c=IN IP[46] [0-9a-f.:/]{0,20}",
        "a=(rtpmap|fmtp|ptime|rtcp|maxptime):[0-9]{0,4} ?[A-Za-z-]{0,16}/?[0-9]{0,6}",
        "a=(sendrecv|sendonly|inactive|rtcp-mux)",
        Just("v=0".to_owned()),
        Just("m=audio 4000 RTP/AVP 8 101".to_owned()),
        Just("c=IN IP4 192.0.2.1".to_owned()),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = answer(&bytes, &OURS);
        let _ = accept(&bytes, &OURS);
    }

    #[test]
    fn every_answer_has_the_offers_lines_and_one_port(lines in proptest::collection::vec(line(), 0..12)) {
        let body = lines.join("\r\n");
        if let Ok((negotiated, text)) = answer(body.as_bytes(), &OURS) {
            let text = String::from_utf8(text).expect("answers are UTF-8");
            let offered = body.split('\n').filter(|line| line.starts_with("m=")).count();
            prop_assert_eq!(m_lines(&text).len(), offered);
            prop_assert_eq!(m_lines(&text).iter().filter(|line| !line.contains(" 0 ")).count() >= 1, true);
            prop_assert!(negotiated.ptime >= Duration::from_millis(10) && negotiated.ptime <= Duration::from_millis(60));
            prop_assert!(accept(text.as_bytes(), &OURS).is_ok());
        }
    }
}
