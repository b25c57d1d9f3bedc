//! Registers this node at a carrier, and keeps it registered (RFC 3261 §10.2, RFC 5626).
//!
//! ```text
//!             REGISTER              200: bound                 80 to 90 % of the time, or so early that a silence fits
//!  Waiting ────────────► Asking ──────────────► Registered ─────────────────────────► Asking
//!     ▲                    │ 401, 407, 423, 439: asked again, otherwise
//!     │                    │ refused, silent, unreachable: the next registrar at once
//!     └── all have failed ─┘
//!  Drain: a binding is removed (Expires: 0), else ► Over
//! ```
//!
//! A registrar that is named by host may have several addresses, which are tried in turn (RFC 3263 §4.3).
//! The registrars are tried in the order of the settings; after [`RETURN_AFTER`] a refresh begins with the first one again.
//! While a refresh fails, the old binding counts until its time is over, and the pauses are so short that another attempt
//! comes before. When all registrars have failed, the pause grows from 30 s to 30 minutes, and half of it is random
//! (RFC 5626 §4.5), so that a carrier that comes back is not stormed. It grows as well where registrars answer 200 and
//! close the connection soon.
//!
//! A registrar may grant any time, leave the binding out of its answer, or promise a year: what is believed is bounded by
//! what was asked for.

mod address;
mod binding;
mod events;
mod flow;
mod request;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use self::address::Listener;
pub use self::events::{
    RegistrarAddress, RegistrationError, RegistrationInput, RegistrationOutput, RegistrationSettings,
    RegistrationStatus,
};
use self::flow::{Bound, FLOW_TIMER_MIN};
use self::request::Identity;
use super::arrival::Arrival;
use super::digest::DigestClient;
use super::grammar::{Class, Method, class};
use super::leg::client_transaction::{Client, Clients};
use super::lexer::HeaderName;
use super::message::Message;
use super::response::token;
use base::{Deadline, earliest};

/// A registration with one carrier.
#[derive(Debug)]
pub struct Registration {
    settings: RegistrationSettings,
    identity: Identity,
    digest: DigestClient,
    stage: Stage,
    clients: Clients,
    bound: Option<Bound>,
    /// The registrar that is asked, or was last.
    at: usize,
    /// Registrars of this round that have not failed.
    left: usize,
    /// How many addresses the registrar has, and how many of them have failed.
    addresses: (usize, usize),
    /// Rounds in which all failed, since the last success.
    failures: u32,
    /// Connections in a row that ended soon after they had carried a binding.
    short_flows: u32,
    error: Option<RegistrationError>,
    /// The longest pause that a registrar asked for in this round.
    retry_after: Duration,
    /// Answers to 423 and 439 since the last success.
    adjustments: u8,
    /// When the first registrar was last asked.
    first_asked: Option<Instant>,
    randoms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The next attempt is due then.
    Waiting(Instant),
    Asking,
    /// The removal of the binding waits for its response.
    Leaving(Instant),
    Over,
}

impl Registration {
    /// A registration whose first request is due at once.
    pub fn new(now: Instant, settings: RegistrationSettings, digest: DigestClient) -> Registration {
        let identity = Identity::new(&settings);
        let left = settings.registrars.len();
        Registration {
            identity,
            digest,
            stage: Stage::Waiting(now),
            clients: Clients::default(),
            bound: None,
            at: 0,
            left,
            addresses: (1, 0),
            failures: 0,
            short_flows: 0,
            error: None,
            retry_after: Duration::ZERO,
            adjustments: 0,
            first_asked: None,
            randoms: 0,
            settings,
        }
    }

    /// The Call-ID of every request: responses are told by it.
    pub fn call_id(&self) -> &str {
        &self.identity.call_id
    }

    /// The routes that requests outside a call take (RFC 3608 §6); empty without a binding.
    pub fn service_route(&self) -> &[String] {
        self.bound.as_ref().map_or(&[], |bound| &bound.service_route)
    }

    /// What it is doing.
    pub fn status(&self, now: Instant) -> RegistrationStatus {
        let counts = self.bound.as_ref().filter(|bound| bound.until > now);
        let registered = counts.map(|bound| (self.settings.registrars[bound.registrar].uri.clone(), bound.until - now));
        let next_in = match self.stage {
            Stage::Waiting(at) => Some(at.saturating_duration_since(now)),
            Stage::Asking | Stage::Leaving(_) | Stage::Over => None,
        };
        RegistrationStatus { registered, error: self.error, next_in }
    }

    /// When [`RegistrationInput::Deadline`] is due; `None` once it is over.
    pub fn deadline(&self) -> Option<Deadline> {
        let (stage, why) = match self.stage {
            Stage::Waiting(at) => (Some(at), "registration"),
            Stage::Leaving(until) => (Some(until), "end of registration"),
            Stage::Asking => (None, ""),
            Stage::Over => return None,
        };
        let due = |at: Option<Instant>, why| at.map(|at| Deadline { at, why });
        earliest([
            due(stage, why),
            self.clients.next().map(|(at, why)| Deadline { at, why }),
            due(self.bound.as_ref().filter(|bound| !bound.is_silent).map(|bound| bound.keep_alive_at), "keep-alive"),
            due(self.bound.as_ref().and_then(Bound::pong_by), "pong"),
        ])
    }

    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: RegistrationInput) -> Vec<RegistrationOutput> {
        let mut out = Vec::new();
        match input {
            RegistrationInput::Received { message, arrival } => self.receive(now, &message, &arrival, &mut out),
            RegistrationInput::SendFailed => {
                self.clients.clear();
                // The transport has tried every address.
                self.addresses = (1, 0);
                self.lose_request(now, RegistrationError::Unreachable, &mut out);
            }
            RegistrationInput::Addresses(count) => self.addresses.0 = count.max(1),
            RegistrationInput::FlowLost(ended) => self.lose_flow(now, &ended, &mut out),
            RegistrationInput::Ponged(arrival) => self.note_pong(now, &arrival),
            RegistrationInput::Deadline => self.run_timers(now, &mut out),
            RegistrationInput::Drain => self.leave(now, &mut out),
        }
        out
    }

    fn run_timers(&mut self, now: Instant, out: &mut Vec<RegistrationOutput>) {
        let due = self.clients.due(now);
        out.extend(due.again.into_iter().map(RegistrationOutput::Send));
        if !due.failed.is_empty() {
            self.lose_request(now, RegistrationError::Timeout, out);
        }
        match self.stage {
            Stage::Waiting(at) if at <= now => self.begin_round(now, out),
            Stage::Leaving(until) if until <= now => self.end(out),
            Stage::Waiting(_) | Stage::Asking | Stage::Leaving(_) | Stage::Over => {}
        }
        self.miss_pong(now, out);
        self.keep_alive(now, out);
    }

    /// A round starts with the registrar that holds the binding; with the first one if it is time to return to it.
    fn begin_round(&mut self, now: Instant, out: &mut Vec<RegistrationOutput>) {
        let bound = self.bound.as_ref().filter(|bound| bound.until > now);
        let rested = self.first_asked.is_none_or(|asked| asked + RETURN_AFTER <= now);
        self.at = bound.filter(|_| !rested).map_or(0, |bound| bound.registrar);
        self.left = self.settings.registrars.len();
        self.retry_after = Duration::ZERO;
        self.digest_for_another();
        self.ask(now, out);
    }

    /// Nonces of one registrar mean nothing to another.
    fn digest_for_another(&mut self) {
        if self.bound.as_ref().is_none_or(|bound| bound.registrar != self.at) {
            self.digest.forget();
        }
    }

    fn ask(&mut self, now: Instant, out: &mut Vec<RegistrationOutput>) {
        if self.at == 0 {
            self.first_asked = Some(now);
        }
        self.addresses = (1, 0);
        self.stage = Stage::Asking;
        self.send(now, self.settings.expires, out);
    }

    fn send(&mut self, now: Instant, expires: Duration, out: &mut Vec<RegistrationOutput>) {
        let registrar = &self.settings.registrars[self.at];
        let authorization = self.digest.authorize(&Method::Register, &registrar.domain, b"");
        let to = self.reach(registrar);
        let request = self.identity.register(&self.settings, registrar, to, expires, &authorization);
        out.push(RegistrationOutput::Send(request.outgoing.clone()));
        self.clients.clear();
        self.clients.push(Client::new(now, Method::Register, request.branch, request.cseq, request.outgoing));
    }

    fn receive(&mut self, now: Instant, message: &Message, arrival: &Arrival, out: &mut Vec<RegistrationOutput>) {
        let Some(status) = message.status() else { return };
        if self.clients.end(now, message).is_none() {
            return;
        }
        if let Stage::Leaving(_) = self.stage {
            return self.conclude_leaving(now, message, status, out);
        }
        match status {
            _ if class(status) == Some(Class::Success) => self.conclude(now, message, arrival, out),
            401 | 407 => match self.digest.challenged(message) {
                Ok(()) => self.send(now, self.settings.expires, out),
                Err(error) => self.fail(now, error.into(), out),
            },
            423 if self.lengthen(message) => self.send(now, self.settings.expires, out),
            439 if self.adjustments < ADJUSTMENTS_MAX && self.identity.outbound => {
                self.adjustments += 1;
                self.identity.outbound = false;
                self.send(now, self.settings.expires, out);
            }
            _ => {
                let pause = message.header(HeaderName::RetryAfter).and_then(binding::leading_seconds);
                self.retry_after = self.retry_after.max(pause.unwrap_or_default().min(PAUSE_MAX));
                self.fail(now, RegistrationError::Refused(status), out);
            }
        }
    }

    /// Asks for the time that a 423 names (RFC 3261 §10.2.8); false if that is no more than was asked for, or absurd.
    fn lengthen(&mut self, message: &Message) -> bool {
        let min = message.header_named("Min-Expires").and_then(binding::leading_seconds);
        let Some(min) = min.filter(|min| *min > self.settings.expires && *min <= EXPIRES_MAX) else { return false };
        self.adjustments += 1;
        self.settings.expires = min;
        self.adjustments <= ADJUSTMENTS_MAX
    }

    fn conclude(&mut self, now: Instant, message: &Message, arrival: &Arrival, out: &mut Vec<RegistrationOutput>) {
        let registrar = &self.settings.registrars[self.at];
        let granted = binding::granted(message, &registrar.contact_uri, self.settings.expires);
        let Some(granted) = granted else { return self.fail(now, RegistrationError::NotBound, out) };
        let renewed = self.error.is_none()
            && self.bound.as_ref().is_some_and(|bound| bound.registrar == self.at && bound.until > now);
        if !renewed {
            out.push(RegistrationOutput::Registered { registrar: registrar.uri.clone(), expires: granted });
        }
        self.digest.accepted(message);
        (self.failures, self.adjustments, self.error) = (0, 0, None);
        let flow_timer = message.header_named("Flow-Timer").and_then(binding::leading_seconds);
        let flow_timer = flow_timer.filter(|timer| *timer >= FLOW_TIMER_MIN);
        let is_listened = registrar.is_listened && !binding::needs_flow(message, &registrar.sent_by);
        let carried = self.bound.as_ref().filter(|bound| bound.is_by(arrival) && !bound.is_silent);
        let since = carried.map_or(now, |bound| bound.since);
        self.bound = Some(Bound {
            registrar: self.at,
            until: now + granted,
            arrival: *arrival,
            since,
            is_listened,
            service_route: binding::service_route(message),
            flow_timer,
            keep_alive_at: now,
            is_silent: false,
            answers_pings: self.answers_pings(message, arrival),
            pong_until: None,
        });
        self.plan_keep_alive(now);
        self.stage = Stage::Waiting(now + self.refresh_after(granted));
    }

    /// When a binding is refreshed: so early that the next registrar is asked within its time if this one is silent, but not
    /// before a third of it.
    fn refresh_after(&mut self, granted: Duration) -> Duration {
        let share = 80 + self.random() % 11;
        let latest = granted.saturating_sub(SILENCE_MAX).max(granted / 3);
        granted.mul_f64(share as f64 / 100.0).min(latest).max(REFRESH_MIN)
    }

    /// One address has failed: the next one of the registrar is asked at once, else the next registrar; after the last one
    /// comes a pause.
    fn fail(&mut self, now: Instant, error: RegistrationError, out: &mut Vec<RegistrationOutput>) {
        self.error = Some(error);
        if let Some(bound) = self.bound.as_mut().filter(|bound| bound.registrar == self.at) {
            // Keep-alives of a pair of UDP addresses go on: its binding may be valid still.
            bound.is_silent |= error == RegistrationError::Timeout && !bound.arrival.transport.is_unreliable();
        }
        let failed = self.settings.registrars[self.at].uri.clone();
        self.adjustments = 0;
        self.digest.forget();
        if self.has_other_address(error) {
            self.addresses.1 += 1;
            out.push(RegistrationOutput::Failed { registrar: failed, error, retry_in: Duration::ZERO });
            self.stage = Stage::Asking;
            return self.send(now, self.settings.expires, out);
        }
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            out.push(RegistrationOutput::Failed { registrar: failed, error, retry_in: Duration::ZERO });
            self.at = (self.at + 1) % self.settings.registrars.len();
            return self.ask(now, out);
        }
        let pause = self.pause(now, error);
        self.failures = self.failures.saturating_add(1);
        self.stage = Stage::Waiting(now + pause);
        out.push(RegistrationOutput::Failed { registrar: failed, error, retry_in: pause });
    }

    /// Whether another address of the same registrar may do better.
    fn has_other_address(&self, error: RegistrationError) -> bool {
        let (count, failed) = self.addresses;
        let may_help = match error {
            RegistrationError::Timeout | RegistrationError::Unreachable | RegistrationError::Refused(503) => true,
            RegistrationError::Refused(_) | RegistrationError::Credentials(_) | RegistrationError::NotBound => false,
        };
        may_help && failed + 1 < count
    }

    /// RFC 5626 §4.5, but within the time of a binding that is still valid; longer where the registrar asks for it, or where
    /// the password is wrong.
    fn pause(&mut self, now: Instant, error: RegistrationError) -> Duration {
        let full = PAUSE_BASE.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
        let share = 50 + self.random() % 51;
        let left = self.bound.as_ref().map(|bound| bound.until.saturating_duration_since(now));
        let most = left.filter(|left| !left.is_zero()).map_or(PAUSE_MAX, |left| (left / 2).max(REFRESH_MIN));
        let pause = full.mul_f64(share as f64 / 100.0).min(most).max(self.retry_after);
        match error {
            // A registrar may say so in place of another challenge.
            RegistrationError::Credentials(_) | RegistrationError::Refused(403) => pause.max(CREDENTIALS_PAUSE),
            RegistrationError::Timeout
            | RegistrationError::Unreachable
            | RegistrationError::Refused(_)
            | RegistrationError::NotBound => pause,
        }
    }

    /// The pending request has no answer.
    fn lose_request(&mut self, now: Instant, error: RegistrationError, out: &mut Vec<RegistrationOutput>) {
        match self.stage {
            Stage::Asking => self.fail(now, error, out),
            Stage::Leaving(_) => self.end(out),
            Stage::Waiting(_) | Stage::Over => {}
        }
    }

    fn leave(&mut self, now: Instant, out: &mut Vec<RegistrationOutput>) {
        match (self.stage, self.bound.as_ref().filter(|bound| bound.until > now)) {
            (Stage::Waiting(_) | Stage::Asking, Some(bound)) => {
                self.at = bound.registrar;
                self.stage = Stage::Leaving(now + LEAVE_LIMIT);
                self.send(now, Duration::ZERO, out);
            }
            (Stage::Waiting(_) | Stage::Asking, None) => self.end(out),
            (Stage::Leaving(_) | Stage::Over, _) => {}
        }
    }

    fn conclude_leaving(&mut self, now: Instant, message: &Message, status: u16, out: &mut Vec<RegistrationOutput>) {
        if matches!(status, 401 | 407) && self.digest.challenged(message).is_ok() {
            return self.send(now, Duration::ZERO, out);
        }
        self.end(out);
    }

    fn end(&mut self, out: &mut Vec<RegistrationOutput>) {
        self.clients.clear();
        self.bound = None;
        self.stage = Stage::Over;
        out.push(RegistrationOutput::Over);
    }

    fn random(&mut self) -> u64 {
        self.randoms += 1;
        let text = token(self.settings.seed ^ 0x5eed, self.randoms);
        u64::from_str_radix(&text, 16).unwrap_or(0)
    }
}

/// After how long a refresh begins with the first registrar again.
pub const RETURN_AFTER: Duration = Duration::from_secs(600);
/// The longest time that is asked for, even where a 423 names more.
const EXPIRES_MAX: Duration = Duration::from_secs(86_400);
/// However short the granted time: no registrar is asked more often.
const REFRESH_MIN: Duration = Duration::from_secs(5);
/// How long a silent registrar holds up the next one (RFC 3261 §17.1.2.2, Timer F), and time for the answer of that one.
const SILENCE_MAX: Duration = Duration::from_secs(34);
/// RFC 5626 §4.5 base-time of a user agent whose every flow has failed.
const PAUSE_BASE: Duration = Duration::from_secs(30);
/// RFC 5626 §4.5 max-time.
const PAUSE_MAX: Duration = Duration::from_secs(1800);
/// A wrong password does not become right by itself, and carriers block who repeats it.
const CREDENTIALS_PAUSE: Duration = Duration::from_secs(300);
/// How long the removal of a binding may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(4);
const ADJUSTMENTS_MAX: u8 = 4;
