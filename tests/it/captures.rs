//! Captures of signalling: `jindu trunk trace` and HEP3, of calls by the running program.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Output, Stdio};

use base::Codec;
use serde_json::Value;
use support::folder::Folder;
use support::gateway::{Gateway, jindu};
use support::phone::{Dial, Phone};
use support::sound::clip;
use support::wait::{SOON, eventually};

/// The command with a file to write, who and why.
fn trace(gateway: &Gateway, out: &Path, options: &[&str]) -> Child {
    let mut command = jindu(&gateway.folder);
    command.args(["trunk", "trace", "--out"]).arg(out).args(["--who", "li", "--why", "one-way audio"]).args(options);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program can be run")
}

/// Waits until so many traces have been started.
fn begun(gateway: &Gateway, traces: f64) {
    eventually(SOON, "the trace has begun", || gateway.metric("jindu_traces_total") == traces);
}

fn ended(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

/// Fails unless the command was refused.
fn refused(gateway: &Gateway, out: &Path, options: &[&str], code: i32) -> String {
    let output = ended(trace(gateway, out, options));
    assert_eq!(output.status.code(), Some(code), "{options:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A datagram of a pcap.
struct Datagram {
    /// Microseconds.
    at: u64,
    from: SocketAddr,
    to: SocketAddr,
    octets: Vec<u8>,
    /// Octets that it had.
    whole: usize,
}

/// The datagrams of a pcap of IPv4 and UDP.
fn datagrams(file: &Path) -> Vec<Datagram> {
    let octets = fs::read(file).expect("the file");
    assert_eq!((&octets[..4], octets[20]), (&[0xd4, 0xc3, 0xb2, 0xa1][..], 101));
    let (mut rest, mut datagrams) = (&octets[24..], Vec::new());
    while !rest.is_empty() {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four")) as usize;
        let (at, length, whole) = ((number(0) * 1_000_000 + number(4)) as u64, number(8), number(12) - 28);
        let ip = &rest[16..16 + length];
        assert_eq!((ip[0], ip[9]), (0x45, 17));
        let address = |at: usize, port: usize| {
            let host: [u8; 4] = ip[at..at + 4].try_into().expect("four");
            SocketAddr::from((host, u16::from_be_bytes([ip[port], ip[port + 1]])))
        };
        let (from, to, octets) = (address(12, 20), address(16, 22), ip[28..].to_vec());
        assert_eq!(usize::from(u16::from_be_bytes([ip[24], ip[25]])), whole + 8);
        datagrams.push(Datagram { at, from, to, octets, whole });
        rest = &rest[16 + length..];
    }
    datagrams
}

/// The messages of a pcap: from, to, text.
fn messages(file: &Path) -> Vec<(SocketAddr, SocketAddr, String)> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    datagrams(file).iter().map(|datagram| (datagram.from, datagram.to, text(&datagram.octets))).collect()
}

fn audit(gateway: &Gateway) -> Vec<Value> {
    let text = fs::read_to_string(gateway.folder.join("releases/audit.jsonl")).expect("the audit log");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_next_call_of_a_trunk_is_written_without_its_keys_and_audited() {
    let (gateway, folder) = (Gateway::start(&[]), Folder::new());
    let out = folder.join("call.pcap");
    let running = trace(&gateway, &out, &["--trunk", "local"]);
    begun(&gateway, 1.0);
    let second = refused(&gateway, &folder.join("second.pcap"), &["--number", "110"], 1);
    assert!(second.contains("li") && !folder.join("second.pcap").exists(), "{second}");

    let mut phone = Phone::dial_with(gateway.udp, &Dial { number: "9196", ..Dial::default() });
    let mut other = Phone::dial(gateway.udp);
    "440112345678901".chars().for_each(|key| phone.press_info(key));
    phone.hang_up();
    other.hang_up();
    let output = ended(running);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    assert_eq!(fs::metadata(&out).expect("the file").permissions().mode() & 0o777, 0o600);
    let messages = messages(&out);
    let starts: Vec<&str> = messages.iter().map(|(_, _, text)| text.split(' ').next().unwrap_or("")).collect();
    assert_eq!((starts[0], starts.iter().filter(|start| **start == "INFO").count()), ("INVITE", 15), "{starts:?}");
    assert!(starts.contains(&"ACK") && starts.contains(&"BYE") && starts.contains(&"SIP/2.0"), "{starts:?}");
    for (from, to, text) in &messages {
        assert!(text.contains(phone.call_id()), "{text}");
        assert_eq!(
            (*from == gateway.udp, *to == gateway.udp),
            (text.starts_with("SIP/2.0"), !text.starts_with("SIP/2.0"))
        );
        if text.starts_with("INFO") {
            assert!(text.ends_with("\r\n\r\nSignal=x\r\nDuration=160\r\n"), "{text}");
        }
    }
    assert!(messages[0].2.contains("m=audio"), "{}", messages[0].2);

    let audit = audit(&gateway);
    let [start, end] = &audit[..] else { panic!("{audit:?}") };
    assert_eq!((start["who"].as_str(), end["why"].as_str()), (Some("li"), Some("one-way audio")));
    assert!(start["what"].as_str().expect("what").starts_with("trunk trace begins, trunk local, masked"), "{start}");
    let what = end["what"].as_str().expect("what");
    let figures = format!("call_ended, call-id {}, {} messages", phone.call_id(), messages.len());
    assert!(what.contains(&figures), "{what}: {figures}");
    assert!(refused(&gateway, &out, &["--trunk", "local"], 1).contains("--overwrite"));
}

#[test]
fn a_call_in_progress_over_tcp_is_written_unmasked_when_that_is_asked_for_and_stopped_by_a_signal() {
    let (gateway, folder) = (Gateway::start(&[]), Folder::new());
    let out = folder.join("call.pcap");
    fs::write(&out, "before").expect("a file");
    let running = trace(&gateway, &out, &["--call-id", "over-tcp", "--unmasked", "--overwrite", "--for", "60s"]);
    begun(&gateway, 1.0);
    let mut stream = TcpStream::connect(gateway.tcp).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a limit");
    let own = stream.local_addr().expect("bound");
    let info = format!(
        "INFO sip:9196@h SIP/2.0\r\nVia: SIP/2.0/TCP {own};branch=z9hG4bK1\r\nFrom: <sip:13800138000@h>;tag=a\r\n\
         To: <sip:9196@h>;tag=b\r\nCall-ID: over-tcp\r\nCSeq: 1 INFO\r\nContent-Type: application/dtmf\r\nContent-Length: 1\r\n\r\n7"
    );
    let (first, second) = info.split_at(100);
    stream.write_all(first.as_bytes()).expect("open");
    stream.flush().expect("open");
    stream.write_all(second.as_bytes()).expect("open");
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).expect("an answer");
    // The file header, and two records.
    eventually(SOON, "both are written", || fs::metadata(&out).is_ok_and(|file| file.len() > 24 + 500));
    let done = std::process::Command::new("kill").arg("-INT").arg(running.id().to_string()).status();
    assert!(done.expect("kill runs").success());
    let output = ended(running);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = messages(&out);
    assert_eq!(messages[0], (own, gateway.tcp, info));
    assert_eq!(messages[1], (gateway.tcp, own, String::from_utf8_lossy(&answer[..length]).into_owned()));
    let audit = audit(&gateway);
    let what = audit[1]["what"].as_str().expect("what");
    assert!(what.contains("unmasked: stopped") && what.contains("2 messages"), "{what}");
}

#[test]
fn the_headers_of_packets_both_ways_are_written_without_sound_and_keys() {
    let (gateway, folder) = (Gateway::start(&[]), Folder::new());
    let out = folder.join("call.pcap");
    let running = trace(&gateway, &out, &["--trunk", "local", "--rtp"]);
    begun(&gateway, 1.0);
    let mut phone = Phone::dial_with(gateway.udp, &Dial { number: "9196", ..Dial::default() });
    phone.say(&[0x55; 1600]);
    phone.has_said_all();
    phone.press("7");
    // The line test says what it heard.
    assert!(phone.hears(&clip("zh", "key.7", Codec::Alaw), SOON));
    let call_id = phone.call_id().to_owned();
    phone.hang_up();
    let output = ended(running);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    // Of a call in progress, before any message of it comes.
    let mut other = Phone::dial_with(gateway.udp, &Dial { number: "9196", ..Dial::default() });
    let later = folder.join("later.pcap");
    let output = ended(trace(&gateway, &later, &["--call-id", other.call_id(), "--rtp", "--for", "1"]));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(datagrams(&later).iter().filter(|packet| packet.whole == 172 && packet.octets.len() == 12).count() > 10);
    other.hang_up();

    let datagrams = datagrams(&out);
    assert!(datagrams.is_sorted_by_key(|datagram| datagram.at), "in the order of time");
    let (sip, rtp): (Vec<_>, Vec<_>) =
        datagrams.iter().partition(|datagram| datagram.from == gateway.udp || datagram.to == gateway.udp);
    assert!(sip.iter().all(|message| String::from_utf8_lossy(&message.octets).contains(&call_id)));
    let answer =
        sip.iter().map(|message| String::from_utf8_lossy(&message.octets)).find(|text| text.contains("SIP/2.0 200"));
    let answer = answer.expect("an answer");
    let port: u16 = answer
        .split("m=audio ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("a port")
        .parse()
        .expect("a number");
    let own = |address: SocketAddr| address.port() == port || address.port() == port + 1;
    let sent = rtp.iter().filter(|packet| own(packet.from) && packet.octets[1] & 0x7f == 8).count();
    let received: Vec<_> = rtp.iter().filter(|packet| own(packet.to)).collect();
    let of_type = |payload: u8| received.iter().filter(|packet| packet.octets[1] & 0x7f == payload).count();
    assert!(
        sent > 20 && of_type(8) >= 10 && of_type(101) >= 1,
        "{sent} sent, {} and {} received",
        of_type(8),
        of_type(101)
    );
    for packet in rtp.iter().filter(|packet| packet.octets[1] & 0x7f < 72) {
        assert_eq!(packet.octets.len(), 12, "neither sound nor a key");
        assert!(packet.whole == 172 || packet.whole == 16, "{}", packet.whole);
    }
    let what = audit(&gateway)[1]["what"].as_str().expect("what").to_owned();
    assert!(
        what.contains("masked, with packet headers: call_ended")
            && what.contains(&format!("{} packet headers", rtp.len())),
        "{what}"
    );
}

#[test]
fn what_cannot_be_traced_is_refused_and_leaves_no_file() {
    let (gateway, folder) = (Gateway::start(&[]), Folder::new());
    let out = folder.join("call.pcap");
    assert!(refused(&gateway, &out, &["--trunk", "unknown"], 1).contains("unknown"));
    assert!(refused(&gateway, &out, &["--number", "13900000000", "--for", "1"], 1).contains("time"));
    refused(&gateway, &out, &["--trunk", "local", "--for", "601"], 64);
    refused(&gateway, &out, &["--trunk", "local", "--max-mb", "101"], 64);
    refused(&gateway, &out, &["--trunk", "local", "--number", "110"], 64);
    refused(&gateway, &out, &[], 64);
    assert!(!out.exists());
    let audit = fs::read_to_string(gateway.folder.join("releases/audit.jsonl")).expect("the audit log");
    assert!(!audit.contains("13900000000") && audit.contains("number #"), "{audit}");
    assert!(!gateway.log().contains("13900000000"));
    let none = jindu(folder.path())
        .args(["trunk", "trace", "--trunk", "local", "--who", "li", "--why", "x", "--out"])
        .arg(&out)
        .output()
        .expect("the program can be run");
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn a_collector_gets_every_message_masked_and_metrics_count_them() {
    let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
    collector.set_read_timeout(Some(SOON)).expect("a limit");
    let folder = Folder::new();
    let address = format!("phone.hep.collector={}", collector.local_addr().expect("bound"));
    let password = format!("phone.hep.password_file={}", folder.file("password", "secret\n"));
    let gateway = Gateway::start(&[&address, &password, "phone.hep.capture_id=2001"]);
    let mut phone = Phone::dial_with(gateway.udp, &Dial { number: "9196", ..Dial::default() });
    phone.press_info('7');
    phone.hang_up();
    let (mut buffer, mut seen) = ([0; 65_535], Vec::new());
    while !seen.iter().any(|text: &String| text.starts_with("SIP/2.0 200") && text.contains(" BYE\r\n")) {
        let (length, _) = collector.recv_from(&mut buffer).expect("a message");
        let hep = &buffer[..length];
        assert_eq!((&hep[..4], usize::from(u16::from_be_bytes([hep[4], hep[5]]))), (&b"HEP3"[..], length));
        let (mut at, mut chunks) = (6, std::collections::BTreeMap::new());
        while at < length {
            let number = |at: usize| u16::from_be_bytes([hep[at], hep[at + 1]]);
            chunks.insert(number(at + 2), &hep[at + 6..at + usize::from(number(at + 4))]);
            at += usize::from(number(at + 4));
        }
        assert_eq!((chunks[&1], chunks[&2], chunks[&11]), (&[2][..], &[17][..], &[1][..]));
        assert_eq!(
            (chunks[&12], chunks[&14], chunks[&17]),
            (&[0, 0, 7, 0xd1][..], &b"secret"[..], phone.call_id().as_bytes())
        );
        let text = String::from_utf8(chunks[&15].to_vec()).expect("text");
        let port = gateway.udp.port().to_be_bytes();
        assert_eq!(chunks[&if text.starts_with("SIP/2.0") { 7 } else { 8 }], &port[..]);
        assert!(!text.contains("13800138000") && !text.contains("Signal=7"), "{text}");
        seen.push(text);
    }
    for start in ["INVITE sip:9196@", "ACK ", "INFO ", "BYE "] {
        assert!(seen.iter().any(|text| text.starts_with(start)), "{start}: {seen:?}");
    }
    eventually(SOON, "all are counted", || gateway.metric("jindu_hep_sent_total") >= seen.len() as f64);
    assert_eq!(gateway.metric("jindu_hep_dropped_total"), 0.0);
}
