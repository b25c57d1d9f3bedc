//! The address of a client behind balancers: limits count by the address of the kiosk, not of the balancer.
//!
//! ```text
//!  kiosk 10.1.2.3 ──► balancer 10.0.0.5 ──► node      X-Forwarded-For: 203.0.113.9, 10.1.2.3
//!                                                     sent by the kiosk ─┘            └─ added by the balancer
//! ```
//!
//! Every proxy appends the address of its own client, so the list is read from its end: trusted proxies are skipped, and
//! the first other address is the client. Entries before it may be forged.

use std::net::{IpAddr, SocketAddr};

/// The client's address. `forwarded` are the values of all X-Forwarded-For headers, in order.
pub fn client_address<'a>(
    from: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = from;
    for entry in forwarded.rev().flat_map(|value| value.rsplit(',')) {
        if !is_proxy(client) {
            break;
        }
        match address(entry.trim()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// Reads an address as proxies write it: some add a port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.trim_start_matches('[').trim_end_matches(']');
    let address = plain.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask(from: &str, forwarded: &[&str]) -> String {
        let is_proxy = |address: IpAddr| address.to_string().starts_with("10.0.0.");
        client_address(from.parse().unwrap(), forwarded.iter().copied(), is_proxy).to_string()
    }

    #[test]
    fn only_a_proxy_is_trusted() {
        assert_eq!(ask("10.1.2.3", &["203.0.113.9"]), "10.1.2.3");
        assert_eq!(ask("10.0.0.5", &["10.1.2.3"]), "10.1.2.3");
        assert_eq!(ask("10.0.0.5", &[]), "10.0.0.5");
    }

    #[test]
    fn an_entry_sent_by_the_kiosk_is_ignored() {
        assert_eq!(ask("10.0.0.5", &["203.0.113.9, 10.1.2.3"]), "10.1.2.3");
        assert_eq!(ask("10.0.0.5", &["203.0.113.9", "10.1.2.3, 10.0.0.6"]), "10.1.2.3");
        assert_eq!(ask("10.0.0.5", &["203.0.113.9, nonsense"]), "10.0.0.5");
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        assert_eq!(ask("10.0.0.5", &["10.1.2.3:4711"]), "10.1.2.3");
        assert_eq!(ask("10.0.0.5", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(ask("10.0.0.5", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(ask("10.0.0.5", &["::ffff:10.1.2.3"]), "10.1.2.3");
    }

    proptest! {
        #[test]
        fn a_client_without_a_proxy_cannot_forge_its_address(values in proptest::collection::vec("[0-9a-f:., \\[\\]]{0,40}", 0..4)) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            prop_assert_eq!(ask("192.0.2.7", &values), "192.0.2.7");
        }
    }
}
