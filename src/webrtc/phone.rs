//! The telephone of one agent: a connection, a line, and what the page is told.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::connection::{Connection, ConnectionOutput, RETURNS_WITHIN};
use super::error::PhoneError;
use super::event::{CallNumber, EventLog, PhoneEvent};
use super::line::{BrowserLine, LineInput, LineOutput, LineReport, Ring};
use base::{Deadline, earliest};
use rtp::Packet;

/// One agent's telephone.
pub(crate) struct Phone {
    id: String,
    connection: Connection,
    line: BrowserLine,
    log: EventLog,
    /// Where the sound of the call in progress goes.
    media: Option<SocketAddr>,
    /// Until when the page may be silent.
    asked_until: Instant,
    /// The page is leaving: unless another one comes, the browser is lost then.
    leaves_at: Option<Instant>,
    /// When calls could first come; none: not yet.
    since: Option<Instant>,
}

/// What a telephone wants done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PhoneOutput {
    /// To the browser.
    Transmit { to: SocketAddr, octets: Vec<u8> },
    /// To the media session of the call.
    Sound { to: SocketAddr, octets: Vec<u8> },
    /// To who called.
    Report(CallNumber, LineReport),
    /// The page has something to read, or can be called from now on.
    News,
}

impl Phone {
    pub(crate) fn new(now: Instant, id: String, connection: Connection) -> Phone {
        Phone {
            id,
            connection,
            line: BrowserLine::default(),
            log: EventLog::default(),
            media: None,
            asked_until: now + ASKS_WITHIN,
            leaves_at: None,
            since: None,
        }
    }

    /// Goes on with another connection, as of a page that was loaded again; the call in progress stays.
    pub(crate) fn reconnect(&mut self, now: Instant, id: String, connection: Connection) {
        (self.id, self.connection, self.log) = (id, connection, EventLog::default());
        (self.asked_until, self.leaves_at, self.since) = (now + ASKS_WITHIN, None, None);
    }

    /// When it became a telephone; none: its connection is not up, or its page has left.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since.filter(|_| self.leaves_at.is_none())
    }

    /// Judges a request of a page.
    pub(crate) fn check(&self, id: &str) -> Result<(), PhoneError> {
        if self.id == id { Ok(()) } else { Err(PhoneError::Replaced) }
    }

    /// What the page has not read yet. It asks all the time, and so shows that it is there and its session open.
    pub(crate) fn events(&mut self, now: Instant, after: u64) -> (Vec<PhoneEvent>, u64) {
        self.asked_until = now + ASKS_WITHIN;
        self.log.after(after)
    }

    /// The page is closed or loaded again.
    pub(crate) fn leave(&mut self, now: Instant) {
        self.leaves_at = Some(now + RETURNS_WITHIN);
    }

    /// The call that rings or talks.
    pub(crate) fn call(&self) -> Option<CallNumber> {
        self.line.call()
    }

    /// The media address of the call in progress.
    pub(crate) fn media(&self) -> Option<SocketAddr> {
        self.media
    }

    pub(crate) fn ring(&mut self, now: Instant, ring: Ring, media: SocketAddr, out: &mut Vec<PhoneOutput>) {
        if self.line.call().is_none() {
            self.media = Some(media);
        }
        self.input(now, LineInput::Ring(ring), out);
    }

    /// An input of the line; whether it had an effect.
    pub(crate) fn input(&mut self, now: Instant, input: LineInput, out: &mut Vec<PhoneOutput>) -> bool {
        let outputs = self.line.handle_input(now, input);
        let had_effect = !outputs.is_empty();
        for output in outputs {
            match output {
                LineOutput::Report(call, report) => out.push(PhoneOutput::Report(call, report)),
                LineOutput::Event(event) => {
                    self.log.push(event);
                    out.push(PhoneOutput::News);
                }
            }
        }
        if self.line.call().is_none() {
            self.media = None;
        }
        had_effect
    }

    pub(crate) fn datagram(&mut self, now: Instant, from: SocketAddr, octets: &[u8], out: &mut Vec<PhoneOutput>) {
        let mut of_connection = Vec::new();
        self.connection.datagram(now, from, octets, &mut of_connection);
        self.follow(now, of_connection, out);
    }

    /// An RTP packet of the call's media session.
    pub(crate) fn sound(&mut self, now: Instant, octets: &[u8], out: &mut Vec<PhoneOutput>) {
        if self.line.talks().is_none() {
            return;
        }
        // RTCP of the media session ends here: str0m makes that of the browser's side.
        let Ok(packet) = Packet::read(octets) else { return };
        let mut of_connection = Vec::new();
        self.connection.send(now, &packet, &mut of_connection);
        self.follow(now, of_connection, out);
    }

    /// Does what is due; false: the telephone is gone.
    pub(crate) fn time(&mut self, now: Instant, out: &mut Vec<PhoneOutput>) -> bool {
        if self.connection.deadline() <= now {
            let mut of_connection = Vec::new();
            self.connection.time(now, &mut of_connection);
            self.follow(now, of_connection, out);
        }
        self.input(now, LineInput::Deadline, out);
        // A conversation goes on though its page has lost its session, until it ends.
        let silent = self.line.talks().is_none() && self.asked_until <= now;
        let is_gone = silent || self.connection.lost_at() <= now || self.leaves_at.is_some_and(|at| at <= now);
        if is_gone {
            self.input(now, LineInput::Lost, out);
            out.push(PhoneOutput::News);
        }
        !is_gone
    }

    /// When [`Phone::time`] is due.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        let at = |at, why| Some(Deadline { at, why });
        earliest([
            at(self.connection.deadline(), "connection"),
            at(self.connection.lost_at(), "browser lost"),
            self.line.deadline(),
            self.leaves_at.and_then(|leaves| at(leaves, "page leaves")),
            if self.line.talks().is_none() { at(self.asked_until, "page silent") } else { None },
        ])
    }

    pub(crate) fn follow(&mut self, now: Instant, outputs: Vec<ConnectionOutput>, out: &mut Vec<PhoneOutput>) {
        for output in outputs {
            match output {
                ConnectionOutput::Transmit { to, octets } => out.push(PhoneOutput::Transmit { to, octets }),
                ConnectionOutput::Sound(octets) => {
                    let to = self.media.filter(|_| self.line.talks().is_some());
                    out.extend(to.map(|to| PhoneOutput::Sound { to, octets }));
                }
                ConnectionOutput::Up => {
                    self.since = Some(now);
                    self.log.push(PhoneEvent::Registered);
                    if let Some(event) = self.line.to_event() {
                        self.log.push(event);
                    }
                    out.push(PhoneOutput::News);
                }
            }
        }
        // Its page was closed, or is loaded again.
        if self.connection.is_closed() && self.since.take().is_some() {
            out.push(PhoneOutput::News);
        }
    }
}

/// A page asks for events without a pause, each time for less than this.
const ASKS_WITHIN: Duration = Duration::from_secs(60);
