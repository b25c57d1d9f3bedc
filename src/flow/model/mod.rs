//! A flow as checked: its nodes, the keys and outcomes that lead from one to the next, and its sets of values.

mod graph;
mod nodes;
mod target;

use std::sync::Arc;

pub use graph::{Entry, Enum, Flow, Limits, Notice, Type};
pub use nodes::*;
pub use target::{Go, Prompt, Target, When};

/// What stands for the calling number where a number is named.
pub(crate) const CALLER: &str = "caller";

/// The recording of a piece of music.
pub fn music_id(name: &str) -> Arc<str> {
    format!("music.{name}").into()
}

/// What names the end of an entry: `receipt.tail`.
pub(crate) const TAIL: &str = ".tail";
