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
    let mut report = |var: &str, line, place: Bilingual| {
        let what = bilingual!(
            "{place} uses {var}, which is not known on every path to it",
            "{place:#}用到 {var}，但并非每条路径上都已取得"
        );
        let remedy = Bilingual::fixed("ask for it, look it up or set it before", "请在此前询问、查询或设置");
        diagnostics.push(subject.diagnostic("E41", line, what, remedy));
    };
    for node in &subject.flow.nodes {
        let Some(known) = known.get(&node.name) else { continue };
        for Use { var, line, at, of_node } in uses(subject, node) {
            let is_fine = is_known(&var, known) || of_node && is_own(&var, node);
            if !is_fine {
                let (kind, name) = (node.kind_name(), &node.name);
                report(&var, line, bilingual!("{kind} {name}: {at}", "{kind} {name}：{at:#}"));
            }
        }
    }
    for notice in &subject.flow.notices {
        for Use { var, line, at, .. } in prompt_uses(subject, &notice.say) {
            let unknown = |name: &&Arc<str>| known.get(*name).is_some_and(|known| !is_known(&var, known));
            if let Some(node) = notice.before.iter().find(unknown) {
                report(&var, line, bilingual!("the notice before {node}: {at}", "{node} 之前的通知：{at:#}"));
            }
        }
    }
    diagnostics
}

/// A variable that something uses.
struct Use {
    var: Arc<str>,
    line: u32,
    /// The words of the use.
    at: Bilingual,
    /// What the node itself finds out is known there.
    of_node: bool,
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
            // A call that goes back to a menu has met it before with fewer variables; none but the hours are ever removed.
            if matches!(exit.go.target, Target::Home | Target::Back | Target::Repeat) {
                continue;
            }
            let mut leaving = met.clone();
            if matches!(node.kind, Kind::Hours(_)) {
                leaving.retain(|var| !var.starts_with(PREFIX));
            }
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
        gained.push(HOURS_NOW_VAR.into());
        // At the end of the calendar no next opening is known: a family by `hours.now` has words for it.
        gained.push(if exit.label == "open" { UNTIL } else { NEXT }.into());
    }
    if exit.label == "found" {
        gained.extend(node.lookup().map(|lookup| Arc::from(format!("{}.", lookup.gives))));
    }
    gained
}

fn is_known(var: &str, known: &Known) -> bool {
    let var = var.strip_suffix(TAIL).unwrap_or(var);
    let always =
        matches!(var, "lang" | "receipt.length" | "desk.number" | "desk.call_back" | "desk.recorded" | "caller.number");
    always || known.contains(var) || known.iter().any(|have| have.ends_with('.') && var.starts_with(&**have))
}

/// Whether a node knows a variable by itself, once it has begun.
fn is_own(var: &str, node: &Node) -> bool {
    let gives = |lookup: &Lookup| var.strip_prefix(&*lookup.gives).is_some_and(|rest| rest.starts_with('.'));
    node.lookup().is_some_and(gives) || matches!(node.kind, Kind::Queue(_)) && var.starts_with("queue.")
}

/// The variables of a prompt: of a family, those of each member that it may become.
fn prompt_uses(subject: &Subject<'_>, prompt: &Prompt) -> Vec<Use> {
    let at = bilingual!("prompt {}", "语句 {} ", prompt.name);
    let one = |var: Arc<str>| Use { var, line: prompt.line, at: at.clone(), of_node: true };
    let mut uses: Vec<Use> = prompt.var().map(|var| one(Arc::from(var))).into_iter().collect();
    let members =
        prompt.var().and_then(|var| subject.flow.members(var)).map_or_else(|| vec!["".into()], |(_, all)| all.to_vec());
    for member in members {
        let Some(entry) = subject.script.entry(&prompt.entry(&member)) else { continue };
        let slots = entry.slots().into_iter().map(|slot| slot.name);
        uses.extend(slots.filter(|slot| !goes_with(prompt.var(), &member, slot)).map(one));
    }
    uses
}

/// Whether a member of a family stands for a variable that is known then.
fn goes_with(of: Option<&str>, member: &str, var: &str) -> bool {
    of == Some(HOURS_NOW_VAR) && matches!((member, var), ("open", UNTIL) | ("closed", NEXT))
}

/// The variables that a node uses.
fn uses(subject: &Subject<'_>, node: &Node) -> Vec<Use> {
    let mut uses: Vec<Use> = node.prompts().into_iter().flat_map(|prompt| prompt_uses(subject, prompt)).collect();
    if let Kind::Queue(queue) = &node.kind {
        // Said before the caller waits, so that no position is known.
        let first = queue.say.iter().flat_map(|prompt| prompt_uses(subject, prompt));
        uses.extend(first.filter(|one| one.var.starts_with("queue.")).map(|one| Use { of_node: false, ..one }));
    }
    let plain = |var, line, at| Use { var, line, at, of_node: true };
    if let Kind::Sms(sms) = &node.kind {
        let at = bilingual!("text message {}", "短信 {} ", sms.template.name);
        let entry = subject.script.entry(&message_entry(&sms.template.name));
        let slots = entry.map(|entry| entry.slots()).unwrap_or_default();
        uses.extend(slots.into_iter().map(|slot| plain(slot.name, sms.template.line, at.clone())));
        let result = sms.result.as_ref().map(|gives| Arc::from(format!("{gives}.")));
        uses.extend(result.map(|result| plain(result, node.line, Bilingual::fixed("the text message", "短信"))));
    }
    if let Kind::Switch(switch) = &node.kind {
        uses.push(plain(switch.of.clone(), node.line, Bilingual::fixed("the switch", "switch ")));
    }
    if let Kind::Hours(hours) = &node.kind {
        let at = Bilingual::fixed("the calendar", "日历");
        uses.extend(hours.calendar.var().map(|var| plain(var.into(), hours.calendar.line, at)));
    }
    let by = node.lookup().map_or(&[][..], |lookup| &lookup.by);
    uses.extend(by.iter().map(|var| plain(var.clone(), node.line, Bilingual::fixed("the look-up", "查询"))));
    uses
}

/// The variables that an `hours` node sets.
const HOURS_NOW_VAR: &str = "hours.now";
const UNTIL: &str = "hours.until";
const NEXT: &str = "hours.next";
