//! TLS handshakes in progress: so many of one address, and so many in all.
//!
//! A far end that is silent in its handshake is closed at its limit ([`tls::HANDSHAKE_LIMIT`]); until then it takes a place
//! here, and none among the connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts handshakes by address.
#[derive(Default)]
pub(super) struct Handshakes {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One handshake; dropped, it gives its place back.
pub(super) struct Handshake {
    all: Arc<Handshakes>,
    address: IpAddr,
}

impl Handshakes {
    /// Takes a place; `None` if the address, or all together, have too many.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Handshake> {
        let mut open = self.lock();
        if open.values().sum::<usize>() >= HANDSHAKES_MAX {
            return None;
        }
        let of_it = open.entry(address).or_default();
        if *of_it >= ADDRESS_HANDSHAKES_MAX {
            return None;
        }
        *of_it += 1;
        Some(Handshake { all: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut open = self.all.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

const ADDRESS_HANDSHAKES_MAX: usize = 256;
const HANDSHAKES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_takes_all_places_and_each_is_given_back() {
        let all = Arc::new(Handshakes::default());
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let held: Vec<_> = (0..ADDRESS_HANDSHAKES_MAX).map(|_| all.enter(one).expect("a place")).collect();
        assert!(all.enter(one).is_none());
        assert!(all.enter(other).is_some());
        drop(held);
        assert!(all.lock().is_empty() && all.enter(one).is_some());
    }
}
