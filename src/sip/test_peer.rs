//! The cast of this crate's tests: a caller's user agent, and a call on a virtual clock.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;

/// An offer; this crate does not read it.
pub(crate) const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
pub(crate) const ANSWER: &str =
    "v=0\r\no=- 2 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\n";

pub(crate) fn local() -> Local {
    Local {
        contact_uri: "sip:192.0.2.1:5060".into(),
        seed: 77,
        session_expires: Duration::from_secs(1800),
        min_se: Duration::from_secs(90),
        peers: PeerAddresses::new(|ip| matches!(ip, std::net::IpAddr::V4(ip) if ip.octets()[..3] == [192, 0, 2])),
    }
}

pub(crate) fn arrival(transport: Transport) -> Arrival {
    Arrival { transport, source: addr("192.0.2.9:5070"), local: addr("192.0.2.1:5060"), connection: None }
}

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address in a test")
}

/// The start of a virtual clock.
#[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

/// A user agent client that writes requests as the test describes them.
#[derive(Clone)]
pub(crate) struct Peer {
    pub transport: Transport,
    pub to_tag: String,
    pub cseq: u32,
    pub branch: u32,
    /// Headers of every request.
    pub always: String,
}

impl Peer {
    pub(crate) fn new(transport: Transport) -> Peer {
        Peer { transport, to_tag: String::new(), cseq: 0, branch: 0, always: String::new() }
    }

    /// A new request of a new transaction.
    pub(crate) fn request(&mut self, method: &str, headers: &str, sdp: &str) -> Message {
        self.cseq += 1;
        self.branch += 1;
        self.write(method, self.cseq, self.branch, headers, sdp)
    }

    /// The ACK of a 2xx: a branch of its own.
    pub(crate) fn ack(&mut self, cseq: u32, sdp: &str) -> Message {
        self.branch += 1;
        self.write("ACK", cseq, self.branch, "", sdp)
    }

    pub(crate) fn write(&self, method: &str, cseq: u32, branch: u32, headers: &str, sdp: &str) -> Message {
        parse_datagram(self.text(method, cseq, branch, headers, sdp).as_bytes())
            .expect("the peer writes well-formed requests")
    }

    pub(crate) fn text(&self, method: &str, cseq: u32, branch: u32, headers: &str, sdp: &str) -> String {
        let mut text = format!(
            "{method} sip:9196@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/{} 192.0.2.9:5070;branch=z9hG4bKpeer{branch}\r\n\
             Max-Forwards: 70\r\n\
             From: \"Caller\" <sip:13800000000@192.0.2.9>;tag=peer\r\n",
            self.transport.name()
        );
        let tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let _ = write!(text, "To: <sip:9196@192.0.2.1>{tag}\r\nCall-ID: call@peer\r\nCSeq: {cseq} {method}\r\n");
        if method != "CANCEL" && method != "ACK" {
            text.push_str("Contact: <sip:13800000000@192.0.2.9:5070>\r\n");
        }
        text.push_str(&self.always);
        text.push_str(headers);
        if !sdp.is_empty() && !headers.contains("Content-Type") {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{sdp}", sdp.len());
        text
    }
}

/// The response of the peer to a local request.
pub(crate) fn response_to(request: &Message, status: u16, headers: &str, sdp: &str) -> Message {
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let line = |name| request.header(name).unwrap_or("").to_owned();
    let text = format!(
        "SIP/2.0 {status} Whatever\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:13800000000@192.0.2.9:5070>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{sdp}",
        line(HeaderName::Via),
        line(HeaderName::From),
        line(HeaderName::To),
        line(HeaderName::CallId),
        line(HeaderName::CSeq),
        sdp.len()
    );
    parse_datagram(text.as_bytes()).expect("the peer writes well-formed responses")
}

/// A call between a peer and a leg on a virtual clock.
pub(crate) struct Call {
    pub peer: Peer,
    pub leg: Leg,
    pub now: Instant,
    pub invite: Message,
    /// The outputs of the last step.
    pub out: Vec<LegOutput>,
}

impl Call {
    /// A call whose offer waits for its answer.
    pub(crate) fn offered(transport: Transport) -> Call {
        Call::with(transport, "", OFFER)
    }

    pub(crate) fn with(transport: Transport, headers: &str, sdp: &str) -> Call {
        let mut peer = Peer::new(transport);
        let invite = peer.request("INVITE", headers, sdp);
        let now = epoch();
        let (leg, out) = Leg::new(now, invite.clone(), &arrival(transport), local());
        peer.to_tag = leg.local_tag().into();
        Call { peer, leg, now, invite, out }
    }

    /// A call whose 200 went out.
    pub(crate) fn answered(transport: Transport) -> Call {
        Call::offered(transport).answer()
    }

    /// A call whose ACK arrived.
    pub(crate) fn established(transport: Transport) -> Call {
        Call::answered(transport).acknowledge()
    }

    pub(crate) fn answer(mut self) -> Call {
        self.input(LegInput::Answer { sdp: ANSWER.into() });
        self
    }

    pub(crate) fn acknowledge(mut self) -> Call {
        let ack = self.peer.ack(self.invite.cseq().number, "");
        self.receive(ack);
        self
    }

    pub(crate) fn input(&mut self, input: LegInput) -> &[LegOutput] {
        self.out = self.leg.handle_input(self.now, input);
        &self.out
    }

    pub(crate) fn receive(&mut self, message: Message) -> &[LegOutput] {
        let arrival = arrival(self.peer.transport);
        self.input(LegInput::Received { message, arrival })
    }

    /// Sends a request inside the call and returns its response; all outputs stay in `out`.
    pub(crate) fn ask(&mut self, method: &str, headers: &str, sdp: &str) -> Message {
        let request = self.peer.request(method, headers, sdp);
        self.receive(request);
        self.sent().remove(0)
    }

    /// Moves the clock to the next deadline and runs it.
    pub(crate) fn next_deadline(&mut self) -> &[LegOutput] {
        let deadline = self.leg.deadline().expect("a deadline");
        self.now = self.now.max(deadline.at);
        self.input(LegInput::Deadline)
    }

    /// Moves the clock, runs every deadline at its moment, and returns all outputs with the time since the start.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<(Duration, LegOutput)> {
        let (start, mut all) = (self.now, Vec::new());
        while let Some(deadline) = self.leg.deadline().filter(|deadline| deadline.at <= start + time) {
            self.now = self.now.max(deadline.at);
            let out = self.leg.handle_input(self.now, LegInput::Deadline);
            all.extend(out.into_iter().map(|output| (self.now - start, output)));
        }
        self.now = start + time;
        all
    }

    /// The messages of the last step.
    pub(crate) fn sent(&self) -> Vec<Message> {
        sent(&self.out)
    }

    /// The statuses of the responses of the last step.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.sent().iter().filter_map(Message::status).collect()
    }

    pub(crate) fn ended(&self) -> Option<EndCause> {
        ended(&self.out)
    }
}

pub(crate) fn ended<'a>(out: impl IntoIterator<Item = &'a LegOutput>) -> Option<EndCause> {
    out.into_iter().find_map(|output| if let LegOutput::Ended { why } = output { Some(*why) } else { None })
}

pub(crate) fn sent<'a>(out: impl IntoIterator<Item = &'a LegOutput>) -> Vec<Message> {
    let outgoing =
        out.into_iter().filter_map(|output| if let LegOutput::Send(out) = output { Some(out) } else { None });
    outgoing.map(|outgoing| parse_datagram(&outgoing.bytes).expect("our messages are well formed")).collect()
}
