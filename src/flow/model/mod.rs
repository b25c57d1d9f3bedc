//! A flow as checked: its nodes, the keys and outcomes that lead from one to the next, and its sets of values.

mod graph;
mod nodes;
mod target;

pub use graph::{Entry, Enum, Flow, Limits, Notice, Type};
pub use nodes::*;
pub use target::{Go, Prompt, Target, When};

/// What names the end of an entry: `receipt.tail`.
pub(crate) const TAIL: &str = ".tail";
