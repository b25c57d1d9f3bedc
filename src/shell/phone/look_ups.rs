//! Look-ups by telephone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::civil::DateTime;

use super::live_release::LiveRelease;
use base::Private;
use flow::sheet::{Db, Records};
use flow::{Caller, LookUpAnswer, Release};
use inquiry::{Answer, InquiryLimiter, Keys, LookUp, LookUpResult, PhoneClient, Query, ReplicaAnswer};
use os::clock;
use replica_store::Replica;

/// Who answers.
pub enum Cases {
    /// The replica on this node.
    Copy(Box<LookUps>),
    /// A call sheet: the node rehearses.
    Staged(Arc<Stage>),
}

/// Look-ups in the replica, within the limits of the telephone.
pub struct LookUps {
    replica: Arc<Replica>,
    keys: Keys,
    live: Arc<ArcSwap<LiveRelease>>,
    limiter: Arc<Mutex<InquiryLimiter>>,
}

/// What a call asks.
pub(crate) struct LookUpRequest<'a> {
    /// The release that the call began with.
    pub live: &'a LiveRelease,
    /// The flow's name for where to look.
    pub source: &'a str,
    /// What the caller keyed in, by field.
    pub by: &'a BTreeMap<Arc<str>, Private<String>>,
    /// [`Keys::client`] of the calling number, or of the call if the caller withholds it.
    pub caller: Option<u64>,
}

impl Cases {
    /// Answers one look-up.
    pub(crate) async fn look_up(&self, request: LookUpRequest<'_>) -> (LookUpAnswer, LookUpResult) {
        match self {
            Cases::Copy(look_ups) => look_ups.answer(request).await,
            Cases::Staged(stage) => {
                let (answer, delay) = stage.find(request.source, request.by);
                tokio::time::sleep(delay).await;
                let result = call::result_of(&answer);
                (answer, result)
            }
        }
    }
}

impl LookUps {
    /// Look-ups in a replica. `keys` hash callers and receipts; ages are judged by the live release; all doors share
    /// the limiter.
    pub fn new(
        replica: Arc<Replica>,
        keys: Keys,
        live: Arc<ArcSwap<LiveRelease>>,
        limiter: Arc<Mutex<InquiryLimiter>>,
    ) -> LookUps {
        LookUps { replica, keys, live, limiter }
    }

    async fn answer(&self, request: LookUpRequest<'_>) -> (LookUpAnswer, LookUpResult) {
        let LookUpRequest { live, by, caller, .. } = request;
        let query = call::query(&live.rules, by);
        let receipt = query.as_ref().map(|query| query.receipt.number.expose().as_str());
        let client = PhoneClient::new(&self.keys, caller, receipt);
        let begin = |InquiryLimiter { phone, shared, .. }: &mut InquiryLimiter| {
            LookUp::begin(phone, shared, clock::now(), client, query)
        };
        let Ok(look_up) = self.limited(begin) else {
            return (LookUpAnswer::Ambiguous, LookUpResult::Rejected);
        };
        let answer = match look_up.query() {
            Some(Query { receipt, proof }) => self.replica.look_up(receipt, proof).await,
            None => Answer::NotFound,
        };
        let reading = ReplicaAnswer { answer, as_of: self.replica.as_of(), now: self.replica.now() };
        // The limits come from the release that is live when the answer arrives, not from the call's release.
        let (now, limits) = (clock::now(), self.live.load().release.age_limits());
        let outcome =
            self.limited(|InquiryLimiter { phone, shared, .. }| look_up.finish(phone, shared, now, reading, limits));
        let today = clock::local(&live.zone).date();
        let (answer, _) = call::findings(&live.rules, &outcome.answer, today, self.replica.now());
        if let LookUpAnswer::Found { facts, .. } = &answer
            && let Some((variable, word)) = flow::unknown_word(&live.release.flow, facts)
        {
            self.replica.report_unknown_word(&variable, &word);
        }
        (answer, outcome.result)
    }

    fn limited<T>(&self, with: impl FnOnce(&mut InquiryLimiter) -> T) -> T {
        with(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The state of a call that a sheet describes.
pub struct Stage {
    /// Its flow names the sources that are looked up.
    pub release: Arc<Release>,
    /// The local time of its calls; the clock is ignored.
    pub civil: DateTime,
    /// Its caller; the INVITE's number is ignored.
    pub caller: Caller,
    records: Mutex<Records>,
}

impl Stage {
    /// A stage without cases.
    pub fn new(release: Arc<Release>, civil: DateTime, caller: Caller) -> Stage {
        Stage { release, civil, caller, records: Mutex::default() }
    }

    /// Applies a `db` line.
    pub fn apply(&self, db: &Db) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).apply(db);
    }

    /// What a look-up finds, and how long that takes.
    pub fn find(&self, source: &str, by: &BTreeMap<Arc<str>, Private<String>>) -> (LookUpAnswer, Duration) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        (records.find(&self.release.flow, source, by), records.delay())
    }
}
