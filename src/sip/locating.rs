//! Locates SIP servers of a domain (RFC 3263 §4): which names to ask DNS for, and in which order servers are tried.
//!
//! ```text
//!  NAPTR of the host ── of this transport ──► SRV of its replacement ──┐
//!           └─ none ──► SRV of _sip._udp, _sip._tcp or _sips._tcp ─────┼──► A and AAAA of each target, with its port
//!                                     └─ none ─────────────────────────┴──► A and AAAA of the host, default port
//! ```
//!
//! The transport is settled by the URI or the trunk before, so that NAPTR only names the SRV records of that transport.

use super::arrival::Transport;

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Lower ones are tried first.
    pub priority: u16,
    /// The share of requests among equal priorities; 0: hardly any.
    pub weight: u16,
    /// The server's port.
    pub port: u16,
    /// The server's name; empty for the root, which says that there is no such service.
    pub target: String,
}

/// A NAPTR record (RFC 3403 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePointer {
    /// Lower ones come first.
    pub order: u16,
    /// Lower ones come first among equal orders.
    pub preference: u16,
    /// `s`: the replacement has SRV records.
    pub flags: String,
    /// `SIP+D2U`, `SIP+D2T` or `SIPS+D2T`.
    pub service: String,
    /// The name to ask for next.
    pub replacement: String,
}

/// The name whose SRV records are the servers of a host, over this transport.
pub fn service_name(transport: Transport, host: &str) -> String {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
    };
    format!("{service}.{host}")
}

/// The name that the best pointer of this transport leads to.
pub fn pointed(pointers: &[ServicePointer], transport: Transport) -> Option<&str> {
    let service = match transport {
        Transport::Udp => "SIP+D2U",
        Transport::Tcp => "SIP+D2T",
        Transport::Tls => "SIPS+D2T",
    };
    let fits = |pointer: &&ServicePointer| {
        pointer.flags.eq_ignore_ascii_case("s")
            && pointer.service.eq_ignore_ascii_case(service)
            && !pointer.replacement.is_empty()
    };
    let best = pointers.iter().filter(fits).min_by_key(|pointer| (pointer.order, pointer.preference));
    best.map(|pointer| pointer.replacement.as_str())
}

/// The order in which servers are tried (RFC 2782): by priority, then at random by weight. `random` gives a number from 0 to
/// its argument.
pub fn in_order(mut records: Vec<ServiceRecord>, mut random: impl FnMut(u64) -> u64) -> Vec<ServiceRecord> {
    // Weights of 0 first, so that they are chosen only by the number 0.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let equal = records.iter().take_while(|record| record.priority == priority);
        let sums = equal.scan(0u64, |sum, record| {
            *sum += u64::from(record.weight);
            Some(*sum)
        });
        let sums: Vec<u64> = sums.collect();
        let chosen = random(sums.last().copied().unwrap_or(0));
        let at = sums.iter().position(|sum| *sum >= chosen).unwrap_or(0);
        ordered.push(records.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn server(priority: u16, weight: u16, target: &str) -> ServiceRecord {
        ServiceRecord { priority, weight, port: 5060, target: target.into() }
    }

    fn pointer(order: u16, preference: u16, flags: &str, service: &str, replacement: &str) -> ServicePointer {
        ServicePointer {
            order,
            preference,
            flags: flags.into(),
            service: service.into(),
            replacement: replacement.into(),
        }
    }

    fn targets(records: Vec<ServiceRecord>) -> Vec<String> {
        records.into_iter().map(|record| record.target).collect()
    }

    #[test]
    fn the_transport_names_the_service() {
        assert_eq!(service_name(Transport::Udp, "a.example"), "_sip._udp.a.example");
        assert_eq!(service_name(Transport::Tcp, "a.example"), "_sip._tcp.a.example");
        assert_eq!(service_name(Transport::Tls, "a.example"), "_sips._tcp.a.example");
    }

    #[test]
    fn the_best_pointer_of_the_transport_is_followed() {
        let all = [
            pointer(20, 1, "s", "SIP+D2U", "later"),
            pointer(10, 5, "S", "sip+d2u", "second"),
            pointer(10, 2, "s", "SIP+D2U", "first"),
            pointer(1, 1, "s", "SIPS+D2T", "secure"),
            pointer(1, 1, "u", "SIP+D2T", "rewritten"),
        ];
        assert_eq!(pointed(&all, Transport::Udp), Some("first"));
        assert_eq!(pointed(&all, Transport::Tls), Some("secure"));
        assert_eq!(pointed(&all, Transport::Tcp), None);
    }

    #[test]
    fn a_lower_priority_comes_first_and_the_number_chooses_by_weight() {
        let all = || vec![server(2, 9, "late"), server(1, 1, "a"), server(1, 0, "z"), server(1, 3, "b")];
        assert_eq!(targets(in_order(all(), |_| 0)), ["z", "a", "b", "late"]);
        assert_eq!(targets(in_order(all(), |most| most)), ["b", "a", "z", "late"]);
        let mut numbers = [2, 1, 0, 0].into_iter();
        assert_eq!(targets(in_order(all(), |_| numbers.next().unwrap_or(0))), ["b", "a", "z", "late"]);
    }

    #[test]
    fn each_weight_gets_its_share() {
        let all = || vec![server(1, 1, "a"), server(1, 3, "b")];
        let first = |n: u64| targets(in_order(all(), |most| n % (most + 1))).swap_remove(0);
        // RFC 2782: a number from 0 to 4; 0 and 1 choose the first.
        assert_eq!((0..5).map(first).collect::<Vec<_>>(), ["a", "a", "b", "b", "b"]);
    }

    proptest! {
        #[test]
        fn every_server_is_kept_and_priorities_never_fall(
            records in proptest::collection::vec((0u16..4, any::<u16>()), 0..12), seed in any::<u64>(),
        ) {
            let records: Vec<_> = (0..).zip(&records).map(|(n, (p, w))| server(*p, *w, &format!("{n}"))).collect();
            let mut state = seed;
            let ordered = in_order(records.clone(), |most| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 16) % (most + 1)
            });
            prop_assert!(ordered.is_sorted_by_key(|record| record.priority));
            let (mut before, mut after) = (targets(records), targets(ordered));
            before.sort();
            after.sort();
            prop_assert_eq!(before, after);
        }
    }
}
