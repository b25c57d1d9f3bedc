//! A telephone: dials over UDP, presses keys as RFC 4733 events, keeps every octet that it receives.
//!
//! ```text
//!  INVITE ─► 200 ─► ACK ─► every 20 ms: one packet out (silence, a key, a voice), whatever came in is kept
//!                              ▲ REFER: notifies how the transfer ended    BYE from either side ─► over
//! ```
//! One thread owns it; no method waits longer than its limit.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::dialog::Dialog;
use super::received_audio::ReceivedAudio;
use super::rtp_sender::{PTIME, RtpSender};
use audio::{ClipMatch, ClipSequence, g711};
use base::{Codec, Codecs, Key};
use flow::TransferOutcome;
use os::clock;
use rtp::Packet;
use sdp::{self, LocalMedia, Negotiated};
use sip::{HeaderName, Message, Method, parse_datagram};

/// A telephone in a call.
pub(super) struct Telephone {
    sip: UdpSocket,
    rtp: UdpSocket,
    dialog: Dialog,
    media: Option<Negotiated>,
    /// The last request sent that awaits its response.
    pending: Option<Pending>,
    answer: Option<u16>,
    acknowledgement: String,
    sender: RtpSender,
    due: Instant,
    heard: ReceivedAudio,
    is_over: bool,
    /// How transfers end.
    pub transfer: TransferOutcome,
}

struct Pending {
    text: String,
    cseq: u32,
    again: Instant,
    wait: Duration,
}

impl Telephone {
    /// Calls a number and waits until it is answered.
    pub(crate) fn dial(gateway: SocketAddr, number: &str, limit: Duration) -> Result<Telephone, String> {
        let mut phone = Telephone::new(gateway, number).map_err(|error| format!("no socket: {error}"))?;
        let ours = phone.media_of()?;
        let offer = String::from_utf8_lossy(&sdp::offer(&ours)).into_owned();
        phone.request("INVITE", "Content-Type: application/sdp\r\n", &offer);
        let until = clock::now() + limit;
        while phone.answer.is_none() && clock::now() < until {
            phone.listen();
            std::thread::sleep(BETWEEN_LOOKS);
        }
        match (phone.answer, &phone.media) {
            (Some(200..=299), Some(_)) => {
                phone.due = clock::now();
                Ok(phone)
            }
            (Some(200..=299), None) => Err(format!("{gateway}: its session description cannot be used")),
            (Some(status), _) => Err(format!("{gateway} answered {status}")),
            (None, _) => Err(format!("{gateway} did not answer within {} s", limit.as_secs())),
        }
    }

    fn new(gateway: SocketAddr, number: &str) -> io::Result<Telephone> {
        // The address of this machine that packets to the gateway leave from.
        let any: SocketAddr = if gateway.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 8], 0).into() };
        let sip = UdpSocket::bind(any)?;
        sip.connect(gateway)?;
        let here = sip.local_addr()?;
        let rtp = UdpSocket::bind((here.ip(), 0))?;
        sip.set_nonblocking(true)?;
        rtp.set_nonblocking(true)?;
        let seed = clock::random_u64();
        let number_uri = format!("sip:{number}@{gateway}");
        let dialog = Dialog {
            local: here,
            user: format!("sheet{:08}", seed % 100_000_000),
            call_id: format!("{seed:016x}@{}", here.ip()),
            tag: format!("{:08x}", clock::random_u64() as u32),
            to: format!("<{number_uri}>"),
            target: number_uri,
            routes: Vec::new(),
            cseq: 0,
        };
        Ok(Telephone {
            sip,
            rtp,
            dialog,
            media: None,
            pending: None,
            answer: None,
            acknowledgement: String::new(),
            sender: RtpSender::new(clock::random_u64() as u32),
            due: clock::now(),
            heard: ReceivedAudio::default(),
            is_over: false,
            transfer: TransferOutcome::Done,
        })
    }

    fn media_of(&self) -> Result<LocalMedia, String> {
        let here = self.rtp.local_addr().map_err(|error| error.to_string())?;
        Ok(LocalMedia {
            address: here.ip(),
            rtp_port: here.port(),
            rtcp_port: here.port().wrapping_add(1),
            session_id: u64::from(self.sender.ssrc()),
            version: 1,
            codecs: Codecs::ALL,
            ptime: LocalMedia::PTIME,
        })
    }

    /// The negotiated codec.
    pub(crate) fn codec(&self) -> Codec {
        self.media.as_ref().map_or(Codec::Alaw, |media| media.codec)
    }

    /// All audio received so far.
    pub(crate) fn heard(&self) -> &[u8] {
        &self.heard.octets
    }

    /// Whether the gateway has hung up.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Presses keys, one after the other.
    pub(crate) fn press(&mut self, keys: &[Key]) {
        self.sender.press(keys);
    }

    /// Speaks for this time.
    pub(crate) fn speak(&mut self, time: Duration) {
        self.sender.speak(time);
    }

    /// Lets this much time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = clock::now() + time;
        while clock::now() < until && !self.is_over {
            self.tick();
        }
    }

    /// Goes on until everything was sent.
    pub(crate) fn send_all(&mut self) {
        while !self.sender.is_idle() && !self.is_over {
            self.tick();
        }
    }

    /// Listens until a sound was heard, from octet `from` on.
    pub(crate) fn hear(
        &mut self,
        sought: &ClipSequence,
        from: usize,
        limit: Duration,
    ) -> Option<std::ops::Range<usize>> {
        let until = clock::now() + limit;
        let mut searched = from;
        let mut looked = 0;
        loop {
            // Searching at every packet would cost more than it gains.
            if self.heard.octets.len() >= looked + LOOK_EVERY || self.is_over {
                looked = self.heard.octets.len();
                if let ClipMatch::Found(found) = sought.find(&self.heard.octets, &mut searched) {
                    return Some(found);
                }
            }
            if self.is_over || clock::now() > until {
                return None;
            }
            self.tick();
        }
    }

    /// Waits until the gateway hangs up.
    pub(crate) fn await_end(&mut self, limit: Duration) -> bool {
        let until = clock::now() + limit;
        while !self.is_over && clock::now() < until {
            self.tick();
        }
        self.is_over
    }

    /// Ends the call.
    pub(crate) fn hang_up(mut self) {
        if self.is_over {
            return;
        }
        self.answer = None;
        self.request("BYE", "", "");
        let until = clock::now() + GOODBYE;
        while self.answer.is_none() && clock::now() < until {
            self.listen();
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Sends one packet, and reads every packet that arrived.
    fn tick(&mut self) {
        self.send_packet();
        self.listen();
        self.due += PTIME;
        let now = clock::now();
        if self.due < now {
            // Lateness is skipped, never repaid in a burst.
            self.due = now;
        }
        std::thread::sleep(self.due.saturating_duration_since(now));
    }

    fn send_packet(&mut self) {
        if let Some(media) = &self.media
            && let Some(peer) = media.peer
        {
            self.sender.send(&self.rtp, peer.rtp, media);
        }
    }

    fn listen(&mut self) {
        let mut buffer = [0; 65_535];
        for _ in 0..DATAGRAMS {
            let Ok(length) = self.rtp.recv(&mut buffer) else { break };
            if let Ok(packet) = Packet::read(&buffer[..length])
                && self.media.as_ref().is_some_and(|media| media.payload == packet.header.payload_type)
            {
                self.heard.packet(packet.header.sequence, packet.payload, g711::idle(self.codec()));
            }
        }
        for _ in 0..DATAGRAMS {
            let Ok(length) = self.sip.recv(&mut buffer) else { break };
            if let Ok(message) = parse_datagram(&buffer[..length])
                && message.call_id() == self.dialog.call_id
            {
                self.receive(&message);
            }
        }
        self.repeat();
    }

    fn repeat(&mut self) {
        let now = clock::now();
        if let Some(pending) = &mut self.pending
            && pending.again <= now
        {
            pending.wait = (pending.wait * 2).min(Duration::from_secs(4));
            pending.again = now + pending.wait;
            let _ = self.sip.send(pending.text.as_bytes());
        }
    }

    fn receive(&mut self, message: &Message) {
        let (Some(status), cseq) = (message.status(), message.cseq().number) else { return self.on_request(message) };
        if status < 200 {
            // RFC 3261 §17.1.1.2: a provisional answer ends the repeats of an INVITE.
            if message.cseq().method == Method::Invite {
                self.pending = None;
            }
            return;
        }
        if self.pending.as_ref().is_some_and(|pending| pending.cseq == cseq) {
            self.pending = None;
        }
        if message.cseq().method == Method::Invite {
            self.answered(message, status);
        }
        self.answer = self.answer.or(Some(status));
    }

    fn answered(&mut self, message: &Message, status: u16) {
        if self.acknowledgement.is_empty() {
            self.dialog.to = message.header(HeaderName::To).unwrap_or_default().to_owned();
            if status < 300 {
                if let Some(contact) = message.contact() {
                    self.dialog.target = contact.uri.to_owned();
                }
                self.dialog.routes = message.list(HeaderName::RecordRoute).map(str::to_owned).collect();
                self.dialog.routes.reverse();
                self.media = self.media_of().ok().and_then(|ours| sdp::accept(&message.sdp()?, &ours).ok());
            }
            let branch = if status < 300 { "a" } else { "i" };
            self.acknowledgement = self.dialog.text("ACK", self.dialog.cseq, branch, "", "");
        }
        let _ = self.sip.send(self.acknowledgement.as_bytes());
    }

    /// Answers a request of the gateway.
    fn on_request(&mut self, message: &Message) {
        match message.method() {
            Some(Method::Ack) | None => {}
            Some(Method::Bye) => {
                self.reply(message, "200 OK");
                self.is_over = true;
            }
            Some(Method::Refer) => {
                self.reply(message, "202 Accepted");
                self.notify();
            }
            Some(_) => self.reply(message, "200 OK"),
        }
    }

    /// RFC 3515 §2.4.4: how the referred call went.
    fn notify(&mut self) {
        let body = match self.transfer {
            TransferOutcome::Done => "SIP/2.0 200 OK",
            TransferOutcome::Busy => "SIP/2.0 486 Busy Here",
            TransferOutcome::Failed => "SIP/2.0 503 Service Unavailable",
        };
        let headers =
            "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\nContent-Type: message/sipfrag\r\n";
        self.request("NOTIFY", headers, body);
    }

    fn reply(&self, request: &Message, status: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (name, spelling) in [(HeaderName::Via, "Via"), (HeaderName::RecordRoute, "Record-Route")] {
            for value in request.headers(name) {
                text.push_str(&format!("{spelling}: {value}\r\n"));
            }
        }
        for (name, spelling) in [
            (HeaderName::From, "From"),
            (HeaderName::To, "To"),
            (HeaderName::CallId, "Call-ID"),
            (HeaderName::CSeq, "CSeq"),
        ] {
            text.push_str(&format!("{spelling}: {}\r\n", request.header(name).unwrap_or_default()));
        }
        text.push_str(&format!(
            "Contact: <sip:{}@{}>\r\nContent-Length: 0\r\n\r\n",
            self.dialog.user, self.dialog.local
        ));
        let _ = self.sip.send(text.as_bytes());
    }

    fn request(&mut self, method: &str, headers: &str, body: &str) {
        self.dialog.cseq += 1;
        let cseq = self.dialog.cseq;
        let text = self.dialog.text(method, cseq, "i", headers, body);
        let _ = self.sip.send(text.as_bytes());
        self.pending = Some(Pending { text, cseq, again: clock::now() + T1, wait: T1 });
    }
}

/// Datagrams taken in one go.
const DATAGRAMS: usize = 64;
/// Octets between two searches: a tenth of a second.
const LOOK_EVERY: usize = 800;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const GOODBYE: Duration = Duration::from_secs(2);
