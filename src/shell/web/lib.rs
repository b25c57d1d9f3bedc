//! The HTTP service: sockets and HTTP around the pure `web` room.
//!
//! ```text
//!  accept ──► Connections (bounded, the idlest makes room) ──► hyper http1 (timer, bounds)
//!                                                                   │ request
//!                     ┌─► AgentService: the agents' page          │
//!                     ├─► StudioService: the prompt operators' pages │
//!       reply ◄── HttpService ◄── Peers: host, kiosk, operator ◄────┘
//!                     ├─► ScanService: kiosks ───────────┐
//!                     ├─► InquiryService: strangers ─────┴─► Answers: look-up, words, replies that are kept
//!                     └─► EnrolmentService: a browser becomes a kiosk
//! ```
//!
//! What the service asks of the node is a [`Backend`]: the node's own, one of a few cases in tests, and one of many in
//! the benchmark.

mod accept;
mod agent;
mod answers;
mod backend;
mod body;
mod bounds;
mod cookie;
mod diagram;
mod enrolment;
mod inquiries;
mod peer;
mod photograph_process;
mod photographs;
mod reply;
mod scan;
mod serves;
mod service;
mod shares;
mod studio;
mod tries;

pub use accept::{Listeners, serve};
pub use agent::AgentService;
pub use backend::{Backend, Inquiry, Pending};
pub use photograph_process::READ_PHOTOGRAPH;
pub use photographs::PhotographReader;
pub use serves::Serves;
pub use service::HttpService;
pub use studio::StudioService;

#[cfg(test)]
mod tests;
