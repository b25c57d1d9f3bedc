//! Ranges of addresses.

use std::fmt;
use std::net::IpAddr;

/// A range of addresses: `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Any address of the range.
    pub address: IpAddr,
    /// The number of leading bits that are fixed: 0 to 32, or 0 to 128 for IPv6.
    pub prefix: u8,
}

impl Network {
    /// Reads an address or a network: `192.0.2.7`, `192.0.2.0/24`.
    pub fn read(text: &str) -> Option<Network> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = prefix.map_or(Ok(width), str::parse).ok().filter(|prefix| *prefix <= width)?;
        // An IPv4 address mapped into IPv6 stands for the IPv4 address, whose packets have no other source.
        match address.to_canonical() {
            IpAddr::V4(v4) if address.is_ipv6() => {
                Some(Network { address: v4.into(), prefix: prefix.checked_sub(96)? })
            }
            address => Some(Network { address, prefix }),
        }
    }

    /// Whether it is of the loopback: this machine's own.
    pub fn is_loopback(&self) -> bool {
        self.address.to_canonical().is_loopback()
    }

    /// Whether the range contains an address. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                shifted(u32::from(net).into(), self.prefix, 32) == shifted(u32::from(ip).into(), self.prefix, 32)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                shifted(u128::from(net), self.prefix, 128) == shifted(u128::from(ip), self.prefix, 128)
            }
            _ => false,
        }
    }

    /// Whether both ranges hold the same addresses.
    pub fn same_as(&self, other: Network) -> bool {
        self.prefix == other.prefix && self.contains(other.address)
    }

    /// Whether the range is wider than any network of one owner, as 0.0.0.0/0 is.
    pub fn is_wide(&self) -> bool {
        self.prefix < if self.address.is_ipv4() { 8 } else { 7 }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn shifted(bits: u128, prefix: u8, width: u32) -> u128 {
    bits.checked_shr(width - u32::from(prefix)).unwrap_or(0)
}
