//! Follows a table of a PostgreSQL server by logical replication.
//!
//! ```text
//!           ┌────────── trouble: the replica answers as it is; a pause with random jitter ◄──────────────────┐
//!           ▼                                                                                                │
//!  connect, catalogue ─► plan ─┬─ Continue ───────────────────────────────► stream ─► batches ─► the writer ─┤
//!                              ├─ Copy: new slot, its snapshot ─► rebuild ──► swap ──┘                       │
//!                              └─ Busy, Hold ────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A position is acknowledged to the upstream once it is synced to this node's disk, in one transaction with its rows. The
//! decisions are made in [`replica::upstream`]; this module has the connections, the waits and their limits.

mod catalogue;
mod connected;
mod copy_out;
mod fetch;
pub(crate) mod follower;
mod following;
mod heartbeat;
mod initial_copy;
mod large_transaction;
pub(crate) mod metrics;
mod session;
mod stream;
mod tls;
pub mod verify;

pub use following::SOURCE;
pub use metrics::UpstreamMetrics;
