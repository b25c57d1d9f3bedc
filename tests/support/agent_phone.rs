//! An agent's telephone over real sockets: registers, rings, answers, keeps what it hears.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use sip::digest::DigestClient;
use sip::{HeaderName, Message, Method, parse_datagram};

use crate::media::Media;
use crate::sound::Search;
use crate::wait::{eventually, within};

/// A telephone that is registered at the node.
pub struct AgentPhone {
    socket: UdpSocket,
    gateway: SocketAddr,
    digest: DigestClient,
    user: String,
    realm: String,
    cseq: u32,
    /// The INVITE of the call, and the tag of this side.
    call: Option<(Message, String)>,
    media: Option<Media>,
    heard_to: usize,
}

impl AgentPhone {
    /// A telephone that is not registered yet.
    pub fn new(gateway: SocketAddr, user: &str, realm: &str, password: &str) -> AgentPhone {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        AgentPhone::over(socket, gateway, (user, realm, password))
    }

    /// A telephone at this socket.
    pub fn over(socket: UdpSocket, gateway: SocketAddr, (user, realm, password): (&str, &str, &str)) -> AgentPhone {
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        let digest = DigestClient::new(user, realm, password, 1);
        let (user, realm) = (user.to_owned(), realm.to_owned());
        AgentPhone { socket, gateway, digest, user, realm, cseq: 0, call: None, media: None, heard_to: 0 }
    }

    /// Registers for so many seconds; the status after the challenge was answered.
    pub fn register(&mut self, expires: u32) -> u16 {
        let contact = format!("Contact: <sip:{}@{}>;expires={expires}\r\n", self.user, self.local());
        let mut response = self.send_own(&Method::Register, &format!("sip:{}", self.realm), &contact);
        if response.status() == Some(401) && self.digest.challenged(&response).is_ok() {
            response = self.send_own(&Method::Register, &format!("sip:{}", self.realm), &contact);
            if response.status() == Some(200) {
                self.digest.accepted(&response);
            }
        }
        response.status().expect("a response")
    }

    /// Dials a service code; the status of the answer.
    pub fn dial_code(&mut self, code: &str) -> u16 {
        let contact = format!("Contact: <sip:{}@{}>\r\n", self.user, self.local());
        self.send_own(&Method::Invite, &format!("sip:{code}@{}", self.realm), &contact).status().expect("a response")
    }

    fn send_own(&mut self, method: &Method, uri: &str, headers: &str) -> Message {
        self.cseq += 1;
        let (cseq, user, realm, local) = (self.cseq, &self.user, &self.realm, self.local());
        let lines = self.digest.authorize(method, uri, b"");
        let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{user}{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{realm}>;tag=own\r\nTo: <sip:{user}@{realm}>\r\nCall-ID: own-{user}-{method}\r\n\
             CSeq: {cseq} {method}\r\n{lines}{headers}Content-Length: 0\r\n\r\n"
        );
        self.socket.send_to(text.as_bytes(), self.gateway).expect("sent");
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            let Some(message) = self.receive() else { continue };
            if message.status().is_some_and(|status| status >= 200) && message.cseq().method == *method {
                return message;
            }
        }
        panic!("no response to {method}");
    }

    fn local(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }

    fn receive(&self) -> Option<Message> {
        let mut buffer = [0; 65_535];
        let (length, _) = self.socket.recv_from(&mut buffer).ok()?;
        parse_datagram(&buffer[..length]).ok()
    }

    /// Waits for an INVITE and lets the telephone ring.
    pub fn rings(&mut self, limit: Duration) -> bool {
        let is_called = self.is_called(limit);
        if is_called {
            self.respond(180, "");
        }
        is_called
    }

    /// Waits for an INVITE, to which nothing is responded yet.
    pub fn is_called(&mut self, limit: Duration) -> bool {
        let Some(invite) = self.await_request(&Method::Invite, limit) else { return false };
        let tag = format!("agent{}", self.cseq);
        self.call = Some((invite, tag));
        true
    }

    /// What the ringing telephone shows: the user of From.
    pub fn shows(&self) -> Option<String> {
        self.call.as_ref().and_then(|(invite, _)| invite.from_user())
    }

    /// Declines the call that rings.
    pub fn declines(&mut self) {
        self.refuses(486);
    }

    /// Refuses the call that rings with this status.
    pub fn refuses(&mut self, status: u16) {
        self.respond(status, "");
        self.await_request(&Method::Ack, Duration::from_secs(10)).expect("an ACK");
        self.call = None;
    }

    /// Whether the call that rings is withdrawn.
    pub fn is_withdrawn(&mut self, limit: Duration) -> bool {
        let Some(cancel) = self.await_request(&Method::Cancel, limit) else { return false };
        self.reply(&cancel, 200, "", "");
        self.respond(487, "");
        let acknowledged = self.await_request(&Method::Ack, Duration::from_secs(10)).is_some();
        self.call = None;
        acknowledged
    }

    /// Answers with A-law (8) or µ-law (0), and begins to send sound.
    pub fn answers(&mut self, codec: u8) {
        let rtp = self.picks_up(codec);
        self.talks(rtp, codec);
    }

    /// Answers with A-law (8) or µ-law (0), without waiting for the ACK.
    pub fn picks_up(&self, codec: u8) -> UdpSocket {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = rtp.local_addr().expect("bound").port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP {codec} 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
        );
        self.respond(200, &sdp);
        rtp
    }

    /// Waits for the ACK of a call that was picked up, and begins to send sound.
    pub fn talks(&mut self, rtp: UdpSocket, codec: u8) {
        self.await_request(&Method::Ack, Duration::from_secs(10)).expect("an ACK");
        let (invite, _) = self.call.as_ref().expect("a call");
        let offer = String::from_utf8_lossy(&invite.body).into_owned();
        let port = offer.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        let peer = SocketAddr::new(self.gateway.ip(), port.expect("a media port"));
        (self.media, self.heard_to) = (Some(Media::begin(rtp, peer, codec)), 0);
    }

    /// The first codec of the offer, by its payload type.
    pub fn was_offered(&self) -> Option<u8> {
        let (invite, _) = self.call.as_ref()?;
        let offer = String::from_utf8_lossy(&invite.body).into_owned();
        offer.split("m=audio ").nth(1)?.split(' ').nth(2)?.parse().ok()
    }

    /// Says these octets, in the call's codec.
    pub fn say(&self, octets: &[u8]) {
        self.media.as_ref().expect("media").say(octets);
    }

    /// Waits until everything was said.
    pub fn has_said_all(&self) {
        let media = self.media.as_ref().expect("media");
        eventually(Duration::from_secs(30), "everything was said", || media.has_said_all());
    }

    /// Whether a recording is heard within a limit.
    pub fn hears(&mut self, clip: &[u8], limit: Duration) -> bool {
        let media = self.media.as_ref().expect("media");
        let mut search = Search::new(clip, self.heard_to);
        match within(limit, || search.in_more(&media.heard())) {
            Ok(end) => {
                self.heard_to = end;
                true
            }
            Err(_) => false,
        }
    }

    /// Everything heard so far in this call.
    pub fn heard(&self) -> Vec<u8> {
        self.media.as_ref().map_or_else(Vec::new, Media::heard)
    }

    /// Presses keys.
    pub fn press(&self, keys: &str) {
        self.media.as_ref().expect("media").press(keys);
    }

    /// What was called: the user of the Request-URI.
    pub fn was_called_as(&self) -> Option<String> {
        self.call.as_ref().and_then(|(invite, _)| invite.called_user())
    }

    /// The keys that came as telephone events.
    pub fn keys(&self) -> String {
        self.media.as_ref().map_or_else(String::new, Media::events)
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        let (invite, tag) = self.call.take().expect("a call");
        let head = |name| invite.header(name).unwrap_or("").to_owned();
        let contact = invite.contact().map_or_else(String::new, |contact| contact.uri.to_owned());
        let text = format!(
            "BYE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {};rport;branch=z9hG4bKbye{tag}\r\nMax-Forwards: 70\r\n\
             From: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n",
            self.local(),
            head(HeaderName::To),
            head(HeaderName::From),
            head(HeaderName::CallId),
        );
        self.socket.send_to(text.as_bytes(), self.gateway).expect("sent");
        let until = Instant::now() + Duration::from_secs(10);
        let answered = || self.receive().filter(|message| message.cseq().method == Method::Bye)?.status();
        let status = std::iter::from_fn(|| (Instant::now() < until).then(answered)).flatten().next();
        assert_eq!(status, Some(200));
        self.end_media();
    }

    /// Whether the other side hangs up within a limit.
    pub fn is_hung_up(&mut self, limit: Duration) -> bool {
        let Some(bye) = self.await_request(&Method::Bye, limit) else { return false };
        self.reply(&bye, 200, "", "");
        self.end_media();
        self.call = None;
        true
    }

    fn end_media(&mut self) {
        if let Some(media) = &mut self.media {
            media.end();
        }
        self.media = None;
    }

    /// The next request of this method; others are answered with 200, but for an ACK.
    fn await_request(&mut self, method: &Method, limit: Duration) -> Option<Message> {
        let until = Instant::now() + limit;
        self.socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a limit");
        let mut found = None;
        while found.is_none() && Instant::now() < until {
            let Some(message) = self.receive() else { continue };
            match message.method() {
                Some(got) if got == method => found = Some(message),
                // A repeated INVITE of the call that rings.
                Some(Method::Ack | Method::Invite) | None => {}
                Some(_) => self.reply(&message, 200, "", ""),
            }
        }
        self.socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        found
    }

    /// Responds to the INVITE of the call.
    fn respond(&self, status: u16, sdp: &str) {
        let (invite, tag) = self.call.as_ref().expect("a call");
        self.reply(invite, status, tag, sdp);
    }

    fn reply(&self, request: &Message, status: u16, tag: &str, sdp: &str) {
        let mut text = format!("SIP/2.0 {status} X\r\n");
        for (name, spelling) in [
            (HeaderName::Via, "Via"),
            (HeaderName::From, "From"),
            (HeaderName::To, "To"),
            (HeaderName::CallId, "Call-ID"),
            (HeaderName::CSeq, "CSeq"),
        ] {
            for value in request.headers(name) {
                let tagged = name == HeaderName::To && !tag.is_empty() && request.to_tag().is_empty();
                let tag = if tagged { format!(";tag={tag}") } else { String::new() };
                text.push_str(&format!("{spelling}: {value}{tag}\r\n"));
            }
        }
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let (user, local) = (&self.user, self.local());
        text.push_str(&format!("Contact: <sip:{user}@{local}>\r\n{kind}Content-Length: {}\r\n\r\n{sdp}", sdp.len()));
        self.socket.send_to(text.as_bytes(), self.gateway).expect("sent");
    }
}
