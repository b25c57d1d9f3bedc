//! Masks as laws over generated messages, and both formats read back.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::test_peer::{OFFER, Peer, addr};
use crate::{NumberPlan, parse_datagram};

const CALLER: &str = "13800138000";
const OWN: &str = "96110110";

fn masked(level: Masked, text: &[u8]) -> Vec<u8> {
    let mut octets = text.to_vec();
    Mask::new(level, [OWN.to_owned()], NumberPlan::default()).apply(&mut octets);
    octets
}

fn text(level: Masked, message: &str) -> String {
    String::from_utf8(masked(level, message.as_bytes())).expect("text stays text")
}

fn message(start: &str, headers: &str, body: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK7\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:{OWN}@h>\r\n\
         Call-ID: c7@h\r\nCSeq: 7 {}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        start.split(' ').next().unwrap_or(""),
        body.len()
    )
}

/// The ways in which trunks write a key in an INFO, with `KEY` in its place.
const INFOS: [(&str, &str); 9] = [
    ("application/dtmf-relay", "Signal=KEY\r\nDuration=160\r\n"),
    ("application/dtmf-relay", "signal = \"KEY\"\nDuration=250"),
    ("Application/DTMF-Relay;charset=utf-8", "Signal=KEY;Duration=160"),
    ("application/dtmf", "KEY"),
    ("audio/telephone-event", "d=KEY"),
    ("application/vnd.nortelnetworks.digits", "p=Digit-Collection\r\ny=Digits\r\n\r\nd=KEY\r\n"),
    ("application/kpml-response+xml", "<kpml-response code=\"200\" digits=\"KEY\"/>"),
    ("text/plain", "KEY"),
    ("application/x-unknown", "KEY KEY\r\n KEY"),
];

#[test]
fn numbers_and_names_are_masked_wherever_a_header_holds_them() {
    for (header, shown) in [
        (
            "From: \"Zhang 13800138000\" <sip:13800138000@h>;tag=1",
            "From: \"xxxxx xxxxxxxxxxx\" <sip:xxxxxxxxxxx@h>;tag=1",
        ),
        (
            "f: Zhang, San <sip:+8613800138000;phone-context=+86@h;user=phone>",
            "f: xxxxx, xxx <sip:+xxxxxxxxxxxxx;phone-context=+xx@h;user=phone>",
        ),
        ("Contact: sip:13800138000@192.0.2.9:5062;expires=60", "Contact: sip:xxxxxxxxxxx@192.0.2.9:5062;expires=60"),
        ("Contact: *", "Contact: *"),
        (
            "P-Asserted-Identity: <sip:13800138000@h>, <tel:+8613800138000;npdi>",
            "P-Asserted-Identity: <sip:xxxxxxxxxxx@h>, <tel:+xxxxxxxxxxxxx;npdi>",
        ),
        ("To: <sip:+8696110110@h>;tag=b7", "To: <sip:+8696110110@h>;tag=b7"),
        ("To: <sip:96110110@h>, \"A\" <tel:110>;x=13800138000", "To: <sip:96110110@h>, \"x\" <tel:xxx>;x=xxxxxxxxxxx"),
        (
            "Diversion: <tel:13800138000>;reason=unconditional;counter=1",
            "Diversion: <tel:xxxxxxxxxxx>;reason=unconditional;counter=1",
        ),
        (
            "Remote-Party-ID: \"<sip:1@h>\"\r\n <sip:13800138000:pw@h?a=1>;party=calling",
            "Remote-Party-ID: \"<xxx:x@x>\"\r\n <sip:xxxxxxxxxxx:xx@h?x=x>;party=calling",
        ),
        ("Refer-To: sip:13800138000;isub=1@h", "Refer-To: sip:xxxxxxxxxxx;isub=x@h"),
        ("From: \"Zhang <sip:13800138000@h>", "From: \"xxxxx <xxx:xxxxxxxxxxx@x>"),
        ("Contact: <sip:1@h> zhang;li;lr", "Contact: <sip:x@h> xxxxx;xx;lr"),
        ("X-Caller: 13800138000 (Zhang)", "X-Caller: xxxxxxxxxxx (xxxxx)"),
        ("no colon 13800138000", "xx xxxxx xxxxxxxxxxx"),
        (
            "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>",
            "From: \"xxxxxxxxx\" <sip:anonymous@anonymous.invalid>",
        ),
        ("Contact: <sip:13800138000>", "Contact: <sip:xxxxxxxxxxx>"),
    ] {
        let whole = text(Masked::Personal, &message("BYE tel:13800138000 SIP/2.0", &format!("{header}\r\n"), ""));
        assert!(whole.contains(&format!("\r\n{shown}\r\n")), "{shown}: {whole}");
        assert!(whole.starts_with("BYE tel:xxxxxxxxxxx SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK7\r\n"));
        let kept = message("BYE tel:13800138000 SIP/2.0", &format!("{header}\r\n"), "");
        assert_eq!(text(Masked::Secrets, &kept), kept);
    }
    let own = message(&format!("INVITE sip:{OWN}@h SIP/2.0"), "", "");
    assert!(text(Masked::Personal, &own).starts_with(&format!("INVITE sip:{OWN}@h SIP/2.0\r\n")));
}

#[test]
fn a_digest_shows_what_it_is_computed_of_and_not_what_it_proves() {
    let digest = "Digest username=\"1001\", realm=\"a, b\", nonce=\"n1\", uri=\"sip:1001@h\", nc=00000001, \
                  response=\"0123abcd\", auts=x7";
    let hidden = digest.replace("0123abcd", "xxxxxxxx").replace("x7", "xx");
    for header in ["Authorization", "proxy-authorization"] {
        let whole = message("REGISTER sip:h SIP/2.0", &format!("{header}: {digest}\r\n"), "");
        for level in [Masked::Secrets, Masked::Keys] {
            assert!(text(level, &whole).contains(&format!("{header}: {hidden}\r\n")), "{}", text(level, &whole));
        }
        let personal = text(Masked::Personal, &whole);
        assert!(personal.contains("username=\"xxxx\"") && personal.contains("uri=\"sip:xxxx@h\""), "{personal}");
        assert_eq!(text(Masked::Nothing, &whole), whole);
    }
    let basic = message("REGISTER sip:h SIP/2.0", "Authorization: Basic dXNlcjpwdw==\r\n", "");
    assert!(text(Masked::Secrets, &basic).contains("Authorization: Basic xxxxxxxxxxxx\r\n"));
    let info = message("SIP/2.0 200 OK", "Authentication-Info: rspauth=\"ab12\", qop=auth\r\n", "");
    assert!(text(Masked::Secrets, &info).contains("rspauth=\"xxxx\", qop=auth\r\n"));
}

#[test]
fn keys_of_srtp_are_masked_at_every_level_and_in_every_part() {
    let sdp = "v=0\r\no=zhang 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
               k=base64:c2VjcmV0\r\nm=audio 4000 RTP/SAVP 8\r\n\
               a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:S2V5S2V5|2^20|1:4;inline:T3RoZXI=\r\n\
               A=Crypto:2 NEW c2VjcmV0\r\n\
               a=ice-pwd:c2VjcmV0\r\na=ssrc:7 cname:zhang@h\r\na=sendrecv\r\n";
    let parted = format!(
        "--B7\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--B7\r\n\
         Content-Type: application/isup\r\n\r\n\x01\x31\x08\x10\r\n--B7--\r\n"
    );
    for (kind, body) in [("application/sdp", sdp), ("multipart/mixed;boundary=\"B7\"", parted.as_str())] {
        for level in [Masked::Secrets, Masked::Keys, Masked::Personal] {
            let whole = text(level, &message("INVITE sip:1@h SIP/2.0", &format!("Content-Type: {kind}\r\n"), body));
            for secret in ["S2V5S2V5", "T3RoZXI", "c2VjcmV0"] {
                assert!(!whole.contains(secret), "{whole}");
            }
            assert!(whole.contains("inline:xxxxxxxx|2^20|1:4;inline:xxxxxxxx\r\n"), "{whole}");
            assert!(whole.contains("m=audio 4000 RTP/SAVP 8\r\n") && whole.contains("a=sendrecv\r\n"), "{whole}");
            assert_eq!(whole.contains("zhang"), level < Masked::Personal, "{whole}");
        }
    }
    let isup = text(
        Masked::Personal,
        &message("INVITE sip:1@h SIP/2.0", "Content-Type: multipart/mixed;boundary=B7\r\n", &parted),
    );
    assert!(isup.contains("application/isup\r\n\r\nxxxx\r\n--B7--"), "{isup}");
}

#[test]
fn what_is_not_known_is_masked_whole() {
    let body = "13800138000 Zhang";
    for headers in [
        "Content-Type: text/plain\r\n",
        "Content-Type: multipart/mixed\r\n",
        "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n",
    ] {
        let whole = text(Masked::Personal, &message("MESSAGE sip:1@h SIP/2.0", headers, body));
        assert!(whole.ends_with(&"x".repeat(body.len())), "{whole}");
    }
    let fragment = "SIP/2.0 200 OK\r\nTo: <sip:13800138000@h>\r\n";
    let whole = text(
        Masked::Personal,
        &message("NOTIFY sip:1@h SIP/2.0", "Content-Type: message/sipfrag;version=2.0\r\n", fragment),
    );
    assert!(whole.ends_with("\r\n\r\nSIP/2.0 200 OK\r\nTo: <sip:xxxxxxxxxxx@h>\r\n"), "{whole}");
}

proptest! {
    #[test]
    fn no_key_of_a_receipt_or_an_id_tail_survives(
        keys in "[0-9]{11,15}[0-9X*#]{0,4}",
        way in 0..INFOS.len(),
        lf in any::<bool>(),
    ) {
        let (kind, body) = INFOS[way];
        for (n, key) in keys.chars().enumerate() {
            for body in [body.replace("KEY", &key.to_string()), body.replace("KEY", &keys)] {
                let whole = message("INFO sip:1@h SIP/2.0", &format!("Content-Type: {kind}\r\n"), &body);
                let whole = if lf { whole.replace("\r\n", "\n") } else { whole };
                for level in [Masked::Keys, Masked::Personal] {
                    let shown = text(level, &whole);
                    prop_assert_eq!(shown.len(), whole.len());
                    let (_, body) = shown.split_once(if lf { "\n\n" } else { "\r\n\r\n" }).expect("a body");
                    let body = body.replace("Duration=160", "").replace("Duration=250", "");
                    let is_key = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'X');
                    prop_assert!(!body.contains(is_key), "{}: {}", n, body);
                }
            }
        }
    }

    #[test]
    fn a_masked_message_has_its_length_its_call_and_no_number(
        number in "[1-9][0-9]{6,14}",
        name in "[ -!#-~]{0,12}",
        header in prop::sample::select(vec!["From", "Contact", "P-Asserted-Identity", "X-Any", "Diversion", "Route"]),
        parameter in "[a-z-]{1,8}",
    ) {
        prop_assume!(number != OWN && !number.contains(OWN));
        for value in [
            format!("\"{}\" <sip:{number}@h;user=phone>;x-{parameter}={number}", name.replace('\\', "")),
            format!("<tel:+{number};x-{parameter}=\"{number}\">"),
            format!("sip:{number}@h;x-{parameter}={number}"),
        ] {
            let whole = message(&format!("INVITE sip:{number}@h SIP/2.0"), &format!("{header}: {value}\r\n"), OFFER);
            let shown = text(Masked::Personal, &whole);
            prop_assert_eq!(shown.len(), whole.len());
            prop_assert!(!shown.contains(&number), "{}", shown);
            prop_assert_eq!(call_id(shown.as_bytes()), Some("c7@h"));
            prop_assert_eq!(parse_datagram(shown.as_bytes()).is_ok(), parse_datagram(whole.as_bytes()).is_ok());
        }
    }

    #[test]
    fn any_octets_keep_their_length(octets in prop::collection::vec(any::<u8>(), 0..400), info in any::<bool>()) {
        let start: &[u8] = if info { b"INFO sip:1@h SIP/2.0\r\n" } else { b"" };
        let whole = [start, &octets].concat();
        for level in [Masked::Nothing, Masked::Secrets, Masked::Keys, Masked::Personal] {
            let once = masked(level, &whole);
            prop_assert_eq!(once.len(), whole.len());
            if level == Masked::Nothing {
                prop_assert_eq!(&once, &whole);
            }
            prop_assert_eq!(call_id(&once), call_id(&whole));
        }
    }

    #[test]
    fn broken_headers_keep_their_length(
        value in "[<>\";,=:@?\\\\ a-c1-3]{0,40}",
        header in prop::sample::select(vec![
            "From",
            "Authorization",
            "Authorization: Digest a",
            "Content-Type: multipart/x;boundary=a\r\n\r\n",
        ]),
    ) {
        let whole = message("INFO sip:1@h SIP/2.0", &format!("{header}: {value}\r\n"), &value);
        prop_assert_eq!(text(Masked::Personal, &whole).len(), whole.len());
    }
}

fn packet<'a>(transport: Transport, source: &str, destination: &str, octets: &'a [u8]) -> Packet<'a> {
    let at = Duration::new(1_700_000_000, 123_456_789);
    Packet { at, transport, source: addr(source), destination: addr(destination), octets }
}

/// A record: when, from, to, the message. Fails on a wrong length or checksum.
fn read_pcap(mut file: &[u8]) -> Vec<(Duration, SocketAddr, SocketAddr, Vec<u8>)> {
    let u16_at = |octets: &[u8], at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
    let u32_at = |octets: &[u8], at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().expect("four"));
    let sum = |octets: &[u8]| {
        let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let sum = words.fold(0, |sum: u32, word| (sum + word) % 0xffff);
        sum == 0
    };
    assert_eq!((u32_at(file, 0), u32_at(file, 20)), (0xa1b2_c3d4, 101));
    file = &file[24..];
    let mut records = Vec::new();
    while !file.is_empty() {
        let length = u32_at(file, 8) as usize;
        let at = Duration::new(u32_at(file, 0).into(), u32_at(file, 4) * 1000);
        let ip = &file[16..16 + length];
        let (source, destination, header): (IpAddr, IpAddr, usize) = if ip[0] == 0x45 {
            assert_eq!((usize::from(u16_at(ip, 2)), ip[9], sum(&ip[..20])), (length, 17, true));
            let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&ip[at..at + 4]).expect("four"));
            (address(12), address(16), 20)
        } else {
            assert_eq!((ip[0], usize::from(u16_at(ip, 4)), ip[6]), (0x60, length - 40, 17));
            let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&ip[at..at + 16]).expect("sixteen"));
            (address(8), address(24), 40)
        };
        let udp = &ip[header..];
        let addresses = if header == 20 { &ip[12..20] } else { &ip[8..40] };
        assert_eq!(usize::from(u16_at(udp, 4)), udp.len());
        assert!(sum(&[addresses, &[0, 17], &udp[4..6], udp].concat()) && u16_at(udp, 6) != 0);
        let (from, to) = (SocketAddr::new(source, u16_at(udp, 0)), SocketAddr::new(destination, u16_at(udp, 2)));
        records.push((at, from, to, udp[8..].to_vec()));
        file = &file[16 + length..];
    }
    records
}

proptest! {
    #[test]
    fn a_pcap_is_read_back_with_right_lengths_and_checksums(
        octets in prop::collection::vec(any::<u8>(), 0..2000),
        is_v6 in any::<bool>(),
        ports in any::<(u16, u16)>(),
    ) {
        let host = if is_v6 { "[2001:db8::1]" } else { "192.0.2.1" };
        let (source, destination) = (format!("{host}:{}", ports.0), format!("{host}:{}", ports.1));
        let packet = packet(Transport::Udp, &source, &destination, &octets);
        let record = pcap::record(&packet);
        prop_assert_eq!(record.len(), pcap::record_length(&packet));
        let read = read_pcap(&[&pcap::file_header()[..], &record, &record].concat());
        let at = Duration::new(1_700_000_000, 123_456_000);
        prop_assert_eq!(&read[1], &(at, packet.source, packet.destination, octets));
        prop_assert_eq!(read.len(), 2);
    }
}

#[test]
fn mapped_addresses_are_ipv4_and_the_longest_message_is_cut_to_a_datagram() {
    let octets = vec![b'a'; 65_535];
    let record = pcap::record(&packet(Transport::Tcp, "[::ffff:192.0.2.1]:5060", "192.0.2.2:5060", &octets));
    let read = read_pcap(&[&pcap::file_header()[..], &record].concat());
    assert_eq!((read[0].1, read[0].3.len()), (addr("192.0.2.1:5060"), 65_507));
    assert_eq!(u32::from_le_bytes(record[12..16].try_into().expect("four")), 65_563);
    let mixed = pcap::record(&packet(Transport::Tcp, "[2001:db8::1]:5060", "192.0.2.2:5060", b"a"));
    assert_eq!(mixed[16], 0x60);
}

/// Chunk type → value.
fn read_hep(hep: &[u8]) -> std::collections::BTreeMap<u16, Vec<u8>> {
    let u16_at = |at: usize| u16::from_be_bytes([hep[at], hep[at + 1]]);
    assert_eq!((&hep[..4], usize::from(u16_at(4))), (&b"HEP3"[..], hep.len()));
    let (mut at, mut chunks) = (6, std::collections::BTreeMap::new());
    while at < hep.len() {
        let length = usize::from(u16_at(at + 4));
        assert_eq!(u16_at(at), 0, "the vendor of the specification");
        assert!(chunks.insert(u16_at(at + 2), hep[at + 6..at + length].to_vec()).is_none());
        at += length;
    }
    chunks
}

#[test]
fn a_hep_packet_has_every_chunk_of_its_message() {
    let invite = Peer::new(Transport::Udp).text("INVITE", 1, 1, "", OFFER);
    let v4 = packet(Transport::Tls, "192.0.2.9:40000", "192.0.2.1:5061", invite.as_bytes());
    let chunks = read_hep(&hep::encode(&v4, 2001, Some(b"secret")).expect("it fits"));
    let number = |chunk: u16| chunks[&chunk].iter().fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
    assert_eq!((number(1), number(2), number(7), number(8)), (2, 6, 40_000, 5061));
    assert_eq!((chunks[&3].as_slice(), chunks[&4].as_slice()), (&[192, 0, 2, 9][..], &[192, 0, 2, 1][..]));
    assert_eq!((number(9), number(10), number(11), number(12)), (1_700_000_000, 123_456, 1, 2001));
    assert_eq!((chunks[&14].as_slice(), chunks[&15].as_slice()), (&b"secret"[..], invite.as_bytes()));
    assert_eq!(chunks[&17], call_id(invite.as_bytes()).expect("a Call-ID").as_bytes());
    let v6 = packet(Transport::Udp, "[2001:db8::9]:5060", "[2001:db8::1]:5060", b"no SIP");
    let chunks = read_hep(&hep::encode(&v6, 1, None).expect("it fits"));
    assert_eq!((chunks[&1][0], chunks[&2][0], chunks[&5].len(), chunks[&6][15]), (10, 17, 16, 1));
    assert!(!chunks.contains_key(&3) && !chunks.contains_key(&14) && !chunks.contains_key(&17));
    let long = vec![b'a'; 65_500];
    assert!(hep::encode(&packet(Transport::Udp, "192.0.2.9:1", "192.0.2.1:1", &long), 1, None).is_none());
}

/// A trace of at most ten minutes and 20,000 octets, and its clock.
fn trace(selection: Selection) -> (CallTrace, Instant) {
    #[expect(clippy::disallowed_methods, reason = "a test needs a first moment")]
    let now = Instant::now();
    let limits = TraceLimits { until: now + Duration::from_secs(600), octets: 20_000 };
    (CallTrace::new(selection, NumberPlan::default(), limits), now)
}

fn takes(trace: &mut CallTrace, now: Instant, message: &str, trunk: Option<usize>) -> bool {
    trace.takes(now, &packet(Transport::Udp, "192.0.2.9:5060", "192.0.2.1:5060", message.as_bytes()), trunk)
}

fn of_call(start: &str, call: &str, headers: &str) -> String {
    message(start, headers, "").replace("c7@h", call)
}

#[test]
fn the_next_call_of_a_trunk_is_followed_to_five_seconds_after_its_end() {
    let (mut trace, now) = trace(Selection::Trunk(1));
    let (invite, bye) = ("INVITE sip:1@h SIP/2.0", "BYE sip:1@h SIP/2.0");
    assert!(!takes(&mut trace, now, &of_call(invite, "a", ""), Some(0)));
    assert!(!takes(&mut trace, now, &of_call("OPTIONS sip:1@h SIP/2.0", "b", ""), Some(1)));
    assert!(trace.is_waiting());
    assert!(takes(&mut trace, now, &of_call(invite, "b", ""), Some(1)));
    assert!(!takes(&mut trace, now, &of_call(invite, "c", ""), Some(1)));
    let ok = of_call("SIP/2.0 200 OK", "b", "").replace("CSeq: 7 SIP/2.0", "CSeq: 7 INVITE");
    let refused = ok.replace("200 OK", "488 No");
    assert!(takes(&mut trace, now, &ok, None) && takes(&mut trace, now, &refused, None));
    assert_eq!(
        trace.deadline().map(|deadline| deadline.at),
        Some(now + Duration::from_secs(600)),
        "a re-INVITE was refused"
    );
    assert!(takes(&mut trace, now, &of_call(bye, "b", ""), None));
    let later = now + Duration::from_secs(4);
    assert!(takes(&mut trace, later, &of_call("SIP/2.0 200 OK", "b", ""), None));
    assert!(!takes(&mut trace, now + Duration::from_secs(5), &of_call(bye, "b", ""), None));
    assert_eq!((trace.ended(), trace.call_id()), (Some(TraceEnd::CallEnded), Some("b")));
}

#[test]
fn a_number_selects_callers_and_called_in_every_spelling() {
    for headers in ["", "P-Asserted-Identity: \"A\" <tel:+8613800138000>\r\n", "Diversion: <sip:008613800138000@h>\r\n"]
    {
        let (mut trace, now) = trace(Selection::Number(CALLER.into()));
        let uri = if headers.is_empty() { "sip:+8613800138000@h" } else { "sip:1@h" };
        assert!(!takes(&mut trace, now, &of_call("INVITE sip:13900139000@h SIP/2.0", "a", ""), None));
        assert!(takes(&mut trace, now, &of_call(&format!("INVITE {uri} SIP/2.0"), "b", headers), None));
        assert_eq!(trace.call_id(), Some("b"));
    }
}

#[test]
fn a_call_in_progress_is_followed_at_once_and_limits_end_it() {
    let (mut trace, now) = trace(Selection::CallId("b".into()));
    let info = of_call("INFO sip:1@h SIP/2.0", "b", "");
    assert!(
        takes(&mut trace, now, &info, None) && !takes(&mut trace, now, &of_call("INFO sip:1@h SIP/2.0", "c", ""), None)
    );
    let mut taken = 1;
    while takes(&mut trace, now, &info, None) {
        taken += 1;
    }
    assert_eq!((trace.ended(), taken), (Some(TraceEnd::Size), 19_976 / (info.len() + 44)));
    let (mut trace, now) = self::trace(Selection::Trunk(0));
    trace.on_time(now + Duration::from_secs(600));
    assert_eq!((trace.ended(), trace.call_id(), trace.deadline()), (Some(TraceEnd::Time), None, None));
    let (mut trace, _) = self::trace(Selection::Trunk(0));
    trace.stop();
    assert_eq!(trace.ended(), Some(TraceEnd::Stopped));
}

#[test]
fn a_call_that_is_refused_closes_and_one_that_begins_again_goes_on() {
    let (mut trace, now) = trace(Selection::Trunk(0));
    let invite = of_call("INVITE sip:1@h SIP/2.0", "b", "");
    let refused = of_call("SIP/2.0 503 Full", "b", "").replace("CSeq: 7 SIP/2.0", "CSeq: 7 INVITE");
    assert!(takes(&mut trace, now, &invite, Some(0)) && takes(&mut trace, now, &refused, None));
    assert!(takes(&mut trace, now + Duration::from_secs(4), &invite, Some(0)));
    assert!(takes(&mut trace, now + Duration::from_secs(60), &refused, None));
    trace.on_time(now + Duration::from_secs(65));
    assert_eq!(trace.ended(), Some(TraceEnd::CallEnded));
}
