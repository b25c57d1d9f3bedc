//! The figures of queues, agents and call-backs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::call_back_record::{CallBackOutcome, CallBackState};
use crate::caller::Entry;
use crate::counts::{AgentDay, DayCounts, QueueDay, rated};
use crate::io::AgentState;
use crate::lines::LineFigures;
use crate::moment::between;
use crate::queues::Queues;

/// One queue at one moment. Counts begin with [`Queues::new_day`].
#[derive(Clone, Debug, PartialEq)]
pub struct QueueFigures {
    /// The queue's name.
    pub queue: Arc<str>,
    /// Whether it is open.
    pub open: bool,
    /// Callers who wait, call-backs not counted.
    pub waiting: usize,
    /// How long the one of them has waited who came first.
    pub longest_wait: Duration,
    /// Callers who joined.
    pub joined: u64,
    /// Callers who were refused: closed, full, no agents.
    pub refused: u64,
    /// Callers who were connected with an agent.
    pub answered: u64,
    /// Those of them within the time of the service level.
    pub answered_in_time: u64,
    /// Callers who hung up while waiting.
    pub abandoned: u64,
    /// Those of them within the time of the service level; they do not count against it.
    pub abandoned_early: u64,
    /// Callers who left by a key.
    pub left_by_key: u64,
    /// Callers who went to another queue or back to the flow.
    pub overflowed: u64,
    /// `answered_in_time` of all who were answered or abandoned later, from 0 to 1; absent without any.
    pub service_level: Option<f64>,
    /// Agents of this queue in each state.
    pub agents: BTreeMap<AgentState, usize>,
    /// Its lines to a call centre elsewhere.
    pub lines: LineFigures,
    /// Call-backs booked.
    pub call_backs: u64,
    /// Call-backs that wait.
    pub call_backs_waiting: usize,
    /// Scores of callers whom its agents served: satisfied, fair, not satisfied.
    pub ratings: [u64; 3],
}

/// One agent's day. Counts begin with [`Queues::new_day`].
#[derive(Clone, Debug, PartialEq)]
pub struct AgentFigures {
    /// The agent's name.
    pub agent: Arc<str>,
    /// What the agent does.
    pub state: AgentState,
    /// For how long.
    pub for_so_long: Duration,
    /// The agent's skills.
    pub skills: Vec<Arc<str>>,
    /// Offers.
    pub offered: u64,
    /// Offers answered.
    pub answered: u64,
    /// Offers not answered or declined.
    pub missed: u64,
    /// Time in conversations.
    pub talking: Duration,
    /// Time for notes.
    pub wrap_up: Duration,
    /// Time ready, ringing included.
    pub ready: Duration,
    /// Time not ready.
    pub not_ready: Duration,
    /// Scores of callers who talked to the agent last: satisfied, fair, not satisfied.
    pub ratings: [u64; 3],
}

/// The call-backs of the last 24 hours and those that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallBackFigures {
    /// They wait for their turn or the next attempt.
    pub waiting: usize,
    /// They are being called.
    pub calling: usize,
    /// They are over, by outcome.
    pub done: BTreeMap<&'static str, usize>,
}

impl Queues {
    /// The figures of every queue.
    pub fn queue_figures(&mut self, now: Instant) -> Vec<QueueFigures> {
        self.at(now);
        (0..self.queues.len()).map(|at| self.figures_of(at)).collect()
    }

    fn figures_of(&self, at: usize) -> QueueFigures {
        let queue = &self.queues[at];
        let of_queue = || self.waiting.iter().filter(|entry| entry.queue == at);
        let with_line = || of_queue().filter(|entry| entry.has_line());
        let mut agents = BTreeMap::new();
        for agent in self.agents.iter().filter(|agent| agent.line_of.is_none() && agent.serves(at, 0)) {
            *agents.entry(agent.shown()).or_insert(0) += 1;
        }
        QueueFigures {
            queue: queue.settings.name.clone(),
            open: queue.open,
            waiting: with_line().count(),
            longest_wait: with_line().map(|entry| self.waited(entry)).max().unwrap_or_default(),
            joined: queue.counts.joined,
            refused: queue.counts.refused,
            answered: queue.counts.answered,
            answered_in_time: queue.counts.answered_in_time,
            abandoned: queue.counts.abandoned,
            abandoned_early: queue.counts.abandoned_early,
            left_by_key: queue.counts.left_by_key,
            overflowed: queue.counts.overflowed,
            service_level: queue.counts.service_level(),
            agents,
            lines: self.line_figures(at),
            call_backs: queue.counts.call_backs,
            call_backs_waiting: of_queue().filter(|entry: &&Entry| !entry.has_line()).count(),
            ratings: queue.counts.ratings,
        }
    }

    /// The figures of every agent.
    pub fn agent_figures(&mut self, now: Instant) -> Vec<AgentFigures> {
        self.at(now);
        let figures = |agent: &Agent| {
            let day = self.day_of(agent);
            AgentFigures {
                agent: agent.name.clone(),
                state: agent.shown(),
                for_so_long: between(agent.since, self.now),
                skills: self.skill_names(agent.skills),
                offered: day.offered,
                answered: day.answered,
                missed: day.missed,
                talking: between(0, day.talking),
                wrap_up: between(0, day.wrap_up),
                ready: between(0, day.ready),
                not_ready: between(0, day.not_ready),
                ratings: day.ratings,
            }
        };
        self.agents.iter().filter(|agent| agent.line_of.is_none()).map(figures).collect()
    }

    /// A caller gave a score from 1, the best, to 3, after a conversation with an agent of a queue. Unknown names are not counted.
    pub fn rated(&mut self, now: Instant, queue: &str, agent: &str, score: u8) {
        self.at(now);
        if let Some(at) = self.queue_at(queue) {
            rated(&mut self.queues[at].counts.ratings, score);
        }
        if let Ok(at) = self.agent_at(agent) {
            rated(&mut self.agents[at].day.ratings, score);
        }
    }

    /// The figures of call-backs.
    pub fn call_back_figures(&self) -> CallBackFigures {
        let mut figures = CallBackFigures::default();
        for record in self.records.values() {
            match record.state {
                CallBackState::Waiting => figures.waiting += 1,
                CallBackState::Calling => figures.calling += 1,
                CallBackState::Done(outcome) => *figures.done.entry(outcome.code()).or_insert(0) += 1,
            }
        }
        figures
    }

    /// An agent's counts, with the time in the present state.
    fn day_of(&self, agent: &Agent) -> AgentDay {
        let mut day = agent.day.clone();
        day.spent(&agent.shown(), self.now.saturating_sub(agent.since));
        day
    }

    /// What has been counted since midnight.
    pub fn day_counts(&mut self, now: Instant) -> DayCounts {
        self.at(now);
        let queues = self.queues.iter().map(|queue| (queue.settings.name.to_string(), queue.counts.clone()));
        let own = self.agents.iter().filter(|agent| agent.line_of.is_none());
        let agents = own.map(|agent| (agent.name.to_string(), self.day_of(agent)));
        DayCounts { queues: queues.collect(), agents: agents.collect() }
    }

    /// Adds what an earlier run counted on the same day. Queues and agents that are gone are not counted on.
    pub fn resume_day(&mut self, day: &DayCounts) {
        for queue in &mut self.queues {
            if let Some(counts) = day.queues.get(&*queue.settings.name) {
                queue.counts.add(counts);
            }
        }
        for agent in &mut self.agents {
            if let Some(counts) = day.agents.get(&*agent.name) {
                agent.day.add(counts);
            }
        }
    }

    /// All counts begin again; nobody's state changes.
    pub fn new_day(&mut self, now: Instant) {
        self.at(now);
        self.queues.iter_mut().for_each(|queue| queue.counts = QueueDay::default());
        for agent in &mut self.agents {
            agent.day = AgentDay::default();
            // What the present state lasted yesterday is yesterday's.
            let passed = self.now.saturating_sub(agent.since);
            agent.day.spent(&agent.shown(), -passed);
        }
    }
}

impl CallBackOutcome {
    /// A code for metrics and journals.
    pub fn code(self) -> &'static str {
        match self {
            CallBackOutcome::Served => "served",
            CallBackOutcome::Cancelled => "cancelled",
            CallBackOutcome::Unreachable => "unreachable",
            CallBackOutcome::Expired => "expired",
            CallBackOutcome::Abandoned => "abandoned",
        }
    }
}
