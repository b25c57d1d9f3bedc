//! One phone call, sans-IO: dialog × media × flow; admission; the call's record.

mod control;
mod stream;

pub use control::{Command, Event, KeySource, StreamSetup};
pub use stream::{Frame, Limits, MissingClip, Quality, Stream};
