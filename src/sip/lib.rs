//! SIP for a user agent server, sans-IO: messages, the legs of calls, answers that need no call.
//!
//! ```text
//! datagram ─► parse_datagram ─┐
//!                             ├─► Message ─► Front ─► Reply (stateless)
//! stream ───► StreamFramer ───┘                  ├──► Leg  (one per call, by Call-ID and the other side's tag)
//!                                                └──► nothing
//! ```
//!
//! There is no table of transactions: a leg owns those of its call, everything else is answered without memory. The
//! shell keeps one map from [`LegKey`] to call tasks, and asks it before [`Front::sort`].
//!
//! Outside bytes are bounded by [`limits`] before they are parsed, and nothing here panics on them.

mod arrival;
mod body;
mod fields;
mod front;
pub mod grammar;
mod leg;
mod lexer;
pub mod limits;
mod message;
#[cfg(test)]
mod peer;
mod response;
mod stream;
#[cfg(test)]
mod torture;
mod uri;

pub use arrival::{Arrival, Outgoing, Target, Transport};
pub use fields::{CSeq, Via};
pub use front::{ACCEPT, ALLOW, Front, FrontState, SUPPORTED, Sorted};
pub use grammar::{Method, NameAddr};
pub use leg::{Leg, LegInput, LegOutput, Local, Progress, Why};
pub use lexer::{Fault, Name};
pub use message::{LegKey, Message, Refusal, parse_datagram};
pub use stream::{Frame, StreamFramer};
pub use uri::{Scheme, Uri};
