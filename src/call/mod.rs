//! One phone call, sans-IO: dialog × media × flow; admission; the call's record.

mod admission;
mod control;

pub use admission::{Admission, Purpose, Rules, Turned};
pub use control::{Command, Event, KeySource, StreamSetup};
