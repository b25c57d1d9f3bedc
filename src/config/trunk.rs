//! Trunks: who may call, by which transport, and what holds for their calls.
//!
//! A packet belongs to the trunk with the most specific network around its source; of two with the same network, to the
//! one that names its transport.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::{Codecs, DtmfMode, SrtpPolicy};
use sip::IdentityTrust;

use super::network::{Network, Transport};
use super::register::Register;

/// A carrier, a telephone system or a proxy, whose calls share settings and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// What records, metrics and the log call it: 1 to 32 of a-z, 0-9 and -.
    pub name: String,
    /// Where its packets come from.
    pub networks: Vec<Network>,
    /// Hosts whose addresses, by DNS, its packets come from as well.
    pub hosts: Vec<String>,
    /// Where its media may go; empty: to `networks`.
    pub media_networks: Vec<Network>,
    /// The only transport that it uses; none: any.
    pub transport: Option<Transport>,
    /// The user parts that reach the hotline; empty: every one.
    pub numbers: Vec<String>,
    /// Whether its callers reach the line test.
    pub line_test: bool,
    /// Whether its callers reach the recording service.
    pub studio: bool,
    /// Calls at once; further ones get 503.
    pub calls_max: usize,
    /// Calls at once of one calling number; further ones get 486. None: no limit.
    pub calls_per_caller_max: Option<NonZeroU32>,
    /// Calls at once of all callers who withhold their number. None: no limit.
    pub calls_withheld_max: Option<usize>,
    /// New calls a second; further ones are refused.
    pub calls_per_second_max: u32,
    /// RFC 4028 §4: the session interval that is requested.
    pub session_expires: Duration,
    /// RFC 4028 §5: the smallest session interval that is accepted; less gets 422.
    pub min_se: Duration,
    /// The address that session descriptions name; none: that of the Contact.
    pub media_address: Option<IpAddr>,
    /// Whether a call may be transferred by REFER; without it a transfer fails.
    pub refer: bool,
    /// The headers that it is trusted to name callers by.
    pub identity: IdentityTrust,
    /// The codecs of its calls, the preferred first.
    pub codecs: Codecs,
    /// The time of one packet, where the peer asks for none.
    pub ptime: Duration,
    /// Which ways of keys are heard.
    pub dtmf: DtmfMode,
    /// Silence before the first sound of a call, for a trunk that cuts the first syllable.
    pub lead_in: Duration,
    /// The jitter buffer of sound between callers and agents, at the beginning.
    pub jitter_buffer: Duration,
    /// Whether media may come from any address, and goes back there: telephones behind NAT.
    pub symmetric: bool,
    /// Whether the media of its calls is protected.
    pub srtp: SrtpPolicy,
    /// The authorities of its peers' certificates over TLS; none: those of `[phone.tls]`.
    pub ca_file: Option<PathBuf>,
    /// The name that its peers' certificates hold, where the node connects; none: the host of the connection.
    pub tls_name: Option<String>,
    /// How often an OPTIONS is sent to each of [`Trunk::peers`] and [`Trunk::hosts`]; none: never.
    pub ping: Option<Duration>,
    /// The port of its peers, where an OPTIONS goes; none: 5060, or for a host what DNS says.
    pub port: Option<u16>,
    /// How this node registers with the carrier; none: it does not.
    pub register: Option<Register>,
}

impl Trunk {
    /// The addresses that are no networks: peers that can be asked whether they are there.
    pub fn peers(&self) -> impl Iterator<Item = SocketAddr> {
        let single = |network: &&Network| network.prefix == if network.address.is_ipv4() { 32 } else { 128 };
        self.networks.iter().filter(single).map(|network| SocketAddr::new(network.address, self.port.unwrap_or(5060)))
    }

    /// Whether the settings name an address as one of its own; those of its hosts are known to DNS.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Whether media may go to an address that its callers name, by the settings.
    pub fn takes_media(&self, address: IpAddr) -> bool {
        let networks = if self.media_networks.is_empty() { &self.networks } else { &self.media_networks };
        networks.iter().any(|network| network.contains(address))
    }

    /// Whether only this machine is behind it.
    pub fn is_loopback(&self) -> bool {
        self.hosts.is_empty() && self.networks.iter().all(Network::is_loopback)
    }

    /// The place of a packet's trunk among these; none: a stranger. `is_named` says whether DNS gives the source to a host
    /// of the trunk at a place; it is asked only of trunks with hosts.
    pub fn find(
        trunks: &[Arc<Trunk>],
        transport: Transport,
        source: IpAddr,
        is_named: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let fits = trunks.iter().enumerate().filter_map(|(n, trunk)| {
            let named = || !trunk.hosts.is_empty() && is_named(n);
            Some((trunk.fit(transport, source, named)?, n))
        });
        fits.max().map(|(_, n)| n)
    }

    /// How closely the trunk fits a source: the length of the matching prefix, whether the settings name it rather than
    /// DNS, then whether the trunk names the transport.
    fn fit(&self, transport: Transport, source: IpAddr, is_named: impl Fn() -> bool) -> Option<(u8, bool, bool)> {
        if self.transport.is_some_and(|only| only != transport) {
            return None;
        }
        let around = self.networks.iter().filter(|network| network.contains(source));
        let written = around.map(|network| (network.prefix, true)).max();
        let whole = if source.to_canonical().is_ipv4() { 32 } else { 128 };
        let by_name = is_named().then_some((whole, false));
        written.max(by_name).map(|(prefix, is_written)| (prefix, is_written, self.transport.is_some()))
    }

    /// Whether packets of this trunk can come in at a listener.
    pub(super) fn reaches(&self, (transport, listener): (Transport, IpAddr)) -> bool {
        self.transport.is_none_or(|only| only == transport)
            && (!self.hosts.is_empty()
                || self.networks.iter().any(|network| network.address.is_ipv4() == listener.is_ipv4()))
    }
}
