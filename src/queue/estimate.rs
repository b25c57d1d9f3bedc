//! How long a caller will wait, measured from the queue's own recent conversations and callers.
//!
//! With *n* agents of mean cycle time *h* (ring, conversation, notes) and *k* callers before one, the next of them is served after
//! *h/n* on average, and each may give up before at the rate *θ*: the wait is Σ 1/(n/h + jθ) for j from 0 to k, as in Erlang A
//! (Palm 1957). *θ* is the number of callers who gave up, divided by the time that all callers waited.

use std::collections::VecDeque;

use crate::moment::Moment;

/// What a queue has measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    /// The last cycles: from the first ring to the end of the notes.
    cycles: VecDeque<Moment>,
    gave_up: f64,
    waited: f64,
}

impl Rates {
    pub(crate) fn handled(&mut self, cycle: Moment) {
        if self.cycles.len() == CYCLES {
            self.cycles.pop_front();
        }
        self.cycles.push_back(cycle.max(1));
    }

    /// One caller's wait is over.
    pub(crate) fn waited(&mut self, time: Moment, gave_up: bool) {
        self.gave_up = self.gave_up * FADE + if gave_up { 1.0 } else { 0.0 };
        self.waited = self.waited * FADE + time as f64;
    }

    /// The wait of a caller behind so many others, in milliseconds; `None` while too little is measured.
    pub(crate) fn wait(&self, before: usize, agents: usize) -> Option<f64> {
        if self.cycles.len() < CYCLES_NEEDED || agents == 0 {
            return None;
        }
        let mean = self.cycles.iter().sum::<Moment>() as f64 / self.cycles.len() as f64;
        let served = agents as f64 / mean;
        let impatience = if self.waited > 0.0 { self.gave_up / self.waited } else { 0.0 };
        Some((0..=before).map(|others| 1.0 / (served + others as f64 * impatience)).sum())
    }
}

/// A wait as it is spoken: rounded up to whole minutes, above ten minutes to multiples of five; `None` above an hour.
pub(crate) fn minutes(wait_ms: f64) -> Option<u32> {
    let minutes = (wait_ms / 60_000.0).ceil().max(1.0);
    let spoken = if minutes <= 10.0 { minutes } else { (minutes / 5.0).ceil() * 5.0 };
    (spoken <= 60.0).then_some(spoken as u32)
}

/// Cycles that count.
const CYCLES: usize = 50;
/// With fewer cycles nothing is estimated.
const CYCLES_NEEDED: usize = 5;
/// What an older wait counts for less than the next: about the last hundred count.
const FADE: f64 = 0.99;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_spoken_in_whole_minutes_and_then_in_fives() {
        let spoken = [0.0, 59_000.0, 61_000.0, 299_000.0, 599_000.0, 601_000.0, 3_600_000.0, 3_601_000.0].map(minutes);
        let expected = [Some(1), Some(1), Some(2), Some(5), Some(10), Some(15), Some(60), None];
        assert_eq!(spoken, expected);
    }

    #[test]
    fn nothing_is_estimated_from_too_little() {
        let mut rates = Rates::default();
        (0..4).for_each(|_| rates.handled(60_000));
        assert_eq!(rates.wait(0, 1), None);
        rates.handled(60_000);
        assert_eq!(rates.wait(1, 2), Some(60_000.0));
        assert_eq!(rates.wait(1, 0), None);
    }
}
