//! Waiting for an agent: music, announcements, keys, and where the end leads; call-backs.
//!
//! ```text
//!          enter                   Connected              Ended
//!  node ─────────► music ⇄ announcement ─────► silence ─────────► ended
//!                    │  ▲                         │ Disconnected
//!                    │  └─────────────────────────┘
//!                    └─ key, full, closed, no agents, too long ─► where the flow says
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::waiting::{Announcement, Queueing};
use super::{Conversation, State};
use crate::io::{Output, QueueEvent, QueueOutcome};
use crate::model::{CALLER, Callback, Kind, Node, Prompt, Queue, music_id};
use crate::queue_facts::{PREFIX, queue_facts};
use base::Private;
use speech::{Clip, Piece, Value};

impl Conversation {
    pub(super) fn queue(&mut self, now: Instant, queue: &Queue) {
        // Keys pressed ahead of a queue would leave it unheard.
        self.type_ahead.clear();
        self.facts.retain(|name, _| !name.starts_with(PREFIX));
        self.state = State::Queueing(Queueing::new(queue.clone(), now));
        match self.compose(now, &queue.say) {
            Ok(lines) if lines.is_empty() && self.prefix.is_empty() => self.music(now),
            Ok(lines) => self.play(now, lines, None),
            Err(what) => return self.fault(now, what),
        }
        // Last: the report that follows may end what plays.
        self.out.push(Output::EnterQueue {
            queue: queue.queue.clone(),
            priority: queue.priority,
            skills: self.skills(&queue.skills),
            announce_every: queue.tell.as_ref().map(|(every, _)| *every),
            max_wait: queue.max_wait,
            pass: self.passed(&queue.pass),
            called_back: std::mem::take(&mut self.may_agree),
        });
    }

    fn music(&mut self, now: Instant) {
        let State::Queueing(queueing) = &self.state else { return };
        let lang = self.release.flow.langs[0];
        let clip = |name: &Arc<str>| Piece::Clip(Clip { lang, id: music_id(name) });
        let once: Vec<Piece> = queueing.queue.music.iter().map(clip).collect();
        if once.is_empty() || !self.release.is_recorded(&once) {
            return;
        }
        let mut line = self.sound(Piece::Silence(Duration::ZERO));
        line.pieces = std::iter::repeat_n(once, MUSIC_AT_ONCE).flatten().collect();
        self.play(now, vec![line], None);
    }

    /// Whether nothing is being said to a caller who waits: music, or silence.
    pub(super) fn is_idle_in_queue(&self) -> bool {
        let sounds = |playing: &super::spoken::Playing| playing.lines.iter().all(|line| line.text.is_empty());
        matches!(self.state, State::Queueing(_)) && self.playing.as_ref().is_none_or(sounds)
    }

    /// A sentence or the music has ended.
    pub(super) fn queue_played(&mut self, now: Instant) {
        let State::Queueing(queueing) = &mut self.state else { return };
        if queueing.connected {
            return;
        }
        queueing.pending.retain(|one| match one {
            Announcement::Position { until, .. } => *until > now,
            Announcement::Draining => true,
        });
        match queueing.pending.pop() {
            Some(announcement) => self.announce_in_queue(now, announcement),
            None => self.music(now),
        }
    }

    pub(super) fn queue_reported(&mut self, now: Instant, event: QueueEvent) {
        let State::Queueing(queueing) = &mut self.state else { return };
        match event {
            QueueEvent::Position { position, minutes } => {
                let until = now + ANNOUNCED_WITHIN;
                self.announce_when_idle(now, Announcement::Position { position, minutes, until });
            }
            QueueEvent::Draining => self.announce_when_idle(now, Announcement::Draining),
            QueueEvent::Connected => {
                queueing.connected = true;
                queueing.pending.clear();
                self.stop();
            }
            QueueEvent::Disconnected => {
                queueing.connected = false;
                queueing.until = now + queueing.queue.max_wait + ANNOUNCED_WITHIN;
                self.music(now);
            }
            QueueEvent::Ended => {
                let target = queueing.queue.ended.target.clone();
                self.go_on_from_queue(now, &target);
            }
            QueueEvent::Left(outcome) => {
                let go = match outcome {
                    QueueOutcome::Full => &queueing.queue.full,
                    QueueOutcome::Closed => &queueing.queue.closed,
                    QueueOutcome::NoAgents => &queueing.queue.no_agents,
                    QueueOutcome::WaitedTooLong => &queueing.queue.timeout,
                };
                let target = go.target.clone();
                self.go_on_from_queue(now, &target);
            }
        }
    }

    fn go_on_from_queue(&mut self, now: Instant, target: &crate::model::Target) {
        self.stop();
        // Keys pressed while waiting answer no question.
        self.type_ahead.clear();
        self.answering = true;
        self.go(now, target);
    }

    fn announce_when_idle(&mut self, now: Instant, announcement: Announcement) {
        let idle = self.is_idle_in_queue();
        let State::Queueing(queueing) = &mut self.state else { return };
        if queueing.connected {
            return;
        }
        if idle {
            return self.announce_in_queue(now, announcement);
        }
        // A newer position takes the place of an older one.
        queueing.pending.retain(|one| *one == Announcement::Draining && announcement != Announcement::Draining);
        queueing.pending.push(announcement);
    }

    fn announce_in_queue(&mut self, now: Instant, announcement: Announcement) {
        let State::Queueing(queueing) = &self.state else { return };
        let prompts: Vec<Prompt> = match announcement {
            Announcement::Draining => queueing.queue.draining.iter().cloned().collect(),
            Announcement::Position { position, minutes, .. } => {
                let prompts = queueing.queue.tell.as_ref().map(|(_, prompts)| prompts.clone()).unwrap_or_default();
                self.facts.retain(|name, _| !name.starts_with(PREFIX));
                self.facts.extend(queue_facts(position, minutes));
                prompts
            }
        };
        self.say_while_queueing(now, &prompts);
    }

    /// Says sentences to a caller who waits. One with the wait in it is left out where the wait is not known.
    fn say_while_queueing(&mut self, now: Instant, prompts: &[Prompt]) {
        let lines: Vec<_> = prompts.iter().filter_map(|prompt| self.compose_prompt(now, prompt).ok()).collect();
        if !lines.is_empty() {
            self.stop();
            self.play(now, lines, None);
        } else if self.playing.is_none() {
            self.music(now);
        }
    }

    pub(super) fn take_while_queueing(&mut self, now: Instant) -> bool {
        let Some(key) = self.type_ahead.pop_front() else { return false };
        let State::Queueing(queueing) = &self.state else { return true };
        if queueing.connected {
            return true;
        }
        let choices = queueing.queue.choices.clone();
        if let Some(choice) = self.chosen(&choices, key) {
            self.stop();
            self.out.push(Output::LeaveQueue);
            self.choose(now, &choice);
        }
        true
    }

    pub(super) fn queue_timed_out(&mut self, now: Instant) {
        let idle = self.is_idle_in_queue();
        let State::Queueing(queueing) = &mut self.state else { return };
        if queueing.connected {
            return;
        }
        if queueing.until <= now {
            let target = queueing.queue.timeout.target.clone();
            self.out.push(Output::LeaveQueue);
            return self.go_on_from_queue(now, &target);
        }
        if idle
            && queueing.hint_at.is_some_and(|at| at <= now)
            && let Some((_, prompt)) = queueing.queue.hint.clone()
        {
            queueing.hint_at = None;
            self.say_while_queueing(now, std::slice::from_ref(&prompt));
        }
    }

    pub(super) fn book_call_back(&mut self, now: Instant, callback: &Callback) {
        let typed = || self.entries.get(&callback.number).map(|entered| entered.text.clone());
        let number = if &*callback.number == CALLER { self.caller.number.clone() } else { typed() };
        let Some(number) = number else { return self.go(now, &callback.failed.target) };
        self.out.push(Output::BookCallBack {
            queue: callback.queue.clone(),
            number,
            priority: callback.priority,
            skills: self.skills(&callback.skills),
            pass: self.passed(&callback.pass),
        });
        self.state = State::Booking { until: now + super::waiting::PATIENCE };
    }

    pub(super) fn call_back_booked(&mut self, now: Instant, booked: bool) {
        let release = self.release.clone();
        if !matches!(self.state, State::Booking { .. }) {
            return;
        }
        let Some(Node { kind: Kind::Callback(callback), .. }) = release.flow.node(&self.node) else { return };
        if booked {
            self.say(now, &callback.say, &callback.booked.target, false);
        } else {
            self.go(now, &callback.failed.target);
        }
    }

    /// Skills as named, and those that variables hold.
    fn skills(&self, named: &[Arc<str>]) -> Vec<Arc<str>> {
        let skill = |name: &Arc<str>| match name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(var) => self.member(var),
            None => Some(name.clone()),
        };
        named.iter().filter_map(skill).collect()
    }

    /// What an agent is shown: the variables named, and those that begin with `name.`. Secrets are none of them.
    fn passed(&self, names: &[Arc<str>]) -> BTreeMap<Arc<str>, Private<String>> {
        let is_named = |var: &str| {
            names
                .iter()
                .any(|name| var.strip_prefix(&**name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
        };
        let mut passed: BTreeMap<Arc<str>, Private<String>> = BTreeMap::new();
        for (var, value) in self.facts.iter().filter(|(var, _)| is_named(var)) {
            passed.insert(var.clone(), Private::new(shown(value)));
        }
        for (var, entered) in self.entries.iter().filter(|(var, _)| is_named(var)) {
            if !self.release.flow.is_secret(var) {
                passed.insert(var.clone(), entered.text.clone());
            }
        }
        if is_named("lang") {
            passed.insert("lang".into(), Private::new(self.lang.code().into()));
        }
        passed
    }
}

/// A value as an agent's screen shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Word(word) => word.to_string(),
        Value::Words(words) => words.iter().map(|word| &**word).collect::<Vec<&str>>().join(","),
        Value::Digits { digits, .. } => digits.clone(),
        Value::Number(number) => number.to_string(),
        Value::Date(date) => date.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Money(fen) => format!("{}.{:02}", fen / 100, fen % 100),
    }
}

/// A position that cannot be announced within this time is out of date.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(5);
/// How often the music is repeated in one play.
const MUSIC_AT_ONCE: usize = 10;
