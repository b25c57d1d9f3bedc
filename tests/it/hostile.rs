//! Hostile bytes on the sockets of a running node: it stays up and keeps serving.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use base::Codec;
use support::gateway::{Gateway, home};
use support::phone::{Dial, Phone};
use support::sound::clip;

/// Every file of a folder of the corpus, in order.
fn corpus(kind: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = home().join("tests/fuzz/corpus").join(kind);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&folder).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() > 10, "{} files in {}", paths.len(), folder.display());
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).expect("a file"))).collect()
}

/// The node answers a heartbeat, takes a call and a scan, and has nothing to be ashamed of in its log.
fn still_serves(gateway: &Gateway) {
    let heartbeat = Phone::new(gateway.udp).options();
    assert_eq!(heartbeat.status, 200, "{}", heartbeat.text);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("3");
    assert!(phone.hears(&clip("en", "opt.progress", Codec::Alaw), Duration::from_secs(40)));
    phone.hang_up();
    let (receipt, _) = gateway.example("ready");
    assert_eq!(gateway.scan(&receipt)["stage"], "ready");
    let log = gateway.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

#[test]
fn hostile_sip_over_udp_and_tcp_leaves_the_node_serving() {
    let gateway = Gateway::start(&[]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for (path, bytes) in corpus("sip") {
        for sent in [&bytes[..], &bytes[..bytes.len() / 2], &[&bytes[..], &bytes[..]].concat()] {
            socket.send_to(sent, gateway.udp).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        over_tcp(&gateway, &bytes);
    }
    for bytes in [&b""[..], b"\r\n\r\n", b"\0", &[0xff; 1400], b"INVITE", b"SIP/2.0 200 OK\r\n\r\n"] {
        socket.send_to(bytes, gateway.udp).expect("a datagram goes out");
        over_tcp(&gateway, bytes);
    }
    still_serves(&gateway);
}

/// Sends bytes on a connection of their own, in two pieces, and reads what comes back until it is closed or silent.
fn over_tcp(gateway: &Gateway, bytes: &[u8]) {
    let mut stream = TcpStream::connect(gateway.tcp).expect("the node takes connections");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let (first, second) = bytes.split_at(bytes.len() / 3);
    // The node may close the connection at any octet.
    let _ = stream.write_all(first).and_then(|()| stream.flush()).and_then(|()| stream.write_all(second));
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn endless_headers_and_wrong_lengths_end_their_connection_only() {
    let gateway = Gateway::start(&[]);
    let endless = [b"OPTIONS sip:a SIP/2.0\r\n".to_vec(), b"X: y\r\n".repeat(100_000)].concat();
    let lies = [
        &endless[..],
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 4294967295\r\n\r\n",
    ];
    let beside = TcpStream::connect(gateway.tcp).expect("the node takes connections");
    for lie in lies {
        over_tcp(&gateway, lie);
    }
    drop(beside);
    still_serves(&gateway);
}

#[test]
fn hostile_offers_are_answered_one_by_one_and_leave_the_node_serving() {
    // The offers name addresses of no network here.
    let gateway = Gateway::start(&["trunk.local.symmetric=true"]);
    for (path, bytes) in corpus("sdp") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // Only text can stand in the test's telephone; the rest is sent as octets by the SIP corpus and the fuzzers.
        let Ok(offer) = String::from_utf8(bytes) else { continue };
        if offer.is_empty() {
            continue;
        }
        let mut phone = Phone::new(gateway.udp);
        let answer = phone.invite(&Dial { sdp: Some(&offer), ..Dial::default() });
        let expected: u16 =
            name.split('.').rev().nth(1).and_then(|code| code.parse().ok()).expect("a status in the name");
        assert_eq!(answer.status, expected, "{name}: {}", answer.text);
        if answer.status == 200 {
            phone.ack();
            phone.hang_up();
        }
    }
    still_serves(&gateway);
}

#[test]
fn hostile_packets_on_the_media_ports_do_not_disturb_the_call() {
    let gateway = Gateway::start(&[]);
    let mut phone = Phone::new(gateway.udp);
    let answer = phone.invite(&Dial { number: "9196", ..Dial::default() });
    phone.ack();
    let port = answer.text.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u16>().ok());
    let port = port.expect("a media port in the answer");
    phone.begin_media(&answer);
    let heard = |phone: &mut Phone, key: &str| {
        phone.press(key);
        assert!(phone.hears(&clip("zh", &format!("key.{key}"), Codec::Alaw), Duration::from_secs(40)), "key {key}");
    };
    heard(&mut phone, "4");
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    for _ in 0..20 {
        for (path, bytes) in corpus("rtp") {
            for to in [port, port + 1] {
                let _ = stranger.send_to(&bytes, ("127.0.0.1", to));
            }
            // The caller's own port sends only malformed RTP: a complete event would be a key.
            if path.extension().is_some_and(|kind| kind == "bad" || kind == "badrtcp") {
                phone.send_media(&bytes);
            }
        }
    }
    heard(&mut phone, "7");
    heard(&mut phone, "9");
    phone.hang_up();
    still_serves(&gateway);
    assert_eq!(gateway.log().matches("line test key").count(), 3, "no key but the caller's");
}

#[test]
fn a_repeated_invite_gets_the_same_answer_octet_for_octet() {
    let gateway = Gateway::start(&[]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let local = socket.local_addr().expect("bound");
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n";
    let head = |method: &str, cseq: u32, to: &str| {
        format!(
            "{method} sip:96110110@{} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-r{cseq}-{local}\r\nMax-Forwards: 70\r\n\
             From: <sip:caller@{local}>;tag=f\r\nTo: <sip:96110110@{}>{to}\r\nCall-ID: repeat-{local}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:caller@{local}>\r\n",
            gateway.udp, gateway.udp
        )
    };
    let invite =
        format!("{}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", head("INVITE", 1, ""), sdp.len());
    let mut answers = Vec::new();
    for _ in 0..3 {
        socket.send_to(invite.as_bytes(), gateway.udp).expect("a datagram goes out");
        let mut buffer = [0; 4096];
        let (length, _) = socket.recv_from(&mut buffer).expect("an answer");
        answers.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert!(answers[0].starts_with("SIP/2.0 200"), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let to_tag = answers[0].lines().find(|line| line.starts_with("To:")).and_then(|line| line.split(";tag=").nth(1));
    let tag = format!(";tag={}", to_tag.expect("a tag").trim());
    let bye = format!("{}Content-Length: 0\r\n\r\n", head("BYE", 2, &tag));
    socket.send_to(bye.as_bytes(), gateway.udp).expect("a datagram goes out");
    still_serves(&gateway);
    assert_eq!(
        gateway.metric("jindu_calls_total{outcome=\"hung_up\"}")
            + gateway.metric("jindu_calls_total{outcome=\"abandoned\"}"),
        2.0
    );
}

#[test]
fn hostile_scans_and_requests_are_refused_and_leave_the_node_serving() {
    let gateway = Gateway::start(&[]);
    for (path, bytes) in corpus("scan") {
        let (status, reply) = gateway.post("POST", "/api/scan", "application/json", &bytes);
        assert!(matches!(status, 200 | 400 | 413 | 422 | 429), "{}: {status} {reply}", path.display());
    }
    let deep = [vec![b'['; 5000], vec![b']'; 5000]].concat();
    let long = format!("{{\"code\":\"{}\",\"kiosk\":\"k\"}}", "4".repeat(200_000));
    for body in [&deep[..], long.as_bytes()] {
        let (status, _) = gateway.post("POST", "/api/scan", "application/json", body);
        assert!((400..500).contains(&status), "{status}");
    }
    let requests: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nzzz\r\n",
        b"POST /api/scan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[0; 64],
        &[b'A'; 100_000],
    ];
    for request in requests {
        let mut stream = TcpStream::connect(gateway.web).expect("the node takes connections");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8_lossy(&reply);
        assert!(!reply.contains("root:"), "{reply}");
    }
    still_serves(&gateway);
}
