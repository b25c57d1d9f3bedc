//! Many telephones in one thread: SIP over one socket, RTP over a few, one step every millisecond.
//!
//! ```text
//!  Idle ── INVITE ──► Calling ── 200, ACK ──► Talking ── BYE ──► Leaving ── 200 ──► Idle
//! ```

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use srtp::{KeyGenerator, MasterKey, RTP_TRAILER_MAX, Receiver, Sender, Suite};

use super::marks::{Ear, mark};
use super::sockets::{Inbound, Outbound, exact_sleeps, stamped, wall_ns};

/// What was measured, in milliseconds, and counted.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) answers: Vec<f64>,
    pub(crate) firsts: Vec<f64>,
    pub(crate) gaps: Vec<f64>,
    pub(crate) silences: Vec<f64>,
    /// From a packet's departure at the other end of a bridge to its sound here.
    pub(crate) delays: Vec<f64>,
    pub(crate) lost: u64,
    /// Packets that had come already, or that an earlier one should have followed.
    pub(crate) doubled: u64,
    /// Packets whose timestamp is not that of their time: no whole packets after the one before, or far from the clock.
    pub(crate) untimely: u64,
    /// Calls that were held and heard sound again.
    pub(crate) resumed: u64,
    pub(crate) called: u64,
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    /// Of the failed: 503 with Retry-After.
    pub(crate) shed: u64,
    /// INVITE to the first final answer, whatever it is.
    pub(crate) finals: Vec<f64>,
    pub(crate) repeats: u64,
    /// Protected calls whose first packet was not under the key of the answer.
    pub(crate) strange: u64,
    /// How late this side ran at worst: what it cannot blame on the other.
    pub(crate) late: f64,
}

/// All telephones.
pub(crate) struct Callers {
    server: SocketAddr,
    sip: UdpSocket,
    rtp: Vec<UdpSocket>,
    calls: Vec<Call>,
    free: Vec<usize>,
    by_port: Vec<Option<usize>>,
    inbound: Inbound,
    outbound: Vec<Outbound>,
    began: Instant,
    steps: u32,
    serial: u64,
    /// The suite of protected calls.
    suite: Option<Suite>,
    /// Calls change their SSRC in the middle.
    changing: bool,
    /// Calls send marks.
    marking: bool,
    /// Gaps count from here on.
    measuring: Option<u64>,
    pub(crate) heard: Heard,
}

#[derive(Default)]
struct Call {
    state: State,
    id: String,
    to: String,
    target: String,
    peer: Option<u16>,
    asked: u64,
    repeat_at: u64,
    repeats: u32,
    acked: u64,
    leaves_at: Option<u64>,
    hold_at: Option<u64>,
    /// How long the call is held.
    held_for: u64,
    resume_at: Option<u64>,
    /// The call was held, and nothing was heard since.
    was_held: bool,
    /// The number of the last request of this side.
    cseq: u32,
    key_at: Option<u64>,
    /// The keys that are still to be pressed, and the time between two of them.
    keys: &'static [u8],
    keys_apart: u64,
    pressed: Option<u64>,
    event_packets: u32,
    sequence: u16,
    time: u32,
    /// When the SSRC changes, in RTP time; never if zero.
    changes_at: u32,
    last: Option<Packet>,
    secure: Option<Box<Secure>>,
    /// Each packet tells when it was sent; what comes back is searched for such marks.
    marking: bool,
    ear: Ear,
}

/// What the last packet heard was.
#[derive(Clone, Copy)]
struct Packet {
    /// When it came, by wall clock in nanoseconds.
    at: u64,
    sequence: u16,
    time: u32,
}

/// Both directions of a protected call. What is heard is verified once: this side's processor is not what is measured.
struct Secure {
    sender: Sender,
    receiver: Option<Receiver>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Calling,
    Talking,
    Leaving,
}

/// What a caller does after the answer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manners {
    pub(crate) leaves_after: Option<Duration>,
    /// Presses keys, so long after the answer and after one another.
    pub(crate) presses_after: Option<Duration>,
    /// The keys: those of RFC 4733 events.
    pub(crate) keys: &'static [u8],
    /// Holds the call so long after the answer, and for how long.
    pub(crate) holds: Option<(Duration, Duration)>,
}

impl Callers {
    pub(crate) fn new(server: SocketAddr, most: usize) -> Callers {
        exact_sleeps();
        Callers {
            server,
            sip: stamped(),
            rtp: (0..SOCKETS).map(|_| stamped()).collect(),
            calls: (0..most).map(|_| Call::default()).collect(),
            free: (0..most).rev().collect(),
            by_port: vec![None; 65_536],
            inbound: Inbound::new(),
            outbound: (0..SOCKETS).map(|_| Outbound::default()).collect(),
            began: Instant::now(),
            steps: 0,
            serial: 0,
            suite: None,
            changing: false,
            marking: false,
            measuring: None,
            heard: Heard::default(),
        }
    }

    /// Where each caller's sound comes from and goes to.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        (0..self.calls.len()).map(|n| self.rtp[n % SOCKETS].local_addr().expect("bound")).collect()
    }

    /// Talks to bare ports, without any signalling.
    pub(crate) fn talk_to(&mut self, ports: &[u16]) {
        for (n, port) in ports.iter().enumerate() {
            self.calls[n].state = State::Talking;
            self.calls[n].peer = Some(*port);
            self.by_port[usize::from(*port)] = Some(n);
        }
    }

    /// Offers SRTP by this suite in the calls to come.
    pub(crate) fn protect(&mut self, suite: Option<Suite>) {
        self.suite = suite;
    }

    /// Lets the calls to come change their SSRC and sequence numbers after some seconds, as gateways do that move a call.
    pub(crate) fn change_sources(&mut self, on: bool) {
        self.changing = on;
    }

    /// Lets the calls to come mark their packets, and listen to marks.
    pub(crate) fn mark(&mut self, on: bool) {
        self.marking = on;
    }

    /// When each call heard its first mark, by wall clock in nanoseconds, at the place of its telephone.
    pub(crate) fn first_marks(&self) -> Vec<Option<u64>> {
        self.calls.iter().map(|call| call.ear.first).collect()
    }

    /// Begins to measure gaps, or ends.
    pub(crate) fn measure(&mut self, on: bool) {
        self.measuring = on.then(wall_ns);
    }

    pub(crate) fn talking(&self) -> usize {
        self.calls.iter().filter(|call| call.state == State::Talking).count()
    }

    pub(crate) fn busy(&self) -> usize {
        self.calls.len() - self.free.len()
    }

    /// Calls at a rate for some time, at most as many as there are telephones, and steps on.
    pub(crate) fn dial(&mut self, number: &str, rate: f64, time: Duration, most: u64, manners: Manners) {
        let (began, before) = (Instant::now(), self.heard.called);
        while began.elapsed() < time && self.heard.called - before < most {
            let due = (began.elapsed().as_secs_f64() * rate) as u64;
            while self.heard.called - before < due.min(most) {
                let Some(n) = self.free.pop() else { break };
                self.call(n, number, manners);
            }
            self.step();
        }
    }

    /// Steps on for some time, or until a condition holds.
    pub(crate) fn go_on(&mut self, most: Duration, enough: impl Fn(&Callers) -> bool) {
        let began = Instant::now();
        while began.elapsed() < most && !enough(self) {
            self.step();
        }
    }

    /// Everybody leaves, spread over a time.
    pub(crate) fn leave(&mut self, over: Duration) {
        let (now, all) = (wall_ns(), self.calls.len() as u64);
        for (n, call) in self.calls.iter_mut().enumerate() {
            call.leaves_at = Some(now + over.as_nanos() as u64 * n as u64 / all);
        }
        self.go_on(over + LAST_PATIENCE, |callers| callers.busy() == 0);
        self.heard.failed += self.busy() as u64;
    }

    fn step(&mut self) {
        self.steps += 1;
        let due = self.began + Duration::from_millis(self.steps.into());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let late = due.elapsed();
        if late > TOO_LATE {
            // Held up: nothing is repaid in a burst.
            self.began += late;
        }
        if self.measuring.is_some() {
            self.heard.late = self.heard.late.max(late.as_secs_f64() * 1000.0);
        }
        self.take_sip();
        self.take_rtp();
        self.send_rtp();
        self.keep_appointments();
    }

    fn call(&mut self, n: usize, number: &str, manners: Manners) {
        self.serial += 1;
        self.heard.called += 1;
        let now = wall_ns();
        let after = |time: Option<Duration>| time.map(|time| time.as_nanos() as u64);
        self.calls[n] = Call {
            state: State::Calling,
            id: format!("{n}-{}-{}", self.serial, std::process::id()),
            to: format!("<sip:{number}@{}>", self.server),
            target: format!("sip:{number}@{}", self.server),
            asked: now,
            repeat_at: now + T1_NS,
            // Relative until the answer.
            leaves_at: after(manners.leaves_after),
            hold_at: after(manners.holds.map(|(from, _)| from)),
            held_for: after(manners.holds.map(|(_, long)| long)).unwrap_or_default(),
            cseq: 1,
            key_at: after(manners.presses_after),
            keys: manners.keys,
            keys_apart: after(manners.presses_after).unwrap_or_default(),
            sequence: 1,
            marking: self.marking,
            changes_at: if self.changing { CHANGE } else { 0 },
            ..Call::default()
        };
        self.invite(n);
    }

    /// The INVITE of the call, or the one that holds or resumes it.
    fn invite(&mut self, n: usize) {
        let port = self.rtp[n % SOCKETS].local_addr().expect("bound").port();
        let direction = if self.calls[n].resume_at.is_some() { "sendonly" } else { "sendrecv" };
        let version = self.calls[n].cseq;
        let (protocol, crypto) = match self.suite {
            None => ("AVP", String::new()),
            Some(suite) => {
                let key = Base64::encode_string(self.key(n, suite).expose());
                ("SAVP", format!("a=crypto:1 {} inline:{key}\r\n", suite.name()))
            }
        };
        let sdp = format!(
            "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/{protocol} 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp-mux\r\n\
             a={direction}\r\n{crypto}"
        );
        self.request(n, "INVITE", self.calls[n].cseq, &sdp);
    }

    /// The key that this caller sends under: the same one when its INVITE is repeated.
    fn key(&self, n: usize, suite: Suite) -> MasterKey {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
        KeyGenerator::new(seed).next_key(suite)
    }

    /// The contexts of a call that was answered with a key.
    fn secure(&self, n: usize, text: &str) -> Option<Box<Secure>> {
        let suite = self.suite?;
        let key =
            text.split(" inline:").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a key in the answer");
        let key = MasterKey::new(suite, &Base64::decode_vec(key).expect("base64")).expect("the key's length");
        let receiver = Some(Receiver::new(key.into()));
        Some(Box::new(Secure { sender: Sender::new(self.key(n, suite)), receiver }))
    }

    fn request(&mut self, n: usize, method: &str, cseq: u32, sdp: &str) {
        let (call, local) = (&self.calls[n], self.sip.local_addr().expect("bound"));
        let branch = format!("{}-{method}-{cseq}", call.id);
        let mut text = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{}@{local}>;tag=f{}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:load@{local}>\r\n",
            call.target,
            number(n),
            call.id,
            call.to,
            call.id
        );
        if !sdp.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        let _ = write!(text, "Content-Length: {}\r\n\r\n{sdp}", sdp.len());
        let _ = self.sip.send_to(text.as_bytes(), self.server);
    }

    fn take_sip(&mut self) {
        let mut inbound = std::mem::replace(&mut self.inbound, Inbound::new());
        let sip = self.sip.try_clone().expect("a second handle");
        inbound.drain(&sip, |bytes, at, _| self.on_sip(&String::from_utf8_lossy(bytes), at));
        self.inbound = inbound;
    }

    fn on_sip(&mut self, text: &str, at: u64) {
        let id = header(text, "Call-ID").unwrap_or_default();
        let n = id.split('-').next().and_then(|n| n.parse::<usize>().ok());
        let Some(n) = n.filter(|n| self.calls.get(*n).is_some_and(|call| call.id == id)) else { return };
        let Some(status) = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok()) else {
            return self.on_request(n, text);
        };
        let numbered = header(text, "CSeq").unwrap_or_default();
        let invited = numbered.ends_with("INVITE");
        let cseq = numbered.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        match (self.calls[n].state, status) {
            (_, ..200) => {}
            (State::Calling, 200) if invited => self.answered(n, text, at),
            (State::Talking, 200) if invited => self.request(n, "ACK", cseq, ""),
            (State::Leaving, _) if !invited => {
                self.heard.ended += 1;
                self.forget(n);
            }
            (State::Calling, _) if invited => self.refused(n, text, status, at),
            (State::Talking, _) if invited => panic!("a call in progress is held and resumed: {text}"),
            _ => {}
        }
    }

    /// The other side hangs up: that is no call as it was planned.
    fn on_request(&mut self, n: usize, text: &str) {
        let mut reply = String::from("SIP/2.0 200 OK\r\n");
        for line in text.lines().skip(1).take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap_or_default();
            if ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name) {
                let _ = write!(reply, "{line}\r\n");
            }
        }
        let _ = self.sip.send_to(format!("{reply}Content-Length: 0\r\n\r\n").as_bytes(), self.server);
        if text.starts_with("BYE") && matches!(self.calls[n].state, State::Calling | State::Talking) {
            self.heard.failed += 1;
            self.forget(n);
        }
    }

    fn refused(&mut self, n: usize, text: &str, status: u16, at: u64) {
        self.heard.failed += 1;
        self.heard.shed += u64::from(status == 503 && header(text, "Retry-After").is_some());
        self.heard.finals.push(ms(at.saturating_sub(self.calls[n].asked)));
        // The ACK of a refusal has the branch of its INVITE (RFC 3261 §17.1.1.3).
        let branch = header(text, "Via").and_then(|via| via.split("branch=").nth(1)?.split(';').next());
        let (call, local) = (&self.calls[n], self.sip.local_addr().expect("bound"));
        let ack = format!(
            "ACK {} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch={};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{}@{local}>;tag=f{}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
            call.target,
            branch.unwrap_or_default(),
            number(n),
            call.id,
            header(text, "To").unwrap_or_default(),
            call.id
        );
        let _ = self.sip.send_to(ack.as_bytes(), self.server);
        self.forget(n);
    }

    fn answered(&mut self, n: usize, text: &str, at: u64) {
        let port = text.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u16>().ok());
        let contact = header(text, "Contact").and_then(|contact| contact.split(['<', '>']).nth(1));
        let secure = self.secure(n, text);
        let call = &mut self.calls[n];
        call.state = State::Talking;
        call.secure = secure;
        call.target = contact.unwrap_or(&call.target).to_owned();
        call.to = header(text, "To").unwrap_or_default().to_owned();
        call.peer = port;
        call.acked = wall_ns();
        call.leaves_at = call.leaves_at.map(|after| call.acked + after);
        call.key_at = call.key_at.map(|after| call.acked + after);
        call.hold_at = call.hold_at.map(|after| call.acked + after);
        self.heard.answers.push(ms(at.saturating_sub(call.asked)));
        self.heard.finals.push(ms(at.saturating_sub(call.asked)));
        self.by_port[usize::from(port.expect("a media port in the answer"))] = Some(n);
        self.request(n, "ACK", 1, "");
    }

    fn forget(&mut self, n: usize) {
        let call = &mut self.calls[n];
        if let Some(port) = call.peer.take()
            && self.by_port[usize::from(port)] == Some(n)
        {
            self.by_port[usize::from(port)] = None;
        }
        call.state = State::Idle;
        self.free.push(n);
    }

    fn take_rtp(&mut self) {
        let (calls, by_port, heard) = (&mut self.calls, &self.by_port, &mut self.heard);
        for socket in &self.rtp {
            self.inbound.drain(socket, |packet, at, port| {
                let is_sound = packet.len() > 12 && packet[1] & 0x7f == 8;
                if let Some(n) = by_port[usize::from(port)].filter(|_| is_sound) {
                    calls[n].hears(packet, at, self.measuring, heard);
                }
            });
        }
    }

    fn send_rtp(&mut self) {
        let slot = self.steps as usize % PACKET_STEPS;
        let now = wall_ns();
        for n in (slot..self.calls.len()).step_by(PACKET_STEPS) {
            let call = &mut self.calls[n];
            if let (State::Talking, Some(port)) = (call.state, call.peer) {
                call.sends(now, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), &mut self.outbound[n % SOCKETS]);
            }
        }
        for (socket, outbound) in self.rtp.iter().zip(&mut self.outbound) {
            outbound.send(socket);
        }
    }

    fn keep_appointments(&mut self) {
        let now = wall_ns();
        for n in 0..self.calls.len() {
            let call = &mut self.calls[n];
            match call.state {
                State::Idle => {}
                State::Talking if call.leaves_at.is_some_and(|at| at <= now) && call.acked > 0 => {
                    call.state = State::Leaving;
                    (call.repeats, call.repeat_at) = (0, now + T1_NS);
                    call.cseq += 1;
                    self.request(n, "BYE", self.calls[n].cseq, "");
                }
                State::Talking if call.hold_at.is_some_and(|at| at <= now) && call.acked > 0 => {
                    (call.hold_at, call.resume_at) = (None, Some(now + call.held_for));
                    call.cseq += 1;
                    self.invite(n);
                }
                State::Talking if call.resume_at.is_some_and(|at| at <= now) => {
                    (call.resume_at, call.was_held) = (None, true);
                    call.cseq += 1;
                    self.invite(n);
                }
                State::Talking => {}
                State::Calling | State::Leaving if call.repeat_at <= now => self.repeat(n, now),
                State::Calling | State::Leaving => {}
            }
        }
    }

    fn repeat(&mut self, n: usize, now: u64) {
        let call = &mut self.calls[n];
        call.repeats += 1;
        call.repeat_at = now + (T1_NS << call.repeats);
        self.heard.repeats += 1;
        if call.repeats > REPEATS_MAX {
            self.heard.failed += 1;
            self.forget(n);
        } else if call.state == State::Calling {
            self.invite(n);
        } else {
            self.request(n, "BYE", self.calls[n].cseq, "");
        }
    }
}

impl Call {
    fn hears(&mut self, packet: &[u8], at: u64, measuring: Option<u64>, heard: &mut Heard) {
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let time = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        match self.last {
            None if self.acked > 0 => heard.firsts.push(ms(at.saturating_sub(self.acked))),
            Some(last) if measuring.is_some_and(|since| last.at >= since) => {
                heard.gaps.push(ms(at.saturating_sub(last.at)));
                let ahead = sequence.wrapping_sub(last.sequence);
                let in_order = (1..0x8000).contains(&ahead);
                heard.lost += if in_order { u64::from(ahead - 1) } else { 0 };
                heard.doubled += u64::from(!in_order);
                let samples = time.wrapping_sub(last.time);
                let by_clock = at.saturating_sub(last.at) / NS_PER_SAMPLE;
                let timely = samples.is_multiple_of(160) && u64::from(samples).abs_diff(by_clock) < SAMPLES_OFF;
                heard.untimely += u64::from(samples == 0 || !timely);
                heard.resumed += u64::from(std::mem::take(&mut self.was_held));
            }
            None | Some(_) => {}
        }
        self.last = Some(Packet { at, sequence, time });
        if self.marking {
            self.ear.hears(&packet[12..], at, measuring, &mut heard.delays);
        }
        if let Some(mut receiver) = self.secure.as_mut().and_then(|secure| secure.receiver.take()) {
            let opened = receiver.unprotect_rtp(Instant::now(), packet, &mut Vec::new());
            heard.strange += u64::from(opened.is_err());
        }
        if let Some(pressed) = self.pressed
            && !is_tone(&packet[12..])
        {
            heard.silences.push(ms(at.saturating_sub(pressed)));
            self.pressed = None;
        }
    }

    /// Silence, or a key of 80 ms with its three end packets (RFC 4733 §2.5.1).
    fn sends(&mut self, now: u64, to: SocketAddrV4, out: &mut Outbound) {
        if self.key_at.is_some_and(|at| at <= now) {
            if self.event_packets == 0 {
                self.pressed = Some(now);
            }
            self.event_packets += 1;
            let ends = self.event_packets > 4;
            let length = (self.event_packets.min(4) * 160) as u16;
            for _ in 0..if ends { 3 } else { 1 } {
                let volume = if ends { 0x8a } else { 0x0a };
                let key = self.keys.first().copied().unwrap_or_default();
                let body = [key, volume, length.to_be_bytes()[0], length.to_be_bytes()[1]];
                self.packet(101, self.event_packets == 1, &body, to, out);
            }
            if ends {
                self.keys = self.keys.get(1..).unwrap_or_default();
                self.key_at = (!self.keys.is_empty()).then_some(now + self.keys_apart);
                self.event_packets = 0;
                self.time += 5 * 160;
            }
        } else {
            let sound = if self.marking { mark(now) } else { [0xD5; 160] };
            self.packet(8, false, &sound, to, out);
            self.time = self.time.wrapping_add(160);
        }
    }

    fn packet(&mut self, payload: u8, marker: bool, body: &[u8], to: SocketAddrV4, out: &mut Outbound) {
        let mut packet = vec![0x80, payload | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.time.to_be_bytes());
        let changed = self.changes_at > 0 && self.time >= self.changes_at;
        packet.extend((u32::from(to.port()) ^ if changed { 0xA500_0000 } else { 0x5A00_0000 }).to_be_bytes());
        packet.extend(body);
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(secure) = &mut self.secure {
            let length = packet.len();
            packet.resize(length + RTP_TRAILER_MAX, 0);
            let sealed = secure.sender.protect_rtp(&mut packet, length).expect("in order, with room");
            packet.truncate(sealed);
        }
        out.push(&packet, to);
    }
}

/// A 1 kHz tone repeats itself every eight samples, and is not silence.
fn is_tone(sound: &[u8]) -> bool {
    sound.len() > 8 && sound[8..] == sound[..sound.len() - 8] && sound[..8].iter().any(|octet| *octet != sound[0])
}

/// The calling number of a telephone.
pub(crate) fn number(n: usize) -> u64 {
    13_800_000_000 + n as u64
}

pub(crate) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))?;
    Some(line[name.len() + 1..].trim())
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

const NS_PER_SAMPLE: u64 = 125_000;
/// A second: more is a clock that went wrong, and not a packet that came late on a busy machine.
const SAMPLES_OFF: u64 = 8000;
/// Five seconds.
const CHANGE: u32 = 40_000;
const SOCKETS: usize = 16;
const PACKET_STEPS: usize = 20;
const T1_NS: u64 = 500_000_000;
const REPEATS_MAX: u32 = 5;
const TOO_LATE: Duration = Duration::from_millis(40);
const LAST_PATIENCE: Duration = Duration::from_secs(20);
