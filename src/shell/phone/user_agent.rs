//! The user agent server of a node (RFC 3261 §8.2): gives each message to its call, and each new call a task of its own.
//!
//! ```text
//!  transport ── message ──► sip::Dispatcher ──┬─► dropped, or a stateless response
//!                  ▲                          ├─► the inbox of its call, from the registry
//!                  │                          └─► Trunks ──► line, ports ──► call task
//!                  └─────── an INVITE that takes the place of an ended call ───────┘
//! ```

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::calls::{self, Start, Unanswered};
use super::inbox::{Inbox, Received, Undeliverable};
use super::peers::{Listener, Pings};
use super::queue_handle::{QueueHandle, QueueMessage, ServiceCode};
use super::queue_service;
use super::registrar::DeskRegistrar;
use super::registry::{CallSound, Registry};
use super::services::{Services, Shared};
use super::strangers::{self, Strangers};
use super::transport::{Backlog, Receiver, Screening, TransportLayer};
use super::trunk_hosts;
use super::trunks::{Permit, of_set};
use call::{NewCall, Overload, Rejection};
use inquiry::{Availability, CallOutcome, Capacity};
use metrics::{Metrics, SipDrop};
use os::{clock, memory};
use sip::{
    Arrival, Dispatcher, Disposition, IdentityTrust, Late, LegKey, MalformedMessage, Message, Method, NodeState,
    Outgoing, Shed, ShedReplies, Transport, spread,
};

/// Takes every SIP message of a node.
pub struct UserAgent {
    this: Weak<UserAgent>,
    dispatcher: Dispatcher,
    overload: Arc<Overload>,
    registry: Arc<Registry>,
    pings: Arc<Pings>,
    /// Spreads Retry-After.
    spread: RandomState,
    strangers: Strangers,
    shared: Arc<Shared>,
    /// What arrives for the queues; taken by the task that serves them.
    queue_messages: Mutex<Option<mpsc::Receiver<QueueMessage>>>,
}

impl UserAgent {
    /// A user agent that sends by the sockets of `transport`, and keeps its calls in `registry`.
    pub fn new(
        settings: config::Phone,
        services: Services,
        registry: Arc<Registry>,
        transport: &TransportLayer,
    ) -> Arc<UserAgent> {
        let listening = transport.listening();
        Arc::new_cyclic(|this: &Weak<UserAgent>| {
            let sender = transport.sender(Weak::<UserAgent>::clone(this));
            let overload = Overload::new(clock::now(), settings.trunks.len());
            let (queue, messages) = QueueHandle::new();
            let by = listening.iter().map(|(transport, local)| (of_set(*transport), *local)).collect();
            let shared = Shared::new(settings, services, sender.clone(), by, queue);
            let listeners = listening.into_iter().map(|(transport, local)| Listener {
                transport,
                local,
                named: SocketAddr::new(shared.public_address(local), local.port()),
            });
            UserAgent {
                this: Weak::clone(this),
                dispatcher: Dispatcher::new(clock::random_u64()),
                overload: Arc::new(overload),
                registry,
                pings: Arc::new(Pings::new(sender, listeners.collect())),
                spread: RandomState::new(),
                strangers: Strangers::default(),
                shared: Arc::new(shared),
                queue_messages: Mutex::new(Some(messages)),
            }
        })
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.services.metrics
    }

    /// Gives a message to its call.
    fn deliver(&self, inbox: Option<Inbox>, message: Message, arrival: &Arrival) -> Option<Backlog> {
        self.registry.heard();
        let Some(inbox) = inbox else {
            self.no_such_call(message, arrival);
            return None;
        };
        match inbox.deliver(Box::new((message, *arrival))) {
            Ok(()) => None,
            Err(Undeliverable::Full(message)) if !arrival.transport.is_unreliable() => {
                let agent = self.this.upgrade()?;
                Some(Box::pin(async move { agent.deliver_later(&inbox, message).await }))
            }
            // A far end that sends more datagrams than a call can take sends them again.
            Err(Undeliverable::Full(_)) => {
                self.metrics().sip_dropped.inc(SipDrop::Full);
                None
            }
            Err(Undeliverable::Gone(message)) => self.call_has_gone(*message),
        }
    }

    /// Waits until a call takes a message, which its far end does not send again.
    async fn deliver_later(&self, inbox: &Inbox, message: Received) {
        match inbox.deliver_within(INBOX_PATIENCE, message).await {
            Ok(()) => {}
            Err(Undeliverable::Gone(message)) => {
                if let Some(backlog) = self.call_has_gone(*message) {
                    backlog.await;
                }
            }
            Err(Undeliverable::Full(message)) => {
                self.metrics().sip_dropped.inc(SipDrop::Full);
                if message.0.method().is_some_and(|method| *method != Method::Ack) {
                    self.reply(self.dispatcher.reject(&message.0, &message.1, 503));
                }
            }
        }
    }

    fn count_shed(&self, trunk: usize) {
        self.overload.turned_away(trunk);
        self.refused(Some(trunk), Rejection::Overload);
        self.metrics().calls_shed.inc();
    }

    /// The call of a message went while the message was on its way to it. An INVITE outside a dialog begins the next call.
    fn call_has_gone(&self, (message, arrival): (Message, Arrival)) -> Option<Backlog> {
        let begins = message.is(&Method::Invite) && message.to_tag().is_empty();
        // A closed inbox that is registered still is the same one: another try would end here again.
        let is_free = || self.registry.inbox(&message.leg_key()).is_none_or(|inbox| !inbox.is_closed());
        if begins && is_free() {
            return self.message(message, &arrival);
        }
        self.no_such_call(message, &arrival);
        None
    }

    fn no_such_call(&self, message: Message, arrival: &Arrival) {
        if let Some(message) = self.answer_late(&message.leg_key(), message, arrival)
            && let Some(reply) = self.dispatcher.no_such_leg(&message, arrival)
        {
            self.reply(reply);
        }
    }

    /// Answers a message of a call that has ended; gives it back if it is of none.
    fn answer_late(&self, key: &LegKey, message: Message, arrival: &Arrival) -> Option<Message> {
        let late = self.registry.ended().receive(key, message, arrival);
        if late.is_ok() {
            self.registry.heard();
        }
        match late {
            Ok(Late::Reply(reply)) => self.reply(reply),
            Ok(Late::Absorbed | Late::NextCall(_)) => {}
            Err(message) => return Some(*message),
        }
        None
    }

    fn new_call(
        &self,
        received: Instant,
        key: LegKey,
        invite: Message,
        arrival: &Arrival,
        (state, capacity): (NodeState, Capacity),
    ) {
        let Some(trunk) = self.trunk_of(arrival) else {
            // It came by a connection of this node's own, to a peer that may not call.
            self.metrics().sip_dropped.inc(SipDrop::Stranger);
            return self.reply(self.dispatcher.reject(&invite, arrival, 403));
        };
        if self.overload.sheds(received, trunk) {
            self.count_shed(trunk);
            return self.reply(self.dispatcher.unavailable(&invite, arrival, state));
        }
        let (number, caller) = self.caller(&invite, trunk);
        let permit = match self.admit(&invite, trunk, caller, capacity) {
            Ok(permit) => permit,
            Err(rejection) => {
                self.refused(Some(trunk), rejection);
                return self.reply(match rejection {
                    Rejection::NoSuchNumber => self.dispatcher.reject(&invite, arrival, 404),
                    Rejection::LineTestBusy
                    | Rejection::StudioBusy
                    | Rejection::CallerBusy
                    | Rejection::WithheldBusy => self.dispatcher.reject(&invite, arrival, 486),
                    Rejection::TooFast
                    | Rejection::Draining
                    | Rejection::Full
                    | Rejection::TrunkFull
                    | Rejection::Overload
                    | Rejection::NoMedia
                    | Rejection::Unsupported => self.dispatcher.unavailable(&invite, arrival, state),
                });
            }
        };
        let unanswered = Unanswered::begin(&self.overload, received, trunk);
        let address = self.shared.public_address(arrival.local);
        match self.shared.services.media.open(address, clock::random_u64()) {
            Ok(session) => {
                let start = Start::incoming(received, (invite, *arrival), (number, caller), permit, (address, session));
                self.start(key, start, unanswered);
            }
            Err(error) => {
                tracing::warn!(%error, trunk = permit.trunk().name, "a call was rejected: no media session");
                self.refused(Some(trunk), Rejection::NoMedia);
                self.reply(self.dispatcher.unavailable(&invite, arrival, state));
            }
        }
    }

    /// The place of the trunk that a message came by: the one whose registration goes by the TLS connection (RFC 5626 §5.3: calls to a
    /// binding come by its flow), else that of its address.
    fn trunk_of(&self, arrival: &Arrival) -> Option<usize> {
        let by_flow = self.shared.services.registrations.on_flow(arrival);
        by_flow.or_else(|| self.trunk(arrival.transport, arrival.source.ip()))
    }

    /// The headers that the trunk at a place is trusted for.
    fn trust(&self, trunk: usize) -> IdentityTrust {
        self.shared.settings.trunks.get(trunk).map_or_else(Default::default, |trunk| trunk.identity)
    }

    /// The calling number as people may see it, as it is dialled; none: it is withheld. With it the hash that stands for the
    /// caller in limits and records, also of a withheld number that the trunk asserts (RFC 3325 §7).
    fn caller(&self, invite: &Message, trunk: usize) -> (Option<String>, Option<u64>) {
        let (plan, trust) = (&self.shared.settings.number_plan, self.trust(trunk));
        let Some(number) = invite.caller_number(trust) else { return (None, None) };
        let hash = self.shared.services.keys.client("caller", &number.canonical(plan));
        let shown = (!invite.is_withheld(trust)).then(|| number.dialled(plan));
        (shown, Some(hash))
    }

    fn admit(
        &self,
        invite: &Message,
        trunk: usize,
        caller: Option<u64>,
        capacity: Capacity,
    ) -> Result<Permit, Rejection> {
        let user = invite.called_user().unwrap_or_default();
        let registers = self.shared.settings.trunks.get(trunk).is_some_and(|trunk| trunk.register.is_some());
        let dialled = if registers { invite.dialled_users(self.trust(trunk)) } else { [None, None] };
        let services = &self.shared.services;
        let call = NewCall { trunk, user: &user, dialled: dialled.each_ref().map(Option::as_deref), caller };
        services.trunks.admit(call, capacity.availability(), self.registry.recording_calls())
    }

    /// Counts a call that was refused before it began.
    fn refused(&self, trunk: Option<usize>, why: Rejection) {
        self.metrics().calls.inc(CallOutcome::Refused);
        if let Some(trunk) = trunk {
            self.shared.services.trunks.refused(trunk, why);
        }
    }

    fn retry_after(&self, key: &LegKey) -> Duration {
        spread(self.shared.settings.retry_after, self.spread.hash_one(key))
    }

    /// Asks the peers of trunks with `ping_s` whether they are there, for as long as the runtime lasts.
    pub fn ping_peers(&self) {
        self.pings.start(&self.shared.services.trunks);
    }

    fn start(&self, key: LegKey, start: Start, unanswered: Unanswered) {
        let sound = CallSound { address: start.address, session: start.session };
        let (registration, arrivals) = self.registry.register(key, start.permit.purpose, sound);
        self.metrics().calls_in_progress.add(1);
        let call = calls::run(Arc::clone(&self.shared), registration, start, unanswered, arrivals);
        let this = Weak::clone(&self.this);
        tokio::spawn(async move {
            // Once a call is gone, an INVITE that takes its place begins the next one under the same key.
            for (message, arrival) in call.await {
                let Some(agent) = this.upgrade() else { return };
                if let Some(backlog) = agent.message(*message, &arrival) {
                    backlog.await;
                }
            }
        });
    }

    /// Begins what this node does without being called: it asks DNS for its trunks' hosts, registers, and follows the
    /// accounts of the registrar.
    pub fn begin(&self) {
        trunk_hosts::follow(&self.shared.services.trunks, &self.shared.sender);
        self.shared.services.registrations.start(&self.shared.sender);
        tokio::spawn(forget_ended(Arc::clone(&self.registry)));
        if let Some(registrar) = &self.shared.services.registrar {
            tokio::spawn(DeskRegistrar::follow_accounts(Arc::downgrade(registrar)));
        }
        let messages = self.queue_messages.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(accounts), Some(messages)) = (&self.shared.services.accounts, messages)
            && !self.shared.settings.queues.queues.is_empty()
        {
            let (shared, registry) = (Arc::clone(&self.shared), Arc::clone(&self.registry));
            let queue = self.shared.queue.clone();
            tokio::spawn(queue_service::serve(shared, registry, Arc::clone(accounts), queue, messages));
        }
    }

    /// Where callers wait for an agent.
    pub fn queue(&self) -> QueueHandle {
        self.shared.queue.clone()
    }

    /// A REGISTER of a telephone; what else comes from where only telephones are is refused.
    fn answer_telephone(&self, message: &Message, arrival: &Arrival) -> Option<Outgoing> {
        let registrar = self.shared.services.registrar.as_ref()?;
        let source = arrival.source.ip();
        if !registrar.accepts(source) {
            if !message.is(&Method::Register) {
                return None;
            }
            if let Some(unlogged) = self.strangers.dropped(clock::now(), source) {
                strangers::log_registration(source, unlogged);
            }
            return Some(self.dispatcher.reject(message, arrival, 403));
        }
        if message.is(&Method::Register) {
            return Some(registrar.register(message, arrival));
        }
        let known = self.shared.services.trunks.find(arrival.transport, arrival.source.ip()).is_some();
        let refused = message.method().is_some_and(|method| *method != Method::Ack) && !known;
        refused.then(|| self.dispatcher.reject(message, arrival, 403))
    }

    /// A service code that an agent has dialled at a telephone: what it asks for is done, and the telephone shows what became of it in
    /// the reason of its refusal, since no call is needed. A telephone that is not registered is refused with 403; one that has
    /// connected again is asked for its password. Returns false
    /// where the message holds no service code.
    fn takes_service_code(&self, message: &Message, arrival: &Arrival) -> bool {
        let Some((number, code)) = self.service_code(message, arrival) else { return false };
        let number = match number.map_or_else(|| self.identify_telephone(message, arrival), Ok) {
            Ok(number) => number,
            Err(reply) => {
                self.reply(reply);
                return true;
            }
        };
        let Some(code) = ServiceCode::of(&code) else {
            self.reply(self.dispatcher.reject(message, arrival, 404));
            return true;
        };
        let Some(agent) = self.this.upgrade() else { return true };
        let (message, arrival) = (message.clone(), *arrival);
        tokio::spawn(async move {
            let (status, reason) = agent.shared.queue.dialled(number, code).await.response();
            agent.reply(agent.dispatcher.reject_saying(&message, &arrival, status, reason));
        });
        true
    }

    /// The number of a telephone that has connected again since it registered; else what it is answered.
    fn identify_telephone(&self, message: &Message, arrival: &Arrival) -> Result<String, Outgoing> {
        let identified = self.shared.services.registrar.as_ref().ok_or(None);
        let identified = identified.and_then(|registrar| registrar.identify(message, arrival));
        identified.map_err(|reply| {
            reply.unwrap_or_else(|| self.dispatcher.reject_saying(message, arrival, 403, NOT_REGISTERED))
        })
    }

    /// The code that a telephone has dialled, and its number; without a number it is not registered. Where only carriers are, and
    /// for numbers that the trunk serves, there are no codes.
    fn service_code(&self, message: &Message, arrival: &Arrival) -> Option<(Option<String>, String)> {
        let new_call = message.is(&Method::Invite) && message.to_tag().is_empty();
        let code = message.called_user().filter(|user| new_call && user.starts_with('*'))?;
        let registrar = self.shared.services.registrar.as_ref()?;
        let number = message.from_user().and_then(|named| registrar.number_at(arrival, &named));
        if number.is_none() {
            let trunk = self.trunk_of(arrival);
            let named = |place: usize| !self.shared.settings.trunks[place].numbers.is_empty();
            if ServiceCode::of(&code).is_none() || !registrar.accepts(arrival.source.ip()) || trunk.is_some_and(named) {
                return None;
            }
        }
        Some((number, code))
    }

    /// Sends a stateless response; a lost one is sent again when the request is.
    fn reply(&self, reply: Outgoing) {
        self.shared.sender.send(reply, || {});
    }
}

impl Receiver for UserAgent {
    /// Only trunks are answered; what comes from elsewhere is counted, and logged by source once a minute.
    fn accepts(&self, over: Transport, address: IpAddr) -> bool {
        let desk = self.shared.services.registrar.as_ref();
        let known = self.shared.services.trunks.find(over, address).is_some()
            || desk.is_some_and(|registrar| registrar.accepts(address));
        if !known {
            self.metrics().sip_dropped.inc(SipDrop::Stranger);
            if let Some(unlogged) = self.strangers.dropped(clock::now(), address) {
                strangers::log(address, unlogged);
            }
        }
        known
    }

    fn trunk(&self, over: Transport, address: IpAddr) -> Option<usize> {
        self.shared.services.trunks.find(over, address)
    }

    fn waited(&self, age: Duration, datagrams: usize) {
        self.overload.read(clock::now(), age, datagrams);
    }

    fn screen(&self, datagram: &[u8], arrival: &Arrival, replies: &mut ShedReplies) -> Screening {
        let now = clock::now();
        if !self.overload.is_over(now) {
            return Screening::Parse;
        }
        let trunk = self.trunk_of(arrival).filter(|trunk| self.overload.sheds(now, *trunk));
        let Some(trunk) = trunk else { return Screening::Parse };
        match self.dispatcher.shed(datagram, arrival, self.shared.settings.retry_after, replies) {
            Shed::Other => Screening::Parse,
            Shed::Done => Screening::Done,
            // The INVITE of a call in progress came again.
            Shed::Call(_) if self.registry.contains(replies.key()) => {
                replies.withdraw();
                Screening::Parse
            }
            Shed::Call(_) => {
                self.count_shed(trunk);
                Screening::Done
            }
        }
    }

    fn message(&self, message: Message, arrival: &Arrival) -> Option<Backlog> {
        let received = clock::now();
        let message = self.shared.services.registrations.receive(message, arrival)?;
        if let Some(method) = message.method() {
            self.metrics().sip_requests.inc(method.into());
        }
        if self.pings.take(&message) {
            return None;
        }
        let key = message.leg_key();
        let inbox = self.registry.inbox(&key);
        let message = match &inbox {
            Some(_) => message,
            None => self.answer_late(&key, message, arrival)?,
        };
        // A telephone in a call of this node sends more than REGISTER.
        if inbox.is_none() && self.takes_service_code(&message, arrival) {
            return None;
        }
        if inbox.is_none()
            && let Some(reply) = self.answer_telephone(&message, arrival)
        {
            self.reply(reply);
            return None;
        }
        // One value for the dispatcher and for admission, so that they cannot disagree.
        let capacity = self.registry.capacity();
        let state = NodeState {
            known: inbox.is_some(),
            draining: capacity.draining,
            full: capacity.is_full(),
            retry_after: self.retry_after(&key),
        };
        match self.dispatcher.dispatch(&message, arrival, state) {
            Disposition::Drop => self.metrics().sip_dropped.inc(SipDrop::Stray),
            Disposition::Reply(reply) => {
                if message.is(&Method::Invite) && message.to_tag().is_empty() {
                    let why = match capacity.availability() {
                        Availability::Draining if reply.bytes.starts_with(UNAVAILABLE) => Rejection::Draining,
                        Availability::Full if reply.bytes.starts_with(UNAVAILABLE) => Rejection::Full,
                        Availability::Open | Availability::Full | Availability::Draining => Rejection::Unsupported,
                    };
                    self.refused(self.trunk_of(arrival), why);
                }
                self.reply(reply);
            }
            Disposition::Leg => return self.deliver(inbox, message, arrival),
            Disposition::Invite => self.new_call(received, key, message, arrival, (state, capacity)),
        }
        None
    }

    fn stream_ended(&self, arrival: &Arrival) {
        self.shared.services.registrations.stream_ended(arrival);
    }

    fn ponged(&self, arrival: &Arrival) {
        self.shared.services.registrations.ponged(arrival);
    }

    fn handshake_failed(&self) {
        self.metrics().sip_dropped.inc(SipDrop::Handshake);
    }

    fn malformed(&self, malformed: &MalformedMessage, arrival: &Arrival) {
        self.metrics().sip_dropped.inc(SipDrop::Malformed);
        tracing::debug!(fault = ?malformed.fault, "malformed SIP");
        if let Some(reply) = malformed.reply(arrival) {
            self.reply(reply);
        }
    }
}

/// Forgets calls that have ended when their late messages can come no more, for as long as the runtime lasts.
async fn forget_ended(registry: Arc<Registry>) {
    loop {
        sleep(SWEEP).await;
        if registry.ended().sweep() {
            // Other threads that want memory meanwhile wait a little.
            let _ = spawn_blocking(memory::give_back).await;
        }
    }
}

/// What a telephone shows that dials a service code before it is registered.
const NOT_REGISTERED: &str = "This telephone is not registered";
const SWEEP: Duration = Duration::from_secs(2);
const UNAVAILABLE: &[u8] = b"SIP/2.0 503";
/// How long the reading of a stream waits for a call that takes no message.
const INBOX_PATIENCE: Duration = Duration::from_secs(2);
