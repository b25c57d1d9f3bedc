//! Answers to look-ups: read from the replica, composed once, recorded. Kiosks and the public page share them.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use quick_cache::sync::Cache;

use super::backend::Backend;
use super::bounds::REPLIES_MAX;
use base::tag;
use inquiry::{Answer, Freshness, Outcome, Query, Receipt, ScanPath, ScanRecord, ScanResult, Stage};
use metrics::Registry;
use web::Kiosk;

/// Answers, with what is kept of them. One for the whole service.
pub(crate) struct Answers {
    backend: Arc<dyn Backend>,
    registry: Arc<Registry>,
    replies: Cache<ReplyKey, Bytes>,
}

/// What a reply depends on: what is said of the case, how old it is, the minute of the replica and the minute of the
/// clock. Cases of which the same is said share one reply, so that a few thousand replies serve every receipt.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ReplyKey {
    case: u64,
    freshness: Freshness,
    as_of_minute: i64,
    minute: i64,
}

/// A receipt as a log may name it: a keyed tag and its last four characters.
pub(crate) struct Trace {
    tag: String,
    tail: String,
}

/// What a scan or an inquiry gave, for metrics, log and journal.
pub(crate) struct Ended {
    pub trace: Option<Trace>,
    pub result: ScanResult,
    pub stage: Option<Stage>,
}

impl Answers {
    pub(crate) fn new(backend: Arc<dyn Backend>, registry: Arc<Registry>) -> Answers {
        Answers { backend, registry, replies: Cache::new(REPLIES_MAX) }
    }

    /// Reads the replica.
    pub(crate) async fn answer(&self, query: &Query) -> Answer {
        if let Some(answer) = self.backend.cached(query) {
            return answer;
        }
        let began = Instant::now();
        let answer = self.backend.look_up(query).await;
        self.registry.metrics().look_up_time.observe(began.elapsed());
        answer
    }

    /// The reply's body, composed or kept.
    pub(crate) fn body(&self, outcome: &Outcome) -> Bytes {
        let now = self.backend.now();
        let compose = || Bytes::from(self.backend.show(outcome, now).to_json());
        let Answer::Found { case, as_of } = &outcome.answer else { return compose() };
        let minute = |at: &Timestamp| at.as_second().div_euclid(60);
        let key = ReplyKey {
            case: self.backend.key(case, now),
            freshness: outcome.freshness,
            as_of_minute: minute(as_of),
            minute: minute(&now),
        };
        self.replies.get(&key).unwrap_or_else(|| {
            let body = compose();
            self.replies.insert(key, body.clone());
            body
        })
    }

    /// Notes a scan or an inquiry in metrics, log and journal.
    pub(crate) fn record(&self, began: Instant, kiosk: &Kiosk, path: ScanPath, ended: Ended) {
        let Ended { trace, result, stage } = ended;
        let duration = began.elapsed();
        self.registry.metrics().scans.inc(path, result);
        let (tag, tail) = trace.as_ref().map_or(("-", "-"), |trace| (&*trace.tag, &*trace.tail));
        let took_us = duration.as_micros() as u64;
        tracing::info!(%kiosk, path = path.name(), receipt = tag, tail, result = result.name(), took_us, "scan");
        let (at, kiosk) = (self.backend.now(), kiosk.as_str().to_owned());
        self.backend.record(ScanRecord { at, kiosk, path, result, stage, receipt: None, duration });
    }

    /// Notes a rejection in metrics and log; the journal keeps none, so that a flood cannot fill it.
    pub(crate) fn record_rejection(&self, kiosk: &Kiosk, path: ScanPath) {
        let result = ScanResult::LookUp(inquiry::LookUpResult::Rejected);
        self.registry.metrics().scans.inc(path, result);
        tracing::info!(%kiosk, path = path.name(), result = result.name(), "scan");
    }
}

impl Trace {
    pub(crate) fn of(receipt: &Receipt) -> Trace {
        let number = receipt.number.expose();
        let tail = number.char_indices().rev().nth(3).map_or("", |(at, _)| &number[at..]);
        Trace { tag: tag(number), tail: tail.to_owned() }
    }
}
