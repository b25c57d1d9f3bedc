//! The messages of a node in virtual time.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::*;

mod properties;

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let template = |text: &str| text.parse().expect("a template");
    let http = HttpCarrier {
        url: template("http://127.0.0.1/"),
        method: "POST".into(),
        headers: Vec::new(),
        body: template("{text}"),
        sign: None,
        encoding: Encoding::Hex,
        secret_file: None,
        success: Success { statuses: vec![200..=299], field: None, values: Vec::new(), later_values: Vec::new() },
        timeout: Duration::from_secs(10),
        at_once_max: 2,
        ca_file: None,
    };
    let mut settings = Settings { carrier: Some(Carrier::Http(Box::new(http))), ..Settings::default() };
    settings.limits.allow = vec!["1[3-9]XXXXXXXXX".parse().expect("a pattern")];
    change(&mut settings);
    settings
}

/// A node's outbox with clocks of its own.
struct Office {
    outbox: Outbox,
    began: Instant,
    passed: Duration,
    next_id: u64,
    stored: Vec<SmsRecord>,
    forgotten: Vec<SmsId>,
}

impl Office {
    fn new(settings: Settings) -> Office {
        let began = base_instant();
        Office {
            outbox: Outbox::new(settings),
            began,
            passed: Duration::ZERO,
            next_id: 0,
            stored: Vec::new(),
            forgotten: Vec::new(),
        }
    }

    fn now(&self) -> Moment {
        let passed = i64::try_from(self.passed.as_millis()).expect("a short test");
        Moment { at: self.began + self.passed, wall_ms: 1_700_000_000_000 + passed }
    }

    fn asks(&mut self, number: &str) -> Result<SmsRecord, Refusal> {
        self.next_id += 1;
        let record = self.outbox.accept(self.now(), self.next_id, number, "尾号0018")?;
        self.outbox.stored(self.now(), record.id, true);
        Ok(record)
    }

    fn sends(&mut self) -> Option<SmsId> {
        self.outbox.next_attempt(self.now()).map(|attempt| attempt.id)
    }

    fn ends(&mut self, id: SmsId, outcome: Outcome) {
        self.outbox.ended(self.now(), id, outcome);
        self.does();
    }

    fn passes(&mut self, time: Duration) {
        self.passed += time;
        self.outbox.tick(self.now());
        self.does();
    }

    fn does(&mut self) {
        while let Some(action) = self.outbox.poll() {
            match action {
                Action::Store(record) => self.stored.push(record),
                Action::Forget(id) => self.forgotten.push(id),
            }
        }
    }
}

/// Any instant.
fn base_instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time counts from any instant")]
    Instant::now()
}

const NUMBER: &str = "13800138000";
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_message_is_sent_once_and_its_words_are_forgotten() {
    let mut office = Office::new(settings(|_| {}));
    let record = office.asks(NUMBER).expect("accepted");
    assert_eq!(office.sends(), Some(record.id));
    assert_eq!(office.sends(), None);
    office.ends(record.id, Outcome::Sent);
    assert_eq!(office.sends(), None);
    let stored = office.stored.last().expect("stored");
    assert_eq!((stored.state, stored.text.expose().as_str()), (SmsState::Over(SmsEnd::Sent), ""));
    office.ends(record.id, Outcome::Sent);
    assert_eq!(office.outbox.figures().sent, 1);
}

#[test]
fn a_message_waits_for_its_store() {
    let mut office = Office::new(settings(|_| {}));
    let record = office.outbox.accept(office.now(), 1, NUMBER, "a").expect("accepted");
    assert_eq!(office.sends(), None);
    office.outbox.stored(office.now(), record.id, false);
    assert_eq!((office.sends(), office.outbox.figures().refused), (None, 1));
    assert_eq!(office.outbox.left(NUMBER), 1, "it counts for no limit");
}

#[test]
fn limits_hold_for_a_number_a_day_and_a_call() {
    let mut office = Office::new(settings(|settings| {
        settings.limits.per_number_per_day = 2;
        settings.limits.per_day = 3;
        settings.limits.deny = vec!["139XXXXXXXX".parse().expect("a pattern")];
    }));
    assert_eq!(
        (office.outbox.left(NUMBER), office.outbox.left("02083123456"), office.outbox.left("13900000000")),
        (1, 0, 0)
    );
    assert_eq!(office.asks("02083123456"), Err(Refusal::Number));
    for _ in 0..2 {
        let id = office.asks("138 0013 8000").expect("accepted").id;
        assert_eq!(office.sends(), Some(id));
        office.ends(id, Outcome::Sent);
    }
    assert_eq!((office.outbox.left(NUMBER), office.asks(NUMBER)), (0, Err(Refusal::NumberLimit)));
    office.asks("13800138001").expect("accepted");
    assert_eq!(office.asks("13800138002"), Err(Refusal::DayLimit));
    office.passes(MINUTE * 60 * 24 + MINUTE);
    assert_eq!((office.outbox.left(NUMBER), office.forgotten.len()), (1, 3));
    assert_eq!(office.outbox.figures().expired, 1);
}

#[test]
fn later_means_later_and_not_for_ever() {
    let mut office = Office::new(settings(|settings| settings.attempts_max = 3));
    let id = office.asks(NUMBER).expect("accepted").id;
    for attempt in 1..=3 {
        assert_eq!(office.sends(), Some(id), "attempt {attempt}");
        office.ends(id, Outcome::Later("test"));
        assert_eq!(office.sends(), None);
        office.passes(MINUTE);
    }
    assert_eq!((office.outbox.figures().failed, office.outbox.figures().waiting), (1, 0));
}

#[test]
fn an_unreachable_carrier_holds_all_and_counts_no_attempt() {
    let mut office = Office::new(settings(|settings| settings.keep = MINUTE * 60));
    let (first, second) = (office.asks(NUMBER).expect("accepted").id, office.asks("13800138001").expect("accepted").id);
    assert_eq!((office.sends(), office.sends()), (Some(first), Some(second)));
    office.ends(first, Outcome::Unreachable("test"));
    office.ends(second, Outcome::Unreachable("test"));
    assert!(!office.outbox.is_alarming(office.now().wall_ms));
    for _ in 0..15 {
        office.passes(MINUTE);
        if let Some(id) = office.sends() {
            office.ends(id, Outcome::Unreachable("test"));
        }
    }
    assert!(office.outbox.is_alarming(office.now().wall_ms));
    assert_eq!(office.outbox.records().map(|record| record.attempts).max(), Some(0));
    office.passes(MINUTE * 6);
    let id = office.sends().expect("the pause is over");
    office.ends(id, Outcome::Sent);
    assert!(!office.outbox.is_alarming(office.now().wall_ms));
    assert!(office.sends().is_some(), "the other one follows at once");
    office.passes(MINUTE * 60);
    assert_eq!(office.outbox.figures().expired, 0, "what is being sent is not swept");
}

#[test]
fn a_throttling_carrier_pauses_the_others() {
    let mut office = Office::new(settings(|_| {}));
    let first = office.asks(NUMBER).expect("accepted").id;
    let second = office.asks("13800138001").expect("accepted").id;
    assert_eq!(office.sends(), Some(first));
    office.ends(first, Outcome::Throttled);
    assert_eq!(office.sends(), None);
    office.passes(Duration::from_secs(7));
    assert_eq!(office.sends(), Some(second));
}

#[test]
fn a_success_of_an_attempt_that_was_under_way_lifts_no_pause() {
    let mut office = Office::new(settings(|_| {}));
    let mut of = |number: &str| office.asks(number).expect("accepted").id;
    let (first, second, third) = (of(NUMBER), of("13800138001"), of("13800138002"));
    assert_eq!((office.sends(), office.sends()), (Some(first), Some(second)));
    office.passes(Duration::from_millis(100));
    office.ends(first, Outcome::Throttled);
    office.passes(Duration::from_millis(100));
    office.ends(second, Outcome::Sent);
    assert_eq!(office.sends(), None, "it asked for a pause");
    office.passes(Duration::from_secs(7));
    assert_eq!(office.sends(), Some(third));
    office.ends(third, Outcome::Sent);
    assert_eq!(office.outbox.figures().sent, 2);
}

#[test]
fn what_waits_is_sent_after_a_restart_and_what_is_old_is_not() {
    let mut office = Office::new(settings(|_| {}));
    let record = office.asks(NUMBER).expect("accepted");
    assert_eq!(office.sends(), Some(record.id), "under way when the program ends");
    let old = SmsRecord { id: SmsId(77), accepted_ms: record.accepted_ms - 3_700_000, ..record.clone() };
    let mut again = Office::new(settings(|_| {}));
    let read = |record: &SmsRecord| SmsRecord::from_json(&record.to_json()).expect("its own words");
    again.outbox.restore(again.now(), vec![read(&record), read(&old)]);
    again.does();
    assert_eq!((again.sends(), again.sends()), (Some(record.id), None));
    assert_eq!(again.outbox.figures().expired, 1);
    assert!(!again.outbox.cancel(record.id), "it is being sent");
    again.ends(record.id, Outcome::Later("test"));
    assert!(again.outbox.cancel(record.id));
    assert!(!again.outbox.cancel(record.id));
}

#[test]
fn a_connection_is_awaited() {
    let mut office = Office::new(settings(|_| {}));
    office.outbox.report(office.now(), CarrierReport::Down("test"));
    let id = office.asks(NUMBER).expect("accepted").id;
    assert_eq!(office.sends(), None);
    office.outbox.report(office.now(), CarrierReport::Up);
    assert_eq!(office.sends(), Some(id));
}
