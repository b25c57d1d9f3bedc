//! Collectors of the node: what other wings count, read at the moment that `/metrics` is asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;

use browser_phone::BrowserTelephones;
use call::SrtpDrop;
use journal::{JournalMetrics, MessagesWatch};
use media::{LATENESS_BOUNDS_MS, MediaIoInUse, MediaMetrics};
use metrics::{Collect, Counters, Label, Page, Score};
use os::clock;
use os::folder;
use phone::{HepExporter, LiveRelease, PeerState, QueueHandle, Registry, Traces, TrunkState, Trunks, agent_state_name};
use queue::QueueFigures;
use replica_store::{Rejection, Replica, ReplicaMetrics, postgres::UpstreamMetrics};
use sms_service::SmsService;

/// What runs here, the disk, and how many calls there may be.
pub(crate) struct NodeCollector {
    pub registry: Arc<Registry>,
    pub live: Arc<ArcSwap<LiveRelease>>,
    /// The data folder, for its disk.
    pub folder: PathBuf,
}

impl Collect for NodeCollector {
    fn collect(&self, page: &mut Page) {
        let capacity = self.registry.capacity();
        page.info(
            "jindu_info",
            "1; its labels say what runs here.",
            &[("version", env!("CARGO_PKG_VERSION")), ("release", self.live.load().short_name())],
        );
        page.gauge(
            "jindu_draining",
            "1 while the node takes no new calls and finishes those that it has.",
            u8::from(capacity.draining),
        );
        page.gauge(
            "jindu_emergency_notice",
            "1 while callers hear the emergency notice.",
            u8::from(self.registry.emergency()),
        );
        if let Some(days) = self.live.load().calendar_days_left(clock::timestamp()) {
            let help = "Days to the last one of the working calendar; negative past its end.";
            page.gauge("jindu_calendar_days_left", help, days);
        }
        let free = folder::free_bytes(&self.folder).unwrap_or(0);
        page.gauge("jindu_disk_free_bytes", "Room on the disk of the data folder.", free);
        page.gauge("jindu_calls_max", "Calls that there may be at once.", capacity.calls_max);
    }
}

/// Calls and peers of each trunk.
pub(crate) struct TrunkCollector(pub(crate) Arc<Trunks>);

impl Collect for TrunkCollector {
    fn collect(&self, page: &mut Page) {
        let states = || self.0.states().iter().enumerate();
        page.samples(
            "jindu_trunk_calls",
            "Calls in progress, by trunk.",
            states().map(|(n, state)| (vec![("trunk", state.settings.name.as_str())], self.0.calls(n) as u64)),
        );
        page.samples(
            "jindu_trunk_calls_max",
            "Calls that a trunk may have at once.",
            states().map(|(_, state)| (vec![("trunk", state.settings.name.as_str())], state.settings.calls_max as u64)),
        );
        page.samples(
            "jindu_trunk_calls_total",
            "Calls that ended, by trunk and outcome.",
            states().flat_map(|(_, state)| by_label(state, &state.outcomes)),
        );
        page.samples(
            "jindu_trunk_refused_total",
            "Calls refused before they began, by trunk and reason.",
            states().flat_map(|(_, state)| by_label(state, &state.refused)),
        );
        let peers: Vec<(&TrunkState, String, PeerState)> = states()
            .flat_map(|(_, state)| {
                state.peers.iter().map(move |peer| (state, peer.address.to_string(), peer.state().0))
            })
            .filter(|(_, _, state)| *state != PeerState::Unknown)
            .collect();
        page.samples(
            "jindu_trunk_peer_up",
            "1 while a peer that is asked by OPTIONS takes calls.",
            peers.iter().map(|(trunk, peer, state)| {
                let labels = vec![("trunk", trunk.settings.name.as_str()), ("peer", peer.as_str())];
                (labels, u64::from(*state == PeerState::Reachable))
            }),
        );
    }
}

/// The telephones in agents' browsers; none: the node has no queue.
pub(crate) struct BrowserCollector(pub(crate) Option<Arc<BrowserTelephones>>);

impl Collect for BrowserCollector {
    fn collect(&self, page: &mut Page) {
        if let Some(browsers) = &self.0 {
            page.gauge("jindu_browser_telephones", "Agents whose telephone is a browser.", browsers.count());
        }
    }
}

/// Callers who wait, and agents.
pub(crate) struct QueueCollector(pub(crate) QueueHandle);

impl Collect for QueueCollector {
    fn collect(&self, page: &mut Page) {
        let status = self.0.status();
        let each = |value: fn(&QueueFigures) -> u64| {
            status.queues.iter().map(move |queue| (vec![("queue", &*queue.queue)], value(queue)))
        };
        page.samples("jindu_queue_waiting", "Callers who wait for an agent.", each(|queue| queue.waiting as u64));
        page.samples(
            "jindu_queue_longest_wait_seconds",
            "How long the first of them has waited.",
            each(|queue| queue.longest_wait.as_secs()),
        );
        page.samples("jindu_queue_joined_total", "Callers who joined a queue.", each(|queue| queue.joined));
        page.samples("jindu_queue_refused_total", "Callers whom a queue did not take.", each(|queue| queue.refused));
        page.samples("jindu_queue_answered_total", "Callers who were connected.", each(|queue| queue.answered));
        page.samples(
            "jindu_queue_answered_in_time_total",
            "Callers who were connected within the time of the service level.",
            each(|queue| queue.answered_in_time),
        );
        page.samples(
            "jindu_queue_abandoned_total",
            "Callers who hung up while they waited.",
            each(|queue| queue.abandoned),
        );
        let with_lines = || status.queues.iter().filter(|queue| queue.lines.all > 0);
        page.samples(
            "jindu_queue_lines",
            "Lines to a call centre elsewhere, by what they do.",
            with_lines().flat_map(|queue| {
                let lines = queue.lines;
                let idle = lines.all.saturating_sub(lines.busy + lines.resting);
                [("idle", idle), ("busy", lines.busy), ("resting", lines.resting)]
                    .map(|(state, count)| (vec![("queue", &*queue.queue), ("state", state)], count as u64))
            }),
        );
        page.samples(
            "jindu_queue_ratings_total",
            "Scores of callers whom agents served, by queue.",
            status.queues.iter().flat_map(|queue| {
                let scores = Score::ALL.map(Score::name).into_iter().zip(queue.ratings);
                scores.map(move |(score, count)| (vec![("queue", &*queue.queue), ("score", score)], count))
            }),
        );
        let mut agents: BTreeMap<&str, u64> = BTreeMap::new();
        for agent in &status.agents {
            *agents.entry(agent_state_name(&agent.state)).or_default() += 1;
        }
        page.samples(
            "jindu_agents",
            "Agents, by what they do.",
            agents.into_iter().map(|(state, count)| (vec![("state", state)], count)),
        );
        let open = [("waiting", status.call_backs.waiting), ("calling", status.call_backs.calling)];
        let done = status.call_backs.done.iter().map(|(outcome, count)| (*outcome, *count));
        page.samples(
            "jindu_call_backs",
            "Call-back requests: those that wait, and those of the last 24 hours that are over.",
            open.into_iter().chain(done).map(|(state, count)| (vec![("state", state)], count as u64)),
        );
    }
}

/// Text messages; none: the settings name no carrier.
pub(crate) struct SmsCollector(pub(crate) Option<Arc<SmsService>>);

impl Collect for SmsCollector {
    fn collect(&self, page: &mut Page) {
        let figures = self.0.as_ref().map(|sms| sms.figures()).unwrap_or_default();
        page.samples(
            "jindu_sms_total",
            "Text messages since the start, by what became of them; one counts under each outcome that it has had.",
            figures.outcomes().into_iter().map(|(outcome, count)| (vec![("outcome", outcome)], count)),
        );
        page.gauge("jindu_sms_waiting", "Text messages that wait for the carrier.", figures.waiting);
        let since = figures.carrier.unreachable_since_ms;
        let unreachable = since.map_or(0, |since| clock::steady().as_millisecond().saturating_sub(since) / 1000);
        page.gauge(
            "jindu_sms_carrier_unreachable_seconds",
            "For how long the carrier of text messages has been unreachable; 0 while it is not.",
            unreachable.max(0),
        );
    }
}

/// Messages that were captured.
pub(crate) struct CaptureCollector {
    pub hep: Option<Arc<HepExporter>>,
    pub traces: Arc<Traces>,
}

impl Collect for CaptureCollector {
    fn collect(&self, page: &mut Page) {
        let counts = self.hep.as_ref().map(|hep| hep.counts());
        let (sent, dropped) = counts.map_or((0, 0), |counts| (counts.sent.value(), counts.dropped.value()));
        page.counter("jindu_hep_sent_total", "SIP messages sent to the HEP collector.", sent);
        page.counter("jindu_hep_dropped_total", "SIP messages that the HEP collector was to get and did not.", dropped);
        page.counter("jindu_traces_total", "Traces of calls that were started.", self.traces.started.value());
    }
}

fn by_label<'a, L: Label>(
    trunk: &'a TrunkState,
    counters: &'a Counters<L>,
) -> impl Iterator<Item = (Vec<(&'a str, &'a str)>, u64)> {
    L::ALL.iter().map(move |label| {
        let labels = vec![("trunk", trunk.settings.name.as_str()), (L::NAME, label.value())];
        (labels, counters.value(*label))
    })
}

/// RTP on the media threads.
pub(crate) struct MediaCollector {
    pub counters: Arc<MediaMetrics>,
    /// By thread.
    pub in_use: Vec<MediaIoInUse>,
}

impl Collect for MediaCollector {
    fn collect(&self, page: &mut Page) {
        let media = &*self.counters;
        page.gauges(
            "jindu_media_threads",
            "Media threads, by how they read and write their sockets.",
            "io",
            MediaIoInUse::NAMES.map(|name| (name, self.in_use.iter().filter(|in_use| in_use.name == name).count())),
        );
        page.counters(
            "jindu_rtp_packets_total",
            "RTP packets, by direction.",
            "direction",
            [("sent", read(&media.packets_sent)), ("received", read(&media.packets_received))],
        );
        let bounds_us = LATENESS_BOUNDS_MS.map(|ms| ms * 1_000);
        let counts: Vec<u64> = media.lateness.iter().map(read).collect();
        // Only counts are kept: each packet is taken to be as late as its bucket's upper bound.
        let longest = bounds_us.last().copied().unwrap_or(0);
        let upper = bounds_us.iter().copied().chain(std::iter::once(longest));
        let sum_us = counts.iter().zip(upper).map(|(count, bound)| count * bound).sum();
        page.histogram(
            "jindu_rtp_lateness_seconds",
            "Sent packets against their schedule.",
            &bounds_us,
            &counts,
            sum_us,
        );
        let skipped = read(&media.packets_skipped);
        page.counter("jindu_rtp_skipped_total", "RTP packets not sent because their time had passed.", skipped);
        let lost = read(&media.packets_lost);
        page.counter("jindu_rtp_lost_total", "RTP packets that never came, by sequence numbers.", lost);
        page.counters(
            "jindu_srtp_dropped_total",
            "Packets of protected streams that were dropped, by reason.",
            "reason",
            SrtpDrop::ALL.map(SrtpDrop::name).into_iter().zip(media.srtp_dropped.iter().map(read)),
        );
    }
}

/// The replica, its feed and its upstream.
pub(crate) struct ReplicaCollector(pub(crate) Arc<Replica>);

impl Collect for ReplicaCollector {
    fn collect(&self, page: &mut Page) {
        let counted = self.0.metrics();
        write_cache(page, &counted);
        // By the upstream's time: this node's clock may be set wrong.
        if let Some(age) = self.0.age() {
            page.gauge_seconds("jindu_replica_age_seconds", "Since the upstream last vouched for the replica.", age);
        }
        write_changes(page, &counted);
        write_feed(page, &counted);
        if let Some(at) = counted.scrubbed() {
            let age = inquiry::age(at, clock::timestamp()).as_secs();
            page.gauge("jindu_replica_scrub_age_seconds", "Since the last complete scrub.", age);
        }
        let alarms = self.0.alarms();
        page.states(
            "jindu_replica_alarm",
            "Conditions that last, by kind: see jindu replica status.",
            "kind",
            alarms.iter().map(|alarm| alarm.kind.as_str()),
        );
        write_upstream(page, &counted.upstream);
    }
}

/// The journal.
pub(crate) struct JournalCollector {
    pub metrics: Arc<JournalMetrics>,
    pub messages: Arc<MessagesWatch>,
}

impl Collect for JournalCollector {
    fn collect(&self, page: &mut Page) {
        let lost = read(&self.metrics.dropped);
        page.counter("jindu_journal_lost_total", "Journal records that could not be written.", lost);
        let waiting = self.messages.waiting();
        page.gauge("jindu_messages_waiting", "Messages of callers that are not done.", waiting.count);
        page.gauge_seconds(
            "jindu_messages_oldest_seconds",
            "How long the oldest of them has waited; 0 where none waits.",
            waiting.oldest_for(clock::timestamp()).unwrap_or_default(),
        );
        let held = read(&self.metrics.deletion_held);
        page.gauge("jindu_journal_deletion_held", "1 while a mass deletion by age waits for a person.", held);
    }
}

fn write_cache(page: &mut Page, counted: &ReplicaMetrics) {
    page.counters(
        "jindu_cache_total",
        "Look-ups in the memory cache, by result.",
        "result",
        // A look-up that joins another one's read counts as a miss.
        [("hit", read(&counted.cache_hits)), ("miss", read(&counted.cache_misses)), ("joined", 0)],
    );
}

fn write_changes(page: &mut Page, counted: &ReplicaMetrics) {
    page.gauge("jindu_replica_cases", "Cases in the replica.", read(&counted.rows));
    page.counters(
        "jindu_replica_batches_total",
        "Change batches, by result.",
        "result",
        // Repeated batches count as applied, and failed ones as refused.
        [
            ("applied", read(&counted.batches_applied)),
            ("repeated", 0),
            ("refused", read(&counted.batches_rejected)),
            ("failed", 0),
        ],
    );
    page.gauge("jindu_replica_quarantined", "Rows that could not be read.", read(&counted.quarantined));
    page.counter("jindu_replica_rows_total", "Rows changed.", read(&counted.rows_applied));
    page.counter(
        "jindu_replica_rows_of_no_format_total",
        "Rows changed that no caller can ask for: their number or second factor is of no receipt format.",
        read(&counted.rows_of_no_format),
    );
    for (name, help, value) in [
        ("jindu_replica_lag_rows", "Changes on their way, as far as the source knows.", &counted.lag_rows),
        ("jindu_replica_lag_bytes", "Bytes of the changes on their way.", &counted.lag_bytes),
        ("jindu_replica_apply_rows_per_second", "Rows changed a second, recently.", &counted.rows_per_second),
        ("jindu_replica_quarantine_lost", "Bad rows beyond the quarantine's bound.", &counted.quarantine_lost),
        ("jindu_replica_held", "1 while a batch waits for an operator.", &counted.held),
        ("jindu_replica_damaged", "Faults that the last scrub found.", &counted.damaged),
    ] {
        page.gauge(name, help, read(value));
    }
    page.counter("jindu_replica_rebuilds_total", "Full snapshots swapped in.", read(&counted.rebuilds));
}

fn write_feed(page: &mut Page, counted: &ReplicaMetrics) {
    let feed = &counted.feed;
    page.counters(
        "jindu_feed_refused_total",
        "Files of the spool that were refused, by reason.",
        "why",
        Rejection::NAMES.into_iter().zip(feed.rejected.iter().map(read)),
    );
    page.gauge("jindu_feed_waiting_files", "Files in the spool, not taken yet.", read(&feed.waiting_files));
}

fn write_upstream(page: &mut Page, upstream: &UpstreamMetrics) {
    for (name, help, value) in [
        ("jindu_upstream_streaming", "1 while a PostgreSQL server is followed.", &upstream.streaming),
        ("jindu_upstream_copying", "1 while its table is copied.", &upstream.copying),
        ("jindu_upstream_copied_rows", "Rows of the table copied so far.", &upstream.copied_rows),
    ] {
        page.gauge(name, help, read(value));
    }
    page.gauge("jindu_upstream_lag_milliseconds", "Commit to sending, of the last one.", upstream.lag_ms.load(Relaxed));
    page.counter("jindu_upstream_connects_total", "Streams begun.", read(&upstream.connects));
    page.counter("jindu_upstream_transactions_total", "Transactions applied.", read(&upstream.transactions));
    page.counter("jindu_upstream_changes_total", "Changes applied.", read(&upstream.changes));
    page.counters(
        "jindu_upstream_troubles_total",
        "Why it was not followed, by kind.",
        "kind",
        upstream.errors().map(|(kind, count)| (kind.name(), count)),
    );
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}
