//! Where a message came from, and where messages go.
//!
//! A response goes back by the Via of its request: to the port that it came from when the client asked for it with
//! `rport` (RFC 3581 §4), else to the port in Via (RFC 3261 §18.2.2); over TCP on the connection of the request, and
//! to the sent-by address only when that is gone.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::fields::Via;
use super::uri::{self, Scheme, Uri};

/// A transport of SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// Whether requests and responses may get lost, and so must be repeated.
    pub fn is_unreliable(self) -> bool {
        match self {
            Transport::Udp => true,
            Transport::Tcp => false,
        }
    }

    /// As in Via.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }
}

/// How a message came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub transport: Transport,
    /// The other end.
    pub source: SocketAddr,
    /// Our end: the listener's socket, or the accepted connection's.
    pub local: SocketAddr,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// From the socket at `local` to `peer`; over TCP on the connection with `peer`, and if that is gone, to `otherwise`.
    Same { transport: Transport, local: SocketAddr, peer: SocketAddr, otherwise: Option<Box<Target>> },
    /// From the listener at `local` to an address; over TCP on a connection to it, opened if need be.
    Address { transport: Transport, local: SocketAddr, to: SocketAddr },
    /// As `Address`, after the host name is resolved (RFC 3263).
    Host { transport: Transport, local: SocketAddr, host: String, port: Option<u16> },
}

impl Target {
    /// The transport that the message takes.
    pub fn transport(&self) -> Transport {
        match self {
            Target::Same { transport, .. } | Target::Address { transport, .. } | Target::Host { transport, .. } => {
                *transport
            }
        }
    }
}

/// Bytes to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub bytes: Bytes,
    pub to: Target,
}

/// Prints how much goes where, and nothing of what is in it.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} bytes, {:?})", self.bytes.len(), self.to)
    }
}

/// Where the response to a request with this Via goes. Without a readable Via: back where it came from.
pub(super) fn reply_target(via: Option<&Via>, arrival: &Arrival) -> Target {
    let Arrival { transport, source, local } = *arrival;
    let port = via.map_or(source.port(), |via| via.port.unwrap_or(DEFAULT_PORT));
    let sent_by = SocketAddr::new(source.ip(), port);
    match transport {
        Transport::Tcp => {
            let otherwise = Target::Address { transport, local, to: sent_by };
            Target::Same { transport, local, peer: source, otherwise: Some(Box::new(otherwise)) }
        }
        Transport::Udp => {
            let maddr = via.and_then(|via| via.maddr.as_deref()).and_then(maddr_address);
            let peer = match maddr {
                Some(maddr) => SocketAddr::new(maddr, port),
                None if via.is_none_or(|via| via.rport) => source,
                None => sent_by,
            };
            Target::Same { transport, local, peer, otherwise: None }
        }
    }
}

/// A name in maddr is not looked up: it stems from multicast, and would have us resolve what a stranger wrote.
fn maddr_address(text: &str) -> Option<IpAddr> {
    uri::address(text)
}

/// Where a request with this first-hop URI goes (RFC 3261 §8.1.2). `None` for a URI that names no host.
pub(super) fn request_target(uri: &str, arrival: &Arrival) -> Option<Target> {
    let uri = Uri::read(uri).ok()?;
    if matches!(uri.scheme, Scheme::Tel | Scheme::Other) {
        return None;
    }
    let local = arrival.local;
    let transport = match uri.param("transport") {
        Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
        Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
        Some(_) | None => arrival.transport,
    };
    let host = uri.param("maddr").filter(|maddr| !maddr.is_empty()).unwrap_or(uri.host);
    Some(match uri::address(host).map(|ip| same_family(ip, arrival)) {
        Some(ip) => Target::Address { transport, local, to: SocketAddr::new(ip, uri.port.unwrap_or(DEFAULT_PORT)) },
        None => Target::Host { transport, local, host: host.into(), port: uri.port },
    })
}

/// An IPv4 address as the socket that the call came by takes it: mapped, if that is an IPv6 socket for both.
fn same_family(ip: IpAddr, arrival: &Arrival) -> IpAddr {
    match (ip, arrival.source.ip()) {
        (IpAddr::V4(ip), IpAddr::V6(source)) if source.to_ipv4_mapped().is_some() => IpAddr::V6(ip.to_ipv6_mapped()),
        _ => ip,
    }
}

/// RFC 3261 §18.1.1, for UDP and TCP.
const DEFAULT_PORT: u16 = 5060;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::addr;
    use crate::{Front, FrontState, Message, Name, Sorted, parse_datagram};

    fn options(via: &str) -> Message {
        let text = format!(
            "OPTIONS sip:h SIP/2.0\r\nv: {via}\r\nf: <sip:a@h>;tag=1\r\nt: <sip:h>\r\ni: x\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n"
        );
        parse_datagram(text.as_bytes()).expect("sound")
    }

    /// The top Via of the reply, and where it goes.
    fn reply(via: &str, transport: Transport, source: &str) -> (String, Target) {
        let arrival = Arrival { transport, source: addr(source), local: addr("192.0.2.1:5060") };
        let state =
            FrontState { known: false, draining: false, full: false, retry_after: std::time::Duration::from_secs(1) };
        let Sorted::Reply(reply) = Front::new(1).sort(&options(via), &arrival, state) else { panic!("a reply") };
        let message = parse_datagram(&reply.bytes).expect("sound");
        (message.header(Name::Via).expect("a Via").to_owned(), reply.to)
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
    fn maddr_names_another_address_and_ipv6_works_throughout() {
        let (_, to) = reply("SIP/2.0/UDP 10.0.0.9;maddr=192.0.2.200", Transport::Udp, "203.0.113.5:40001");
        assert_eq!(peer_of(&to), "192.0.2.200:5060");
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
    fn a_request_goes_to_address_host_or_maddr_by_the_transport_it_names() {
        let arrival =
            Arrival { transport: Transport::Udp, source: addr("192.0.2.9:5070"), local: addr("192.0.2.1:5060") };
        let target = |uri| request_target(uri, &arrival);
        let local = arrival.local;
        let address = |transport, to: &str| Some(Target::Address { transport, local, to: addr(to) });
        assert_eq!(target("sip:a@192.0.2.5"), address(Transport::Udp, "192.0.2.5:5060"));
        assert_eq!(target("sip:a@192.0.2.5:5080;transport=TCP"), address(Transport::Tcp, "192.0.2.5:5080"));
        assert_eq!(target("sip:a@h.example.com;maddr=192.0.2.6"), address(Transport::Udp, "192.0.2.6:5060"));
        assert_eq!(target("sip:[2001:db8::1]:5090"), address(Transport::Udp, "[2001:db8::1]:5090"));
        assert!(matches!(target("sip:a@h.example.com"), Some(Target::Host { port: None, .. })));
        assert_eq!(target("tel:110"), None);
    }
}
