//! The list of agents, as the accounts give it.

use std::time::Instant;

use crate::agent::Agent;
use crate::io::AgentChange;
use crate::queues::Queues;
use crate::settings::{AgentSettings, SettingsError};

impl Queues {
    /// Takes over the list of agents. A new one is signed out; one who is no longer named signs out, after a conversation if there
    /// is one, and serves no queue.
    ///
    /// # Errors
    /// What is wrong with agents: an unknown queue, too many skills. Everything else is taken over.
    pub fn set_agents(&mut self, now: Instant, list: &[AgentSettings]) -> Result<(), Vec<SettingsError>> {
        self.at(now);
        let mut errors = Vec::new();
        let is_gone = |agent: &Agent| agent.line_of.is_none() && list.iter().all(|named| named.name != agent.name);
        let gone: Vec<usize> = (0..self.agents.len()).filter(|at| is_gone(&self.agents[*at])).collect();
        for at in gone {
            self.agents[at].queues = 0;
            let _ = self.change_agent(at, AgentChange::SignOut);
        }
        for settings in list {
            let queues = self.queues_of(settings, &mut errors);
            let skills = self.intern(&settings.skills).unwrap_or_else(|| {
                errors.push(SettingsError::TooMany { what: "skills", max: crate::settings::SKILLS_MAX });
                0
            });
            match self.agent_at(&settings.name).ok() {
                Some(at) => (self.agents[at].queues, self.agents[at].skills) = (queues, skills),
                None if self.agents.iter().filter(|agent| agent.line_of.is_none()).count()
                    == crate::settings::AGENTS_MAX =>
                {
                    errors.push(SettingsError::TooMany { what: "agents", max: crate::settings::AGENTS_MAX });
                }
                None => self.agents.push(Agent::new(settings.name.clone(), queues, skills, self.now)),
            }
        }
        self.coverage_changed = true;
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The queues of an agent as bits.
    fn queues_of(&self, settings: &AgentSettings, errors: &mut Vec<SettingsError>) -> u64 {
        let mut served = 0;
        for name in &settings.queues {
            match self.queue_at(name) {
                Some(at) => served |= 1 << at,
                None => errors.push(SettingsError::UnknownQueue { by: settings.name.clone(), queue: name.clone() }),
            }
        }
        served
    }
}
