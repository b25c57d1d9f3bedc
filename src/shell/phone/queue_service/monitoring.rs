//! Supervisors at conversations: they listen, whisper, barge in and take over.
//!
//! ```text
//!           answered              another mode            take over
//!  Ringing ─────────► Connected ──────┐        ──────────────────────► the caller's conversation, an [`Offer`] of its own
//!     │                ▲  └───────────┘
//!     └── not answered ┴── hung up, the conversation is over ──► Ending ──► gone
//! ```
//!
//! A supervisor's telephone is called as an agent's is, on the media thread of the caller; who hears whom is decided by
//! [`call::hears`]. The conversation never depends on it: whatever becomes of the supervisor's call, caller and agent go on. When the
//! conversation ends, however it does, the supervisor's call ends ([`Service::look_at_monitors`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::offers::DeskCall;
use super::{Offer, Service, Stage};
use crate::agent_call::AgentCall;
use crate::agent_pages::PageMonitor;
use crate::desk_audit::DeskAudit;
use crate::inbox::insist;
use crate::queue_handle::{AgentReport, MonitoredConversation};
use crate::supervision::{DeskNotice, SupervisorError};
use call::{Input, MediaCommand, MonitorMode, OutgoingEnd, Party, QueueNotice, SOURCES_MAX, hears};
use media::{Hearing, MediaBusy};
use queue::{AgentError, OfferId, OfferResult};

/// The supervisors who are at conversations.
pub(super) struct Monitors {
    audit: DeskAudit,
    /// By the number of the supervisor's call.
    calls: HashMap<OfferId, Monitor>,
    /// Conversations that were taken over, by the number of the supervisor's call.
    taken_over: HashMap<OfferId, Watched>,
}

/// A supervisor's call.
struct Monitor {
    watched: Watched,
    call: AgentCall,
    /// The agent's call.
    offer: OfferId,
    /// What the supervisor wants; while the telephone rings, from the answer on.
    mode: MonitorMode,
    stage: MonitorStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MonitorStage {
    Ringing,
    Connected,
    /// It was told to stop.
    Ending,
}

/// Whom it is about, for the audit log.
#[derive(Clone)]
struct Watched {
    by: Arc<str>,
    agent: Arc<str>,
    /// The call's tag in the log.
    call: String,
}

impl Monitors {
    pub(super) fn new(audit: DeskAudit) -> Monitors {
        Monitors { audit, calls: HashMap::new(), taken_over: HashMap::new() }
    }

    /// Those that last, for the supervisors' pages.
    pub(super) fn shown(&self) -> Vec<MonitoredConversation> {
        let lasting = self.calls.values().filter(|monitor| monitor.stage != MonitorStage::Ending);
        let shown = |monitor: &Monitor| MonitoredConversation {
            agent: Arc::clone(&monitor.watched.agent),
            by: Arc::clone(&monitor.watched.by),
            mode: monitor.mode,
            rings: monitor.stage == MonitorStage::Ringing,
        };
        lasting.map(shown).collect()
    }

    /// The supervisor's call at a conversation, unless it ends.
    fn at(&self, offer: OfferId) -> Option<(OfferId, &Monitor)> {
        let mut lasting = self.calls.iter().filter(|(_, monitor)| monitor.stage != MonitorStage::Ending);
        lasting.find(|(_, monitor)| monitor.offer == offer).map(|(id, monitor)| (*id, monitor))
    }

    fn note(&self, what: &'static str, watched: &Watched, mode: MonitorMode) {
        let about = format!("call={} mode={}", watched.call, mode.name());
        tracing::info!(what, agent = %watched.agent, by = %watched.by, mode = mode.name(), "supervisor");
        self.audit.note(what, &watched.agent, &watched.by, about);
    }

    /// Ends every call at once.
    pub(super) fn hang_up(&self) {
        self.calls.values().for_each(|monitor| monitor.call.hang_up());
    }
}

impl Service {
    /// Lets a supervisor into the conversation of an agent, or changes what the supervisor does there.
    pub(super) fn monitor(
        &mut self,
        now: Instant,
        by: &str,
        agent: &str,
        mode: MonitorMode,
    ) -> Result<(), SupervisorError> {
        let talks = |(_, offer): &(&OfferId, &Offer)| offer.stage == Stage::Talking && *offer.agent == *agent;
        let offer = self.offers.iter().find(talks).map(|(id, _)| *id).ok_or(SupervisorError::NoConversation)?;
        if self.asked_in(offer).is_some() {
            return Err(SupervisorError::Consulting);
        }
        if let Some((id, monitor)) = self.monitors.at(offer) {
            if *monitor.watched.by != *by {
                return Err(SupervisorError::Monitored);
            }
            self.change_mode(now, id, mode);
            return Ok(());
        }
        if self.handle.is_draining() {
            return Err(SupervisorError::Draining);
        }
        let is_engaged = self.monitors.calls.values().any(|monitor| *monitor.watched.by == *by)
            || self.offers.values().any(|offer| *offer.agent == *by);
        if is_engaged {
            return Err(SupervisorError::Engaged);
        }
        self.call_supervisor(by, offer, mode)
    }

    fn call_supervisor(&mut self, by: &str, offer: OfferId, mode: MonitorMode) -> Result<(), SupervisorError> {
        let no_phone = SupervisorError::Agent(AgentError::NoPhone);
        let (by, account) = self.supervisors.get_key_value(by).ok_or(no_phone)?;
        let by = Arc::clone(by);
        let talking = self.offers.get(&offer).ok_or(SupervisorError::NoConversation)?;
        let (_, link) = self.callers.get(&talking.caller).ok_or(SupervisorError::NoConversation)?;
        let id = self.queues.next_offer();
        let call = DeskCall {
            id,
            // The supervisor's telephone shows whose conversation it is, and nothing of the caller.
            number: self.agents.get(&talking.agent).map(|agent| agent.number.clone()),
            beside: link.session,
            prefer: link.codec,
            ring_limit: RING_LIMIT,
        };
        let not_called = |result| if result == OfferResult::NotMade { SupervisorError::NotCalled } else { no_phone };
        let call = self.ring(&by, Some(account), call).map_err(not_called)?;
        let tag = link.card.tag.as_deref().unwrap_or("-").to_owned();
        let watched = Watched { by, agent: Arc::clone(&talking.agent), call: tag };
        self.monitors.calls.insert(id, Monitor { watched, call, offer, mode, stage: MonitorStage::Ringing });
        Ok(())
    }

    /// Ends what a supervisor does at the conversation of an agent, which goes on.
    pub(super) fn stop_monitoring(&mut self, by: &str, agent: &str) -> Result<(), SupervisorError> {
        let is_its = |monitor: &Monitor| *monitor.watched.by == *by && *monitor.watched.agent == *agent;
        let lasting = |monitor: &Monitor| monitor.stage != MonitorStage::Ending;
        let found = self.monitors.calls.iter().find(|(_, monitor)| is_its(monitor) && lasting(monitor));
        let id = found.map(|(id, _)| *id).ok_or(SupervisorError::NoConversation)?;
        self.end_monitor(id);
        Ok(())
    }

    /// Takes news of a supervisor's call; false: it is none. Keys of a supervisor go nowhere.
    pub(super) fn on_monitor_report(&mut self, now: Instant, id: OfferId, report: &AgentReport) -> bool {
        let Some(monitor) = self.monitors.calls.get_mut(&id) else { return false };
        match report {
            AgentReport::Answered if monitor.stage == MonitorStage::Ringing => {
                monitor.stage = MonitorStage::Connected;
                self.monitors.note("monitor_began", &self.monitors.calls[&id].watched, self.monitors.calls[&id].mode);
                self.enter_mode(now, id);
            }
            AgentReport::Answered | AgentReport::Ringing | AgentReport::Key(_) => {}
            AgentReport::Over(end) => self.monitor_over(id, *end),
        }
        true
    }

    fn change_mode(&mut self, now: Instant, id: OfferId, mode: MonitorMode) {
        let Some(monitor) = self.monitors.calls.get_mut(&id).filter(|monitor| monitor.mode != mode) else { return };
        monitor.mode = mode;
        if monitor.stage == MonitorStage::Connected {
            self.monitors.note("monitor_changed", &self.monitors.calls[&id].watched, mode);
            self.enter_mode(now, id);
        }
    }

    /// Tells the agent, and lets those hear each other who do in this mode. A supervisor whom the media thread cannot let in is sent
    /// away.
    fn enter_mode(&mut self, now: Instant, id: OfferId) {
        let Some(Monitor { watched, offer, mode, .. }) = self.monitors.calls.get(&id) else { return };
        let (watched, offer, mode) = (watched.clone(), *offer, *mode);
        let what = match mode {
            MonitorMode::Listen => "monitor_listen",
            MonitorMode::Whisper => "monitor_whisper",
            MonitorMode::Barge => "monitor_barge",
            MonitorMode::TakeOver => "monitor_take_over",
        };
        self.tell(&watched.agent, what, "", &watched.by);
        let shown = PageMonitor { by: Arc::clone(&watched.by), mode };
        self.pages.monitored(&watched.agent, offer, Some(shown));
        if self.join_sound(offer).is_err() {
            tracing::warn!("a supervisor cannot be let into a conversation: the media thread does not keep up");
            return self.end_monitor(id);
        }
        if mode == MonitorMode::TakeOver && !self.take_over(now, id) {
            self.end_monitor(id);
        }
    }

    /// The supervisor, whom the caller hears already, has the conversation; the agent's call ends. False: the caller has gone.
    fn take_over(&mut self, now: Instant, id: OfferId) -> bool {
        let Some(monitor) = self.monitors.calls.get(&id) else { return false };
        let Some(offer) = self.offers.get_mut(&monitor.offer) else { return false };
        let caller = offer.caller;
        let Some((_, link)) = self.callers.get(&caller) else { return false };
        if std::mem::take(&mut offer.held) {
            let _ = self.shared.services.media.command(link.session, MediaCommand::Stop);
        }
        insist(&link.inbox, Input::Queue(QueueNotice::TakenOver { by: Arc::clone(&monitor.watched.by) }));
        self.pages.taken_over((&offer.agent, monitor.offer), (&monitor.watched.by, id));
        offer.stage = Stage::Withdrawn;
        offer.call.hang_up();
        self.queues.take_over(now, caller);
        let Some(Monitor { watched, call, .. }) = self.monitors.calls.remove(&id) else { return false };
        let agent = Arc::clone(&watched.by);
        self.offers.insert(id, Offer { call, agent, caller, stage: Stage::Talking, held: false });
        self.conversations.insert(caller, id);
        self.monitors.taken_over.insert(id, watched);
        self.begin_recording(caller, id);
        true
    }

    /// The supervisor's telephone has ended its call, or was not reached.
    fn monitor_over(&mut self, id: OfferId, end: OutgoingEnd) {
        let Some(monitor) = self.monitors.calls.get(&id) else { return };
        let (watched, stage) = (monitor.watched.clone(), monitor.stage);
        if stage == MonitorStage::Ringing {
            let failed = matches!(end, OutgoingEnd::Failed(_));
            let what = if failed { "monitor_failed" } else { "monitor_no_answer" };
            self.tell(&watched.by, what, &watched.agent, &watched.by);
        }
        self.end_monitor(id);
        self.monitors.calls.remove(&id);
    }

    /// Ends the call of a supervisor at this conversation, whose agent asks somebody: that is not the supervisor's to hear.
    pub(super) fn leave_monitoring(&mut self, offer: OfferId) {
        let Some((id, monitor)) = self.monitors.at(offer) else { return };
        let (watched, stage) = (monitor.watched.clone(), monitor.stage);
        self.end_monitor(id);
        self.tell(&watched.by, "monitor_consults", &watched.agent, &watched.by);
        if stage == MonitorStage::Connected {
            self.tell(&watched.agent, "monitor_consultation", "", &watched.by);
        }
    }

    /// Ends a supervisor's call; caller and agent go on as before it.
    fn end_monitor(&mut self, id: OfferId) {
        let Some(monitor) = self.monitors.calls.get_mut(&id) else { return };
        let before = std::mem::replace(&mut monitor.stage, MonitorStage::Ending);
        let (watched, offer, mode) = (monitor.watched.clone(), monitor.offer, monitor.mode);
        monitor.call.hang_up();
        match before {
            MonitorStage::Ending => {}
            MonitorStage::Ringing => self.monitors.note("monitor_not_answered", &watched, mode),
            MonitorStage::Connected => {
                self.monitors.note("monitor_ended", &watched, mode);
                self.tell(&watched.agent, "monitor_ended", "", &watched.by);
                self.pages.monitored(&watched.agent, offer, None);
                if self.offers.get(&offer).is_some_and(|offer| offer.stage == Stage::Talking) {
                    let _ = self.join_sound(offer);
                }
            }
        }
    }

    /// Ends the calls of supervisors whose conversations are over, however they ended, and of accounts that supervise no longer.
    pub(super) fn look_at_monitors(&mut self) {
        let is_on = |offer: &OfferId| self.offers.get(offer).is_some_and(|offer| offer.stage == Stage::Talking);
        let may_stay = |monitor: &Monitor| is_on(&monitor.offer) && self.supervisors.contains_key(&monitor.watched.by);
        let is_over = |monitor: &Monitor| monitor.stage != MonitorStage::Ending && !may_stay(monitor);
        let calls = self.monitors.calls.iter();
        let over: Vec<OfferId> = calls.filter(|(_, monitor)| is_over(monitor)).map(|(id, _)| *id).collect();
        let taken = self.monitors.taken_over.keys();
        let ended: Vec<OfferId> = taken.filter(|id| !is_on(id)).copied().collect();
        over.into_iter().for_each(|id| self.end_monitor(id));
        for id in ended {
            if let Some(watched) = self.monitors.taken_over.remove(&id) {
                self.monitors.note("monitor_ended", &watched, MonitorMode::TakeOver);
            }
        }
    }

    /// Lets those of a conversation hear each other who do, by hold and by what a supervisor does there.
    pub(super) fn join_sound(&self, id: OfferId) -> Result<(), MediaBusy> {
        let Some(offer) = self.offers.get(&id) else { return Ok(()) };
        let Some((_, link)) = self.callers.get(&offer.caller) else { return Ok(()) };
        let monitor = self.monitors.at(id).map(|(_, monitor)| monitor);
        let monitor = monitor.filter(|monitor| monitor.stage == MonitorStage::Connected);
        let mode = monitor.map(|monitor| monitor.mode);
        let parties = [
            (Party::Caller, Some(link.session)),
            (Party::Agent, Some(offer.call.session)),
            (Party::Supervisor, monitor.map(|monitor| monitor.call.session)),
        ];
        let hearing = |(listener, session): &(Party, Option<media::SessionId>)| {
            let heard = |(source, _): &&(Party, _)| hears(mode, offer.held, *listener, *source);
            let mut sources = [None; SOURCES_MAX];
            let all = parties.iter().filter(heard).map(|(_, session)| *session);
            sources.iter_mut().zip(all).for_each(|(place, source)| *place = source);
            session.map(|listener| Hearing { listener, sources })
        };
        self.shared.services.media.hear(parties.iter().filter_map(hearing).collect())
    }

    fn tell(&mut self, account: &Arc<str>, what: &'static str, about: &str, by: &str) {
        self.pages.tell(account, &DeskNotice { what, about: about.to_owned(), by: by.to_owned() });
    }
}

/// A supervisor sits at the page, or soon does.
const RING_LIMIT: Duration = Duration::from_secs(30);
