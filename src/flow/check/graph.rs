//! Proofs over the whole graph: what can be reached, and whether every path ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::subject::Subject;
use crate::exits::{By, Exit};
use crate::model::*;
use base::{Bilingual, Key, bilingual};
use speech::Diagnostic;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let reached = reached(subject.flow);
    for node in subject.flow.nodes.iter().filter(|node| !reached.contains(&node.name)) {
        let what = bilingual!("{} {} can never be reached", "{} {} 永远无法到达", node.kind_name(), node.name);
        diagnostics.push(subject.diagnostic(
            "E20",
            node.line,
            what,
            Bilingual::fixed("lead somewhere to it, or remove it", "请从别处通向它，或将其删除"),
        ));
    }
    ends(subject, &reached, &mut diagnostics);
    loops(subject, &mut diagnostics);
    silent_loops(subject, &reached, &mut diagnostics);
    near_a_person(subject, &reached, &mut diagnostics);
    diagnostics
}

/// The nodes that an exit may lead to.
pub(super) fn nexts(flow: &Flow, from: &Node, target: &Target) -> Vec<Arc<str>> {
    match target {
        Target::Node(name) => vec![name.clone()],
        Target::Home if is_home(from) => vec![from.name.clone()],
        Target::Home => flow.nodes.iter().filter(|node| is_home(node)).map(|node| node.name.clone()).collect(),
        Target::Repeat => vec![from.name.clone()],
        Target::End | Target::Back => Vec::new(),
    }
}

fn is_home(node: &Node) -> bool {
    matches!(&node.kind, Kind::Menu(menu) if menu.home)
}

/// Where calls begin.
pub(super) fn roots(flow: &Flow) -> Vec<Arc<str>> {
    let targets = flow.entries.iter().map(|entry| &entry.go.target).chain([&flow.start.target]);
    let targets = targets.chain(flow.called_back.iter().map(|go| &go.target));
    targets.filter_map(|target| if let Target::Node(name) = target { Some(name.clone()) } else { None }).collect()
}

fn reached(flow: &Flow) -> BTreeSet<Arc<str>> {
    let mut todo = roots(flow);
    let mut seen = BTreeSet::new();
    while let Some(name) = todo.pop() {
        let Some(node) = flow.node(&name).filter(|_| seen.insert(name.clone())) else { continue };
        todo.extend(node.exits().iter().flat_map(|exit| nexts(flow, node, &exit.go.target)));
    }
    seen
}

fn ends(subject: &Subject<'_>, reached: &BTreeSet<Arc<str>>, diagnostics: &mut Vec<Diagnostic>) {
    let flow = subject.flow;
    let mut ending: BTreeSet<Arc<str>> = BTreeSet::new();
    loop {
        let before = ending.len();
        for node in &flow.nodes {
            let ends = node.exits().iter().any(|exit| {
                exit.go.target == Target::End
                    || nexts(flow, node, &exit.go.target).iter().any(|next| ending.contains(next))
            });
            if ends {
                ending.insert(node.name.clone());
            }
        }
        if ending.len() == before {
            break;
        }
    }
    for node in flow.nodes.iter().filter(|node| reached.contains(&node.name) && !ending.contains(&node.name)) {
        let what = bilingual!(
            "from {} {} no path ends the call",
            "从 {} {} 出发，没有路径能结束通话",
            node.kind_name(),
            node.name
        );
        diagnostics.push(subject.diagnostic(
            "E21",
            node.line,
            what,
            Bilingual::fixed("lead somewhere on to @end", "请设法通向 @end"),
        ));
    }
}

/// The nodes of each cycle of a graph, the first of the file first.
fn cycles(flow: &Flow, edges: &BTreeMap<Arc<str>, Vec<Arc<str>>>) -> Vec<Vec<Arc<str>>> {
    let reach = |from: &Arc<str>| {
        let mut todo: Vec<Arc<str>> = edges.get(from).cloned().unwrap_or_default();
        let mut seen = BTreeSet::new();
        while let Some(name) = todo.pop() {
            if seen.insert(name.clone()) {
                todo.extend(edges.get(&name).cloned().unwrap_or_default());
            }
        }
        seen
    };
    let reach: BTreeMap<&Arc<str>, BTreeSet<Arc<str>>> = edges.keys().map(|name| (name, reach(name))).collect();
    let mut reported: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut cycles = Vec::new();
    for node in &flow.nodes {
        let Some(own) = reach.get(&node.name).filter(|own| own.contains(&node.name) && !reported.contains(&node.name))
        else {
            continue;
        };
        let mut members = vec![node.name.clone()];
        members.extend(
            own.iter()
                .filter(|other| **other != node.name && reach.get(other).is_some_and(|r| r.contains(&node.name)))
                .cloned(),
        );
        reported.extend(members.iter().cloned());
        cycles.push(members);
    }
    cycles
}

fn loops(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let flow = subject.flow;
    let silent = |name: &Arc<str>| flow.node(name).is_some_and(|node| !node.asks());
    let edges = flow.nodes.iter().filter(|node| !node.asks()).map(|node| {
        let nexts =
            node.exits().iter().flat_map(|exit| nexts(flow, node, &exit.go.target)).filter(|n| silent(n)).collect();
        (node.name.clone(), nexts)
    });
    for cycle in cycles(flow, &edges.collect()) {
        let line = flow.node(&cycle[0]).map_or(1, |node| node.line);
        let what = bilingual!(
            "{} form a loop that never asks the caller anything",
            "{} 形成循环，其间从不向来电人提问",
            cycle.join(", ")
        );
        diagnostics.push(subject.diagnostic(
            "E22",
            line,
            what,
            Bilingual::fixed("put a menu between them, or lead on elsewhere", "请在其间放一个菜单，或通向别处"),
        ));
    }
}

/// Loops that a caller who presses no key never leaves.
fn silent_loops(subject: &Subject<'_>, reached: &BTreeSet<Arc<str>>, diagnostics: &mut Vec<Diagnostic>) {
    let flow = subject.flow;
    let edges = flow.nodes.iter().filter(|node| reached.contains(&node.name)).map(|node| {
        let unasked = |exit: &Exit<'_>| match exit.by {
            By::Silence => true,
            By::Itself => !(matches!(node.kind, Kind::Record(_)) && exit.label == "saved"),
            By::Key(_) | By::Entry => false,
        };
        let nexts = node
            .exits()
            .iter()
            .filter(|exit| unasked(exit))
            .flat_map(|exit| nexts(flow, node, &exit.go.target))
            .collect();
        (node.name.clone(), nexts)
    });
    for cycle in cycles(flow, &edges.collect()) {
        let Some(asking) = cycle.iter().filter_map(|name| flow.node(name)).find(|node| node.asks()) else { continue };
        let what = bilingual!(
            "a caller who presses no key never leaves this loop: {}",
            "不按键的来电人无法离开此循环：{}",
            cycle.join(", ")
        );
        diagnostics.push(subject.diagnostic(
            "E23",
            asking.line,
            what,
            Bilingual::fixed("let one give_up lead to a person or to @end", "请让其中一个 give_up 通向人工或 @end"),
        ));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Holiday,
}

fn near_a_person(subject: &Subject<'_>, reached: &BTreeSet<Arc<str>>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(most) = subject.flow.limits.keys_to_human else { return };
    for (state, word) in [
        (State::Open, Bilingual::fixed("open", "工作时间内")),
        (State::Closed, Bilingual::fixed("closed", "工作时间外")),
        (State::Holiday, Bilingual::fixed("a holiday", "节假日")),
    ] {
        let keys = keys_to_human(subject.flow, state);
        for node in subject.flow.nodes.iter().filter(|node| reached.contains(&node.name)) {
            let far = keys.get(&node.name).copied();
            if !matches!(node.kind, Kind::Menu(_)) || far.is_some_and(|keys| keys <= most) {
                continue;
            }
            let how = far.map_or_else(
                || Bilingual::fixed("no keys lead", "按任何键都不能"),
                |keys| bilingual!("it takes {keys} keys", "要按 {keys} 次键才能"),
            );
            let what = bilingual!(
                "menu {}: when the desk is {word}, {how} to a person or a message box; the limit is {most}",
                "menu {}：{word:#}{how:#}转到人工或留言；上限为 {most} 次",
                node.name
            );
            diagnostics.push(subject.diagnostic(
                "E40",
                node.line,
                what,
                Bilingual::fixed("give the menu a key that leads there", "请给该菜单加一个通向那里的按键"),
            ));
        }
    }
}

/// The fewest keys from each node that surely reach a person or a message box: the caller chooses keys, and what the
/// caller does not choose takes the worst exit.
fn keys_to_human(flow: &Flow, state: State) -> BTreeMap<Arc<str>, u32> {
    let mut keys: BTreeMap<Arc<str>, u32> = BTreeMap::new();
    loop {
        let mut changed = false;
        for node in &flow.nodes {
            let found = distance(flow, node, state, &keys);
            if let Some(found) = found
                && keys.get(&node.name).is_none_or(|known| found < *known)
            {
                keys.insert(node.name.clone(), found);
                changed = true;
            }
        }
        if !changed {
            return keys;
        }
    }
}

fn distance(flow: &Flow, node: &Node, state: State, keys: &BTreeMap<Arc<str>, u32>) -> Option<u32> {
    let worst = |exit: &Exit<'_>| {
        let nexts = nexts(flow, node, &exit.go.target);
        if nexts.is_empty() {
            None
        } else {
            nexts.iter().map(|next| keys.get(next).copied()).max_by_key(|n| n.map_or(u32::MAX, |n| n)).flatten()
        }
    };
    match &node.kind {
        Kind::Queue(_) | Kind::Transfer(_) | Kind::Record(_) => Some(0),
        Kind::Hours(_) => {
            let label = match state {
                State::Open => "open",
                State::Closed => "closed",
                State::Holiday => "holiday",
            };
            node.exits().iter().find(|exit| exit.label == label).and_then(worst)
        }
        Kind::Menu(_) | Kind::Ask(_) | Kind::Rate(_) => {
            let costs = node.exits().into_iter().filter_map(|exit| Some(cost(node, &exit)? + worst(&exit)?));
            costs.min()
        }
        Kind::Say(_) | Kind::Lookup(_) | Kind::Switch(_) | Kind::Sms(_) | Kind::Callback(_) => {
            let all: Option<Vec<u32>> = node.exits().iter().map(worst).collect();
            all?.into_iter().max()
        }
    }
}

/// Keys that an exit takes; `None` for no-input.
fn cost(node: &Node, exit: &Exit<'_>) -> Option<u32> {
    match (exit.by, &node.kind) {
        // While an entry is typed, 0 is a digit: alone it needs the end key.
        (By::Key(Key::Digit(_)), Kind::Ask(_)) => Some(2),
        (By::Key(_), _) => Some(1),
        (By::Entry, Kind::Ask(ask)) => Some(match ask.length {
            Length::Digits { min, .. } => min.into(),
            Length::Receipt => 10,
        }),
        (By::Entry, _) => Some(1),
        (By::Silence | By::Itself, _) => None,
    }
}
