//! What call tasks work with.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::live_release::LiveRelease;
use super::look_ups::Cases;
use super::queue_handle::QueueHandle;
use super::reachable::reachable;
use super::recording_service::RecordingService;
use super::registrar::DeskRegistrar;
use super::registrations::Registrations;
use super::telephones::Telephones;
use super::transport::Sender;
use super::trunks::Trunks;
use browser_phone::BrowserTelephones;
use call::TransferLimiter;
use inquiry::Keys;
use journal::Journal;
use journal::messages::MessageBox;
use media::MediaPlane;
use metrics::Metrics;
use os::clock;
use sip::Transport;
use sms_service::SmsService;
use studio_store::Accounts;

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
    /// Takes the messages that callers leave.
    pub messages: Arc<MessageBox>,
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
    /// The telephones in agents' browsers; none without a queue.
    pub browsers: Option<Arc<BrowserTelephones>>,
    /// The accounts of agents; none if the store cannot be opened: then no caller waits.
    pub accounts: Option<Arc<Accounts>>,
    /// The data folder, where the agents who are signed in are kept; none: nowhere.
    pub data: Option<PathBuf>,
    /// Sends text messages; none: the settings name no carrier.
    pub sms: Option<Arc<SmsService>>,
    /// Serves operators who record by telephone; none if the take store cannot be opened.
    pub recording: Option<RecordingService>,
}

/// What all calls of a node share.
pub(crate) struct Shared {
    pub settings: config::Phone,
    /// Names of transfer targets → SIP URIs.
    transfer_targets: Arc<BTreeMap<String, String>>,
    transfers: Mutex<TransferLimiter>,
    pub services: Services,
    pub sender: Sender,
    /// The telephones that this node can call.
    pub telephones: Telephones,
    /// Where callers wait for an agent.
    pub queue: QueueHandle,
}

impl Shared {
    pub(crate) fn new(
        settings: config::Phone,
        services: Services,
        sender: Sender,
        listeners: Vec<(Transport, SocketAddr)>,
        queue: QueueHandle,
    ) -> Shared {
        let transfer_targets = settings.desk.iter().map(|uri| ("desk".to_owned(), uri.clone())).collect();
        let shares = &settings.shares;
        let mut transfers = TransferLimiter::new(shares.transfers_per_caller_max, shares.transfer_window);
        let now = clock::now();
        for recent in services.journal.recent_transfers(shares.transfer_window) {
            if let (Some(trunk), Some(caller)) = (recent.trunk, recent.caller) {
                let since = now.checked_sub(recent.since).unwrap_or(now);
                transfers.count(since, of_trunk(&trunk, caller), recent.count);
            }
        }
        let transfers = Mutex::new(transfers);
        let telephones =
            Telephones::new(listeners, Arc::clone(&services.trunks), services.registrar.as_ref().map(Arc::clone));
        Shared {
            transfer_targets: Arc::new(transfer_targets),
            transfers,
            settings,
            services,
            sender,
            telephones,
            queue,
        }
    }

    /// Where the calls of a trunk may be transferred to; without REFER only to a queue of this node: another transfer fails at
    /// once.
    pub(crate) fn transfer_targets(&self, trunk: &config::Trunk) -> Arc<BTreeMap<String, String>> {
        let waits_here = self.transfer_targets.values().all(|target| target.starts_with("queue:"));
        if trunk.refer || waits_here { Arc::clone(&self.transfer_targets) } else { Arc::default() }
    }

    /// How many transfers a new call may have, by its own limit and its caller's.
    pub(crate) fn transfers_left(&self, trunk: &str, caller: Option<u64>) -> u32 {
        let of_call = self.settings.shares.transfers_per_call_max.map_or(u32::MAX, NonZeroU32::get);
        let of_caller = caller.map(|caller| self.transfers().left(clock::now(), of_trunk(trunk, caller)));
        of_caller.map_or(of_call, |left| left.min(of_call))
    }

    /// A caller's transfer began: it counts, after a restart too.
    pub(crate) fn transfer_begun(&self, trunk: &str, caller: u64) {
        self.services.journal.record_transfer(trunk, caller);
        self.transfers().begun(clock::now(), of_trunk(trunk, caller));
    }

    fn transfers(&self) -> MutexGuard<'_, TransferLimiter> {
        self.transfers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address that the far end reaches this node at.
    pub(crate) fn public_address(&self, local: SocketAddr) -> IpAddr {
        public_address(&self.settings, local)
    }
}

/// A calling number counts for each trunk by itself: another trunk's word for it may be false.
fn of_trunk(trunk: &str, caller: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (trunk, caller).hash(&mut hasher);
    hasher.finish()
}

/// The address that the far end reaches a listener at: the listener's own, else the configured one.
pub fn public_address(settings: &config::Phone, local: SocketAddr) -> IpAddr {
    reachable(settings.public_address, local)
}
