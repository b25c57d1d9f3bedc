//! The HTTP service: sockets and HTTP around the pure `web` room.
//!
//! ```text
//!  accept ──► Connections (bounded, the idlest makes room) ──► hyper http1 (timer, bounds)
//!                                                                   │ request
//!                     ┌─► StudioService: the prompt operators' pages │
//!       reply ◄── HttpService ◄── route, body within limits ◄───────┘
//!                     └─► ScanService: look-up, words, replies that are kept
//! ```
//!
//! What the service asks of the node is a [`Backend`]: the node's own, one of a few cases in tests, and one of many in
//! the benchmark.

mod accept;
mod backend;
mod body;
mod bounds;
mod reply;
mod scan;
mod service;
mod studio;

pub use accept::{Listeners, serve};
pub use backend::{Backend, Pending};
pub use service::{HttpService, Serves};
pub use studio::StudioService;

#[cfg(test)]
mod tests;
