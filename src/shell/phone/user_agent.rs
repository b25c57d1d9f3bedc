//! The user agent server of a node (RFC 3261 §8.2): gives each message to its call, and each new call a task of its own.
//!
//! ```text
//!  transport ── message ──► sip::Dispatcher ──┬─► dropped, or a stateless response
//!                  ▲                          ├─► the inbox of its call, from the registry
//!                  │                          └─► Admission ──► line, ports ──► call task
//!                  └─────── an INVITE that takes the place of an ended call ───────┘
//! ```

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::calls::{self, Start, Unanswered};
use super::registry::Registry;
use super::services::{Services, Shared};
use super::transport::{Receiver, TransportLayer};
use call::{Admission, AdmissionRules, Input, NewCall, Overload, Purpose, Rejection, TrunkRules};
use inquiry::{CallOutcome, Capacity};
use metrics::{Metrics, SipDrop};
use os::clock;
use sip::{
    Arrival, Dispatcher, Disposition, LegKey, MalformedMessage, Message, Method, NodeState, Outgoing, Shed, Transport,
};

/// Takes every SIP message of a node.
pub struct UserAgent {
    this: Weak<UserAgent>,
    dispatcher: Dispatcher,
    admission: Mutex<Admission>,
    overload: Arc<Overload>,
    registry: Arc<Registry>,
    shared: Arc<Shared>,
}

impl UserAgent {
    /// A user agent that sends by the sockets of `transport`, and keeps its calls in `registry`.
    pub fn new(
        settings: config::Phone,
        services: Services,
        registry: Arc<Registry>,
        transport: &TransportLayer,
    ) -> Arc<UserAgent> {
        let admission = Admission::new(rules(&settings));
        Arc::new_cyclic(|this: &Weak<UserAgent>| UserAgent {
            this: Weak::clone(this),
            dispatcher: Dispatcher::new(clock::random_u64()),
            admission: Mutex::new(admission),
            overload: Arc::new(Overload::new(clock::now())),
            registry,
            shared: Arc::new(Shared::new(settings, services, transport.sender(Weak::<UserAgent>::clone(this)))),
        })
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.services.metrics
    }

    /// Gives a message to its call.
    fn deliver(&self, inbox: Option<Sender<Input>>, message: Message, arrival: &Arrival) {
        self.registry.heard();
        let given = match inbox {
            Some(inbox) => inbox.try_send(Input::Sip(Box::new((message, *arrival)))),
            None => return self.no_such_call(&message, arrival),
        };
        match given {
            Ok(()) => {}
            // A far end that sends more than a call can take sends it again.
            Err(TrySendError::Full(_)) => self.metrics().sip_dropped.inc(SipDrop::Full),
            Err(TrySendError::Closed(Input::Sip(sip))) => self.no_such_call(&sip.0, &sip.1),
            Err(TrySendError::Closed(_)) => {}
        }
    }

    fn count_shed(&self) {
        self.metrics().calls.inc(CallOutcome::Refused);
        self.metrics().calls_shed.inc();
    }

    fn no_such_call(&self, message: &Message, arrival: &Arrival) {
        if let Some(reply) = self.dispatcher.no_such_leg(message, arrival) {
            self.reply(reply);
        }
    }

    fn new_call(
        &self,
        received: Instant,
        key: LegKey,
        invite: Message,
        arrival: &Arrival,
        (state, capacity): (NodeState, Capacity),
    ) {
        let trunks = &self.shared.settings.trunks;
        let source = arrival.source.ip();
        let Some(trunk) = self.shared.settings.trunk(transport(arrival.transport), source).map(Arc::clone) else {
            // It came by a connection of this node's own, to a peer that may not call.
            return self.metrics().sip_dropped.inc(SipDrop::Stranger);
        };
        let place = trunks.iter().position(|known| Arc::ptr_eq(known, &trunk)).unwrap_or(usize::MAX);
        let purpose = match self.admit(&invite, place, capacity) {
            Ok(purpose) => purpose,
            Err(rejection) => {
                self.metrics().calls.inc(CallOutcome::Refused);
                return self.reply(match rejection {
                    Rejection::NoSuchNumber => self.dispatcher.reject(&invite, arrival, 404),
                    Rejection::StudioBusy => self.dispatcher.reject(&invite, arrival, 486),
                    Rejection::TooFast | Rejection::Draining | Rejection::Full => {
                        self.dispatcher.unavailable(&invite, arrival, state)
                    }
                });
            }
        };
        let unanswered = Unanswered::begin(&self.overload);
        let address = self.shared.public_address(arrival.local);
        match self.shared.services.media.open(address, clock::random_u64()) {
            Ok(session) => {
                let start = Start { received, invite, arrival: *arrival, trunk, address, session };
                self.start(key, purpose, start, unanswered);
            }
            Err(error) => {
                tracing::warn!(%error, "a call was rejected: no media session");
                self.reply(self.dispatcher.unavailable(&invite, arrival, state));
            }
        }
    }

    fn admit(&self, invite: &Message, trunk: usize, capacity: Capacity) -> Result<Purpose, Rejection> {
        let user = invite.called_user().unwrap_or_default();
        let (node, recording_calls) = (capacity.availability(), self.registry.recording_calls());
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        admission.admit(clock::now(), NewCall { trunk, user: &user }, node, recording_calls)
    }

    fn start(&self, key: LegKey, purpose: Purpose, start: Start, unanswered: Unanswered) {
        let (registration, arrivals) = self.registry.register(key, purpose);
        self.metrics().calls_in_progress.add(1);
        let call = calls::run(Arc::clone(&self.shared), registration, start, unanswered, arrivals);
        let this = Weak::clone(&self.this);
        tokio::spawn(async move {
            // Once a call is gone, an INVITE that takes its place begins the next one under the same key.
            if let (Some(renewed), Some(agent)) = (call.await, this.upgrade()) {
                let (message, arrival) = renewed;
                agent.message(*message, &arrival);
            }
        });
    }

    /// Sends a stateless response; a lost one is sent again when the request is.
    fn reply(&self, reply: Outgoing) {
        self.shared.sender.send(reply, || {});
    }
}

impl Receiver for UserAgent {
    /// Only trunks are answered; what comes from elsewhere is counted.
    fn accepts(&self, over: Transport, address: IpAddr) -> bool {
        let known = self.shared.settings.trunk(transport(over), address).is_some();
        if !known {
            self.metrics().sip_dropped.inc(SipDrop::Stranger);
        }
        known
    }

    fn waited(&self, age: Duration) {
        self.overload.read(clock::now(), age);
    }

    fn sheds(&self, datagram: &[u8], arrival: &Arrival) -> bool {
        if !self.overload.sheds(clock::now()) {
            return false;
        }
        match self.dispatcher.shed(datagram, arrival, self.shared.settings.retry_after) {
            Shed::Other => false,
            Shed::Done => true,
            Shed::Call(key, reply) => {
                // The INVITE of a call in progress came again.
                let is_new = self.registry.inbox(&key).is_none();
                if is_new {
                    self.count_shed();
                    self.reply(reply);
                }
                is_new
            }
        }
    }

    fn message(&self, message: Message, arrival: &Arrival) {
        let received = clock::now();
        if let Some(method) = message.method() {
            self.metrics().sip_requests.inc(method.into());
        }
        let key = message.leg_key();
        let inbox = self.registry.inbox(&key);
        // One value for the dispatcher and for admission, so that they cannot disagree.
        let capacity = self.registry.capacity();
        let state = NodeState {
            known: inbox.is_some(),
            draining: capacity.draining,
            full: capacity.is_full(),
            retry_after: self.shared.settings.retry_after,
        };
        match self.dispatcher.dispatch(&message, arrival, state) {
            Disposition::Drop => self.metrics().sip_dropped.inc(SipDrop::Stray),
            Disposition::Reply(reply) => {
                if message.is(&Method::Invite) && message.to_tag().is_empty() {
                    self.metrics().calls.inc(CallOutcome::Refused);
                }
                self.reply(reply);
            }
            Disposition::Leg => self.deliver(inbox, message, arrival),
            Disposition::Invite if self.overload.sheds(received) => {
                self.count_shed();
                self.reply(self.dispatcher.unavailable(&message, arrival, state));
            }
            Disposition::Invite => self.new_call(received, key, message, arrival, (state, capacity)),
        }
    }

    fn malformed(&self, malformed: &MalformedMessage, arrival: &Arrival) {
        self.metrics().sip_dropped.inc(SipDrop::Malformed);
        tracing::debug!(fault = ?malformed.fault, "malformed SIP");
        if let Some(reply) = malformed.reply(arrival) {
            self.reply(reply);
        }
    }
}

/// What admission goes by, from the settings.
fn rules(settings: &config::Phone) -> AdmissionRules {
    let trunk = |trunk: &Arc<config::Trunk>| TrunkRules {
        calls_per_second_max: trunk.calls_per_second_max,
        numbers: trunk.numbers.clone(),
        studio: trunk.studio,
    };
    AdmissionRules {
        line_test: settings.line_test.clone(),
        studio: settings.studio.clone(),
        studio_calls_max: settings.studio_calls_max,
        number_plan: settings.number_plan.clone(),
        trunks: settings.trunks.iter().map(trunk).collect(),
    }
}

/// A transport as the settings name it.
fn transport(transport: Transport) -> config::Transport {
    match transport {
        Transport::Udp => config::Transport::Udp,
        Transport::Tcp => config::Transport::Tcp,
    }
}
