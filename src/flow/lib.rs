//! The hotline as data: as written → checked → run.
//!
//! ```text
//!  flow.toml ─┐
//!  script.toml ├─► Release (checked, immutable) ─► Conversation (one call) ─► Output
//!  calendar.toml ┘         └─► answer: the same words for a screen
//! ```

mod answer;
mod answer_time;
pub mod calendar;
mod check;
mod conversation;
mod diagram;
mod exits;
mod facts;
mod fit;
mod hours;
mod io;
mod load;
pub mod model;
mod node_tables;
mod past_steps;
mod question_tables;
mod queue_facts;
mod read;
mod release;
mod replay;
pub mod sheet;
#[cfg(test)]
mod shipped;
mod usage;

pub use answer::{ScreenAnswer, answer, heard_answer};
pub use answer_time::{AnswerTime, ClipLength, answer_times};
pub use calendar::{Calendar, Opening, Working};
pub use check::unannounced;
pub use conversation::{Conversation, PromptId, SHORTEST_MESSAGE, SpokenLine, joined};
pub use diagram::{Traffic, diagram};
pub use facts::facts;
pub use fit::{fit, unknown_word};
pub use io::{
    Caller, Facts, Input, InputError, LookUpAnswer, Output, PlayId, QueueEvent, QueueOutcome, RecordResult,
    TransferOutcome, WallClock,
};
pub use past_steps::{PastStep, past_steps};
pub use release::draft;
pub use release::{Environment, ReceiptCheck, Release, Sources};
pub use replay::{Divergence, ReplayReport, replay};

pub use speech::{Diagnostic, Utterance};

#[cfg(test)]
mod virtual_time {
    use std::time::Instant;

    /// Where a test's clock begins; it moves on by addition.
    #[expect(clippy::disallowed_methods, reason = "an Instant can be made in no other way")]
    pub(crate) fn start() -> Instant {
        Instant::now()
    }
}
