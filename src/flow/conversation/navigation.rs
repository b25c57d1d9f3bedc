//! Navigation: targets, notices, nodes that need no answer, and the ends of a call.

use std::sync::Arc;
use std::time::Instant;

use super::{Conversation, FAULTS_MAX, HISTORY_MAX, STEPS_MAX, State};
use crate::calendar::Opening;
use crate::hours::{self, hours_facts};
use crate::io::Output;
use crate::model::*;

impl Conversation {
    pub(super) fn go(&mut self, now: Instant, target: &Target) {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return self.end_politely(now, "the flow loops without asking the caller anything".into());
        }
        match target {
            Target::Node(name) => self.enter(now, &name.clone()),
            Target::End => self.hang_up(),
            Target::Home => match self.home.clone() {
                Some(home) => self.enter(now, &home),
                None => self.go_to_the_beginning(now),
            },
            Target::Back => {
                // A node that asks nothing is not in the history, whose last question is then the one to go back to.
                if self.history.last() == Some(&self.node) {
                    self.history.pop();
                }
                match self.history.last().cloned() {
                    Some(back) => self.enter(now, &back),
                    None => self.go_to_the_beginning(now),
                }
            }
            Target::Repeat => self.enter(now, &self.node.clone()),
        }
    }

    /// Where nothing was asked before: a question is asked once more; from elsewhere the call goes to the first home menu, else to the
    /// start.
    fn go_to_the_beginning(&mut self, now: Instant) {
        let release = self.release.clone();
        let is_home = |node: &&Node| matches!(&node.kind, Kind::Menu(menu) if menu.home);
        match release.flow.nodes.iter().find(is_home) {
            _ if release.flow.node(&self.node).is_some_and(Node::is_question) => self.enter(now, &self.node.clone()),
            Some(home) => self.enter(now, &home.name),
            None => self.go(now, &release.flow.start.target),
        }
    }

    pub(super) fn enter(&mut self, now: Instant, name: &Arc<str>) {
        let release = self.release.clone();
        let Some(node) = release.flow.node(name) else {
            return self.end_politely(now, format!("there is no node {name}"));
        };
        if self.notice(now, name) {
            return;
        }
        self.node = name.clone();
        self.out.push(Output::Step { node: name.clone() });
        if node.asks() {
            self.answering = false;
            self.slow = false;
        }
        self.remember(node);
        match &node.kind {
            Kind::Menu(_) | Kind::Ask(_) | Kind::Rate(_) => self.ask(now),
            Kind::Say(say) => self.say(now, &say.say, &say.next.target, say.barge_in),
            Kind::Lookup(lookup) => self.look_up(now, lookup),
            Kind::Switch(switch) => self.switch(now, switch),
            Kind::Hours(hours) => self.hours(now, hours),
            Kind::Queue(queue) => self.queue(now, queue),
            Kind::Transfer(transfer) => self.announce(now, transfer),
            Kind::Record(record) => self.record(now, record),
            Kind::Sms(sms) => self.send_text(now, sms),
            Kind::Callback(callback) => self.book_call_back(now, callback),
        }
    }

    pub(super) fn remember(&mut self, node: &Node) {
        if matches!(&node.kind, Kind::Menu(menu) if menu.home) {
            self.home = Some(node.name.clone());
        }
        if node.is_question() && self.history.last() != Some(&node.name) && self.history.len() < HISTORY_MAX {
            self.history.push(node.name.clone());
        }
    }

    /// Plays the first notice that is due before a node; false if none is.
    pub(super) fn notice(&mut self, now: Instant, name: &Arc<str>) -> bool {
        let release = self.release.clone();
        let today = self.today(now);
        let due = release.flow.notices.iter().enumerate().find(|(at, notice)| {
            notice.before.contains(name)
                && !self.notices_heard.contains(at)
                && (self.type_ahead.is_empty() || notice.must_hear)
                && notice.until.is_none_or(|until| today <= until)
                && self.holds_at(now, notice.when.as_ref())
        });
        let Some((at, notice)) = due else { return false };
        self.notices_heard.insert(at);
        if let Err(what) = self.compose(now, std::slice::from_ref(&notice.say)) {
            // The call goes on without it.
            self.out.push(Output::Fault { node: name.clone(), what });
            return self.notice(now, name);
        }
        self.say(now, std::slice::from_ref(&notice.say), &Target::Node(name.clone()), !notice.must_hear);
        if notice.announces_recording() && matches!(self.state, State::Speaking { barge_in: false, .. }) {
            self.out.push(Output::RecordingAnnounced);
        }
        true
    }

    pub(super) fn switch(&mut self, now: Instant, switch: &Switch) {
        let value = self.member(&switch.of);
        match switch.arms.iter().find(|(arm, _)| Some(arm) == value.as_ref()) {
            Some((_, go)) => self.go(now, &go.target),
            None => self.fault(now, format!("{} has no value that leads anywhere", switch.of)),
        }
    }

    pub(super) fn hours(&mut self, now: Instant, hours: &Hours) {
        let release = self.release.clone();
        let member = hours.calendar.var().and_then(|var| self.member(var)).unwrap_or_default();
        let (calendar, at) = (hours.calendar.with(&member), self.civil(now));
        let go = match release.calendar.opening(&calendar, at) {
            Some(Opening::Open) => &hours.open,
            Some(Opening::Holiday) => &hours.holiday,
            Some(Opening::Closed) | None => &hours.closed,
        };
        self.facts.retain(|name, _| !name.starts_with(hours::PREFIX));
        self.facts.extend(hours_facts(&release.calendar, &calendar, at));
        self.go(now, &go.target);
    }

    /// Reports a fault that a checked release should not have. The caller gets a person or a goodbye, never silence.
    pub(super) fn fault(&mut self, now: Instant, what: String) {
        self.faults += 1;
        let give_up = self.release.flow.give_up.clone().filter(|_| self.faults <= FAULTS_MAX);
        match give_up {
            None => self.end_politely(now, what),
            Some(go) => {
                self.out.push(Output::Fault { node: self.node.clone(), what });
                self.go(now, &go.target);
            }
        }
    }

    pub(super) fn end_politely(&mut self, now: Instant, what: String) {
        self.out.push(Output::Fault { node: self.node.clone(), what });
        self.type_ahead.clear();
        match self.compose_entry(now, self.lang, "bye", "prompt.bye") {
            Ok(line) if !matches!(self.state, State::Over) => {
                self.state = State::Speaking { next: Target::End, barge_in: false, hold: 0 };
                self.steps = 0;
                self.play(now, vec![line], None);
            }
            Ok(_) | Err(_) => self.hang_up(),
        }
    }

    pub(super) fn hang_up(&mut self) {
        if !matches!(self.state, State::Over) {
            self.state = State::Over;
            self.playing = None;
            self.type_ahead.clear();
            if self.may_agree && self.has_pressed {
                self.out.push(Output::DeclineCallBack);
            }
            self.out.push(Output::HangUp);
        }
    }
}
