//! The messages that wait, those being sent, and those of the last 24 hours.
//!
//! | method | when the shell calls it |
//! |---|---|
//! | [`Outbox::accept`], [`Outbox::stored`] | a caller asked for a message; its record is stored, or cannot be |
//! | [`Outbox::next_attempt`] | until it gives none, after each other method |
//! | [`Outbox::ended`], [`Outbox::report`] | an attempt has ended; the connection to the carrier came or went |
//! | [`Outbox::tick`] | [`Outbox::deadline`] has come |
//! | [`Outbox::poll`] | until it gives none, after each other method |

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use base::{Deadline, Private, earliest};

use crate::carrier::{CarrierFigures, CarrierReport, Outcome};
use crate::figures::SmsFigures;
use crate::limits::Refusal;
use crate::record::{SmsEnd, SmsId, SmsRecord, SmsState};
use crate::settings::{Carrier, Settings};

/// One moment by both clocks: the monotonic one, by which is waited, and the wall's, by which records are dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic.
    pub at: Instant,
    /// Milliseconds since 1970.
    pub wall_ms: i64,
}

/// A message that is to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which message.
    pub id: SmsId,
    /// The number as it is dialled.
    pub number: Private<String>,
    /// The words.
    pub text: Private<String>,
}

/// What is to be done with records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store this in place of what was stored of the message.
    Store(SmsRecord),
    /// Delete it.
    Forget(SmsId),
}

/// All messages of a node.
pub struct Outbox {
    settings: Settings,
    messages: HashMap<SmsId, Entry>,
    /// The same, the oldest first.
    order: VecDeque<SmsId>,
    /// Those that are stored and wait for their next attempt.
    due: BTreeSet<(Instant, SmsId)>,
    /// The attempts under way, and when they began.
    sending: BTreeMap<SmsId, Instant>,
    per_number: HashMap<String, u32>,
    carrier: CarrierState,
    figures: SmsFigures,
    actions: VecDeque<Action>,
    sweep_at: Option<Instant>,
    stopped: bool,
}

struct Entry {
    record: SmsRecord,
    /// When it is due, while it waits.
    due: Option<Instant>,
}

struct CarrierState {
    /// False: there is no connection, and whoever makes it reports when there is.
    connected: bool,
    /// Nothing is sent before this time.
    resume_at: Option<Instant>,
    /// When it last asked for a pause, or could not be reached.
    held_at: Option<Instant>,
    /// Failures of the carrier in a row.
    failures: u32,
    figures: CarrierFigures,
}

impl Outbox {
    /// Without a message.
    pub fn new(settings: Settings) -> Outbox {
        let needs_connection = matches!(settings.carrier, Some(Carrier::Smpp(_)));
        Outbox {
            settings,
            messages: HashMap::new(),
            order: VecDeque::new(),
            due: BTreeSet::new(),
            sending: BTreeMap::new(),
            per_number: HashMap::new(),
            carrier: CarrierState {
                connected: !needs_connection,
                resume_at: None,
                held_at: None,
                failures: 0,
                figures: CarrierFigures::default(),
            },
            figures: SmsFigures::default(),
            actions: VecDeque::new(),
            sweep_at: None,
            stopped: false,
        }
    }

    /// Takes what was stored when the program ended.
    pub fn restore(&mut self, now: Moment, mut records: Vec<SmsRecord>) {
        records.sort_by_key(|record| (record.accepted_ms, record.id));
        for record in records {
            let id = record.id;
            let waits = record.state == SmsState::Waiting;
            self.insert(record);
            if waits {
                self.wait_until(id, now.at);
            }
        }
        self.tick(now);
    }

    /// How many messages this number may still get in one call; 0: none.
    pub fn left(&self, number: &str) -> u8 {
        let limits = &self.settings.limits;
        let Some(number) = limits.allowed(number) else { return 0 };
        let of_number = u32::from(limits.per_number_per_day).saturating_sub(self.of_number(&number));
        let of_day = limits.per_day.saturating_sub(u32::try_from(self.messages.len()).unwrap_or(u32::MAX));
        let has_room = self.settings.carrier.is_some() && self.waiting() < limits.waiting_max;
        let left = u32::from(limits.per_call).min(of_number).min(of_day);
        if has_room { u8::try_from(left).unwrap_or(u8::MAX) } else { 0 }
    }

    /// Accepts a message, which counts from here on. Its record is to be stored, and then [`Outbox::stored`] called; until then it is
    /// not sent. `id` is random.
    ///
    /// # Errors
    /// A limit, or a number that may get none.
    pub fn accept(&mut self, now: Moment, id: u64, number: &str, text: &str) -> Result<SmsRecord, Refusal> {
        let accepted = self.judge(number, text).map(|number| {
            let mut id = SmsId(id);
            while self.messages.contains_key(&id) {
                id.0 = id.0.wrapping_add(1);
            }
            let record = SmsRecord {
                id,
                number: Private::new(number),
                text: Private::new(text.to_owned()),
                accepted_ms: now.wall_ms,
                attempts: 0,
                state: SmsState::Waiting,
            };
            self.insert(record.clone());
            self.sweep_at.get_or_insert(now.at + SWEEP_EVERY);
            record
        });
        if accepted.is_err() {
            self.figures.refused += 1;
        }
        accepted
    }

    fn judge(&self, number: &str, text: &str) -> Result<String, Refusal> {
        let limits = &self.settings.limits;
        if self.settings.carrier.is_none() {
            return Err(Refusal::Off);
        }
        if text.trim().is_empty() || text.len() > TEXT_MAX {
            return Err(Refusal::Text);
        }
        let number = limits.allowed(number).ok_or(Refusal::Number)?;
        if self.of_number(&number) >= u32::from(limits.per_number_per_day) {
            return Err(Refusal::NumberLimit);
        }
        if self.messages.len() >= usize::try_from(limits.per_day).unwrap_or(usize::MAX) {
            return Err(Refusal::DayLimit);
        }
        if self.waiting() >= limits.waiting_max { Err(Refusal::Full) } else { Ok(number) }
    }

    /// Whether the record of an accepted message is stored. One that is not is forgotten.
    pub fn stored(&mut self, now: Moment, id: SmsId, stored: bool) {
        let Some(entry) = self.messages.get(&id) else { return };
        if stored {
            self.figures.accepted += 1;
            if entry.record.state == SmsState::Waiting && entry.due.is_none() && !self.sending.contains_key(&id) {
                self.wait_until(id, now.at);
            }
        } else {
            self.figures.refused += 1;
            self.remove(id);
            // A store that failed late may have succeeded after all.
            self.actions.push_back(Action::Forget(id));
        }
    }

    /// The next message to send; none: nothing is due, or the carrier takes no more now.
    pub fn next_attempt(&mut self, now: Moment) -> Option<Attempt> {
        let at_once = self.settings.carrier.as_ref().map_or(0, Carrier::at_once_max);
        if !self.can_send(now.at) || self.sending.len() >= at_once {
            return None;
        }
        let (at, id) = *self.due.first().filter(|(at, _)| *at <= now.at)?;
        self.due.remove(&(at, id));
        let entry = self.messages.get_mut(&id)?;
        entry.due = None;
        self.sending.insert(id, now.at);
        Some(Attempt { id, number: entry.record.number.clone(), text: entry.record.text.clone() })
    }

    /// An attempt has ended.
    pub fn ended(&mut self, now: Moment, id: SmsId, outcome: Outcome) {
        let Some(begun) = self.sending.remove(&id) else { return };
        match outcome {
            Outcome::Sent => {
                self.answered(begun, None);
                self.over(id, SmsEnd::Sent);
            }
            Outcome::Rejected(why) => {
                self.answered(begun, Some(why));
                self.over(id, SmsEnd::Rejected);
            }
            Outcome::Later(why) => {
                self.answered(begun, Some(why));
                self.again(now, id, true);
            }
            Outcome::Throttled => {
                self.carrier.figures = CarrierFigures {
                    unreachable_since_ms: None,
                    why: Some("it asks for fewer messages"),
                    answered: true,
                };
                self.hold(now);
                self.again(now, id, true);
            }
            Outcome::Unreachable(why) => {
                self.unreachable(now, why);
                self.again(now, id, false);
            }
        }
    }

    /// News of the connection to the carrier.
    pub fn report(&mut self, now: Moment, report: CarrierReport) {
        match report {
            CarrierReport::Up => {
                self.carrier.held_at = None;
                self.answered(now.at, None);
                self.carrier.connected = true;
            }
            CarrierReport::Down(why) => {
                self.carrier.connected = false;
                self.carrier.figures.why = Some(why);
                self.carrier.figures.unreachable_since_ms.get_or_insert(now.wall_ms);
            }
        }
    }

    /// A report of the carrier on what became of a message that it took.
    pub fn receipt(&mut self, delivered: bool) {
        if delivered {
            self.figures.delivered += 1;
        } else {
            self.figures.undelivered += 1;
        }
    }

    /// Withdraws a message that waits; false: it does not.
    pub fn cancel(&mut self, id: SmsId) -> bool {
        let waits = self.messages.get(&id).is_some_and(|entry| entry.due.is_some());
        if waits {
            self.over(id, SmsEnd::Cancelled);
        }
        waits
    }

    /// Ends what is too old, and forgets what counts for no limit any more.
    pub fn tick(&mut self, now: Moment) {
        if self.sweep_at.is_some_and(|at| at > now.at) {
            return;
        }
        let old = |accepted: i64, limit: Duration| now.wall_ms.saturating_sub(accepted) > millis(limit);
        let keep = self.settings.keep;
        let expired: Vec<SmsId> = self
            .due
            .iter()
            .map(|(_, id)| *id)
            .filter(|id| self.messages.get(id).is_some_and(|entry| old(entry.record.accepted_ms, keep)))
            .collect();
        for id in expired {
            self.over(id, SmsEnd::Expired);
        }
        while let Some(id) = self.order.front().copied() {
            let Some(entry) = self.messages.get(&id) else {
                self.order.pop_front();
                continue;
            };
            if entry.record.state == SmsState::Waiting || !old(entry.record.accepted_ms, DAY) {
                break;
            }
            self.remove(id);
            self.actions.push_back(Action::Forget(id));
        }
        self.sweep_at = (!self.messages.is_empty()).then(|| now.at + SWEEP_EVERY);
    }

    /// When [`Outbox::tick`] or [`Outbox::next_attempt`] has something to do.
    pub fn deadline(&self) -> Option<Deadline> {
        let at_once = self.settings.carrier.as_ref().map_or(0, Carrier::at_once_max);
        let can_send = !self.stopped && self.carrier.connected && self.sending.len() < at_once;
        let first = self.due.first().filter(|_| can_send).map(|(at, _)| *at);
        let next = first.map(|at| self.carrier.resume_at.map_or(at, |resume| resume.max(at)));
        earliest([
            next.map(|at| Deadline { at, why: "next attempt" }),
            self.sweep_at.map(|at| Deadline { at, why: "sweep" }),
        ])
    }

    /// The next thing to do with a record.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The messages, the oldest first.
    pub fn records(&self) -> impl Iterator<Item = &SmsRecord> {
        self.order.iter().filter_map(|id| self.messages.get(id)).map(|entry| &entry.record)
    }

    /// The figures.
    pub fn figures(&self) -> SmsFigures {
        SmsFigures { waiting: self.waiting(), carrier: self.carrier.figures, ..self.figures }
    }

    /// A message.
    pub fn record(&self, id: SmsId) -> Option<&SmsRecord> {
        self.messages.get(&id).map(|entry| &entry.record)
    }

    /// Begins no attempt from here on.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether an attempt is under way.
    pub fn is_sending(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Whether the carrier has been unreachable for longer than the settings allow.
    pub fn is_alarming(&self, wall_ms: i64) -> bool {
        let since = self.carrier.figures.unreachable_since_ms;
        since.is_some_and(|since| wall_ms.saturating_sub(since) > millis(self.settings.alarm_after))
    }

    fn insert(&mut self, record: SmsRecord) {
        *self.per_number.entry(record.number.expose().clone()).or_default() += 1;
        self.order.push_back(record.id);
        self.messages.insert(record.id, Entry { record, due: None });
    }

    fn remove(&mut self, id: SmsId) {
        let Some(entry) = self.messages.remove(&id) else { return };
        if let Some(at) = entry.due {
            self.due.remove(&(at, id));
        }
        let number = entry.record.number.expose();
        if let Some(count) = self.per_number.get_mut(number) {
            *count -= 1;
            if *count == 0 {
                self.per_number.remove(number);
            }
        }
        self.order.retain(|one| *one != id);
    }

    fn wait_until(&mut self, id: SmsId, at: Instant) {
        if let Some(entry) = self.messages.get_mut(&id) {
            entry.due = Some(at);
            self.due.insert((at, id));
        }
    }

    fn of_number(&self, number: &str) -> u32 {
        self.per_number.get(number).copied().unwrap_or(0)
    }

    fn waiting(&self) -> usize {
        self.due.len() + self.sending.len()
    }

    fn can_send(&self, now: Instant) -> bool {
        !self.stopped && self.carrier.connected && self.carrier.resume_at.is_none_or(|at| at <= now)
    }

    /// A message is tried again, or has been tried often enough; what the carrier did not answer is no attempt.
    fn again(&mut self, now: Moment, id: SmsId, answered: bool) {
        let (retry, attempts_max) = (self.settings.retry, self.settings.attempts_max);
        let Some(entry) = self.messages.get_mut(&id) else { return };
        if answered {
            entry.record.attempts = entry.record.attempts.saturating_add(1);
            self.figures.retried += 1;
        }
        let attempts = entry.record.attempts;
        if answered && attempts >= attempts_max {
            return self.over(id, SmsEnd::Failed);
        }
        if answered {
            self.actions.push_back(Action::Store(entry.record.clone()));
            let wait = retry.wait(attempts.into(), id.0);
            self.wait_until(id, now.at + wait);
        } else {
            self.wait_until(id, now.at);
        }
    }

    fn over(&mut self, id: SmsId, end: SmsEnd) {
        let Some(entry) = self.messages.get_mut(&id) else { return };
        if let Some(at) = entry.due.take() {
            self.due.remove(&(at, id));
        }
        entry.record.state = SmsState::Over(end);
        // Only the number counts from here on.
        entry.record.text = Private::new(String::new());
        self.actions.push_back(Action::Store(entry.record.clone()));
        let count = match end {
            SmsEnd::Sent => &mut self.figures.sent,
            SmsEnd::Rejected => &mut self.figures.rejected,
            SmsEnd::Failed => &mut self.figures.failed,
            SmsEnd::Expired => &mut self.figures.expired,
            SmsEnd::Cancelled => &mut self.figures.cancelled,
        };
        *count += 1;
    }

    /// The carrier has answered an attempt. One that was under way when the carrier asked for fewer lifts no pause.
    fn answered(&mut self, begun: Instant, why: Option<&'static str>) {
        if self.carrier.held_at.is_none_or(|held| begun > held) {
            self.carrier.failures = 0;
            self.carrier.resume_at = None;
            self.carrier.held_at = None;
        }
        self.carrier.figures = CarrierFigures { unreachable_since_ms: None, why, answered: true };
    }

    fn unreachable(&mut self, now: Moment, why: &'static str) {
        self.carrier.figures.why = Some(why);
        self.carrier.figures.unreachable_since_ms.get_or_insert(now.wall_ms);
        self.hold(now);
    }

    /// Nothing is sent for a while; of attempts that failed together one counts.
    fn hold(&mut self, now: Moment) {
        if !self.can_send(now.at) {
            return;
        }
        self.carrier.failures += 1;
        self.carrier.held_at = Some(now.at);
        let wait = self.settings.retry.wait(self.carrier.failures, now.wall_ms.cast_unsigned());
        self.carrier.resume_at = Some(now.at + wait);
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The longest text, in octets of UTF-8: some fifteen parts of Chinese.
pub(crate) const TEXT_MAX: usize = 3_000;
/// How often old messages are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 3600);
