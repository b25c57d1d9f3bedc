//! The queues of a node at work: one task owns [`Queues`], hears of callers, agents and telephones, and executes what it decides.
//!
//! ```text
//!  call tasks ── join, leave, key ──┐                    ┌──► call tasks: refused, announce, connected, ended, overflow
//!  agents' calls ── rings, answered ┼──► queue::Queues ──┼──► agents' calls: begun, withdrawn, ended
//!  commands, service codes ─────────┘     (one task)     └──► media: two sessions bridged
//! ```
//!
//! Its channel is bounded; a caller who cannot be entered hears what a full queue says. A call that ends without a word is found
//! by its closed inbox.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::agent_call::{AgentCall, AgentCallStart};
use super::browser_call::{self, BrowserCallStart};
use super::calls::far;
use super::inbox::insist;
use super::queue_handle::{AgentReport, CallerLink, QueueHandle, QueueMessage, QueueStatus, WaitId, name_of};
use super::registry::Registry;
use super::services::Shared;
use base::Key;
use call::{Input, MediaCommand, OutgoingEnd, QueueNotice};
use flow::QueueOutcome;
use jiff::civil::Date;
use media::SessionId;
use os::clock;
use queue::{
    Action, AgentChange, AgentError, AgentSettings, AgentState, CallBackResult, CallerId, Join, LeaveReason, Left,
    NotReadyReason, OfferId, OfferResult, Queues, Refusal,
};
use studio_store::{Accounts, AgentAccount};

/// Serves the queues for as long as the runtime lasts.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    accounts: Arc<Accounts>,
    handle: QueueHandle,
    arrivals: mpsc::Receiver<QueueMessage>,
) {
    let settings = shared.settings.queues.clone();
    let queues = match Queues::new(settings, clock::now(), clock::timestamp().as_millisecond()) {
        Ok(queues) => queues,
        Err(errors) => return errors.iter().for_each(|error| tracing::error!(%error, "the queues cannot be served")),
    };
    let _served = handle.serve();
    let day = clock::local(&shared.services.live.load().zone).date();
    tokio::spawn(follow_accounts(accounts, handle.messages.clone()));
    let mut service = Service {
        shared,
        registry,
        queues,
        handle,
        arrivals,
        agents: HashMap::new(),
        telephones: HashMap::new(),
        day,
        callers: HashMap::new(),
        ids: HashMap::new(),
        left: VecDeque::new(),
        offers: HashMap::new(),
        conversations: HashMap::new(),
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = service.queues.deadline().map_or_else(|| far(clock::now()), |deadline| deadline.at);
        tokio::select! {
            message = service.arrivals.recv() => match message {
                Some(message) => service.receive(clock::now(), message),
                None => return,
            },
            () = sleep_until(due.into()) => {}
            _ = ticks.tick() => service.look_after(clock::now()),
        }
        service.act();
    }
}

/// Reads the accounts of agents from time to time.
async fn follow_accounts(accounts: Arc<Accounts>, messages: mpsc::Sender<QueueMessage>) {
    loop {
        let store = Arc::clone(&accounts);
        // The store may wait for another writer.
        match tokio::task::spawn_blocking(move || store.agents()).await {
            Ok(Ok(agents)) => {
                if messages.send(QueueMessage::Accounts(agents)).await.is_err() {
                    return;
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "the accounts of agents cannot be read; those known before stay"),
            Err(_panicked) => return,
        }
        tokio::time::sleep(ACCOUNTS_EVERY).await;
    }
}

struct Service {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    queues: Queues,
    handle: QueueHandle,
    arrivals: mpsc::Receiver<QueueMessage>,
    agents: HashMap<Arc<str>, AgentAccount>,
    /// The telephone of each agent, as the queues know it.
    telephones: HashMap<Arc<str>, Reach>,
    /// The day that the figures are of.
    day: Date,
    callers: HashMap<CallerId, (WaitId, CallerLink)>,
    ids: HashMap<WaitId, CallerId>,
    /// Those who left by a key lately, whose places are kept.
    left: VecDeque<(Instant, WaitId, CallerId)>,
    offers: HashMap<OfferId, Offer>,
    /// The offers whose agents talk, by their callers.
    conversations: HashMap<CallerId, OfferId>,
}

/// Whether an agent has a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Never,
    /// It is in a browser, since then.
    Browser(Instant),
    /// It is registered here until then, if it does not renew that.
    Until(Instant),
    /// It has an address.
    Always,
}

/// A call to an agent.
struct Offer {
    call: AgentCall,
    caller: CallerId,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ringing,
    /// Answered, and not yet connected.
    Answered,
    Talking,
    /// It was told to stop.
    Withdrawn,
}

impl Service {
    fn receive(&mut self, now: Instant, message: QueueMessage) {
        match message {
            QueueMessage::Join(id, caller) => {
                let (join, before, link) = *caller;
                let before = before.and_then(|before| self.left.iter().find(|(_, left, _)| *left == before));
                let place_of = before.map(|(_, _, caller)| *caller);
                self.join(now, id, Join { place_of, ..join }, link);
            }
            QueueMessage::Leave(id, how) => self.leave(now, id, how),
            QueueMessage::Key(id, key) => {
                let offer = self.ids.get(&id).and_then(|caller| self.conversations.get(caller));
                if let Some(offer) = offer.and_then(|offer| self.offers.get(offer)) {
                    self.press(offer.call.session, key);
                }
            }
            QueueMessage::Agent(offer, report) => self.on_report(now, offer, report),
            QueueMessage::Change { agent, change, reply } => {
                let changed = self.change(now, &agent, change);
                // A command that lists the agents next sees what it has changed.
                self.publish(now);
                let _ = reply.send(changed);
            }
            QueueMessage::Code { number, change } => {
                let agent = self.agents.values().find(|account| account.number == number);
                let Some(agent) = agent.map(|account| account.name.clone()) else { return };
                if let Err(error) = self.change(now, &agent, change) {
                    tracing::warn!(agent, %error, "a service code was refused");
                }
            }
            QueueMessage::Accounts(accounts) => self.take_accounts(now, accounts),
            QueueMessage::Drain(left) => self.queues.drain(now, left),
        }
    }

    /// Who wants to be ready, or to pause, begins work by that. A pause without a reason has the first of the settings.
    fn change(&mut self, now: Instant, agent: &str, change: AgentChange) -> Result<(), AgentError> {
        // A telephone that has just registered counts already.
        self.look_at_telephones(now);
        let change = match change {
            AgentChange::Pause(reason) if reason.is_empty() => {
                let first = self.shared.settings.queues.pauses.first().cloned();
                AgentChange::Pause(first.unwrap_or_default())
            }
            other => other,
        };
        if matches!(change, AgentChange::Ready | AgentChange::Pause(_)) {
            self.queues.agent(now, agent, AgentChange::SignIn)?;
        }
        self.queues.agent(now, agent, change)
    }

    fn join(&mut self, now: Instant, id: WaitId, join: Join, link: CallerLink) {
        match self.queues.join(now, join) {
            Ok(caller) => {
                self.ids.insert(id, caller);
                self.callers.insert(caller, (id, link));
            }
            Err(refusal) => insist(&link.inbox, Input::Queue(QueueNotice::Left(outcome_of(refusal)))),
        }
    }

    fn leave(&mut self, now: Instant, id: WaitId, how: Left) {
        let Some(caller) = self.ids.remove(&id) else { return };
        self.callers.remove(&caller);
        if how == Left::Key {
            self.left.push_back((now, id, caller));
        }
        if let Some(offer) = self.conversations.remove(&caller).and_then(|offer| self.offers.get_mut(&offer)) {
            offer.stage = Stage::Withdrawn;
            offer.call.hang_up();
        }
        self.queues.leave(now, caller, how);
    }

    fn press(&self, session: SessionId, key: Key) {
        let _ = self.shared.services.media.command(session, MediaCommand::SendKey(key));
    }

    fn on_report(&mut self, now: Instant, id: OfferId, report: AgentReport) {
        let Some(offer) = self.offers.get_mut(&id) else { return };
        match report {
            AgentReport::Ringing => tracing::debug!(offer = id.0, "an agent's telephone rings"),
            AgentReport::Answered if offer.stage == Stage::Ringing => {
                offer.stage = Stage::Answered;
                self.queues.offer_result(now, id, OfferResult::Accepted);
            }
            AgentReport::Answered => {}
            AgentReport::Key(key) => {
                let caller = offer.caller;
                if offer.stage == Stage::Talking
                    && let Some((_, link)) = self.callers.get(&caller)
                {
                    self.press(link.session, key);
                }
            }
            AgentReport::Over(end) => self.call_over(now, id, end),
        }
    }

    fn call_over(&mut self, now: Instant, id: OfferId, end: OutgoingEnd) {
        let Some(offer) = self.offers.remove(&id) else { return };
        match offer.stage {
            Stage::Talking => {
                self.conversations.remove(&offer.caller);
                self.queues.ended(now, offer.caller);
                // The caller goes on alone.
                if let Some((wait, link)) = self.callers.remove(&offer.caller) {
                    self.ids.remove(&wait);
                    let lost = matches!(end, OutgoingEnd::Failed(_));
                    let lost = lost.then_some(QueueNotice::Left(QueueOutcome::NoAgents));
                    insist(&link.inbox, Input::Queue(lost.unwrap_or(QueueNotice::Ended)));
                }
            }
            Stage::Withdrawn => self.queues.offer_result(now, id, OfferResult::Withdrawn),
            Stage::Ringing | Stage::Answered => self.queues.offer_result(now, id, result_of(end)),
        }
    }

    /// Does what the queues decide.
    fn act(&mut self) {
        loop {
            let now = clock::now();
            let actions = self.queues.poll(now);
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.perform(now, action);
            }
        }
    }

    fn perform(&mut self, now: Instant, action: Action) {
        match action {
            Action::Offer { offer, agent, caller, limit, .. } => {
                if let Err(result) = self.offer(offer, &agent, caller, limit) {
                    self.queues.offer_result(now, offer, result);
                }
            }
            Action::Withdraw { offer } => match self.offers.get_mut(&offer) {
                Some(offer) => {
                    offer.stage = Stage::Withdrawn;
                    offer.call.hang_up();
                }
                None => self.queues.offer_result(now, offer, OfferResult::Withdrawn),
            },
            Action::Connect { caller, agent, offer } => self.connect(now, caller, agent, offer),
            Action::Announce { caller, position, minutes } => {
                self.announce(caller, QueueNotice::Announce { position, minutes });
            }
            Action::Draining { caller, .. } => self.announce(caller, QueueNotice::Draining),
            Action::Moved { caller, queue } => tracing::debug!(caller = caller.0, %queue, "a caller waits elsewhere"),
            Action::Overflow { caller, reason } => {
                if let Some((wait, link)) = self.callers.remove(&caller) {
                    self.ids.remove(&wait);
                    let outcome = match reason {
                        LeaveReason::WaitedTooLong | LeaveReason::Draining => QueueOutcome::WaitedTooLong,
                        LeaveReason::NoAgents => QueueOutcome::NoAgents,
                        LeaveReason::Closed => QueueOutcome::Closed,
                    };
                    insist(&link.inbox, Input::Queue(QueueNotice::Left(outcome)));
                }
            }
            // No setting lets a number be called back: none can be booked.
            Action::CallBack { call_back, .. } => {
                self.queues.call_back_result(now, call_back, CallBackResult::Failed);
            }
            Action::HangUpCallBack { .. } | Action::StoreCallBack(_) | Action::ForgetCallBack { .. } => {}
            Action::AgentState { agent, state } => tracing::info!(%agent, state = name_of(&state), "agent"),
        }
    }

    /// Says something to a caller who waits; what does not reach the call now would be late.
    fn announce(&self, caller: CallerId, notice: QueueNotice) {
        if let Some((_, link)) = self.callers.get(&caller) {
            let _ = link.inbox.try_send(Input::Queue(notice));
        }
    }

    /// Calls an agent's telephone, or says why not: there is none, or this node cannot call it now.
    fn offer(
        &mut self,
        id: OfferId,
        agent: &Arc<str>,
        caller: CallerId,
        ring_limit: Duration,
    ) -> Result<(), OfferResult> {
        // A caller who has left meanwhile is no fault of the telephone.
        let (_, link) = self.callers.get(&caller).ok_or(OfferResult::NotMade)?;
        if let Some(call) = self.offer_in_browser(id, agent, caller, ring_limit) {
            let call = call.ok_or(OfferResult::NotMade)?;
            self.offers.insert(id, Offer { call, caller, stage: Stage::Ringing });
            return Ok(());
        }
        let telephone = self.agents.get(agent).and_then(|agent| match &agent.duty.address {
            Some(address) => self.shared.telephones.at(address),
            None => self.shared.telephones.registered(&agent.number),
        });
        let telephone = telephone.ok_or(OfferResult::Failed)?;
        let start = AgentCallStart {
            offer: id,
            telephone,
            number: link.number.clone(),
            beside: link.session,
            prefer: link.codec,
            ring_limit,
        };
        let call = AgentCall::begin(&self.shared, &self.registry, start, &self.handle.messages);
        let call = call.ok_or(OfferResult::NotMade)?;
        self.offers.insert(id, Offer { call, caller, stage: Stage::Ringing });
        Ok(())
    }

    /// Calls an agent whose telephone is a browser: one who has opened it wants to be called there. None: there is no such
    /// telephone; none within: this node cannot call it now.
    fn offer_in_browser(
        &self,
        offer: OfferId,
        agent: &Arc<str>,
        caller: CallerId,
        ring_limit: Duration,
    ) -> Option<Option<AgentCall>> {
        let browsers = self.shared.services.browsers.as_ref()?;
        browsers.registered_since(agent)?;
        let (_, link) = self.callers.get(&caller)?;
        let start = BrowserCallStart {
            offer,
            agent,
            number: link.number.clone(),
            beside: link.session,
            prefer: link.codec,
            ring_limit,
        };
        Some(browser_call::begin(&self.shared, browsers, start, &self.handle.messages))
    }

    fn connect(&mut self, now: Instant, caller: CallerId, agent: Arc<str>, id: OfferId) {
        let media = &self.shared.services.media;
        let Some(offer) = self.offers.get_mut(&id) else { return self.queues.connection_failed(now, caller) };
        let link = self.callers.get(&caller).map(|(_, link)| link);
        let connected = link.is_some_and(|link| {
            let bridged = media.bridge(link.session, offer.call.session).is_ok();
            bridged && link.inbox.try_send(Input::Queue(QueueNotice::Connected { agent })).is_ok()
        });
        if connected {
            offer.stage = Stage::Talking;
            self.conversations.insert(caller, id);
            return;
        }
        tracing::warn!("a caller could not be connected with an agent: this node does not keep up");
        media.unbridge(offer.call.session);
        offer.stage = Stage::Withdrawn;
        offer.call.hang_up();
        self.queues.connection_failed(now, caller);
    }

    fn take_accounts(&mut self, now: Instant, accounts: Vec<AgentAccount>) {
        let list = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        let every = || self.shared.settings.queues.queues.iter().map(|queue| queue.name.clone()).collect();
        let settings = |AgentAccount { name, duty, .. }: &AgentAccount| AgentSettings {
            name: name.as_str().into(),
            queues: if duty.queues.is_empty() { every() } else { list(&duty.queues) },
            skills: list(&duty.skills),
        };
        let settings: Vec<AgentSettings> = accounts.iter().map(settings).collect();
        if let Err(errors) = self.queues.set_agents(now, &settings) {
            errors.iter().for_each(|error| tracing::warn!(%error, "an agent's account"));
        }
        self.agents = accounts.into_iter().map(|account| (account.name.as_str().into(), account)).collect();
        self.look_at_telephones(now);
    }

    /// Finds out which agents can be reached. A change counts, and a new registration: a telephone that is there and fails is not
    /// tried again at once, but after a while.
    fn look_at_telephones(&mut self, now: Instant) {
        for (name, account) in &self.agents {
            let browsers = self.shared.services.browsers.as_ref();
            let reach = match (browsers.and_then(|browsers| browsers.registered_since(name)), &account.duty.address) {
                (Some(since), _) => Reach::Browser(since),
                (None, Some(_)) => Reach::Always,
                (None, None) => {
                    self.shared.telephones.registered_until(&account.number).map_or(Reach::Never, Reach::Until)
                }
            };
            if self.telephones.insert(Arc::clone(name), reach) != Some(reach) {
                let change = if reach == Reach::Never { AgentChange::PhoneLost } else { AgentChange::PhoneBack };
                let _ = self.queues.agent(now, name, change);
            }
        }
        self.telephones.retain(|name, _| self.agents.contains_key(name));
        for figures in self.queues.agent_figures(now) {
            let failed = figures.state == AgentState::NotReady(NotReadyReason::PhoneFailed);
            let is_there = self.telephones.get(&figures.agent).is_some_and(|reach| *reach != Reach::Never);
            if failed && is_there && figures.for_so_long >= TRIED_AGAIN {
                let _ = self.queues.agent(now, &figures.agent, AgentChange::PhoneBack);
            }
        }
    }

    /// The figures of the day begin again at midnight.
    fn look_at_the_day(&mut self, now: Instant) {
        let today = clock::local(&self.shared.services.live.load().zone).date();
        if std::mem::replace(&mut self.day, today) != today {
            self.queues.new_day(now);
        }
    }

    /// What is looked after every second: callers who are gone without a word, telephones, figures.
    fn look_after(&mut self, now: Instant) {
        let gone: Vec<WaitId> =
            self.callers.values().filter(|(_, link)| link.inbox.is_closed()).map(|(id, _)| *id).collect();
        while self.left.front().is_some_and(|(since, _, _)| now.saturating_duration_since(*since) > KEPT) {
            self.left.pop_front();
        }
        gone.into_iter().for_each(|id| self.leave(now, id, Left::HungUp));
        self.look_at_telephones(now);
        self.look_at_the_day(now);
        self.publish(now);
    }

    /// Renews what is known from outside.
    fn publish(&mut self, now: Instant) {
        let status = QueueStatus { queues: self.queues.queue_figures(now), agents: self.queues.agent_figures(now) };
        self.handle.status.store(Arc::new(status));
    }
}

/// However the task ends, nobody waits for it for ever: callers go on alone, and agents' calls end.
impl Drop for Service {
    fn drop(&mut self) {
        let lost = || Input::Queue(QueueNotice::Left(QueueOutcome::NoAgents));
        self.arrivals.close();
        while let Ok(message) = self.arrivals.try_recv() {
            if let QueueMessage::Join(_, caller) = message {
                insist(&caller.2.inbox, lost());
            }
        }
        self.callers.values().for_each(|(_, link)| insist(&link.inbox, lost()));
        self.offers.values().for_each(|offer| offer.call.hang_up());
    }
}

fn outcome_of(refusal: Refusal) -> QueueOutcome {
    match refusal {
        Refusal::Full => QueueOutcome::Full,
        Refusal::Closed => QueueOutcome::Closed,
        Refusal::Unknown | Refusal::NoAgents | Refusal::Draining => QueueOutcome::NoAgents,
    }
}

fn result_of(end: OutgoingEnd) -> OfferResult {
    match end {
        OutgoingEnd::NoAnswer => OfferResult::NoAnswer,
        OutgoingEnd::Declined => OfferResult::Declined,
        OutgoingEnd::Withdrawn => OfferResult::Withdrawn,
        OutgoingEnd::HungUp | OutgoingEnd::Ended | OutgoingEnd::Failed(_) => OfferResult::Failed,
    }
}

/// As long as the queues keep the place of a caller who left by a key.
const KEPT: Duration = Duration::from_secs(120);
/// After this time a telephone that failed is tried again.
const TRIED_AGAIN: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_secs(1);
/// A changed account takes effect within this time.
const ACCOUNTS_EVERY: Duration = Duration::from_secs(5);
