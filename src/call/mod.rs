//! One phone call, sans-IO: dialog × media × flow; admission; the call's record.

mod admission;
mod control;
mod line_test;
mod stream;

pub use admission::{Admission, Purpose, Rules, Turned};
pub use control::{Command, Event, KeySource, StreamSetup};
pub use line_test::{LineTest, line_test_clips};
pub use stream::{Frame, Limits, MissingClip, Quality, Stream};
