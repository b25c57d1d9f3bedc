//! Look-ups, transfers and queues: waiting for somebody else than the caller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::waiting::{Looking, Queueing};
use super::{Conversation, Mode, State};
use crate::io::{Facts, Findings, Output, Transferred};
use crate::model::*;
use base::{Lang, Private};
use speech::Value;

impl Conversation {
    /// As if a look-up had been made, for an answer by the other door.
    pub(crate) fn await_answer(&mut self, now: Instant, node: &Node, lang: Lang) {
        let Kind::Lookup(lookup) = &node.kind else { return };
        self.lang = lang;
        self.for_ears = false;
        self.node = node.name.clone();
        let until = now + lookup.give_up_after;
        self.state = State::Looking(Looking { lookup: lookup.clone(), filler_at: None, until, answer: None });
    }

    pub(super) fn look_up(&mut self, now: Instant, lookup: &Lookup) {
        let mut by: BTreeMap<Arc<str>, Private<String>> = BTreeMap::new();
        for name in &lookup.by {
            let Some(value) = self.by_value(name) else {
                return self.fault(now, format!("{name} is looked up by before it was asked for"));
            };
            by.insert(name.clone(), value);
        }
        self.forget(&lookup.gives);
        self.aged = None;
        let filler_at = lookup.filler.as_ref().map(|filler| now + filler.after);
        let until = now + lookup.give_up_after;
        self.state = State::Looking(Looking { lookup: lookup.clone(), filler_at, until, answer: None });
        self.out.push(Output::LookUp { source: lookup.source.clone(), by });
    }

    fn by_value(&self, name: &str) -> Option<Private<String>> {
        if let Some(entered) = self.entries.get(name) {
            return Some(entered.text.clone());
        }
        match self.facts.get(name)? {
            Value::Word(word) => Some(Private::new(word.to_string())),
            Value::Digits { digits, .. } => Some(Private::new(digits.clone())),
            Value::Words(_) | Value::Number(_) | Value::Money(_) | Value::Date(_) | Value::Time(_) => None,
        }
    }

    /// What an earlier look-up gave must not be told as the answer of this one.
    fn forget(&mut self, gives: &str) {
        self.facts.retain(|name, _| name.strip_prefix(gives).is_none_or(|rest| !rest.starts_with('.')));
    }

    pub(super) fn looked_up(&mut self, now: Instant, findings: Findings) {
        if self.owed > 0 {
            self.owed -= 1;
            return;
        }
        let State::Looking(looking) = &mut self.state else { return };
        if self.playing.is_some() {
            looking.answer = Some(findings);
        } else {
            self.conclude(now, findings);
        }
    }

    pub(super) fn looked_up_after_filler(&mut self, now: Instant) {
        let State::Looking(looking) = &mut self.state else { return };
        if let Some(findings) = looking.answer.take() {
            self.conclude(now, findings);
        }
    }

    pub(super) fn looking_waited(&mut self, now: Instant) {
        let State::Looking(looking) = &mut self.state else { return };
        if looking.answer.is_some() {
            return;
        }
        if looking.until <= now {
            self.owed += 1;
            return self.conclude(now, Findings::Down);
        }
        let Some(filler) = &looking.lookup.filler else { return };
        if self.playing.is_none() && looking.filler_at.is_some_and(|at| at <= now) {
            let prompt = filler.say.clone();
            looking.filler_at = Some(now + filler.every);
            if let Ok(line) = self.compose_prompt(now, &prompt) {
                self.play(now, vec![line], None);
            }
        }
    }

    fn conclude(&mut self, now: Instant, findings: Findings) {
        let State::Looking(looking) = std::mem::replace(&mut self.state, State::Announcing) else { return };
        let lookup = looking.lookup;
        self.answering = true;
        match findings {
            Findings::Found { facts, age } => self.found(now, &lookup, facts, age),
            Findings::None => self.missed(now, &lookup),
            Findings::Many => self.go(now, &lookup.many.target),
            Findings::Down => self.down(now, &lookup),
        }
    }

    fn down(&mut self, now: Instant, lookup: &Lookup) {
        self.stop();
        self.go(now, &lookup.down.target);
    }

    fn missed(&mut self, now: Instant, lookup: &Lookup) {
        let misses = self.misses.entry(self.node.clone()).or_insert(0);
        *misses += 1;
        let then = lookup.tries.as_ref().filter(|(max, _)| *misses >= *max).map(|(_, go)| go);
        let target = then.unwrap_or(&lookup.none).target.clone();
        self.go(now, &target);
    }

    fn found(&mut self, now: Instant, lookup: &Lookup, facts: Facts, age: Duration) {
        let stale = &lookup.stale;
        if stale.refuse_after.is_some_and(|limit| age > limit) {
            return match &stale.refuse {
                Some(go) => self.go(now, &go.target.clone()),
                None => self.down(now, lookup),
            };
        }
        let civil = self.civil(now);
        let as_of = civil.saturating_sub(jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX));
        let facts = facts.into_iter().chain([("as_of".into(), Value::Time(as_of))]);
        for (name, value) in facts {
            let var: Arc<str> = format!("{}.{name}", lookup.gives).into();
            match self.release.flow.fitted(&var, value) {
                Some(value) => {
                    self.facts.insert(var, value);
                }
                None => {
                    let what = format!("the source said a {var} that the flow has no word for");
                    self.out.push(Output::Fault { node: self.node.clone(), what });
                    return self.down(now, lookup);
                }
            }
        }
        if stale.tell_after.is_some_and(|limit| age > limit) {
            self.aged = stale.say.clone().map(|prompt| (lookup.gives.clone(), prompt));
            if let Err(what) = self.tell_age(now) {
                return self.fault(now, what);
            }
        }
        self.go(now, &lookup.found.target);
    }

    /// Puts the age of the answer before the next words.
    pub(super) fn tell_age(&mut self, now: Instant) -> Result<(), String> {
        if let Some((_, prompt)) = self.aged.clone() {
            self.prefix = vec![self.compose_prompt(now, &prompt)?];
        }
        Ok(())
    }

    pub(super) fn announce(&mut self, now: Instant, transfer: &Transfer) {
        if transfer.say.is_empty() {
            return self.transfer(now);
        }
        match self.compose(now, &transfer.say) {
            Ok(lines) => {
                self.state = State::Announcing;
                self.play(now, lines, None);
            }
            Err(what) => self.fault(now, what),
        }
    }

    pub(super) fn transfer(&mut self, now: Instant) {
        let release = self.release.clone();
        let Some(Node { kind: Kind::Transfer(transfer), .. }) = release.flow.node(&self.node) else { return };
        self.prefix.clear();
        self.state = State::Transferring { until: now + transfer.timeout + super::waiting::PATIENCE };
        self.out.push(Output::Transfer { to: transfer.to.clone(), timeout: transfer.timeout });
    }

    pub(super) fn transferred(&mut self, now: Instant, ended: Transferred) {
        let release = self.release.clone();
        let waiting = matches!(self.state, State::Transferring { .. } | State::Queueing(_));
        let outcomes = release.flow.node(&self.node).filter(|_| waiting).and_then(outcomes);
        let Some([done, busy, failed]) = outcomes else { return };
        let go = match ended {
            Transferred::Done => done,
            Transferred::Busy => busy,
            Transferred::Failed => failed,
        };
        self.stop();
        // Keys pressed while it rang were meant for nobody.
        self.line.clear();
        self.answering = true;
        self.go(now, &go.target);
    }

    pub(super) fn queue(&mut self, now: Instant, queue: &Queue) {
        if self.mode == Mode::Call {
            return self.go(now, &queue.nobody.target);
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
        let Some(key) = self.line.pop_front() else { return false };
        let State::Queueing(queueing) = &self.state else { return true };
        let choices = queueing.queue.choices.clone();
        if let Some(choice) = self.chosen(&choices, key) {
            self.stop();
            self.choose(now, &choice);
        }
        true
    }

    pub(super) fn queueing_waited(&mut self, now: Instant) {
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

/// Where a call goes when a person was reached, was busy, or was not reached.
fn outcomes(node: &Node) -> Option<[&Go; 3]> {
    match &node.kind {
        Kind::Transfer(transfer) => Some([&transfer.done, &transfer.busy, &transfer.failed]),
        Kind::Queue(queue) => Some([&queue.ended, &queue.full, &queue.nobody]),
        Kind::Menu(_)
        | Kind::Ask(_)
        | Kind::Say(_)
        | Kind::Lookup(_)
        | Kind::Switch(_)
        | Kind::Hours(_)
        | Kind::Record(_)
        | Kind::Rate(_)
        | Kind::Sms(_)
        | Kind::Callback(_) => None,
    }
}

const SIMULATED_PLACE: u32 = 3;
const SIMULATED_MINUTES: u32 = 5;
