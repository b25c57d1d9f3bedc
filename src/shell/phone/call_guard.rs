//! What a call holds, and gives back however its task ends: a panic costs its own call and nothing else.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::registry::Registration;
use super::services::Shared;
use super::trunks::Permit;
use base::Lang;
use inquiry::CallRecord;
use media::SessionId;
use os::clock;

/// The line, the media session and the record of one call.
pub(super) struct CallGuard {
    shared: Arc<Shared>,
    pub registration: Registration,
    /// Its place on its trunk; none once the call is over.
    permit: Option<Permit>,
    pub session: SessionId,
    /// When the INVITE came in.
    pub began: Instant,
    /// Stands for the call in the log.
    pub tag: String,
    /// What is recorded of the call if its task panics; none once its record is written.
    unfinished: Option<CallRecord>,
}

impl CallGuard {
    pub(super) fn new(
        shared: Arc<Shared>,
        registration: Registration,
        permit: Permit,
        session: SessionId,
        began: Instant,
        tag: String,
        unfinished: CallRecord,
    ) -> CallGuard {
        CallGuard { shared, registration, permit: Some(permit), session, began, tag, unfinished: Some(unfinished) }
    }

    /// The trunk's name and the caller's keyed hash, while the call's record is not written.
    pub(super) fn caller(&self) -> Option<(&str, Option<u64>)> {
        self.unfinished.as_ref().map(|record| (record.trunk.as_str(), record.caller))
    }

    /// When the call began, by the clock of its record.
    pub(super) fn started(&self) -> Timestamp {
        self.unfinished.as_ref().map_or_else(clock::timestamp, |record| record.started)
    }

    /// Whether the call's record is written and its line free.
    pub(super) fn is_over(&self) -> bool {
        self.unfinished.is_none()
    }

    /// Writes the call's record and frees its line.
    pub(super) fn over(&mut self, record: CallRecord, slips: u32) {
        if self.unfinished.take().is_some() {
            self.write(record, slips);
        }
    }

    /// Nothing of the call awaits a response.
    pub(super) fn settle(&mut self) {
        self.registration.settle();
    }

    fn write(&mut self, mut record: CallRecord, slips: u32) {
        record.tag = Some(self.tag.clone()).filter(|tag| tag != NO_TAG);
        self.shared.services.metrics.call_ended(&record);
        let lang = record.lang.map_or("-", Lang::code);
        tracing::info!(
            call = %self.tag,
            trunk = record.trunk,
            outcome = record.outcome.name(),
            cause = record.cause.unwrap_or("-"),
            lang,
            answered_ms = record.answered_after.map_or(0, |after| after.as_millis() as u64),
            duration_ms = record.duration.as_millis() as u64,
            keys = record.keys,
            slips,
            look_ups = record.look_ups.len(),
            "call"
        );
        if let Some(permit) = self.permit.take() {
            permit.ended(record.outcome);
        }
        self.shared.services.journal.record_call(record);
        // After the record: a node that drains may end with its last line.
        self.shared.services.metrics.calls_in_progress.add(-1);
        self.registration.free_line();
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        if let Some(mut record) = self.unfinished.take() {
            tracing::error!(call = %self.tag, "the call task panicked");
            record.duration = clock::now() - self.began;
            self.write(record, 0);
        }
        self.shared.services.media.close(self.session);
    }
}

/// What [`base::tag`] gives where there is no key for tags.
const NO_TAG: &str = "~";
