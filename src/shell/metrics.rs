//! What an operator sees as numbers: one registry of typed fields, rendered as Prometheus text (exposition format 0.0.4).
//!
//! Everybody bumps the fields they know; nobody looks a name up. Labels are enums, so a series that nobody meant cannot
//! come into being, and no value of a caller or a receipt can become a label.

use std::fmt::Write;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use crate::call::KeySource;
use crate::flow::Transferred;
pub use crate::inquiry::{CallOutcome, LookUpResult};
use crate::replica::upstream::Kind;
use crate::sip::Method;

use super::replica::Refusal;

/// All numbers of one node.
#[derive(Debug, Default)]
pub struct Metrics {
    pub calls: Counters<CallOutcome>,
    pub calls_in_progress: Gauge,
    /// Calls that there may be at once.
    pub calls_max: Gauge,
    /// 1 from the signal to the end.
    pub draining: Gauge,
    /// The release that new calls begin with.
    pub release: Name,
    /// Room on the disk of the data folder, in bytes.
    pub disk_free: Gauge,
    /// INVITE received → 200 sent.
    pub answer_time: Histogram<AnswerTimes>,
    /// How long calls last.
    pub call_length: Histogram<CallLengths>,
    pub keys: Counters<KeySource>,
    pub transfers: Counters<TransferResult>,
    /// Operators who sign in to record by telephone.
    pub phone_sign_ins: Counters<SignInResult>,
    pub takes_by_phone: Counters<TakeEnd>,
    pub look_ups: Counters2<Door, LookUpResult>,
    /// Look-ups that were not in memory.
    pub look_up_time: Histogram<LookUpTimes>,
    pub cache: Counters<CacheResult>,
    pub rtp_packets: Counters<Direction>,
    /// Sent packet against its place in the schedule.
    pub rtp_lateness: Histogram<Latenesses>,
    /// Packets not sent because their time had passed.
    pub rtp_skipped: Counter,
    /// Received packets missing by their sequence numbers.
    pub rtp_lost: Counter,
    pub sip_requests: Counters<SipMethod>,
    /// Messages dropped before any state was made.
    pub sip_dropped: Counters<SipDrop>,
    /// Milliseconds since the Unix epoch at which the upstream last vouched for the copy; 0 before the first time.
    pub replica_as_of_ms: Gauge,
    pub replica_cases: Gauge,
    pub replica_batches: Counters<BatchResult>,
    pub replica_rows: Counter,
    /// Rows that could not be read and wait for a person.
    pub replica_quarantined: Gauge,
    /// Following a PostgreSQL server.
    pub upstream_streaming: Gauge,
    pub upstream_copying: Gauge,
    pub upstream_copied_rows: Gauge,
    pub upstream_lag_ms: Gauge,
    pub upstream_connects: Counter,
    pub upstream_transactions: Counter,
    pub upstream_changes: Counter,
    pub upstream_troubles: Counters<Kind>,
    pub feed_refused: Counters<Refused>,
    /// Files in the spool that were not taken yet.
    pub feed_waiting_files: Gauge,
    /// How the copy is, as its status tells it.
    pub replica: Mutex<CopyNumbers>,
    pub scans: Counters2<ScanPath, ScanResult>,
    pub ratings: Counters2<Door, Score>,
    pub http_requests: Counters<HttpClass>,
    pub http_connections: Gauge,
    /// Connections turned away or closed for a newer one.
    pub http_connections_refused: Counter,
    pub http_time: Histogram<HttpTimes>,
    pub journal_lost: Counter,
}

/// How the copy is.
#[derive(Clone, Debug, Default)]
pub struct CopyNumbers {
    pub lag_rows: u64,
    pub lag_bytes: u64,
    pub rows_per_second: u64,
    pub quarantine_lost: u64,
    /// 1 while a batch waits for a person.
    pub held: u64,
    pub rebuilds: u64,
    pub damaged: u64,
    /// Since the last whole scrub; none before the first.
    pub scrub_age: Option<Duration>,
    /// Kinds of the conditions that last.
    pub alarms: Vec<String>,
}

impl Metrics {
    pub fn new() -> Metrics {
        Metrics::default()
    }

    /// Everything as text. `now_ms` is the time since the Unix epoch, for the replica's age.
    pub fn render(&self, now_ms: i64) -> String {
        let mut page = Page::default();
        self.render_node(&mut page);
        self.render_calls(&mut page);
        self.render_media(&mut page);
        self.render_replica(&mut page, now_ms);
        self.render_upstream(&mut page);
        self.render_web(&mut page);
        page.text
    }

    fn render_node(&self, page: &mut Page) {
        page.head("jindu_info", "1; its labels say what runs here.", "gauge");
        let labels = format!("{{version=\"{}\",release=\"{}\"}}", env!("CARGO_PKG_VERSION"), self.release.value());
        page.sample("jindu_info", &labels, 1);
        page.gauge(
            "jindu_draining",
            "1 while the node takes no new calls and finishes those that it has.",
            &self.draining,
        );
        page.gauge("jindu_disk_free_bytes", "Room on the disk of the data folder.", &self.disk_free);
    }

    fn render_calls(&self, page: &mut Page) {
        page.counters("jindu_calls_total", "Calls that ended, by outcome.", &self.calls);
        page.gauge("jindu_calls_in_progress", "Calls in progress.", &self.calls_in_progress);
        page.gauge("jindu_calls_max", "Calls that there may be at once.", &self.calls_max);
        page.histogram("jindu_answer_seconds", "INVITE received to 200 sent.", &self.answer_time);
        page.histogram("jindu_call_seconds", "How long calls lasted.", &self.call_length);
        page.counters("jindu_keys_total", "Keys pressed, by how they came.", &self.keys);
        page.counters("jindu_transfers_total", "Transfers to a person, by result.", &self.transfers);
        page.counters(
            "jindu_studio_phone_sign_ins_total",
            "Operators who signed in by telephone, by result.",
            &self.phone_sign_ins,
        );
        page.counters(
            "jindu_studio_phone_takes_total",
            "Takes by telephone, by what became of them.",
            &self.takes_by_phone,
        );
        page.counters("jindu_sip_requests_total", "SIP requests received, by method.", &self.sip_requests);
        page.counters("jindu_sip_dropped_total", "SIP messages dropped unanswered, by reason.", &self.sip_dropped);
    }

    fn render_media(&self, page: &mut Page) {
        page.counters("jindu_rtp_packets_total", "RTP packets, by direction.", &self.rtp_packets);
        page.histogram("jindu_rtp_lateness_seconds", "Sent packets against their schedule.", &self.rtp_lateness);
        page.counter(
            "jindu_rtp_skipped_total",
            "RTP packets not sent because their time had passed.",
            &self.rtp_skipped,
        );
        page.counter("jindu_rtp_lost_total", "RTP packets that never came, by sequence numbers.", &self.rtp_lost);
    }

    fn render_replica(&self, page: &mut Page, now_ms: i64) {
        page.counters2("jindu_lookups_total", "Look-ups, by door and result.", &self.look_ups);
        page.histogram("jindu_lookup_seconds", "Look-ups that were not in memory.", &self.look_up_time);
        page.counters("jindu_cache_total", "Look-ups in the memory cache, by result.", &self.cache);
        let as_of = self.replica_as_of_ms.value();
        if as_of > 0 {
            page.head("jindu_replica_age_seconds", "Since the upstream last vouched for the copy.", "gauge");
            let age = now_ms.saturating_sub(as_of).max(0);
            page.sample("jindu_replica_age_seconds", "", format_args!("{}.{:03}", age / 1000, age % 1000));
        }
        page.gauge("jindu_replica_cases", "Cases in the copy.", &self.replica_cases);
        page.counters("jindu_replica_batches_total", "Change batches, by result.", &self.replica_batches);
        page.gauge("jindu_replica_quarantined", "Rows that could not be read.", &self.replica_quarantined);
        page.counter("jindu_replica_rows_total", "Rows changed.", &self.replica_rows);
        page.counters(
            "jindu_feed_refused_total",
            "Files of the spool that were refused, by reason.",
            &self.feed_refused,
        );
        page.gauge("jindu_feed_waiting_files", "Files in the spool, not taken yet.", &self.feed_waiting_files);
        self.render_copy(page);
    }

    fn render_copy(&self, page: &mut Page) {
        let copy = self.replica.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, help, kind, value) in [
            ("jindu_replica_lag_rows", "Changes that the source knows to be on their way.", "gauge", copy.lag_rows),
            ("jindu_replica_lag_bytes", "Their bytes.", "gauge", copy.lag_bytes),
            ("jindu_replica_apply_rows_per_second", "Rows changed, of late.", "gauge", copy.rows_per_second),
            ("jindu_replica_quarantine_lost", "Bad rows past the quarantine's bound.", "gauge", copy.quarantine_lost),
            ("jindu_replica_held", "1 while a batch waits for a person.", "gauge", copy.held),
            ("jindu_replica_rebuilds_total", "Copies of everything swapped in.", "counter", copy.rebuilds),
            ("jindu_replica_damaged", "Faults that the last scrub found.", "gauge", copy.damaged),
        ] {
            page.head(name, help, kind);
            page.sample(name, "", format_args!("{value}"));
        }
        if let Some(age) = copy.scrub_age {
            page.head("jindu_replica_scrub_age_seconds", "Since the last whole scrub.", "gauge");
            page.sample("jindu_replica_scrub_age_seconds", "", format_args!("{}", age.as_secs()));
        }
        page.head("jindu_replica_alarm", "Conditions that last, by kind: see jindu replica status.", "gauge");
        for kind in &copy.alarms {
            page.sample("jindu_replica_alarm", &format!("{{kind=\"{kind}\"}}"), format_args!("1"));
        }
    }

    fn render_upstream(&self, page: &mut Page) {
        page.gauge("jindu_upstream_streaming", "1 while a PostgreSQL server is followed.", &self.upstream_streaming);
        page.gauge("jindu_upstream_copying", "1 while its table is copied.", &self.upstream_copying);
        page.gauge("jindu_upstream_copied_rows", "Rows of the copy being made.", &self.upstream_copied_rows);
        page.gauge("jindu_upstream_lag_milliseconds", "Commit to sending, of the last one.", &self.upstream_lag_ms);
        page.counter("jindu_upstream_connects_total", "Streams begun.", &self.upstream_connects);
        page.counter("jindu_upstream_transactions_total", "Transactions applied.", &self.upstream_transactions);
        page.counter("jindu_upstream_changes_total", "Changes applied.", &self.upstream_changes);
        page.counters("jindu_upstream_troubles_total", "Why it was not followed, by kind.", &self.upstream_troubles);
    }

    fn render_web(&self, page: &mut Page) {
        page.counters2("jindu_scans_total", "Scans, by way in and result.", &self.scans);
        page.counters2("jindu_ratings_total", "Ratings, by door and score.", &self.ratings);
        page.counters("jindu_http_requests_total", "HTTP requests, by class of status.", &self.http_requests);
        page.gauge("jindu_http_connections", "Open HTTP connections.", &self.http_connections);
        page.counter(
            "jindu_http_connections_refused_total",
            "HTTP connections turned away or closed for a newer one.",
            &self.http_connections_refused,
        );
        page.histogram("jindu_http_seconds", "HTTP requests, head read to reply ready.", &self.http_time);
        page.counter("jindu_journal_lost_total", "Journal records that could not be written.", &self.journal_lost);
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Takes over what another thread has counted.
    pub fn set(&self, total: u64) {
        self.0.store(total, Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A word that is a label's value: letters and digits of ours, never anything from outside.
#[derive(Debug, Default)]
pub struct Name(Mutex<String>);

impl Name {
    pub fn set(&self, name: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *held != name {
            held.clear();
            held.extend(name.chars().filter(char::is_ascii_alphanumeric));
        }
    }

    pub fn value(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An enum whose members are label values.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// All members in the order of their discriminants, and their label values.
    const ALL: &'static [&'static str];

    /// The discriminant.
    fn index(self) -> usize;
}

impl Label for Kind {
    const NAME: &'static str = "kind";
    const ALL: &'static [&'static str] = &Kind::NAMES;

    fn index(self) -> usize {
        self as usize
    }
}

/// Why a file was refused, by its place among [`Refusal::NAMES`].
#[derive(Clone, Copy, Debug)]
pub struct Refused(pub usize);

impl Label for Refused {
    const NAME: &'static str = "why";
    const ALL: &'static [&'static str] = &Refusal::NAMES;

    fn index(self) -> usize {
        self.0
    }
}

/// A counter for each member of a label.
#[derive(Debug)]
pub struct Counters<L> {
    counters: Box<[Counter]>,
    label: PhantomData<L>,
}

impl<L: Label> Default for Counters<L> {
    fn default() -> Counters<L> {
        Counters { counters: L::ALL.iter().map(|_| Counter::default()).collect(), label: PhantomData }
    }
}

impl<L: Label> Counters<L> {
    pub fn inc(&self, label: L) {
        self.add(label, 1);
    }

    pub fn add(&self, label: L, n: u64) {
        self.counters[label.index()].add(n);
    }

    /// Takes over what another thread has counted.
    pub fn set(&self, label: L, total: u64) {
        self.counters[label.index()].set(total);
    }

    pub fn value(&self, label: L) -> u64 {
        self.counters[label.index()].value()
    }
}

/// A counter for each pair of members of two labels.
#[derive(Debug)]
pub struct Counters2<A, B> {
    counters: Box<[Counter]>,
    labels: PhantomData<(A, B)>,
}

impl<A: Label, B: Label> Default for Counters2<A, B> {
    fn default() -> Counters2<A, B> {
        let size = A::ALL.len() * B::ALL.len();
        Counters2 { counters: (0..size).map(|_| Counter::default()).collect(), labels: PhantomData }
    }
}

impl<A: Label, B: Label> Counters2<A, B> {
    pub fn inc(&self, a: A, b: B) {
        self.counters[a.index() * B::ALL.len() + b.index()].inc();
    }

    pub fn value(&self, a: A, b: B) -> u64 {
        self.counters[a.index() * B::ALL.len() + b.index()].value()
    }
}

/// The bounds of a histogram's buckets.
pub trait Buckets {
    /// Upper bounds in microseconds, rising.
    const BOUNDS_US: &'static [u64];
}

/// How often a duration fell between two bounds.
#[derive(Debug)]
pub struct Histogram<B> {
    /// One for each bound, and one for what is above the last.
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
    bounds: PhantomData<B>,
}

impl<B: Buckets> Default for Histogram<B> {
    fn default() -> Histogram<B> {
        let counts = (0..=B::BOUNDS_US.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { counts, sum_us: AtomicU64::new(0), bounds: PhantomData }
    }
}

impl<B: Buckets> Histogram<B> {
    pub fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = B::BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Takes over one bucket that another thread has counted; the sum is taken at the bucket's upper bound.
    pub fn set_bucket(&self, bucket: usize, total: u64) {
        let Some(count) = self.counts.get(bucket) else { return };
        let before = count.swap(total, Relaxed);
        let bound = B::BOUNDS_US.get(bucket).or(B::BOUNDS_US.last()).copied().unwrap_or(0);
        self.sum_us.fetch_add(total.saturating_sub(before) * bound, Relaxed);
    }

    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// The text under way.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.head(name, help, "counter");
        self.sample(name, "", counter.value());
    }

    fn gauge(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.head(name, help, "gauge");
        self.sample(name, "", gauge.value());
    }

    fn counters<L: Label>(&mut self, name: &str, help: &str, counters: &Counters<L>) {
        self.head(name, help, "counter");
        for (value, counter) in L::ALL.iter().zip(&counters.counters) {
            self.sample(name, &format!("{{{}=\"{value}\"}}", L::NAME), counter.value());
        }
    }

    fn counters2<A: Label, B: Label>(&mut self, name: &str, help: &str, counters: &Counters2<A, B>) {
        self.head(name, help, "counter");
        let pairs = A::ALL.iter().flat_map(|a| B::ALL.iter().map(move |b| (a, b)));
        for ((a, b), counter) in pairs.zip(&counters.counters) {
            self.sample(name, &format!("{{{}=\"{a}\",{}=\"{b}\"}}", A::NAME, B::NAME), counter.value());
        }
    }

    fn histogram<B: Buckets>(&mut self, name: &str, help: &str, histogram: &Histogram<B>) {
        self.head(name, help, "histogram");
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (n, count) in histogram.counts.iter().enumerate() {
            total += count.load(Relaxed);
            let label = match B::BOUNDS_US.get(n) {
                Some(bound) => format!("{{le=\"{}\"}}", *bound as f64 / 1e6),
                None => "{le=\"+Inf\"}".to_owned(),
            };
            self.sample(&bucket, &label, total);
        }
        let sum = histogram.sum_us.load(Relaxed);
        self.sample(&format!("{name}_sum"), "", format_args!("{}.{:06}", sum / 1_000_000, sum % 1_000_000));
        self.sample(&format!("{name}_count"), "", total);
    }
}

/// Declares an enum and its label values together.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $label:literal { $($(#[$member_doc:meta])* $member:ident = $value:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$member_doc])* $member),+ }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [&'static str] = &[$($value),+];

            fn index(self) -> usize {
                self as usize
            }
        }

        impl $name {
            /// The label's value, which is also the word for it in logs and the journal.
            pub fn code(self) -> &'static str {
                <$name as Label>::ALL[self as usize]
            }
        }
    };
}

macro_rules! buckets {
    ($($(#[$doc:meta])* $name:ident = $bounds:expr;)+) => {
        $($(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Buckets for $name {
            const BOUNDS_US: &'static [u64] = &$bounds;
        })+
    };
}

impl Label for CallOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [&'static str] = &["finished", "hung_up", "transferred", "abandoned", "refused", "failed"];

    fn index(self) -> usize {
        self as usize
    }
}

impl Label for KeySource {
    const NAME: &'static str = "source";
    const ALL: &'static [&'static str] = &["rtp", "info", "tone"];

    fn index(self) -> usize {
        self as usize
    }
}

impl Label for LookUpResult {
    const NAME: &'static str = "result";
    const ALL: &'static [&'static str] = &["found", "not_found", "too_old", "down", "handed_over"];

    fn index(self) -> usize {
        self as usize
    }
}

label! {
    /// How a transfer ended.
    TransferResult, "result" { Done = "done", Busy = "busy", Failed = "failed" }
}
label! {
    /// How an operator's sign-in by telephone ended.
    SignInResult, "result" { Welcome = "welcome", Refused = "refused", Locked = "locked", Failed = "failed" }
}
label! {
    /// What became of a take by telephone; each is stored as a draft before it is kept or discarded.
    TakeEnd, "end" {
        Stored = "stored", Kept = "kept", Discarded = "discarded",
        /// The call ended during it; it is a draft.
        HungUp = "hung_up",
        /// The program ended during it; it is a draft since the next start.
        Recovered = "recovered",
        Failed = "failed",
    }
}
label! {
    /// By which door a question came.
    Door, "door" { Phone = "phone", Scan = "scan" }
}
label! {
    /// Whether the cache knew.
    CacheResult, "result" { Hit = "hit", Miss = "miss", Joined = "joined" }
}
label! {
    /// Which way a packet went.
    Direction, "direction" { Sent = "sent", Received = "received" }
}
label! {
    /// SIP methods.
    SipMethod, "method" {
        Invite = "invite", Ack = "ack", Bye = "bye", Cancel = "cancel", Options = "options", Info = "info",
        Update = "update", Refer = "refer", Notify = "notify", Register = "register", Other = "other",
    }
}
label! {
    /// Why a SIP message was dropped unanswered.
    SipDrop, "reason" {
        /// From an address that is no trunk.
        Stranger = "stranger",
        Malformed = "malformed",
        /// A response or ACK of no call.
        Stray = "stray",
        /// More than its call could take.
        Full = "full",
    }
}
label! {
    /// What became of a change batch.
    BatchResult, "result" { Applied = "applied", Repeated = "repeated", Refused = "refused", Failed = "failed" }
}
label! {
    /// How a code came in at the scan door.
    ScanPath, "path" { Code = "code", Image = "image", Speech = "speech" }
}
label! {
    /// What a scan gave.
    ScanResult, "result" {
        Found = "found", NotFound = "not_found", Unavailable = "unavailable", Waybill = "waybill",
        IdCard = "id_card", Unreadable = "unreadable", NoBarcode = "no_barcode", Limited = "limited",
    }
}
label! {
    /// A person's score.
    Score, "score" { Satisfied = "satisfied", Fair = "fair", NotSatisfied = "not_satisfied" }
}
label! {
    /// The class of an HTTP status.
    HttpClass, "class" { Success = "2xx", NotModified = "3xx", Refused = "4xx", Failed = "5xx" }
}

buckets! {
    /// Up to the 15 s of GB/T 33358.
    AnswerTimes = [500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 15_000_000];
    /// Seconds to the longest call.
    CallLengths = [5_000_000, 10_000_000, 20_000_000, 30_000_000, 60_000_000, 120_000_000, 300_000_000, 600_000_000, 1_800_000_000];
    /// From a row in the page cache to a look-up that is given up.
    LookUpTimes = [10, 20, 50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];
    /// A packet interval is 20 ms.
    Latenesses = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000];
    /// From a cached reply to a photograph.
    HttpTimes = [20, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];
}

impl From<Transferred> for TransferResult {
    fn from(how: Transferred) -> TransferResult {
        match how {
            Transferred::Done => TransferResult::Done,
            Transferred::Busy => TransferResult::Busy,
            Transferred::Failed => TransferResult::Failed,
        }
    }
}

impl Score {
    /// The score of a key: 1 satisfied, 2 fair, any other not satisfied.
    pub fn of(key: u8) -> Score {
        match key {
            1 => Score::Satisfied,
            2 => Score::Fair,
            _ => Score::NotSatisfied,
        }
    }
}

impl From<&Method> for SipMethod {
    fn from(method: &Method) -> SipMethod {
        match method {
            Method::Invite => SipMethod::Invite,
            Method::Ack => SipMethod::Ack,
            Method::Bye => SipMethod::Bye,
            Method::Cancel => SipMethod::Cancel,
            Method::Options => SipMethod::Options,
            Method::Info => SipMethod::Info,
            Method::Update => SipMethod::Update,
            Method::Refer => SipMethod::Refer,
            Method::Notify => SipMethod::Notify,
            Method::Register => SipMethod::Register,
            Method::Prack | Method::Subscribe | Method::Message | Method::Publish | Method::Other(_) => {
                SipMethod::Other
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_gauges_are_rendered_with_their_labels() {
        let metrics = Metrics::new();
        metrics.calls.inc(CallOutcome::Finished);
        metrics.calls.inc(CallOutcome::Finished);
        metrics.calls_in_progress.add(3);
        metrics.look_ups.inc(Door::Scan, LookUpResult::NotFound);
        let text = metrics.render(0);
        assert!(text.contains("jindu_calls_total{outcome=\"finished\"} 2\n"));
        assert!(text.contains("jindu_calls_total{outcome=\"refused\"} 0\n"));
        assert!(text.contains("jindu_calls_in_progress 3\n"));
        assert!(text.contains("jindu_lookups_total{door=\"scan\",result=\"not_found\"} 1\n"));
        assert!(text.contains("jindu_lookups_total{door=\"phone\",result=\"not_found\"} 0\n"));
    }

    #[test]
    fn a_histogram_counts_upwards_and_ends_with_all() {
        let metrics = Metrics::new();
        for ms in [1, 1, 7, 60_000] {
            metrics.answer_time.observe(Duration::from_millis(ms));
        }
        let text = metrics.render(0);
        assert!(text.contains("jindu_answer_seconds_bucket{le=\"0.001\"} 2\n"));
        assert!(text.contains("jindu_answer_seconds_bucket{le=\"0.01\"} 3\n"));
        assert!(text.contains("jindu_answer_seconds_bucket{le=\"15\"} 3\n"));
        assert!(text.contains("jindu_answer_seconds_bucket{le=\"+Inf\"} 4\n"));
        assert!(text.contains("jindu_answer_seconds_sum 60.009000\n"));
        assert!(text.contains("jindu_answer_seconds_count 4\n"));
        assert_eq!(metrics.answer_time.count(), 4);
    }

    #[test]
    fn the_age_of_the_replica_is_told_once_it_is_known() {
        let metrics = Metrics::new();
        assert!(!metrics.render(1_000_000).contains("jindu_replica_age_seconds"));
        metrics.replica_as_of_ms.set(1_000_000);
        assert!(metrics.render(1_061_500).contains("jindu_replica_age_seconds 61.500\n"));
        assert!(metrics.render(900_000).contains("jindu_replica_age_seconds 0.000\n"));
    }

    #[test]
    fn every_line_is_a_comment_or_a_sample_and_every_name_has_its_type_once() {
        let text = Metrics::new().render(1);
        let mut types = std::collections::BTreeSet::new();
        for line in text.lines() {
            match line.strip_prefix("# ") {
                Some(comment) if comment.starts_with("TYPE") => assert!(types.insert(comment.to_owned()), "{line}"),
                Some(comment) => assert!(comment.starts_with("HELP ") && comment.ends_with('.'), "{line}"),
                None => {
                    let (name, value) = line.rsplit_once(' ').unwrap();
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                    assert!(name.starts_with("jindu_"), "{line}");
                }
            }
        }
    }
}
