//! What one decision of the queues costs: 500 callers wait, 200 agents talk, conversations end and the next caller is offered.
//!
//! `cargo bench --workspace --bench queue`

use std::time::{Duration, Instant};

use queue::{Action, AgentChange, AgentSettings, Join, OfferResult, QueueSettings, Queues, Settings};

fn main() {
    let agents: Vec<String> = (0..200).map(|at| format!("agent{at}")).collect();
    let agent = |(at, name): (usize, &String)| AgentSettings {
        name: name.as_str().into(),
        queues: vec!["desk".into()],
        skills: if at % 2 == 0 { vec!["en".into()] } else { vec![] },
    };
    let desk = QueueSettings {
        waiting_max: 10_000,
        wrap_up: Duration::ZERO,
        wait_max: Duration::from_secs(14_400),
        ..QueueSettings::new("desk")
    };
    let settings = Settings {
        queues: vec![desk],
        agents: agents.iter().enumerate().map(agent).collect(),
        pauses: vec![],
        call_backs: Default::default(),
    };
    let start = Instant::now();
    let mut queues = Queues::new(settings, start, 0).expect("settings");
    agents.iter().for_each(|agent| queues.agent(start, agent, AgentChange::SignIn).expect("an agent"));
    let mut now = start;
    let mut talking = std::collections::VecDeque::new();
    let mut times = Vec::new();
    let join = |at: usize| Join {
        queue: "desk".into(),
        skills: if at.is_multiple_of(5) { vec!["en".into()] } else { vec![] },
        announce_every: Some(Duration::from_secs(30)),
        ..Join::default()
    };
    for at in 0..700 {
        queues.join(now, join(at)).expect("room");
    }
    // 20 conversations end each second, and 20 callers come.
    for at in 0..20_000 {
        now += Duration::from_millis(50);
        queues.join(now, join(at)).expect("room");
        if let Some(caller) = talking.pop_front() {
            queues.ended(now, caller);
        }
        loop {
            let begun = Instant::now();
            let actions = queues.poll(now);
            times.push(begun.elapsed());
            let mut results = 0;
            for action in actions {
                match action {
                    Action::Offer { offer, .. } => {
                        queues.offer_result(now, offer, OfferResult::Accepted);
                        results += 1;
                    }
                    Action::Connect { caller, .. } => talking.push_back(caller),
                    _ => {}
                }
            }
            if results == 0 {
                break;
            }
        }
    }
    let waiting = queues.queue_figures(now).remove(0).waiting;
    times.sort();
    let part = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{waiting} wait, {} talk, {} decisions", talking.len(), times.len());
    println!("median {:?}, 99 % {:?}, most {:?}", part(0.5), part(0.99), part(1.0));
}
