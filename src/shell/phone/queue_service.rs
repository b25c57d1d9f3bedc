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
use super::agent_pages::{AgentPages, CallStage};
use super::browser_call::{self, BrowserCallStart};
use super::call_back::{self, CallBackStart};
use super::call_backs::CallBacks;
use super::caller_card::CallerCard;
use super::calls::far;
use super::hold::HOLD;
use super::inbox::insist;
use super::kept_desk::{DeskKeeper, KeptDesk};
use super::queue_handle::{
    AgentReport, CallBackMessage, CallerLink, PageCommand, QueueHandle, QueueMessage, QueueStatus, WaitId,
    WaitingCaller, name_of,
};
use super::registry::Registry;
use super::services::Shared;
use super::supervision::{SupervisorCommand, SupervisorError, kept, restore, supervise};
use base::Key;
use call::{Input, MediaCommand, OutgoingEnd, QueueNotice};
use flow::QueueOutcome;
use jiff::civil::Date;
use media::SessionId;
use os::clock;
use queue::{
    Action, AgentChange, AgentError, AgentSettings, AgentState, CallBackResult, CallBackWish, CallerId, Join,
    LeaveReason, Left, NotReadyReason, OfferId, OfferResult, Queues, Refusal,
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
    let mut queues = match Queues::new(settings, clock::now(), clock::timestamp().as_millisecond()) {
        Ok(queues) => queues,
        Err(errors) => return errors.iter().for_each(|error| tracing::error!(%error, "the queues cannot be served")),
    };
    let call_backs = CallBacks::restore(&shared, &mut queues).await;
    let _served = handle.serve();
    let day = clock::local(&shared.services.live.load().zone).date();
    let (kept, keeper) = DeskKeeper::open(shared.services.data.as_deref());
    tokio::spawn(follow_accounts(accounts, handle.messages.clone()));
    let mut service = Service {
        shared,
        registry,
        queues,
        left_behind: Some(kept),
        keeper,
        pages: AgentPages::new(Arc::clone(&handle.pages)),
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
        call_backs,
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
    /// What the last run has kept, until the accounts of agents are known.
    left_behind: Option<KeptDesk>,
    keeper: DeskKeeper,
    pages: AgentPages,
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
    call_backs: CallBacks,
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
    agent: Arc<str>,
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
    /// It was told to stop by the agent's page.
    Declined,
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
            QueueMessage::CallBack(message) => self.on_call_back(now, message),
            QueueMessage::Agent(offer, report) => self.on_report(now, offer, report),
            QueueMessage::Change { agent, change, reply } => {
                let changed = self.change(now, &agent, change);
                // A command that lists the agents next sees what it has changed.
                self.publish(now);
                let _ = reply.send(changed);
            }
            QueueMessage::Code { number, change, reply } => {
                let agent = self.agents.values().find(|account| account.number == number);
                let changed = match agent.map(|account| account.name.clone()) {
                    Some(agent) => self
                        .change(now, &agent, change)
                        .inspect_err(|error| tracing::warn!(agent, %error, "a service code was refused")),
                    None => Err(AgentError::Unknown),
                };
                let _ = reply.send(changed);
            }
            QueueMessage::Accounts(accounts) => self.take_accounts(now, accounts),
            QueueMessage::Page { agent, call, command, reply } => {
                let _ = reply.send(self.command(now, &agent, OfferId(call), &command));
            }
            QueueMessage::Supervise { by, command, reply } => {
                let done = self.supervise(now, &by, &command);
                self.publish(now);
                let _ = reply.send(done);
            }
            QueueMessage::Drain(left) => {
                self.queues.drain(now, left);
                // What waits for a change of them must not keep the node.
                self.agents.keys().for_each(|agent| self.pages.touch(agent));
            }
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
        if let AgentChange::Pause(reason) = &change
            && !self.shared.settings.queues.pauses.contains(reason)
        {
            return Err(AgentError::UnknownReason);
        }
        // A telephone that has registered within the last second is there.
        self.look_at_telephones(now);
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
        if let Some(id) = self.conversations.remove(&caller)
            && let Some(offer) = self.offers.get_mut(&id)
        {
            self.pages.comes_to(&offer.agent, id, CallStage::Over);
            offer.stage = Stage::Withdrawn;
            offer.call.hang_up();
        }
        self.queues.leave(now, caller, how);
    }

    fn press(&self, session: SessionId, key: Key) {
        let _ = self.shared.services.media.command(session, MediaCommand::SendKey(key));
    }

    /// Does what a supervisor wants, and tells the agents whom it concerns.
    fn supervise(&mut self, now: Instant, by: &str, command: &SupervisorCommand) -> Result<(), SupervisorError> {
        supervise(&mut self.queues, now, command)?;
        let concerned: Vec<Arc<str>> = match command {
            SupervisorCommand::Agent { agent, change } => {
                self.change(now, agent, change.clone())?;
                vec![agent.as_str().into()]
            }
            SupervisorCommand::OpenQueue(queue) | SupervisorCommand::CloseQueue(queue) => {
                self.keep();
                let serves = |agent: &AgentAccount| {
                    agent.duty.queues.is_empty() || agent.duty.queues.iter().any(|name| **name == **queue)
                };
                self.agents.iter().filter(|(_, agent)| serves(agent)).map(|(name, _)| Arc::clone(name)).collect()
            }
            SupervisorCommand::MoveCaller { .. } => Vec::new(),
        };
        if let Some(notice) = command.notice(by) {
            concerned.iter().for_each(|agent| self.pages.tell(agent, &notice));
        }
        Ok(())
    }

    /// Keeps who is signed in and what is closed, for a restart.
    fn keep(&mut self) {
        // Before the accounts are known, nobody is signed in again.
        if self.left_behind.is_some() {
            return;
        }
        let names = self.shared.settings.queues.queues.iter().map(|queue| &queue.name);
        let closed = names.filter(|name| self.queues.is_open(name) == Some(false)).map(ToString::to_string).collect();
        let agents = self.queues.agent_figures(clock::now());
        self.keeper.keep(kept(&agents, closed));
    }

    /// Does what an agent's page wants of its call, if that is still so.
    fn command(&mut self, now: Instant, agent: &str, id: OfferId, command: &PageCommand) -> bool {
        let Some(offer) = self.offers.get_mut(&id).filter(|offer| *offer.agent == *agent) else { return false };
        match (command, offer.stage) {
            (PageCommand::Decline, Stage::Ringing) => offer.stage = Stage::Declined,
            (PageCommand::HangUp, Stage::Talking) => {}
            (PageCommand::Hold(held), Stage::Talking) => return self.hold(id, *held),
            (PageCommand::Transfer(queue), Stage::Talking) => return self.transfer(now, id, queue),
            (
                PageCommand::Decline | PageCommand::HangUp | PageCommand::Hold(_) | PageCommand::Transfer(_),
                Stage::Ringing | Stage::Answered | Stage::Talking | Stage::Withdrawn | Stage::Declined,
            ) => return false,
        }
        offer.call.hang_up();
        true
    }

    /// Lets the caller of a conversation hear music, or both hear each other again.
    fn hold(&mut self, id: OfferId, held: bool) -> bool {
        let media = &self.shared.services.media;
        let Some(offer) = self.offers.get(&id) else { return false };
        let Some((_, link)) = self.callers.get(&offer.caller) else { return false };
        let done = if held {
            media.unbridge(link.session);
            media.command(link.session, MediaCommand::Play { id: HOLD, pieces: link.music.clone() })
        } else {
            let stopped = media.command(link.session, MediaCommand::Stop);
            stopped.and_then(|()| media.bridge(link.session, offer.call.session))
        };
        self.pages.holds(&offer.agent, id, held);
        done.is_ok()
    }

    /// Gives the caller of a conversation to a queue; the agent's call ends.
    fn transfer(&mut self, now: Instant, id: OfferId, queue: &Arc<str>) -> bool {
        let Some(offer) = self.offers.get_mut(&id) else { return false };
        let caller = offer.caller;
        if !self.callers.contains_key(&caller) {
            return false;
        }
        let join = Join { queue: Arc::clone(queue), ..Join::default() };
        let Ok(again) = self.queues.join(now, join) else { return false };
        let Some((wait, link)) = self.callers.remove(&caller) else { return false };
        self.shared.services.media.unbridge(link.session);
        self.conversations.remove(&caller);
        self.pages.comes_to(&offer.agent, id, CallStage::Over);
        offer.stage = Stage::Withdrawn;
        offer.call.hang_up();
        self.queues.leave(now, caller, Left::HungUp);
        insist(&link.inbox, Input::Queue(QueueNotice::Transferred { queue: Arc::clone(queue) }));
        self.ids.insert(wait, again);
        self.callers.insert(again, (wait, link));
        true
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
        self.pages.withdrawn(&offer.agent, id);
        self.pages.comes_to(&offer.agent, id, CallStage::Over);
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
            Stage::Declined => self.queues.offer_result(now, id, OfferResult::Declined),
            Stage::Ringing | Stage::Answered => self.queues.offer_result(now, id, result_of(end)),
        }
    }

    /// Does what the queues decide.
    fn act(&mut self) {
        loop {
            let now = clock::now();
            let actions = self.queues.poll(now);
            if actions.is_empty() {
                if self.pages.have_changed() {
                    self.keep();
                    self.publish(now);
                    self.pages.publish();
                }
                return;
            }
            for action in actions {
                self.perform(now, action);
            }
        }
    }

    fn perform(&mut self, now: Instant, action: Action) {
        match action {
            Action::Offer { offer, agent, caller, queue, limit, waited } => {
                match self.offer(offer, &agent, caller, limit) {
                    Ok(card) => self.pages.rings(&agent, offer, queue, waited, card),
                    Err(result) => self.queues.offer_result(now, offer, result),
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
            Action::CallBack { call_back: id, caller, number, lang, passed, ring_limit, attempt, .. } => {
                tracing::info!(call_back = id.0, attempt, "a person is called back");
                let start = CallBackStart { id, number, lang, ring_limit, passed };
                if let Some(start) = self.call_backs.begins(caller, start) {
                    self.dial(now, start);
                }
            }
            Action::HangUpCallBack { call_back } => self.call_backs.hang_up(call_back),
            Action::StoreCallBack(record) => self.call_backs.store(&self.shared, &self.handle, &record),
            Action::ForgetCallBack { call_back } => self.call_backs.forget(&self.shared, call_back),
            Action::AgentState { agent, state } => {
                tracing::info!(%agent, state = name_of(&state), "agent");
                self.pages.touch(&agent);
            }
        }
    }

    fn on_call_back(&mut self, now: Instant, message: CallBackMessage) {
        match message {
            CallBackMessage::Book(wish, before, inbox) => {
                let left = before.and_then(|before| self.left.iter().find(|(_, left, _)| *left == before));
                let place_of = left.map(|(_, _, caller)| *caller);
                self.call_backs.book(&mut self.queues, now, CallBackWish { place_of, ..*wish }, inbox);
            }
            CallBackMessage::Agreed(id, call_back, link) => {
                let Some(caller) = self.call_backs.agreed(call_back) else {
                    return insist(&link.inbox, Input::Queue(QueueNotice::Left(QueueOutcome::NoAgents)));
                };
                self.ids.insert(id, caller);
                self.callers.insert(caller, (id, link));
                self.queues.call_back_result(now, call_back, CallBackResult::Agreed);
            }
            CallBackMessage::NotAgreed(call_back, result) => {
                self.call_backs.ended(call_back);
                tracing::info!(call_back = call_back.0, ?result, "call-back");
                self.queues.call_back_result(now, call_back, result);
            }
            CallBackMessage::Stored(call_back, stored) => {
                if let Some(start) = self.call_backs.stored(&mut self.queues, now, call_back, stored) {
                    self.dial(now, start);
                }
            }
            CallBackMessage::List { cancel, reply } => {
                let found = cancel.is_none_or(|call_back| self.queues.cancel_call_back(now, call_back));
                let records = || self.queues.call_backs().cloned().collect();
                let _ = reply.send(found.then(records));
            }
        }
    }

    fn dial(&mut self, now: Instant, start: CallBackStart) {
        let id = start.id;
        match call_back::begin(&self.shared, &self.registry, start) {
            Some(inbox) => self.call_backs.dialled(id, inbox),
            None => {
                self.call_backs.ended(id);
                self.queues.call_back_result(now, id, CallBackResult::Failed);
            }
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
    ) -> Result<Arc<CallerCard>, OfferResult> {
        // A caller who has left meanwhile is no fault of the telephone.
        let (_, link) = self.callers.get(&caller).ok_or(OfferResult::NotMade)?;
        let card = Arc::clone(&link.card);
        if let Some(call) = self.offer_in_browser(id, agent, caller, ring_limit) {
            let call = call.ok_or(OfferResult::NotMade)?;
            self.offers.insert(id, Offer { call, agent: Arc::clone(agent), caller, stage: Stage::Ringing });
            return Ok(card);
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
        self.offers.insert(id, Offer { call, agent: Arc::clone(agent), caller, stage: Stage::Ringing });
        Ok(card)
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
            self.pages.comes_to(&offer.agent, id, CallStage::Talking);
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
        if let Some(kept) = self.left_behind.take() {
            restore(&mut self.queues, now, &kept, self.shared.settings.queues.pauses.first());
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
        for call_back in self.call_backs.lost() {
            self.queues.call_back_result(now, call_back, CallBackResult::Failed);
        }
        self.pages.forget_old();
        self.look_at_telephones(now);
        self.look_at_the_day(now);
        self.publish(now);
    }

    /// Renews what is known from outside.
    fn publish(&mut self, now: Instant) {
        let waiting = self.queues.waiting_callers(now).into_iter().map(|(caller, queue, waited)| WaitingCaller {
            caller: caller.0,
            queue,
            waited,
            lang: self.callers.get(&caller).and_then(|(_, link)| link.card.lang),
        });
        let waiting = waiting.collect();
        let (queues, agents) = (self.queues.queue_figures(now), self.queues.agent_figures(now));
        let call_backs = self.queues.call_back_figures();
        let status = QueueStatus { queues, agents, waiting, call_backs };
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
