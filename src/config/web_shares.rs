//! What one client may take of the HTTP service.

use std::time::Duration;

use super::table_reader::Reader;
use super::values::count;

/// The share of one client: an IPv4 address, or the /64 of an IPv6 address; behind `web.proxies` the forwarded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebShares {
    /// Open connections; a further one takes the place of an idle one of the same client, or gets 429. Connections of
    /// proxies are not counted.
    pub connections_max: usize,
    /// Requests a second; further ones get 429.
    pub requests_per_second_max: u32,
    /// Photographs at once; further ones get 429.
    pub uploads_max: u32,
    /// Time that its photographs may take within a minute; further ones get 429.
    pub picture_time_per_minute: Duration,
}

impl Default for WebShares {
    fn default() -> WebShares {
        WebShares {
            connections_max: 200,
            requests_per_second_max: 200,
            uploads_max: 2,
            picture_time_per_minute: Duration::from_secs(15),
        }
    }
}

/// The shares as set. Where `local` says that only this machine reaches the service, its connections and requests have no
/// limit unless the settings give one: there are no others to protect.
pub(super) fn web_shares(reader: &mut Reader, local: bool) -> WebShares {
    let defaults = WebShares::default();
    let connections: usize = count(reader, "web.client_connections_max", 0..=100_000, 0);
    let requests: u32 = count(reader, "web.client_requests_per_second_max", 0..=1_000_000, 0);
    WebShares {
        connections_max: match (connections, local) {
            (0, true) => usize::MAX,
            (0, false) => defaults.connections_max,
            (set, _) => set,
        },
        requests_per_second_max: match (requests, local) {
            (0, true) => u32::MAX,
            (0, false) => defaults.requests_per_second_max,
            (set, _) => set,
        },
        uploads_max: count(reader, "web.client_uploads_max", 1..=1000, 2),
        picture_time_per_minute: reader.seconds(
            "web.client_picture_s_per_minute",
            1..=60,
            i64::try_from(defaults.picture_time_per_minute.as_secs()).unwrap_or(i64::MAX),
        ),
    }
}
