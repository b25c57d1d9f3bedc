//! One look-up, the same at every door: limit → count → read → judge the age → count a failure → record.
//!
//! ```text
//!  client, query
//!      │ LookUp::begin ── over a limit ──► Err(Rejected)      result: HandedOver, nothing is read
//!      ▼
//!   LookUp ── query() ──► the shell reads the replica ──► ReplicaAnswer
//!      │ LookUp::finish(reading, age limits)
//!      │   judges the age: in a replica that is too old, a missing number may merely not have arrived
//!      │   counts: NotFound is a failure, Found a success, Down is neither
//!      ▼
//!   Outcome { answer, freshness, result, took }                for the client, the records and the metrics
//! ```
//!
//! The doors differ in who asks and in their [`Limiter`]. The shell locks the limiter for `begin` and for `finish`, not
//! while it reads.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::age::{AgeLimits, Freshness, age};
use crate::case::{Answer, Stage};
use crate::factor::Proof;
use crate::limit::{Limiter, Rejected, SharedCounts};
use crate::receipt::Receipt;
use crate::record::LookUpResult;

/// What the replica is asked: a receipt, and the client's proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The number.
    pub receipt: Receipt,
    /// What entitles the client to the answer.
    pub proof: Proof,
}

/// What the shell read from the replica.
#[derive(Clone, Debug)]
pub struct ReplicaAnswer {
    /// [`Answer::NotFound`] if there was no query to read by.
    pub answer: Answer,
    /// When the upstream last vouched for the replica; `None`: never.
    pub as_of: Option<Timestamp>,
    /// The upstream's time, by which ages are counted.
    pub now: Timestamp,
}

/// A look-up that its door's limits permit, counted as one. Dropped without [`LookUp::finish`], it is no failure.
#[derive(Debug)]
#[must_use = "read the replica by `query` and `finish` the look-up"]
pub struct LookUp<C> {
    client: C,
    query: Option<Query>,
    began: Instant,
}

/// What a look-up came to.
#[derive(Clone, Debug)]
#[must_use = "answer the client and record the outcome"]
pub struct Outcome {
    /// What the client may hear. `freshness` decides whether a found case is disclosed in spite of its age.
    pub answer: Answer,
    /// How old the answer is.
    pub freshness: Freshness,
    /// For records and metrics.
    pub result: LookUpResult,
    /// From [`LookUp::begin`] to [`LookUp::finish`].
    pub took: Duration,
}

impl<C> LookUp<C> {
    /// Begins a look-up if the client is within the limits of its door. `query` is `None` for what cannot be a receipt
    /// and its proof: it matches nothing, and is counted as that.
    ///
    /// # Errors
    /// [`Rejected`] after too many failures or look-ups: nothing is read, and the record says [`LookUpResult::HandedOver`].
    pub fn begin<L: Limiter<Client = C>>(
        limiter: &mut L,
        shared: &mut SharedCounts,
        now: Instant,
        client: C,
        query: Option<Query>,
    ) -> Result<LookUp<C>, Rejected> {
        limiter.check(shared, now, &client)?;
        limiter.began(shared, now, &client);
        Ok(LookUp { client, query, began: now })
    }

    /// What to read; `None`: nothing, the answer is [`Answer::NotFound`].
    pub fn query(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    /// Judges what was read and counts it.
    pub fn finish<L: Limiter<Client = C>>(
        self,
        limiter: &mut L,
        shared: &mut SharedCounts,
        now: Instant,
        reading: ReplicaAnswer,
        limits: AgeLimits,
    ) -> Outcome {
        let took = now.saturating_duration_since(self.began);
        let (answer, freshness) = judge(reading, limits);
        let result = match &answer {
            Answer::Found { .. } => {
                limiter.succeeded(&self.client);
                if freshness == Freshness::TooOld { LookUpResult::TooOld } else { LookUpResult::Found }
            }
            Answer::NotFound => {
                limiter.failed(shared, now, &self.client);
                LookUpResult::NotFound
            }
            Answer::Unavailable => LookUpResult::Unavailable,
        };
        Outcome { answer, freshness, result, took }
    }
}

impl Outcome {
    /// The stage of the case that was found.
    pub fn stage(&self) -> Option<Stage> {
        match &self.answer {
            Answer::Found { case, .. } => Some(case.stage),
            Answer::NotFound | Answer::Unavailable => None,
        }
    }
}

/// A found case is as old as its own reading, anything else as old as the replica.
fn judge(reading: ReplicaAnswer, limits: AgeLimits) -> (Answer, Freshness) {
    let as_of = match &reading.answer {
        Answer::Found { as_of, .. } => Some(*as_of),
        Answer::NotFound | Answer::Unavailable => reading.as_of,
    };
    let freshness = limits.judge(as_of.map(|as_of| age(as_of, reading.now)));
    let answer = match (reading.answer, freshness) {
        (Answer::NotFound, Freshness::TooOld) => Answer::Unavailable,
        (answer, _) => answer,
    };
    (answer, freshness)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use base::Private;
    use proptest::prelude::*;

    use super::*;
    use crate::limit::{PhoneClient, PhoneLimiter, PhoneLimits, ScanClient, ScanLimiter, ScanLimits, SharedLimits};
    use crate::virtual_time::start;
    use crate::{Case, Factor, SecondFactor};

    const HOUR: Duration = Duration::from_secs(3600);
    const LIMITS: AgeLimits = AgeLimits { tell_after: Some(HOUR), refuse_after: Some(HOUR.saturating_mul(24)) };
    const CALLER: PhoneClient = PhoneClient { caller: Some(1), receipt: Some(9) };

    /// One door with what is counted for all.
    struct Door<L>(L, SharedCounts);

    impl<L: Limiter> Door<L> {
        fn begin(
            &mut self,
            now: Instant,
            client: L::Client,
            query: Option<Query>,
        ) -> Result<LookUp<L::Client>, Rejected> {
            LookUp::begin(&mut self.0, &mut self.1, now, client, query)
        }

        fn finish(
            &mut self,
            look_up: LookUp<L::Client>,
            now: Instant,
            reading: ReplicaAnswer,
            limits: AgeLimits,
        ) -> Outcome {
            look_up.finish(&mut self.0, &mut self.1, now, reading, limits)
        }
    }

    fn phone() -> Door<PhoneLimiter> {
        let limits =
            PhoneLimits { failures: NonZeroU32::new(3), failure_window: HOUR, look_ups: None, look_up_window: HOUR };
        Door(PhoneLimiter::new(limits), SharedCounts::new(SharedLimits::NONE))
    }

    fn kiosks() -> Door<ScanLimiter> {
        let limiter = ScanLimiter::new(ScanLimits::of_kiosks(NonZeroU32::new(3), HOUR));
        Door(limiter, SharedCounts::new(SharedLimits::NONE))
    }

    fn query() -> Option<Query> {
        let receipt = Receipt { number: Private::new("440100000000123".into()), format: 0 };
        let factor = Factor::read(SecondFactor::IdTail, "123X").expect("a tail");
        Some(Query { receipt, proof: Proof::Factor(factor) })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    fn case(as_of: i64) -> Answer {
        let date = jiff::civil::date(2026, 11, 2);
        let case = Case {
            stage: Stage::Ready,
            document: "passport".into(),
            case_type: "new".into(),
            hall: "yuexiu".into(),
            accepted_on: date,
            stage_on: date,
            pauses: Vec::new(),
            items: Vec::new(),
            waybill_tail: None,
            minor: false,
            version: 1,
        };
        Answer::Found { case: Arc::new(case), as_of: at(as_of) }
    }

    /// A reading at second 0 of the upstream, of a replica that is so many seconds old.
    fn reading(answer: Answer, age: i64) -> ReplicaAnswer {
        ReplicaAnswer { answer, as_of: Some(at(-age)), now: at(0) }
    }

    fn looked_up<L: Limiter>(
        door: &mut Door<L>,
        now: Instant,
        client: L::Client,
        reading: ReplicaAnswer,
    ) -> Option<Outcome> {
        let look_up = door.begin(now, client, query()).ok()?;
        Some(door.finish(look_up, now + Duration::from_millis(5), reading, LIMITS))
    }

    fn result(answer: Answer, age: i64) -> (LookUpResult, Freshness) {
        let outcome = looked_up(&mut phone(), start(), CALLER, reading(answer, age)).expect("within limits");
        (outcome.result, outcome.freshness)
    }

    #[test]
    fn a_found_case_is_as_old_as_its_own_reading() {
        assert_eq!(result(case(-60), 60), (LookUpResult::Found, Freshness::Fresh));
        assert_eq!(result(case(-3601), 60), (LookUpResult::Found, Freshness::Old));
        assert_eq!(result(case(-86_401), 60), (LookUpResult::TooOld, Freshness::TooOld));
    }

    #[test]
    fn what_an_old_replica_lacks_may_merely_not_have_arrived() {
        assert_eq!(result(Answer::NotFound, 3601), (LookUpResult::NotFound, Freshness::Old));
        assert_eq!(result(Answer::NotFound, 86_401), (LookUpResult::Unavailable, Freshness::TooOld));
        assert_eq!(result(Answer::Unavailable, 0), (LookUpResult::Unavailable, Freshness::Fresh));
    }

    #[test]
    fn a_replica_of_unknown_age_answers_only_where_no_age_is_refused() {
        let judged = |limits| judge(ReplicaAnswer { answer: Answer::NotFound, as_of: None, now: at(0) }, limits);
        assert!(matches!(judged(LIMITS), (Answer::Unavailable, Freshness::TooOld)));
        assert!(matches!(judged(AgeLimits::default()), (Answer::NotFound, Freshness::Old)));
    }

    #[test]
    fn only_a_number_that_matches_nothing_counts_against_its_client() {
        let (mut limiter, now) = (phone(), start());
        for answer in [case(0), Answer::Unavailable, case(-86_401), Answer::Unavailable] {
            assert!(looked_up(&mut limiter, now, CALLER, reading(answer, 0)).is_some());
        }
        assert!(looked_up(&mut limiter, now, CALLER, reading(Answer::NotFound, 86_401)).is_some());
        for _ in 0..3 {
            assert!(looked_up(&mut limiter, now, CALLER, reading(Answer::NotFound, 0)).is_some());
        }
        assert!(looked_up(&mut limiter, now, CALLER, reading(case(0), 0)).is_none());
    }

    #[test]
    fn what_is_no_receipt_and_proof_is_not_read_and_counts() {
        let (mut limiter, now) = (phone(), start());
        let client = PhoneClient { receipt: None, ..CALLER };
        for _ in 0..3 {
            let look_up = limiter.begin(now, client, None).expect("within limits");
            assert_eq!(look_up.query(), None);
            let outcome = limiter.finish(look_up, now, reading(Answer::NotFound, 0), LIMITS);
            assert_eq!(outcome.result, LookUpResult::NotFound);
        }
        assert!(limiter.begin(now, client, None).is_err());
    }

    #[test]
    fn a_look_up_that_is_given_up_is_no_failure() {
        let (mut limiter, now) = (phone(), start());
        for _ in 0..10 {
            drop(limiter.begin(now, CALLER, query()).expect("within limits"));
        }
    }

    #[test]
    fn an_outcome_holds_the_stage_and_the_duration() {
        let outcome =
            looked_up(&mut kiosks(), start(), ScanClient::new([192, 0, 2, 7].into(), "a"), reading(case(0), 0));
        let outcome = outcome.expect("within limits");
        assert_eq!((outcome.stage(), outcome.took), (Some(Stage::Ready), Duration::from_millis(5)));
    }

    /// A door's reaction to the same answers: how many look-ups of a guesser it permits within one window.
    fn permitted<L: Limiter>(limiter: &mut Door<L>, clients: impl Iterator<Item = L::Client>) -> usize {
        let now = start();
        clients.filter_map(|client| looked_up(limiter, now, client, reading(Answer::NotFound, 0))).count()
    }

    proptest! {
        #[test]
        fn both_doors_stop_a_guesser_at_the_same_limit(guesses in 0usize..40) {
            let kiosk = ScanClient::new([192, 0, 2, 7].into(), "a");
            let scanned = permitted(&mut kiosks(), (0..guesses).map(|n| kiosk.with_code(&n.to_string())));
            let called = permitted(&mut phone(), (0..guesses).map(|_| CALLER));
            prop_assert_eq!((scanned, called), (guesses.min(3), guesses.min(3)));
        }

        #[test]
        fn an_outcome_never_claims_more_than_its_reading(
            kind in 0u8..3, age in 0i64..200_000, of_case in 0i64..200_000, known in any::<bool>(),
            tell in proptest::option::of(0u64..100_000), refuse in proptest::option::of(0u64..100_000),
        ) {
            let answer = || match kind { 0 => case(-of_case), 1 => Answer::NotFound, _ => Answer::Unavailable };
            let read = ReplicaAnswer { answer: answer(), as_of: known.then(|| at(-age)), now: at(0) };
            let limits = AgeLimits {
                tell_after: tell.map(Duration::from_secs), refuse_after: refuse.map(Duration::from_secs),
            };
            let mut limiter = phone();
            let look_up = limiter.begin(start(), CALLER, query()).expect("within limits");
            let outcome = limiter.finish(look_up, start(), read, limits);
            match (answer(), &outcome.answer) {
                (Answer::Found { .. }, Answer::Found { .. }) | (Answer::NotFound | Answer::Unavailable, Answer::Unavailable) => {}
                (Answer::NotFound, Answer::NotFound) => prop_assert!(outcome.freshness != Freshness::TooOld),
                (read, outcome) => prop_assert!(false, "{read:?} became {outcome:?}"),
            }
        }
    }
}
