//! Metrics in the Prometheus text format, version 0.0.4.
//!
//! ```text
//!  calls, look-ups, HTTP ──► Metrics: instruments that any thread changes ──┐
//!                                                                           ├──► Registry::render ──► Page
//!  replica, media, journal, disk ──► Collect: read at the moment of a page ─┘
//! ```
//!
//! Code changes the fields it knows; no metric is found by its name. Labels are enums or words of this program, so no
//! unplanned series can appear, and no caller's number or receipt can become a label.

mod instruments;
mod labels;
mod page;
mod registry;

use inquiry::CallRecord;

pub use self::instruments::{Buckets, Counter, Counters, Counters2, Gauge, Histogram, Label};
pub use self::labels::{
    AnswerTimes, CallLengths, CallSrtp, Door, HttpClass, HttpTimes, LookUpTimes, RoundTrips, Scores, SignInResult,
    SipDrop, SipMethod, TakeEnd, TransferResult,
};
pub use self::page::Page;
pub use self::registry::{Collect, Registry};
pub use call::{KeySource, Rejection};
pub use inquiry::{CallOutcome, LookUpResult, ScanPath, ScanResult, Score};

/// What is counted as it happens.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Calls that ended, and those rejected before they began.
    pub calls: Counters<CallOutcome>,
    /// Calls that are connected or being answered.
    pub calls_in_progress: Gauge,
    /// INVITE received to 200 sent.
    pub answer_time: Histogram<AnswerTimes>,
    /// From the INVITE to the end.
    pub call_length: Histogram<CallLengths>,
    /// Keys that callers pressed.
    pub keys: Counters<KeySource>,
    /// Transfers to a person.
    pub transfers: Counters<TransferResult>,
    /// Operators who sign in to record by telephone.
    pub phone_sign_ins: Counters<SignInResult>,
    /// Takes recorded by telephone.
    pub takes_by_phone: Counters<TakeEnd>,
    /// Look-ups of both doors.
    pub look_ups: Counters2<Door, LookUpResult>,
    /// By telephone every look-up, by scan those that were not in memory.
    pub look_up_time: Histogram<LookUpTimes>,
    /// Sent packets that peers did not receive, as the last RTCP report of each call says (RFC 3550 §6.4.1).
    pub peer_packets_lost: Counter,
    /// The last round trip that RTCP measured in each call (RFC 3550 §6.4.1).
    pub round_trip: Histogram<RoundTrips>,
    /// How good calls sounded, by the E-model (ITU-T G.107): mean opinion scores.
    pub mos: Histogram<Scores>,
    /// Calls by how their media was protected.
    pub call_srtp: Counters<CallSrtp>,
    /// SIP requests received.
    pub sip_requests: Counters<SipMethod>,
    /// SIP messages dropped before any state was made.
    pub sip_dropped: Counters<SipDrop>,
    /// New calls rejected because more came than are answered in time.
    pub calls_shed: Counter,
    /// Scans.
    pub scans: Counters2<ScanPath, ScanResult>,
    /// Ratings by callers and at kiosks.
    pub ratings: Counters2<Door, Score>,
    /// HTTP requests.
    pub http_requests: Counters<HttpClass>,
    /// Open HTTP connections.
    pub http_connections: Gauge,
    /// Connections rejected, or closed for a newer one.
    pub http_connections_refused: Counter,
    /// Head read to reply ready.
    pub http_time: Histogram<HttpTimes>,
}

impl Metrics {
    /// Every count at zero.
    pub fn new() -> Metrics {
        Metrics::default()
    }

    /// Counts a call that ended.
    pub fn call_ended(&self, record: &CallRecord) {
        self.calls.inc(record.outcome);
        self.call_length.observe(record.duration);
        self.call_srtp.inc(CallSrtp::of(record.srtp));
        if let Some(rating) = record.rating {
            self.ratings.inc(Door::Phone, Score::of(rating));
        }
        self.peer_packets_lost.add(record.peer_packets_lost.unwrap_or(0).into());
        if let Some(round_trip) = record.round_trip {
            self.round_trip.observe(round_trip);
        }
        if let Some(mos) = record.mos_hundredths {
            self.mos.observe_millionths(u64::from(mos) * 10_000);
        }
    }

    fn write_calls(&self, page: &mut Page) {
        self.calls.write(page, "jindu_calls_total", "Calls that ended, by outcome.");
        page.gauge("jindu_calls_in_progress", "Calls in progress.", self.calls_in_progress.value());
        self.answer_time.write(page, "jindu_answer_seconds", "INVITE received to 200 sent.");
        self.call_length.write(page, "jindu_call_seconds", "How long calls lasted.");
        self.call_srtp.write(
            page,
            "jindu_call_srtp_total",
            "Calls that ended, by the suite that protected their media.",
        );
        self.keys.write(page, "jindu_keys_total", "Keys pressed, by how they came.");
        self.transfers.write(page, "jindu_transfers_total", "Transfers to a person, by result.");
        self.phone_sign_ins.write(
            page,
            "jindu_studio_phone_sign_ins_total",
            "Operators who signed in by telephone, by result.",
        );
        self.takes_by_phone.write(
            page,
            "jindu_studio_phone_takes_total",
            "Takes by telephone, by what became of them.",
        );
        self.sip_requests.write(page, "jindu_sip_requests_total", "SIP requests received, by method.");
        self.sip_dropped.write(page, "jindu_sip_dropped_total", "SIP messages dropped unanswered, by reason.");
        page.counter(
            "jindu_calls_shed_total",
            "New calls that got 503 because more came than are answered in time.",
            self.calls_shed.value(),
        );
        page.counter(
            "jindu_rtp_peer_lost_total",
            "RTP packets sent that peers report as lost, by the last report of each call.",
            self.peer_packets_lost.value(),
        );
        self.round_trip.write(
            page,
            "jindu_rtp_round_trip_seconds",
            "Round trips to peers by RTCP, the last one measured in each call.",
        );
        self.mos.write(page, "jindu_call_mos", "Mean opinion scores of calls, estimated by the E-model (ITU-T G.107).");
    }

    fn write_look_ups(&self, page: &mut Page) {
        self.look_ups.write(page, "jindu_lookups_total", "Look-ups, by door and result.");
        self.look_up_time.write(page, "jindu_lookup_seconds", "Look-ups that were not in memory.");
    }

    fn write_web(&self, page: &mut Page) {
        self.scans.write(page, "jindu_scans_total", "Scans, by way in and result.");
        self.ratings.write(page, "jindu_ratings_total", "Ratings, by door and score.");
        self.http_requests.write(page, "jindu_http_requests_total", "HTTP requests, by class of status.");
        page.gauge("jindu_http_connections", "Open HTTP connections.", self.http_connections.value());
        page.counter(
            "jindu_http_connections_refused_total",
            "HTTP connections rejected, or closed for a newer one.",
            self.http_connections_refused.value(),
        );
        self.http_time.write(page, "jindu_http_seconds", "HTTP requests, head read to reply ready.");
    }
}

impl Collect for Metrics {
    fn collect(&self, page: &mut Page) {
        self.write_calls(page);
        self.write_look_ups(page);
        self.write_web(page);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn text(metrics: &Metrics) -> String {
        let mut page = Page::new();
        metrics.collect(&mut page);
        page.into_text()
    }

    #[test]
    fn counters_and_gauges_are_rendered_with_their_labels() {
        let metrics = Metrics::new();
        metrics.calls.inc(CallOutcome::Finished);
        metrics.calls.inc(CallOutcome::Finished);
        metrics.calls_in_progress.add(3);
        metrics.look_ups.inc(Door::Scan, LookUpResult::NotFound);
        let text = text(&metrics);
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
        let text = text(&metrics);
        assert!(text.contains("jindu_answer_seconds_bucket{le=\"0.001\"} 2\n"));
        assert!(text.contains("jindu_answer_seconds_bucket{le=\"0.01\"} 3\n"));
        assert!(text.contains("jindu_answer_seconds_bucket{le=\"15\"} 3\n"));
        assert!(text.contains("jindu_answer_seconds_bucket{le=\"+Inf\"} 4\n"));
        assert!(text.contains("jindu_answer_seconds_sum 60.009000\n"));
        assert!(text.contains("jindu_answer_seconds_count 4\n"));
        assert_eq!(metrics.answer_time.count(), 4);
    }

    #[test]
    fn a_calls_rtcp_quality_is_counted_at_its_end() {
        let metrics = Metrics::new();
        let record = CallRecord {
            tag: None,
            started: jiff::Timestamp::UNIX_EPOCH,
            answered_after: None,
            duration: Duration::from_secs(40),
            outcome: CallOutcome::Finished,
            cause: None,
            lang: None,
            release: "r".into(),
            path: Vec::new(),
            keys: 0,
            look_ups: Vec::new(),
            trunk: String::new(),
            source: String::new(),
            caller: None,
            rating: Some(2),
            peer_packets_lost: Some(3),
            round_trip: Some(Duration::from_millis(30)),
            mos_hundredths: Some(395),
            queue: None,
            handling: Vec::new(),
            recordings: Vec::new(),
            text_message: None,
            transfer: None,
            messages: Vec::new(),
            srtp: Some("AEAD_AES_128_GCM"),
        };
        metrics.call_ended(&record);
        metrics.call_ended(&CallRecord {
            peer_packets_lost: None,
            round_trip: None,
            mos_hundredths: None,
            queue: None,
            handling: Vec::new(),
            recordings: Vec::new(),
            text_message: None,
            transfer: None,
            messages: Vec::new(),
            rating: None,
            srtp: None,
            ..record
        });
        assert_eq!((metrics.calls.value(CallOutcome::Finished), metrics.peer_packets_lost.value()), (2, 3));
        assert_eq!(metrics.ratings.value(Door::Phone, Score::Fair), 1);
        let text = text(&metrics);
        assert!(text.contains("jindu_call_srtp_total{suite=\"AEAD_AES_128_GCM\"} 1\n"));
        assert!(text.contains("jindu_call_srtp_total{suite=\"none\"} 1\n"));
        assert!(text.contains("jindu_rtp_round_trip_seconds_bucket{le=\"0.05\"} 1\n"));
        assert!(text.contains("jindu_rtp_round_trip_seconds_count 1\n"));
        assert!(text.contains("jindu_call_mos_bucket{le=\"3.6\"} 0\n"));
        assert!(text.contains("jindu_call_mos_bucket{le=\"4\"} 1\n"));
        assert!(text.contains("jindu_call_mos_sum 3.950000\n"));
    }

    #[test]
    fn every_line_is_a_comment_or_a_sample_and_every_name_has_its_type_once() {
        let text = text(&Metrics::new());
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
