//! Who may start a call: before any state is made.
//!
//! ```text
//!  INVITE ──► trunk known? ──► not too fast? ──► number ours? ──► draining? ──► lines free? ──► a call
//!                │ no: silence      │ no: 503          │ no: 404       │ 503          │ 503
//! ```

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use inquiry::Availability;
use sip::{NumberPlan, matches_user};

/// What admission goes by.
#[derive(Clone, Debug)]
pub struct AdmissionRules {
    /// New calls a second from one address; twice as many may come in one burst.
    pub calls_per_second_max: u32,
    /// Numbers that reach the hotline, or names of users; empty: every one.
    pub hotline_numbers: Vec<String>,
    /// The number of the line test; none: there is no line test.
    pub line_test: Option<String>,
    /// The number of the recording service.
    pub studio: Option<String>,
    /// Calls to it at once.
    pub studio_calls_max: usize,
    /// How numbers are compared.
    pub number_plan: NumberPlan,
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
    /// 503: this address calls too fast.
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

/// Decides on new calls, and remembers how fast each address calls.
#[derive(Debug)]
pub struct Admission {
    rules: AdmissionRules,
    sources: HashMap<IpAddr, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Admission {
    /// Admission by these rules, with every address at its full allowance.
    pub fn new(rules: AdmissionRules) -> Self {
        Admission { rules, sources: HashMap::new() }
    }

    /// Decides on one new call to a user, by what the node says to new calls and the number of calls to the recording
    /// service.
    ///
    /// # Errors
    /// The [`Rejection`] to answer the INVITE with.
    pub fn admit(
        &mut self,
        now: Instant,
        from: IpAddr,
        user: &str,
        node: Availability,
        recording_calls: usize,
    ) -> Result<Purpose, Rejection> {
        if !self.pace(now, from) {
            return Err(Rejection::TooFast);
        }
        let purpose = self.purpose(user).ok_or(Rejection::NoSuchNumber)?;
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

    fn purpose(&self, user: &str) -> Option<Purpose> {
        let rules = &self.rules;
        let is = |number: &String| matches_user(number, user, &rules.number_plan);
        if rules.line_test.as_ref().is_some_and(is) {
            return Some(Purpose::LineTest);
        }
        if rules.studio.as_ref().is_some_and(is) {
            return Some(Purpose::Studio);
        }
        let ours = rules.hotline_numbers.is_empty() || rules.hotline_numbers.iter().any(is);
        ours.then_some(Purpose::Hotline)
    }

    fn pace(&mut self, now: Instant, from: IpAddr) -> bool {
        let rate = f64::from(self.rules.calls_per_second_max);
        if self.sources.len() >= SOURCES_MAX {
            self.sources.retain(|_, bucket| now.duration_since(bucket.at) < FORGOTTEN_AFTER);
        }
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&from) {
            return false;
        }
        let bucket = self.sources.entry(from).or_insert(Bucket { tokens: 2.0 * rate, at: now });
        bucket.tokens = (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * rate).min(2.0 * rate);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

/// Addresses remembered at once; trunks are few.
const SOURCES_MAX: usize = 4096;
/// A bucket unused for this long is full again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::Availability::{Draining, Full, Open};
    use super::*;
    use crate::test_clock;

    fn gate() -> Admission {
        Admission::new(AdmissionRules {
            calls_per_second_max: 5,
            hotline_numbers: vec!["96110110".into()],
            line_test: Some("9196".into()),
            studio: Some("9197".into()),
            studio_calls_max: 1,
            number_plan: NumberPlan::default(),
        })
    }

    const TRUNK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn only_the_hotline_and_the_line_test_answer() {
        let (mut gate, now) = (gate(), test_clock::start());
        assert_eq!(gate.admit(now, TRUNK, "96110110", Open, 0), Ok(Purpose::Hotline));
        assert_eq!(gate.admit(now, TRUNK, "9196", Open, 0), Ok(Purpose::LineTest));
        assert_eq!(gate.admit(now, TRUNK, "110", Open, 0), Err(Rejection::NoSuchNumber));
    }

    #[test]
    fn a_number_is_served_however_the_trunk_writes_it() {
        for (user, purpose) in [
            ("+8696110110", Purpose::Hotline),
            ("9611-0110;phone-context=+8620;npdi", Purpose::Hotline),
            ("9196;phone-context=gd.ims.example", Purpose::LineTest),
            ("%39197", Purpose::Studio),
        ] {
            assert_eq!(gate().admit(test_clock::start(), TRUNK, user, Open, 0), Ok(purpose), "{user}");
        }
    }

    #[test]
    fn the_recording_service_takes_so_many_operators_at_once() {
        let (mut gate, now) = (gate(), test_clock::start());
        assert_eq!(gate.admit(now, TRUNK, "9197", Open, 0), Ok(Purpose::Studio));
        assert_eq!(gate.admit(now, TRUNK, "9197", Open, 1), Err(Rejection::StudioBusy));
        assert_eq!(gate.admit(now, TRUNK, "96110110", Open, 1), Ok(Purpose::Hotline));
    }

    #[test]
    fn a_full_or_draining_node_turns_calls_away() {
        let (mut gate, now) = (gate(), test_clock::start());
        assert_eq!(gate.admit(now, TRUNK, "96110110", Full, 0), Err(Rejection::Full));
        assert_eq!(gate.admit(now, TRUNK, "96110110", Draining, 0), Err(Rejection::Draining));
    }

    #[test]
    fn a_flood_from_one_address_is_slowed_and_others_are_not() {
        let (mut gate, now) = (gate(), test_clock::start());
        let admitted = (0..100).filter(|_| gate.admit(now, TRUNK, "9196", Open, 0).is_ok()).count();
        assert_eq!(admitted, 10);
        let other = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
        assert!(gate.admit(now, other, "9196", Open, 0).is_ok());
        assert!(gate.admit(now + Duration::from_secs(1), TRUNK, "9196", Open, 0).is_ok());
    }
}
