//! Past calls run against a draft: which of them would take another path?
//!
//! The journal holds the nodes that each call entered, and nothing that was typed. If the release of the call is known, a
//! step is repeated by its own key or outcome (`main` key 1 led to `receipt`; where does it lead in the draft?). If not, a
//! step counts as the same when any exit of the draft still leads there. A call is followed to the first step that differs.

use std::collections::{BTreeMap, HashMap};

use super::exits::Exit;
use super::model::{Flow, Kind, Target};
use base::{Bilingual, bilingual};

/// How past calls fare with a draft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Calls that were run.
    pub calls: usize,
    /// Of them, calls whose own flow is not known: their steps are only compared with where the draft leads.
    pub without_flow: usize,
    /// Of them, calls with a step that leads elsewhere.
    pub diverged: usize,
    /// The most frequent first.
    pub divergences: Vec<(Divergence, usize)>,
}

/// A step that leads elsewhere in the draft.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Divergence {
    /// The node before the step; empty: the start of the call.
    pub from: String,
    /// The key or the outcome, if it is known.
    pub exit: String,
    /// The node that it led to.
    pub before: String,
    /// Where the draft leads, in words.
    pub now: Bilingual,
}

impl Divergence {
    /// The step in words.
    pub fn text(&self) -> Bilingual {
        let Divergence { from, exit, before, now } = self;
        let (from_en, from_zh) =
            if from.is_empty() { ("the start", "来电开始") } else { (from.as_str(), from.as_str()) };
        let (way, way_zh) =
            if exit.is_empty() { (String::new(), String::new()) } else { (format!(", {exit}"), format!("，{exit}")) };
        bilingual!("{from_en}{way}: led to {before}, now {now}", "{from_zh}{way_zh}：原通向 {before}，现为 {now:#}")
    }
}

/// Runs calls against a draft. Each is its own flow, if that is known, and its nodes separated by commas.
pub fn replay<'a>(draft: &Flow, calls: impl IntoIterator<Item = (Option<&'a Flow>, &'a str)>) -> ReplayReport {
    let mut report = ReplayReport::default();
    let mut moves: BTreeMap<Divergence, usize> = BTreeMap::new();
    let mut known: HashMap<(usize, &str, &str), Option<Divergence>> = HashMap::new();
    for (old, path) in calls {
        report.calls += 1;
        report.without_flow += usize::from(old.is_none());
        let of = old.map_or(0, |old| std::ptr::from_ref(old).addr());
        let mut from = "";
        for node in path.split(',').filter(|node| !node.is_empty()) {
            let step = known.entry((of, from, node)).or_insert_with(|| moved(old, draft, from, node));
            if let Some(step) = step {
                report.diverged += 1;
                *moves.entry(step.clone()).or_default() += 1;
                break;
            }
            from = node;
        }
    }
    report.divergences = moves.into_iter().collect();
    report.divergences.sort_by(|(a, n), (b, m)| m.cmp(n).then(a.cmp(b)));
    report
}

/// The step from one node to the next, if it leads elsewhere in the draft.
fn moved(old: Option<&Flow>, draft: &Flow, from: &str, to: &str) -> Option<Divergence> {
    let of =
        |way: &str, now: Bilingual| Some(Divergence { from: from.into(), exit: way.into(), before: to.into(), now });
    let gone = || bilingual!("there is no node {to}", "没有节点 {to}");
    if from.is_empty() {
        let leads = |flow: &Flow| starts(flow).any(|target| leads(flow, target, from, to));
        return if leads(draft) || old.is_some_and(|old| !leads(old)) && draft.node(to).is_some() {
            None
        } else {
            of("", shown(&draft.start.target))
        };
    }
    let Some(here) = draft.node(from) else {
        return of("", bilingual!("there is no node {from}", "没有节点 {from}"));
    };
    let ways = here.exits();
    let past = old.and_then(|old| Some((old, old.node(from)?.exits())));
    let Some((old, past)) = past else {
        let still = ways.iter().any(|way| leads(draft, &way.go.target, from, to));
        return if still {
            None
        } else {
            of("", if draft.node(to).is_some() { Bilingual::fixed("no way", "无路可达") } else { gone() })
        };
    };
    let mut taken: Vec<&Exit<'_>> = past.iter().filter(|way| leads(old, &way.go.target, from, to)).collect();
    // `@back` can lead to any question; an exit that names the node is the likelier one.
    if taken.iter().any(|way| matches!(way.go.target, Target::Node(_))) {
        taken.retain(|way| matches!(way.go.target, Target::Node(_)));
    }
    let mut now = None;
    for way in &taken {
        let same = ways.iter().find(|other| other.label == way.label);
        match same {
            Some(other) if leads(draft, &other.go.target, from, to) => return None,
            Some(other) => now = now.or_else(|| Some((&way.label, shown(&other.go.target)))),
            None => now = now.or_else(|| Some((&way.label, Bilingual::fixed("nothing", "没有去向")))),
        }
    }
    match now {
        Some((way, now)) => of(way, now),
        // A step of the engine itself, as after too many no-inputs: it stays as long as the node does.
        None if draft.node(to).is_some() => None,
        None => of("", gone()),
    }
}

fn starts(flow: &Flow) -> impl Iterator<Item = &Target> {
    let of_the_node = flow.called_back.iter().map(|go| &go.target);
    std::iter::once(&flow.start.target).chain(flow.entries.iter().map(|entry| &entry.go.target)).chain(of_the_node)
}

/// Whether a target can have led from one node to another.
pub(crate) fn leads(flow: &Flow, target: &Target, from: &str, to: &str) -> bool {
    match target {
        Target::Node(name) => **name == *to,
        Target::End => false,
        Target::Home => flow.node(to).is_some_and(|node| matches!(&node.kind, Kind::Menu(menu) if menu.home)),
        Target::Back => flow.node(to).is_some_and(|node| node.asks()),
        Target::Repeat => from == to,
    }
}

fn shown(target: &Target) -> Bilingual {
    match target {
        Target::Node(name) => bilingual!("to {name}", "{name}"),
        Target::End => Bilingual::fixed("to the end of the call", "通话结束"),
        Target::Home => Bilingual::fixed("to the menu before", "上一个菜单"),
        Target::Back => Bilingual::fixed("one step back", "返回一步"),
        Target::Repeat => Bilingual::fixed("to itself", "重复本步"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Release;
    use crate::shipped::{FLOW, environment, sources};
    use std::sync::Arc;

    fn load(flow: &str) -> Arc<Release> {
        Release::load(sources(flow), environment()).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"))
    }

    const PATHS: [&str; 3] = [
        "welcome,language,main,receipt,id_tail,find,minor,status",
        "welcome,language,main,halls",
        "welcome,language,main,guide,topic",
    ];

    #[test]
    fn calls_on_the_same_flow_take_the_same_path() {
        let release = load(FLOW);
        for old in [None, Some(&release.flow)] {
            let report = replay(&release.flow, PATHS.map(|path| (old, path)));
            assert_eq!((report.calls, report.diverged), (3, 0), "{report:?}");
        }
    }

    #[test]
    fn exchanged_keys_are_reported_with_the_number_of_calls() {
        let (old, draft) = (
            load(FLOW),
            load(
                &FLOW
                    .replace("keys.2 = \"guide\"", "keys.2 = \"HALLS\"")
                    .replace("keys.3 = \"halls\"", "keys.3 = \"guide\"")
                    .replace("HALLS", "halls"),
            ),
        );
        let report = replay(&draft.flow, PATHS.map(|path| (Some(&old.flow), path)));
        assert_eq!(report.diverged, 2);
        let steps: Vec<String> = report.divergences.iter().map(|(step, n)| format!("{n} {}", step.text())).collect();
        assert_eq!(steps, ["1 main, key 2: led to guide, now to halls", "1 main, key 3: led to halls, now to guide"]);
        assert_eq!(replay(&draft.flow, PATHS.map(|path| (None, path))).diverged, 0);
    }

    #[test]
    fn a_removed_node_is_reported() {
        let release = load(FLOW);
        let report = replay(&release.flow, [(None, "welcome,language,main,lottery,bye")]);
        assert_eq!(report.divergences[0].0.text().en, "main: led to lottery, now there is no node lottery");
    }
}
