//! Values that several tables of settings hold: counts, addresses, networks.

use std::net::IpAddr;

use super::network::Network;
use super::table_reader::Reader;

pub(super) fn count<T: TryFrom<i64> + Default>(
    reader: &mut Reader,
    key: &str,
    range: std::ops::RangeInclusive<i64>,
    default: i64,
) -> T {
    T::try_from(reader.number(key, range, default)).unwrap_or_default()
}

pub(super) fn reachable_address(reader: &mut Reader, key: &str) -> Option<IpAddr> {
    let text = reader.optional_string(key).filter(|text| !text.is_empty())?;
    let address = text.parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
    if address.is_none() {
        reader.report(key, "must be an IP address that peers can reach, not 0.0.0.0 or [::]");
    }
    address
}

pub(super) fn networks(reader: &mut Reader, key: &str, default: &[&str]) -> Vec<Network> {
    let mut networks = Vec::new();
    for text in reader.strings(key, default) {
        match network(&text) {
            Some(network) => networks.push(network),
            None => reader.report(key, format!("{text} must be an address or a network, as in 192.0.2.0/24")),
        }
    }
    networks
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix: u8 = prefix.map_or(Ok(width), str::parse).ok().filter(|prefix| *prefix <= width)?;
    // An IPv4 address mapped into IPv6 stands for the IPv4 address, whose packets have no other source.
    match address.to_canonical() {
        IpAddr::V4(v4) if address.is_ipv6() => Some(Network { address: v4.into(), prefix: prefix.checked_sub(96)? }),
        address => Some(Network { address, prefix }),
    }
}

pub(super) const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
