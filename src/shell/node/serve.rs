//! `jindu serve`: opens everything, prints the ready line, and runs until a signal stops it.

use std::io::{self, Write};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::backend::NodeBackend;
use crate::collectors::{JournalCollector, MediaCollector, NodeCollector, ReplicaCollector};
use config::{self, Settings, Source};
use inquiry::{Keys, PhoneLimits, ScanLimits};
use journal::Journal;
use media::{MediaConfig, MediaPlane};
use metrics::{self, Metrics};
use os::clock;
use os::folder;
use os::logs;
use phone::{Cases, LiveRelease, LookUps, RecordingService, Registry, Services, TakeStore, TransportLayer, UserAgent};
use release::hotline::{Hotline, SAMPLE_SEED};
use release::releases;
use replica::sample;
use replica_store::{ApplyError, FolderLock, Replica, Role, secret};
use studio_store::accounts::first::{self as accounts, Made};
use studio_store::{Accounts, Studio};
use web_service::{HttpService, StudioService};

/// Why the program cannot serve; one line that says what to do.
type Fault = String;

/// Serves until a signal ends it. The result is the exit code.
pub fn serve(settings: &Settings, hotline: Hotline) -> Result<(), Fault> {
    let _logs = logs::start(&settings.log);
    for complaint in hotline.passed_over.iter().take(COMPLAINTS) {
        tracing::warn!(complaint, serving = hotline.name.get(..12), "the live release cannot be served");
    }
    let folder = &settings.data.folder;
    for remark in settings.warnings() {
        tracing::warn!(remark, "settings");
    }
    folder::make(folder)?;
    let _lock = FolderLock::take(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?
        .ok_or_else(|| format!("{}: another jindu serves from this data folder; stop it first", folder.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    // All sockets before anything that takes time: a port in use is reported at once.
    let sockets = {
        let _runtime = runtime.enter();
        let wire = TransportLayer::bind(&settings.phone.listen);
        (wire.map_err(|error| unheard("phone.listen", &error.to_string(), error.kind()))?, listen(settings)?)
    };
    let keys = Keys::new(&secret(folder).map_err(|error| error.to_string())?);
    base::set_tag_key(keys.tag_key());
    let role = Role::Serve { sample_heartbeat: settings.data.sample_heartbeat };
    let replica = Replica::open(folder, &settings.replica, keys.clone(), role).map_err(|error| error.to_string())?;
    fill(&replica, settings, &hotline)?;
    runtime.block_on(run(settings, hotline, keys, replica, sockets))
}

/// On the first start, and where the sample was damaged beyond opening, fills the copy with sample cases.
fn fill(replica: &Replica, settings: &Settings, hotline: &Hotline) -> Result<(), Fault> {
    let (cases, zone, working) = (settings.data.sample_cases.into(), hotline.zone.clone(), hotline.working.clone());
    let again = move || sample::cases(cases, SAMPLE_SEED, clock::local(&zone).date(), &working);
    replica.remember_sample(again);
    // A copy of a real upstream begins empty: no made-up case stands in it. One that is gone because it was damaged is its
    // source's to bring again.
    if settings.replica.source != Source::Spool || !replica.wants_sample() || cases == 0 {
        return Ok(());
    }
    let damaged = replica.is_damaged();
    let today = clock::local(&hotline.zone).date();
    match replica.fill_sample(cases, SAMPLE_SEED, today, &hotline.working) {
        Ok(_) if damaged => tracing::warn!(cases, "the damaged copy was the built-in sample: it was made again"),
        // A feed has brought the office's cases, or is about to.
        Ok(_) | Err(ApplyError::Dropped | ApplyError::Busy) => {}
        Err(error) => return Err(error.to_string()),
    }
    Ok(())
}

async fn run(
    settings: &Settings,
    hotline: Hotline,
    keys: Keys,
    replica: Arc<Replica>,
    (wire, listeners): (TransportLayer, web_service::Listeners),
) -> Result<(), Fault> {
    let metrics = Arc::new(Metrics::new());
    let journal = Journal::open(&settings.data.folder, &settings.journal).map_err(|error| error.to_string())?;
    let live = Arc::new(ArcSwap::from_pointee(LiveRelease::of(&hotline)));
    let media = open_media(settings)?;
    let media_metrics = media.metrics();
    let (phone_limits, scan_limits) = limits(&settings.inquiry);
    let studio = open_studio(settings);
    let recording = studio.clone().map(|(accounts, studio)| RecordingService {
        store: TakeStore { studio, accounts },
        in_progress: settings.data.folder.join("studio/tapes"),
        metrics: Arc::clone(&metrics),
    });
    if let Some(recording) = &recording {
        recording.recover();
    }
    let services = Services {
        live: Arc::clone(&live),
        keys: keys.clone(),
        cases: Cases::Copy(Box::new(LookUps::new(Arc::clone(&replica), keys, Arc::clone(&live), phone_limits))),
        journal: Arc::clone(&journal),
        media: Arc::new(media),
        metrics: Arc::clone(&metrics),
        recording,
        messages: settings.data.folder.join("messages"),
    };
    let emergency = releases::emergency(settings).unwrap_or(settings.hotline.emergency);
    let registry = Registry::new(settings.phone.calls_limit(), emergency);
    let user_agent = UserAgent::new(settings.phone.clone(), services, Arc::clone(&registry), &wire);
    let figures = metrics::Registry::new(metrics)
        .with(NodeCollector {
            registry: Arc::clone(&registry),
            live: Arc::clone(&live),
            folder: settings.data.folder.clone(),
        })
        .with(MediaCollector(media_metrics))
        .with(ReplicaCollector(Arc::clone(&replica)))
        .with(JournalCollector(journal.metrics()));
    let backend = NodeBackend {
        live: Arc::clone(&live),
        scan_rules: hotline.scan_rules.clone(),
        replica: Arc::clone(&replica),
        journal,
        registry: Arc::clone(&registry),
        settings: settings.web.clone(),
        desk_number: settings.phone.desk_number.clone(),
        data: settings.data.folder.clone(),
        past_calls: settings.data.folder.join("journal.sqlite3"),
    };
    let made = first_accounts(settings, &replica)?;
    let service = HttpService::new(backend, figures, &settings.web, scan_limits);
    let service = Arc::new(service.with_studio(StudioService::new(settings, studio)));
    super::watch::start(settings.clone(), live, &registry)
        .map_err(|error| format!("cannot watch for releases: {error}"))?;
    // Before the ready line: its reader may stop the node at once.
    let signals = Signals::new()?;
    announce(settings, &wire, &listeners, &replica, &hotline.examples, &made)?;
    let (stop, stopping) = watch::channel(false);
    let phone = tokio::spawn(wire.run(user_agent));
    let web_settings = settings.web.clone();
    let scan = tokio::spawn(async move {
        web_service::serve(listeners, service, &web_settings, stopping, LAST_REQUESTS).await;
    });
    let ended = until_stopped(signals, &registry, phone, &settings.phone).await;
    let _ = stop.send(true);
    let _ = tokio::time::timeout(LAST_REQUESTS, scan).await;
    ended
}

/// The limits of failed look-ups, by telephone and by scan. The settings are at least 1: no limit can be switched off.
fn limits(settings: &config::Inquiry) -> (PhoneLimits, ScanLimits) {
    let at_most = NonZeroU32::new;
    let (total, window) = (at_most(settings.failures_total), settings.failure_window);
    let phone = PhoneLimits {
        per_caller: at_most(settings.failures_per_caller),
        per_receipt: at_most(settings.failures_per_receipt),
        total,
        window,
    };
    (phone, ScanLimits::of_kiosks(at_most(settings.failures_per_kiosk), total, window))
}

/// The web's sockets: the studio has its own, or is beside the kiosk.
fn listen(settings: &Settings) -> Result<web_service::Listeners, Fault> {
    let bind = |key: &str, addresses: &[std::net::SocketAddr], serves| {
        web_service::Listeners::bind(addresses, serves).map_err(|(address, error)| {
            unheard(key, &format!("cannot listen on http://{address}: {error}"), error.kind())
        })
    };
    let own = &settings.studio.listen;
    let serves = if own.is_empty() { web_service::Serves::All } else { web_service::Serves::Public };
    let public = bind("web.listen", &settings.web.listen, serves)?;
    Ok(public.and(bind("studio.listen", own, web_service::Serves::Studio)?))
}

/// That an address cannot be listened on, and what to do about it.
fn unheard(key: &str, what: &str, kind: io::ErrorKind) -> Fault {
    let remedy = match kind {
        io::ErrorKind::AddrInUse => {
            format!("another program has that port (ss -lntup names it): end it, or change {key}")
        }
        io::ErrorKind::AddrNotAvailable => format!("this machine has no such address: change {key}"),
        io::ErrorKind::PermissionDenied => {
            format!("a port below 1024 takes root or CAP_NET_BIND_SERVICE: change {key}")
        }
        _ => format!("see {key}"),
    };
    format!("{what}; {remedy}")
}

/// A studio that cannot be opened costs no call: the log and its page say so.
fn open_studio(settings: &Settings) -> Option<(Arc<Accounts>, Arc<Studio>)> {
    if settings.studio.allow.is_empty() && settings.phone.studio.is_none() {
        return None;
    }
    let accounts = accounts::open(settings).map(Arc::new).map_err(|error| error.to_string());
    let studio = Studio::open(settings).map_err(|refusal| refusal.to_string());
    match accounts.and_then(|accounts| Ok((accounts, studio?))) {
        Ok(opened) => Some(opened),
        Err(error) => {
            tracing::error!(error, "the prompt studio cannot be used");
            None
        }
    }
}

/// On the first start with sample cases: one account that may record and one that may approve.
fn first_accounts(settings: &Settings, replica: &Replica) -> Result<Vec<Made>, Fault> {
    let sample = replica.is_sample() && settings.data.sample_cases > 0;
    if !sample || settings.studio.allow.is_empty() {
        return Ok(Vec::new());
    }
    let in_words = |error: studio_store::accounts::AccountError| error.to_string();
    accounts::open(settings).and_then(|opened| accounts::first(&opened)).map_err(in_words)
}

fn open_media(settings: &Settings) -> Result<MediaPlane, Fault> {
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

/// Says what to try, and then the one line that tells a program that everything is open.
fn announce(
    settings: &Settings,
    wire: &TransportLayer,
    listeners: &web_service::Listeners,
    replica: &Replica,
    examples: &[sample::Example],
    made: &[Made],
) -> Result<(), Fault> {
    let phone: Vec<String> =
        wire.listening().iter().map(|(transport, address)| format!("{}:{address}", transport.name())).collect();
    let pages: Vec<String> = listeners.addresses().iter().map(|address| format!("http://{address}")).collect();
    let mut text = String::new();
    if replica.is_sample() && settings.data.sample_cases > 0 {
        text.push_str(&what_to_try(settings, &phone, &pages, examples));
    }
    if let Some(page) = listeners.studio() {
        text.push_str(&first_sign_in(page, made));
    }
    text.push_str(&format!("ready phone={} web={}\n", phone.join(","), pages.join(",")));
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("cannot print: {error}"))?;
    tracing::info!(phone = phone.join(","), web = pages.join(","), "ready");
    Ok(())
}

fn what_to_try(settings: &Settings, phone: &[String], pages: &[String], examples: &[sample::Example]) -> String {
    let address = phone.first().and_then(|address| address.split_once(':')).map_or("", |(_, address)| address);
    let number = settings.phone.numbers.first().map_or("96110110", String::as_str);
    let page = pages.first().map_or("", String::as_str);
    let mut text = format!(
        "What to try (sample cases):\n  dial   sip:{number}@{address}, then 1 for Mandarin, 1 for progress, the receipt, the ID tail (* for X)\n"
    );
    if let Some(test) = &settings.phone.line_test {
        text.push_str(&format!("  dial   sip:{test}@{address} for the line test\n"));
    }
    if let Some(studio) = &settings.phone.studio {
        text.push_str(&format!("  dial   sip:{studio}@{address} to record prompts by telephone\n"));
    }
    text.push_str(&format!(
        "  open   {page} and scan or type a receipt\n\n  {:<16} {:<8} state\n",
        "receipt", "ID tail"
    ));
    for example in examples {
        let tail = example.case.id_tail.as_deref().unwrap_or("");
        text.push_str(&format!("  {:<16} {tail:<8} {}\n", example.case.receipt, example.shows));
    }
    text.push('\n');
    text
}

/// The accounts that the first start made. Their secrets are shown here, and nowhere else.
fn first_sign_in(page: std::net::SocketAddr, made: &[Made]) -> String {
    let mut text = String::new();
    for Made { name, password, number, pin } in made {
        let (password, pin) = (password.expose(), pin.expose());
        text.push_str(&format!(
            "  studio http://{page}/studio  name {name}  password {password}  (telephone: {number}, PIN {pin})\n"
        ));
    }
    if !text.is_empty() {
        text.push_str(
            "  The studio's passwords are told this once; jindu studio account password NAME sets new ones.\n\n",
        );
    }
    text
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Signals, Fault> {
        let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        Ok(Signals { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until a signal, then drains until the last call, the limit or a second signal.
async fn until_stopped(
    mut signals: Signals,
    registry: &Registry,
    mut phone: tokio::task::JoinHandle<io::Error>,
    settings: &config::Phone,
) -> Result<(), Fault> {
    tokio::select! {
        () = signals.next() => {}
        ended = &mut phone => {
            let error = ended.unwrap_or_else(io::Error::other);
            tracing::error!(%error, "the phone door failed");
            return Err(format!("the phone door failed: {error}"));
        }
    }
    tracing::info!(calls = registry.calls(), "draining: no new calls; a second signal ends at once");
    tokio::select! {
        // Telephone and web answer on for a while, so that balancers learn of it first.
        _ = async { tokio::join!(registry.drain(), tokio::time::sleep(settings.drain_min)) } => {}
        () = tokio::time::sleep(settings.drain_limit) => {
            tracing::warn!(calls = registry.calls(), "the drain limit is over");
            end(registry, GOODBYES).await;
        }
        () = signals.next() => end(registry, LAST_WORDS).await,
    }
    phone.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Hangs up on every caller, and waits this long for the answers to the BYEs.
async fn end(registry: &Registry, limit: Duration) {
    registry.end_calls();
    let _ = tokio::time::timeout(limit, registry.drain()).await;
}

/// Complaints about one release that are logged.
const COMPLAINTS: usize = 5;
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// After a second signal.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// After the drain limit: a BYE has three repeats in it.
const GOODBYES: Duration = Duration::from_secs(4);
