//! What is counted of a queue and of an agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::io::AgentState;
use crate::moment::Moment;

/// What has been counted since midnight, for a node that goes on after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCounts {
    pub(crate) queues: BTreeMap<String, QueueDay>,
    pub(crate) agents: BTreeMap<String, AgentDay>,
}

/// The counts of one queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct QueueDay {
    pub joined: u64,
    pub refused: u64,
    pub left_by_key: u64,
    pub overflowed: u64,
    pub call_backs: u64,
    pub answered: u64,
    pub answered_in_time: u64,
    pub abandoned: u64,
    pub abandoned_early: u64,
    pub ratings: [u64; 3],
}

impl QueueDay {
    pub(crate) fn add(&mut self, other: &QueueDay) {
        let QueueDay {
            joined,
            refused,
            left_by_key,
            overflowed,
            call_backs,
            answered,
            answered_in_time,
            abandoned,
            abandoned_early,
            ratings,
        } = other;
        self.joined += joined;
        self.refused += refused;
        self.left_by_key += left_by_key;
        self.overflowed += overflowed;
        self.call_backs += call_backs;
        self.answered += answered;
        self.answered_in_time += answered_in_time;
        self.abandoned += abandoned;
        self.abandoned_early += abandoned_early;
        add_ratings(&mut self.ratings, ratings);
    }

    pub(crate) fn answered(&mut self, waited: Moment, in_time: Moment) {
        self.answered += 1;
        self.answered_in_time += u64::from(waited <= in_time);
    }

    pub(crate) fn not_answered(&mut self, waited: Moment, in_time: Moment) {
        self.answered = self.answered.saturating_sub(1);
        self.answered_in_time = self.answered_in_time.saturating_sub(u64::from(waited <= in_time));
    }

    pub(crate) fn abandoned(&mut self, waited: Moment, in_time: Moment) {
        self.abandoned += 1;
        self.abandoned_early += u64::from(waited <= in_time);
    }

    pub(crate) fn service_level(&self) -> Option<f64> {
        let all = self.answered + self.abandoned.saturating_sub(self.abandoned_early);
        (all > 0).then(|| self.answered_in_time as f64 / all as f64)
    }
}

/// Counts a score: 1 is the best, 3 and more the worst.
pub(crate) fn rated(ratings: &mut [u64; 3], score: u8) {
    ratings[usize::from(score.clamp(1, 3)) - 1] += 1;
}

fn add_ratings(own: &mut [u64; 3], others: &[u64; 3]) {
    own.iter_mut().zip(others).for_each(|(own, other)| *own += other);
}

/// The counts of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AgentDay {
    pub offered: u64,
    pub answered: u64,
    pub missed: u64,
    pub talking: Moment,
    pub wrap_up: Moment,
    pub ready: Moment,
    pub not_ready: Moment,
    pub ratings: [u64; 3],
}

impl AgentDay {
    pub(crate) fn add(&mut self, other: &AgentDay) {
        let AgentDay { offered, answered, missed, talking, wrap_up, ready, not_ready, ratings } = other;
        self.offered += offered;
        self.answered += answered;
        self.missed += missed;
        self.talking += talking;
        self.wrap_up += wrap_up;
        self.ready += ready;
        self.not_ready += not_ready;
        add_ratings(&mut self.ratings, ratings);
    }

    /// So much time was spent in a state.
    pub(crate) fn spent(&mut self, state: &AgentState, time: Moment) {
        match state {
            AgentState::SignedOut => {}
            AgentState::Ready | AgentState::Offered | AgentState::Reserved => self.ready += time,
            AgentState::NotReady(_) => self.not_ready += time,
            AgentState::Talking => self.talking += time,
            AgentState::WrapUp => self.wrap_up += time,
        }
    }
}
