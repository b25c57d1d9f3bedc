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
use tokio::time::timeout;

use super::calls::{self, Start};
use super::registry::Registry;
use super::services::{Services, Shared};
use super::transport::{Backlog, Receiver, TransportLayer};
use call::{Admission, Input, Purpose, Rejection};
use inquiry::{CallOutcome, Capacity};
use metrics::{Metrics, SipDrop};
use os::clock;
use sip::{
    Arrival, Dispatcher, Disposition, LegKey, MalformedMessage, Message, Method, NodeState, Outgoing, Transport,
};

/// Takes every SIP message of a node.
pub struct UserAgent {
    this: Weak<UserAgent>,
    dispatcher: Dispatcher,
    admission: Mutex<Admission>,
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
        let admission = Admission::new(call::AdmissionRules {
            calls_per_second_max: settings.calls_per_second_max,
            hotline_numbers: settings.numbers.clone(),
            line_test: settings.line_test.clone(),
            studio: settings.studio.clone(),
            studio_calls_max: settings.studio_calls_max,
        });
        Arc::new_cyclic(|this: &Weak<UserAgent>| UserAgent {
            this: Weak::clone(this),
            dispatcher: Dispatcher::new(clock::random_u64()),
            admission: Mutex::new(admission),
            registry,
            shared: Arc::new(Shared::new(settings, services, transport.sender(Weak::<UserAgent>::clone(this)))),
        })
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.services.metrics
    }

    /// Gives a message to its call.
    fn deliver(&self, inbox: Option<Sender<Input>>, message: Message, arrival: &Arrival) -> Option<Backlog> {
        self.registry.heard();
        let Some(inbox) = inbox else {
            self.no_such_call(&message, arrival);
            return None;
        };
        match inbox.try_send(Input::Sip(Box::new((message, *arrival)))) {
            Ok(()) => None,
            Err(TrySendError::Full(input)) if arrival.transport == Transport::Tcp => {
                let agent = self.this.upgrade()?;
                Some(Box::pin(async move { agent.deliver_later(&inbox, input).await }))
            }
            // A far end that sends more datagrams than a call can take sends them again.
            Err(TrySendError::Full(_)) => {
                self.metrics().sip_dropped.inc(SipDrop::Full);
                None
            }
            Err(TrySendError::Closed(input)) => {
                self.returned(input);
                None
            }
        }
    }

    /// Waits until a call takes a message, which its far end does not send again.
    async fn deliver_later(&self, inbox: &Sender<Input>, input: Input) {
        match timeout(INBOX_PATIENCE, inbox.reserve()).await {
            Ok(Ok(place)) => place.send(input),
            Ok(Err(_)) => self.returned(input),
            Err(_) => {
                self.metrics().sip_dropped.inc(SipDrop::Full);
                if let Input::Sip(sip) = input
                    && sip.0.method().is_some_and(|method| *method != Method::Ack)
                {
                    self.reply(self.dispatcher.reject(&sip.0, &sip.1, 503));
                }
            }
        }
    }

    /// A message whose call has gone meanwhile.
    fn returned(&self, input: Input) {
        if let Input::Sip(sip) = input {
            self.no_such_call(&sip.0, &sip.1);
        }
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
        let purpose = match self.admit(&invite, arrival, capacity) {
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
        let address = self.shared.public_address(arrival.local);
        match self.shared.services.media.open(address, clock::random_u64()) {
            Ok(session) => {
                self.start(key, purpose, Start { received, invite, arrival: *arrival, address, session });
            }
            Err(error) => {
                tracing::warn!(%error, "a call was rejected: no media session");
                self.reply(self.dispatcher.unavailable(&invite, arrival, state));
            }
        }
    }

    fn admit(&self, invite: &Message, arrival: &Arrival, capacity: Capacity) -> Result<Purpose, Rejection> {
        let user = invite.called_user().unwrap_or_default();
        let from = arrival.source.ip();
        let (node, recording_calls) = (capacity.availability(), self.registry.recording_calls());
        let mut admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner);
        match admission.admit(clock::now(), from, &user, node, recording_calls)? {
            Purpose::Studio if !self.may_record(from) => Err(Rejection::NoSuchNumber),
            purpose => Ok(purpose),
        }
    }

    /// Whether operators may call from an address.
    fn may_record(&self, address: IpAddr) -> bool {
        let trunks = &self.shared.settings.studio_trunks;
        trunks.is_empty() || trunks.iter().any(|trunk| trunk.contains(address))
    }

    fn start(&self, key: LegKey, purpose: Purpose, start: Start) {
        let (registration, arrivals) = self.registry.register(key, purpose);
        self.metrics().calls_in_progress.add(1);
        let call = calls::run(Arc::clone(&self.shared), registration, start, arrivals);
        let this = Weak::clone(&self.this);
        tokio::spawn(async move {
            // Once a call is gone, an INVITE that takes its place begins the next one under the same key.
            if let (Some(renewed), Some(agent)) = (call.await, this.upgrade()) {
                let (message, arrival) = renewed;
                let _ = agent.message(*message, &arrival);
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
    fn accepts(&self, address: IpAddr) -> bool {
        let known = self.shared.settings.trunks.iter().any(|trunk| trunk.contains(address));
        if !known {
            self.metrics().sip_dropped.inc(SipDrop::Stranger);
        }
        known
    }

    fn message(&self, message: Message, arrival: &Arrival) -> Option<Backlog> {
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
            Disposition::Leg => return self.deliver(inbox, message, arrival),
            Disposition::Invite => self.new_call(received, key, message, arrival, (state, capacity)),
        }
        None
    }

    fn malformed(&self, malformed: &MalformedMessage, arrival: &Arrival) {
        self.metrics().sip_dropped.inc(SipDrop::Malformed);
        tracing::debug!(fault = ?malformed.fault, "malformed SIP");
        if let Some(reply) = malformed.reply(arrival) {
            self.reply(reply);
        }
    }
}

/// How long the reading of a stream waits for a call that takes no message.
const INBOX_PATIENCE: Duration = Duration::from_secs(2);
