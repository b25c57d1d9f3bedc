//! A PostgreSQL upstream, without a connection: messages of its stream, the meaning of its rows, the replica's position in
//! its log.
//!
//! ```text
//!  messages ─► TransactionAssembler ─► transactions ─► changes of the replica     catalogue ─► diagnostics
//!                 └ Mapping: a row ─► a case, or why not            stored position + server ─► Plan
//! ```
//!
//! The shell has the connections and does what is decided here.

mod assembler;
mod case_field;
mod copied;
mod error;
mod mapping;
mod message;
mod position;
mod table;
mod value;

pub use assembler::{
    GatherError, Heartbeat, Step, Transaction, TransactionAssembler, bad, gone, row_id, timestamp, timestamp_of_text,
};
pub use case_field::CaseField;
pub use copied::{CopiedRows, CopyError};
pub use error::{Names, Refusal, UpstreamError, UpstreamErrorKind, split_state};
pub use mapping::{Bound, Drift, FactorKind, Mapping, NAMELESS, Origin, Unmapped, receipt};
pub use message::{Field, MessageError, StreamColumn};
pub use position::{
    Anchor, Lsn, PLUGIN, Plan, Position, Server, Slot, TableShape, Wanted, WhyCopy, WhyHold, history, lsn, lsn_text,
    plan,
};
pub use table::{Catalogue, Form, HeartbeatTable, Identity, Publication};
