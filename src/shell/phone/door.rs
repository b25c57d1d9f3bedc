//! Where SIP comes in: each message to its call, each new call to a task of its own.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use tokio::sync::{Notify, mpsc};

use super::booth::Booths;
use super::calls;
use super::cases::Cases;
use super::wire::{Sender, Wire};
use audio::Bank;
use base::Lang;
use call::{Admission, CallCounts, Input, Purpose, Rejection};
use config::{self, Network};
use flow::Release;
use inquiry::{Attempts, CallOutcome, Keys, Rules};
use journal::Journal;
use media::MediaPlane;
use metrics::{Metrics, SipDrop};
use os::clock;
use release::hotline::Hotline;
use sip::limits;
use sip::{
    Arrival, Dispatcher, Disposition, LegKey, MalformedMessage, Message, Method, NodeState, Outgoing, parse_datagram,
};

/// What calls begin with, swapped as a whole when a release is published.
pub struct Live {
    /// The hash that it was published by.
    pub name: String,
    pub release: Arc<Release>,
    pub bank: Arc<Bank>,
    /// Numbers and promised days, which follow the release's calendar.
    pub rules: Arc<Rules>,
    pub zone: TimeZone,
    /// Different for each time that a release went live.
    pub serial: u64,
}

impl Live {
    /// What calls begin with from now on.
    pub fn of(hotline: &Hotline) -> Live {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        Live {
            name: hotline.name.clone(),
            release: Arc::clone(&hotline.release),
            bank: Arc::clone(&hotline.bank),
            rules: Arc::clone(&hotline.rules),
            zone: hotline.zone.clone(),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The first characters of the name, for logs and records.
    pub fn short_name(&self) -> &str {
        self.name.get(..12).unwrap_or(&self.name)
    }
}

/// What the phone door works with.
pub struct Parts {
    pub settings: config::Phone,
    pub live: Arc<ArcSwap<Live>>,
    pub emergency: Arc<AtomicBool>,
    pub keys: Arc<Keys>,
    pub attempts: Arc<Mutex<Attempts>>,
    pub cases: Cases,
    pub journal: Arc<Journal>,
    pub media: Arc<MediaPlane>,
    pub metrics: Arc<Metrics>,
    /// Where operators' calls reach the studio; none if it cannot be opened.
    pub booths: Option<Booths>,
    /// Where recorded messages go.
    pub messages: std::path::PathBuf,
}

/// The phone door.
pub struct Door {
    pub(super) parts: Parts,
    pub(super) desks: Arc<BTreeMap<String, String>>,
    front: Dispatcher,
    lines_max: usize,
    admission: Mutex<Admission>,
    lines: Mutex<HashMap<LegKey, mpsc::Sender<Input>>>,
    in_progress: AtomicUsize,
    /// Calls whose other side has still to answer something: those in progress, and those with a BYE under way.
    unsettled: AtomicUsize,
    /// When a message last came for a call, or a call last ended.
    heard_at: Mutex<Option<Instant>>,
    /// Of them, calls to the recording service.
    operators: AtomicUsize,
    draining: AtomicBool,
    idle: Notify,
    sender: OnceLock<Sender>,
}

impl Door {
    /// A door that sends by a wire's sockets.
    pub fn new(parts: Parts, wire: &Wire) -> Arc<Door> {
        let settings = &parts.settings;
        let admission = Admission::new(call::AdmissionRules {
            calls_max: settings.calls_limit(),
            calls_per_second_max: settings.calls_per_second_max,
            hotline_numbers: settings.numbers.clone(),
            line_test: settings.line_test.clone(),
            studio: settings.studio.clone(),
            studio_calls_max: settings.studio_calls_max,
        });
        let desks = settings.desk.iter().map(|uri| ("desk".to_owned(), uri.clone())).collect();
        let door = Arc::new(Door {
            front: Dispatcher::new(clock::seed()),
            lines_max: settings.calls_limit(),
            admission: Mutex::new(admission),
            lines: Mutex::default(),
            in_progress: AtomicUsize::new(0),
            unsettled: AtomicUsize::new(0),
            heard_at: Mutex::default(),
            operators: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            idle: Notify::new(),
            sender: OnceLock::new(),
            desks: Arc::new(desks),
            parts,
        });
        let weak: Weak<Door> = Arc::downgrade(&door);
        let _ = door.sender.set(wire.sender(weak));
        door
    }

    /// Calls that talk or are being answered.
    pub fn calls(&self) -> usize {
        self.in_progress.load(Ordering::Relaxed)
    }

    /// How many calls there may be at once.
    pub fn lines_max(&self) -> usize {
        self.lines_max
    }

    /// Whether new calls are turned away.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Turns new calls away, and returns when none is in progress and the last ones have had their last words: our
    /// BYEs are answered, and a BYE whose answer was lost has had time to come again (RFC 3261 §17.1.2.2).
    pub async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        let mut over_at = None;
        loop {
            let idle = self.idle.notified();
            let now = clock::now();
            let wait_until = match self.calls() {
                0 => Some(self.last_words(now, *over_at.get_or_insert(now))),
                _ => None,
            };
            match wait_until {
                Some(until) if until <= now => return,
                Some(until) => drop(tokio::time::timeout_at(until.into(), idle).await),
                None => idle.await,
            }
        }
    }

    /// Until when late messages of ended calls are waited for; `over_at` is when the last line was free.
    fn last_words(&self, now: Instant, over_at: Instant) -> Instant {
        let limit = over_at + limits::GIVE_UP;
        if self.unsettled.load(Ordering::Relaxed) > 0 {
            return limit;
        }
        let heard = *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or(now, |heard| (heard + QUIET).min(limit))
    }

    /// Ends every call.
    pub fn end_calls(&self) {
        for inbox in self.lines().values() {
            let _ = inbox.try_send(Input::End);
        }
    }

    /// Turns the duty officer's switch for new calls and for those in progress; false when some call could not be told
    /// yet.
    pub fn set_emergency(&self, on: bool) -> bool {
        self.parts.emergency.store(on, Ordering::Relaxed);
        let mut told = true;
        for inbox in self.lines().values() {
            told &= !matches!(inbox.try_send(Input::Emergency(on)), Err(mpsc::error::TrySendError::Full(_)));
        }
        told
    }

    /// Speaks another language from here on, in every call: what a call sheet may ask for, and no caller's doing.
    pub fn set_lang(&self, lang: Lang) {
        for inbox in self.lines().values() {
            let _ = inbox.try_send(Input::Lang(lang));
        }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<LegKey, mpsc::Sender<Input>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one datagram.
    pub(super) fn datagram(self: &Arc<Self>, bytes: &[u8], arrival: &Arrival) {
        if !self.knows(arrival.source.ip()) {
            return;
        }
        match parse_datagram(bytes) {
            Ok(message) => self.message(message, arrival),
            Err(refusal) => self.refused(&refusal, arrival),
        }
    }

    /// Whether an address is a trunk; what comes from elsewhere is counted and forgotten.
    pub(super) fn knows(&self, address: IpAddr) -> bool {
        let known = self.parts.settings.trunks.iter().any(|trunk: &Network| trunk.contains(address));
        if !known {
            self.parts.metrics.sip_dropped.inc(SipDrop::Stranger);
        }
        known
    }

    /// Answers what could not be read, where an answer is due.
    pub(super) fn refused(&self, refusal: &MalformedMessage, arrival: &Arrival) {
        self.parts.metrics.sip_dropped.inc(SipDrop::Malformed);
        tracing::debug!(fault = ?refusal.fault, "malformed SIP");
        if let Some(reply) = refusal.reply(arrival) {
            self.send(reply);
        }
    }

    /// Takes one message.
    pub(super) fn message(self: &Arc<Self>, message: Message, arrival: &Arrival) {
        let received = clock::now();
        if let Some(method) = message.method() {
            self.parts.metrics.sip_requests.inc(method.into());
        }
        let key = message.leg_key();
        let state = NodeState {
            known: self.lines().contains_key(&key),
            draining: self.is_draining(),
            full: self.calls() >= self.lines_max,
            retry_after: self.parts.settings.retry_after,
        };
        match self.front.dispatch(&message, arrival, state) {
            Disposition::Drop => self.parts.metrics.sip_dropped.inc(SipDrop::Stray),
            Disposition::Reply(reply) => {
                if message.is(&Method::Invite) && message.to_tag().is_empty() {
                    self.parts.metrics.calls.inc(CallOutcome::Refused);
                }
                self.send(reply);
            }
            Disposition::Leg(key) => self.to_call(&key, message, arrival),
            Disposition::Invite(key) => self.new_call(received, key, message, arrival, state),
        }
    }

    fn to_call(&self, key: &LegKey, message: Message, arrival: &Arrival) {
        if self.is_draining() {
            self.heard();
        }
        let inbox = self.lines().get(key).cloned();
        let given = match inbox {
            Some(inbox) => inbox.try_send(Input::Sip(Box::new((message, *arrival)))),
            None => Err(mpsc::error::TrySendError::Closed(Input::Sip(Box::new((message, *arrival))))),
        };
        match given {
            Ok(()) => {}
            // Whoever sends more than a call can take will send it again.
            Err(mpsc::error::TrySendError::Full(_)) => self.parts.metrics.sip_dropped.inc(SipDrop::Full),
            Err(mpsc::error::TrySendError::Closed(Input::Sip(sip))) => {
                let (message, arrival) = *sip;
                if let Some(reply) = self.front.no_such_leg(&message, &arrival) {
                    self.send(reply);
                }
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    fn new_call(
        self: &Arc<Self>,
        received: Instant,
        key: LegKey,
        invite: Message,
        arrival: &Arrival,
        state: NodeState,
    ) {
        let user = invite.called_user().unwrap_or_default();
        let admitted = self.admission.lock().unwrap_or_else(PoisonError::into_inner).admit(
            clock::now(),
            arrival.source.ip(),
            &user,
            CallCounts { all: self.calls(), studio: self.operators.load(Ordering::Relaxed) },
            self.is_draining(),
        );
        let admitted = match admitted {
            Ok(Purpose::Studio) if !self.may_record(arrival.source.ip()) => Err(Rejection::NoSuchNumber),
            admitted => admitted,
        };
        if admitted.is_err() {
            self.parts.metrics.calls.inc(CallOutcome::Refused);
        }
        match admitted {
            Ok(purpose) => match self.parts.media.open(self.media_address(arrival.local), clock::seed()) {
                Ok(stream) => self.start(key, calls::Start { received, invite, arrival: *arrival, purpose, stream }),
                Err(error) => {
                    tracing::warn!(%error, "a call was turned away");
                    self.send(self.front.unavailable(&invite, arrival, state));
                }
            },
            Err(Rejection::NoSuchNumber) => self.send(self.front.reject(&invite, arrival, 404)),
            Err(Rejection::StudioBusy) => self.send(self.front.reject(&invite, arrival, 486)),
            Err(Rejection::TooFast | Rejection::Draining | Rejection::Full) => {
                self.send(self.front.unavailable(&invite, arrival, state));
            }
        }
    }

    /// Whether operators may call from an address.
    fn may_record(&self, address: IpAddr) -> bool {
        let trunks = &self.parts.settings.studio_trunks;
        trunks.is_empty() || trunks.iter().any(|trunk| trunk.contains(address))
    }

    fn start(self: &Arc<Self>, key: LegKey, start: calls::Start) {
        let (inbox, arrivals) = mpsc::channel(CALL_QUEUE);
        self.lines().insert(key.clone(), inbox.clone());
        self.in_progress.fetch_add(1, Ordering::Relaxed);
        self.unsettled.fetch_add(1, Ordering::Relaxed);
        self.parts.metrics.calls_in_progress.add(1);
        if start.purpose == Purpose::Studio {
            self.operators.fetch_add(1, Ordering::Relaxed);
        }
        tokio::spawn(calls::run(Arc::clone(self), key, start, inbox, arrivals));
    }

    /// The address that peers reach us at: the listener's own, else the configured one.
    pub(super) fn media_address(&self, local: SocketAddr) -> IpAddr {
        let ip = local.ip().to_canonical();
        if !ip.is_unspecified() {
            return ip;
        }
        let configured = self.parts.settings.public_address.filter(|public| public.is_ipv4() == ip.is_ipv4());
        configured.unwrap_or(if ip.is_ipv4() {
            IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)
        } else {
            IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
        })
    }

    /// Sends what nobody waits for.
    pub(super) fn send(&self, outgoing: Outgoing) {
        if let Some(sender) = self.sender.get() {
            sender.send(outgoing, None);
        }
    }

    /// Sends for a call, which hears of it when that fails.
    pub(super) fn send_for(&self, outgoing: Outgoing, inbox: &mpsc::Sender<Input>) {
        let inbox = inbox.clone();
        if let Some(sender) = self.sender.get() {
            let failed = move || {
                let _ = inbox.try_send(Input::TransportFailed);
            };
            sender.send(outgoing, Some(Box::new(failed)));
        }
    }

    /// A line is free again.
    pub(super) fn freed(&self, purpose: Purpose) {
        self.parts.metrics.calls_in_progress.add(-1);
        self.heard();
        if purpose == Purpose::Studio {
            self.operators.fetch_sub(1, Ordering::Relaxed);
        }
        if self.in_progress.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.idle.notify_waiters();
        }
    }

    /// A call's other side has answered everything.
    pub(super) fn settled(&self) {
        if self.unsettled.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.idle.notify_waiters();
        }
    }

    fn heard(&self) {
        *self.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
    }

    /// A call is gone, late repeats and all.
    pub(super) fn forget(&self, key: &LegKey) {
        self.lines().remove(key);
    }
}

/// Inputs that wait for one call.
const CALL_QUEUE: usize = 64;
/// After so long without a message of an ended call none is expected: three lost answers to a BYE are healed within it
/// (repeats after 0.5, 1 and 2 s).
const QUIET: Duration = Duration::from_millis(2500);
