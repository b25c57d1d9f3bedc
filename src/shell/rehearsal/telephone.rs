//! A telephone: dials over UDP, presses keys as RFC 4733 events, keeps every octet that it hears.
//!
//! ```text
//!  INVITE ─► 200 ─► ACK ─► every 20 ms: one packet out (silence, a key, a voice), whatever came in is kept
//!                              ▲ REFER: told how the transfer ended      BYE from either side ─► over
//! ```
//! One thread owns it; nothing waits longer than it is told to.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::dialog::Dialog;
use super::line_in::Heard;
use audio::{ClipMatch, ClipSequence, g711};
use base::{Codec, Key};
use flow::TransferOutcome;
use os::clock;
use rtp::{HEADER_OCTETS, Header, Packet};
use sdp::{self, LocalMedia, Negotiated};
use sip::{HeaderName, Message, Method, parse_datagram};

/// A telephone in a call.
pub(super) struct Telephone {
    sip: UdpSocket,
    rtp: UdpSocket,
    dialog: Dialog,
    media: Option<Negotiated>,
    /// The last request of ours that waits for its answer.
    pending: Option<Pending>,
    answer: Option<u16>,
    acknowledgement: String,
    sending: VecDeque<Sending>,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    due: Instant,
    heard: Heard,
    dice: u32,
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

/// One packet's worth of what a caller does.
enum Sending {
    /// A packet of an event: its length in samples, first and last.
    Event {
        key: Key,
        length: u16,
        first: bool,
        last: bool,
    },
    Silence,
    Voice,
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
        let seed = clock::seed();
        let number_uri = format!("sip:{number}@{gateway}");
        let dialog = Dialog {
            local: here,
            user: format!("sheet{:08}", seed % 100_000_000),
            call_id: format!("{seed:016x}@{}", here.ip()),
            tag: format!("{:08x}", clock::seed() as u32),
            to: format!("<{number_uri}>"),
            target: number_uri,
            routes: Vec::new(),
            cseq: 0,
        };
        let dice = clock::seed() as u32;
        Ok(Telephone {
            sip,
            rtp,
            dialog,
            media: None,
            pending: None,
            answer: None,
            acknowledgement: String::new(),
            sending: VecDeque::new(),
            sequence: dice as u16 & 0x7FFF,
            timestamp: dice,
            ssrc: dice ^ 0x5555_5555,
            due: clock::now(),
            heard: Heard::default(),
            dice,
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
            session_id: u64::from(self.ssrc),
            version: 1,
        })
    }

    /// The law that is heard.
    pub(crate) fn codec(&self) -> Codec {
        self.media.as_ref().map_or(Codec::Alaw, |media| media.codec)
    }

    /// Everything heard so far.
    pub(crate) fn heard(&self) -> &[u8] {
        &self.heard.octets
    }

    /// Whether the gateway has hung up.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Presses keys, one after the other.
    pub(crate) fn press(&mut self, keys: &[Key]) {
        for key in keys {
            let packets = (1..=KEY_PACKETS).map(|n| Sending::Event {
                key: *key,
                length: n * PACKET as u16,
                first: n == 1,
                last: n == KEY_PACKETS,
            });
            self.sending.extend(packets);
            self.sending.extend((0..PAUSE_PACKETS).map(|_| Sending::Silence));
        }
    }

    /// Says something for so long, that is no tone.
    pub(crate) fn speak(&mut self, time: Duration) {
        let packets = time.as_millis() / PTIME.as_millis();
        self.sending.extend((0..packets).map(|_| Sending::Voice));
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = clock::now() + time;
        while clock::now() < until && !self.is_over {
            self.tick();
        }
    }

    /// Goes on until everything was sent.
    pub(crate) fn send_all(&mut self) {
        while !self.sending.is_empty() && !self.is_over {
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

    /// One packet out, and whatever came in.
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
        let Some((peer, codec, payload, event)) = self.media.as_ref().and_then(|media| {
            let peer = media.peer?;
            Some((peer.rtp, media.codec, media.payload, media.event_payload.unwrap_or(EVENT_PAYLOAD)))
        }) else {
            return;
        };
        match self.sending.pop_front() {
            Some(Sending::Event { key, length, first, last }) => {
                let start = self.timestamp.wrapping_sub(u32::from(length) - PACKET as u32);
                let [high, low] = length.to_be_bytes();
                let body = [event_of(key), if last { 0x8A } else { 0x0A }, high, low];
                // The last one three times (RFC 4733 §2.5.1.4): one of them arrives.
                for _ in 0..if last { 3 } else { 1 } {
                    self.packet(peer, event, first, start, &body);
                }
            }
            Some(Sending::Voice) => {
                let body: Vec<u8> = (0..PACKET).map(|_| self.noise(codec)).collect();
                self.packet(peer, payload, false, self.timestamp, &body);
            }
            Some(Sending::Silence) | None => {
                self.packet(peer, payload, false, self.timestamp, &[g711::idle(codec); PACKET]);
            }
        }
        self.timestamp = self.timestamp.wrapping_add(PACKET as u32);
    }

    /// Noise is no tone, so that it is heard as no key.
    fn noise(&mut self, codec: Codec) -> u8 {
        self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        g711::encode(codec, (self.dice >> 16) as i16 / 8)
    }

    fn packet(&mut self, peer: SocketAddr, payload_type: u8, marker: bool, timestamp: u32, body: &[u8]) {
        let header = Header { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        let mut head = [0; HEADER_OCTETS];
        header.write(&mut head);
        self.sequence = self.sequence.wrapping_add(1);
        let _ = self.rtp.send_to(&[&head[..], body].concat(), peer);
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
        let (Some(status), cseq) = (message.status(), message.cseq().number) else { return self.asked(message) };
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

    /// Answers a request of the gateway's.
    fn asked(&mut self, message: &Message) {
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

fn event_of(key: Key) -> u8 {
    match key {
        Key::Digit(digit) => digit,
        Key::Star => 10,
        Key::Pound => 11,
    }
}

const PTIME: Duration = Duration::from_millis(20);
/// Octets of sound in a packet.
const PACKET: usize = 160;
/// A press of 80 ms and a pause of 60: what a finger does.
const KEY_PACKETS: u16 = 4;
const PAUSE_PACKETS: usize = 3;
/// As our own offer numbers it.
const EVENT_PAYLOAD: u8 = 101;
/// Datagrams taken in one go.
const DATAGRAMS: usize = 64;
/// Octets between two searches: a tenth of a second.
const LOOK_EVERY: usize = 800;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const GOODBYE: Duration = Duration::from_secs(2);
