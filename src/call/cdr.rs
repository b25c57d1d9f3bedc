//! Builds a call's detail record (CDR) while the call lasts.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use base::Lang;
use inquiry::{CallOutcome, CallRecord, HandlingStep, LookUpResult, MessageResult, QueueVisit, TransferResult};
use rtp::Mos;
use srtp::Suite;

/// A call detail record in the making.
#[derive(Clone, Debug)]
pub struct CdrBuilder {
    record: CallRecord,
    /// The first reason why a call ends is the true one; later ones are ignored.
    ended: bool,
    transferred: bool,
    /// The cause of an end that has none of its own.
    noted: Option<&'static str>,
    slips: u32,
}

impl CdrBuilder {
    /// Begins the record of a call by a trunk, from an address; `caller` is the keyed hash of the calling number.
    pub fn new(
        started: Timestamp,
        release: Arc<str>,
        trunk: String,
        source: String,
        caller: Option<u64>,
    ) -> CdrBuilder {
        let record = CallRecord {
            tag: None,
            started,
            answered_after: None,
            duration: Duration::ZERO,
            outcome: CallOutcome::Failed,
            cause: Some("fault"),
            lang: None,
            release,
            path: Vec::new(),
            keys: 0,
            look_ups: Vec::new(),
            trunk,
            source,
            caller,
            rating: None,
            peer_packets_lost: None,
            round_trip: None,
            srtp: None,
            mos_hundredths: None,
            queue: None,
            handling: Vec::new(),
            recordings: Vec::new(),
            text_message: None,
            transfer: None,
            messages: Vec::new(),
        };
        CdrBuilder { record, ended: false, transferred: false, noted: None, slips: 0 }
    }

    /// The record so far, for a call whose task panicked.
    pub fn unfinished(&self) -> CallRecord {
        self.record.clone()
    }

    /// The record of a call of this duration; its lists move out of the builder.
    pub(super) fn finish(&mut self, duration: Duration) -> CallRecord {
        CallRecord {
            duration,
            tag: std::mem::take(&mut self.record.tag),
            path: std::mem::take(&mut self.record.path),
            look_ups: std::mem::take(&mut self.record.look_ups),
            handling: std::mem::take(&mut self.record.handling),
            trunk: std::mem::take(&mut self.record.trunk),
            source: std::mem::take(&mut self.record.source),
            messages: std::mem::take(&mut self.record.messages),
            ..self.record.clone()
        }
    }

    pub(super) fn answered(&mut self, after: Duration) {
        self.record.answered_after = Some(after);
    }

    pub(super) fn key(&mut self) {
        self.record.keys += 1;
    }

    pub(super) fn looked_up(&mut self, result: LookUpResult) {
        if self.record.look_ups.len() < STEPS_MAX {
            self.record.look_ups.push(result);
        }
    }

    pub(super) fn step(&mut self, node: Arc<str>) {
        if self.record.path.len() < STEPS_MAX {
            self.record.path.push(node);
        }
    }

    /// The nodes entered so far.
    pub(super) fn path(&self) -> &[Arc<str>] {
        &self.record.path
    }

    pub(super) fn slip(&mut self) {
        self.slips += 1;
    }

    /// How many entries were refused: no input, wrong keys, wrong numbers.
    pub(super) fn slips(&self) -> u32 {
        self.slips
    }

    pub(super) fn rated(&mut self, score: u8) {
        self.record.rating = Some(score);
    }

    /// The queue of the last conversation with an agent, and who talked to the caller last: the agent, or a supervisor who took over.
    pub(super) fn served_by(&self) -> Option<(Arc<str>, Arc<str>)> {
        let visit = self.record.queue.as_ref()?;
        let agent = visit.agent.as_ref()?;
        let last = self.record.handling.iter().rev().find_map(|step| match step {
            HandlingStep::Agent(name) | HandlingStep::TakenOver(name) => Some(name),
            _ => None,
        });
        Some((Arc::clone(&visit.queue), Arc::clone(last.unwrap_or(agent))))
    }

    pub(super) fn lang(&mut self, lang: Lang) {
        self.record.lang = Some(lang);
    }

    /// The language of the call; none before there is one.
    pub(super) fn spoken(&self) -> Option<Lang> {
        self.record.lang
    }

    /// What the peer last reported of the sound that it received (RFC 3550 §6.4.1).
    pub(super) fn peer_report(&mut self, packets_lost: u32, round_trip: Option<Duration>) {
        self.record.peer_packets_lost = Some(packets_lost);
        self.record.round_trip = round_trip.or(self.record.round_trip);
    }

    /// Something happened during the call that its record should tell, unless its end has a cause of its own.
    pub(super) fn note(&mut self, cause: &'static str) {
        self.noted.get_or_insert(cause);
    }

    /// How good the call sounded so far.
    pub(super) fn quality(&mut self, mos: Mos) {
        self.record.mos_hundredths = Some(mos.hundredths());
    }

    /// What offer and answer agreed on, at first and whenever it changed; none: the media is in the clear.
    pub(super) fn media_agreed(&mut self, suite: Option<Suite>) {
        let agreed = suite.map_or(CLEAR, Suite::name);
        let mixed = self.record.srtp.is_some_and(|before| before != agreed && [before, agreed].contains(&CLEAR));
        self.record.srtp = match self.record.srtp {
            Some(PARTLY) => Some(PARTLY),
            Some(_) if mixed => Some(PARTLY),
            Some(_) | None => Some(agreed),
        };
    }

    pub(super) fn queued(&mut self, visit: QueueVisit) {
        self.record.queue = Some(visit);
    }

    /// A supervisor talks to the caller in the place of the agent who answered.
    pub(super) fn taken_over(&mut self, by: Arc<str>) {
        if let Some(visit) = &mut self.record.queue {
            visit.taken_over_by = Some(Arc::clone(&by));
        }
        self.handled(HandlingStep::TakenOver(by));
    }

    /// What an agent did. Who talks to the caller from here on is the agent of the last wait.
    pub(super) fn handled(&mut self, step: HandlingStep) {
        if let (HandlingStep::Agent(agent), Some(visit)) = (&step, &mut self.record.queue) {
            visit.agent = Some(Arc::clone(agent));
        }
        if self.record.handling.len() < HANDLING_MAX {
            self.record.handling.push(step);
        }
    }

    /// A conversation with an agent is recorded under this name.
    pub(super) fn recorded(&mut self, id: Arc<str>) {
        if self.record.recordings.len() < STEPS_MAX {
            self.record.recordings.push(id);
        }
    }

    /// The caller asked for a text message.
    pub(super) fn texted(&mut self, accepted: bool) {
        self.record.text_message = Some(accepted);
    }

    /// A person has answered the caller.
    pub(super) fn transferred(&mut self) {
        self.transferred = true;
    }

    /// What came of a transfer outside the queues.
    pub(super) fn transfer(&mut self, result: TransferResult) {
        self.record.transfer = Some(result);
    }

    /// What became of the caller's message, or of one that was sent.
    pub(super) fn message(&mut self, result: MessageResult) {
        let messages = &mut self.record.messages;
        messages.pop_if(|last| *last == MessageResult::Sent);
        if messages.len() < MESSAGES_MAX {
            messages.push(result);
        }
    }

    pub(super) fn ended(&mut self, outcome: CallOutcome, cause: Option<&'static str>) {
        if self.ended {
            return;
        }
        self.ended = true;
        let after_transfer = self.transferred && matches!(outcome, CallOutcome::Finished | CallOutcome::HungUp);
        self.record.outcome = if after_transfer { CallOutcome::Transferred } else { outcome };
        self.record.cause = cause.or(self.noted);
    }
}

/// The media was in the clear.
const CLEAR: &str = "none";
/// The media was in the clear for a part of the call.
const PARTLY: &str = "partly";
/// Bounds a record: a caller may go round the menus for the whole call.
const STEPS_MAX: usize = 200;
/// Agents may give a caller back and forth.
const HANDLING_MAX: usize = 50;
/// Callers may leave one message after the other.
const MESSAGES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_and_the_last_report_stand_in_the_record() {
        let mut cdr = CdrBuilder::new(Timestamp::UNIX_EPOCH, "abc".into(), "office".into(), "192.0.2.1".into(), None);
        cdr.step("welcome".into());
        cdr.peer_report(1, Some(Duration::from_millis(20)));
        cdr.peer_report(3, None);
        cdr.ended(CallOutcome::HungUp, None);
        cdr.ended(CallOutcome::Failed, Some("media lost"));
        let record = cdr.finish(Duration::from_secs(9));
        assert_eq!(
            (record.outcome, record.cause, record.duration),
            (CallOutcome::HungUp, None, Duration::from_secs(9))
        );
        assert_eq!((record.peer_packets_lost, record.round_trip), (Some(3), Some(Duration::from_millis(20))));
        assert_eq!((record.path.len(), record.trunk.as_str(), record.source.as_str()), (1, "office", "192.0.2.1"));
    }

    #[test]
    fn a_record_names_the_suite_and_calls_a_mixture_partly_protected() {
        let (gcm, sha) = (Some(Suite::AeadAes128Gcm), Some(Suite::AesCm128HmacSha1Tag80));
        for (agreed, expected) in [
            (vec![], None),
            (vec![None, None], Some("none")),
            (vec![gcm, gcm], Some("AEAD_AES_128_GCM")),
            (vec![gcm, sha], Some("AES_CM_128_HMAC_SHA1_80")),
            (vec![gcm, None], Some("partly")),
            (vec![None, gcm, gcm], Some("partly")),
        ] {
            let mut cdr = CdrBuilder::new(Timestamp::UNIX_EPOCH, "abc".into(), "192.0.2.1".into(), String::new(), None);
            agreed.into_iter().for_each(|suite| cdr.media_agreed(suite));
            assert_eq!(cdr.finish(Duration::ZERO).srtp, expected);
        }
    }
}
