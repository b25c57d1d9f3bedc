//! Past calls counted by the nodes that they entered.

use std::collections::BTreeMap;

/// Calls counted on the arrows of a flow.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    calls: usize,
    steps: BTreeMap<(String, String), usize>,
    left: BTreeMap<String, usize>,
}

impl Traffic {
    /// Counts calls: the nodes of each, separated by commas, and whether the caller hung up.
    pub fn of<'a>(calls: impl IntoIterator<Item = (&'a str, bool)>) -> Traffic {
        let mut traffic = Traffic::default();
        for (path, hung_up) in calls {
            traffic.calls += 1;
            let nodes: Vec<&str> = path.split(',').filter(|node| !node.is_empty()).collect();
            for step in nodes.windows(2) {
                *traffic.steps.entry((step[0].into(), step[1].into())).or_default() += 1;
            }
            if let Some(last) = nodes.last().filter(|_| hung_up) {
                *traffic.left.entry((*last).into()).or_default() += 1;
            }
        }
        traffic
    }

    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    pub(super) fn between(&self, from: &str, to: &str) -> Option<usize> {
        self.steps.get(&(from.to_owned(), to.to_owned())).copied()
    }

    /// Calls in which the caller hung up at this node.
    pub(super) fn left(&self, node: &str) -> Option<usize> {
        self.left.get(node).copied()
    }

    /// The share of all calls, at most 1: a call may pass an arrow several times.
    pub(super) fn share(&self, calls: usize) -> f64 {
        (calls as f64 / self.calls.max(1) as f64).min(1.0)
    }
}
