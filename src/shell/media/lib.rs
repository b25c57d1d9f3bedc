//! The media plane: a few plain threads, each with its own sessions' sockets, on an absolute 1 ms schedule.
//!
//! ```text
//!  control plane ── open / begin / command / close ──► Inbox (bounded) ──► media-0, media-1 …
//!                ◄─────── Event (bounded channel a call) ─────────────────┘     │ ▲
//!                                                          RTP, RTCP  ◄─────────┘ └─ io_uring, or epoll and recvmmsg
//!  Ports: bound pairs in quarantine or free ◄── close        open ──► the pair that has rested longest
//! ```
//!
//! Opening takes a bound pair of sockets from a pool, so that a call costs no `bind`. A session's socket is connected
//! to its peer once the peer is known, so that the kernel refuses strangers. Each pair of ports is a place in the table
//! of one thread, so that a packet finds its session by an index. Sessions of one thread may hear each other (`bridge.rs`).

mod arrival;
mod bridge;
mod epoll;
mod error;
mod id;
mod inbox;
mod io;
mod links;
mod metrics;
mod packet_trace;
mod plane;
mod ports;
mod session;
mod sys;
mod table;
mod tap;
mod tapping;
#[cfg(test)]
mod tests;
mod thread;
mod uring;
mod wheel;

pub use bridge::Hearing;
pub use error::{MediaBusy, OpenError};
pub use id::SessionId;
pub use io::MediaIoInUse;
pub use metrics::{LATENESS_BOUNDS_MS, MediaMetrics};
pub use packet_trace::{PacketTraceReceiver, PacketTraceSender, TracedPacket, packet_trace};
pub use plane::{MediaConfig, MediaPlane, OpenSession};
pub use tap::{NoSound, TapChannel, TapReceiver, TapSender, TappedSound, tap_channel};
