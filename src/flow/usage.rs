//! Which nodes use an entry of the script: shown to an operator beside a recording.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::used_by;
use super::model::{Choice, Node};
use super::release::Release;
use base::Key;

impl Release {
    /// For each entry that a call can play, the nodes that use it, and the notices as `notice:<node>`.
    pub fn entries_used(&self) -> BTreeMap<String, BTreeSet<Arc<str>>> {
        used_by(&self.flow, &self.script)
    }

    /// The options that menus read out, each with the first key that it is offered under.
    pub fn options_offered(&self) -> BTreeMap<String, Key> {
        let mut offered = BTreeMap::new();
        for Choice { key, opt, .. } in self.flow.nodes.iter().flat_map(Node::choices) {
            if let Some(opt) = opt {
                offered.entry(format!("opt.{opt}")).or_insert(*key);
            }
        }
        offered
    }
}
