//! The host that a request names. A page of another site can lead a browser here by a name of its own (DNS rebinding);
//! its requests then count as the browser's own, so only known names are answered.

use std::net::IpAddr;

use super::RequestError;

/// Checks the host that a request names, as in `kiosk.example:8080`.
///
/// `local` is the address that the connection came in by. `is_forwarded`: a known proxy has forwarded it, so that the
/// host is what the browser named and not an address of this machine. `hosts` are `web.hosts`.
///
/// # Errors
/// [`RequestError::Misdirected`] for a host that is not served here (RFC 9110 §15.5.20).
pub fn check_host(host: &str, local: IpAddr, is_forwarded: bool, hosts: &[String]) -> Result<(), RequestError> {
    let name = name_of(host).ok_or(RequestError::Host)?;
    let address: Option<IpAddr> = name.parse().ok().map(|address: IpAddr| address.to_canonical());
    let is_listed = |listed: &String| match address {
        Some(address) => listed.parse().is_ok_and(|other: IpAddr| other.to_canonical() == address),
        None => listed.eq_ignore_ascii_case(name),
    };
    let is_own = match address {
        Some(address) => address == local.to_canonical(),
        None => local.to_canonical().is_loopback() && name.eq_ignore_ascii_case("localhost"),
    };
    if hosts.iter().any(is_listed) || (is_own && !is_forwarded) { Ok(()) } else { Err(RequestError::Misdirected) }
}

/// Whether it is a loopback address or `localhost`.
pub(super) fn is_loopback(host: &str) -> bool {
    let Some(name) = name_of(host) else { return false };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The name or address without port, brackets and the dot of a full name; `None` where it is neither (RFC 3986 §3.2.2).
fn name_of(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, port)
        }
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && (port.is_empty() || is_port(port))).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(host: &str, local: &str, is_forwarded: bool) -> Result<(), RequestError> {
        check_host(host, local.parse().unwrap(), is_forwarded, &["kiosk.example".into(), "192.0.2.20".into()])
    }

    #[test]
    fn a_sockets_own_address_and_the_listed_names_are_answered() {
        for (host, local) in [
            ("127.0.0.1:8080", "127.0.0.1"),
            ("localhost:8080", "127.0.0.1"),
            ("[::1]:8080", "::1"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7", "::ffff:192.0.2.7"),
            ("Kiosk.Example", "192.0.2.7"),
            ("kiosk.example.:443", "192.0.2.7"),
            ("192.0.2.20", "192.0.2.7"),
        ] {
            assert_eq!(check(host, local, false), Ok(()), "{host} at {local}");
        }
        assert_eq!(check("kiosk.example", "192.0.2.7", true), Ok(()));
    }

    #[test]
    fn every_other_name_is_misdirected() {
        for (host, local, is_forwarded) in [
            ("evil.example", "127.0.0.1", false),
            ("kiosk.example.evil.example", "127.0.0.1", false),
            ("localhost", "192.0.2.7", false),
            ("127.0.0.1", "192.0.2.7", false),
            ("192.0.2.8", "192.0.2.7", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("localhost", "127.0.0.1", true),
        ] {
            assert_eq!(check(host, local, is_forwarded), Err(RequestError::Misdirected), "{host} at {local}");
        }
        for host in ["", ":80", "[::1", "[evil]:80", "a:b", "."] {
            assert_eq!(check(host, "127.0.0.1", false), Err(RequestError::Host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(host in "\\PC{0,40}") {
            let _ = check(&host, "127.0.0.1", false);
            let _ = is_loopback(&host);
        }
    }
}
