//! What call tasks work with.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::live_release::LiveRelease;
use super::look_ups::Cases;
use super::reachable::reachable;
use super::recording_service::RecordingService;
use super::registrar::DeskRegistrar;
use super::registrations::Registrations;
use super::transport::Sender;
use super::trunks::Trunks;
use inquiry::Keys;
use journal::Journal;
use media::MediaPlane;
use metrics::Metrics;

/// The services that a call uses outside its own task.
pub struct Services {
    /// The release that new calls begin with.
    pub live: Arc<ArcSwap<LiveRelease>>,
    /// Hash callers, for the limits of look-ups and for records.
    pub keys: Keys,
    /// Answers look-ups.
    pub cases: Cases,
    /// Takes the record of each call.
    pub journal: Arc<Journal>,
    /// The folder of the messages that callers leave.
    pub messages: PathBuf,
    /// The trunks, which admit calls and count them.
    pub trunks: Arc<Trunks>,
    /// The media threads.
    pub media: Arc<MediaPlane>,
    /// Counts and measures.
    pub metrics: Arc<Metrics>,
    /// The registrations at carriers.
    pub registrations: Arc<Registrations>,
    /// The registrar of the desk's telephones; none if nothing may register.
    pub registrar: Option<Arc<DeskRegistrar>>,
    /// Serves operators who record by telephone; none if the take store cannot be opened.
    pub recording: Option<RecordingService>,
}

/// What all calls of a node share.
pub(crate) struct Shared {
    pub settings: config::Phone,
    /// Names of transfer targets → SIP URIs.
    transfer_targets: Arc<BTreeMap<String, String>>,
    pub services: Services,
    pub sender: Sender,
}

impl Shared {
    pub(crate) fn new(settings: config::Phone, services: Services, sender: Sender) -> Shared {
        let transfer_targets = settings.desk.iter().map(|uri| ("desk".to_owned(), uri.clone())).collect();
        Shared { transfer_targets: Arc::new(transfer_targets), settings, services, sender }
    }

    /// Where the calls of a trunk may be transferred to; nowhere without REFER, so that a transfer fails at once.
    pub(crate) fn transfer_targets(&self, trunk: &config::Trunk) -> Arc<BTreeMap<String, String>> {
        if trunk.refer { Arc::clone(&self.transfer_targets) } else { Arc::default() }
    }

    /// The address that the far end reaches this node at.
    pub(crate) fn public_address(&self, local: SocketAddr) -> IpAddr {
        public_address(&self.settings, local)
    }
}

/// The address that the far end reaches a listener at: the listener's own, else the configured one.
pub fn public_address(settings: &config::Phone, local: SocketAddr) -> IpAddr {
    reachable(settings.public_address, local)
}
