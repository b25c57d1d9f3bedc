//! A telephone over real sockets: dials, presses keys, keeps every octet that it hears.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::media::Media;
use crate::sound::Search;
use crate::wait::{eventually, within};

/// A telephone with one line.
pub struct Phone {
    sip: UdpSocket,
    server: SocketAddr,
    call_id: String,
    from_tag: String,
    to: String,
    target: String,
    /// The Route headers of requests in the call: the Record-Routes of its answer, the nearest proxy first.
    routes: String,
    cseq: u32,
    from: Option<String>,
    number: String,
    codec: u8,
    media: Option<Media>,
    rtp_port: u16,
    rtp: Option<UdpSocket>,
    heard_to: usize,
}

/// What stands in an INVITE beside the usual.
pub struct Dial<'a> {
    /// The number that is dialled.
    pub number: &'a str,
    /// 8 for A-law, 0 for µ-law.
    pub codec: u8,
    /// Further header lines, each with its CRLF.
    pub headers: &'a str,
    /// Replaces the whole session description when given; `PORT` becomes the RTP port.
    pub sdp: Option<&'a str>,
}

impl Default for Dial<'_> {
    fn default() -> Self {
        Dial { number: "96110110", codec: 8, headers: "", sdp: None }
    }
}

/// A SIP answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code; 0 where it is a request.
    pub status: u16,
    /// The whole message.
    pub text: String,
}

impl Answer {
    /// The value of the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

static CALLS: AtomicU32 = AtomicU32::new(0);

impl Phone {
    /// A telephone that has not dialled yet.
    pub fn new(server: SocketAddr) -> Phone {
        Phone::new_at(server, if server.is_ipv6() { "::1" } else { "127.0.0.1" })
    }

    /// The same with SIP from this address of the loopback; its sound comes from the usual one.
    pub fn new_at(server: SocketAddr, address: &str) -> Phone {
        let local = if server.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
        let sip: IpAddr = address.parse().expect("an address");
        let sip = UdpSocket::bind((sip, 0)).expect("a free port");
        sip.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        let rtp = UdpSocket::bind(local).expect("a free port");
        let rtp_port = rtp.local_addr().expect("bound").port();
        let n = CALLS.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{}-{n}-{rtp_port}", std::process::id());
        Phone {
            sip,
            server,
            call_id: format!("call-{unique}@phone.invalid"),
            from_tag: format!("from-{unique}"),
            to: String::new(),
            target: String::new(),
            routes: String::new(),
            cseq: 1,
            from: None,
            number: String::new(),
            codec: 8,
            media: None,
            rtp_port,
            rtp: Some(rtp),
            heard_to: 0,
        }
    }

    /// The same with another From, without its tag: `"Anonymous" <sip:anonymous@anonymous.invalid>`.
    #[must_use]
    pub fn calling_as(mut self, from: &str) -> Phone {
        self.from = Some(from.to_owned());
        self
    }

    /// The Call-ID of its call.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Dials the hotline and waits until it answers.
    pub fn dial(server: SocketAddr) -> Phone {
        Phone::dial_with(server, &Dial::default())
    }

    /// The same with another number, codec, header or offer.
    pub fn dial_with(server: SocketAddr, dial: &Dial<'_>) -> Phone {
        let mut phone = Phone::new(server);
        let answer = phone.invite(dial);
        assert_eq!(answer.status, 200, "the hotline answers: {}", answer.text);
        phone.ack();
        phone.begin_media(&answer);
        phone
    }

    /// Dials the hotline; says why when that fails.
    ///
    /// # Errors
    /// The final answer, or that there is none.
    pub fn try_dial(server: SocketAddr) -> Result<Phone, String> {
        let mut phone = Phone::new(server);
        let answer = phone.try_invite(&Dial::default()).ok_or("no answer to INVITE")?;
        if answer.status != 200 {
            return Err(answer.text);
        }
        phone.ack();
        phone.begin_media(&answer);
        Ok(phone)
    }

    /// Hangs up; says why when that fails.
    ///
    /// # Errors
    /// The answer to BYE, or that there is none.
    pub fn try_hang_up(&mut self) -> Result<(), String> {
        self.cseq += 1;
        self.send("BYE", "q", "", "");
        let answer = self.try_final_answer("BYE");
        self.end_media();
        match answer {
            Some(answer) if answer.status == 200 => Ok(()),
            Some(answer) => Err(answer.text),
            None => Err("no answer to BYE".into()),
        }
    }

    /// Sends the INVITE and gives its final answer. No ACK is sent yet to a 200; any other answer is acknowledged.
    pub fn invite(&mut self, dial: &Dial<'_>) -> Answer {
        self.try_invite(dial).expect("an answer to INVITE")
    }

    /// The same; `None` when no answer comes.
    pub fn try_invite(&mut self, dial: &Dial<'_>) -> Option<Answer> {
        self.number = dial.number.to_owned();
        self.codec = dial.codec;
        self.to = format!("<sip:{}@{}>", dial.number, self.server);
        self.target = format!("sip:{}@{}", dial.number, self.server);
        let sdp = self.offer(dial);
        let headers =
            format!("{}{}", dial.headers, if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" });
        self.send("INVITE", "i", &headers, &sdp);
        let answer = self.try_final_answer("INVITE")?;
        self.to = answer.header("To").unwrap_or(&self.to).to_owned();
        if answer.status >= 300 {
            let cseq = self.cseq;
            self.send_numbered("ACK", cseq, "i", "", "");
        } else if let Some(contact) = answer.header("Contact") {
            self.target = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
            self.routes = routes(&answer);
        }
        Some(answer)
    }

    fn offer(&self, dial: &Dial<'_>) -> String {
        if let Some(sdp) = dial.sdp {
            return sdp.replace("PORT", &self.rtp_port.to_string());
        }
        let ip = if self.server.is_ipv6() { "IP6 ::1" } else { "IP4 127.0.0.1" };
        let codec = if dial.codec == 8 { "PCMA" } else { "PCMU" };
        format!(
            "v=0\r\no=- 1 1 IN {ip}\r\ns=-\r\nc=IN {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP {pt} 101\r\na=rtpmap:{pt} {codec}/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n",
            self.rtp_port,
            pt = dial.codec,
        )
    }

    /// A heartbeat outside any call, and its answer.
    pub fn options(&mut self) -> Answer {
        self.to = format!("<sip:{}>", self.server);
        self.target = format!("sip:{}", self.server);
        self.send("OPTIONS", "o", "", "");
        self.final_answer("OPTIONS")
    }

    /// Another INVITE in the dialog, with this direction.
    pub fn reinvite(&mut self, direction: &str) -> Answer {
        self.cseq += 1;
        let sdp = format!("{}a={direction}\r\n", self.offer(&Dial { codec: self.codec, ..Dial::default() }));
        self.send("INVITE", "r", "Content-Type: application/sdp\r\n", &sdp);
        let answer = self.final_answer("INVITE");
        let cseq = self.cseq;
        self.send_numbered("ACK", cseq, "ra", "", "");
        answer
    }

    /// Acknowledges the answer to the last INVITE.
    pub fn ack(&mut self) {
        let cseq = self.cseq;
        self.send_numbered("ACK", cseq, "a", "", "");
    }

    /// A request in the dialog and its final answer.
    pub fn request(&mut self, method: &str, headers: &str, body: &str) -> Answer {
        self.cseq += 1;
        self.send(method, "q", headers, body);
        self.final_answer(method)
    }

    /// Ends the call with BYE; the answer must be 200.
    pub fn hang_up(&mut self) {
        let answer = self.request("BYE", "", "");
        assert_eq!(answer.status, 200, "{}", answer.text);
        self.end_media();
    }

    /// Sends a request in the dialog without waiting for an answer.
    pub fn send(&mut self, method: &str, branch: &str, headers: &str, body: &str) {
        let cseq = self.cseq;
        self.send_numbered(method, cseq, branch, headers, body);
    }

    /// The same with a CSeq number of its own.
    pub fn send_numbered(&mut self, method: &str, cseq: u32, branch: &str, headers: &str, body: &str) {
        let local = self.sip.local_addr().expect("bound");
        let from = self.from.clone().unwrap_or_else(|| format!("<sip:13800138000@{local}>"));
        let text = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-{}-{branch}{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: {from};tag={}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@{local}>\r\n\
             {}{headers}Content-Length: {}\r\n\r\n{body}",
            self.target,
            self.from_tag,
            self.from_tag,
            self.to,
            self.call_id,
            self.routes,
            body.len()
        );
        self.sip.send_to(text.as_bytes(), self.server).expect("a datagram goes out");
    }

    /// The next SIP message, whatever it is.
    pub fn receive(&self) -> Option<Answer> {
        let mut buffer = [0; 65_535];
        let (length, _) = self.sip.recv_from(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest[..3].parse().ok()).unwrap_or(0);
        Some(Answer { status, text })
    }

    fn final_answer(&mut self, method: &str) -> Answer {
        self.try_final_answer(method).unwrap_or_else(|| panic!("an answer to {method}"))
    }

    fn try_final_answer(&mut self, method: &str) -> Option<Answer> {
        loop {
            let answer = self.receive()?;
            if answer.status == 0 {
                self.reply_ok(&answer);
                continue;
            }
            let cseq = format!("{} {method}", self.cseq);
            if answer.status >= 200 && answer.header("CSeq") == Some(cseq.as_str()) {
                return Some(answer);
            }
        }
    }

    /// Waits for a request with this method and answers it with 200; gives its text.
    pub fn await_request(&mut self, method: &str, limit: Duration) -> Option<String> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            let Some(message) = self.receive() else { continue };
            if message.status != 0 {
                continue;
            }
            let status = if message.text.starts_with("REFER") { "202 Accepted" } else { "200 OK" };
            self.reply(&message, status);
            if message.text.starts_with(method) {
                return Some(message.text);
            }
        }
        None
    }

    fn reply_ok(&self, request: &Answer) {
        self.reply(request, "200 OK");
    }

    fn reply(&self, request: &Answer, status: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for line in request.text.lines().skip(1).take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            if ["via", "from", "to", "call-id", "cseq", "record-route"].contains(&name.as_str()) {
                text.push_str(line);
                text.push_str("\r\n");
            }
        }
        let local = self.sip.local_addr().expect("bound");
        text.push_str(&format!("Contact: <sip:caller@{local}>\r\nContent-Length: 0\r\n\r\n"));
        self.sip.send_to(text.as_bytes(), self.server).expect("a datagram goes out");
    }

    /// Begins to send and keep sound, with the address that the answer names.
    pub fn begin_media(&mut self, answer: &Answer) {
        let port = answer.text.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        // Behind a proxy the sound comes from another address than the answer.
        let line = answer.text.lines().find_map(|line| line.strip_prefix("c=IN "));
        let address = line.and_then(|line| line.split(' ').nth(1)?.trim().parse().ok());
        let peer =
            SocketAddr::new(address.unwrap_or_else(|| self.server.ip()), port.expect("a media port in the answer"));
        let socket = self.rtp.take().expect("media begins once");
        self.media = Some(Media::begin(socket, peer, self.codec));
    }

    /// Sends any octets from the port that the sound comes from.
    pub fn send_media(&self, octets: &[u8]) {
        self.media().send(octets);
    }

    /// Stops sending sound, as a broken line does.
    pub fn mute(&self) {
        self.media().mute();
    }

    /// Presses keys as RFC 4733 events, 80 ms on, 60 ms off.
    pub fn press(&self, keys: &str) {
        self.media().press(keys);
    }

    /// Says these octets, in the call's codec, from the next packet on.
    pub fn say(&self, octets: &[u8]) {
        self.media().say(octets);
    }

    /// Waits until everything has been said.
    pub fn has_said_all(&self) {
        eventually(Duration::from_secs(120), "all is said", || self.media().has_said_all());
    }

    /// Presses a key as SIP INFO (application/dtmf-relay).
    pub fn press_info(&mut self, key: char) {
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        let answer = self.request("INFO", "Content-Type: application/dtmf-relay\r\n", &body);
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// The keys that came as telephone events.
    pub fn keys(&self) -> String {
        self.media().events()
    }

    /// Everything heard so far, in the order of sequence numbers.
    pub fn heard(&self) -> Vec<u8> {
        self.media().heard()
    }

    /// Whether a recording is heard, within a limit, after what was heard before.
    pub fn hears(&mut self, clip: &[u8], limit: Duration) -> bool {
        let mut search = Search::new(clip, self.heard_to);
        let Ok(end) = within(limit, || search.in_more(&self.heard())) else {
            let (count, missing) = self.media().packets();
            eprintln!("{}: {count} packets were heard, {missing} are missing between them", self.call_id);
            return false;
        };
        self.heard_to = end;
        true
    }

    fn media(&self) -> &Media {
        self.media.as_ref().expect("media has begun")
    }

    fn end_media(&mut self) {
        if let Some(media) = &mut self.media {
            media.end();
        }
    }
}

/// The route set of an answer (RFC 3261 §12.1.2): reversed.
fn routes(answer: &Answer) -> String {
    let head = answer.text.lines().take_while(|line| !line.is_empty());
    let recorded = head.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("record-route").then(|| value.trim())
    });
    let mut routes: Vec<&str> = recorded.flat_map(|value| value.split(',')).map(str::trim).collect();
    routes.reverse();
    routes.iter().map(|route| format!("Route: {route}\r\n")).collect()
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.end_media();
    }
}
