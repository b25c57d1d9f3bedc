//! The addresses of trunks that are named by host: DNS is asked for as long as the runtime lasts.
//!
//! Only a host in `addresses` of a trunk lets packets in; what DNS says of registrars does not. While no name server answers,
//! the last known addresses stay. An address that DNS no longer gives is let in for as long as a call may last: carriers rotate
//! theirs, and calls, connections and media sessions go on (RFC 3261 §12.2).

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::transport::Sender;
use super::trunks::{HostAddresses, Trunks, as_set};
use dns::{DnsError, Located};
use os::clock;
use sip::Transport;

/// Follows the hosts of every trunk, each trunk in a task.
pub(crate) fn follow(trunks: &Arc<Trunks>, sender: &Sender) {
    for (n, trunk) in trunks.states().iter().enumerate() {
        if !trunk.settings.hosts.is_empty() {
            tokio::spawn(follow_trunk(Arc::clone(trunks), n, sender.clone()));
        }
    }
}

async fn follow_trunk(trunks: Arc<Trunks>, n: usize, sender: Sender) {
    let state = &trunks.states()[n];
    let name = &state.settings.name;
    let mut last_named: HashMap<IpAddr, Instant> = HashMap::new();
    loop {
        let (mut hosts, mut wait) = (Vec::new(), RETRY_MAX);
        for host in &state.settings.hosts {
            let before = state.hosts().into_iter().find(|known| known.host == *host);
            let before = before.map_or_else(Vec::new, |known| known.addresses);
            let (addresses, valid) = addresses(&sender, &state.settings, host, &before).await;
            if addresses != before {
                tracing::info!(trunk = name, host, ?addresses, "trunk_host");
            }
            wait = wait.min(valid);
            hosts.push(HostAddresses { host: host.clone(), addresses });
        }
        let named: BTreeSet<IpAddr> = hosts.iter().flat_map(|host| host.addresses.iter().copied()).collect();
        let earlier = earlier(&mut last_named, &named, clock::now(), trunks.call_limit);
        // What is let in no longer than that is looked at again in time.
        wait = if earlier.is_empty() { wait } else { wait.min(trunks.call_limit) };
        state.hosts_are_at(hosts, earlier);
        tokio::time::sleep(wait).await;
    }
}

/// The addresses that DNS gave no longer ago than `kept`, and gives no more.
fn earlier(
    last_named: &mut HashMap<IpAddr, Instant>,
    named: &BTreeSet<IpAddr>,
    now: Instant,
    kept: Duration,
) -> Vec<IpAddr> {
    last_named.extend(named.iter().map(|address| (*address, now)));
    last_named.retain(|_, last| now.saturating_duration_since(*last) <= kept);
    last_named.keys().filter(|address| !named.contains(*address)).copied().collect()
}

/// The addresses of a host over every transport of its trunk, and how long they are valid.
async fn addresses(sender: &Sender, trunk: &config::Trunk, host: &str, before: &[IpAddr]) -> (Vec<IpAddr>, Duration) {
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
    let mut answers = Vec::new();
    for transport in transports.into_iter().filter(|one| trunk.transport.is_none_or(|only| only == as_set(*one))) {
        answers.push(sender.locate(host, None, transport).await);
    }
    if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
        tracing::warn!(trunk = trunk.name, host, %error, "a trunk's host could not be located");
    }
    conclude(&answers, before)
}

/// A transport whose question failed keeps what was known before.
fn conclude(answers: &[Result<Located, DnsError>], before: &[IpAddr]) -> (Vec<IpAddr>, Duration) {
    let (mut addresses, mut wait) = (BTreeSet::new(), RETRY_MAX);
    for answer in answers {
        match answer {
            Ok(located) => {
                addresses.extend(located.targets.iter().map(|target| target.ip().to_canonical()));
                wait = wait.min(located.valid);
            }
            Err(error) => {
                if !error.is_answer() {
                    addresses.extend(before);
                }
                wait = RETRY_AFTER;
            }
        }
    }
    (addresses.into_iter().collect(), wait)
}

/// Until DNS is asked again after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(30);
const RETRY_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn located(addresses: &[&str], seconds: u64) -> Result<Located, DnsError> {
        let targets = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        Ok(Located { targets, valid: Duration::from_secs(seconds) })
    }

    #[test]
    fn an_address_that_dns_drops_is_let_in_for_as_long_as_a_call_may_last() {
        let (mut last, start, kept) = (HashMap::new(), clock::now(), Duration::from_secs(3600));
        let (one, two) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut earlier_at = |seconds, named: &[IpAddr]| {
            let named = named.iter().copied().collect();
            earlier(&mut last, &named, start + Duration::from_secs(seconds), kept)
        };
        assert!(earlier_at(0, &[one]).is_empty());
        assert_eq!(earlier_at(60, &[two]), [one]);
        assert_eq!(earlier_at(120, &[one]), [two], "they take turns");
        assert_eq!(earlier_at(3600, &[one]), [two]);
        assert!(earlier_at(3661, &[one]).is_empty());
    }

    #[test]
    fn addresses_are_those_of_all_transports_and_stay_while_dns_is_down() {
        let before: Vec<IpAddr> = vec![[192, 0, 2, 9].into()];
        let both = [located(&["192.0.2.1:5060", "192.0.2.2:5060"], 300), located(&["192.0.2.1:5070"], 60)];
        let (addresses, wait) = conclude(&both, &before);
        assert_eq!((addresses, wait.as_secs()), (vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()], 60));
        assert_eq!(conclude(&[Err(DnsError::Silent)], &before), (before.clone(), RETRY_AFTER));
        assert_eq!(conclude(&[Err(DnsError::NoAddress)], &before), (Vec::new(), RETRY_AFTER));
        let half = [located(&["192.0.2.1:5060"], 300), Err(DnsError::Refused)];
        assert_eq!(conclude(&half, &before).0.len(), 2, "the other transport keeps its own");
    }
}
