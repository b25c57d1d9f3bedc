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

mod call_backs;
mod consultation;
mod conversations;
mod monitoring;
mod offers;
mod recording;
mod reserved_lines;
mod staff;
mod transfers;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::agent_call::AgentCall;
use crate::agent_pages::{AgentPages, CallStage};
use crate::agent_states::{DeskKeeper, KeptDesk};
use crate::call_back::CallBackStart;
use crate::call_backs::CallBacks;
use crate::calls::far;
use crate::conversation_recording::Recorder;
use crate::desk_audit::DeskAudit;
use crate::inbox::insist;
use crate::queue_handle::{
    CallerLink, QueueHandle, QueueMessage, QueueStatus, TelephoneState, WaitId, WaitingCaller, name_of,
};
use crate::registry::Registry;
use crate::services::Shared;
use crate::transfer::CalledNumbers;
use call::{Input, QueueNotice};
use flow::QueueOutcome;
use jiff::civil::Date;
use monitoring::Monitors;
use os::clock;
use queue::{
    Action, AgentError, CallBackResult, CallerId, Join, LeaveReason, Left, OfferId, OfferResult, Queues, Refusal,
};
use studio_store::accounts::AccountError;
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
    let mut queues = match Queues::new(settings, clock::now(), clock::steady().as_millisecond()) {
        Ok(queues) => queues,
        Err(errors) => return errors.iter().for_each(|error| tracing::error!(%error, "the queues cannot be served")),
    };
    let call_backs = CallBacks::restore(&shared, &mut queues).await;
    let _served = handle.serve();
    let day = clock::local(&shared.services.live.load().zone).date();
    let (kept, keeper) = DeskKeeper::open(shared.services.data.as_deref());
    let monitors = Monitors::new(DeskAudit::begin(Arc::clone(&accounts)));
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
        supervisors: HashMap::new(),
        telephones: HashMap::new(),
        day,
        callers: HashMap::new(),
        ids: HashMap::new(),
        left: VecDeque::new(),
        offers: HashMap::new(),
        conversations: HashMap::new(),
        monitors,
        targets: HashMap::new(),
        called_numbers: CalledNumbers::default(),
        call_backs,
        recorder: Recorder::default(),
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
        service.end_recordings();
    }
}

/// Reads the accounts of agents from time to time.
async fn follow_accounts(accounts: Arc<Accounts>, messages: mpsc::Sender<QueueMessage>) {
    loop {
        let store = Arc::clone(&accounts);
        // The store may wait for another writer.
        match tokio::task::spawn_blocking(move || of_the_desk(&store)).await {
            Ok(Ok((agents, supervisors))) => {
                if messages.send(QueueMessage::Accounts { agents, supervisors }).await.is_err() {
                    return;
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "the accounts of agents cannot be read; those known before stay"),
            Err(_panicked) => return,
        }
        tokio::time::sleep(ACCOUNTS_EVERY).await;
    }
}

/// The accounts of agents and of supervisors.
fn of_the_desk(accounts: &Accounts) -> Result<(Vec<AgentAccount>, Vec<AgentAccount>), AccountError> {
    Ok((accounts.agents()?, accounts.supervisors()?))
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
    supervisors: HashMap<Arc<str>, AgentAccount>,
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
    /// The supervisors at conversations.
    monitors: Monitors,
    /// Calls to those who are asked about callers, or get them outside the queues.
    targets: HashMap<OfferId, transfers::Target>,
    called_numbers: CalledNumbers,
    call_backs: CallBacks,
    recorder: Recorder,
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

impl Reach {
    fn shown(self) -> TelephoneState {
        match self {
            Reach::Never => TelephoneState::Absent,
            Reach::Browser(_) => TelephoneState::Browser,
            Reach::Until(_) => TelephoneState::Registered,
            Reach::Always => TelephoneState::Address,
        }
    }
}

/// A call to an agent, or that of a supervisor who took a conversation over.
struct Offer {
    call: AgentCall,
    agent: Arc<str>,
    caller: CallerId,
    stage: Stage,
    /// The caller hears music.
    held: bool,
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
                } else if let Some(caller) = self.ids.get(&id) {
                    self.press_at_target(*caller, key);
                }
            }
            QueueMessage::Rated { queue, agent, score } => {
                self.queues.rated(now, &queue, &agent, score);
                self.pages.touch(&agent);
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
            QueueMessage::Accounts { agents, supervisors } => {
                self.supervisors = by_name(supervisors);
                self.take_accounts(now, agents);
            }
            QueueMessage::Page { agent, call, command, reply } => {
                let _ = reply.send(self.command(now, &agent, OfferId(call), &command));
            }
            QueueMessage::Transfer { agent, call, command, reply } => {
                let _ = reply.send(self.transfer_command(now, &agent, OfferId(call), command));
            }
            QueueMessage::Supervise { by, command, reply } => {
                let done = self.supervise(now, &by, &command);
                self.publish(now);
                let _ = reply.send(done);
            }
            QueueMessage::Drain(left) => {
                self.queues.drain(now, left);
                self.keeper.node_ends();
                self.keep();
                // What waits for a change of them must not keep the node.
                self.agents.keys().for_each(|agent| self.pages.touch(agent));
            }
        }
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
        self.end_targets_of(caller);
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

    /// Does what the queues decide.
    fn act(&mut self) {
        self.look_at_monitors();
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
                    Ok(_) if self.line_address(&agent).is_some() => {}
                    Ok(card) => self.pages.rings(&agent, offer, queue, waited, card),
                    Err(result) => self.queues.offer_result(now, offer, result),
                }
            }
            Action::Withdraw { offer } => {
                if let Some(offer) = self.offers.get_mut(&offer) {
                    offer.stage = Stage::Withdrawn;
                    offer.call.hang_up();
                } else if !self.end_target_call(offer) {
                    self.queues.offer_result(now, offer, OfferResult::Withdrawn);
                }
            }
            Action::Connect { caller, agent, offer } => self.connect(now, caller, agent, offer),
            Action::Announce { caller, position, minutes } => {
                self.announce(caller, QueueNotice::Announce { position, minutes });
            }
            Action::Draining { caller, .. } => self.announce(caller, QueueNotice::Draining),
            Action::Moved { caller, queue } => tracing::debug!(caller = caller.0, %queue, "a caller waits elsewhere"),
            Action::Overflow { caller, reason } => {
                if let Some((wait, link)) = self.callers.remove(&caller) {
                    self.ids.remove(&wait);
                    // A call-back that the flow offers next takes this place.
                    self.left.push_back((now, wait, caller));
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
            Action::StoreCallBack(record) => {
                self.call_backs.store(&self.shared, &self.handle, &record);
                self.requests_changed();
            }
            Action::ForgetCallBack { call_back } => self.call_backs.forget(&self.shared, call_back),
            Action::AgentState { agent, state } => {
                tracing::info!(%agent, state = name_of(&state), "agent");
                self.pages.touch(&agent);
            }
        }
    }

    /// Says something to a caller who waits; what does not reach the call now would be late.
    fn announce(&self, caller: CallerId, notice: QueueNotice) {
        if let Some((_, link)) = self.callers.get(&caller) {
            let _ = link.inbox.try_send(Input::Queue(notice));
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
        self.keep();
        let gone: Vec<WaitId> =
            self.callers.values().filter(|(_, link)| link.inbox.is_closed()).map(|(id, _)| *id).collect();
        while self.left.front().is_some_and(|(since, _, _)| now.saturating_duration_since(*since) > KEPT) {
            self.left.pop_front();
        }
        gone.into_iter().for_each(|id| self.leave(now, id, Left::HungUp));
        for call_back in self.call_backs.lost() {
            self.queues.call_back_result(now, call_back, CallBackResult::Failed);
        }
        self.show_failed_recordings();
        self.pages.forget_old();
        self.look_at_telephones(now);
        self.look_at_the_day(now);
        self.look_at_the_hours(now);
        self.reserve_lines(now);
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
        let monitored = self.monitors.shown();
        let telephones = self.telephones.iter().map(|(name, reach)| (Arc::clone(name), reach.shown())).collect();
        let status =
            QueueStatus { queues, agents, waiting, call_backs, monitored, telephones, requests: self.requests() };
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
        self.monitors.hang_up();
        self.targets.values().for_each(|target| target.call.hang_up());
    }
}

fn by_name(accounts: Vec<AgentAccount>) -> HashMap<Arc<str>, AgentAccount> {
    accounts.into_iter().map(|account| (account.name.as_str().into(), account)).collect()
}

fn outcome_of(refusal: Refusal) -> QueueOutcome {
    match refusal {
        Refusal::Full => QueueOutcome::Full,
        Refusal::Closed => QueueOutcome::Closed,
        Refusal::Unknown | Refusal::NoAgents | Refusal::Draining => QueueOutcome::NoAgents,
    }
}

/// As long as the queues keep the place of a caller who left by a key.
const KEPT: Duration = Duration::from_secs(120);
const TICK: Duration = Duration::from_secs(1);
/// A changed account takes effect within this time.
const ACCOUNTS_EVERY: Duration = Duration::from_secs(5);
