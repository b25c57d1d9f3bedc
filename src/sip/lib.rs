//! SIP for a user agent, sans-IO: messages, the dispatcher, the legs of calls.
//!
//! ```text
//! datagram ─► parse_datagram ─┐
//!                             ├─► Message ─► Front ─► Reply (stateless)
//! stream ───► StreamFramer ───┘                  ├──► Leg  (one per call, by Call-ID and the other side's tag)
//!                                                └──► nothing
//! ```
//!
//! There is no transaction table: a leg owns the transactions of its call, and every other request gets a stateless
//! response. The call registry maps [`LegKey`] to call tasks and is consulted before [`Dispatcher::dispatch`], the dispatcher.
//!
//! [`limits`] bounds outside bytes before they are parsed, and no input makes the parser panic.

mod arrival;
mod body;
pub mod capture;
pub mod digest;
mod dispatcher;
mod fields;
mod grammar;
mod identity;
mod leg;
mod lexer;
pub mod limits;
pub mod locating;
mod message;
mod name_addr;
mod number;
pub mod registrar;
pub mod registration;
mod response;
mod shed;
mod stream;
#[cfg(test)]
mod test_peer;
#[cfg(test)]
mod torture;
mod uri;

pub use arrival::{Arrival, ConnectionId, Outgoing, PeerAddresses, Target, Transport};
pub use dispatcher::{Dispatcher, Disposition, NodeState};
pub use fields::{CSeq, Via};
pub use grammar::{GrammarError, Method};
pub use identity::{IdentityHeader, IdentityTrust};
pub use leg::{EndCause, EndedLeg, Invitation, Late, Leg, LegInput, LegOutput, Local, TransferProgress};
pub use lexer::{Fault, HeaderName};
pub use message::{LegKey, MalformedMessage, Message, is_keep_alive, parse_datagram};
pub use name_addr::NameAddr;
pub use number::{Number, NumberPlan, UserPart, matches_user};
pub use shed::{Shed, ShedReplies, spread};
pub use stream::{Frame, StreamFramer};
