//! What one client may take of the HTTP service, so that a client that asks for much costs itself and not the others.
//!
//! A client is an IPv4 address, or the /64 of an IPv6 address, since a subscriber owns all of it. Requests and the time
//! that pictures take are buckets that fill with time; uploads are counted while they last.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// What one client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLimits {
    /// Requests a second; twice as many may come in one burst.
    pub requests_per_second: u32,
    /// Photographs at once, while they are sent and read.
    pub uploads: u32,
    /// Time that reading photographs takes, within a minute.
    pub picture_time_per_minute: Duration,
}

/// The network of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// The network of an address.
    pub fn of(address: IpAddr) -> ClientNetwork {
        match address.to_canonical() {
            IpAddr::V4(address) => ClientNetwork(IpAddr::V4(address)),
            IpAddr::V6(address) => {
                let subnet = u128::from(address) & !u128::from(u64::MAX);
                ClientNetwork(IpAddr::V6(Ipv6Addr::from(subnet)))
            }
        }
    }

    /// What clients share while too many are known to tell them apart.
    const REST: ClientNetwork = ClientNetwork(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
}

/// The share of a client is used up; it may ask again after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareExceeded {
    /// When there is room again.
    pub retry_after: Duration,
}

/// What each client has taken.
#[derive(Debug)]
pub struct ClientShares {
    limits: ShareLimits,
    clients: HashMap<ClientNetwork, Taken>,
    forget_at: Option<Instant>,
}

#[derive(Debug)]
struct Taken {
    at: Instant,
    /// Requests that may come now.
    requests: f64,
    /// Seconds of reading that may begin now; below 0 after a picture that took longer.
    picture_s: f64,
    uploads: u32,
}

impl ClientShares {
    /// All clients with their full shares.
    pub fn new(limits: ShareLimits) -> ClientShares {
        ClientShares { limits, clients: HashMap::new(), forget_at: None }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The client has sent as many as it may.
    pub fn request(&mut self, now: Instant, client: ClientNetwork) -> Result<(), ShareExceeded> {
        let rate = f64::from(self.limits.requests_per_second);
        let taken = self.taken(now, client);
        if taken.requests < 1.0 {
            return Err(exceeded((1.0 - taken.requests) / rate));
        }
        taken.requests -= 1.0;
        Ok(())
    }

    /// Begins an upload, which ends with [`ClientShares::end_upload`] for the same client.
    ///
    /// # Errors
    /// The client has as many as it may, or its pictures have taken their time.
    pub fn begin_upload(&mut self, now: Instant, client: ClientNetwork) -> Result<(), ShareExceeded> {
        let limits = self.limits;
        let taken = self.taken(now, client);
        if taken.uploads >= limits.uploads {
            return Err(ShareExceeded { retry_after: UPLOAD_RETRY });
        }
        if taken.picture_s <= 0.0 {
            return Err(exceeded(-taken.picture_s / (limits.picture_time_per_minute.as_secs_f64() / 60.0)));
        }
        taken.uploads += 1;
        Ok(())
    }

    /// An upload is over; reading it took so long.
    pub fn end_upload(&mut self, now: Instant, client: ClientNetwork, took: Duration) {
        let taken = self.taken(now, client);
        taken.uploads = taken.uploads.saturating_sub(1);
        taken.picture_s -= took.as_secs_f64();
    }

    fn taken(&mut self, now: Instant, client: ClientNetwork) -> &mut Taken {
        let full = Taken {
            at: now,
            requests: 2.0 * f64::from(self.limits.requests_per_second),
            picture_s: self.limits.picture_time_per_minute.as_secs_f64(),
            uploads: 0,
        };
        let is_new = !self.clients.contains_key(&client);
        if is_new && self.clients.len() >= CLIENTS_MAX {
            self.forget(now);
        }
        let client = if is_new && self.clients.len() >= CLIENTS_MAX { ClientNetwork::REST } else { client };
        let taken = self.clients.entry(client).or_insert(full);
        taken.refill(now, &self.limits);
        taken
    }

    /// Forgets clients that have their full share, once in a while: it costs a step for each.
    fn forget(&mut self, now: Instant) {
        if self.forget_at.is_some_and(|at| now < at) {
            return;
        }
        self.forget_at = Some(now + FORGET_EVERY);
        let limits = self.limits;
        self.clients.retain(|_, taken| {
            taken.refill(now, &limits);
            !taken.is_full(&limits)
        });
    }
}

impl Taken {
    fn refill(&mut self, now: Instant, limits: &ShareLimits) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        let (rate, picture_s) = (f64::from(limits.requests_per_second), limits.picture_time_per_minute.as_secs_f64());
        self.requests = (self.requests + passed * rate).min(2.0 * rate);
        self.picture_s = (self.picture_s + passed * picture_s / 60.0).min(picture_s);
    }

    fn is_full(&self, limits: &ShareLimits) -> bool {
        self.uploads == 0
            && self.requests >= 2.0 * f64::from(limits.requests_per_second)
            && self.picture_s >= limits.picture_time_per_minute.as_secs_f64()
    }
}

fn exceeded(seconds: f64) -> ShareExceeded {
    let retry_after = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(RETRY_MAX).min(RETRY_MAX);
    ShareExceeded { retry_after: retry_after.max(Duration::from_secs(1)) }
}

/// Clients that are counted separately at a time: about 5 MB.
const CLIENTS_MAX: usize = 50_000;
const FORGET_EVERY: Duration = Duration::from_secs(1);
const UPLOAD_RETRY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shares() -> ClientShares {
        let picture_time_per_minute = Duration::from_secs(6);
        ClientShares::new(ShareLimits { requests_per_second: 10, uploads: 2, picture_time_per_minute })
    }

    fn client(address: &str) -> ClientNetwork {
        ClientNetwork::of(address.parse().unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "an Instant can be made in no other way")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_client_that_asks_without_end_is_refused_and_others_are_not() {
        let (mut shares, now) = (shares(), start());
        let admitted = (0..100).filter(|_| shares.request(now, client("192.0.2.1")).is_ok()).count();
        assert_eq!(admitted, 20);
        assert!(shares.request(now, client("192.0.2.2")).is_ok());
        assert!(shares.request(now + Duration::from_millis(150), client("192.0.2.1")).is_ok());
    }

    #[test]
    fn uploads_count_while_they_last_and_by_network() {
        let (mut shares, now) = (shares(), start());
        assert!(shares.begin_upload(now, client("2001:db8::1")).is_ok());
        assert!(shares.begin_upload(now, client("2001:db8::2")).is_ok());
        assert!(shares.begin_upload(now, client("2001:db8::3")).is_err(), "the same /64");
        assert!(shares.begin_upload(now, client("2001:db8:0:1::3")).is_ok());
        shares.end_upload(now, client("2001:db8::9"), Duration::ZERO);
        assert!(shares.begin_upload(now, client("2001:db8::3")).is_ok());
    }

    #[test]
    fn pictures_that_took_long_are_paid_for() {
        let (mut shares, now) = (shares(), start());
        shares.begin_upload(now, client("192.0.2.1")).unwrap();
        shares.end_upload(now, client("192.0.2.1"), Duration::from_secs(7));
        let refused = shares.begin_upload(now, client("192.0.2.1")).unwrap_err();
        assert_eq!(refused.retry_after.as_secs(), 10);
        assert!(shares.begin_upload(now, client("192.0.2.2")).is_ok());
        assert!(shares.begin_upload(now + Duration::from_secs(11), client("192.0.2.1")).is_ok());
    }

    #[test]
    fn an_address_is_one_client_however_it_is_written() {
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_whoever_asks() {
        let (mut shares, now) = (shares(), start());
        for n in 0..CLIENTS_MAX as u32 + 1000 {
            let _ = shares.request(now, ClientNetwork::of(IpAddr::V4(n.into())));
        }
        assert!(shares.clients.len() <= CLIENTS_MAX + 1);
        assert!(shares.request(now + Duration::from_secs(60), client("203.0.113.1")).is_ok());
        assert!(shares.clients.len() < 10, "clients with their full share are forgotten");
    }

    proptest! {
        #[test]
        fn no_client_has_more_uploads_than_its_share(acts in prop::collection::vec((any::<bool>(), 0..3_u32), 0..200)) {
            let (mut shares, now) = (shares(), start());
            let mut open = [0; 3];
            for (begins, who) in acts {
                let network = ClientNetwork::of(IpAddr::V4(who.into()));
                if begins {
                    let begun = shares.begin_upload(now, network).is_ok();
                    prop_assert_eq!(begun, open[who as usize] < 2);
                    open[who as usize] += u32::from(begun);
                } else if open[who as usize] > 0 {
                    shares.end_upload(now, network, Duration::ZERO);
                    open[who as usize] -= 1;
                }
            }
        }
    }
}
