//! One phone call, sans-IO: admission, a SIP leg with its media session and its application, and the call's record.

mod admission;
mod application;
mod call;
mod cdr;
mod line_test;
mod look_up;
mod media_control;
mod media_session;
mod recording_session;
#[cfg(test)]
mod test_clock;

pub use admission::{Admission, Purpose, Rejection, Rules};
pub use application::Talk;
pub use call::{Call, CallSetup, Effect, Input, Output, Telemetry};
pub use cdr::Tally;
pub use line_test::{LineTest, line_test_clips};
pub use look_up::{findings, query, result_of};
pub use media_control::{Command, Event, KeySource, StreamSetup};
pub use media_session::{Frame, Limits, MissingClip, Quality, Stream};
pub use recording_session::{Ask, Fault, Reply, Report, SignIn, SlotFound, Studio, spoken, studio_clips};
