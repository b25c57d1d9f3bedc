//! What an operator sees as numbers: one registry of typed fields, rendered as Prometheus text (exposition format 0.0.4).
//!
//! Everybody bumps the fields they know; nobody looks a name up. Labels are enums, so a series that nobody meant cannot
//! come into being, and no value of a caller or a receipt can become a label.

mod instruments;
mod labels;
mod page;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use self::instruments::{Counter, Counters, Counters2, Gauge, Histogram, Name};
pub use self::labels::{
    AnswerTimes, BatchResult, CacheResult, CallLengths, Direction, Door, HttpClass, HttpTimes, Latenesses, LookUpTimes,
    Refused, ScanPath, ScanResult, Score, SignInResult, SipDrop, SipMethod, TakeEnd, TransferResult,
};
use self::page::Page;
pub use call::KeySource;
pub use inquiry::{CallOutcome, LookUpResult};
use replica::upstream::UpstreamErrorKind;

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
    pub upstream_troubles: Counters<UpstreamErrorKind>,
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
