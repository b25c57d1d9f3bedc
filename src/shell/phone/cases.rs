//! Look-ups by telephone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use base::Private;
use flow::sheet::{Db, Records};
use flow::{Caller, Findings, Release};
use inquiry::{
    AgeLimits, Answer, Keys, LookUp, LookUpResult, PhoneClient, PhoneLimiter, PhoneLimits, Query, Reading, Rules,
};
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
    keys: Arc<Keys>,
    limiter: Mutex<PhoneLimiter>,
}

/// What a call asks.
pub(crate) struct LookUpRequest<'a> {
    pub rules: &'a Rules,
    /// The office's time zone, for today's date.
    pub zone: &'a TimeZone,
    /// The flow's name for where to look.
    pub source: &'a str,
    /// What the caller keyed in, by field.
    pub by: &'a BTreeMap<Arc<str>, Private<String>>,
    /// [`Keys::asker`] of the calling number.
    pub caller: Option<u64>,
}

impl Cases {
    /// Answers one look-up. `age_limits` is called once the answer is there: the release may have changed since.
    pub(crate) async fn look_up(
        &self,
        request: LookUpRequest<'_>,
        age_limits: impl FnOnce() -> AgeLimits,
    ) -> (Findings, LookUpResult) {
        match self {
            Cases::Copy(look_ups) => look_ups.answer(request, age_limits).await,
            Cases::Staged(stage) => {
                let (findings, delay) = stage.find(request.source, request.by);
                tokio::time::sleep(delay).await;
                let result = call::result_of(&findings);
                (findings, result)
            }
        }
    }
}

impl LookUps {
    /// Look-ups in a replica; `keys` hash callers and receipts.
    pub fn new(replica: Arc<Replica>, keys: Arc<Keys>, limits: PhoneLimits) -> LookUps {
        LookUps { replica, keys, limiter: Mutex::new(PhoneLimiter::new(limits)) }
    }

    async fn answer(
        &self,
        request: LookUpRequest<'_>,
        age_limits: impl FnOnce() -> AgeLimits,
    ) -> (Findings, LookUpResult) {
        let query = call::query(request.rules, request.by);
        let receipt = query.as_ref().map(|query| query.receipt.number.expose().as_str());
        let client = PhoneClient::new(&self.keys, request.caller, receipt);
        let Ok(look_up) = self.limited(|limiter| LookUp::begin(limiter, clock::now(), client, query)) else {
            return (Findings::Many, LookUpResult::HandedOver);
        };
        let answer = match look_up.query() {
            Some(Query { receipt, proof }) => self.replica.look_up(receipt, proof).await,
            None => Answer::NotFound,
        };
        let reading = Reading { answer, as_of: self.replica.as_of(), now: self.replica.now() };
        let (now, age_limits) = (clock::now(), age_limits());
        let outcome = self.limited(|limiter| look_up.finish(limiter, now, reading, age_limits));
        let today = clock::local(request.zone).date();
        let (findings, _) = call::findings(request.rules, &outcome.answer, today, self.replica.now());
        (findings, outcome.result)
    }

    fn limited<T>(&self, with: impl FnOnce(&mut PhoneLimiter) -> T) -> T {
        with(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The state of a call that a sheet describes.
pub struct Stage {
    /// Whose sources the sheet's records are looked up by.
    pub release: Arc<Release>,
    /// When calls are made, whatever the clock says.
    pub civil: DateTime,
    /// What is known of the caller.
    pub caller: Caller,
    records: Mutex<Records>,
}

impl Stage {
    /// A call without records; [`Stage::apply`] adds them.
    pub fn new(release: Arc<Release>, civil: DateTime, caller: Caller) -> Stage {
        Stage { release, civil, caller, records: Mutex::default() }
    }

    /// Applies a `db` line.
    pub fn apply(&self, db: &Db) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).apply(db);
    }

    /// What a look-up finds, and how long that takes.
    pub fn find(&self, source: &str, by: &BTreeMap<Arc<str>, Private<String>>) -> (Findings, Duration) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        (records.find(&self.release.flow, source, by), records.delay())
    }
}
