//! What the page of each agent shows: the call that rings, is in progress or was the last one, and the caller's card.
//!
//! The task of the queues owns [`AgentPages`] and publishes each change; a page waits for the next version of its own. Only the
//! page of the agent who is offered a caller, or talks to one, has the card.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::caller_card::CallerCard;
use super::recording_state::RecordingState;
use super::supervision::DeskNotice;
use call::MonitorMode;
use os::clock;
use queue::OfferId;

/// One agent's page.
#[derive(Clone, Debug, Default)]
pub struct AgentPage {
    /// Another one after each change, a restart of the node included.
    pub version: u64,
    /// The call that rings, is in progress or was the last one.
    pub call: Option<PageCall>,
    /// The conversation before a call that rings or is in progress: it can be noted still.
    pub before: Option<PageCall>,
    /// What a supervisor did last.
    pub notice: Option<DeskNotice>,
    /// Another one for each notice.
    pub notice_number: u64,
}

/// A call on an agent's page.
#[derive(Clone, Debug)]
pub struct PageCall {
    /// Its number in requests of the page.
    pub id: u64,
    /// The queue's name.
    pub queue: Arc<str>,
    /// How far it is.
    pub stage: CallStage,
    /// How long the caller had waited when the telephone rang, and once it was answered, until then.
    pub waited: Duration,
    /// When the stage began.
    pub since: Timestamp,
    /// The caller hears music.
    pub held: bool,
    /// The supervisor at this conversation.
    pub monitor: Option<PageMonitor>,
    /// The other side does not hear the agent.
    pub muted: bool,
    /// Whom the agent asks about the caller, and what came of it.
    pub consultation: Option<PageConsultation>,
    /// The agent is asked about the caller by this agent, who talks to the caller.
    pub asked_by: Option<Arc<str>>,
    /// Whether the conversation is recorded.
    pub recording: RecordingState,
    /// What the caller did.
    pub card: Arc<CallerCard>,
}

/// A supervisor at an agent's conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageMonitor {
    /// The supervisor's account.
    pub by: Arc<str>,
    /// What the supervisor does there.
    pub mode: MonitorMode,
}

/// Somebody whom an agent asks about a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageConsultation {
    /// An agent's account, or the last four digits of a number.
    pub with: Arc<str>,
    /// How far it is.
    pub stage: ConsultationStage,
}

/// How far a consultation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsultationStage {
    /// The other telephone rings.
    Ringing,
    /// The agent talks to the one who is asked.
    Talking,
    /// The one who is asked hears music, and the agent talks to the caller.
    OnHold,
    /// The other side was busy, or declined.
    Busy,
    /// The other side did not answer.
    NoAnswer,
    /// The other side hung up.
    Ended,
    /// The other side could not be reached, or is lost.
    Failed,
}

impl ConsultationStage {
    /// The word on the page.
    pub fn name(self) -> &'static str {
        match self {
            ConsultationStage::Ringing => "ringing",
            ConsultationStage::Talking => "talking",
            ConsultationStage::OnHold => "on_hold",
            ConsultationStage::Busy => "busy",
            ConsultationStage::NoAnswer => "no_answer",
            ConsultationStage::Ended => "ended",
            ConsultationStage::Failed => "failed",
        }
    }

    /// Whether the other side is there, or rings.
    pub fn is_in_progress(self) -> bool {
        match self {
            ConsultationStage::Ringing | ConsultationStage::Talking | ConsultationStage::OnHold => true,
            ConsultationStage::Busy
            | ConsultationStage::NoAnswer
            | ConsultationStage::Ended
            | ConsultationStage::Failed => false,
        }
    }
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStage {
    /// The telephone rings.
    Ringing,
    /// Both talk.
    Talking,
    /// It was the last one: the agent may note what it was about.
    Over,
}

impl CallStage {
    /// The word on the page.
    pub fn name(self) -> &'static str {
        match self {
            CallStage::Ringing => "ringing",
            CallStage::Talking => "talking",
            CallStage::Over => "over",
        }
    }
}

/// The pages as they were last published.
pub(super) type Published = HashMap<Arc<str>, AgentPage>;

/// The pages, as the task of the queues changes them.
pub(super) struct AgentPages {
    calls: HashMap<Arc<str>, PageCall>,
    before: HashMap<Arc<str>, PageCall>,
    notices: HashMap<Arc<str>, (u64, DeskNotice)>,
    changed: BTreeSet<Arc<str>>,
    last: u64,
    published: Arc<watch::Sender<Published>>,
}

impl AgentPages {
    pub(super) fn new(published: Arc<watch::Sender<Published>>) -> AgentPages {
        // Later than any version of an earlier run.
        let last = u64::try_from(clock::timestamp().as_millisecond()).unwrap_or(0);
        let (calls, before) = (HashMap::new(), HashMap::new());
        AgentPages { calls, before, notices: HashMap::new(), changed: BTreeSet::new(), last, published }
    }

    /// The agent's state has changed.
    pub(super) fn touch(&mut self, agent: &Arc<str>) {
        self.changed.insert(Arc::clone(agent));
    }

    /// An agent reads what a supervisor did.
    pub(super) fn tell(&mut self, agent: &Arc<str>, notice: &DeskNotice) {
        self.last += 1;
        self.notices.insert(Arc::clone(agent), (self.last, notice.clone()));
        self.touch(agent);
    }

    /// The telephone of an agent rings for a caller.
    pub(super) fn rings(
        &mut self,
        agent: &Arc<str>,
        offer: OfferId,
        queue: Arc<str>,
        waited: Duration,
        card: Arc<CallerCard>,
    ) {
        let (id, since) = (offer.0, clock::timestamp());
        let (stage, recording) = (CallStage::Ringing, RecordingState::Off);
        let (held, muted, consultation, asked_by, monitor) = (false, false, None, None, None);
        let call =
            PageCall { id, queue, stage, waited, since, held, muted, consultation, asked_by, monitor, recording, card };
        let last = self.calls.insert(Arc::clone(agent), call).filter(|call| call.stage == CallStage::Over);
        if let Some(last) = last {
            self.before.insert(Arc::clone(agent), last);
        }
        self.touch(agent);
    }

    /// The call of an offer has come to this stage.
    pub(super) fn comes_to(&mut self, agent: &Arc<str>, offer: OfferId, stage: CallStage) {
        if let Some(call) = self.calls.get_mut(agent).filter(|call| call.id == offer.0 && call.stage != stage) {
            let now = clock::timestamp();
            if call.stage == CallStage::Ringing {
                call.waited += Duration::try_from(now.duration_since(call.since)).unwrap_or_default();
            }
            (call.stage, call.since, call.held, call.muted) = (stage, now, false, false);
            (call.consultation, call.monitor) = (None, None);
            call.recording = RecordingState::Off;
            self.touch(agent);
        }
    }

    /// The caller is on hold, or no longer.
    pub(super) fn holds(&mut self, agent: &Arc<str>, offer: OfferId, held: bool) {
        if let Some(call) = self.calls.get_mut(agent).filter(|call| call.id == offer.0) {
            call.held = held;
            self.touch(agent);
        }
    }

    /// A supervisor is at the conversation, or no longer.
    pub(super) fn monitored(&mut self, agent: &Arc<str>, offer: OfferId, monitor: Option<PageMonitor>) {
        if let Some(call) = self.calls.get_mut(agent).filter(|call| call.id == offer.0) {
            call.monitor = monitor;
            self.touch(agent);
        }
    }

    /// Whether the conversation is recorded.
    pub(super) fn records(&mut self, agent: &Arc<str>, offer: OfferId, recording: RecordingState) {
        let shown = self.calls.get_mut(agent).filter(|call| call.id == offer.0 && call.recording != recording);
        if let Some(call) = shown {
            call.recording = recording;
            self.touch(agent);
        }
    }

    /// The other side does not hear the agent, or does again.
    pub(super) fn mutes(&mut self, agent: &str, offer: OfferId, muted: bool) {
        if let Some((agent, call)) = self.calls.get_key_value(agent).map(|(agent, call)| (Arc::clone(agent), call.id))
            && call == offer.0
            && let Some(call) = self.calls.get_mut(&agent)
        {
            call.muted = muted;
            self.touch(&agent);
        }
    }

    /// Whom the agent asks, and how far that is; none: nobody.
    pub(super) fn consults(&mut self, agent: &Arc<str>, offer: OfferId, consultation: Option<PageConsultation>) {
        if let Some(call) = self.calls.get_mut(agent).filter(|call| call.id == offer.0) {
            call.consultation = consultation;
            self.touch(agent);
        }
    }

    /// A supervisor has the conversation: it is over for the agent, and the supervisor's page shows it.
    pub(super) fn taken_over(&mut self, (agent, offer): (&Arc<str>, OfferId), (by, new): (&Arc<str>, OfferId)) {
        let Some(call) = self.calls.get(agent).filter(|call| call.id == offer.0).cloned() else { return };
        let (stage, since) = (CallStage::Talking, clock::timestamp());
        self.calls.insert(
            Arc::clone(by),
            PageCall {
                id: new.0,
                stage,
                since,
                held: false,
                muted: false,
                consultation: None,
                monitor: None,
                recording: RecordingState::Off,
                ..call
            },
        );
        self.touch(by);
        self.comes_to(agent, offer, CallStage::Over);
    }

    /// The agent is asked about the caller; none: the caller is the agent's own.
    pub(super) fn asked_by(&mut self, agent: &Arc<str>, offer: OfferId, by: Option<Arc<str>>) {
        if let Some(call) = self.calls.get_mut(agent).filter(|call| call.id == offer.0) {
            call.asked_by = by;
            self.touch(agent);
        }
    }

    /// The queue of a call.
    pub(super) fn queue_of(&self, agent: &str, offer: OfferId) -> Option<Arc<str>> {
        self.calls.get(agent).filter(|call| call.id == offer.0).map(|call| Arc::clone(&call.queue))
    }

    /// The telephone rings no longer, and the agent did not answer: the agent sees no more of the caller, and the conversation before
    /// again.
    pub(super) fn withdrawn(&mut self, agent: &Arc<str>, offer: OfferId) {
        if self.calls.get(agent).is_some_and(|call| call.id == offer.0 && call.stage == CallStage::Ringing) {
            self.calls.remove(agent);
            self.calls.extend(self.before.remove_entry(agent));
            self.touch(agent);
        }
    }

    /// Forgets the last calls of agents after a time: what was not noted by then is not.
    pub(super) fn forget_old(&mut self) {
        let before = clock::timestamp().saturating_sub(LAST_CALL_KEPT).unwrap_or(Timestamp::MIN);
        let old = |call: &PageCall| call.stage == CallStage::Over && call.since < before;
        let calls = self.before.extract_if(|_, call| old(call));
        self.changed.extend(calls.map(|(agent, _)| agent));
        let gone: Vec<Arc<str>> =
            self.calls.iter().filter(|(_, call)| old(call)).map(|(agent, _)| Arc::clone(agent)).collect();
        for agent in gone {
            self.calls.remove(&agent);
            self.changed.insert(agent);
        }
    }

    /// Whether there is something to publish.
    pub(super) fn have_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Shows every change.
    pub(super) fn publish(&mut self) {
        self.last += 1;
        let (version, changed) = (self.last, std::mem::take(&mut self.changed));
        self.published.send_modify(|pages| {
            for agent in changed {
                let (call, before) = (self.calls.get(&agent).cloned(), self.before.get(&agent).cloned());
                let (notice_number, notice) = self.notices.get(&agent).cloned().unzip();
                let notice_number = notice_number.unwrap_or(0);
                pages.insert(agent, AgentPage { version, call, before, notice, notice_number });
            }
        });
    }
}

/// As long as an agent sees the last caller's card.
const LAST_CALL_KEPT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_the_call_that_rings_and_the_last_one_and_each_change_has_a_version() {
        let published = Arc::new(watch::Sender::new(Published::new()));
        let mut pages = AgentPages::new(Arc::clone(&published));
        let (li, wang): (Arc<str>, Arc<str>) = ("li".into(), "wang".into());
        let card = Arc::new(CallerCard::default());
        for agent in [&li, &wang] {
            pages.rings(agent, OfferId(7), "desk".into(), Duration::from_secs(3), Arc::clone(&card));
        }
        pages.publish();
        let first = published.borrow()[&li].clone();
        pages.comes_to(&li, OfferId(7), CallStage::Talking);
        pages.withdrawn(&wang, OfferId(7));
        pages.withdrawn(&li, OfferId(7));
        pages.publish();
        let stage = |agent| published.borrow()[agent].call.as_ref().map(|call: &PageCall| call.stage);
        assert_eq!((stage(&li), stage(&wang)), (Some(CallStage::Talking), None));
        assert!(published.borrow()[&li].version > first.version);
        pages.comes_to(&li, OfferId(6), CallStage::Over);
        assert!(!pages.have_changed(), "it is another call's");
        pages.comes_to(&li, OfferId(7), CallStage::Over);
        pages.forget_old();
        pages.publish();
        assert_eq!(stage(&li), Some(CallStage::Over));
        // The next caller rings, and the one before can be noted still.
        pages.rings(&li, OfferId(8), "desk".into(), Duration::ZERO, Arc::clone(&card));
        pages.publish();
        let shown = || {
            let page = published.borrow()[&li].clone();
            (page.call.map(|call| call.id), page.before.map(|call| call.id))
        };
        assert_eq!(shown(), (Some(8), Some(7)));
        pages.withdrawn(&li, OfferId(8));
        pages.publish();
        assert_eq!(shown(), (Some(7), None));
    }
}
