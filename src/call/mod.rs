//! One phone call, sans-IO: dialog × media × flow; admission; the call's record.

mod admission;
mod control;
mod line;
mod line_test;
mod stream;
mod question;
mod talk;
mod tally;

pub use admission::{Admission, Purpose, Rules, Turned};
pub use control::{Command, Event, KeySource, StreamSetup};
pub use line::{Beginning, Call, Input, Output};
pub use question::{Question, findings, instead, question};
pub use talk::Talk;
pub use tally::Tally;
pub use line_test::{LineTest, line_test_clips};
pub use stream::{Frame, Limits, MissingClip, Quality, Stream};
