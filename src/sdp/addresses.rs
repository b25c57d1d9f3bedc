//! Which media addresses of a peer may be sent to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::answer::following;
use super::{Rejection, RemoteMedia};

/// Whether media may go to an address that a session description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaAddress {
    /// It may.
    Allowed,
    /// Only once packets come from there: behind a NAT, a telephone does not know its own address.
    Learn,
    /// It may not: the description is refused.
    Refused,
}

/// Judges the addresses that the descriptions of a call name.
#[derive(Clone)]
pub struct MediaAddresses(Arc<dyn Fn(SocketAddr) -> MediaAddress + Send + Sync>);

impl MediaAddresses {
    /// By this judgement.
    pub fn new(judge: impl Fn(SocketAddr) -> MediaAddress + Send + Sync + 'static) -> MediaAddresses {
        MediaAddresses(Arc::new(judge))
    }

    /// Any address, also one of a third party.
    pub fn any() -> MediaAddresses {
        MediaAddresses::new(|_| MediaAddress::Allowed)
    }

    /// Whether media may go to this address at once.
    pub fn allows(&self, address: SocketAddr) -> bool {
        (self.0)(address) == MediaAddress::Allowed
    }

    /// What a peer names, as far as it may be sent to. An address for RTCP that may not be is the default one
    /// (RFC 3550 §11).
    ///
    /// # Errors
    /// [`Rejection::NotAcceptable`] for an address that may not be sent to.
    pub(super) fn check(&self, peer: RemoteMedia) -> Result<RemoteMedia, Rejection> {
        let learn = match (self.0)(peer.rtp) {
            MediaAddress::Allowed => false,
            MediaAddress::Learn => true,
            MediaAddress::Refused => {
                return Err(Rejection::NotAcceptable { warning: MISCELLANEOUS, text: FOREIGN_ADDRESS });
            }
        };
        let rtcp = if self.allows(peer.rtcp) { peer.rtcp } else { following(peer.rtp) };
        let rtcp = if peer.rtcp_mux { peer.rtp } else { rtcp };
        Ok(RemoteMedia { rtcp, learn, ..peer })
    }
}

impl fmt::Debug for MediaAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaAddresses")
    }
}

/// RFC 3261 §20.43.
const MISCELLANEOUS: u16 = 399;
/// The warn-text for a media address that is not one of the trunk's.
pub const FOREIGN_ADDRESS: &str = "media address not allowed on this trunk";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn named(rtp: &str, rtcp: &str) -> RemoteMedia {
        RemoteMedia { rtp: at(rtp), rtcp: at(rtcp), rtcp_mux: false, learn: false }
    }

    /// 192.0.2.0/24 is the trunk's, 10.0.0.0/8 is behind its NAT.
    fn addresses() -> MediaAddresses {
        MediaAddresses::new(|address| match address.ip().to_string() {
            ip if ip.starts_with("192.0.2.") => MediaAddress::Allowed,
            ip if ip.starts_with("10.") => MediaAddress::Learn,
            _ => MediaAddress::Refused,
        })
    }

    #[test]
    fn an_address_of_the_trunk_is_sent_to_and_a_foreign_one_is_refused() {
        let fine = named("192.0.2.9:4000", "192.0.2.9:4001");
        assert_eq!(addresses().check(fine), Ok(fine));
        let refused = addresses().check(named("198.51.100.1:4000", "198.51.100.1:4001"));
        assert_eq!(refused, Err(Rejection::NotAcceptable { warning: 399, text: FOREIGN_ADDRESS }));
        assert!(addresses().check(named("10.0.0.9:4000", "10.0.0.9:4001")).is_ok_and(|peer| peer.learn));
    }

    #[test]
    fn a_foreign_address_for_rtcp_is_the_next_port() {
        for rtcp in ["198.51.100.1:53", "10.0.0.9:4001"] {
            let peer = addresses().check(named("192.0.2.9:4000", rtcp)).expect("allowed");
            assert_eq!(peer.rtcp, at("192.0.2.9:4001"));
        }
        let other = named("192.0.2.9:4000", "192.0.2.10:7000");
        assert_eq!(addresses().check(other), Ok(other));
    }
}
