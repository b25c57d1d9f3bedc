//! Call-backs: booked, dialled when their turn comes, tried again, stored.
//!
//! ```text
//!            turn, an agent is reserved          agreed
//!  waiting ─────────────────────────────► calling ──────► a caller as all others ──► done
//!     ▲                                      │ busy, no answer, machine, failed
//!     └──────────── later ───────────────────┴─────────► done, after the last attempt
//! ```

use std::time::Instant;

use base::Private;

use crate::agent::State;
use crate::call_back_record::{CallBackOutcome, CallBackRecord, CallBackState};
use crate::caller::{CallerLine, Entry};
use crate::io::{Action, CallBackError, CallBackId, CallBackResult, CallerId, NewCallBack};
use crate::moment::{Moment, ms};
use crate::offer::REPORT;
use crate::queues::Queues;

impl Queues {
    /// Books a call-back. With `place_of`, that caller's place in the same queue is taken over, and the caller waits no longer.
    ///
    /// # Errors
    /// It is not booked; a waiting caller goes on waiting.
    pub fn call_back(&mut self, now: Instant, request: NewCallBack) -> Result<CallBackId, CallBackError> {
        self.at(now);
        let queue = self.queue_at(&request.queue).ok_or(CallBackError::UnknownQueue)?;
        let number = self.rules.allowed(request.number.expose()).ok_or(CallBackError::NumberNotAllowed)?;
        self.within_limits(&number)?;
        let skills = self.bits(&request.skills).ok_or(CallBackError::NoAgents)?;
        let arrived = request.place_of.and_then(|caller| self.take_place(caller)).filter(|entry| entry.queue == queue);
        let (arrived, order) = arrived.map_or((self.now, None), |entry| (entry.arrived, Some(entry.order)));
        let id = self.new_call_back();
        let record = CallBackRecord {
            id,
            queue: request.queue,
            number: Private::new(number),
            priority: request.priority,
            skills: request.skills,
            lang: request.lang,
            passed: request.passed,
            requested_ms: self.now,
            arrived_ms: arrived,
            not_before_ms: self.now,
            attempts: 0,
            state: CallBackState::Waiting,
        };
        self.queues[queue].counts.call_backs += 1;
        self.wait_without_line(&record, queue, skills, order);
        self.store(record);
        Ok(id)
    }

    /// What became of [`Action::CallBack`]. [`CallBackResult::Agreed`] makes the person a caller, whom the shell reports as all
    /// others from then on.
    pub fn call_back_result(&mut self, now: Instant, call_back: CallBackId, result: CallBackResult) {
        self.at(now);
        let Some((caller, agent)) = self.dialling(call_back) else {
            if result == CallBackResult::Agreed {
                self.actions.push(Action::HangUpCallBack { call_back });
            }
            return;
        };
        match result {
            CallBackResult::Agreed => self.agreed(caller, call_back, agent),
            CallBackResult::Cancelled => self.finish(call_back, CallBackOutcome::Cancelled),
            CallBackResult::Busy | CallBackResult::NoAnswer | CallBackResult::Machine | CallBackResult::Failed => {
                self.try_later(caller, call_back);
            }
            CallBackResult::LineFailed => {
                self.change(call_back, |record| record.attempts = record.attempts.saturating_sub(1));
                self.try_later(caller, call_back);
                self.rest_line();
            }
        }
    }

    /// Lets numbers be called, or none: the hours of call-backs are judged by the shell. Calls in progress go on, and requests wait in
    /// their order.
    pub fn set_call_backs_open(&mut self, now: Instant, open: bool) {
        self.at(now);
        self.may_call = open;
    }

    /// Withdraws a request; whether there was one.
    pub fn cancel_call_back(&mut self, now: Instant, call_back: CallBackId) -> bool {
        self.at(now);
        let waits = self.waiting.iter().any(|entry| !entry.has_line() && entry.call_back() == Some(call_back));
        if waits {
            if self.dialling(call_back).is_some() {
                self.actions.push(Action::HangUpCallBack { call_back });
            }
            self.finish(call_back, CallBackOutcome::Cancelled);
        }
        waits
    }

    /// Takes stored records at the start: those that waited wait at their old places, those that were being called are tried
    /// later, those that are over count for the limits.
    pub fn restore(&mut self, now: Instant, records: impl IntoIterator<Item = CallBackRecord>) {
        self.at(now);
        for mut record in records.into_iter().take(RECORDS_MAX) {
            let id = record.id;
            if let CallBackState::Done(_) = record.state {
                self.records.insert(id, record);
                continue;
            }
            // The clock may have been ahead when they were written.
            record.requested_ms = record.requested_ms.min(self.now);
            record.arrived_ms = record.arrived_ms.min(self.now);
            record.not_before_ms = record.not_before_ms.min(self.now + ms(self.rules.retry_after));
            let place = self.queue_at(&record.queue).zip(self.intern(&record.skills));
            if record.state == CallBackState::Calling {
                record.not_before_ms = self.now + ms(self.rules.retry_after);
            }
            record.state = CallBackState::Waiting;
            match place {
                None => self.over(record, CallBackOutcome::Expired),
                Some(_) if record.attempts >= self.rules.attempts_max => {
                    self.over(record, CallBackOutcome::Unreachable)
                }
                // Rules may have changed since the request.
                Some(_) if self.rules.allowed(record.number.expose()).is_none() => {
                    self.over(record, CallBackOutcome::Cancelled);
                }
                Some((queue, skills)) => {
                    self.wait_without_line(&record, queue, skills, None);
                    self.store(record);
                }
            }
        }
    }

    /// The records: those that wait, in no order, and those of the last 24 hours that are over.
    pub fn call_backs(&self) -> impl Iterator<Item = &CallBackRecord> {
        self.records.values()
    }

    fn over(&mut self, record: CallBackRecord, outcome: CallBackOutcome) {
        self.store(CallBackRecord { state: CallBackState::Done(outcome), ..record });
    }

    /// Identities are unique across restarts: they begin with the time.
    fn new_call_back(&mut self) -> CallBackId {
        let by_time = u64::try_from(self.now).unwrap_or(0).saturating_mul(1_000);
        let last = self.records.keys().next_back().map_or(0, |id| id.0);
        CallBackId(by_time.max(last.saturating_add(1)))
    }

    fn within_limits(&self, number: &str) -> Result<(), CallBackError> {
        let is_open = |record: &&CallBackRecord| !matches!(record.state, CallBackState::Done(_));
        let day = |record: &&CallBackRecord| record.requested_ms > self.now - DAY;
        let of_number = |record: &&CallBackRecord| record.number.expose() == number;
        if self.records.values().filter(of_number).any(|record| is_open(&record)) {
            return Err(CallBackError::Waiting);
        }
        if self.records.values().filter(of_number).filter(day).count() >= self.rules.per_number_per_day.into() {
            return Err(CallBackError::NumberLimit);
        }
        let too_many = self.records.values().filter(is_open).count() >= self.rules.waiting_max
            || self.records.values().filter(day).count() >= usize::try_from(self.rules.per_day).unwrap_or(usize::MAX);
        if too_many { Err(CallBackError::Full) } else { Ok(()) }
    }

    /// The place of a caller who waits, or left a short time ago.
    fn take_place(&mut self, caller: CallerId) -> Option<Entry> {
        if let Some((entry, _)) = self.left.remove(&caller) {
            return Some(entry);
        }
        self.waiting.entry(caller).filter(|entry| matches!(entry.line, CallerLine::Open(None)))?;
        let entry = self.depart(caller)?;
        let queue = &mut self.queues[entry.queue];
        queue.counts.left_by_key += 1;
        queue.rates.waited(self.now - entry.entered, false);
        Some(entry)
    }

    fn wait_without_line(&mut self, record: &CallBackRecord, queue: usize, skills: u64, order: Option<u64>) {
        self.ids += 1;
        self.waiting.insert(Entry {
            id: CallerId(self.ids),
            queue,
            priority: record.priority,
            first: false,
            only: None,
            arrived: record.arrived_ms,
            order: order.unwrap_or(self.ids),
            entered: self.now,
            wait_max: None,
            skills,
            visited: 1 << queue,
            announcing: None,
            offers: Vec::new(),
            offer_from: self.now,
            without_agents: None,
            line: CallerLine::None { call_back: record.id, not_before: record.not_before_ms },
        });
    }

    fn store(&mut self, record: CallBackRecord) {
        self.records.insert(record.id, record.clone());
        self.actions.push(Action::StoreCallBack(record));
    }

    fn change(&mut self, call_back: CallBackId, change: impl FnOnce(&mut CallBackRecord)) {
        if let Some(mut record) = self.records.get(&call_back).cloned() {
            change(&mut record);
            self.store(record);
        }
    }

    /// How many more may be dialled.
    pub(crate) fn call_backs_at_once(&self) -> usize {
        if !self.may_call {
            return 0;
        }
        let dialling = self.waiting.iter().filter(|entry| matches!(entry.line, CallerLine::Dialling { .. })).count();
        self.rules.at_once_max.saturating_sub(dialling)
    }

    pub(crate) fn dial(&mut self, caller: CallerId, agent: usize) {
        let Some(entry) = self.waiting.entry_mut(caller) else { return };
        let CallerLine::None { call_back, .. } = entry.line else { return };
        let until = self.now + ms(self.rules.ring_limit) + ms(self.rules.answer_limit) + REPORT;
        entry.line = CallerLine::Dialling { call_back, agent: Some(agent), until };
        let queue = self.queues[entry.queue].settings.name.clone();
        self.enter(agent, State::Reserved(caller));
        self.change(call_back, |record| {
            record.attempts = record.attempts.saturating_add(1);
            record.state = CallBackState::Calling;
        });
        let Some(record) = self.records.get(&call_back) else { return };
        self.actions.push(Action::CallBack {
            call_back,
            caller,
            number: record.number.clone(),
            queue,
            lang: record.lang,
            passed: record.passed.clone(),
            ring_limit: self.rules.ring_limit,
            answer_limit: self.rules.answer_limit,
            attempt: record.attempts,
        });
    }

    /// The entry of a call-back that is being dialled, and its agent.
    fn dialling(&self, call_back: CallBackId) -> Option<(CallerId, Option<usize>)> {
        self.waiting.iter().find_map(|entry| match entry.line {
            CallerLine::Dialling { call_back: its, agent, .. } if its == call_back => Some((entry.id, agent)),
            CallerLine::Dialling { .. } | CallerLine::Open(_) | CallerLine::None { .. } => None,
        })
    }

    fn agreed(&mut self, caller: CallerId, call_back: CallBackId, agent: Option<usize>) {
        let now = self.now;
        let Some(entry) = self.waiting.entry_mut(caller) else { return };
        entry.line = CallerLine::Open(Some(call_back));
        entry.entered = now;
        self.coverage_changed = true;
        if let Some(at) = agent.filter(|at| self.agents[*at].state == State::Reserved(caller)) {
            self.offer(caller, at);
        }
    }

    fn try_later(&mut self, caller: CallerId, call_back: CallBackId) {
        self.release_reserved(caller);
        let attempts = self.records.get(&call_back).map_or(u8::MAX, |record| record.attempts);
        if attempts >= self.rules.attempts_max {
            return self.finish(call_back, CallBackOutcome::Unreachable);
        }
        let not_before = self.now + ms(self.rules.retry_after);
        if let Some(entry) = self.waiting.entry_mut(caller) {
            entry.line = CallerLine::None { call_back, not_before };
        }
        self.change(call_back, |record| {
            record.state = CallBackState::Waiting;
            record.not_before_ms = not_before;
        });
    }

    /// Pauses all call-backs: each attempt on a failing line would reserve an agent whom waiting callers need.
    fn rest_line(&mut self) {
        let until = self.now + LINE_REST;
        for entry in self.waiting.iter_mut() {
            if let CallerLine::None { not_before, .. } = &mut entry.line {
                *not_before = until.max(*not_before);
            }
        }
    }

    /// The agent who was reserved for a caller takes others again.
    fn release_reserved(&mut self, caller: CallerId) {
        let reserved = |state: &State| *state == State::Reserved(caller);
        if let Some(at) = self.agents.iter().position(|agent| reserved(&agent.state)) {
            self.free(at);
        }
    }

    /// A reserved agent is gone; the person who is being called waits for another one.
    pub(crate) fn forget_reservation(&mut self, caller: CallerId) {
        if let Some(Entry { line: CallerLine::Dialling { agent, .. }, .. }) = self.waiting.entry_mut(caller) {
            *agent = None;
        }
    }

    fn finish(&mut self, call_back: CallBackId, outcome: CallBackOutcome) {
        for caller in self.waiting.which(|entry| entry.call_back() == Some(call_back)) {
            self.release_reserved(caller);
            self.depart(caller);
        }
        self.change(call_back, |record| record.state = CallBackState::Done(outcome));
    }

    /// A person who was called back is connected with an agent.
    pub(crate) fn served(&mut self, entry: &Entry) {
        if let Some(call_back) = entry.call_back() {
            self.change(call_back, |record| record.state = CallBackState::Done(CallBackOutcome::Served));
        }
    }

    /// The connection failed: the person waits again.
    pub(crate) fn connection_undone(&mut self, entry: &Entry) {
        if let Some(call_back) = entry.call_back() {
            self.change(call_back, |record| record.state = CallBackState::Calling);
        }
    }

    /// A person who was called back waits no longer, and was not served.
    pub(crate) fn gave_up(&mut self, entry: &Entry) {
        if let Some(call_back) = entry.call_back() {
            self.change(call_back, |record| record.state = CallBackState::Done(CallBackOutcome::Abandoned));
        }
    }

    /// Calls without a result, requests whose time is over, and records that do not count any more.
    pub(crate) fn expire_call_backs(&mut self) {
        let silent = |entry: &Entry| matches!(entry.line, CallerLine::Dialling { until, .. } if until <= self.now);
        for caller in self.waiting.which(silent) {
            if let Some(call_back) = self.waiting.entry(caller).and_then(Entry::call_back) {
                self.actions.push(Action::HangUpCallBack { call_back });
                self.try_later(caller, call_back);
            }
        }
        let keep = ms(self.rules.keep);
        let old = |entry: &Entry| match entry.line {
            CallerLine::None { call_back, .. } => {
                self.records.get(&call_back).is_none_or(|record| record.requested_ms + keep <= self.now)
            }
            CallerLine::Open(_) | CallerLine::Dialling { .. } => false,
        };
        let old: Vec<CallBackId> =
            self.waiting.iter().filter(|entry| old(entry)).filter_map(Entry::call_back).collect();
        old.into_iter().for_each(|call_back| self.finish(call_back, CallBackOutcome::Expired));
        let forgotten: Vec<CallBackId> = self
            .records
            .values()
            .filter(|record| self.forgotten_at(record).is_some_and(|at| at <= self.now))
            .map(|record| record.id)
            .collect();
        for call_back in forgotten {
            self.records.remove(&call_back);
            self.actions.push(Action::ForgetCallBack { call_back });
        }
    }

    fn forgotten_at(&self, record: &CallBackRecord) -> Option<Moment> {
        matches!(record.state, CallBackState::Done(_)).then(|| record.requested_ms.saturating_add(DAY))
    }

    pub(crate) fn next_call_back(&self) -> Option<Moment> {
        let keep = ms(self.rules.keep);
        let entries = self.waiting.iter().filter_map(|entry| match entry.line {
            CallerLine::Open(_) => None,
            CallerLine::Dialling { until, .. } => Some(until),
            CallerLine::None { call_back, not_before } => {
                let expires = self.records.get(&call_back).map_or(self.now, |record| record.requested_ms + keep);
                Some(if not_before > self.now { not_before.min(expires) } else { expires })
            }
        });
        let forgotten = self.records.values().filter_map(|record| self.forgotten_at(record));
        entries.chain(forgotten).min()
    }
}

const DAY: Moment = 86_400_000;
/// How long call-backs pause after a line failure, in milliseconds.
const LINE_REST: Moment = 60_000;
/// More records are not taken.
const RECORDS_MAX: usize = 200_000;
