//! A person is promised only where the hours were looked at, and notices that must be heard are heard on every path.
//!
//! "Looked at" means: since the last question, the call took the way out `open` of an `hours` node. While a question waits
//! the desk may close, so what was known before it counts no more.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::graph::{nexts, roots};
use super::subject::Subject;
use super::words::expanded;
use crate::model::*;
use base::{Bilingual, bilingual};
use speech::Diagnostic;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for notice in subject.flow.notices.iter().filter(|notice| notice.must_hear) {
        // The notice that a conversation is recorded has its own check: [`super::recorded`].
        if notice.when != Some(When::Recorded) {
            missed(subject, notice, &mut diagnostics);
        }
    }
    // A desk that never closes needs no hours, and a flow of one names no words.
    if subject.flow.limits.promise_words.is_empty() {
        return diagnostics;
    }
    let unchecked = unchecked(subject.flow);
    for node in subject.flow.nodes.iter().filter(|node| unchecked.contains(&node.name)) {
        if let Kind::Transfer(_) | Kind::Queue(_) = node.kind {
            let what = bilingual!(
                "{} {}: a path leads here without a look at the hours",
                "{} {}：有路径未查看工作时间就到达这里",
                node.kind_name(),
                node.name
            );
            diagnostics.push(subject.diagnostic("E24", node.line, what, REMEDY));
        }
        for prompt in node.prompts() {
            promise(subject, prompt, &format!("{} {}", node.kind_name(), node.name).into(), &mut diagnostics);
        }
    }
    for notice in &subject.flow.notices {
        promise(subject, &notice.say, &Bilingual::fixed("a notice", "通知"), &mut diagnostics);
    }
    for node in &subject.flow.nodes {
        options(subject, node, &mut diagnostics);
    }
    diagnostics
}

/// The nodes that some path comes to without having found the desk open since the last question.
fn unchecked(flow: &Flow) -> BTreeSet<Arc<str>> {
    let mut todo = roots(flow);
    // What follows an open desk is unchecked again after the next question.
    for node in flow.nodes.iter().filter(|node| node.asks() || matches!(node.kind, Kind::Lookup(_))) {
        let exits = node.exits();
        let exits = exits.iter().filter(|exit| !meets_an_agent(flow, node, &exit.go.target));
        todo.extend(exits.flat_map(|exit| nexts(flow, node, &exit.go.target)));
    }
    let mut seen = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let Some(node) = flow.node(&name).filter(|_| seen.insert(name.clone())) else { continue };
        for exit in node.exits().iter().filter(|exit| !meets_an_agent(flow, node, &exit.go.target)) {
            let opens = matches!(node.kind, Kind::Hours(_)) && exit.label == "open";
            if !opens {
                todo.extend(nexts(flow, node, &exit.go.target));
            }
        }
    }
    seen
}

/// A person is called back when an agent is ready: who agrees comes to that agent whatever the hour.
fn meets_an_agent(flow: &Flow, node: &Node, target: &Target) -> bool {
    let begins = flow.called_back.as_ref().is_some_and(|go| go.target == Target::Node(node.name.clone()));
    let is_queue = |name: &Arc<str>| flow.node(name).is_some_and(|node| matches!(node.kind, Kind::Queue(_)));
    begins && matches!(target, Target::Node(name) if is_queue(name))
}

fn promise(subject: &Subject<'_>, prompt: &Prompt, at: &Bilingual, diagnostics: &mut Vec<Diagnostic>) {
    for entry in expanded(subject.flow, prompt).unwrap_or_default() {
        let Some(written) = subject.script.entry(&entry) else { continue };
        let said = subject.flow.langs.iter().filter_map(|lang| written.sentence(*lang));
        let promised = said.flat_map(|sentence| {
            subject.flow.limits.promise_words.iter().filter(|word| sentence.text.contains(&***word))
        });
        if let Some(word) = promised.into_iter().next() {
            let what = bilingual!(
                "{at}: {entry} promises a person ({word:?}), and a path to it has not looked at the hours",
                "{at:#}：{entry} 承诺转人工（{word:?}），但有路径未查看工作时间"
            );
            diagnostics.push(subject.diagnostic("E24", prompt.line, what, REMEDY));
        }
    }
}

/// An option that is read out for a person has a condition on the hours, or an alternative for the hours without one.
fn options(subject: &Subject<'_>, node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    for choice in node.choices().iter().filter(|choice| choice.opt.is_some()) {
        let Target::Node(name) = &choice.go.target else { continue };
        let Some(Kind::Hours(hours)) = subject.flow.node(name).map(|node| &node.kind) else { continue };
        let to_a_person = reaches_a_person(subject.flow, &hours.open.target);
        let looked = |choice: &Choice| matches!(choice.when, Some(When::Open(_)));
        let first = node.choices().iter().find(|other| other.key == choice.key).is_some_and(looked);
        if to_a_person && !first {
            let (at, key) = (format!("{} {}", node.kind_name(), node.name), choice.key.as_char());
            let what =
                bilingual!("{at}, key {key} offers a person at every hour", "{at} 的按键 {key} 在任何时间都提供人工");
            let remedy = bilingual!(
                "add `when = \"open.{}\"`, and a second choice for the other hours",
                "请加上 `when = \"open.{}\"`，并为其余时间另写一个选项",
                hours.calendar.name
            );
            diagnostics.push(subject.diagnostic("E24", choice.line, what, remedy));
        }
    }
}

impl Flow {
    /// Whether a call comes from this node to a person, without a question between.
    pub fn leads_to_a_person(&self, node: &str) -> bool {
        reaches_a_person(self, &Target::Node(node.into()))
    }
}

/// Whether a call comes from here to a person, without a question between.
pub(crate) fn reaches_a_person(flow: &Flow, from: &Target) -> bool {
    let mut todo: Vec<Arc<str>> = if let Target::Node(name) = from { vec![name.clone()] } else { Vec::new() };
    let mut seen = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let Some(node) = flow.node(&name).filter(|_| seen.insert(name.clone())) else { continue };
        match node.kind {
            Kind::Transfer(_) | Kind::Queue(_) => return true,
            _ if node.asks() => {}
            _ => todo.extend(node.exits().iter().flat_map(|exit| nexts(flow, node, &exit.go.target))),
        }
    }
    false
}

/// A notice that must be heard stands before every way to a result, a person and a message box.
fn missed(subject: &Subject<'_>, notice: &Notice, diagnostics: &mut Vec<Diagnostic>) {
    let flow = subject.flow;
    let mut todo = roots(flow);
    let mut seen = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let Some(node) = flow.node(&name).filter(|_| !notice.before.contains(&name) && seen.insert(name.clone()))
        else {
            continue;
        };
        if let Kind::Lookup(_) | Kind::Transfer(_) | Kind::Queue(_) | Kind::Record(_) = node.kind {
            let what = bilingual!(
                "a call can come to {name} without hearing {}, which must be heard",
                "来电可以到达 {name} 而听不到必须播放的 {}",
                notice.say.name
            );
            let remedy = Bilingual::fixed(
                "add a node of that path to the notice's `before`",
                "请把该路径上的节点写入通知的 `before`",
            );
            diagnostics.push(subject.diagnostic("W15", notice.line, what, remedy));
            return;
        }
        todo.extend(node.exits().iter().flat_map(|exit| nexts(flow, node, &exit.go.target)));
    }
}

const REMEDY: Bilingual = Bilingual::fixed(
    "put an hours node before it, and lead its `open` here",
    "请在其前放一个 hours 节点，由它的 `open` 通向这里",
);
