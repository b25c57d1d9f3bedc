//! One session with a short message service centre by SMPP 3.4, as a transceiver.
//!
//! ```text
//!           bind_transceiver_resp            a part each: submit_sm, submit_sm_resp
//!  Binding ───────────────────────► Bound ⇄ enquire_link; deliver_sm is acknowledged
//!     └── refused, silent ────────────┴── unbind, silent, no SMPP ──► Closed
//! ```
//!
//! The PDUs are read and written by rusmpp-core. Its session and client are not used: they need tokio, and keep no parts of a
//! message between connections.
//!
//! A part that was acknowledged is not sent again, also after another connection. A part whose response is lost with the connection
//! is: SMPP 3.4 has no identifier by which a centre could tell that it has the part.

mod parts;
mod session;
#[cfg(test)]
mod tests;

pub use parts::Concatenation;
pub use session::{Input, Output, Session, SmppSecret};
