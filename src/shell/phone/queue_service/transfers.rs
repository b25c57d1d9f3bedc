//! Callers whom an agent gives to another agent or to a number, and the calls to those who get them or are asked.
//!
//! ```text
//!                give            answered                hangs up
//!  agent talks ───────► Ringing ─────────► WithCaller ─────────────► the caller goes on in the flow
//!       │                  └─ no answer: the caller waits for the agent, then at the head of the queue
//!       │ consult           answered             swap
//!       └───────► Ringing ─────────► WithAgent ◄──────► OnHold        (consultation.rs)
//!                                        └── complete ──► WithCaller, or an offer's conversation
//! ```
//!
//! A caller who is given to an agent waits in the queue for that one alone (`queue::Queues::give_to_agent`): no call of this module.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::offers::DeskCall;
use super::{Offer, Service, Stage};
use crate::agent_call::{AgentCall, AgentCallStart};
use crate::agent_pages::CallStage;
use crate::hold::HOLD;
use crate::inbox::insist;
use crate::queue_handle::{AgentReport, CallerLink, PageCommand};
use crate::transfer::{TransferCommand, TransferRefusal, TransferTarget, last_four};
use base::{Key, Private};
use call::{Input, MediaCommand, OutgoingEnd, QueueNotice};
use inquiry::HandlingStep;
use media::SessionId;
use os::clock;
use queue::{CallerId, OfferId, OfferResult};
use speech::Piece;

/// A call to somebody who gets a caller, or is asked about one.
pub(super) struct Target {
    pub call: AgentCall,
    pub who: Who,
    pub caller: CallerId,
    /// The conversation whose agent asks; none: the caller was given away.
    pub asked_by: Option<OfferId>,
    pub stage: TargetStage,
}

/// Who is called.
#[derive(Clone, Debug)]
pub(super) enum Who {
    Agent(Arc<str>),
    Number(Private<String>),
}

impl Who {
    /// As pages and records name it: of a number the last four digits.
    pub(super) fn shown(&self) -> Arc<str> {
        match self {
            Who::Agent(name) => Arc::clone(name),
            Who::Number(number) => last_four(number.expose()).into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetStage {
    Ringing,
    /// The agent who asks talks to the target, and the caller hears music.
    WithAgent,
    /// The agent who asks talks to the caller, and the target hears music.
    OnHold,
    /// The caller talks to the target.
    WithCaller,
    /// It was told to stop.
    Ending,
}

impl Service {
    /// Does what an agent wants of the conversation on the page.
    pub(super) fn transfer_command(
        &mut self,
        now: Instant,
        agent: &str,
        id: OfferId,
        command: TransferCommand,
    ) -> Result<(), TransferRefusal> {
        let talks = self.offers.get(&id).is_some_and(|offer| *offer.agent == *agent && offer.stage == Stage::Talking);
        if !talks {
            return Err(TransferRefusal::NoCall);
        }
        let asks = self.asked_in(id).is_some();
        match command {
            TransferCommand::Give(_) | TransferCommand::Consult(_) if asks => Err(TransferRefusal::Consulting),
            TransferCommand::Give(TransferTarget::Agent(name)) => self.give_to_agent(now, id, &name),
            TransferCommand::Give(TransferTarget::Number(number)) => self.give_to_number(now, id, number.expose()),
            TransferCommand::Consult(target) => self.consult(now, id, target),
            TransferCommand::Complete => self.complete(now, id, false),
            TransferCommand::Swap => self.swap(id),
            TransferCommand::Back => self.back_to_caller(id),
        }
    }

    fn give_to_agent(&mut self, now: Instant, id: OfferId, name: &str) -> Result<(), TransferRefusal> {
        let caller = self.offers.get(&id).ok_or(TransferRefusal::NoCall)?.caller;
        self.queues.give_to_agent(now, caller, name)?;
        self.agent_leaves(id);
        self.waits_again(caller, HandlingStep::ToAgent(name.into()));
        Ok(())
    }

    fn give_to_number(&mut self, now: Instant, id: OfferId, number: &str) -> Result<(), TransferRefusal> {
        let Some(Offer { caller, agent, .. }) = self.offers.get(&id) else { return Err(TransferRefusal::NoCall) };
        let (caller, agent) = (*caller, Arc::clone(agent));
        let target = self.queues.next_offer();
        let who = self.allowed(&agent, number)?;
        let call = self.call_target(target, &who, caller)?;
        if !self.queues.give_outside(now, caller, false) {
            call.hang_up();
            return Err(TransferRefusal::NoCall);
        }
        self.play_music(caller);
        self.agent_leaves(id);
        self.tell_caller(caller, QueueNotice::Handled(HandlingStep::ToNumber(who.shown())));
        self.targets.insert(target, Target { call, who, caller, asked_by: None, stage: TargetStage::Ringing });
        Ok(())
    }

    /// A number that the settings allow this agent to call now; it counts.
    pub(super) fn allowed(&mut self, agent: &Arc<str>, number: &str) -> Result<Who, TransferRefusal> {
        let shared = Arc::clone(&self.shared);
        let line = shared.settings.transfer.as_ref().ok_or(TransferRefusal::NumberNotAllowed)?;
        let number = line.allowed(number).ok_or(TransferRefusal::NumberNotAllowed)?;
        let today = clock::local(&shared.services.live.load().zone).date();
        self.called_numbers.count(today, agent, line)?;
        self.keep();
        tracing::info!(%agent, "an agent calls a number");
        Ok(Who::Number(Private::new(number)))
    }

    /// Calls an agent or a number, beside the caller's session.
    pub(super) fn call_target(
        &self,
        offer: OfferId,
        who: &Who,
        caller: CallerId,
    ) -> Result<AgentCall, TransferRefusal> {
        let (_, link) = self.callers.get(&caller).ok_or(TransferRefusal::NoCall)?;
        let call = match who {
            Who::Agent(name) => {
                let (number, beside, prefer) = (link.number.clone(), link.session, link.codec);
                let ring_limit = self.queues.ring_limit_of(caller);
                let call = DeskCall { id: offer, number, beside, prefer, ring_limit };
                self.ring(name, self.agents.get(name), call).ok()
            }
            Who::Number(number) => {
                let line = self.shared.settings.transfer.as_ref().ok_or(TransferRefusal::NumberNotAllowed)?;
                let telephone = self.shared.telephones.at(&line.uri(number.expose()));
                let start = AgentCallStart {
                    offer,
                    telephone: telephone.ok_or(TransferRefusal::NotMade)?,
                    others: VecDeque::new(),
                    number: Some(line.from.clone()),
                    beside: link.session,
                    prefer: link.codec,
                    ring_limit: line.ring_limit,
                };
                AgentCall::begin(&self.shared, &self.registry, start, &self.handle.messages)
            }
        };
        call.ok_or(TransferRefusal::NotMade)
    }

    /// The agent of a conversation is out of it; the telephone is hung up.
    pub(super) fn agent_leaves(&mut self, id: OfferId) {
        let Some(offer) = self.offers.get_mut(&id) else { return };
        self.shared.services.media.unbridge(offer.call.session);
        self.conversations.remove(&offer.caller);
        self.pages.comes_to(&offer.agent, id, CallStage::Over);
        offer.stage = Stage::Withdrawn;
        offer.call.hang_up();
    }

    /// The caller waits in the queue again, and hears what the flow plays there.
    pub(super) fn waits_again(&self, caller: CallerId, step: HandlingStep) {
        let queue = self.queues.callers().find(|(id, _)| *id == caller).map(|(_, queue)| Arc::clone(queue));
        if let Some(queue) = queue {
            self.tell_caller(caller, QueueNotice::Transferred { queue, step });
        }
    }

    pub(super) fn tell_caller(&self, caller: CallerId, notice: QueueNotice) {
        if let Some((_, link)) = self.callers.get(&caller) {
            insist(&link.inbox, Input::Queue(notice));
        }
    }

    /// The caller hears music, and no agent.
    pub(super) fn play_music(&self, caller: CallerId) {
        if let Some((_, link)) = self.callers.get(&caller) {
            self.shared.services.media.unbridge(link.session);
            self.play(link.session, waiting_sound(link));
        }
    }

    /// What plays to a session from here on.
    pub(super) fn play(&self, session: SessionId, pieces: Vec<Piece>) {
        let _ = self.shared.services.media.command(session, MediaCommand::Play { id: HOLD, pieces });
    }

    /// Two sessions hear each other, and nothing that played. False: the media thread does not keep up.
    pub(super) fn talk(&self, one: SessionId, other: SessionId) -> bool {
        let media = &self.shared.services.media;
        let stopped = [one, other].map(|session| media.command(session, MediaCommand::Stop).is_ok());
        let done = stopped == [true, true] && media.bridge(one, other).is_ok();
        if !done {
            tracing::warn!("two sides of a transfer could not be connected: this node does not keep up");
        }
        done
    }

    /// News of a call to a target.
    pub(super) fn target_reports(&mut self, now: Instant, id: OfferId, report: AgentReport) {
        let Some(target) = self.targets.get(&id) else { return };
        match report {
            AgentReport::Ringing => tracing::debug!(offer = id.0, "the telephone of a transfer rings"),
            AgentReport::Answered if target.stage == TargetStage::Ringing => self.target_answers(now, id),
            AgentReport::Answered => {}
            AgentReport::Key(key) => {
                if let Some(session) = self.other_side(target) {
                    self.press(session, key);
                }
            }
            AgentReport::Over(end) => self.target_over(now, id, end),
        }
    }

    /// Whom the target talks to.
    fn other_side(&self, target: &Target) -> Option<SessionId> {
        match target.stage {
            TargetStage::WithAgent => {
                target.asked_by.and_then(|asks| self.offers.get(&asks)).map(|offer| offer.call.session)
            }
            TargetStage::WithCaller => self.callers.get(&target.caller).map(|(_, link)| link.session),
            TargetStage::Ringing | TargetStage::OnHold | TargetStage::Ending => None,
        }
    }

    /// A key of a caller who was given to a number.
    pub(super) fn press_at_target(&self, caller: CallerId, key: Key) {
        let with = |target: &&Target| target.caller == caller && target.stage == TargetStage::WithCaller;
        if let Some(target) = self.targets.values().find(with) {
            self.press(target.call.session, key);
        }
    }

    fn target_answers(&mut self, now: Instant, id: OfferId) {
        let Some(target) = self.targets.get(&id) else { return };
        if target.asked_by.is_some() {
            return self.asked_answers(now, id);
        }
        let Some((_, link)) = self.callers.get(&target.caller) else { return };
        let (caller_side, target_side) = (link.session, target.call.session);
        if !self.talk(caller_side, target_side) {
            target.call.hang_up();
            return;
        }
        if let Some(target) = self.targets.get_mut(&id) {
            target.stage = TargetStage::WithCaller;
        }
    }

    fn target_over(&mut self, now: Instant, id: OfferId, end: OutgoingEnd) {
        let Some(target) = self.targets.remove(&id) else { return };
        tracing::debug!(offer = id.0, ?end, "the call of a transfer is over");
        if let Who::Agent(name) = &target.who {
            self.pages.withdrawn(name, id);
            self.pages.comes_to(name, id, CallStage::Over);
            let result = match end {
                _ if target.stage == TargetStage::Ending => OfferResult::Withdrawn,
                OutgoingEnd::Failed(_) => OfferResult::Failed,
                OutgoingEnd::NoAnswer => OfferResult::NoAnswer,
                OutgoingEnd::Declined => OfferResult::Declined,
                OutgoingEnd::HungUp | OutgoingEnd::Ended | OutgoingEnd::Withdrawn => OfferResult::Withdrawn,
            };
            self.queues.offer_result(now, id, result);
        }
        match (target.stage, target.asked_by) {
            (TargetStage::Ending, _) => {}
            (TargetStage::Ringing | TargetStage::WithAgent | TargetStage::OnHold, Some(asks)) => {
                self.asked_is_gone(asks, &target, end);
            }
            (TargetStage::WithCaller, _) => {
                self.queues.leave(now, target.caller, queue::Left::HungUp);
                if let Some((wait, link)) = self.callers.remove(&target.caller) {
                    self.ids.remove(&wait);
                    insist(&link.inbox, Input::Queue(QueueNotice::Ended));
                }
            }
            (TargetStage::Ringing | TargetStage::WithAgent | TargetStage::OnHold, None) => {
                if self.queues.take_back(now, target.caller) {
                    self.waits_again(target.caller, HandlingStep::Returned);
                }
            }
        }
    }

    /// The caller is gone: so is whoever was called for the caller.
    pub(super) fn end_targets_of(&mut self, caller: CallerId) {
        for (id, target) in self.targets.iter_mut().filter(|(_, target)| target.caller == caller) {
            end_target(*id, target, &mut self.pages);
        }
    }

    /// Tells the call of a target to stop. False: there is none.
    pub(super) fn end_target_call(&mut self, id: OfferId) -> bool {
        let Some(target) = self.targets.get_mut(&id) else { return false };
        end_target(id, target, &mut self.pages);
        true
    }

    /// What the page of an agent who is asked wants of the call.
    pub(super) fn asked_command(&mut self, agent: &str, id: OfferId, command: &PageCommand) -> bool {
        let is_own = |target: &&Target| matches!(&target.who, Who::Agent(name) if **name == *agent);
        let Some(target) = self.targets.get(&id).filter(is_own) else { return false };
        match (command, target.stage) {
            (PageCommand::Decline, TargetStage::Ringing)
            | (PageCommand::HangUp, TargetStage::WithAgent | TargetStage::OnHold) => {
                target.call.hang_up();
                true
            }
            (PageCommand::Mute(muted), TargetStage::WithAgent | TargetStage::OnHold) => {
                self.pages.mutes(agent, id, *muted);
                self.shared.services.media.command(target.call.session, MediaCommand::Mute(*muted)).is_ok()
            }
            (
                PageCommand::Decline
                | PageCommand::HangUp
                | PageCommand::Hold(_)
                | PageCommand::Mute(_)
                | PageCommand::PauseRecording(_)
                | PageCommand::Transfer(_),
                TargetStage::Ringing
                | TargetStage::WithAgent
                | TargetStage::OnHold
                | TargetStage::WithCaller
                | TargetStage::Ending,
            ) => false,
        }
    }
}

/// Music, or a ringing tone where the flow has none.
pub(super) fn waiting_sound(link: &CallerLink) -> Vec<Piece> {
    if link.music.is_empty() { vec![Piece::Ringing(RINGING)] } else { link.music.clone() }
}

fn end_target(id: OfferId, target: &mut Target, pages: &mut crate::agent_pages::AgentPages) {
    if target.stage == TargetStage::Ending {
        return;
    }
    target.stage = TargetStage::Ending;
    target.call.hang_up();
    if let Who::Agent(name) = &target.who {
        pages.withdrawn(name, id);
        pages.comes_to(name, id, CallStage::Over);
    }
}

/// Longer than a telephone may ring.
pub(super) const RINGING: Duration = Duration::from_secs(180);
