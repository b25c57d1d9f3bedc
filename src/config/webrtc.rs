//! `[phone.webrtc]`: the socket of telephones in agents' browsers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::table_reader::Reader;
use super::values::reachable_address;
use base::Bilingual;

/// Where browsers send their sound, and how they reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webrtc {
    /// The UDP address; port 0: the system chooses.
    pub listen: SocketAddr,
    /// The address that browsers reach it at; none: the one that it is bound to.
    pub public_address: Option<IpAddr>,
}

impl Webrtc {
    /// The candidate of ICE: where browsers reach a socket that is bound there. Only this machine reaches an unspecified address without
    /// a public one.
    pub fn candidate(&self, bound: SocketAddr) -> SocketAddr {
        let own = match bound.ip() {
            IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            own => own,
        };
        SocketAddr::new(self.public_address.unwrap_or(own), bound.port())
    }
}

/// Reads the table. Without an address it is that of the first SIP listener, with the public address of the telephone.
pub(super) fn webrtc(reader: &mut Reader, sip: Option<IpAddr>, public: Option<IpAddr>) -> Webrtc {
    const LISTEN: &str = "phone.webrtc.listen";
    const PUBLIC: &str = "phone.webrtc.public_address";
    let written = reader.string(LISTEN, "");
    let own = reachable_address(reader, PUBLIC);
    let usual = SocketAddr::new(sip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0);
    let listen = if written.is_empty() { Some(usual) } else { written.parse().ok() };
    if listen.is_none() {
        let what = Bilingual::fixed(
            "must be ADDRESS:PORT, as in 192.0.2.10:5004 or [2001:db8::10]:5004",
            "应为 地址:端口，如 192.0.2.10:5004 或 [2001:db8::10]:5004",
        );
        reader.report(LISTEN, what);
    }
    let listen = listen.unwrap_or(usual);
    let fits = |address: &IpAddr| address.is_ipv4() == listen.is_ipv4();
    if own.is_some_and(|own| !fits(&own)) {
        reader.report(
            PUBLIC,
            Bilingual::fixed("must have the IP version of phone.webrtc.listen", "IP 版本应与 phone.webrtc.listen 相同"),
        );
    }
    let inherited = public.filter(|public| listen.ip().is_unspecified() && fits(public));
    let public_address = own.filter(fits).or(inherited);
    if !written.is_empty() && listen.ip().is_unspecified() && public_address.is_none() {
        reader.report(
            PUBLIC,
            Bilingual::fixed(
                "must be the address that browsers reach this node at, since phone.webrtc.listen is 0.0.0.0 or [::]",
                "phone.webrtc.listen 为 0.0.0.0 或 [::] 时，必须写浏览器访问本节点所用的地址",
            ),
        );
    }
    Webrtc { listen, public_address }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Webrtc;
    use crate::{Diagnostic, read};

    const RECEIPTS: &str =
        "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";

    fn webrtc(phone: &str, text: &str) -> Result<Webrtc, Vec<Diagnostic>> {
        let text = format!("{RECEIPTS}[phone]\n{phone}\n[phone.webrtc]\n{text}");
        Ok(read(&text, &[], Path::new("/srv"))?.phone.webrtc)
    }

    fn candidate(phone: &str, text: &str) -> String {
        let webrtc = webrtc(phone, text).expect("valid");
        let mut bound = webrtc.listen;
        bound.set_port(5004);
        webrtc.candidate(bound).to_string()
    }

    #[test]
    fn browsers_reach_the_address_of_sip_unless_set_otherwise() {
        assert_eq!(candidate("", ""), "127.0.0.1:5004");
        assert_eq!(candidate("listen = [\"udp:192.0.2.1:5060\"]", ""), "192.0.2.1:5004");
        assert_eq!(candidate("listen = [\"udp:0.0.0.0:5060\"]", ""), "127.0.0.1:5004");
        assert_eq!(candidate("listen = [\"udp:0.0.0.0:5060\"]\npublic_address = \"192.0.2.7\"", ""), "192.0.2.7:5004");
        assert_eq!(candidate("", "listen = \"192.0.2.1:9\"\npublic_address = \"198.51.100.1\""), "198.51.100.1:5004");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, key) in [
            ("listen = \"5004\"", "listen"),
            ("listen = \"0.0.0.0:5004\"", "public_address"),
            ("listen = \"192.0.2.1:5004\"\npublic_address = \"2001:db8::1\"", "public_address"),
            ("public_address = \"0.0.0.0\"", "public_address"),
            ("port = 5004", "port"),
        ] {
            let found = webrtc("", text).expect_err("wrong").into_iter().map(|error| error.key);
            assert_eq!(found.collect::<Vec<_>>(), [format!("phone.webrtc.{key}")], "{text}");
        }
    }
}
