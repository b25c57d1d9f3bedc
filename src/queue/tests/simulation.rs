//! Random arrivals and conversations, compared with Erlang C and Erlang A, and estimates compared with what came true.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use super::office::{UNIX_MS, settings, start};
use crate::*;

/// A reproducible source of random numbers (SplitMix64).
struct Random(u64);

impl Random {
    /// Between 0 and 1, neither included.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 + f64::EPSILON / 4.0
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.unit().ln()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Ended(CallerId),
    GivesUp(CallerId),
}

/// What the caller was told, when, and the number of the caller.
struct Told {
    at: f64,
    minutes: u32,
}

#[derive(Default)]
struct Results {
    /// The wait of each caller in seconds, in the order of their leaving, and whether the caller gave up.
    waits: Vec<(f64, bool)>,
    /// Estimated and real waits in seconds from an announcement on, of those who were served.
    estimates: Vec<(f64, f64)>,
}

struct Load {
    agents: usize,
    /// Seconds between two callers, on average.
    between: f64,
    talk: f64,
    patience: Option<f64>,
    callers: usize,
    seed: u64,
}

struct Simulation {
    queues: Queues,
    base: Instant,
    now: f64,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    arrived: BTreeMap<CallerId, f64>,
    told: BTreeMap<CallerId, Vec<Told>>,
    results: Results,
    random: Random,
}

fn simulate(load: &Load) -> Results {
    let names: Vec<String> = (0..load.agents).map(|at| format!("agent{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut given = settings(&names);
    given.queues[0].wrap_up = Duration::ZERO;
    given.queues[0].waiting_max = 10_000;
    given.queues[0].wait_max = Duration::from_secs(14_400);
    let base = start();
    let mut queues = Queues::new(given, base, UNIX_MS).expect("settings");
    names.iter().for_each(|name| queues.agent(base, name, AgentChange::SignIn).expect("an agent"));
    let mut simulation = Simulation {
        queues,
        base,
        now: 0.0,
        events: BinaryHeap::new(),
        arrived: BTreeMap::new(),
        told: BTreeMap::new(),
        results: Results::default(),
        random: Random(load.seed),
    };
    simulation.run(load);
    simulation.results
}

impl Simulation {
    fn run(&mut self, load: &Load) {
        self.after(0.0, Event::Arrival);
        while self.results.waits.len() < load.callers {
            let event = self.events.peek().map(|Reverse((at, _))| *at as f64 / 1e6);
            let due = self.queues.deadline().map(|due| (due.at - self.base).as_secs_f64());
            match (event, due) {
                (event, Some(due)) if event.is_none_or(|event| due < event) => self.now = self.now.max(due),
                (Some(_), _) => self.next_event(load),
                (None, _) => return,
            }
            self.poll(load);
        }
    }

    fn after(&mut self, seconds: f64, event: Event) {
        self.events.push(Reverse((((self.now + seconds) * 1e6) as u64, event)));
    }

    fn at(&self) -> Instant {
        self.base + Duration::from_secs_f64(self.now)
    }

    fn next_event(&mut self, load: &Load) {
        let Some(Reverse((at, event))) = self.events.pop() else { return };
        self.now = self.now.max(at as f64 / 1e6);
        match event {
            Event::Arrival => {
                let announce_every = Some(Duration::from_secs(30));
                let join = Join { queue: "desk".into(), announce_every, ..Join::default() };
                let caller = self.queues.join(self.at(), join).expect("there is room");
                self.arrived.insert(caller, self.now);
                if let Some(patience) = load.patience {
                    let patience = self.random.exponential(patience);
                    self.after(patience, Event::GivesUp(caller));
                }
                let next = self.random.exponential(load.between);
                self.after(next, Event::Arrival);
            }
            Event::Ended(caller) => self.queues.ended(self.at(), caller),
            Event::GivesUp(caller) => {
                if let Some(arrived) = self.arrived.remove(&caller) {
                    self.queues.leave(self.at(), caller, Left::HungUp);
                    self.results.waits.push((self.now - arrived, true));
                }
            }
        }
    }

    fn poll(&mut self, load: &Load) {
        let at = self.at();
        for action in self.queues.poll(at) {
            match action {
                Action::Offer { offer, .. } => self.queues.offer_result(at, offer, OfferResult::Accepted),
                Action::Connect { caller, .. } => {
                    let arrived = self.arrived.remove(&caller).expect("the caller waited");
                    self.results.waits.push((self.now - arrived, false));
                    for told in self.told.remove(&caller).unwrap_or_default() {
                        self.results.estimates.push((f64::from(told.minutes) * 60.0, self.now - told.at));
                    }
                    let talk = self.random.exponential(load.talk);
                    self.after(talk, Event::Ended(caller));
                }
                Action::Announce { caller, minutes: Some(minutes), .. } => {
                    self.told.entry(caller).or_default().push(Told { at: self.now, minutes });
                }
                _ => {}
            }
        }
    }
}

/// The mean of values in order, and its standard error from the means of twenty batches.
fn mean(values: &[f64]) -> (f64, f64) {
    let batch = values.len() / 20;
    let means: Vec<f64> = values.chunks_exact(batch).map(|chunk| chunk.iter().sum::<f64>() / batch as f64).collect();
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    let variance = means.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / (means.len() - 1) as f64;
    (mean, (variance / means.len() as f64).sqrt())
}

/// The mean number of waiting callers for Erlang A (Palm 1957); without patience for Erlang C. Rates per second.
fn waiting(agents: usize, arrivals: f64, service: f64, impatience: f64) -> f64 {
    let (mut weight, mut sum, mut waiting) = (1.0f64, 1.0f64, 0.0f64);
    for k in 1..5_000usize {
        let queue = k.saturating_sub(agents) as f64;
        weight *= arrivals / (k.min(agents) as f64 * service + queue * impatience);
        sum += weight;
        waiting += weight * queue;
    }
    waiting / sum
}

fn agrees(measured: (f64, f64), expected: f64) {
    let (mean, error) = measured;
    assert!((mean - expected).abs() < 4.0 * error, "measured {mean} ± {error}, expected {expected}");
    assert!(error < expected / 8.0, "too few callers: {mean} ± {error}");
}

#[test]
fn waits_agree_with_erlang_c() {
    let load = Load { agents: 10, between: 180.0 / 8.0, talk: 180.0, patience: None, callers: 60_000, seed: 1 };
    let waits: Vec<f64> = simulate(&load).waits.iter().map(|(wait, _)| *wait).collect();
    let arrivals = 1.0 / load.between;
    agrees(mean(&waits[1_000..]), waiting(10, arrivals, 1.0 / 180.0, 0.0) / arrivals);
}

#[test]
fn waits_of_impatient_callers_agree_with_erlang_a() {
    let load = Load { agents: 10, between: 15.0, talk: 180.0, patience: Some(120.0), callers: 40_000, seed: 2 };
    let results = simulate(&load).waits;
    let arrivals = 1.0 / load.between;
    let expected = waiting(10, arrivals, 1.0 / 180.0, 1.0 / 120.0) / arrivals;
    let waits: Vec<f64> = results[1_000..].iter().map(|(wait, _)| *wait).collect();
    agrees(mean(&waits), expected);
    let gave_up: Vec<f64> = results[1_000..].iter().map(|(_, gave_up)| f64::from(u8::from(*gave_up))).collect();
    agrees(mean(&gave_up), expected / 120.0);
}

#[test]
fn an_announced_wait_is_close_to_the_real_one() {
    let loads = [
        Load { agents: 10, between: 180.0 / 9.3, talk: 180.0, patience: None, callers: 20_000, seed: 3 },
        Load { agents: 10, between: 180.0 / 13.0, talk: 180.0, patience: Some(400.0), callers: 20_000, seed: 4 },
        Load { agents: 3, between: 240.0 / 2.6, talk: 240.0, patience: None, callers: 20_000, seed: 5 },
    ];
    for load in loads {
        let estimates = simulate(&load).estimates;
        assert!(estimates.len() > 5_000);
        let all = estimates.len() as f64;
        let told = estimates.iter().map(|(told, _)| told).sum::<f64>() / all;
        let real = estimates.iter().map(|(_, real)| real).sum::<f64>() / all;
        let far = estimates.iter().filter(|(told, real)| *real > told * 2.0 + 30.0).count() as f64 / all;
        let short = estimates.iter().filter(|(told, real)| *real > *told + 60.0).count() as f64 / all;
        let (agents, seed) = (load.agents, load.seed);
        // Rounding up adds half a minute to short waits, and half of five to long ones.
        let expected = real * 0.97..real * 1.2 + 60.0;
        assert!(expected.contains(&told), "{agents} agents, seed {seed}: announced {told} s, waited {real} s");
        assert!(far < 0.03, "{agents} agents, seed {seed}: {far} waited more than twice as long");
        assert!(short < 0.20, "{agents} agents, seed {seed}: {short} waited a minute longer");
    }
}
