//! Queues, simulated in rehearsals: a call takes the outcome of an absent agent.

use std::time::Instant;

use super::waiting::Queueing;
use super::{Conversation, Mode, State};
use crate::model::Queue;
use speech::Value;

impl Conversation {
    pub(super) fn queue(&mut self, now: Instant, queue: &Queue) {
        if self.mode == Mode::Call {
            return self.go(now, &queue.no_agents.target);
        }
        self.state = State::Queueing(Queueing::new(queue.clone(), now));
        self.facts.insert("queue.place".into(), Value::Number(SIMULATED_PLACE));
        self.facts.insert("queue.minutes".into(), Value::Number(SIMULATED_MINUTES));
        if !queue.say.is_empty() {
            match self.compose(now, &queue.say) {
                Ok(lines) => self.play(now, lines, None),
                Err(what) => self.fault(now, what),
            }
        }
    }

    pub(super) fn take_while_queueing(&mut self, now: Instant) -> bool {
        let Some(key) = self.type_ahead.pop_front() else { return false };
        let State::Queueing(queueing) = &self.state else { return true };
        let choices = queueing.queue.choices.clone();
        if let Some(choice) = self.chosen(&choices, key) {
            self.stop();
            self.choose(now, &choice);
        }
        true
    }

    pub(super) fn queue_timed_out(&mut self, now: Instant) {
        let playing = self.playing.is_some();
        let State::Queueing(queueing) = &mut self.state else { return };
        if queueing.until() <= now {
            let target = queueing.queue.timeout.target.clone();
            self.stop();
            return self.go(now, &target);
        }
        let due = |at: Option<Instant>| !playing && at.is_some_and(|at| at <= now);
        let prompt = if due(queueing.tell_at) {
            let tell = queueing.queue.tell.clone();
            queueing.tell_at = tell.as_ref().map(|(every, _)| now + *every);
            tell
        } else if due(queueing.hint_at) {
            queueing.hint_at = None;
            queueing.queue.hint.clone()
        } else {
            None
        };
        if let Some((_, prompt)) = prompt {
            match self.compose_prompt(now, &prompt) {
                Ok(line) => self.play(now, vec![line], None),
                Err(what) => self.fault(now, what),
            }
        }
    }
}

/// The position that a rehearsal announces.
const SIMULATED_PLACE: u32 = 3;
/// The estimated wait in minutes that a rehearsal announces.
const SIMULATED_MINUTES: u32 = 5;
