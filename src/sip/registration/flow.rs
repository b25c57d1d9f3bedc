//! The connection, or the pair of UDP addresses, of a binding: kept alive, preferred, and missed when it ends (RFC 5626).

use std::time::{Duration, Instant};

use super::{RegistrarAddress, Registration, RegistrationError, RegistrationOutput, Stage};
use crate::arrival::{Arrival, Outgoing, Target, Transport};
use crate::lexer::HeaderName;
use crate::message::Message;

/// A binding that a registrar has confirmed.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) registrar: usize,
    pub(super) until: Instant,
    /// Where the answer came from: the flow of further requests.
    pub(super) arrival: Arrival,
    /// Since when the flow carries the binding.
    pub(super) since: Instant,
    /// Calls come to the contact, which this node listens at, also without the flow.
    pub(super) is_listened: bool,
    pub(super) service_route: Vec<String>,
    /// The registrar's Flow-Timer (RFC 5626 §4.4).
    pub(super) flow_timer: Option<Duration>,
    pub(super) keep_alive_at: Instant,
    /// A request by this connection had no response: further ones take another (RFC 5626 §4.5).
    pub(super) is_silent: bool,
    /// The far end of a stream connection has shown that it answers keep-alives; else its silence means nothing.
    pub(super) answers_pings: bool,
    /// A ping waits for its answer until then.
    pub(super) pong_until: Option<Instant>,
}

impl Bound {
    /// When an answer to a keep-alive is late.
    pub(super) fn pong_by(&self) -> Option<Instant> {
        self.pong_until.filter(|_| self.answers_pings && !self.is_silent)
    }

    /// Whether the binding was confirmed by the stream connection of this arrival.
    pub(super) fn is_by(&self, arrival: &Arrival) -> bool {
        let Arrival { transport, source, connection, .. } = self.arrival;
        transport != Transport::Udp
            && (transport, source, connection) == (arrival.transport, arrival.source, arrival.connection)
    }
}

impl Registration {
    /// On a stream the connection of the binding comes first: calls arrive on it.
    pub(super) fn reach(&self, registrar: &RegistrarAddress) -> Target {
        let bound = self
            .bound
            .as_ref()
            .filter(|bound| std::ptr::eq(&raw const self.settings.registrars[bound.registrar], registrar))
            .filter(|bound| !bound.is_silent);
        match bound {
            Some(Bound { arrival: Arrival { transport, source, local, connection }, .. })
                if !transport.is_unreliable() =>
            {
                let (transport, local, peer, connection) = (*transport, *local, *source, *connection);
                Target::Same { transport, local, peer, connection, otherwise: Some(Box::new(registrar.target.clone())) }
            }
            Some(_) | None => registrar.target.clone(),
        }
    }

    /// Whether its binding was confirmed by the stream connection of this arrival.
    pub fn has_flow(&self, arrival: &Arrival) -> bool {
        self.bound.as_ref().is_some_and(|bound| bound.is_by(arrival))
    }

    /// Whether a message came by the TLS connection of a binding that is valid: its far end is the registrar, by certificate.
    pub fn is_on_flow(&self, now: Instant, arrival: &Arrival) -> bool {
        let is_valid = |bound: &Bound| bound.until > now && bound.arrival.transport == Transport::Tls;
        self.bound.as_ref().is_some_and(|bound| is_valid(bound) && bound.is_by(arrival))
    }

    /// The connection of the binding has ended. Where calls come by it alone, the node registers again: soon after a
    /// connection that has lasted, else after pauses that grow. Where they come to the contact, the binding stays valid; after a
    /// connection that has lasted it is refreshed soon, since the registrar may have begun anew without it.
    pub(super) fn lose_flow(&mut self, now: Instant, ended: &Arrival, out: &mut Vec<RegistrationOutput>) {
        let on_flow = |bound: &Bound| bound.is_by(ended) && !bound.is_silent;
        let Some(bound) = self.bound.take_if(|bound| on_flow(bound)) else { return };
        let has_lasted = bound.since + FLOW_LASTING <= now;
        self.short_flows = if has_lasted { 0 } else { self.short_flows.saturating_add(1) };
        let (registrar, is_listened) = (bound.registrar, bound.is_listened);
        self.bound = is_listened.then_some(Bound { is_silent: true, ..bound });
        match self.stage {
            Stage::Waiting(at) if is_listened => {
                let soon = now + self.flow_pause();
                self.stage = Stage::Waiting(if has_lasted { at.min(soon) } else { at });
            }
            Stage::Waiting(_) => self.register_again(now, registrar, out),
            Stage::Leaving(_) => self.end(out),
            // The request went by this connection: no answer comes.
            Stage::Asking if self.at == registrar => {
                self.clients.clear();
                self.fail(now, RegistrationError::Unreachable, out);
            }
            Stage::Asking | Stage::Over => {}
        }
    }

    /// A second connection in a row that did not last is a failure of the registrar (RFC 5626 §4.5).
    fn register_again(&mut self, now: Instant, registrar: usize, out: &mut Vec<RegistrationOutput>) {
        let error = RegistrationError::Unreachable;
        self.at = registrar;
        if self.short_flows > 1 {
            self.failures = self.short_flows - 2;
            return self.fail(now, error, out);
        }
        self.error = Some(error);
        let pause = self.flow_pause();
        self.stage = Stage::Waiting(now + pause);
        let registrar = self.settings.registrars[registrar].uri.clone();
        out.push(RegistrationOutput::Failed { registrar, error, retry_in: pause });
    }

    fn flow_pause(&mut self) -> Duration {
        FLOW_PAUSE + Duration::from_millis(self.random() % 1000)
    }

    /// Empty lines keep the addresses of a NAT and notice a dead connection (RFC 5626 §3.5.1, §4.4.1).
    pub(super) fn keep_alive(&mut self, now: Instant, out: &mut Vec<RegistrationOutput>) {
        let due = |bound: &&Bound| bound.keep_alive_at <= now && !bound.is_silent;
        let Some(bound) = self.bound.as_ref().filter(due) else { return };
        let Arrival { transport, source, local, connection } = bound.arrival;
        let to = Target::Same { transport, local, peer: source, connection, otherwise: None };
        out.push(RegistrationOutput::Send(Outgoing { bytes: b"\r\n\r\n".as_slice().into(), to }));
        if let Some(bound) = self.bound.as_mut().filter(|bound| !bound.arrival.transport.is_unreliable()) {
            bound.pong_until = bound.pong_until.filter(|until| now < *until).or(Some(now + PONG_LIMIT));
        }
        self.plan_keep_alive(now);
    }

    /// Whether a registrar that confirms a binding by this connection answers keep-alives: it says that it knows RFC 5626, or has
    /// answered one by the same connection.
    pub(super) fn answers_pings(&self, confirmation: &Message, arrival: &Arrival) -> bool {
        let has_answered = |bound: &Bound| bound.is_by(arrival) && bound.answers_pings;
        confirmation.lists(HeaderName::Require, "outbound")
            || confirmation.header_named("Flow-Timer").is_some()
            || self.bound.as_ref().is_some_and(has_answered)
    }

    /// An empty line that answers no ping of this node shows nothing.
    pub(super) fn note_pong(&mut self, now: Instant, arrival: &Arrival) {
        if let Some(bound) = self.bound.as_mut().filter(|bound| bound.is_by(arrival)) {
            bound.answers_pings |= bound.pong_until.take().is_some_and(|until| now <= until);
        }
    }

    /// The connection has failed where a ping has no answer in time (RFC 5626 §4.4.1).
    pub(super) fn miss_pong(&mut self, now: Instant, out: &mut Vec<RegistrationOutput>) {
        let is_late = |bound: &&mut Bound| bound.pong_by().is_some_and(|until| until <= now);
        if let Some(bound) = self.bound.as_mut().filter(is_late) {
            bound.pong_until = None;
            out.push(RegistrationOutput::CloseFlow(bound.arrival));
        }
    }

    /// RFC 5626 §4.4.1: 95 to 120 s on a stream, 24 to 29 s over UDP, or 80 to 100 % of what the registrar asks for.
    pub(super) fn plan_keep_alive(&mut self, now: Instant) {
        let share = self.random() % 21;
        let Some(bound) = &mut self.bound else { return };
        let full = match (bound.flow_timer, bound.arrival.transport.is_unreliable()) {
            (Some(timer), _) => timer,
            (None, true) => Duration::from_secs(29),
            (None, false) => Duration::from_secs(119),
        };
        bound.keep_alive_at = now + full.mul_f64((80 + share) as f64 / 100.0);
    }
}

/// RFC 5626 §4.4.1.
const PONG_LIMIT: Duration = Duration::from_secs(10);
/// Before the first attempt after a connection that had worked has ended.
const FLOW_PAUSE: Duration = Duration::from_secs(1);
/// A connection that ends sooner was no flow that calls could come by.
const FLOW_LASTING: Duration = Duration::from_secs(120);
/// A shorter Flow-Timer is a mistake.
pub(super) const FLOW_TIMER_MIN: Duration = Duration::from_secs(5);
