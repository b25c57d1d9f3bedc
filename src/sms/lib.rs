//! Text messages to callers who asked for one: which numbers may get how many, what is kept until it is sent, when it is tried
//! again, and what a carrier is sent by HTTP or SMPP 3.4. Decides; the shell executes.
//!
//! ```text
//!          accept              stored            an attempt             sent, rejected
//!  caller ───────► being stored ─────► waiting ─────────────► sending ─────────────────► over
//!            │                          ▲  │ too old, cancelled   │
//!            ▼ limits                   │  └──────────────────────┼────────────────────► over
//!          refused                      └── later, throttled, unreachable
//! ```
//!
//! A record says everything that an attempt needs, and is stored before the caller hears that the message is accepted: the end
//! of the program loses none. An attempt that was under way when the program ended is made again, with the same identifier: a
//! carrier by HTTP tells them apart by it. SMPP 3.4 has no such identifier, so that such a message may come twice; one that
//! comes twice is preferred to one that does not come.

mod alphabet;
mod carrier;
mod figures;
mod http;
mod limits;
mod outbox;
mod record;
mod schedule;
mod segments;
mod settings;
mod signature;
pub mod smpp;
mod template;
#[cfg(test)]
mod tests;

pub use alphabet::Alphabet;
pub use carrier::{CarrierFigures, CarrierReport, Outcome};
pub use figures::SmsFigures;
pub use http::{Answer, HttpRequest, HttpSecret, answer_code, judge, request};
pub use limits::Refusal;
pub use outbox::{Action, Attempt, Moment, Outbox};
pub use record::{RecordError, SmsEnd, SmsId, SmsRecord, SmsState, masked};
pub use schedule::Retry;
pub use segments::{Segment, segments};
pub use settings::{Carrier, HttpCarrier, Limits, OkStatus, Settings, SmppCarrier, Success};
pub use signature::{Encoding, signature};
pub use template::{Escape, Field, Template, TemplateError, Values};
