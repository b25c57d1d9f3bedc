//! A queue that a call centre elsewhere serves: so many lines to its address take callers as agents would, and are always signed in.
//!
//! When the address is busy, or does not answer, all idle lines of the queue rest for [`REST`], so that it is not asked again at
//! once by each of them; callers keep their places.

use crate::agent::{Agent, State};
use crate::io::OfferResult;
use crate::moment::Moment;
use crate::queues::Queues;

/// The lines of a queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineFigures {
    /// All of them.
    pub all: usize,
    /// Lines that ring, or on which somebody talks.
    pub busy: usize,
    /// Lines that rest, since the address was busy or did not answer.
    pub resting: usize,
}

impl Queues {
    pub(crate) fn add_lines(&mut self) {
        for (at, queue) in self.queues.iter().enumerate() {
            for line in 1..=queue.settings.lines {
                let name = format!("{}/{line}", queue.settings.name).into();
                let mut agent = Agent::new(name, 1 << at, 0, self.now);
                (agent.line_of, agent.state) = (Some(at), State::Ready);
                self.agents.push(agent);
            }
        }
    }

    /// A line was offered a caller, and there was no conversation.
    pub(crate) fn line_refused(&mut self, at: usize, result: OfferResult) {
        let of = self.agents[at].line_of;
        match result {
            OfferResult::Declined | OfferResult::NoAnswer | OfferResult::Failed => {
                self.agents[at].day.missed += 1;
                let idle = |agent: &Agent| agent.line_of == of && agent.state == State::Ready;
                let mut rest: Vec<usize> = (0..self.agents.len()).filter(|line| idle(&self.agents[*line])).collect();
                rest.push(at);
                for line in rest {
                    self.enter(line, State::WrapUp { until: self.now + REST, ends: None });
                }
            }
            OfferResult::Withdrawn | OfferResult::Accepted | OfferResult::NotMade => self.free(at),
        }
    }

    pub(crate) fn line_figures(&self, queue: usize) -> LineFigures {
        let mut figures = LineFigures::default();
        for line in self.agents.iter().filter(|agent| agent.line_of == Some(queue)) {
            figures.all += 1;
            match line.state {
                State::Ready => {}
                State::WrapUp { .. } | State::SignedOut | State::NotReady(_) => figures.resting += 1,
                State::Offered(_)
                | State::Withdrawing { .. }
                | State::Reserved(_)
                | State::Consulted { .. }
                | State::Talking(_) => {
                    figures.busy += 1;
                }
            }
        }
        figures
    }
}

/// How long lines rest whose address is busy or silent.
const REST: Moment = 10_000;
