//! Past calls counted by the nodes that they entered: sums, whose size depends on the flow and not on the calls.

use std::collections::BTreeMap;

/// Calls counted on the arrows of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    calls: usize,
    steps: BTreeMap<Box<str>, BTreeMap<Box<str>, usize>>,
    left: BTreeMap<Box<str>, usize>,
    /// Names in both maps, at most [`NAMES_MAX`].
    names: usize,
}

impl Traffic {
    /// Counts calls: the nodes of each, separated by commas, and whether the caller hung up.
    pub fn of<'a>(calls: impl IntoIterator<Item = (&'a str, bool)>) -> Traffic {
        let mut traffic = Traffic::default();
        for (path, hung_up) in calls {
            traffic.add(path.split(','), hung_up);
        }
        traffic
    }

    /// Counts one call: its nodes in order, and whether the caller hung up.
    pub fn add<'a>(&mut self, path: impl IntoIterator<Item = &'a str>, hung_up: bool) {
        self.calls += 1;
        let mut last = None;
        for node in path.into_iter().filter(|node| !node.is_empty()) {
            if let Some(from) = last {
                self.count_step(from, node, 1);
            }
            last = Some(node);
        }
        if let Some(last) = last.filter(|_| hung_up) {
            self.count_left(last, 1);
        }
    }

    /// Adds the calls of another count.
    pub fn merge(&mut self, other: &Traffic) {
        self.calls += other.calls;
        for (from, steps) in &other.steps {
            for (to, calls) in steps {
                self.count_step(from, to, *calls);
            }
        }
        for (node, calls) in &other.left {
            self.count_left(node, *calls);
        }
    }

    /// How many calls were counted.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Steps between nodes of which there are too many names are left out.
    fn count_step(&mut self, from: &str, to: &str, calls: usize) {
        if let Some(counted) = self.steps.get_mut(from).and_then(|steps| steps.get_mut(to)) {
            *counted += calls;
        } else if self.names < NAMES_MAX {
            self.names += 1;
            self.steps.entry(from.into()).or_default().insert(to.into(), calls);
        }
    }

    fn count_left(&mut self, node: &str, calls: usize) {
        if let Some(counted) = self.left.get_mut(node) {
            *counted += calls;
        } else if self.names < NAMES_MAX {
            self.names += 1;
            self.left.insert(node.into(), calls);
        }
    }

    pub(super) fn between(&self, from: &str, to: &str) -> Option<usize> {
        self.steps.get(from)?.get(to).copied()
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

/// Names of one count: many times the arrows of a large flow.
const NAMES_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_two_counts_is_the_count_of_all_their_calls() {
        let (first, second) = ([("a,b,a,b", true), ("a", false)], [("a,b,c", true), ("", true)]);
        let mut sum = Traffic::of(first);
        sum.merge(&Traffic::of(second));
        assert_eq!(sum, Traffic::of(first.into_iter().chain(second)));
        assert_eq!((sum.calls(), sum.between("a", "b"), sum.left("b"), sum.left("c")), (4, Some(3), Some(1), Some(1)));
    }

    #[test]
    fn a_count_does_not_grow_with_its_calls() {
        let mut traffic = Traffic::default();
        for n in 0..3 * NAMES_MAX {
            traffic.add([&*format!("node{n}"), "main"], true);
        }
        assert_eq!((traffic.calls(), traffic.names), (3 * NAMES_MAX, NAMES_MAX));
    }
}
