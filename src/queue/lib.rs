//! Callers who wait for an agent: who is next, who is offered to whom, what a caller is told while waiting, and who is called
//! back. Decides; the shell executes.
//!
//! ```text
//!           join                offer              accepted             ended
//!  caller ───────► waiting ───────────► offered ────────────► connected ──────► gone
//!                   ▲  │ limit, closed,    │ declined, no answer,   │ the bridge fails
//!                   │  ▼ key, hung up      │ failed, withdrawn      │
//!                   │ gone                 │                        │
//!                   └──────────────────────┴────────────────────────┘   with the place that the caller had
//!
//!             sign in            offer          accepted           ended             time
//!  signed out ───────► ready ───────────► offered ────────► talking ─────► wrap-up ───────► ready
//!                      ▲ │ pause, no answer, phone failed
//!                      │ ▼
//!                    not ready (reason)
//! ```
//!
//! Every method takes the monotonic time. What a method causes is returned by [`Queues::poll`], in order: the shell calls it after
//! every other method, and when [`Queues::deadline`] has come. Opening hours are judged by the shell, which opens and closes queues.
//!
//! An agent may give the caller of a conversation to another agent or to a number outside, and ask another agent before: see
//! `transfer`.
//!
//! A call-back is an entry that waits without a line. When its turn comes an agent is reserved, and the shell is asked to call the
//! number. The person who agrees becomes a caller and gets the reserved agent. Its record is given to the shell to store, so that
//! it survives the end of the program.

mod agent;
mod agents;
mod announcement;
mod call_back;
mod call_back_record;
mod caller;
mod counts;
mod estimate;
mod figures;
mod ids;
mod io;
mod limits;
mod lines;
mod moment;
mod number_policy;
mod offer;
mod queues;
mod settings;
mod staff;
mod supervisor;
mod transfer;

pub use call_back_record::{CallBackOutcome, CallBackRecord, CallBackState, RecordError};
pub use counts::DayCounts;
pub use figures::{AgentFigures, CallBackFigures, QueueFigures};
pub use io::{
    Action, AgentChange, AgentError, AgentState, CallBackError, CallBackId, CallBackResult, CallerId, Join,
    LeaveReason, Left, NewCallBack, NotReadyReason, OfferId, OfferResult, Refusal,
};
pub use lines::LineFigures;
pub use queues::Queues;
pub use settings::{AgentSettings, CallBackSettings, QueueSettings, Ring, Settings, SettingsError};
pub use transfer::TransferError;

#[cfg(test)]
mod tests;
