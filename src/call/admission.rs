//! Who may start a call: before any state is made.
//!
//! ```text
//!  INVITE of a trunk ──► not too fast? ──► number ours? ──► draining? full? ──► trunk full? ──► caller's share? ──► a call
//!                            │ no: 503         │ no: 404        │ 503               │ 503            │ no: 486
//! ```
//!
//! A trunk that is full gets 503, by which its equipment tries another route. A caller above the share gets 486 Busy Here:
//! the caller hears the busy tone, and the trunk, which is well, neither counts a failure nor tries the next node with the
//! same caller, as after a 503; a 603 would claim that no one at this number wants the call (RFC 3261 §21.6.2).
//!
//! A carrier that this node registers with sends its calls to the registered contact, whose user is the account's name, not
//! a number (RFC 3261 §16.5). Such a call is for the number that it was dialled with, by the other headers; where these name
//! none of the trunk's, it is for the trunk's number, if there is just one.
//!
//! An admitted call holds an [`AdmittedCall`] until [`Admission::release`]. Callers who withhold their number cannot be told apart:
//! each counts as a caller of its own, and all of a trunk share a pool, so that withholding is no way round the limit.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Instant;

use inquiry::Availability;
use sip::{NumberPlan, UserPart};

/// What admission goes by.
#[derive(Clone, Debug)]
pub struct AdmissionRules {
    /// The number of the line test; none: there is no line test.
    pub line_test: Option<String>,
    /// Calls to it at once.
    pub line_tests_max: usize,
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
    /// Calls at once.
    pub calls_max: usize,
    /// New calls a second; twice as many may come in one burst.
    pub calls_per_second_max: u32,
    /// Calls at once of one calling number; none: no limit.
    pub calls_per_caller_max: Option<NonZeroU32>,
    /// Calls at once of all callers who withhold their number; none: no limit.
    pub calls_withheld_max: Option<usize>,
    /// Numbers that reach the hotline, or names of users; empty: every one.
    pub numbers: Vec<String>,
    /// The user of the contact that this node registers with the trunk's carrier; none: it does not register.
    pub contact_user: Option<String>,
    /// Whether its callers reach the line test.
    pub line_test: bool,
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
    /// The user parts that it was dialled with, the most reliable first: what a call to this node's own contact is for.
    pub dialled: [Option<&'a str>; 2],
    /// The keyed hash of the calling number; none: it is withheld.
    pub caller: Option<u64>,
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

/// What an admitted call takes of its trunk's and its caller's share.
#[derive(Debug, PartialEq, Eq)]
pub struct AdmittedCall {
    /// What the call is for.
    pub purpose: Purpose,
    /// The place of its trunk in [`AdmissionRules::trunks`].
    pub trunk: usize,
    share: Share,
}

/// Whose share of its trunk a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// A calling number's.
    Caller(u64),
    /// That of all who withhold their number.
    Withheld,
    /// No caller's: this node calls by the trunk.
    Outgoing,
}

/// Why a call is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// 503: this trunk calls too fast.
    TooFast,
    /// 404: the number is not served here.
    NoSuchNumber,
    /// 486: as many line tests as may are under way.
    LineTestBusy,
    /// 486: as many operators as may are recording.
    StudioBusy,
    /// 503: the node is draining.
    Draining,
    /// 503: every line is in use.
    Full,
    /// 503: the trunk has as many calls as it may.
    TrunkFull,
    /// 486: the calling number has as many calls as it may.
    CallerBusy,
    /// 486: callers who withhold their number have as many calls as they may.
    WithheldBusy,
    /// 503: more calls come than are answered in time.
    Overload,
    /// 503: no pair of media ports is free.
    NoMedia,
    /// 415, 416, 420 or 406: the INVITE asks for what is not supported.
    Unsupported,
}

impl Rejection {
    /// All reasons, in the order of metrics.
    pub const ALL: [Rejection; 12] = [
        Rejection::TooFast,
        Rejection::NoSuchNumber,
        Rejection::LineTestBusy,
        Rejection::StudioBusy,
        Rejection::Draining,
        Rejection::Full,
        Rejection::TrunkFull,
        Rejection::CallerBusy,
        Rejection::WithheldBusy,
        Rejection::Overload,
        Rejection::NoMedia,
        Rejection::Unsupported,
    ];

    /// The value in metrics and in the state of a trunk.
    pub fn name(self) -> &'static str {
        match self {
            Rejection::TooFast => "too_fast",
            Rejection::NoSuchNumber => "no_such_number",
            Rejection::LineTestBusy => "line_test_busy",
            Rejection::StudioBusy => "studio_busy",
            Rejection::Draining => "draining",
            Rejection::Full => "full",
            Rejection::TrunkFull => "trunk_full",
            Rejection::CallerBusy => "caller_busy",
            Rejection::Overload => "overload",
            Rejection::WithheldBusy => "withheld_busy",
            Rejection::NoMedia => "no_media",
            Rejection::Unsupported => "unsupported",
        }
    }
}

/// Decides on new calls, and remembers how fast each trunk calls and which calls it has.
#[derive(Debug)]
pub struct Admission {
    rules: AdmissionRules,
    numbers: Numbers,
    trunks: Vec<TrunkCalls>,
    line_tests: usize,
}

/// The numbers of the rules, read once.
#[derive(Debug)]
struct Numbers {
    line_test: Option<UserPart>,
    studio: Option<UserPart>,
    /// Of each trunk.
    hotline: Vec<Vec<UserPart>>,
    /// The user of each trunk's contact.
    contacts: Vec<Option<UserPart>>,
}

/// The calls of one trunk.
#[derive(Clone, Debug, Default)]
struct TrunkCalls {
    bucket: Option<Bucket>,
    calls: usize,
    /// Of them, outgoing calls to agents.
    outgoing: usize,
    /// Lines that are reserved for outgoing calls.
    reserved: usize,
    withheld: usize,
    /// Calls of each number that has any.
    callers: HashMap<u64, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Admission {
    /// Admission by these rules, with every trunk at its full allowance.
    pub fn new(rules: AdmissionRules) -> Self {
        let trunks = vec![TrunkCalls::default(); rules.trunks.len()];
        Admission { numbers: Numbers::of(&rules), rules, trunks, line_tests: 0 }
    }

    /// Decides on one new call, by what the node says to new calls and the number of calls to the recording service.
    /// The place of an admitted call must be given to [`Admission::release`] when the call has ended.
    ///
    /// # Errors
    /// The [`Rejection`] to answer the INVITE with.
    pub fn admit(
        &mut self,
        now: Instant,
        call: NewCall<'_>,
        node: Availability,
        recording_calls: usize,
    ) -> Result<AdmittedCall, Rejection> {
        let (Some(rules), Some(calls)) = (self.rules.trunks.get(call.trunk), self.trunks.get_mut(call.trunk)) else {
            return Err(Rejection::NoSuchNumber);
        };
        if !calls.pace(now, rules.calls_per_second_max) {
            return Err(Rejection::TooFast);
        }
        let plan = &self.rules.number_plan;
        let purpose = self.numbers.purpose((call.trunk, rules), call, plan).ok_or(Rejection::NoSuchNumber)?;
        match node {
            Availability::Draining => return Err(Rejection::Draining),
            Availability::Full => return Err(Rejection::Full),
            Availability::Open => {}
        }
        if purpose == Purpose::Studio && recording_calls >= self.rules.studio_calls_max {
            return Err(Rejection::StudioBusy);
        }
        if purpose == Purpose::LineTest && self.line_tests >= self.rules.line_tests_max {
            return Err(Rejection::LineTestBusy);
        }
        calls.take(rules, call.caller)?;
        self.line_tests += usize::from(purpose == Purpose::LineTest);
        Ok(AdmittedCall { purpose, trunk: call.trunk, share: call.caller.map_or(Share::Withheld, Share::Caller) })
    }

    /// Takes a line of a trunk for a call that this node makes by it; none: every line of the trunk is in use.
    pub fn take_outgoing(&mut self, trunk: usize) -> Option<AdmittedCall> {
        let (rules, calls) = (self.rules.trunks.get(trunk)?, self.trunks.get_mut(trunk)?);
        if calls.calls >= rules.calls_max {
            return None;
        }
        calls.calls += 1;
        calls.outgoing += 1;
        Some(AdmittedCall { purpose: Purpose::Hotline, trunk, share: Share::Outgoing })
    }

    /// Reserves lines of a trunk for outgoing calls, at most half of its lines, so that waiting callers cannot take all of them.
    pub fn reserve(&mut self, trunk: usize, lines: usize) {
        if let (Some(rules), Some(calls)) = (self.rules.trunks.get(trunk), self.trunks.get_mut(trunk)) {
            calls.reserved = lines.min(rules.calls_max / 2);
        }
    }

    /// Decides on a call of this node by a trunk to a number, of which this is the keyed hash: it counts as one of the
    /// trunk's calls, and as one of the number's. The place goes to [`Admission::release`] as any other.
    ///
    /// # Errors
    /// Why it cannot be made now.
    pub fn call_out(
        &mut self,
        now: Instant,
        trunk: usize,
        number: u64,
        node: Availability,
    ) -> Result<AdmittedCall, Rejection> {
        let (Some(rules), Some(calls)) = (self.rules.trunks.get(trunk), self.trunks.get_mut(trunk)) else {
            return Err(Rejection::NoSuchNumber);
        };
        match node {
            Availability::Draining => return Err(Rejection::Draining),
            Availability::Full => return Err(Rejection::Full),
            Availability::Open => {}
        }
        if !calls.pace(now, rules.calls_per_second_max) {
            return Err(Rejection::TooFast);
        }
        calls.take(rules, Some(number))?;
        Ok(AdmittedCall { purpose: Purpose::Hotline, trunk, share: Share::Caller(number) })
    }

    /// A call has ended, and its place is free.
    pub fn release(&mut self, place: AdmittedCall) {
        self.line_tests -= usize::from(place.purpose == Purpose::LineTest).min(self.line_tests);
        if let Some(calls) = self.trunks.get_mut(place.trunk) {
            calls.release(place.share);
        }
    }

    /// How many calls a trunk has.
    pub fn calls(&self, trunk: usize) -> usize {
        self.trunks.get(trunk).map_or(0, |calls| calls.calls)
    }
}

impl Numbers {
    fn of(rules: &AdmissionRules) -> Numbers {
        let read = |number: &String| UserPart::read(number, &rules.number_plan);
        Numbers {
            line_test: rules.line_test.as_ref().map(read),
            studio: rules.studio.as_ref().map(read),
            hotline: rules.trunks.iter().map(|trunk| trunk.numbers.iter().map(read).collect()).collect(),
            contacts: rules.trunks.iter().map(|trunk| trunk.contact_user.as_ref().map(read)).collect(),
        }
    }

    /// What a call by a trunk is for; none: for no number of the trunk.
    fn purpose(&self, trunk: (usize, &TrunkRules), call: NewCall<'_>, plan: &NumberPlan) -> Option<Purpose> {
        let of = |user: &UserPart| self.purpose_of(trunk, |number| number.is_same(user, plan));
        let called = UserPart::read(call.user, plan);
        if !self.contacts.get(trunk.0)?.as_ref().is_some_and(|contact| contact.is_same(&called, plan)) {
            return of(&called);
        }
        let dialled = call.dialled.into_iter().flatten().find_map(|user| of(&UserPart::read(user, plan)));
        let only = || (trunk.1.numbers.len() == 1).then_some(Purpose::Hotline);
        dialled.or_else(|| of(&called)).or_else(only)
    }

    /// What a call by a trunk to the number for which `is` is true is for.
    fn purpose_of(&self, (place, trunk): (usize, &TrunkRules), is: impl Fn(&UserPart) -> bool) -> Option<Purpose> {
        if self.line_test.as_ref().is_some_and(&is) {
            return trunk.line_test.then_some(Purpose::LineTest);
        }
        if self.studio.as_ref().is_some_and(&is) {
            return trunk.studio.then_some(Purpose::Studio);
        }
        let numbers = self.hotline.get(place)?;
        (numbers.is_empty() || numbers.iter().any(is)).then_some(Purpose::Hotline)
    }
}

impl TrunkCalls {
    fn pace(&mut self, now: Instant, calls_per_second_max: u32) -> bool {
        let rate = f64::from(calls_per_second_max);
        let bucket = self.bucket.get_or_insert(Bucket { tokens: 2.0 * rate, at: now });
        bucket.tokens = (bucket.tokens + now.duration_since(bucket.at).as_secs_f64() * rate).min(2.0 * rate);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    fn take(&mut self, rules: &TrunkRules, caller: Option<u64>) -> Result<(), Rejection> {
        if self.calls.saturating_sub(self.outgoing) + self.outgoing.max(self.reserved) >= rules.calls_max {
            return Err(Rejection::TrunkFull);
        }
        match caller {
            None if rules.calls_withheld_max.is_some_and(|most| self.withheld >= most) => {
                return Err(Rejection::WithheldBusy);
            }
            None => self.withheld += 1,
            Some(caller) => {
                let calls = self.callers.get(&caller).copied().unwrap_or(0);
                if rules.calls_per_caller_max.is_some_and(|most| calls >= most.get()) {
                    return Err(Rejection::CallerBusy);
                }
                self.callers.insert(caller, calls + 1);
            }
        }
        self.calls += 1;
        Ok(())
    }

    fn release(&mut self, share: Share) {
        self.calls = self.calls.saturating_sub(1);
        match share {
            Share::Outgoing => self.outgoing = self.outgoing.saturating_sub(1),
            Share::Withheld => self.withheld = self.withheld.saturating_sub(1),
            Share::Caller(caller) => match self.callers.get_mut(&caller) {
                Some(calls) if *calls > 1 => *calls -= 1,
                Some(_) | None => drop(self.callers.remove(&caller)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::Availability::{Draining, Full, Open};
    use super::*;
    use crate::test_clock;

    const CARRIER: usize = 0;
    const OFFICE: usize = 1;

    fn rules() -> TrunkRules {
        TrunkRules {
            calls_max: 100,
            calls_per_second_max: 5,
            calls_per_caller_max: None,
            calls_withheld_max: None,
            numbers: vec!["96110110".into()],
            contact_user: None,
            line_test: true,
            studio: false,
        }
    }

    fn gate(trunks: Vec<TrunkRules>) -> Admission {
        Admission::new(AdmissionRules {
            line_test: Some("9196".into()),
            line_tests_max: usize::MAX,
            studio: Some("9197".into()),
            studio_calls_max: 1,
            number_plan: NumberPlan::default(),
            trunks,
        })
    }

    fn usual() -> Admission {
        gate(vec![rules(), TrunkRules { studio: true, numbers: Vec::new(), ..rules() }])
    }

    fn call(trunk: usize, user: &str) -> NewCall<'_> {
        NewCall { trunk, user, dialled: [None, None], caller: Some(1) }
    }

    fn purpose(admitted: Result<AdmittedCall, Rejection>) -> Result<Purpose, Rejection> {
        admitted.map(|place| place.purpose)
    }

    #[test]
    fn only_the_numbers_of_the_trunk_answer() {
        let (mut gate, now) = (usual(), test_clock::start());
        assert_eq!(purpose(gate.admit(now, call(CARRIER, "96110110"), Open, 0)), Ok(Purpose::Hotline));
        assert_eq!(purpose(gate.admit(now, call(CARRIER, "9196"), Open, 0)), Ok(Purpose::LineTest));
        assert_eq!(gate.admit(now, call(CARRIER, "110"), Open, 0), Err(Rejection::NoSuchNumber));
        assert_eq!(purpose(gate.admit(now, call(OFFICE, "110"), Open, 0)), Ok(Purpose::Hotline));
    }

    #[test]
    fn a_number_is_served_however_the_trunk_writes_it() {
        for (user, purpose) in [
            ("+8696110110", Purpose::Hotline),
            ("9611-0110;phone-context=+8620;npdi", Purpose::Hotline),
            ("9196;phone-context=gd.ims.example", Purpose::LineTest),
            ("%39197", Purpose::Studio),
        ] {
            assert_eq!(
                self::purpose(usual().admit(test_clock::start(), call(OFFICE, user), Open, 0)),
                Ok(purpose),
                "{user}"
            );
        }
    }

    #[test]
    fn a_call_to_the_registered_contact_is_for_the_number_that_was_dialled() {
        let numbers = |numbers: &[&str]| -> Vec<String> { numbers.iter().map(|number| (*number).into()).collect() };
        let (one, two) = (numbers(&["96110110"]), numbers(&["96110110", "12367"]));
        for (user, dialled, served, purpose) in [
            ("1001", [None, Some("96110110")], &two, Ok(Purpose::Hotline)),
            ("1001", [Some("+8612367"), Some("1001")], &two, Ok(Purpose::Hotline)),
            ("1001", [Some("1001"), Some("12367")], &two, Ok(Purpose::Hotline)),
            ("1001", [None, Some("9196")], &two, Ok(Purpose::LineTest)),
            ("1001", [Some("9197"), Some("96110110")], &two, Ok(Purpose::Studio)),
            ("1001", [None, Some("1001")], &two, Err(Rejection::NoSuchNumber)),
            ("1001", [None, Some("1001")], &one, Ok(Purpose::Hotline)),
            ("1001", [None, None], &one, Ok(Purpose::Hotline)),
            ("1001", [None, Some("9196")], &numbers(&["1001"]), Ok(Purpose::LineTest)),
            ("1001", [None, Some("110")], &numbers(&["1001", "1002"]), Ok(Purpose::Hotline)),
            ("1002", [Some("96110110"), Some("96110110")], &one, Err(Rejection::NoSuchNumber)),
            ("12367", [None, Some("96110110")], &two, Ok(Purpose::Hotline)),
        ] {
            let contact_user = Some("1001".into());
            let mut gate = gate(vec![TrunkRules { studio: true, numbers: served.clone(), contact_user, ..rules() }]);
            let call = NewCall { dialled, ..call(CARRIER, user) };
            assert_eq!(self::purpose(gate.admit(test_clock::start(), call, Open, 0)), purpose, "{user} {dialled:?}");
        }
    }

    #[test]
    fn the_recording_service_takes_so_many_operators_at_once() {
        let (mut gate, now) = (usual(), test_clock::start());
        assert_eq!(purpose(gate.admit(now, call(OFFICE, "9197"), Open, 0)), Ok(Purpose::Studio));
        assert_eq!(gate.admit(now, call(OFFICE, "9197"), Open, 1), Err(Rejection::StudioBusy));
        assert_eq!(purpose(gate.admit(now, call(OFFICE, "96110110"), Open, 1)), Ok(Purpose::Hotline));
        assert_eq!(gate.admit(now, call(CARRIER, "9197"), Open, 0), Err(Rejection::NoSuchNumber));
    }

    #[test]
    fn line_tests_are_few_at_once_and_reached_by_trunks_that_may() {
        let (mut gate, now) = (usual(), test_clock::start());
        gate.rules.line_tests_max = 2;
        gate.rules.trunks[CARRIER].line_test = false;
        assert_eq!(gate.admit(now, call(CARRIER, "9196"), Open, 0), Err(Rejection::NoSuchNumber));
        let first = gate.admit(now, call(OFFICE, "9196"), Open, 0).expect("the first");
        assert!(gate.admit(now, call(OFFICE, "9196"), Open, 0).is_ok());
        assert_eq!(gate.admit(now, call(OFFICE, "9196"), Open, 0), Err(Rejection::LineTestBusy));
        assert_eq!(purpose(gate.admit(now, call(OFFICE, "96110110"), Open, 0)), Ok(Purpose::Hotline));
        gate.release(first);
        assert!(gate.admit(now, call(OFFICE, "9196"), Open, 0).is_ok());
    }

    #[test]
    fn a_full_or_draining_node_turns_calls_away() {
        let (mut gate, now) = (usual(), test_clock::start());
        assert_eq!(gate.admit(now, call(CARRIER, "96110110"), Full, 0), Err(Rejection::Full));
        assert_eq!(gate.admit(now, call(CARRIER, "96110110"), Draining, 0), Err(Rejection::Draining));
        assert_eq!(gate.calls(CARRIER), 0, "a rejected call takes no place");
    }

    #[test]
    fn a_flood_by_one_trunk_is_slowed_and_others_are_not() {
        let (mut gate, now) = (usual(), test_clock::start());
        let admitted = (0..100).filter(|_| gate.admit(now, call(CARRIER, "9196"), Open, 0).is_ok()).count();
        assert_eq!(admitted, 10);
        assert!(gate.admit(now, call(OFFICE, "9196"), Open, 0).is_ok());
        assert!(gate.admit(now + Duration::from_secs(1), call(CARRIER, "9196"), Open, 0).is_ok());
    }

    #[test]
    fn lines_are_reserved_for_agents_and_half_of_them_for_callers() {
        let mut gate = gate(vec![TrunkRules { calls_max: 4, calls_per_second_max: 1000, ..rules() }]);
        let now = test_clock::start();
        let come = |gate: &mut Admission, caller| {
            gate.admit(now, NewCall { caller: Some(caller), ..call(CARRIER, "96110110") }, Open, 0)
        };
        gate.reserve(CARRIER, 1);
        let callers: Vec<AdmittedCall> = (0..3).map(|caller| come(&mut gate, caller).expect("a line")).collect();
        assert_eq!(come(&mut gate, 3).unwrap_err(), Rejection::TrunkFull);
        let agent = gate.take_outgoing(CARRIER).expect("the reserved line");
        assert!(gate.take_outgoing(CARRIER).is_none());
        assert_eq!(come(&mut gate, 3).unwrap_err(), Rejection::TrunkFull);
        gate.release(agent);
        assert_eq!(come(&mut gate, 3).unwrap_err(), Rejection::TrunkFull, "it is reserved again");
        callers.into_iter().for_each(|place| gate.release(place));
        gate.reserve(CARRIER, 100);
        assert!(come(&mut gate, 4).is_ok() && come(&mut gate, 5).is_ok());
        assert_eq!(come(&mut gate, 6).unwrap_err(), Rejection::TrunkFull);
    }

    #[test]
    fn a_trunk_takes_no_more_than_its_lines_and_leaves_the_rest_to_others() {
        let rules = TrunkRules { calls_max: 2, ..rules() };
        let (mut gate, now) = (gate(vec![rules.clone(), rules]), test_clock::start());
        let first = gate.admit(now, call(CARRIER, "9196"), Open, 0).expect("a line");
        assert!(gate.admit(now, call(CARRIER, "9196"), Open, 0).is_ok());
        assert_eq!(gate.admit(now, call(CARRIER, "9196"), Open, 0), Err(Rejection::TrunkFull));
        assert!(gate.admit(now, call(OFFICE, "9196"), Open, 0).is_ok());
        gate.release(first);
        assert!(gate.admit(now, call(CARRIER, "9196"), Open, 0).is_ok());
    }

    #[test]
    fn withheld_callers_are_no_one_caller_and_share_a_pool() {
        let rules = TrunkRules { calls_per_caller_max: NonZeroU32::new(1), calls_withheld_max: Some(3), ..rules() };
        let (mut gate, now) = (gate(vec![rules]), test_clock::start());
        let withheld = NewCall { caller: None, ..call(CARRIER, "9196") };
        let mut places: Vec<AdmittedCall> = (0..3).filter_map(|_| gate.admit(now, withheld, Open, 0).ok()).collect();
        assert_eq!(places.len(), 3, "more than one number may have");
        assert_eq!(gate.admit(now, withheld, Open, 0), Err(Rejection::WithheldBusy));
        assert!(gate.admit(now, call(CARRIER, "9196"), Open, 0).is_ok(), "and numbers are not in their pool");
        gate.release(places.remove(0));
        assert!(gate.admit(now, withheld, Open, 0).is_ok());
    }

    fn share(caller: Option<u64>) -> Share {
        caller.map_or(Share::Withheld, Share::Caller)
    }

    #[test]
    fn calls_of_this_node_take_lines_of_their_trunk_and_no_caller_s_share() {
        let rules = TrunkRules { calls_max: 2, calls_withheld_max: Some(1), ..rules() };
        let (mut gate, now) = (gate(vec![rules.clone(), rules]), test_clock::start());
        let outgoing = gate.take_outgoing(CARRIER).expect("a line");
        let withheld = gate.admit(now, NewCall { caller: None, ..call(CARRIER, "9196") }, Open, 0);
        assert!(withheld.is_ok(), "the outgoing call is not of those who withhold their number");
        assert_eq!((gate.calls(CARRIER), gate.take_outgoing(CARRIER)), (2, None));
        assert_eq!(gate.admit(now, call(CARRIER, "9196"), Open, 0), Err(Rejection::TrunkFull));
        assert!(gate.take_outgoing(OFFICE).is_some());
        gate.release(outgoing);
        assert!(gate.admit(now, call(CARRIER, "9196"), Open, 0).is_ok());
    }

    /// One act of a number that dials without end, and of others.
    fn acts() -> impl Strategy<Value = Vec<(bool, Option<u64>, usize)>> {
        prop::collection::vec((any::<bool>(), prop::option::of(0..4u64), 0..2usize), 0..200)
    }

    proptest! {
        #[test]
        fn no_caller_and_no_trunk_ever_has_more_than_its_share_and_every_place_comes_back(acts in acts()) {
            let rules = TrunkRules {
                calls_max: 5, calls_per_second_max: 1000, calls_per_caller_max: NonZeroU32::new(2),
                calls_withheld_max: Some(3), ..rules()
            };
            let (mut gate, now) = (gate(vec![rules.clone(), rules]), test_clock::start());
            let mut places: Vec<AdmittedCall> = Vec::new();
            for (dials, caller, trunk) in acts {
                if !dials {
                    if let Some(at) = places.iter().position(|place| place.trunk == trunk && place.share == share(caller)) {
                        gate.release(places.remove(at));
                    }
                    continue;
                }
                let of_trunk = places.iter().filter(|place| place.trunk == trunk);
                let (all, same) = (of_trunk.clone().count(), of_trunk.filter(|place| place.share == share(caller)).count());
                let most = if caller.is_some() { 2 } else { 3 };
                let admitted = gate.admit(now, NewCall { caller, ..call(trunk, "9196") }, Open, 0);
                prop_assert_eq!(admitted.is_ok(), all < 5 && same < most);
                places.extend(admitted.ok());
            }
            for trunk in 0..2 {
                prop_assert_eq!(gate.calls(trunk), places.iter().filter(|place| place.trunk == trunk).count());
            }
            places.into_iter().for_each(|place| gate.release(place));
            prop_assert!(gate.trunks.iter().all(|calls| calls.calls == 0 && calls.withheld == 0 && calls.callers.is_empty()));
        }
    }
}
