//! The agents: their accounts, telephones and states, and what supervisors want of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Reach, Service, by_name};
use crate::agent_states::KeptDesk;
use crate::supervision::{SupervisorCommand, SupervisorError, kept, restore, supervise};
use crate::transfer::CalledNumbers;
use os::clock;
use queue::{AgentChange, AgentError, AgentSettings, AgentState, NotReadyReason};
use studio_store::AgentAccount;

impl Service {
    /// Who wants to be ready, or to pause, begins work by that. A pause without a reason has the first of the settings.
    pub(super) fn change(&mut self, now: Instant, agent: &str, change: AgentChange) -> Result<(), AgentError> {
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
        if matches!(change, AgentChange::Ready | AgentChange::Pause(_)) {
            self.queues.agent(now, agent, AgentChange::SignIn)?;
        }
        self.queues.agent(now, agent, change)
    }

    /// Does what a supervisor wants, and tells the agents whom it concerns.
    pub(super) fn supervise(
        &mut self,
        now: Instant,
        by: &str,
        command: &SupervisorCommand,
    ) -> Result<(), SupervisorError> {
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
            SupervisorCommand::MoveCaller { .. } | SupervisorCommand::CancelCallBack(_) => Vec::new(),
            SupervisorCommand::Monitor { agent, mode } => return self.monitor(now, by, agent, *mode),
            SupervisorCommand::StopMonitoring { agent } => return self.stop_monitoring(by, agent),
        };
        if let Some(notice) = command.notice(by) {
            concerned.iter().for_each(|agent| self.pages.tell(agent, &notice));
        }
        Ok(())
    }

    /// Keeps who is signed in and what is closed, for a restart.
    pub(super) fn keep(&mut self) {
        // Before the accounts are known, nobody is signed in again.
        if self.left_behind.is_some() {
            return;
        }
        let names = self.shared.settings.queues.queues.iter().map(|queue| &queue.name);
        let closed = names.filter(|name| self.queues.is_open(name) == Some(false)).map(ToString::to_string).collect();
        let now = clock::now();
        let agents = self.queues.agent_figures(now);
        let desk = KeptDesk { numbers: self.called_numbers.to_keep(), ..kept(&agents, closed) };
        let (day, queues) = (self.day, &mut self.queues);
        self.keeper.keep(now, desk, || (day.to_string(), queues.day_counts(now)));
    }

    pub(super) fn take_accounts(&mut self, now: Instant, accounts: Vec<AgentAccount>) {
        let list = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
        // A queue of a call centre elsewhere has agents only if they are named for it.
        let every = || {
            let queues = self.shared.settings.queues.queues.iter().filter(|queue| queue.lines == 0);
            queues.map(|queue| queue.name.clone()).collect()
        };
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
            let (day, counts) = kept.numbers.clone();
            self.called_numbers = CalledNumbers::kept(&day, counts);
            if kept.counts.0 == self.day.to_string() {
                self.queues.resume_day(&kept.counts.1);
            }
            restore(&mut self.queues, now, &kept, self.shared.settings.queues.pauses.first());
        }
        self.agents = by_name(accounts);
        self.look_at_telephones(now);
    }

    /// Finds out which agents can be reached. A change counts, and a new registration: a telephone that is there and fails is not
    /// tried again at once, but after a while.
    pub(super) fn look_at_telephones(&mut self, now: Instant) {
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
}

/// After this time a telephone that failed is tried again.
const TRIED_AGAIN: Duration = Duration::from_secs(60);
