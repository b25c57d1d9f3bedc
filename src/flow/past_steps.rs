//! The steps of one past call: its nodes with what they are, and the key or outcome between them.
//!
//! The journal holds the nodes that a call entered. With the flow of its release, the way from one to the next is known
//! wherever a single exit leads there. An entry of digits is an exit like another: what was typed is in neither.

use std::sync::Arc;

use super::exits::By;
use super::model::{Flow, Target};
use super::replay::leads;
use base::Key;

/// A key, and the option that it was offered with.
type Chosen = Option<(Key, Option<Arc<str>>)>;

/// A node that a call entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastStep {
    /// Its name.
    pub node: String,
    /// Its kind, as in `[menu.main]`; none if the flow is unknown or does not have it.
    pub kind: Option<&'static str>,
    /// The key or outcome of the node before that led here; none where several do, or the flow is unknown.
    pub way: Option<String>,
    /// The key of the node before that led here, and the option that it was offered with.
    pub chosen: Chosen,
}

/// The steps of a path: nodes separated by commas.
pub fn past_steps(flow: Option<&Flow>, path: &str) -> Vec<PastStep> {
    let nodes: Vec<&str> = path.split(',').filter(|node| !node.is_empty()).collect();
    let step = |(n, name): (usize, &&str)| {
        let way = flow.and_then(|flow| way(flow, nodes.get(..n)?, name));
        let (way, chosen) = way.map_or((None, None), |(way, chosen)| (Some(way), chosen));
        let kind = flow.and_then(|flow| flow.node(name)).map(|node| node.kind_name());
        PastStep { node: (*name).to_owned(), kind, way, chosen }
    };
    nodes.iter().enumerate().map(step).collect()
}

/// The only exit from the last of the nodes before: `key 1 progress`, `found`. A way back leads to a node that was entered
/// before.
fn way(flow: &Flow, before: &[&str], to: &str) -> Option<(String, Chosen)> {
    let from = before.last()?;
    let node = flow.node(from)?;
    let exits = node.exits();
    let can = |target: &Target| match target {
        Target::Home | Target::Back => before.contains(&to) && leads(flow, target, from, to),
        Target::Node(_) | Target::End | Target::Repeat => leads(flow, target, from, to),
    };
    let mut ways = exits.iter().filter(|exit| can(&exit.go.target));
    let (exit, None) = (ways.next()?, ways.next()) else { return None };
    let By::Key(key) = exit.by else { return Some((exit.label.clone(), None)) };
    let offered = node.choices().iter().find(|choice| choice.key == key).and_then(|choice| choice.opt.clone());
    let way = offered.as_deref().map_or_else(|| exit.label.clone(), |offered| format!("{} {offered}", exit.label));
    Some((way, Some((key, offered))))
}
