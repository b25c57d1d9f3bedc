//! SIP over TCP: bursts of requests on one connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::gateway::Gateway;

/// A telephone on one connection.
struct Connection {
    stream: TcpStream,
    /// What has come in and was not taken.
    received: String,
}

impl Connection {
    fn open(gateway: &Gateway) -> Connection {
        let stream = TcpStream::connect(gateway.tcp).expect("the node takes connections");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        Connection { stream, received: String::new() }
    }

    fn request(&self, method: &str, cseq: u32, to_tag: &str, body: &str) -> String {
        let port = self.stream.local_addr().expect("bound").port();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:9196@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{port};branch=z9hG4bK{method}{cseq}\r\n\
             From: <sip:13800138000@127.0.0.1>;tag=a\r\nTo: <sip:9196@127.0.0.1>{to_tag}\r\nCall-ID: burst-{port}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:a@127.0.0.1:{port};transport=tcp>\r\nMax-Forwards: 70\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).expect("the connection is open");
    }

    /// Reads on until a text has come so many times.
    fn until(&mut self, wanted: &str, times: usize) {
        let mut buffer = [0; 65_536];
        while self.received.matches(wanted).count() < times {
            let length = self.stream.read(&mut buffer).expect("an answer in time");
            assert!(length > 0, "{} of {times} {wanted}", self.received.matches(wanted).count());
            self.received.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }
}

#[test]
fn a_burst_of_heartbeats_is_answered_whole() {
    let gateway = Gateway::start(&[]);
    let mut phone = Connection::open(&gateway);
    let burst: String = (1..=2000).map(|n| phone.request("OPTIONS", n, "", "")).collect();
    phone.send(&burst);
    std::thread::sleep(Duration::from_millis(300));
    phone.until("SIP/2.0 200", 2000);
}

#[test]
fn a_burst_within_a_call_is_answered_whole() {
    let gateway = Gateway::start(&[]);
    let mut phone = Connection::open(&gateway);
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n";
    let invite = phone.request("INVITE", 1, "", offer);
    phone.send(&invite);
    phone.until("SIP/2.0 200", 1);
    phone.until("\r\nm=audio", 1);
    let answer = phone.received.split("SIP/2.0 200").last().expect("the answer");
    let tag = answer.split("\r\nTo: ").nth(1).and_then(|to| to.split(";tag=").nth(1)).expect("a tag");
    let tag = format!(";tag={}", tag.split(['\r', ';']).next().expect("a tag"));
    let mut burst = phone.request("ACK", 1, &tag, "");
    burst.extend((2..=501).map(|n| phone.request("INFO", n, &tag, "")));
    burst.push_str(&phone.request("BYE", 502, &tag, ""));
    phone.send(&burst);
    phone.until(" INFO\r\n", 500);
    phone.until("CSeq: 502 BYE", 1);
    assert_eq!(phone.received.matches("SIP/2.0 503").count(), 0);
}
