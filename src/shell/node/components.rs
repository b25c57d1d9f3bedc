//! The components of a node, one function each. What several of them share is in [`Node`].

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;

use base::bilingual;
use browser_phone::BrowserTelephones;
use config::{Inquiry, Settings};
use inquiry::{InquiryLimiter, InquiryLimits, Keys, PhoneLimits, PublicLimits, ScanLimits, ScanRules, SharedLimits};
use journal::messages::{self, MessageBox};
use journal::{Journal, MessagesWatch};
use kiosk_store::KioskStore;
use media::{MediaConfig, MediaIoInUse, MediaMetrics, MediaPlane};
use metrics::Metrics;
use phone::{
    Cases, HepExporter, Lines, LiveRelease, LookUps, QueueHandle, RecordingService, Registry, Services, TakeStore,
    Traces, TransportLayer, Trunks, UserAgent,
};
use release::hotline::Hotline;
use release::releases;
use replica_store::Replica;
use sms_service::SmsService;
use studio_store::accounts::initial;
use studio_store::{Accounts, Studio};
use web_service::{HttpService, PhotographReader, StudioService};

use crate::Fault;
use crate::backend::NodeBackend;
use crate::carriers::Carriers;
use crate::collectors::{
    BrowserCollector, CaptureCollector, JournalCollector, MediaCollector, NodeCollector, QueueCollector,
    ReplicaCollector, SmsCollector, TrunkCollector,
};
use crate::kiosks::{self, KioskCollector};
use crate::recording_collector::RecordingCollector;
use crate::sockets::{Sockets, bind_error};
use crate::watch;

/// The studio with its accounts.
type OpenStudio = (Arc<Accounts>, Arc<Studio>);

/// What the components of a node share.
pub(crate) struct Node<'a> {
    settings: &'a Settings,
    keys: Keys,
    /// The calls, their number and the drain.
    pub registry: Arc<Registry>,
    replica: Arc<Replica>,
    journal: Arc<Journal>,
    messages: Arc<MessagesWatch>,
    live: Arc<ArcSwap<LiveRelease>>,
    metrics: Arc<Metrics>,
    /// What its trunks do.
    pub trunks: Arc<Trunks>,
    studio: Option<OpenStudio>,
    /// The limits of look-ups, over all doors.
    limiter: Arc<Mutex<InquiryLimiter>>,
    kiosks: Arc<KioskStore>,
    /// TLS, registrations and the registrar.
    pub carriers: Carriers,
    /// Traces of calls.
    pub traces: Arc<Traces>,
    hep: Option<Arc<HepExporter>>,
    /// Text messages; none: the settings name no carrier.
    pub sms: Option<Arc<SmsService>>,
    /// The telephones in agents' browsers.
    pub browsers: Option<Arc<BrowserTelephones>>,
}

impl<'a> Node<'a> {
    /// Opens the journal and the studio, and makes the hotline live.
    pub(crate) fn new(
        settings: &'a Settings,
        hotline: &Hotline,
        keys: Keys,
        replica: Arc<Replica>,
        sockets: &Sockets,
    ) -> Result<Node<'a>, Fault> {
        let studio = open_studio(settings);
        let accounts = studio.as_ref().map(|(accounts, _)| Arc::clone(accounts));
        let carriers = Carriers::new(settings, &keys, &sockets.sip, sockets.tls.clone(), accounts)?;
        let emergency = releases::emergency(settings).unwrap_or(settings.hotline.emergency);
        let trunks = Trunks::new(&settings.phone);
        let registry = Registry::new(Lines::of(&settings.phone), emergency);
        let browsers = studio.as_ref().map_or(Ok(None), |_| start_browsers(settings))?;
        let journal = Journal::open(&settings.data.folder, &settings.journal).map_err(|error| error.to_string())?;
        let sms = SmsService::start(&settings.sms, Arc::clone(&journal), keys.clone());
        Ok(Node {
            traces: Traces::new(settings, Arc::clone(&sockets.tap), Arc::clone(&trunks), Arc::clone(&registry)),
            hep: sockets.hep.clone(),
            settings,
            keys,
            registry,
            replica,
            journal,
            sms,
            messages: Arc::new(MessagesWatch::new(&settings.data.folder)),
            live: Arc::new(ArcSwap::from_pointee(LiveRelease::of(hotline))),
            metrics: Arc::new(Metrics::new()),
            trunks,
            studio,
            limiter: Arc::new(Mutex::new(InquiryLimiter::new(limits(&settings.inquiry)))),
            kiosks: Arc::new(KioskStore::open(&settings.data.folder).map_err(|error| error.to_string())?),
            carriers,
            browsers,
        })
    }

    /// What receives SIP messages and begins calls, with all that a call needs.
    pub(crate) fn user_agent(&self, media: MediaPlane, transport: &TransportLayer) -> Arc<UserAgent> {
        let (settings, media) = (self.settings, Arc::new(media));
        self.traces.follow_sound(Arc::clone(&media));
        let look_ups = LookUps::new(
            Arc::clone(&self.replica),
            self.keys.clone(),
            Arc::clone(&self.live),
            Arc::clone(&self.limiter),
        );
        let services = Services {
            live: Arc::clone(&self.live),
            keys: self.keys.clone(),
            cases: Cases::Copy(Box::new(look_ups)),
            journal: Arc::clone(&self.journal),
            messages: MessageBox::new(
                Arc::clone(&self.journal),
                settings.data.folder.join(messages::FOLDER),
                settings.messages,
            ),
            trunks: Arc::clone(&self.trunks),
            media,
            metrics: Arc::clone(&self.metrics),
            registrations: Arc::clone(&self.carriers.registrations),
            registrar: self.carriers.registrar.clone(),
            browsers: self.browsers.clone(),
            accounts: self.studio.as_ref().map(|(accounts, _)| Arc::clone(accounts)),
            data: Some(settings.data.folder.clone()),
            sms: self.sms.clone(),
            recording: self.recording_service(),
        };
        UserAgent::new(settings.phone.clone(), services, Arc::clone(&self.registry), transport)
    }

    /// Recording by telephone. Takes that a crash interrupted become drafts.
    fn recording_service(&self) -> Option<RecordingService> {
        let (accounts, studio) = self.studio.clone()?;
        let recording = RecordingService {
            store: TakeStore { studio, accounts },
            in_progress: self.settings.data.folder.join("studio/tapes"),
            sound_keys: os::sound_key::current(),
            metrics: Arc::clone(&self.metrics),
        };
        recording.recover();
        Some(recording)
    }

    /// The metrics with what is collected at each scrape.
    pub(crate) fn metrics(
        &self,
        media: Arc<MediaMetrics>,
        media_io: Vec<MediaIoInUse>,
        queue: QueueHandle,
    ) -> metrics::Registry {
        metrics::Registry::new(Arc::clone(&self.metrics))
            .with(NodeCollector {
                registry: Arc::clone(&self.registry),
                live: Arc::clone(&self.live),
                folder: self.settings.data.folder.clone(),
            })
            .with(TrunkCollector(Arc::clone(&self.trunks)))
            .with(CaptureCollector { hep: self.hep.clone(), traces: Arc::clone(&self.traces) })
            .with(MediaCollector { counters: media, in_use: media_io })
            .with(QueueCollector(queue))
            .with(BrowserCollector(self.browsers.clone()))
            .with(SmsCollector(self.sms.clone()))
            .with(ReplicaCollector(Arc::clone(&self.replica)))
            .with(RecordingCollector(self.journal.metrics()))
            .with(JournalCollector { metrics: self.journal.metrics(), messages: Arc::clone(&self.messages) })
            .with(KioskCollector { kiosks: Arc::clone(&self.kiosks), limiter: Arc::clone(&self.limiter) })
            .with(self.carriers.clone())
    }

    /// The HTTP service: scans, inquiries, pages, the studio's and the agents'.
    pub(crate) fn http_service(
        &self,
        scan_rules: ScanRules,
        metrics: metrics::Registry,
        queue: QueueHandle,
    ) -> Arc<HttpService> {
        let settings = self.settings;
        let service = HttpService::new(self.backend(scan_rules), metrics, &settings.web, Arc::clone(&self.limiter));
        let live = Arc::clone(&self.live);
        let studio = StudioService::new(settings, self.studio.clone())
            .with_browsers(self.browsers.clone())
            .in_zone(move || live.load().zone.iana_name().map(str::to_owned));
        let service = service.read_photographs_by(PhotographReader::Process(OWN_PROGRAM.into()));
        let service = service.with_kiosks(Arc::clone(&self.kiosks)).with_studio(studio);
        Arc::new(service.with_agents(queue, Arc::clone(&self.journal), &settings.phone))
    }

    /// What the HTTP service and `jindu status` ask of the rest of the node.
    pub(crate) fn backend(&self, scan_rules: ScanRules) -> NodeBackend {
        let settings = self.settings;
        NodeBackend {
            live: Arc::clone(&self.live),
            scan_rules,
            replica: Arc::clone(&self.replica),
            journal: Arc::clone(&self.journal),
            registry: Arc::clone(&self.registry),
            carriers: self.carriers.clone(),
            keys: self.keys.clone(),
            limiter: Arc::clone(&self.limiter),
            settings: settings.web.clone(),
            desk_number: settings.phone.desk_number.clone(),
            data: settings.data.folder.clone(),
            messages: Arc::clone(&self.messages),
            messages_wait: settings.messages_wait,
            sms: self.sms.clone(),
        }
    }

    /// Starts to follow the live pointer, the duty officer's switch and the register of kiosks.
    pub(crate) fn start_watch(&self) -> Result<(), Fault> {
        kiosks::start_watch(&self.kiosks).map_err(|error| format!("cannot watch for kiosks: {error}"))?;
        watch::start(self.settings.clone(), Arc::clone(&self.live), &self.registry)
            .map_err(|error| format!("cannot watch for releases: {error}").into())
    }
}

/// Opens the studio if it is used. A studio that cannot be opened costs no call: the log says so, and so does its page.
fn open_studio(settings: &Settings) -> Option<OpenStudio> {
    let phone = &settings.phone;
    let has_agents = !phone.queues.queues.is_empty();
    if settings.studio.allow.is_empty() && phone.studio.is_none() && phone.registrar.is_none() && !has_agents {
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

/// Opens the socket of telephones in agents' browsers where callers wait for agents. Its sessions' sound goes to the first address of
/// SIP, which media sessions have, too.
fn start_browsers(settings: &Settings) -> Result<Option<Arc<BrowserTelephones>>, Fault> {
    let phone = &settings.phone;
    let Some((_, sip)) = phone.listen.first().filter(|_| !phone.queues.queues.is_empty()) else { return Ok(None) };
    let started = BrowserTelephones::start(&phone.webrtc, *sip);
    started.map(Some).map_err(|(address, error)| {
        let what = bilingual!("cannot listen on udp:{address}: {error}", "无法监听 udp:{address}：{error}");
        bind_error("phone.webrtc.listen", &what, error.kind())
    })
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
    let (media_timeout, hold_timeout) = (phone.media_timeout, phone.shares.hold_timeout);
    let (media_io, pinned) = (phone.media_io, phone.media_pinned);
    let ports = phone.media_ports;
    let config = MediaConfig { addresses, ports, threads, media_timeout, hold_timeout, media_io, pinned };
    MediaPlane::start(&config).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => bilingual!(
            "no pair of the ports of phone.media_ports, {0}-{1}, is free: other programs use them (ss -lnup names them); end them, or change phone.media_ports",
            "phone.media_ports（{0}-{1}）中没有空闲的一对端口，被其他程序占用（ss -lnup 会列出）：请结束它们，或更改 phone.media_ports",
            ports.0,
            ports.1
        ),
        _ => bilingual!(
            "cannot start the media threads: {error}; see phone.listen, phone.media_ports and phone.media_io",
            "无法启动语音线程：{error}；请检查 phone.listen、phone.media_ports 和 phone.media_io"
        ),
    })
}

/// Limits of look-ups. The settings are at least 1: no limit can be switched off.
fn limits(settings: &Inquiry) -> InquiryLimits {
    let at_most = NonZeroU32::new;
    let failure_window = settings.failure_window;
    let (failures, look_ups) = (at_most(settings.failures_per_caller), at_most(settings.look_ups_per_client));
    InquiryLimits {
        phone: PhoneLimits { failures, failure_window, look_ups, look_up_window: HOUR },
        scan: ScanLimits::of_kiosks(at_most(settings.failures_per_kiosk), failure_window),
        public: PublicLimits { failures, failure_window, look_ups, look_up_window: HOUR },
        shared: SharedLimits {
            failures_per_receipt: at_most(settings.failures_per_receipt),
            failures_total: at_most(settings.failures_total),
            failure_window,
            look_ups_per_receipt: at_most(settings.look_ups_per_receipt),
            look_ups_total: at_most(settings.look_ups_total),
            look_up_window: HOUR,
        },
    }
}

/// This program, although its file was replaced or deleted by an upgrade (proc(5)).
const OWN_PROGRAM: &str = "/proc/self/exe";
const HOUR: Duration = Duration::from_secs(3600);
