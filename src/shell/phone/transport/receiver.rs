//! What the transport layer gives its messages to.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use sip::{Arrival, MalformedMessage, Message, ShedReplies, Transport};

/// Ends once a message that had to wait is taken, or is answered otherwise.
pub type Backlog = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What becomes of a datagram that was not parsed yet.
#[derive(Debug)]
pub enum Screening {
    /// It is parsed.
    Parse,
    /// It needs nothing more: it has its reply, or gets none.
    Done,
}

/// Takes what the sockets receive. No method may block: all of them run on the tasks that read the sockets.
pub trait Receiver: Send + Sync {
    /// Whether messages from this address are accepted over this transport. Where not, nothing is read or answered.
    fn accepts(&self, transport: Transport, address: IpAddr) -> bool;

    /// The place of the trunk that an address belongs to, by whose rules its certificate is verified.
    fn trunk(&self, transport: Transport, address: IpAddr) -> Option<usize>;

    /// So many datagrams were read, the oldest of which had waited for `age`.
    fn waited(&self, age: Duration, datagrams: usize);

    /// What becomes of a datagram, before it is parsed. Its response is added to `replies` if more calls come than are answered
    /// in time.
    fn screen(&self, datagram: &[u8], arrival: &Arrival, replies: &mut ShedReplies) -> Screening;

    /// Takes one message. A stream is read on once the backlog is over, since its far end sends nothing twice; after a
    /// datagram there is none.
    fn message(&self, message: Message, arrival: &Arrival) -> Option<Backlog>;

    /// The stream connection that messages with this arrival came by has ended.
    fn stream_ended(&self, arrival: &Arrival);

    /// A pong came by the stream connection that messages with this arrival come by (RFC 5626 §3.5.1).
    fn ponged(&self, arrival: &Arrival);

    /// A TLS handshake has failed: the far end was too slow, showed no certificate that is trusted, or spoke no TLS.
    fn handshake_failed(&self);

    /// Takes what could not be parsed; the sender is answered where RFC 3261 requires it.
    fn malformed(&self, malformed: &MalformedMessage, arrival: &Arrival);
}
