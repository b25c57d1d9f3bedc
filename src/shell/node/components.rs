//! The components of a node, one function each. What several of them share is in [`Node`].

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use config::{Inquiry, Settings};
use inquiry::{AttemptLimits, Attempts, Keys, ScanRules};
use journal::Journal;
use media::{MediaConfig, MediaMetrics, MediaPlane};
use metrics::Metrics;
use phone::{Booths, Cases, Door, Live, Parts, Shelf, Wire};
use release::hotline::Hotline;
use release::releases;
use replica_store::Replica;
use studio_store::accounts::initial;
use studio_store::{Accounts, Studio};
use web::FailureLimits;
use web_service::{Doors, StudioDoor};

use crate::Fault;
use crate::counter::{self, Counter};
use crate::numbers;
use crate::watch;

/// The studio with its accounts.
type OpenStudio = (Arc<Accounts>, Arc<Studio>);

/// What the components of a node share.
pub(crate) struct Node<'a> {
    settings: &'a Settings,
    keys: Keys,
    replica: Arc<Replica>,
    journal: Arc<Journal>,
    live: Arc<ArcSwap<Live>>,
    metrics: Arc<Metrics>,
    studio: Option<OpenStudio>,
}

impl<'a> Node<'a> {
    /// Opens the journal and the studio, and makes the hotline live.
    pub(crate) fn new(
        settings: &'a Settings,
        hotline: &Hotline,
        keys: Keys,
        replica: Arc<Replica>,
    ) -> Result<Node<'a>, Fault> {
        Ok(Node {
            settings,
            keys,
            replica,
            journal: Journal::open(&settings.data.folder, &settings.journal).map_err(|error| error.to_string())?,
            live: Arc::new(ArcSwap::from_pointee(Live::of(hotline))),
            metrics: Arc::new(Metrics::new()),
            studio: open_studio(settings),
        })
    }

    /// The call registry, with all that a call needs.
    pub(crate) fn registry(&self, media: MediaPlane, wire: &Wire) -> Arc<Door> {
        let settings = self.settings;
        let emergency = releases::emergency(settings).unwrap_or(settings.hotline.emergency);
        let parts = Parts {
            settings: settings.phone.clone(),
            live: Arc::clone(&self.live),
            emergency: Arc::new(AtomicBool::new(emergency)),
            keys: Arc::new(self.keys.clone()),
            attempts: Arc::new(Mutex::new(Attempts::new(attempt_limits(&settings.inquiry)))),
            cases: Cases::Copy(Arc::clone(&self.replica)),
            journal: Arc::clone(&self.journal),
            media: Arc::new(media),
            metrics: Arc::clone(&self.metrics),
            booths: self.recording_service(),
            messages: settings.data.folder.join("messages"),
        };
        Door::new(parts, wire)
    }

    /// Recording by telephone. Takes that a crash interrupted become drafts.
    fn recording_service(&self) -> Option<Booths> {
        let (accounts, studio) = self.studio.clone()?;
        let booths = Booths {
            shelf: Shelf { studio, accounts },
            tapes: self.settings.data.folder.join("studio/tapes"),
            metrics: Arc::clone(&self.metrics),
        };
        booths.recover();
        Some(booths)
    }

    /// Starts to copy what other wings count to the metrics page.
    pub(crate) fn start_metrics(&self, media: Arc<MediaMetrics>, door: &Arc<Door>) {
        let sources = numbers::Sources {
            replica: Arc::clone(&self.replica),
            media,
            journal: self.journal.metrics(),
            door: Arc::clone(door),
            live: Arc::clone(&self.live),
            folder: self.settings.data.folder.clone(),
        };
        numbers::keep(Arc::clone(&self.metrics), sources);
    }

    /// The HTTP service: scans, pages and the studio.
    pub(crate) fn http_service(&self, scan_rules: ScanRules, door: &Arc<Door>) -> Arc<Doors> {
        let settings = self.settings;
        let backend = counter::backend(self.backend(scan_rules, door));
        let doors = Doors::new(backend, &settings.web, failure_limits(&settings.inquiry));
        Arc::new(doors.with_studio(StudioDoor::new(settings, self.studio.clone())))
    }

    /// What the HTTP service asks of the rest of the node.
    fn backend(&self, scan_rules: ScanRules, door: &Arc<Door>) -> Counter {
        let settings = self.settings;
        Counter {
            live: Arc::clone(&self.live),
            scan_rules,
            replica: Arc::clone(&self.replica),
            journal: Arc::clone(&self.journal),
            door: Arc::clone(door),
            metrics: Arc::clone(&self.metrics),
            settings: settings.web.clone(),
            desk_number: settings.phone.desk_number.clone(),
            data: settings.data.folder.clone(),
            past_calls: settings.data.folder.join("journal.sqlite3"),
        }
    }

    /// Starts to follow the live pointer and the duty officer's switch.
    pub(crate) fn start_watch(&self, door: &Arc<Door>) -> Result<(), Fault> {
        watch::start(self.settings.clone(), Arc::clone(&self.live), door)
            .map_err(|error| format!("cannot watch for releases: {error}"))
    }
}

/// Opens the studio if it is used. A studio that cannot be opened costs no call: the log says so, and so does its page.
fn open_studio(settings: &Settings) -> Option<OpenStudio> {
    if settings.studio.allow.is_empty() && settings.phone.studio.is_none() {
        return None;
    }
    let accounts = initial::open(settings).map(Arc::new).map_err(|error| error.to_string());
    let studio = Studio::open(settings).map_err(|error| error.to_string());
    match accounts.and_then(|accounts| Ok((accounts, studio?))) {
        Ok(opened) => Some(opened),
        Err(error) => {
            tracing::error!(error, "the prompt studio cannot be opened");
            None
        }
    }
}

/// Starts the media threads, with RTP ports on every address that SIP listens on.
pub(crate) fn start_media(settings: &Settings) -> Result<MediaPlane, Fault> {
    let phone = &settings.phone;
    let threads = match phone.media_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let mut addresses: Vec<IpAddr> = phone.listen.iter().map(|(_, address)| address.ip()).collect();
    addresses.sort();
    addresses.dedup();
    let config = MediaConfig {
        addresses,
        ports: phone.media_ports,
        threads,
        media_timeout: phone.media_timeout,
        latch_any: false,
    };
    MediaPlane::start(&config)
        .map_err(|error| format!("cannot start the media threads: {error}; see phone.listen and phone.media_ports"))
}

/// Limits of failed look-ups by telephone.
fn attempt_limits(settings: &Inquiry) -> AttemptLimits {
    AttemptLimits {
        per_caller: settings.failures_per_caller,
        per_kiosk: settings.failures_per_kiosk,
        per_receipt: settings.failures_per_receipt,
        total: settings.failures_total,
        window: settings.failure_window,
    }
}

/// Limits of failed look-ups by scan. An address may have 20 kiosks behind it.
fn failure_limits(settings: &Inquiry) -> FailureLimits {
    FailureLimits {
        per_kiosk: settings.failures_per_kiosk,
        per_address: settings.failures_per_kiosk.saturating_mul(20),
        total: settings.failures_total,
        window: settings.failure_window,
    }
}
