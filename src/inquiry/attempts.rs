//! Failed look-ups, counted, so that nobody can try numbers out.
//!
//! Only failures count, and each only for one window; a success clears its caller. Over a limit the asker is handed to
//! a person and no look-up is made, so nothing more is counted and the window runs out: nobody is locked out for good.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How many failures within the window are borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Of one caller.
    pub per_caller: u32,
    /// Of one kiosk.
    pub per_kiosk: u32,
    /// Of one receipt.
    pub per_receipt: u32,
    /// Of all together.
    pub total: u32,
    /// How long a failure counts.
    pub window: Duration,
}

/// Who asks for what, as [`super::Keys::asker`] stands for them. Absent: not known, or not limited at this door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// The calling number.
    pub caller: Option<u64>,
    /// The kiosk.
    pub kiosk: Option<u64>,
    /// Left out where the paper is the proof: someone who guesses by phone must not close the door to its holder.
    pub receipt: Option<u64>,
}

/// Whether a look-up may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Go,
    /// Too many failures: a person at the desk or the counter helps.
    HandToPerson,
}

/// The failures of one node.
#[derive(Debug)]
pub struct Attempts {
    limits: AttemptLimits,
    /// When failures happened, per asker; never empty, and no longer than the asker's limit.
    failed: HashMap<(Kind, u64), VecDeque<Instant>>,
    all: VecDeque<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Caller,
    Kiosk,
    Receipt,
}

impl Attempts {
    /// A counter without failures.
    pub fn new(limits: AttemptLimits) -> Attempts {
        Attempts { limits, failed: HashMap::new(), all: VecDeque::new() }
    }

    /// Whether this asker may look up.
    pub fn may_ask(&mut self, now: Instant, asker: Asker) -> Verdict {
        let window = self.limits.window;
        if within(&mut self.all, now, window) >= self.limits.total {
            return Verdict::HandToPerson;
        }
        let over = self.counted(asker).any(|(kind, id, limit)| {
            let Some(times) = self.failed.get_mut(&(kind, id)) else { return false };
            let count = within(times, now, window);
            if count == 0 {
                self.failed.remove(&(kind, id));
            }
            count >= limit
        });
        if over { Verdict::HandToPerson } else { Verdict::Go }
    }

    /// A look-up found nothing: wrong number, wrong second factor and too new alike.
    pub fn failed(&mut self, now: Instant, asker: Asker) {
        self.all.push_back(now);
        if self.all.len() > self.limits.total as usize {
            self.all.pop_front();
        }
        if self.failed.len() + 3 > ASKERS_MAX {
            self.make_room(now);
        }
        for (kind, id, limit) in self.counted(asker) {
            let times = self.failed.entry((kind, id)).or_default();
            times.push_back(now);
            if times.len() > limit as usize {
                times.pop_front();
            }
        }
    }

    /// A look-up found its case: the caller is no guesser. Failures at the receipt and the kiosk stay, they may be others'.
    pub fn succeeded(&mut self, asker: Asker) {
        if let Some(caller) = asker.caller {
            self.failed.remove(&(Kind::Caller, caller));
        }
    }

    /// How many askers are remembered, for a gauge.
    pub fn remembered(&self) -> usize {
        self.failed.len()
    }

    fn counted(&self, asker: Asker) -> impl Iterator<Item = (Kind, u64, u32)> + use<> {
        let limits = self.limits;
        [
            asker.caller.map(|id| (Kind::Caller, id, limits.per_caller)),
            asker.kiosk.map(|id| (Kind::Kiosk, id, limits.per_kiosk)),
            asker.receipt.map(|id| (Kind::Receipt, id, limits.per_receipt)),
        ]
        .into_iter()
        .flatten()
    }

    /// Forgets what no longer counts, and if that is not enough the half that failed longest ago.
    fn make_room(&mut self, now: Instant) {
        let window = self.limits.window;
        self.failed.retain(|_, times| within(times, now, window) > 0);
        if self.failed.len() + 3 > ASKERS_MAX {
            let mut latest: Vec<Instant> = self.failed.values().filter_map(|times| times.back().copied()).collect();
            let middle = latest.len() / 2;
            let (_, median, _) = latest.select_nth_unstable(middle);
            let median = *median;
            let mut spare = middle;
            self.failed.retain(|_, times| {
                let keep = times.back().is_some_and(|last| *last > median) || spare == 0;
                spare -= usize::from(!keep);
                keep
            });
        }
    }
}

/// Drops what lies before the window; how many are left.
fn within(times: &mut VecDeque<Instant>, now: Instant, window: Duration) -> u32 {
    while times.front().is_some_and(|first| now.saturating_duration_since(*first) >= window) {
        times.pop_front();
    }
    u32::try_from(times.len()).unwrap_or(u32::MAX)
}

/// At most so many askers are remembered: some 10 MB.
const ASKERS_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::virtual_time::start;

    const LIMITS: AttemptLimits =
        AttemptLimits { per_caller: 3, per_kiosk: 5, per_receipt: 4, total: 50, window: Duration::from_secs(600) };

    fn caller(id: u64) -> Asker {
        Asker { caller: Some(id), ..Asker::default() }
    }

    #[test]
    fn the_third_failure_hands_the_caller_to_a_person_until_the_window_is_over() {
        let (mut attempts, began) = (Attempts::new(LIMITS), start());
        for _ in 0..3 {
            assert_eq!(attempts.may_ask(began, caller(1)), Verdict::Go);
            attempts.failed(began, caller(1));
        }
        assert_eq!(attempts.may_ask(began, caller(1)), Verdict::HandToPerson);
        assert_eq!(attempts.may_ask(began, caller(2)), Verdict::Go);
        assert_eq!(attempts.may_ask(began + LIMITS.window, caller(1)), Verdict::Go);
        assert_eq!(attempts.remembered(), 0);
    }

    #[test]
    fn a_success_clears_its_caller_but_not_the_receipt() {
        let (mut attempts, now) = (Attempts::new(LIMITS), start());
        let asker = Asker { caller: Some(1), receipt: Some(9), kiosk: None };
        for _ in 0..4 {
            attempts.failed(now, asker);
        }
        attempts.succeeded(asker);
        assert_eq!(attempts.may_ask(now, caller(1)), Verdict::Go);
        assert_eq!(attempts.may_ask(now, Asker { receipt: Some(9), ..caller(2) }), Verdict::HandToPerson);
    }

    #[test]
    fn many_callers_together_meet_the_total() {
        let (mut attempts, now) = (Attempts::new(LIMITS), start());
        (0..50).for_each(|id| attempts.failed(now, caller(id)));
        assert_eq!(attempts.may_ask(now, caller(1000)), Verdict::HandToPerson);
        assert_eq!(attempts.may_ask(now + LIMITS.window, caller(1000)), Verdict::Go);
    }

    #[test]
    fn memory_is_bounded_however_many_fail() {
        let mut attempts = Attempts::new(AttemptLimits { total: u32::MAX, ..LIMITS });
        let start = start();
        for id in 0..(3 * ASKERS_MAX as u64) {
            attempts.failed(start + Duration::from_micros(id / 7), caller(id));
        }
        assert!(attempts.remembered() <= ASKERS_MAX);
    }

    proptest! {
        #[test]
        fn within_one_window_no_caller_fails_more_often_than_the_limit(
            steps in proptest::collection::vec((0u64..4, 0u64..120), 1..200),
        ) {
            let mut attempts = Attempts::new(LIMITS);
            let mut now = start();
            let mut made: Vec<(u64, Instant)> = Vec::new();
            for (id, wait) in steps {
                now += Duration::from_secs(wait);
                if attempts.may_ask(now, caller(id)) == Verdict::Go {
                    attempts.failed(now, caller(id));
                    made.push((id, now));
                    let recent = made.iter().filter(|(other, at)| *other == id && now - *at < LIMITS.window).count();
                    prop_assert!(recent <= 3);
                }
            }
        }
    }
}
