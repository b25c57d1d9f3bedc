//! An agent asks another agent or a number about a caller, who hears music meanwhile.
//!
//! The agent then connects both, talks to the one or the other, or goes back to the caller. Hanging up connects them if the one who
//! was asked has answered, as at a desk telephone; else the caller is the first of the queue. A caller who hangs up ends the
//! consultation: it was about that caller.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::transfers::{RINGING, Target, TargetStage, Who, waiting_sound};
use super::{Offer, Service, Stage};
use crate::agent_pages::{CallStage, ConsultationStage, PageConsultation};
use crate::transfer::{TransferRefusal, TransferTarget};
use call::{OutgoingEnd, QueueNotice};
use inquiry::HandlingStep;
use media::SessionId;
use queue::{OfferId, OfferResult};
use speech::Piece;

impl Service {
    /// The call to the one who is asked in a conversation.
    pub(super) fn asked_in(&self, conversation: OfferId) -> Option<OfferId> {
        let asks = |target: &Target| {
            target.asked_by == Some(conversation)
                && matches!(target.stage, TargetStage::Ringing | TargetStage::WithAgent | TargetStage::OnHold)
        };
        self.targets.iter().find(|(_, target)| asks(target)).map(|(id, _)| *id)
    }

    /// The session of the one who is asked, while the agent of a conversation talks to that one.
    pub(super) fn asked_session(&self, conversation: OfferId) -> Option<SessionId> {
        let target = self.asked_in(conversation).and_then(|asked| self.targets.get(&asked));
        target.filter(|target| target.stage == TargetStage::WithAgent).map(|target| target.call.session)
    }

    /// Calls the one who is asked; the caller hears music, and the agent a ringing tone.
    pub(super) fn consult(&mut self, now: Instant, id: OfferId, target: TransferTarget) -> Result<(), TransferRefusal> {
        let Some(Offer { caller, agent, call, .. }) = self.offers.get(&id) else { return Err(TransferRefusal::NoCall) };
        let (caller, agent, session) = (*caller, Arc::clone(agent), call.session);
        let (asked, who) = match target {
            TransferTarget::Agent(name) => {
                let (asked, _) = self.queues.consult(now, caller, &name)?;
                (asked, Who::Agent(name.into()))
            }
            TransferTarget::Number(number) => (self.queues.next_offer(), self.allowed(&agent, number.expose())?),
        };
        let call = match self.call_target(asked, &who, caller) {
            Ok(call) => call,
            Err(refusal) => {
                self.queues.offer_result(now, asked, OfferResult::NotMade);
                return Err(refusal);
            }
        };
        self.leave_monitoring(id);
        self.set_held(id, true);
        self.play_music(caller);
        self.play(session, vec![Piece::Ringing(RINGING)]);
        self.pages.holds(&agent, id, true);
        self.pages.consults(
            &agent,
            id,
            Some(PageConsultation { with: who.shown(), stage: ConsultationStage::Ringing }),
        );
        if let (Who::Agent(name), Some((_, link))) = (&who, self.callers.get(&caller)) {
            let queue = self.pages.queue_of(&agent, id).unwrap_or_default();
            self.pages.rings(name, asked, queue, Duration::ZERO, Arc::clone(&link.card));
            self.pages.asked_by(name, asked, Some(Arc::clone(&agent)));
        }
        let target = Target { call, who, caller, asked_by: Some(id), stage: TargetStage::Ringing };
        self.targets.insert(asked, target);
        Ok(())
    }

    pub(super) fn asked_answers(&mut self, now: Instant, asked: OfferId) {
        let Some(target) = self.targets.get_mut(&asked) else { return };
        let Some((asks, offer)) = target.asked_by.and_then(|asks| Some((asks, self.offers.get(&asks)?))) else {
            return;
        };
        target.stage = TargetStage::WithAgent;
        let (caller, one, other) = (target.caller, offer.call.session, target.call.session);
        let (agent, shown) = (Arc::clone(&offer.agent), target.who.shown());
        let step = match &target.who {
            Who::Agent(name) => {
                self.pages.comes_to(name, asked, CallStage::Talking);
                self.pages.touch(name);
                HandlingStep::AskedAgent(Arc::clone(&shown))
            }
            Who::Number(_) => HandlingStep::AskedNumber(Arc::clone(&shown)),
        };
        self.pages.consults(&agent, asks, Some(PageConsultation { with: shown, stage: ConsultationStage::Talking }));
        // The queues know agents alone.
        if matches!(step, HandlingStep::AskedAgent(_)) {
            self.queues.offer_result(now, asked, OfferResult::Accepted);
        }
        self.tell_caller(caller, QueueNotice::Handled(step));
        if !self.talk(one, other)
            && let Some(target) = self.targets.get(&asked)
        {
            target.call.hang_up();
        }
    }

    /// The one who was asked is gone. The caller hears music until the agent takes the caller back by one key.
    pub(super) fn asked_is_gone(&mut self, asks: OfferId, target: &Target, end: OutgoingEnd) {
        let Some(offer) = self.offers.get(&asks) else { return };
        let (agent, session) = (Arc::clone(&offer.agent), offer.call.session);
        let stage = match (target.stage, end) {
            (TargetStage::Ringing, OutgoingEnd::NoAnswer) => ConsultationStage::NoAnswer,
            (TargetStage::Ringing, OutgoingEnd::Declined) => ConsultationStage::Busy,
            (TargetStage::Ringing, _) | (_, OutgoingEnd::Failed(_)) => ConsultationStage::Failed,
            _ => ConsultationStage::Ended,
        };
        if target.stage != TargetStage::OnHold {
            let beep = [Piece::Tone(BEEP), Piece::Silence(BEEP)];
            self.play(session, std::iter::repeat_n(beep, BEEPS).flatten().collect());
        }
        self.pages.consults(&agent, asks, Some(PageConsultation { with: target.who.shown(), stage }));
    }

    /// Connects the caller with the one who was asked; the agent is free.
    pub(super) fn complete(&mut self, now: Instant, id: OfferId, is_phone_free: bool) -> Result<(), TransferRefusal> {
        let asked = self.asked_in(id).ok_or(TransferRefusal::NotAnswered)?;
        let target = self.targets.get(&asked).filter(|target| target.stage != TargetStage::Ringing);
        let target = target.ok_or(TransferRefusal::NotAnswered)?;
        let (caller, who, session) = (target.caller, target.who.clone(), target.call.session);
        let given = match &who {
            Who::Agent(_) => self.queues.complete_consultation(now, caller, asked, is_phone_free),
            Who::Number(_) => self.queues.give_outside(now, caller, is_phone_free),
        };
        if !given {
            return Err(TransferRefusal::NotAnswered);
        }
        self.agent_leaves(id);
        // Where the telephone is gone already, so is the conversation.
        self.conversations.remove(&caller);
        let Some(mut target) = self.targets.remove(&asked) else { return Err(TransferRefusal::NotAnswered) };
        let talks = self.callers.get(&caller).is_some_and(|(_, link)| self.talk(link.session, session));
        if !talks {
            target.call.hang_up();
        }
        match who {
            Who::Agent(name) => {
                self.tell_caller(caller, QueueNotice::Handled(HandlingStep::ToAgent(Arc::clone(&name))));
                self.tell_caller(caller, QueueNotice::Handled(HandlingStep::Agent(Arc::clone(&name))));
                self.pages.asked_by(&name, asked, None);
                self.conversations.insert(caller, asked);
                self.offers.insert(
                    asked,
                    Offer { call: target.call, agent: name, caller, stage: Stage::Talking, held: false },
                );
                self.begin_recording(caller, asked);
            }
            Who::Number(_) => {
                self.tell_caller(caller, QueueNotice::Handled(HandlingStep::ToNumber(target.who.shown())));
                (target.asked_by, target.stage) = (None, TargetStage::WithCaller);
                self.targets.insert(asked, target);
            }
        }
        Ok(())
    }

    fn set_held(&mut self, id: OfferId, held: bool) {
        if let Some(offer) = self.offers.get_mut(&id) {
            offer.held = held;
        }
    }

    /// The agent talks to the other one of both.
    pub(super) fn swap(&mut self, id: OfferId) -> Result<(), TransferRefusal> {
        let asked = self.asked_in(id).ok_or(TransferRefusal::NotAnswered)?;
        let (Some(offer), Some(target)) = (self.offers.get(&id), self.targets.get(&asked)) else {
            return Err(TransferRefusal::NoCall);
        };
        let (_, link) = self.callers.get(&offer.caller).ok_or(TransferRefusal::NoCall)?;
        let (agent, with) = (Arc::clone(&offer.agent), target.who.shown());
        let (own, caller_side, other) = (offer.call.session, link.session, target.call.session);
        let (stage, shown) = match target.stage {
            TargetStage::WithAgent => {
                self.play(other, waiting_sound(link));
                self.talk(own, caller_side);
                (TargetStage::OnHold, ConsultationStage::OnHold)
            }
            TargetStage::OnHold => {
                self.play_music(offer.caller);
                self.talk(own, other);
                (TargetStage::WithAgent, ConsultationStage::Talking)
            }
            TargetStage::Ringing | TargetStage::WithCaller | TargetStage::Ending => {
                return Err(TransferRefusal::NotAnswered);
            }
        };
        self.set_held(id, stage == TargetStage::WithAgent);
        self.pages.holds(&agent, id, stage == TargetStage::WithAgent);
        self.pages.consults(&agent, id, Some(PageConsultation { with, stage: shown }));
        if let Some(target) = self.targets.get_mut(&asked) {
            target.stage = stage;
        }
        Ok(())
    }

    /// The one who is asked is hung up, and the agent talks to the caller.
    pub(super) fn back_to_caller(&mut self, id: OfferId) -> Result<(), TransferRefusal> {
        let asked = self.asked_in(id).ok_or(TransferRefusal::NotAnswered)?;
        self.end_target_call(asked);
        let offer = self.offers.get(&id).ok_or(TransferRefusal::NoCall)?;
        let (_, link) = self.callers.get(&offer.caller).ok_or(TransferRefusal::NoCall)?;
        self.talk(link.session, offer.call.session);
        let agent = Arc::clone(&offer.agent);
        self.set_held(id, false);
        self.pages.holds(&agent, id, false);
        self.pages.consults(&agent, id, None);
        Ok(())
    }

    /// The telephone of an agent who asks somebody is over. False: nobody is asked.
    pub(super) fn left_consultation(&mut self, now: Instant, id: OfferId, caller: queue::CallerId) -> bool {
        let Some(asked) = self.asked_in(id) else { return false };
        if self.complete(now, id, true).is_ok() {
            return true;
        }
        self.end_target_call(asked);
        self.conversations.remove(&caller);
        if self.queues.give_to_queue(now, caller, true) {
            let queue = self.queues.callers().find(|(waits, _)| *waits == caller).map(|(_, queue)| Arc::clone(queue));
            self.waits_again(caller, HandlingStep::ToQueue(queue.unwrap_or_default()));
        }
        true
    }
}

/// Three beeps say that the other side is gone.
const BEEP: Duration = Duration::from_millis(300);
const BEEPS: usize = 3;
