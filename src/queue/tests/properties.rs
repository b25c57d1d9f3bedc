//! Random acts of callers, agents, phones and supervisors: nobody is lost, served twice or left behind.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::office::*;
use crate::*;

#[derive(Clone, Debug)]
enum Act {
    Join { priority: u8, english: bool },
    HangUp(usize),
    Key(usize),
    Change { agent: usize, change: u8 },
    Phone { agent: usize, result: u8 },
    LateResult { offer: u64, result: u8 },
    ConnectionFails(usize),
    Book { number: usize, place: usize },
    CallBack { which: usize, result: u8 },
    Cancel(usize),
    Open(bool),
    Move(usize),
    Give { which: usize, agent: usize },
    Outside { which: usize, back: bool },
    Ask { which: usize, agent: usize, result: u8, complete: bool },
    Free(usize),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..3u8, any::<bool>()).prop_map(|(priority, english)| Act::Join { priority, english }),
        2 => (0..8usize).prop_map(Act::HangUp),
        1 => (0..8usize).prop_map(Act::Key),
        3 => (0..3usize, 0..6u8).prop_map(|(agent, change)| Act::Change { agent, change }),
        6 => (0..3usize, 0..8u8).prop_map(|(agent, result)| Act::Phone { agent, result }),
        1 => (0..40u64, 0..8u8).prop_map(|(offer, result)| Act::LateResult { offer, result }),
        1 => (0..8usize).prop_map(Act::ConnectionFails),
        2 => (0..5usize, 0..8usize).prop_map(|(number, place)| Act::Book { number, place }),
        3 => (0..8usize, 0..7u8).prop_map(|(which, result)| Act::CallBack { which, result }),
        1 => (0..8usize).prop_map(Act::Cancel),
        1 => any::<bool>().prop_map(Act::Open),
        1 => (0..8usize).prop_map(Act::Move),
        2 => (0..8usize, 0..3usize).prop_map(|(which, agent)| Act::Give { which, agent }),
        1 => (0..8usize, any::<bool>()).prop_map(|(which, back)| Act::Outside { which, back }),
        2 => (0..8usize, 0..3usize, 0..8u8, any::<bool>())
            .prop_map(|(which, agent, result, complete)| Act::Ask { which, agent, result, complete }),
        1 => (0..3usize).prop_map(Act::Free),
        4 => prop_oneof![0..30u64, 0..1_300u64].prop_map(Act::Pass),
    ]
}

const AGENTS: [&str; 3] = ["amy", "bob", "carl"];

fn office(ring: Ring) -> Office {
    let mut given = settings(&AGENTS);
    given.queues[0].ring = ring;
    given.queues[0].waiting_max = 20;
    given.queues[0].overflow = Some("other".into());
    given.queues.push(QueueSettings::new("other"));
    given.agents[0].queues.push("other".into());
    given.agents[1].skills = vec!["en".into()];
    given.agents[2].skills = vec!["en".into()];
    given.call_backs.per_number_per_day = 9;
    Office::new(given)
}

fn result(code: u8) -> OfferResult {
    match code {
        0 => OfferResult::Declined,
        1 => OfferResult::NoAnswer,
        2 => OfferResult::Failed,
        3 => OfferResult::Withdrawn,
        _ => OfferResult::Accepted,
    }
}

fn answer(code: u8) -> CallBackResult {
    match code {
        0 => CallBackResult::Cancelled,
        1 => CallBackResult::Busy,
        2 => CallBackResult::NoAnswer,
        3 => CallBackResult::Machine,
        4 => CallBackResult::Failed,
        5 => CallBackResult::LineFailed,
        _ => CallBackResult::Agreed,
    }
}

/// What the acts know of callers.
#[derive(Default)]
struct World {
    joined: Vec<CallerId>,
    /// Callers who left by themselves.
    left: BTreeSet<CallerId>,
}

impl World {
    fn any(&self, at: usize) -> Option<CallerId> {
        let len = self.joined.len();
        (len > 0).then(|| self.joined[len - 1 - at % len])
    }

    fn act(&mut self, office: &mut Office, act: &Act) {
        match act {
            Act::Join { priority, english } => {
                let skills = if *english { vec!["en".into()] } else { vec![] };
                let announce_every = Some(seconds(20));
                let join =
                    Join { queue: "desk".into(), priority: *priority, skills, announce_every, ..Join::default() };
                self.joined.extend(office.try_join(join));
            }
            Act::HangUp(at) => self.any(*at).into_iter().for_each(|caller| {
                self.left.insert(caller);
                office.hang_up(caller);
            }),
            Act::Key(at) => self.any(*at).into_iter().for_each(|caller| {
                self.left.insert(caller);
                office.queues.leave(office.now, caller, Left::Key);
                office.talking.remove(&caller);
                office.poll();
            }),
            Act::Change { agent, change } => {
                let change = match change {
                    0 => AgentChange::SignOut,
                    1 => AgentChange::Pause("lunch".into()),
                    2 => AgentChange::PhoneLost,
                    3 => AgentChange::PhoneBack,
                    4 => AgentChange::Ready,
                    _ => AgentChange::SignIn,
                };
                let _ = office.queues.agent(office.now, AGENTS[*agent], change);
                office.poll();
            }
            Act::Phone { agent, result: code } => {
                if office.rings_for(AGENTS[*agent]).is_some() {
                    office.phone(AGENTS[*agent], result(*code));
                }
            }
            Act::LateResult { offer, result: code } if result(*code) != OfferResult::Accepted => {
                office.ringing.retain(|_, (one, _)| one.0 != *offer);
                office.result(OfferId(*offer), result(*code));
            }
            Act::LateResult { .. } => {}
            Act::ConnectionFails(at) => self.connection_fails(office, *at),
            Act::Book { .. } | Act::CallBack { .. } | Act::Cancel(_) => self.call_backs(office, act),
            Act::Open(open) => {
                office.queues.set_open(office.now, "desk", *open);
                office.poll();
            }
            Act::Move(at) => {
                if let Some(caller) = self.any(*at) {
                    let _ = office.queues.move_caller(office.now, caller, "other");
                }
                office.poll();
            }
            Act::Give { .. } | Act::Outside { .. } | Act::Ask { .. } => self.transfers(office, act),
            Act::Free(agent) => {
                office.talking.retain(|_, name| &**name != AGENTS[*agent]);
                office.queues.free_agent(office.now, AGENTS[*agent]).expect("an agent");
                office.poll();
            }
            Act::Pass(time) => office.pass(seconds(*time)),
        }
    }

    fn connection_fails(&self, office: &mut Office, at: usize) {
        if let Some(caller) = self.any(at).filter(|caller| office.talking.remove(caller).is_some()) {
            office.queues.connection_failed(office.now, caller);
            office.poll();
        }
    }

    /// Agents give callers away, and ask each other.
    fn transfers(&mut self, office: &mut Office, act: &Act) {
        let talks = |office: &Office, which: usize| self.any(which).filter(|one| office.talking.contains_key(one));
        match act {
            Act::Give { which, agent } => {
                let Some(caller) = talks(office, *which) else { return };
                if office.queues.give_to_agent(office.now, caller, AGENTS[*agent]).is_ok() {
                    office.talking.remove(&caller);
                }
            }
            Act::Outside { which, back } => {
                let Some(caller) = talks(office, *which) else { return };
                assert!(office.queues.give_outside(office.now, caller, true));
                office.talking.remove(&caller);
                if *back {
                    assert!(office.queues.take_back(office.now, caller));
                } else {
                    self.left.insert(caller);
                    office.queues.leave(office.now, caller, Left::HungUp);
                }
            }
            Act::Ask { which, agent, result: code, complete } => {
                let Some(caller) = talks(office, *which) else { return };
                let Ok((asked, _)) = office.queues.consult(office.now, caller, AGENTS[*agent]) else { return };
                office.result(asked, result(*code));
                let completed = *complete && office.queues.complete_consultation(office.now, caller, asked, true);
                if completed {
                    office.talking.insert(caller, AGENTS[*agent].into());
                } else {
                    office.result(asked, OfferResult::Withdrawn);
                }
            }
            _ => {}
        }
        office.poll();
    }

    fn call_backs(&mut self, office: &mut Office, act: &Act) {
        match act {
            Act::Book { number, place } => {
                let place = self.any(*place);
                if office.book(&format!("1380000000{number}"), place).is_ok() {
                    self.left.extend(place);
                }
            }
            Act::CallBack { which, result: code } => {
                let dialled = office.dialled();
                if let Some((request, person, _)) = dialled.get(which % dialled.len().max(1)).copied() {
                    office.call_back(request, answer(*code));
                    let waits = office.queues.callers().any(|(caller, _)| caller == person);
                    if waits && !self.joined.contains(&person) {
                        self.joined.push(person);
                    }
                }
            }
            Act::Cancel(at) => {
                let requests: Vec<CallBackId> = office.queues.call_backs().map(|record| record.id).collect();
                if let Some(request) = requests.get(at % requests.len().max(1)) {
                    office.queues.cancel_call_back(office.now, *request);
                    office.poll();
                }
            }
            _ => {}
        }
    }

    /// Every caller waits, talks, or is gone; nobody waits while a ready agent could serve; no position grew aloud.
    fn check(&self, office: &mut Office) {
        let waiting: BTreeSet<CallerId> = office.queues.callers().map(|(caller, _)| caller).collect();
        for caller in &self.joined {
            let places = [waiting.contains(caller), office.talking.contains_key(caller)];
            let gone =
                self.left.contains(caller) || office.overflow(*caller).is_some() || office.was_connected(*caller);
            let here = places.iter().filter(|here| **here).count();
            assert!(here == 1 || (here == 0 && gone), "{caller:?} is in {here} places");
        }
        let ringing: BTreeSet<CallerId> = office.ringing.values().map(|(_, caller)| *caller).collect();
        let idle: Vec<&str> = AGENTS.into_iter().filter(|agent| office.state(agent) == AgentState::Ready).collect();
        if idle.contains(&"bob") || idle.contains(&"carl") {
            // After a fault of the node there is a pause.
            let queues = &office.queues;
            let due = |caller| {
                let entry = queues.waiting.entry(caller);
                entry.is_some_and(|entry| entry.offer_from <= queues.now && entry.only.is_none())
            };
            let mut unserved = queues
                .callers()
                .filter(|(caller, queue)| &***queue == "desk" && !ringing.contains(caller) && due(*caller));
            assert_eq!(unserved.next(), None, "a caller waits while {idle:?} are ready");
        }
    }
}

impl Office {
    fn was_connected(&self, caller: CallerId) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::Connect { caller: its, .. } if *its == caller))
    }

    /// Everybody does their work: what waits is served, and what is left is idle.
    fn ends_well(&mut self) {
        for agent in AGENTS {
            self.agent(agent, AgentChange::PhoneBack);
            self.agent(agent, AgentChange::SignIn);
        }
        self.queues.set_open(self.now, "desk", true);
        let mut answered = 0;
        for _ in 0..600 {
            for agent in AGENTS {
                let _ = self.queues.agent(self.now, agent, AgentChange::Ready);
            }
            self.pass(seconds(20));
            for agent in AGENTS {
                if self.ringing.contains_key(agent) {
                    self.phone(agent, OfferResult::Accepted);
                }
            }
            let dialled = self.dialled();
            for (request, ..) in dialled.iter().skip(answered) {
                self.call_back(*request, CallBackResult::Cancelled);
            }
            answered = dialled.len();
            let talking: Vec<CallerId> = self.talking.keys().copied().collect();
            talking.into_iter().for_each(|caller| self.hang_up(caller));
            if self.queues.is_idle() && self.queues.call_back_figures().waiting == 0 {
                break;
            }
        }
        self.pass(seconds(30));
        for agent in AGENTS {
            self.agent(agent, AgentChange::Ready);
        }
        assert!(self.queues.is_idle());
        assert_eq!(self.queues.call_back_figures().waiting, 0);
        for agent in AGENTS {
            assert_eq!(self.state(agent), AgentState::Ready, "{agent}");
        }
    }

    /// Announced positions of one queue never grow. Another queue has positions of its own.
    fn no_position_grew(&self) {
        let mut lowest = std::collections::BTreeMap::new();
        for action in &self.actions {
            match action {
                Action::Moved { caller, .. } | Action::Connect { caller, .. } => drop(lowest.remove(caller)),
                Action::Announce { caller, position, .. } => {
                    let before = lowest.insert(*caller, *position);
                    assert!(before.is_none_or(|before| *position <= before), "{caller:?}: {before:?}, then {position}");
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_lost_served_twice_or_left_behind(acts in prop::collection::vec(act(), 1..120), group in any::<bool>()) {
        let mut office = office(if group { Ring::Group(2) } else { Ring::LongestIdle });
        let mut world = World::default();
        AGENTS.iter().for_each(|agent| office.agent(agent, AgentChange::SignIn));
        for act in &acts {
            world.act(&mut office, act);
            world.check(&mut office);
        }
        office.no_position_grew();
        office.ends_well();
    }

    #[test]
    fn a_single_queue_serves_in_order(hang_ups in prop::collection::btree_set(0..30usize, 0..10)) {
        let mut office = Office::ready(&AGENTS);
        let callers: Vec<CallerId> = (0..30).map(|_| office.join()).collect();
        hang_ups.iter().filter(|at| **at >= 3).for_each(|at| office.hang_up(callers[*at]));
        for _ in 0..30 {
            for agent in AGENTS {
                if office.ringing.contains_key(agent) {
                    office.phone(agent, OfferResult::Accepted);
                }
            }
            let talking: Vec<CallerId> = office.talking.keys().copied().collect();
            talking.into_iter().for_each(|caller| office.hang_up(caller));
            office.pass(seconds(11));
        }
        let connected: Vec<CallerId> = office.actions.iter().filter_map(|action| match action {
            Action::Connect { caller, .. } => Some(*caller),
            _ => None,
        }).collect();
        let expected: Vec<CallerId> = callers.iter().enumerate()
            .filter(|(at, _)| *at < 3 || !hang_ups.contains(at)).map(|(_, caller)| *caller).collect();
        prop_assert_eq!(connected, expected);
    }
}
