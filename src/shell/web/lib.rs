//! The web server: sockets and HTTP around the pure `web` room.
//!
//! ```text
//!  accept ──► Connections (bounded, the idlest makes room) ──► hyper http1 (timer, bounds)
//!                                                                   │ request
//!       cached reply ◄── Doors ◄── route, body within limits ◄──────┘
//!            ▲             │ not cached: look-up, words
//!            └─────────────┘
//! ```
//!
//! What the server asks of the rest of the program is a [`Backend`]: closures, so that it can be driven without a
//! replica, a flow or a journal.

mod accept;
mod backend;
mod body;
mod bounds;
mod doors;
mod reply;
mod studio;

pub use accept::{Listeners, serve};
pub use backend::{Backend, Boxed, Outcome, RateRecord, ScanRecord, Trace};
pub use doors::{Doors, Serves};
pub use studio::StudioDoor;

#[cfg(test)]
mod tests;
