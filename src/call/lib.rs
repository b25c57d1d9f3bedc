//! One phone call, sans-IO: dialog × media × flow; admission; the call's record.

mod admission;
mod control;
mod line;
mod line_test;
mod question;
mod stream;
mod studio;
mod talk;
mod tally;

pub use admission::{Admission, Calls, Purpose, Rules, Turned};
pub use control::{Command, Event, KeySource, StreamSetup};
pub use line::{Beginning, Call, Input, Output};
pub use line_test::{LineTest, line_test_clips};
pub use question::{Question, believed, findings, instead, question, result_of};
pub use stream::{Frame, Limits, MissingClip, Quality, Stream};
pub use studio::{Ask, Fault, Reply, Report, STUDIO_STEP, SignIn, SlotFound, Studio, spoken, studio_clips};
pub use talk::Talk;
pub use tally::Tally;
