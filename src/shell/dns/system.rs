//! The name servers and host names of this machine: `/etc/resolv.conf`, `/etc/hosts`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The name servers of the machine; its own where it names none, as resolv.conf(5) says.
pub(crate) fn servers() -> Vec<SocketAddr> {
    servers_of(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

/// The addresses that the machine itself gives a name.
pub(crate) fn hosts(name: &str) -> Vec<IpAddr> {
    hosts_of(&fs::read_to_string("/etc/hosts").unwrap_or_default(), name)
}

fn servers_of(text: &str) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        address.parse::<IpAddr>().ok()
    });
    let servers: Vec<SocketAddr> = named.take(SERVERS_MAX).map(|address| SocketAddr::new(address, PORT)).collect();
    if servers.is_empty() { vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)] } else { servers }
}

fn hosts_of(text: &str, name: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let addresses = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    });
    addresses.collect()
}

/// The port of DNS.
pub(crate) const PORT: u16 = 53;
/// As many as the C library uses.
const SERVERS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_as_the_machine_writes_them() {
        let text = "# a comment\nsearch example\nnameserver 192.0.2.53\nnameserver\t2001:db8::53\nnameserver x\noptions ndots:2\n";
        assert_eq!(servers_of(text), ["192.0.2.53:53".parse().expect("v4"), "[2001:db8::53]:53".parse().expect("v6")]);
        assert_eq!(servers_of(""), ["127.0.0.1:53".parse().expect("an address")]);
    }

    #[test]
    fn a_host_has_all_addresses_of_its_name() {
        let text = "127.0.0.1 localhost\n192.0.2.1 sbc.example SBC # the carrier's\n#192.0.2.9 sbc\n::1 localhost\n";
        assert_eq!(hosts_of(text, "sbc"), [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(hosts_of(text, "LOCALHOST").len(), 2);
        assert!(hosts_of(text, "carrier").is_empty());
    }
}
