//! How packets come: transports.

pub use base::Network;

/// A SIP transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// RFC 3261 §18 over datagrams.
    Udp,
    /// RFC 3261 §18 over a stream.
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2.1).
    Tls,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

    /// Its name in lower case, as in the ready line.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }
}
