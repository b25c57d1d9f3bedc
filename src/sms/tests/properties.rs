//! Laws that hold for any order of events.

use std::collections::HashMap;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Asks(u8),
    Ends(u8),
    Passes(u16),
    Report(bool),
    Cancel(u8),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u8..4).prop_map(Event::Asks),
        6 => any::<u8>().prop_map(Event::Ends),
        3 => (0u16..4_000).prop_map(Event::Passes),
        1 => any::<bool>().prop_map(Event::Report),
        1 => any::<u8>().prop_map(Event::Cancel),
        1 => Just(Event::Restart),
    ]
}

fn outcome(choice: u8) -> Outcome {
    match choice % 5 {
        0 | 1 => Outcome::Sent,
        2 => Outcome::Rejected("test"),
        3 => Outcome::Later("test"),
        _ if choice > 128 => Outcome::Throttled,
        _ => Outcome::Unreachable("test"),
    }
}

proptest! {
    #[test]
    fn no_message_is_sent_twice_and_no_limit_is_passed(events in prop::collection::vec(event(), 0..120)) {
        let rules = || settings(|settings| { settings.limits.per_number_per_day = 2; settings.limits.waiting_max = 5; });
        let mut office = Office::new(rules());
        let mut disk: HashMap<SmsId, SmsRecord> = HashMap::new();
        let mut sending: Vec<SmsId> = Vec::new();
        let mut sent: Vec<SmsId> = Vec::new();
        for event in events {
            match event {
                Event::Asks(n) => {
                    let number = format!("1380013800{n}");
                    let left = office.outbox.left(&number);
                    let asked = office.asks(&number);
                    prop_assert_eq!(asked.is_ok(), left > 0);
                    disk.extend(asked.ok().map(|record| (record.id, record)));
                }
                Event::Ends(choice) => if !sending.is_empty() {
                    let id = sending.remove(usize::from(choice) % sending.len());
                    let outcome = outcome(choice);
                    if outcome == Outcome::Sent {
                        prop_assert!(!sent.contains(&id));
                        sent.push(id);
                    }
                    office.ends(id, outcome);
                },
                Event::Passes(seconds) => office.passes(Duration::from_secs(seconds.into())),
                Event::Report(up) => {
                    let report = if up { CarrierReport::Up } else { CarrierReport::Down("test") };
                    office.outbox.report(office.now(), report);
                }
                Event::Cancel(n) => {
                    let waits = office.outbox.records().map(|record| record.id).nth(n.into());
                    if let Some(id) = waits.filter(|id| office.outbox.cancel(*id)) {
                        prop_assert!(!sending.contains(&id));
                    }
                    office.does();
                }
                Event::Restart => {
                    office.outbox = Outbox::new(rules());
                    office.outbox.restore(office.now(), disk.values().cloned().collect());
                    office.does();
                    sending.clear();
                }
            }
            for record in office.stored.drain(..) {
                disk.insert(record.id, record);
            }
            for id in office.forgotten.drain(..) {
                disk.remove(&id);
            }
            while let Some(id) = office.sends() {
                prop_assert!(!sending.contains(&id) && !sent.contains(&id));
                sending.push(id);
            }
            prop_assert!(sending.len() <= 2);
            prop_assert_eq!(office.outbox.records().count(), disk.len());
        }
    }
}
