//! Text messages: what the room `sms` decides is stored in the journal, sealed, and sent by a carrier.
//!
//! ```text
//!  call ── send ──► Outbox ──► stored ──► the call goes on
//!                     │ an attempt
//!                     ├──► http.rs: a request each, over a connection of its own ──┐
//!                     ├──► smpp.rs: one session that is kept ──────────────────────┤
//!                     ▲                                                           │
//!                     └──────────────────────── outcome ──────────────────────────┘
//! ```
//!
//! The service's task is woken by each change; it never waits for a carrier. The outbox is behind a lock that is held for no longer
//! than one of its methods takes.
//!
//! For HTTP hyper's client is used over a connection for each request: the server side of hyper is here already, and an office
//! sends a few messages a minute. A client with pools, proxies and redirects would follow what must not be followed.

mod attempts;
mod control;
mod http;
mod secret;
mod service;
mod smpp;
#[cfg(test)]
mod tests;

pub use control::{SmsEntry, SmsReply, SmsRequest, ask, listen};
pub use service::SmsService;
