//! How a message arrived, and where responses and requests go.
//!
//! A response goes back by the Via of its request: to its source port if the client asks for that with
//! `rport` (RFC 3581 §4), else to the port in Via (RFC 3261 §18.2.2); over TCP on the connection of the request, and
//! to the sent-by address only when that connection is gone.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;

use super::fields::Via;
use super::uri::{self, Scheme, Uri};

/// A transport of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram per message; messages get lost and are retransmitted.
    Udp,
    /// A stream, framed by Content-Length.
    Tcp,
    /// TLS over TCP (RFC 3261 §26.2.1).
    Tls,
}

impl Transport {
    /// Whether messages may get lost, so that transactions retransmit them.
    pub fn is_unreliable(self) -> bool {
        match self {
            Transport::Udp => true,
            Transport::Tcp | Transport::Tls => false,
        }
    }

    /// The name as Via writes it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// The port where none is named (RFC 3261 §18.1.1, §19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }

    /// The URI parameter that names it; empty for UDP, which needs none.
    pub(crate) fn uri_param(self) -> &'static str {
        match self {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        }
    }
}

/// Names a stream connection of this node, as long as the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub NonZeroU64);

/// How a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The transport that carried the message.
    pub transport: Transport,
    /// The remote socket address.
    pub source: SocketAddr,
    /// The local socket address: the listener's, or the accepted connection's.
    pub local: SocketAddr,
    /// The connection that it came by; none for a datagram. Two connections may have the same far end.
    pub connection: Option<ConnectionId>,
}

/// The addresses that the requests of a call may go to, beside the one that it came from: those of its trunk.
#[derive(Clone)]
pub struct PeerAddresses(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl PeerAddresses {
    /// The addresses for which `contains` is true.
    pub fn new(contains: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> PeerAddresses {
        PeerAddresses(Arc::new(contains))
    }

    fn contains(&self, ip: IpAddr) -> bool {
        (self.0)(ip)
    }
}

impl fmt::Debug for PeerAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerAddresses")
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the peer that the call or request came from.
    Same {
        /// What carries it.
        transport: Transport,
        /// The socket that sends.
        local: SocketAddr,
        /// The receiver; on a stream the far end of the existing connection.
        peer: SocketAddr,
        /// That connection; none for a datagram.
        connection: Option<ConnectionId>,
        /// Where the message goes if that connection is gone.
        otherwise: Option<Box<Target>>,
    },
    /// To an address; on a stream by a connection to it, opened if there is none.
    Address {
        /// What carries it.
        transport: Transport,
        /// The listener that sends.
        local: SocketAddr,
        /// The receiver.
        to: SocketAddr,
    },
    /// As `Address`, after the host name is resolved (RFC 3263).
    Host {
        /// What carries it.
        transport: Transport,
        /// The listener that sends.
        local: SocketAddr,
        /// The name to resolve.
        host: String,
        /// `None`: the port comes from DNS, or is the default.
        port: Option<u16>,
    },
}

impl Target {
    /// Where a request to a SIP URI goes (RFC 3261 §8.1.2): over the transport that the URI names, else over `transport`, from
    /// the listener `local`. `None` for a URI that names no host.
    pub fn of_uri(uri: &str, transport: Transport, local: SocketAddr) -> Option<Target> {
        request_target(uri, &Arrival { transport, source: local, local, connection: None })
    }

    /// What carries it.
    pub fn transport(&self) -> Transport {
        match self {
            Target::Same { transport, .. } | Target::Address { transport, .. } | Target::Host { transport, .. } => {
                *transport
            }
        }
    }
}

/// A message to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The whole message.
    pub bytes: Bytes,
    /// Where it goes.
    pub to: Target,
}

impl Outgoing {
    /// Whether it is an INVITE to a host by its name, which may have several servers.
    pub fn is_invite_to_host(&self) -> bool {
        matches!(self.to, Target::Host { .. }) && self.bytes.starts_with(b"INVITE ")
    }
}

/// Prints length and target, and no content.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} bytes, {:?})", self.bytes.len(), self.to)
    }
}

/// Where the response to a request with this Via goes; without a readable Via, the source address.
pub(super) fn reply_target(via: Option<&Via>, arrival: &Arrival) -> Target {
    let Arrival { transport, source, local, connection } = *arrival;
    match transport {
        Transport::Tcp | Transport::Tls => {
            let otherwise = Target::Address { transport, local, to: sent_by(via, arrival) };
            Target::Same { transport, local, peer: source, connection, otherwise: Some(Box::new(otherwise)) }
        }
        Transport::Udp => {
            let peer = datagram_reply_address(via, arrival);
            Target::Same { transport, local, peer, connection: None, otherwise: None }
        }
    }
}

/// Where the response to a datagram goes.
pub(super) fn datagram_reply_address(via: Option<&Via>, arrival: &Arrival) -> SocketAddr {
    if via.is_none_or(|via| via.rport) { arrival.source } else { sent_by(via, arrival) }
}

fn sent_by(via: Option<&Via>, arrival: &Arrival) -> SocketAddr {
    let port = match via {
        Some(via) => via.port.unwrap_or_else(|| arrival.transport.default_port()),
        None => arrival.source.port(),
    };
    SocketAddr::new(arrival.source.ip(), port)
}

/// Where a request with this first-hop URI goes (RFC 3261 §8.1.2). `None` for a URI that names no host: `tel:`, port 0, or
/// an address that is none, as `0.0.0.0`. `maddr` is ignored: it is for multicast (RFC 3261 §19.1.1).
pub(super) fn request_target(uri: &str, arrival: &Arrival) -> Option<Target> {
    let uri = Uri::read(uri).ok()?;
    if matches!(uri.scheme, Scheme::Tel | Scheme::Other) {
        return None;
    }
    let local = arrival.local;
    let transport = match uri.param("transport") {
        _ if uri.scheme == Scheme::Sips => Transport::Tls,
        Some(name) if name.eq_ignore_ascii_case("tls") => Transport::Tls,
        Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
        Some(_) | None => arrival.transport,
    };
    let port = uri.port.unwrap_or_else(|| transport.default_port());
    let address = uri::address(uri.host);
    if uri.port == Some(0) || address.is_some_and(is_no_host) {
        return None;
    }
    Some(match address.map(|ip| same_family(ip, arrival)) {
        Some(ip) => Target::Address { transport, local, to: SocketAddr::new(ip, port) },
        None => Target::Host { transport, local, host: uri.host.into(), port: uri.port },
    })
}

/// The same for a URI that a peer wrote: `None` as well where it names a host, whose lookup anybody could ask for, or an
/// address that is not the peer's.
pub(super) fn peer_target(uri: &str, arrival: &Arrival, peers: &PeerAddresses) -> Option<Target> {
    let target = request_target(uri, arrival)?;
    let allowed = |ip: IpAddr| ip.to_canonical() == arrival.source.ip().to_canonical() || peers.contains(ip);
    matches!(&target, Target::Address { to, .. } if allowed(to.ip())).then_some(target)
}

fn is_no_host(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let broadcast = IpAddr::from([255, 255, 255, 255]);
    ip.is_unspecified() || ip.is_multicast() || ip == broadcast || matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 0)
}

/// An IPv4 address in the form that the socket of the call takes: mapped, if that is a dual-stack IPv6 socket.
fn same_family(ip: IpAddr, arrival: &Arrival) -> IpAddr {
    match (ip, arrival.source.ip()) {
        (IpAddr::V4(ip), IpAddr::V6(source)) if source.to_ipv4_mapped().is_some() => IpAddr::V6(ip.to_ipv6_mapped()),
        _ => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_peer::addr;
    use crate::{Dispatcher, Disposition, HeaderName, Message, NodeState, parse_datagram};

    fn options(via: &str) -> Message {
        let text = format!(
            "OPTIONS sip:h SIP/2.0\r\nv: {via}\r\nf: <sip:a@h>;tag=1\r\nt: <sip:h>\r\ni: x\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n"
        );
        parse_datagram(text.as_bytes()).expect("sound")
    }

    /// The top Via of the reply, and where it goes.
    fn reply(via: &str, transport: Transport, source: &str) -> (String, Target) {
        let arrival = Arrival { transport, source: addr(source), local: addr("192.0.2.1:5060"), connection: None };
        let state =
            NodeState { known: false, draining: false, full: false, retry_after: std::time::Duration::from_secs(1) };
        let Disposition::Reply(reply) = Dispatcher::new(1).dispatch(&options(via), &arrival, state) else {
            panic!("a reply")
        };
        let message = parse_datagram(&reply.bytes).expect("sound");
        (message.header(HeaderName::Via).expect("a Via").to_owned(), reply.to)
    }

    fn peer_of(target: &Target) -> String {
        match target {
            Target::Same { peer, .. } => peer.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn with_rport_a_reply_goes_to_where_the_request_came_from() {
        let (via, to) = reply("SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bKx", Transport::Udp, "203.0.113.5:40001");
        assert_eq!(via, "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKx;received=203.0.113.5;rport=40001");
        assert_eq!(peer_of(&to), "203.0.113.5:40001");
        let (via, _) = reply("SIP/2.0/UDP 203.0.113.5:40001;rport", Transport::Udp, "203.0.113.5:40001");
        assert!(via.ends_with(";received=203.0.113.5;rport=40001"), "RFC 3581 §4: received even if equal");
    }

    #[test]
    fn without_rport_a_reply_goes_to_the_port_in_via() {
        let (via, to) = reply("SIP/2.0/UDP 203.0.113.5:5999;branch=z9hG4bKx", Transport::Udp, "203.0.113.5:40001");
        assert_eq!(via, "SIP/2.0/UDP 203.0.113.5:5999;branch=z9hG4bKx");
        assert_eq!(peer_of(&to), "203.0.113.5:5999");
        let (via, to) = reply("SIP/2.0/UDP ua.example.com;branch=z9hG4bKx", Transport::Udp, "203.0.113.5:40001");
        assert!(via.ends_with(";received=203.0.113.5"));
        assert_eq!(peer_of(&to), "203.0.113.5:5060");
    }

    #[test]
    fn a_forged_received_is_replaced() {
        let via = "SIP/2.0/UDP 10.0.0.9;received=198.51.100.1;rport=1;branch=z9hG4bKx";
        let (via, to) = reply(via, Transport::Udp, "203.0.113.5:40001");
        assert_eq!(via, "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKx;received=203.0.113.5;rport=40001");
        assert_eq!(peer_of(&to), "203.0.113.5:40001");
    }

    #[test]
    fn maddr_is_ignored_and_ipv6_works_throughout() {
        let (_, to) = reply("SIP/2.0/UDP 10.0.0.9;maddr=192.0.2.200", Transport::Udp, "203.0.113.5:40001");
        assert_eq!(peer_of(&to), "203.0.113.5:5060");
        let (via, to) = reply("SIP/2.0/UDP [2001:db8::9]:5062;branch=z9hG4bKx", Transport::Udp, "[2001:db8::9]:40001");
        assert_eq!(via, "SIP/2.0/UDP [2001:db8::9]:5062;branch=z9hG4bKx");
        assert_eq!(peer_of(&to), "[2001:db8::9]:5062");
        let (via, _) = reply("SIP/2.0/UDP [2001:db8::9]:5062;rport", Transport::Udp, "[2001:db8::77]:40001");
        assert!(via.ends_with(";received=2001:db8::77;rport=40001"));
    }

    #[test]
    fn over_tcp_a_reply_takes_the_connection_and_only_then_the_sent_by() {
        let (_, to) = reply("SIP/2.0/TCP 10.0.0.9:5071", Transport::Tcp, "203.0.113.5:40001");
        let Target::Same { peer, otherwise: Some(otherwise), .. } = to else { panic!("{to:?}") };
        assert_eq!(peer.to_string(), "203.0.113.5:40001");
        assert!(matches!(*otherwise, Target::Address { to, .. } if to.to_string() == "203.0.113.5:5071"));
    }

    #[test]
    fn several_vias_in_one_line_stay_in_order_and_only_the_first_is_marked() {
        let via = "SIP/2.0/UDP 10.0.0.9;rport, SIP/2.0/TCP b.example.com;branch=z9hG4bK2";
        let (via, _) = reply(via, Transport::Udp, "203.0.113.5:40001");
        let second = "SIP/2.0/TCP b.example.com;branch=z9hG4bK2";
        assert_eq!(via, format!("SIP/2.0/UDP 10.0.0.9;received=203.0.113.5;rport=40001, {second}"));
    }

    #[test]
    fn what_a_peer_names_is_reached_only_at_its_own_addresses() {
        let arrival = Arrival {
            transport: Transport::Udp,
            source: addr("192.0.2.9:5070"),
            local: addr("192.0.2.1:5060"),
            connection: None,
        };
        let peers = PeerAddresses::new(|ip| ip == addr("192.0.2.31:0").ip());
        let goes_to = |uri| match peer_target(uri, &arrival, &peers) {
            Some(Target::Address { to, .. }) => Some(to.to_string()),
            Some(other) => panic!("{other:?}"),
            None => None,
        };
        assert_eq!(goes_to("sip:a@192.0.2.31").as_deref(), Some("192.0.2.31:5060"));
        assert_eq!(goes_to("sip:a@192.0.2.9:5090").as_deref(), Some("192.0.2.9:5090"));
        assert_eq!(goes_to("sip:a@192.0.2.9;maddr=198.51.100.1").as_deref(), Some("192.0.2.9:5060"));
        for foreign in ["sip:a@198.51.100.1", "sip:sbc.example.com", "sip:a@[2001:db8::1]", "sip:a@127.0.0.1:8080"] {
            assert_eq!(goes_to(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_request_goes_to_address_or_host_by_the_transport_it_names() {
        let arrival = Arrival {
            transport: Transport::Udp,
            source: addr("192.0.2.9:5070"),
            local: addr("192.0.2.1:5060"),
            connection: None,
        };
        let target = |uri| request_target(uri, &arrival);
        let local = arrival.local;
        let address = |transport, to: &str| Some(Target::Address { transport, local, to: addr(to) });
        assert_eq!(target("sip:a@192.0.2.5"), address(Transport::Udp, "192.0.2.5:5060"));
        assert_eq!(target("sip:a@192.0.2.5:5080;transport=TCP"), address(Transport::Tcp, "192.0.2.5:5080"));
        assert!(matches!(target("sip:a@h.example.com;maddr=192.0.2.6"), Some(Target::Host { .. })));
        assert_eq!(target("sip:[2001:db8::1]:5090"), address(Transport::Udp, "[2001:db8::1]:5090"));
        assert!(matches!(target("sip:a@h.example.com"), Some(Target::Host { port: None, .. })));
        for none in [
            "tel:110",
            "sip:a@0.0.0.0",
            "sip:a@[::]:5060",
            "sip:a@192.0.2.5:0",
            "sip:a@224.0.0.1",
            "sip:a@255.255.255.255",
        ] {
            assert_eq!(target(none), None, "{none}");
        }
        assert_eq!(target("sip:a@192.0.2.5;transport=tls"), address(Transport::Tls, "192.0.2.5:5061"));
        assert_eq!(target("sips:a@192.0.2.5:5071;transport=tcp"), address(Transport::Tls, "192.0.2.5:5071"));
        assert_eq!(target("SIPS:[2001:db8::1]"), address(Transport::Tls, "[2001:db8::1]:5061"));
    }
}
