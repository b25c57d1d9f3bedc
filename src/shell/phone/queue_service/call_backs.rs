//! People who are called back: their requests, and the calls to them.

use std::sync::Arc;
use std::time::Instant;

use super::Service;
use crate::call_back::{self, CallBackStart};
use crate::inbox::insist;
use crate::queue_handle::{CallBackMessage, WaitingCallBack};
use crate::transfer::last_four;
use call::{Input, QueueNotice};
use flow::{Opening, QueueOutcome};
use jiff::Timestamp;
use os::clock;
use queue::{CallBackRecord, CallBackResult, CallBackState, NewCallBack};

impl Service {
    pub(super) fn on_call_back(&mut self, now: Instant, message: CallBackMessage) {
        match message {
            CallBackMessage::Book(request, before, inbox) => {
                let left = before.and_then(|before| self.left.iter().find(|(_, left, _)| *left == before));
                let place_of = left.map(|(_, _, caller)| *caller);
                self.call_backs.book(&mut self.queues, now, NewCallBack { place_of, ..*request }, inbox);
            }
            CallBackMessage::Agreed(id, call_back, link) => {
                let Some(caller) = self.call_backs.agreed(call_back) else {
                    return insist(&link.inbox, Input::Queue(QueueNotice::Left(QueueOutcome::NoAgents)));
                };
                self.ids.insert(id, caller);
                self.callers.insert(caller, (id, link));
                self.queues.call_back_result(now, call_back, CallBackResult::Agreed);
            }
            CallBackMessage::NotAgreed(call_back, result) => {
                self.call_backs.ended(call_back);
                tracing::info!(call_back = call_back.0, ?result, "call-back");
                self.queues.call_back_result(now, call_back, result);
            }
            CallBackMessage::Stored(call_back, stored) => {
                if let Some(start) = self.call_backs.stored(&mut self.queues, now, call_back, stored) {
                    self.dial(now, start);
                }
            }
            CallBackMessage::List { cancel, reply } => {
                let found = cancel.is_none_or(|call_back| self.queues.cancel_call_back(now, call_back));
                let records = || self.queues.call_backs().cloned().collect();
                let _ = reply.send(found.then(records));
            }
        }
    }

    /// The requests that wait, in the order of their places, for pages.
    pub(super) fn requests(&self) -> Vec<WaitingCallBack> {
        let is_open = |record: &&CallBackRecord| !matches!(record.state, CallBackState::Done(_));
        let mut records: Vec<&CallBackRecord> = self.queues.call_backs().filter(is_open).collect();
        records.sort_by_key(|record| (record.arrived_ms, record.id.0));
        let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        let request = |record: &CallBackRecord| WaitingCallBack {
            id: record.id.0,
            queue: Arc::clone(&record.queue),
            number: last_four(record.number.expose()),
            lang: record.lang,
            since: at(record.arrived_ms),
            attempts: record.attempts,
            not_before: at(record.not_before_ms),
            is_called: record.state == CallBackState::Calling,
        };
        records.into_iter().take(REQUESTS_SHOWN).map(request).collect()
    }

    /// Numbers are called within the hours of the settings alone; a calendar that the release does not have is never open.
    pub(super) fn look_at_the_hours(&mut self, now: Instant) {
        let hours = self.shared.settings.call_back_hours.as_deref();
        let live = self.shared.services.live.load();
        let opening = |name| live.release.calendar.opening(name, clock::local(&live.zone));
        let open = hours.is_none_or(|name| opening(name) == Some(Opening::Open));
        self.queues.set_call_backs_open(now, open);
    }

    /// Pages show the requests.
    pub(super) fn requests_changed(&mut self) {
        self.agents.keys().for_each(|agent| self.pages.touch(agent));
    }

    pub(super) fn dial(&mut self, now: Instant, start: CallBackStart) {
        let id = start.id;
        match call_back::begin(&self.shared, &self.registry, start) {
            Some(inbox) => self.call_backs.dialled(id, inbox),
            None => {
                self.call_backs.ended(id);
                self.queues.call_back_result(now, id, CallBackResult::LineFailed);
            }
        }
    }
}

/// Requests that a page shows.
const REQUESTS_SHOWN: usize = 200;
