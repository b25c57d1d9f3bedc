//! An office in virtual time: queues, and a shell that performs their actions at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Private;

use crate::*;

/// Queues with their clock, and what the phones would be doing.
pub(crate) struct Office {
    pub(crate) queues: Queues,
    pub(crate) now: Instant,
    /// Every action so far.
    pub(crate) actions: Vec<Action>,
    /// Phones that ring: agent and offer.
    pub(crate) ringing: BTreeMap<Arc<str>, (OfferId, CallerId)>,
    /// Callers in conversation, with their agents.
    pub(crate) talking: BTreeMap<CallerId, Arc<str>>,
    /// Records as a journal would hold them.
    pub(crate) journal: BTreeMap<CallBackId, String>,
}

/// The calendar's time at the start.
pub(crate) const UNIX_MS: i64 = 1_800_000_000_000;

#[expect(clippy::disallowed_methods, reason = "an Instant can be made in no other way")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// One queue `desk` and agents who serve it.
pub(crate) fn settings(agents: &[&str]) -> Settings {
    let agent = |name: &&str| AgentSettings { name: (*name).into(), queues: vec!["desk".into()], skills: vec![] };
    let allow = vec!["1[3-9]XXXXXXXXX".parse().expect("a pattern")];
    Settings {
        queues: vec![QueueSettings::new("desk")],
        agents: agents.iter().map(agent).collect(),
        pauses: vec!["lunch".into()],
        call_backs: CallBackSettings { allow, ..CallBackSettings::default() },
    }
}

impl Office {
    pub(crate) fn new(settings: Settings) -> Office {
        Office::at(settings, start())
    }

    pub(crate) fn at(settings: Settings, now: Instant) -> Office {
        let queues = Queues::new(settings, now, UNIX_MS).expect("settings without errors");
        Office {
            queues,
            now,
            actions: Vec::new(),
            ringing: BTreeMap::new(),
            talking: BTreeMap::new(),
            journal: BTreeMap::new(),
        }
    }

    /// An office of one queue whose agents are ready.
    pub(crate) fn ready(agents: &[&str]) -> Office {
        let mut office = Office::new(settings(agents));
        agents.iter().for_each(|agent| office.agent(agent, AgentChange::SignIn));
        office
    }

    pub(crate) fn poll(&mut self) {
        for action in self.queues.poll(self.now) {
            match &action {
                Action::Offer { offer, agent, caller, .. } => {
                    let before = self.ringing.insert(agent.clone(), (*offer, *caller));
                    assert!(before.is_none(), "{agent}'s phone rings for two callers");
                }
                Action::Withdraw { offer } => self.ringing.retain(|_, (one, _)| one != offer),
                Action::Connect { caller, agent, .. } => {
                    self.ringing.remove(agent);
                    assert!(self.talking.insert(*caller, agent.clone()).is_none(), "{caller:?} is connected twice");
                }
                Action::StoreCallBack(record) => drop(self.journal.insert(record.id, record.to_json())),
                Action::ForgetCallBack { call_back } => drop(self.journal.remove(call_back)),
                Action::Announce { .. }
                | Action::Moved { .. }
                | Action::Overflow { .. }
                | Action::Draining { .. }
                | Action::CallBack { .. }
                | Action::HangUpCallBack { .. }
                | Action::AgentState { .. } => {}
            }
            self.actions.push(action);
        }
    }

    /// Lets time pass, with everything that falls due.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.queues.deadline().filter(|due| due.at <= until) {
            self.now = self.now.max(due.at);
            self.poll();
        }
        self.now = until;
        self.poll();
    }

    pub(crate) fn try_join(&mut self, join: Join) -> Result<CallerId, Refusal> {
        let joined = self.queues.join(self.now, join);
        self.poll();
        joined
    }

    pub(crate) fn join(&mut self) -> CallerId {
        self.join_as(Join { announce_every: Some(seconds(30)), ..Join::default() })
    }

    pub(crate) fn join_as(&mut self, join: Join) -> CallerId {
        self.try_join(Join { queue: "desk".into(), ..join }).expect("the caller waits")
    }

    pub(crate) fn agent(&mut self, agent: &str, change: AgentChange) {
        self.queues.agent(self.now, agent, change).expect("the change is allowed");
        self.poll();
    }

    pub(crate) fn hang_up(&mut self, caller: CallerId) {
        self.queues.leave(self.now, caller, Left::HungUp);
        self.talking.remove(&caller);
        self.poll();
    }

    /// What becomes of the ringing of an agent's phone.
    pub(crate) fn phone(&mut self, agent: &str, result: OfferResult) {
        let (offer, _) = self.ringing[agent];
        if result != OfferResult::Accepted {
            self.ringing.remove(agent);
        }
        self.result(offer, result);
    }

    pub(crate) fn result(&mut self, offer: OfferId, result: OfferResult) {
        self.queues.offer_result(self.now, offer, result);
        self.poll();
    }

    pub(crate) fn rings_for(&self, agent: &str) -> Option<CallerId> {
        self.ringing.get(agent).map(|(_, caller)| *caller)
    }

    pub(crate) fn state(&mut self, agent: &str) -> AgentState {
        let figures = self.queues.agent_figures(self.now);
        figures.into_iter().find(|figures| &*figures.agent == agent).expect("the agent").state
    }

    pub(crate) fn desk(&mut self) -> QueueFigures {
        self.queues.queue_figures(self.now).remove(0)
    }

    pub(crate) fn announced(&self, caller: CallerId) -> Vec<(u32, Option<u32>)> {
        let of_caller = |action: &Action| match action {
            Action::Announce { caller: its, position, minutes } if *its == caller => Some((*position, *minutes)),
            _ => None,
        };
        self.actions.iter().filter_map(of_caller).collect()
    }

    pub(crate) fn overflow(&self, caller: CallerId) -> Option<LeaveReason> {
        self.actions.iter().find_map(|action| match action {
            Action::Overflow { caller: its, reason } if *its == caller => Some(*reason),
            _ => None,
        })
    }

    /// The call-backs that were dialled, in order.
    pub(crate) fn dialled(&self) -> Vec<(CallBackId, CallerId, u8)> {
        let dialled = |action: &Action| match action {
            Action::CallBack { call_back, caller, attempt, .. } => Some((*call_back, *caller, *attempt)),
            _ => None,
        };
        self.actions.iter().filter_map(dialled).collect()
    }

    pub(crate) fn book(&mut self, number: &str, place_of: Option<CallerId>) -> Result<CallBackId, CallBackError> {
        let number = Private::new(number.into());
        let request = NewCallBack { queue: "desk".into(), number, place_of, ..NewCallBack::default() };
        let booked = self.queues.call_back(self.now, request);
        self.poll();
        booked
    }

    pub(crate) fn call_back(&mut self, call_back: CallBackId, result: CallBackResult) {
        self.queues.call_back_result(self.now, call_back, result);
        self.poll();
    }

    pub(crate) fn outcome(&self, call_back: CallBackId) -> CallBackState {
        CallBackRecord::from_json(&self.journal[&call_back]).expect("a record").state
    }
}
