//! Where a registrar is, and how this node is seen from it.

use std::net::{IpAddr, SocketAddr};

use super::RegistrarAddress;
use crate::arrival::{Arrival, Transport, request_target};
use crate::response::host_of;
use crate::uri::{self, Scheme, Uri};

/// A listening socket of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it listens for.
    pub transport: Transport,
    /// What it is bound to.
    pub local: SocketAddr,
    /// The address that peers reach it at.
    pub public: IpAddr,
}

impl RegistrarAddress {
    /// Reads a registrar's URI: `sip:reg.carrier.example`, `sip:192.0.2.1:5080;transport=tcp`, `sips:reg.carrier.example`.
    /// `user` is the user of the contact; `domain` is registered with in place of the registrar's host.
    ///
    /// Without a listener of the transport another one lends its address: over TLS calls come on this node's own connection.
    /// `None`: the URI names no host or an unknown transport, or there is no listener of its IP version.
    pub fn read(uri: &str, user: &str, domain: Option<&str>, listeners: &[Listener]) -> Option<RegistrarAddress> {
        let read = Uri::read(uri).ok().filter(|read| matches!(read.scheme, Scheme::Sip | Scheme::Sips))?;
        let wanted = match read.param("transport") {
            _ if read.scheme == Scheme::Sips => Transport::Tls,
            Some(name) if name.eq_ignore_ascii_case("tls") => Transport::Tls,
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
            Some(_) => return None,
            None => Transport::Udp,
        };
        let family = uri::address(read.host);
        let fits = |listener: &&Listener| family.is_none_or(|ip| ip.is_ipv4() == listener.local.is_ipv4());
        let own = listeners.iter().filter(fits).find(|listener| listener.transport == wanted);
        let listener = match own {
            Some(listener) => listener,
            None if wanted.is_unreliable() => return None,
            None => listeners.iter().find(fits)?,
        };
        let Listener { local, public, .. } = *listener;
        let arrival = Arrival { transport: wanted, source: local, local, connection: None };
        let target = request_target(uri, &arrival)?;
        let port = read.port.map_or_else(String::new, |port| format!(":{port}"));
        let scheme = if read.scheme == Scheme::Sips { "sips" } else { "sip" };
        let param = if scheme == "sips" { "" } else { wanted.uri_param() };
        let sent_by = format!("{}:{}", host_of(public), local.port());
        Some(RegistrarAddress {
            uri: uri.into(),
            domain: domain
                .map_or_else(|| format!("{scheme}:{}{port}", read.host), |domain| format!("{scheme}:{domain}")),
            target,
            contact_uri: format!("{scheme}:{user}@{sent_by}{param}"),
            is_listened: own.is_some(),
            sent_by,
        })
    }

    /// The host of a registrar's URI, the domain of an address of record that names none.
    pub fn host(uri: &str) -> Option<&str> {
        Uri::read(uri).ok().filter(|read| matches!(read.scheme, Scheme::Sip | Scheme::Sips)).map(|read| read.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;
    use crate::test_peer::addr;

    fn listeners() -> Vec<Listener> {
        let on = |transport, local, public: &str| Listener {
            transport,
            local: addr(local),
            public: public.parse().expect("an address"),
        };
        vec![
            on(Transport::Udp, "0.0.0.0:5060", "192.0.2.1"),
            on(Transport::Tcp, "192.0.2.1:5070", "192.0.2.1"),
            on(Transport::Udp, "[2001:db8::1]:5060", "2001:db8::1"),
        ]
    }

    fn read(uri: &str) -> Option<RegistrarAddress> {
        RegistrarAddress::read(uri, "1001", None, &listeners())
    }

    #[test]
    fn the_uri_decides_on_transport_and_ip_version() {
        let plain = read("sip:reg.carrier").expect("an address");
        assert!(matches!(plain.target, Target::Host { transport: Transport::Udp, port: None, .. }));
        assert_eq!((plain.domain.as_str(), plain.contact_uri.as_str()), ("sip:reg.carrier", "sip:1001@192.0.2.1:5060"));
        let tcp = read("sip:198.51.100.1:5080;transport=tcp").expect("an address");
        assert_eq!((tcp.domain.as_str(), tcp.sent_by.as_str()), ("sip:198.51.100.1:5080", "192.0.2.1:5070"));
        assert_eq!((tcp.contact_uri.as_str(), tcp.is_listened), ("sip:1001@192.0.2.1:5070;transport=tcp", true));
        let six = read("sip:[2001:db8::9]").expect("an address");
        assert_eq!(six.contact_uri, "sip:1001@[2001:db8::1]:5060");
        let tls = read("sips:reg.carrier").expect("an address");
        assert_eq!(tls.target.transport(), Transport::Tls);
        assert_eq!((tls.contact_uri.as_str(), tls.is_listened), ("sips:1001@192.0.2.1:5060", false));
        let domain = RegistrarAddress::read("sip:edge.carrier;transport=tls", "1001", Some("carrier"), &listeners());
        let domain = domain.expect("an address");
        assert_eq!(
            (domain.domain.as_str(), domain.contact_uri.as_str()),
            ("sip:carrier", "sip:1001@192.0.2.1:5060;transport=tls")
        );
    }

    #[test]
    fn what_names_no_reachable_host_is_none() {
        for uri in ["tel:110", "sip:", "carrier", "mailto:a@b", "sip:reg.carrier;transport=sctp"] {
            assert!(read(uri).is_none(), "{uri}");
        }
        let four = &listeners()[..2];
        assert!(RegistrarAddress::read("sip:[2001:db8::9]", "1", None, four).is_none());
        assert!(RegistrarAddress::read("sip:reg.carrier", "1", None, &four[1..]).is_none(), "no UDP listener");
    }
}
