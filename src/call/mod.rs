//! One phone call, sans-IO: dialog × media × flow; admission; the call's record.

mod control;

pub use control::{Command, Event, KeySource, StreamSetup};
