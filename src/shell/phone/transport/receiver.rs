//! What the transport layer gives its messages to.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use sip::{Arrival, MalformedMessage, Message};

/// Ends once a message that had to wait is taken, or is answered otherwise.
pub type Backlog = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes what the sockets receive. No method may block: all of them run on the tasks that read the sockets.
pub trait Receiver: Send + Sync {
    /// Whether messages from this address are accepted. Of an address that is refused nothing is read or answered.
    fn accepts(&self, address: IpAddr) -> bool;

    /// Takes one message. A stream is read on once the backlog is over, since its far end sends nothing twice; after a
    /// datagram there is none.
    fn message(&self, message: Message, arrival: &Arrival) -> Option<Backlog>;

    /// Takes what could not be parsed; the sender is answered where RFC 3261 requires it.
    fn malformed(&self, malformed: &MalformedMessage, arrival: &Arrival);
}
