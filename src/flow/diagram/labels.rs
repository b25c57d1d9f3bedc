//! The exits of a box and their labels.

use crate::exits::{By, Exit};
use crate::model::{Choice, Flow, Node, Target};

/// The exits of a node that get a row: those that are the same everywhere are in the legend.
pub(super) fn own_exits<'a>(flow: &Flow, node: &'a Node) -> Vec<Exit<'a>> {
    let usual = |exit: &Exit<'_>| {
        exit.inherited || exit.by == By::Silence && flow.give_up.as_ref().is_some_and(|go| go.target == exit.go.target)
    };
    node.exits().into_iter().filter(|exit| !usual(exit)).collect()
}

pub(super) fn label(node: &Node, exit: &Exit<'_>) -> String {
    let By::Key(key) = exit.by else { return exit.label.clone() };
    // A key may have a choice for each condition.
    let is_taken = |choice: &&Choice| choice.key == key && std::ptr::eq(&choice.go, exit.go);
    let choice: Option<&Choice> = node.choices().iter().find(is_taken);
    match choice.and_then(|choice| choice.opt.as_deref()) {
        Some(opt) => format!("{} {opt}", key.as_char()),
        None => key.as_char().to_string(),
    }
}

pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Node(name) => name.to_string(),
        Target::End => "the end".into(),
        Target::Home => "the menu before".into(),
        Target::Back => "one step back".into(),
        Target::Repeat => "once more".into(),
    }
}
