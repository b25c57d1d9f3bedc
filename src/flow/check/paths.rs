//! Values must be known, on every path, before they are used.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::graph::{nexts, roots};
use super::subject::Subject;
use super::words::message_entry;
use crate::exits::{By, Exit};
use crate::hours::PREFIX;
use crate::model::*;
use base::{Bilingual, bilingual};
use speech::Diagnostic;

type Known = BTreeSet<Arc<str>>;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let known = known(subject.flow);
    let mut diagnostics = Vec::new();
    for node in &subject.flow.nodes {
        let Some(known) = known.get(&node.name) else { continue };
        for (var, line, at) in uses(subject, node) {
            if !is_known(&var, known, node) {
                let what = bilingual!(
                    "{} {}: {at} uses {var}, which is not known on every path to it",
                    "{} {}：{at:#}用到 {var}，但并非每条路径上都已取得",
                    node.kind_name(),
                    node.name
                );
                diagnostics.push(subject.diagnostic(
                    "E41",
                    line,
                    what,
                    Bilingual::fixed("ask for it, look it up or set it before", "请在此前询问、查询或设置"),
                ));
            }
        }
    }
    diagnostics
}

/// What is surely known on entering each node that can be reached.
fn known(flow: &Flow) -> BTreeMap<Arc<str>, Known> {
    let mut known: BTreeMap<Arc<str>, Known> = BTreeMap::new();
    let mut todo: VecDeque<(Arc<str>, Known)> = roots(flow).into_iter().map(|root| (root, Known::new())).collect();
    while let Some((name, arriving)) = todo.pop_front() {
        let Some(node) = flow.node(&name) else { continue };
        let met: Known = match known.get(&name) {
            None => arriving,
            Some(before) => {
                let both: Known = before.intersection(&arriving).cloned().collect();
                if both.len() == before.len() {
                    continue;
                }
                both
            }
        };
        known.insert(name, met.clone());
        for exit in node.exits() {
            // A call that goes back to a menu has met it before with fewer variables; variables are never removed.
            if matches!(exit.go.target, Target::Home | Target::Back | Target::Repeat) {
                continue;
            }
            let mut leaving = met.clone();
            leaving.extend(gained(node, &exit));
            todo.extend(nexts(flow, node, &exit.go.target).into_iter().map(|next| (next, leaving.clone())));
        }
    }
    known
}

/// What an exit adds. A look-up's values are known together, as `case.`.
fn gained(node: &Node, exit: &Exit<'_>) -> Vec<Arc<str>> {
    let mut gained: Vec<Arc<str>> = exit.set.iter().map(|(var, _)| var.clone()).collect();
    if exit.by == By::Entry || exit.label == "saved" {
        gained.extend(node.stores().map(|(var, _)| var.clone()));
    }
    if matches!(node.kind, Kind::Hours(_)) {
        gained.push(PREFIX.into());
    }
    if exit.label == "found" {
        gained.extend(node.lookup().map(|lookup| Arc::from(format!("{}.", lookup.gives))));
    }
    gained
}

fn is_known(var: &str, known: &Known, node: &Node) -> bool {
    let var = var.strip_suffix(TAIL).unwrap_or(var);
    let gives = |lookup: &Lookup| var.strip_prefix(&*lookup.gives).is_some_and(|rest| rest.starts_with('.'));
    let own = node.lookup().is_some_and(gives) || matches!(node.kind, Kind::Queue(_)) && var.starts_with("queue.");
    let always =
        matches!(var, "lang" | "receipt.length" | "desk.number" | "desk.call_back" | "desk.recorded" | "caller.number");
    own || always || known.contains(var) || known.iter().any(|have| have.ends_with('.') && var.starts_with(&**have))
}

/// The variables that a node uses, with the line and the words of the use.
fn uses(subject: &Subject<'_>, node: &Node) -> Vec<(Arc<str>, u32, Bilingual)> {
    let mut uses = Vec::new();
    for prompt in node.prompts() {
        let at = bilingual!("prompt {}", "语句 {} ", prompt.name);
        uses.extend(prompt.var().map(|var| (Arc::from(var), prompt.line, at.clone())));
        let members = prompt
            .var()
            .and_then(|var| subject.flow.members(var))
            .map_or_else(|| vec!["".into()], |(_, all)| all.to_vec());
        for entry in members.iter().filter_map(|member| subject.script.entry(&prompt.entry(member))) {
            uses.extend(entry.slots().into_iter().map(|slot| (slot.name, prompt.line, at.clone())));
        }
    }
    if let Kind::Sms(sms) = &node.kind {
        let at = bilingual!("text message {}", "短信 {} ", sms.template.name);
        let entry = subject.script.entry(&message_entry(&sms.template.name));
        let slots = entry.map(|entry| entry.slots()).unwrap_or_default();
        uses.extend(slots.into_iter().map(|slot| (slot.name, sms.template.line, at.clone())));
        let result = sms.result.as_ref().map(|gives| Arc::from(format!("{gives}.")));
        uses.extend(result.map(|result| (result, node.line, Bilingual::fixed("the text message", "短信"))));
    }
    if let Kind::Switch(switch) = &node.kind {
        uses.push((switch.of.clone(), node.line, Bilingual::fixed("the switch", "switch ")));
    }
    if let Kind::Hours(hours) = &node.kind {
        uses.extend(
            hours.calendar.var().map(|var| (var.into(), hours.calendar.line, Bilingual::fixed("the calendar", "日历"))),
        );
    }
    let by = node.lookup().map_or(&[][..], |lookup| &lookup.by);
    uses.extend(by.iter().map(|var| (var.clone(), node.line, Bilingual::fixed("the look-up", "查询"))));
    uses
}
