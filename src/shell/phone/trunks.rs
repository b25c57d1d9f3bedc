//! The trunks of a node while it runs: admission of their calls, what became of them, and whether their peers answer.
//!
//! ```text
//!  INVITE ──► find ──► admit ──► Permit, held by the call ── dropped ──► place free
//!                         └──► refused, counted by reason
//! ```

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::peer::{Peer, PeerAddress};
use call::{Admission, AdmissionRules, AdmittedCall, NewCall, Purpose, Rejection, TrunkRules};
use config::Trunk;
use inquiry::{Availability, CallOutcome};
use metrics::Counters;
use os::clock;
use os::sockets::LocalAddresses;
use sip::Transport;

/// The trunks of a node, in the order of the settings.
pub struct Trunks {
    settings: Vec<Arc<Trunk>>,
    trunks: Vec<TrunkState>,
    admission: Mutex<Admission>,
    own_addresses: LocalAddresses,
    since: Timestamp,
    /// The longest call.
    pub(crate) call_limit: Duration,
}

/// A host of a trunk, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddresses {
    /// Its name in the settings.
    pub host: String,
    /// Its addresses, by DNS; empty until DNS has answered.
    pub addresses: Vec<IpAddr>,
}

/// What happens on one trunk.
pub struct TrunkState {
    /// Its settings.
    pub settings: Arc<Trunk>,
    /// How its calls ended.
    pub outcomes: Counters<CallOutcome>,
    /// Its calls that were refused before they began.
    pub refused: Counters<Rejection>,
    /// The peers that are asked whether they are there.
    pub peers: Vec<Peer>,
    /// The addresses of its hosts, by DNS.
    hosts: ArcSwap<Vec<HostAddresses>>,
    /// Addresses that its hosts had lately: their calls go on, and come to an end.
    earlier: ArcSwap<Vec<IpAddr>>,
    /// Unix time in seconds; 0: there was no call.
    last_call: AtomicI64,
}

impl Trunks {
    /// The trunks of the settings, without a call.
    pub fn new(phone: &config::Phone) -> Arc<Trunks> {
        let state = |trunk: &Arc<Trunk>| TrunkState {
            settings: Arc::clone(trunk),
            outcomes: Counters::default(),
            refused: Counters::default(),
            peers: if trunk.ping.is_some() { PeerAddress::of(trunk).map(Peer::new).collect() } else { Vec::new() },
            hosts: ArcSwap::default(),
            earlier: ArcSwap::default(),
            last_call: AtomicI64::new(0),
        };
        Arc::new(Trunks {
            settings: phone.trunks.clone(),
            trunks: phone.trunks.iter().map(state).collect(),
            admission: Mutex::new(Admission::new(rules(phone))),
            own_addresses: LocalAddresses::default(),
            since: clock::timestamp(),
            call_limit: phone.call_limit,
        })
    }

    /// Every trunk.
    pub fn states(&self) -> &[TrunkState] {
        &self.trunks
    }

    /// Since when calls are counted.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// How many calls a trunk has, by its place.
    pub fn calls(&self, trunk: usize) -> usize {
        self.admission().calls(trunk)
    }

    /// The place of the trunk that a packet came by; none: it came from a stranger.
    pub(crate) fn find(&self, transport: Transport, source: IpAddr) -> Option<usize> {
        let over = as_set(transport);
        Trunk::find(&self.settings, over, source, |n| self.trunks[n].has_host_at(source))
            .or_else(|| self.find_own(over, source))
    }

    /// The place of the trunk that names a host, over this transport.
    pub(crate) fn of_host(&self, transport: Transport, host: &str) -> Option<usize> {
        let over = as_set(transport);
        let names = |trunk: &Arc<Trunk>| trunk.hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        self.settings.iter().position(|trunk| trunk.transport.is_none_or(|only| only == over) && names(trunk))
    }

    /// While only this machine may call, a telephone on it may send from any IPv4 address of it. Addresses of the loopback are the
    /// trunks' own to name.
    fn find_own(&self, over: config::Transport, source: IpAddr) -> Option<usize> {
        let place = self.settings.iter().position(|trunk| trunk.transport.is_none_or(|only| only == over))?;
        self.is_own(source).then_some(place)
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.settings.iter().all(|trunk| trunk.is_loopback())
            && self.own_addresses.contain_beside_loopback(clock::now(), address)
    }

    /// Whether an address is one of the trunk at a place, or of its hosts.
    pub(crate) fn contains(&self, place: usize, address: IpAddr) -> bool {
        self.trunks
            .get(place)
            .is_some_and(|trunk| trunk.settings.contains(address) || trunk.has_host_at(address) || self.is_own(address))
    }

    /// Whether media may go to an address that callers of the trunk at a place name.
    pub(crate) fn takes_media(&self, place: usize, address: IpAddr) -> bool {
        self.trunks.get(place).is_some_and(|trunk| {
            let by_name = trunk.settings.media_networks.is_empty() && trunk.has_host_at(address);
            trunk.settings.takes_media(address) || by_name
        })
    }

    /// Decides on a call by the trunk at a place, which [`Trunks::find`] gave.
    pub(crate) fn admit(
        self: &Arc<Self>,
        call: NewCall<'_>,
        node: Availability,
        recording_calls: usize,
    ) -> Result<Permit, Rejection> {
        let place = self.admission().admit(clock::now(), call, node, recording_calls)?;
        if let Some(trunk) = self.trunks.get(call.trunk) {
            trunk.last_call.store(clock::timestamp().as_second(), Ordering::Relaxed);
        }
        Ok(Permit { purpose: place.purpose, trunk: place.trunk, place: Some(place), trunks: Arc::clone(self) })
    }

    /// Takes a place for a call of this node by a trunk to a number, of which this is the keyed hash.
    pub(crate) fn call_out(
        self: &Arc<Self>,
        trunk: usize,
        number: u64,
        node: Availability,
    ) -> Result<Permit, Rejection> {
        let place = self.admission().call_out(clock::now(), trunk, number, node)?;
        Ok(Permit { purpose: place.purpose, trunk: place.trunk, place: Some(place), trunks: Arc::clone(self) })
    }

    /// Takes a line of a trunk for a call to an agent; none: all are in use.
    pub(crate) fn take_line(self: &Arc<Self>, trunk: usize) -> Option<Permit> {
        let place = self.admission().take_outgoing(trunk)?;
        Some(Permit { purpose: place.purpose, trunk: place.trunk, place: Some(place), trunks: Arc::clone(self) })
    }

    /// Reserves lines of each trunk for calls to agents.
    pub(crate) fn reserve_lines(&self, lines: &[usize]) {
        let mut admission = self.admission();
        lines.iter().enumerate().for_each(|(trunk, lines)| admission.reserve(trunk, *lines));
    }

    /// Counts a call that was refused.
    pub(crate) fn refused(&self, trunk: usize, why: Rejection) {
        if let Some(trunk) = self.trunks.get(trunk) {
            trunk.refused.inc(why);
        }
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrunkState {
    /// The hosts that its settings name, and the addresses that DNS gives them.
    pub fn hosts(&self) -> Vec<HostAddresses> {
        self.hosts.load().as_ref().clone()
    }

    /// Takes over what DNS says of its hosts, and what it said lately.
    pub(crate) fn hosts_are_at(&self, hosts: Vec<HostAddresses>, earlier: Vec<IpAddr>) {
        self.hosts.store(Arc::new(hosts));
        self.earlier.store(Arc::new(earlier));
    }

    fn has_host_at(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.hosts.load().iter().any(|host| host.addresses.contains(&source)) || self.earlier.load().contains(&source)
    }

    /// When its last call was admitted.
    pub fn last_call(&self) -> Option<Timestamp> {
        let at = self.last_call.load(Ordering::Relaxed);
        Timestamp::from_second(at).ok().filter(|_| at > 0)
    }
}

/// A call's place on its trunk; given back when it is dropped.
pub(crate) struct Permit {
    trunks: Arc<Trunks>,
    pub purpose: Purpose,
    trunk: usize,
    place: Option<AdmittedCall>,
}

impl Permit {
    /// The trunk's settings.
    pub(crate) fn trunk(&self) -> &Arc<Trunk> {
        &self.trunks.settings[self.trunk]
    }

    /// The trunk's place in the settings.
    pub(crate) fn place(&self) -> usize {
        self.trunk
    }

    /// Counts how the call ended.
    pub(crate) fn ended(&self, outcome: CallOutcome) {
        self.trunks.trunks[self.trunk].outcomes.inc(outcome);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.trunks.admission().release(place);
        }
    }
}

/// What admission goes by, from the settings.
fn rules(settings: &config::Phone) -> AdmissionRules {
    let trunk = |trunk: &Arc<Trunk>| TrunkRules {
        calls_max: trunk.calls_max,
        calls_per_second_max: trunk.calls_per_second_max,
        calls_per_caller_max: trunk.calls_per_caller_max,
        calls_withheld_max: trunk.calls_withheld_max,
        numbers: trunk.numbers.clone(),
        contact_user: trunk.register.as_ref().map(|register| register.user.clone()),
        line_test: trunk.line_test,
        studio: trunk.studio,
    };
    AdmissionRules {
        line_test: settings.line_test.clone(),
        line_tests_max: settings.shares.line_tests_max,
        studio: settings.studio.clone(),
        studio_calls_max: settings.studio_calls_max,
        number_plan: settings.number_plan.clone(),
        trunks: settings.trunks.iter().map(trunk).collect(),
    }
}

/// A transport of the settings.
pub(crate) fn of_set(transport: config::Transport) -> Transport {
    match transport {
        config::Transport::Udp => Transport::Udp,
        config::Transport::Tcp => Transport::Tcp,
        config::Transport::Tls => Transport::Tls,
    }
}

/// A transport as the settings name it.
pub(crate) fn as_set(transport: Transport) -> config::Transport {
    match transport {
        Transport::Udp => config::Transport::Udp,
        Transport::Tcp => config::Transport::Tcp,
        Transport::Tls => config::Transport::Tls,
    }
}
