//! Who may start a call: before any state is made.
//!
//! ```text
//!  INVITE of a trunk ──► not too fast? ──► number ours? ──► draining? ──► lines free? ──► a call
//!                            │ no: 503         │ no: 404       │ 503          │ 503
//! ```

use std::time::Instant;

use inquiry::Availability;
use sip::{NumberPlan, matches_user};

/// What admission goes by.
#[derive(Clone, Debug)]
pub struct AdmissionRules {
    /// The number of the line test; none: there is no line test.
    pub line_test: Option<String>,
    /// The number of the recording service.
    pub studio: Option<String>,
    /// Calls to it at once.
    pub studio_calls_max: usize,
    /// How numbers are compared.
    pub number_plan: NumberPlan,
    /// What holds for each trunk.
    pub trunks: Vec<TrunkRules>,
}

/// What admission goes by in the calls of one trunk.
#[derive(Clone, Debug)]
pub struct TrunkRules {
    /// New calls a second; twice as many may come in one burst.
    pub calls_per_second_max: u32,
    /// Numbers that reach the hotline, or names of users; empty: every one.
    pub numbers: Vec<String>,
    /// Whether its callers reach the recording service.
    pub studio: bool,
}

/// A call that asks for admission.
#[derive(Clone, Copy, Debug)]
pub struct NewCall<'a> {
    /// The place of its trunk in [`AdmissionRules::trunks`].
    pub trunk: usize,
    /// The user part that it calls.
    pub user: &'a str,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A caller's inquiry.
    Hotline,
    /// A technician tests a trunk.
    LineTest,
    /// An operator records prompts.
    Studio,
}

/// Why a call is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// 503: this trunk calls too fast.
    TooFast,
    /// 404: the number is not served here.
    NoSuchNumber,
    /// 486: as many operators as may are recording.
    StudioBusy,
    /// 503: the node is draining.
    Draining,
    /// 503: every line is in use.
    Full,
}

/// Decides on new calls, and remembers how fast each trunk calls.
#[derive(Debug)]
pub struct Admission {
    rules: AdmissionRules,
    buckets: Vec<Option<Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Admission {
    /// Admission by these rules, with every trunk at its full allowance.
    pub fn new(rules: AdmissionRules) -> Self {
        let buckets = vec![None; rules.trunks.len()];
        Admission { rules, buckets }
    }

    /// Decides on one new call to a user, by what the node says to new calls and the number of calls to the recording
    /// service.
    ///
    /// # Errors
    /// The [`Rejection`] to answer the INVITE with.
    pub fn admit(
        &mut self,
        now: Instant,
        call: NewCall<'_>,
        node: Availability,
        recording_calls: usize,
    ) -> Result<Purpose, Rejection> {
        if !self.pace(now, call.trunk) {
            return Err(Rejection::TooFast);
        }
        let purpose = self.purpose(call).ok_or(Rejection::NoSuchNumber)?;
        match node {
            Availability::Draining => return Err(Rejection::Draining),
            Availability::Full => return Err(Rejection::Full),
            Availability::Open => {}
        }
        if purpose == Purpose::Studio && recording_calls >= self.rules.studio_calls_max {
            return Err(Rejection::StudioBusy);
        }
        Ok(purpose)
    }

    fn purpose(&self, call: NewCall<'_>) -> Option<Purpose> {
        let rules = &self.rules;
        let trunk = rules.trunks.get(call.trunk)?;
        let is = |number: &String| matches_user(number, call.user, &rules.number_plan);
        if rules.line_test.as_ref().is_some_and(is) {
            return Some(Purpose::LineTest);
        }
        if rules.studio.as_ref().is_some_and(is) {
            return trunk.studio.then_some(Purpose::Studio);
        }
        let ours = trunk.numbers.is_empty() || trunk.numbers.iter().any(is);
        ours.then_some(Purpose::Hotline)
    }

    fn pace(&mut self, now: Instant, trunk: usize) -> bool {
        let (Some(rules), Some(bucket)) = (self.rules.trunks.get(trunk), self.buckets.get_mut(trunk)) else {
            return false;
        };
        let rate = f64::from(rules.calls_per_second_max);
        let bucket = bucket.get_or_insert(Bucket { tokens: 2.0 * rate, at: now });
        bucket.tokens = (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * rate).min(2.0 * rate);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Availability::{Draining, Full, Open};
    use super::*;
    use crate::test_clock;

    const CARRIER: usize = 0;
    const OFFICE: usize = 1;

    fn gate() -> Admission {
        let trunk = TrunkRules { calls_per_second_max: 5, numbers: vec!["96110110".into()], studio: false };
        Admission::new(AdmissionRules {
            line_test: Some("9196".into()),
            studio: Some("9197".into()),
            studio_calls_max: 1,
            number_plan: NumberPlan::default(),
            trunks: vec![trunk.clone(), TrunkRules { studio: true, numbers: Vec::new(), ..trunk }],
        })
    }

    fn call(trunk: usize, user: &str) -> NewCall<'_> {
        NewCall { trunk, user }
    }

    #[test]
    fn only_the_numbers_of_the_trunk_answer() {
        let (mut gate, now) = (gate(), test_clock::start());
        assert_eq!(gate.admit(now, call(CARRIER, "96110110"), Open, 0), Ok(Purpose::Hotline));
        assert_eq!(gate.admit(now, call(CARRIER, "9196"), Open, 0), Ok(Purpose::LineTest));
        assert_eq!(gate.admit(now, call(CARRIER, "110"), Open, 0), Err(Rejection::NoSuchNumber));
        assert_eq!(gate.admit(now, call(OFFICE, "110"), Open, 0), Ok(Purpose::Hotline));
    }

    #[test]
    fn a_number_is_served_however_the_trunk_writes_it() {
        for (user, purpose) in [
            ("+8696110110", Purpose::Hotline),
            ("9611-0110;phone-context=+8620;npdi", Purpose::Hotline),
            ("9196;phone-context=gd.ims.example", Purpose::LineTest),
            ("%39197", Purpose::Studio),
        ] {
            assert_eq!(gate().admit(test_clock::start(), call(OFFICE, user), Open, 0), Ok(purpose), "{user}");
        }
    }

    #[test]
    fn the_recording_service_takes_so_many_operators_at_once() {
        let (mut gate, now) = (gate(), test_clock::start());
        assert_eq!(gate.admit(now, call(OFFICE, "9197"), Open, 0), Ok(Purpose::Studio));
        assert_eq!(gate.admit(now, call(OFFICE, "9197"), Open, 1), Err(Rejection::StudioBusy));
        assert_eq!(gate.admit(now, call(OFFICE, "96110110"), Open, 1), Ok(Purpose::Hotline));
        assert_eq!(gate.admit(now, call(CARRIER, "9197"), Open, 0), Err(Rejection::NoSuchNumber));
    }

    #[test]
    fn a_full_or_draining_node_turns_calls_away() {
        let (mut gate, now) = (gate(), test_clock::start());
        assert_eq!(gate.admit(now, call(CARRIER, "96110110"), Full, 0), Err(Rejection::Full));
        assert_eq!(gate.admit(now, call(CARRIER, "96110110"), Draining, 0), Err(Rejection::Draining));
    }

    #[test]
    fn a_flood_by_one_trunk_is_slowed_and_others_are_not() {
        let (mut gate, now) = (gate(), test_clock::start());
        let admitted = (0..100).filter(|_| gate.admit(now, call(CARRIER, "9196"), Open, 0).is_ok()).count();
        assert_eq!(admitted, 10);
        assert!(gate.admit(now, call(OFFICE, "9196"), Open, 0).is_ok());
        assert!(gate.admit(now + Duration::from_secs(1), call(CARRIER, "9196"), Open, 0).is_ok());
    }
}
