//! Look-ups: the question, the filler while it takes its time, the answer and its age.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::waiting::Looking;
use super::{Conversation, Medium, SPARE, State};
use crate::io::{Facts, LookUpAnswer, Output};
use crate::model::*;
use base::{Lang, Private};
use speech::Value;

impl Conversation {
    /// Enters a look-up that is already made: a kiosk needs only what follows from its answer.
    pub(crate) fn await_answer(&mut self, now: Instant, node: &Node, lang: Lang, medium: Medium) {
        let Kind::Lookup(lookup) = &node.kind else { return };
        self.lang = lang;
        self.medium = medium;
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

    /// Removes what an earlier look-up gave: it must not be spoken as the answer of this one.
    fn forget(&mut self, gives: &str) {
        self.facts.retain(|name, _| name.strip_prefix(gives).is_none_or(|rest| !rest.starts_with('.')));
    }

    pub(super) fn looked_up(&mut self, now: Instant, findings: LookUpAnswer) {
        if self.late_answers > 0 {
            self.late_answers -= 1;
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

    pub(super) fn lookup_timed_out(&mut self, now: Instant) {
        let State::Looking(looking) = &mut self.state else { return };
        if looking.answer.is_some() {
            return;
        }
        if looking.until <= now {
            self.late_answers += 1;
            return self.conclude(now, LookUpAnswer::Unavailable);
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

    fn conclude(&mut self, now: Instant, findings: LookUpAnswer) {
        let State::Looking(looking) = std::mem::replace(&mut self.state, State::Announcing) else { return };
        let lookup = looking.lookup;
        self.answering = true;
        match findings {
            LookUpAnswer::Found { facts, age } => self.found(now, &lookup, facts, age),
            LookUpAnswer::NotFound => self.missed(now, &lookup),
            LookUpAnswer::Ambiguous => self.go(now, &lookup.ambiguous.target),
            LookUpAnswer::Unavailable => self.down(now, &lookup),
        }
    }

    fn down(&mut self, now: Instant, lookup: &Lookup) {
        self.stop();
        self.go(now, &lookup.down.target);
    }

    fn missed(&mut self, now: Instant, lookup: &Lookup) {
        let misses = self.misses.entry(self.node.clone()).or_insert(0);
        *misses += 1;
        self.spare_until = Some(now + SPARE);
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
}
