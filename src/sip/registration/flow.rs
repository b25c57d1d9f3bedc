//! The connection, or the pair of UDP addresses, of a binding: kept alive, preferred, and missed when it ends (RFC 5626).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{RegistrarAddress, Registration, RegistrationError, RegistrationOutput, Stage};
use crate::arrival::{Arrival, Outgoing, Target, Transport};

/// A binding that a registrar has confirmed.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) registrar: usize,
    pub(super) until: Instant,
    /// Where the answer came from: the flow of further requests.
    pub(super) arrival: Arrival,
    pub(super) service_route: Vec<String>,
    /// The registrar's Flow-Timer (RFC 5626 §4.4).
    pub(super) flow_timer: Option<Duration>,
    pub(super) keep_alive_at: Instant,
    /// A request by this connection had no response: further ones take another (RFC 5626 §4.5).
    pub(super) is_silent: bool,
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
            Some(Bound { arrival: Arrival { transport, source, local }, .. }) if !transport.is_unreliable() => {
                let (transport, local, peer) = (*transport, *local, *source);
                Target::Same { transport, local, peer, otherwise: Some(Box::new(registrar.target.clone())) }
            }
            Some(_) | None => registrar.target.clone(),
        }
    }

    /// Whether a message came by the TLS connection of a binding that is valid: its far end is the registrar, by certificate.
    pub fn is_on_flow(&self, now: Instant, arrival: &Arrival) -> bool {
        let is_same = |bound: &Bound| {
            let Arrival { transport, source, .. } = bound.arrival;
            transport == Transport::Tls && (transport, source) == (arrival.transport, arrival.source)
        };
        self.bound.as_ref().is_some_and(|bound| bound.until > now && is_same(bound))
    }

    /// The connection of the binding has ended, so that no call arrives: the node registers again, soon.
    pub(super) fn lose_flow(&mut self, now: Instant, peer: SocketAddr, out: &mut Vec<RegistrationOutput>) {
        let on_flow = |bound: &Bound| {
            bound.arrival.source == peer && bound.arrival.transport != Transport::Udp && !bound.is_silent
        };
        let Some(bound) = self.bound.take_if(|bound| on_flow(bound)) else { return };
        match self.stage {
            Stage::Waiting(_) => {
                self.error = Some(RegistrationError::Unreachable);
                let pause = FLOW_PAUSE + Duration::from_millis(self.random() % 1000);
                self.stage = Stage::Waiting(now + pause);
                let registrar = self.settings.registrars[self.at].uri.clone();
                let error = RegistrationError::Unreachable;
                out.push(RegistrationOutput::Failed { registrar, error, retry_in: pause });
            }
            Stage::Leaving(_) => self.end(out),
            // The request went by this connection: no answer comes.
            Stage::Asking if self.at == bound.registrar => {
                self.clients.clear();
                self.fail(now, RegistrationError::Unreachable, out);
            }
            Stage::Asking | Stage::Over => {}
        }
    }

    /// Empty lines keep the addresses of a NAT and notice a dead connection (RFC 5626 §3.5.1, §4.4.1).
    pub(super) fn keep_alive(&mut self, now: Instant, out: &mut Vec<RegistrationOutput>) {
        let due = |bound: &&Bound| bound.keep_alive_at <= now && !bound.is_silent;
        let Some(bound) = self.bound.as_ref().filter(due) else { return };
        let Arrival { transport, source, local } = bound.arrival;
        let to = Target::Same { transport, local, peer: source, otherwise: None };
        out.push(RegistrationOutput::Send(Outgoing { bytes: b"\r\n\r\n".as_slice().into(), to }));
        self.plan_keep_alive(now);
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

/// Before the first attempt after a connection that had worked has ended.
const FLOW_PAUSE: Duration = Duration::from_secs(1);
/// A shorter Flow-Timer is a mistake.
pub(super) const FLOW_TIMER_MIN: Duration = Duration::from_secs(5);
