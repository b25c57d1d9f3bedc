//! DNS: locates the SIP servers of a host (RFC 3263), with answers kept as long as they are valid.
//!
//! ```text
//!  locate(host, port, transport) ─► cache ── nothing, or stale ──► name servers ──► cache
//!         │                                         └─ silent ──► the stale answer
//!         └──► addresses in the order of SRV, those that failed a while ago last
//! ```
//!
//! Names of `/etc/hosts` come before DNS, and names that DNS does not have are asked of the system, unless the settings name
//! the servers.

mod cache;
mod exchange;
mod message;
mod system;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::lookup_host;
use tokio::time::timeout;

use self::cache::{Cache, Known, VALID_MAX, VALID_MIN};
use self::message::{Answer, Kind, Record};
use os::clock;
use sip::Transport;
use sip::locating::{self, ServiceRecord};

/// Why a host is not located.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The text is no host name.
    #[error("it is not a host name")]
    Name,
    /// DNS has no address of it.
    #[error("DNS has no address of it")]
    NoAddress,
    /// DNS says that there is no such service (RFC 2782: the target is the root).
    #[error("DNS says that it has no SIP service of this transport")]
    NoService,
    /// The name servers answer with errors.
    #[error("the name servers refuse to answer")]
    Refused,
    /// No name server answers.
    #[error("no name server answers")]
    Silent,
}

impl DnsError {
    /// Whether this is what DNS says of the host, and no failure of DNS.
    pub fn is_answer(self) -> bool {
        match self {
            DnsError::Name | DnsError::NoAddress | DnsError::NoService => true,
            DnsError::Refused | DnsError::Silent => false,
        }
    }
}

/// The servers of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Where they are, the preferred first; at least one.
    pub targets: Vec<SocketAddr>,
    /// How long this is valid: 30 s to an hour.
    pub valid: Duration,
}

/// Asks name servers.
pub struct Resolver {
    /// Empty: those of the machine.
    servers: Vec<SocketAddr>,
    cache: Mutex<Cache>,
    /// Addresses that could not be reached, and until when they come last.
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

impl Resolver {
    /// A resolver that asks these servers; none: those of the machine.
    pub fn new(servers: Vec<SocketAddr>) -> Resolver {
        Resolver { servers, cache: Mutex::default(), failed: Mutex::default() }
    }

    /// Locates the servers of a host over this transport (RFC 3263 §4.2). A port skips SRV.
    ///
    /// # Errors
    /// DNS has no address of it, or does not answer and never did.
    pub async fn locate(&self, host: &str, port: Option<u16>, transport: Transport) -> Result<Located, DnsError> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let of_machine = self.of_machine(&host);
        let (mut targets, valid) = match port {
            _ if host.is_empty() => return Err(DnsError::Name),
            None if of_machine.is_empty() => self.by_service(&host, transport).await?,
            None => with(of_machine, transport.default_port(), VALID_MIN)?,
            Some(port) => self.with_port(&host, port).await?,
        };
        targets.dedup();
        targets.truncate(TARGETS_MAX);
        self.put_failed_last(&mut targets);
        Ok(Located { targets, valid })
    }

    /// An address could not be reached: others of its host come first for a while.
    pub fn failed(&self, address: SocketAddr) {
        let now = clock::now();
        let mut failed = lock(&self.failed);
        failed.retain(|_, until| *until > now);
        if failed.len() < FAILED_MAX {
            failed.insert(address, now + FAILED_FOR);
        }
    }

    fn put_failed_last(&self, targets: &mut [SocketAddr]) {
        let (now, failed) = (clock::now(), lock(&self.failed));
        targets.sort_by_key(|target| failed.get(target).is_some_and(|until| *until > now));
    }

    async fn by_service(&self, host: &str, transport: Transport) -> Result<(Vec<SocketAddr>, Duration), DnsError> {
        let usual = locating::service_name(transport, host);
        let (pointers, services) = tokio::join!(self.ask(host, Kind::Naptr), self.ask(&usual, Kind::Srv));
        let pointers: Vec<_> = pointers.iter().flat_map(|(records, _)| records.iter()).filter_map(pointer).collect();
        let services = match locating::pointed(&pointers, transport) {
            Some(name) => self.ask(name, Kind::Srv).await.or(services),
            None => services,
        };
        // Servers that refuse questions for SRV may still have addresses.
        let (services, valid) = services.unwrap_or_else(|_| (Arc::default(), VALID_MIN));
        let servers: Vec<&ServiceRecord> = services.iter().filter_map(service).collect();
        if servers.is_empty() {
            let (targets, of_addresses) = self.with_port(host, transport.default_port()).await?;
            return Ok((targets, valid.min(of_addresses)));
        }
        let servers: Vec<_> = servers.into_iter().filter(|server| !server.target.is_empty()).collect();
        if servers.is_empty() {
            return Err(DnsError::NoService);
        }
        let (mut targets, mut valid, mut error) = (Vec::new(), valid, DnsError::NoAddress);
        for server in servers.into_iter().take(SERVERS_MAX) {
            match self.with_port(&server.target, server.port).await {
                Ok((more, of_addresses)) => {
                    targets.extend(more);
                    valid = valid.min(of_addresses);
                }
                Err(why) => error = why,
            }
        }
        if targets.is_empty() { Err(error) } else { Ok((targets, valid)) }
    }

    async fn with_port(&self, host: &str, port: u16) -> Result<(Vec<SocketAddr>, Duration), DnsError> {
        let (addresses, valid) = self.addresses(host).await?;
        with(addresses, port, valid)
    }

    /// The addresses that `/etc/hosts` gives a host; none where the settings name the servers.
    fn of_machine(&self, host: &str) -> Vec<IpAddr> {
        if self.servers.is_empty() { system::hosts(host) } else { Vec::new() }
    }

    async fn addresses(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), DnsError> {
        let of_machine = self.of_machine(host);
        if !of_machine.is_empty() {
            return Ok((of_machine, VALID_MIN));
        }
        let (four, six) = tokio::join!(self.ask(host, Kind::A), self.ask(host, Kind::Aaaa));
        let (mut addresses, mut valid, mut error) = (Vec::new(), VALID_MAX, None);
        for answer in [four, six] {
            match answer {
                Ok((records, of_records)) => {
                    addresses.extend(records.iter().filter_map(address));
                    valid = valid.min(of_records);
                }
                Err(why) => error = Some(why),
            }
        }
        if addresses.is_empty() && self.servers.is_empty() {
            addresses = of_system(host).await;
            valid = VALID_MIN;
        }
        match error {
            Some(error) if addresses.is_empty() => Err(error),
            Some(_) | None => Ok((addresses, valid)),
        }
    }

    /// The records of a name; services in the order in which they are tried.
    async fn ask(&self, name: &str, kind: Kind) -> Result<(Arc<[Record]>, Duration), DnsError> {
        let known = match lock(&self.cache).find(clock::now(), name, kind) {
            Known::Fresh(records, left) => return Ok((records, left)),
            Known::Stale(records) => Some(records),
            Known::Nothing => None,
        };
        let machine = if self.servers.is_empty() { system::servers() } else { Vec::new() };
        let servers = if machine.is_empty() { &self.servers } else { &machine };
        let answer = match exchange::exchange(servers, name, kind).await {
            Ok(answer) => Answer { records: ordered(answer.records), ..answer },
            // Some servers drop questions of kinds that they do not know: these are not waited for each time.
            Err(_) if kind == Kind::Naptr && known.is_none() => Answer { records: Vec::new(), valid: VALID_MIN },
            Err(error) => {
                lock(&self.cache).extend(clock::now(), name, kind);
                tracing::debug!(%error, ?kind, kept = known.is_some(), "DNS does not answer");
                return known.map(|records| (records, VALID_MIN)).ok_or(error);
            }
        };
        Ok(lock(&self.cache).keep(clock::now(), name, kind, answer))
    }
}

/// Addresses with a port, and how long they are valid.
fn with(addresses: Vec<IpAddr>, port: u16, valid: Duration) -> Result<(Vec<SocketAddr>, Duration), DnsError> {
    let targets: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    if targets.is_empty() { Err(DnsError::NoAddress) } else { Ok((targets, valid)) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the C library finds, by whatever the machine is configured to ask.
async fn of_system(host: &str) -> Vec<IpAddr> {
    let found = timeout(SYSTEM_PATIENCE, lookup_host((host, 0))).await;
    found.ok().and_then(Result::ok).into_iter().flatten().map(|address| address.ip()).collect()
}

fn address(record: &Record) -> Option<IpAddr> {
    let Record::Address(address) = record else { return None };
    let usable = !address.is_unspecified() && !address.is_multicast();
    usable.then_some(*address)
}

fn service(record: &Record) -> Option<&ServiceRecord> {
    if let Record::Service(service) = record { Some(service) } else { None }
}

fn pointer(record: &Record) -> Option<locating::ServicePointer> {
    if let Record::Pointer(pointer) = record { Some(pointer.clone()) } else { None }
}

/// Services in the order of RFC 2782, drawn once for as long as the answer is valid, so that repeated requests reach the same
/// server; other records as they are.
fn ordered(records: Vec<Record>) -> Vec<Record> {
    let services: Vec<ServiceRecord> = records.iter().filter_map(service).cloned().collect();
    if services.is_empty() {
        return records;
    }
    let random = |most: u64| clock::random_u64() % (most + 1);
    locating::in_order(services, random).into_iter().map(Record::Service).collect()
}

/// Addresses of one host that are tried.
const TARGETS_MAX: usize = 16;
/// Servers of one service whose addresses are asked for.
const SERVERS_MAX: usize = 8;
/// How long an address that could not be reached comes last.
const FAILED_FOR: Duration = Duration::from_secs(300);
const FAILED_MAX: usize = 1024;
const SYSTEM_PATIENCE: Duration = Duration::from_secs(3);
