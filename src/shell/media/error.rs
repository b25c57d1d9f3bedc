//! What the media plane refuses.

use std::io;
use std::net::IpAddr;

/// Why no session can be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The call came in by an IP version that no media address has.
    #[error("no media address of the IP version of {0} is configured")]
    NoAddress(IpAddr),
    /// As many sessions are open as there are pairs of ports.
    #[error("every pair of ports in phone.media_ports is in use: widen the range")]
    PortsExhausted,
    /// The system gives no socket.
    #[error("no socket: {0}")]
    Socket(#[from] io::Error),
}

/// A media thread's inbox is full: it has not run for a long time. The call should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the media thread does not keep up")]
pub struct MediaBusy;
