//! Offers: an agent's telephone or browser is called, rings, answers, is connected with the caller, hangs up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Offer, Service, Stage};
use crate::agent_call::{AgentCall, AgentCallStart};
use crate::agent_pages::CallStage;
use crate::browser_call::{self, BrowserCallStart};
use crate::caller_card::CallerCard;
use crate::inbox::insist;
use crate::queue_handle::AgentReport;
use base::Codec;
use call::{Input, OutgoingEnd, QueueNotice};
use flow::QueueOutcome;
use media::SessionId;
use queue::{CallerId, OfferId, OfferResult};
use studio_store::AgentAccount;

/// A call to the telephone of somebody of the desk.
pub(super) struct DeskCall {
    /// What its reports are about.
    pub id: OfferId,
    /// The number that the telephone shows; none: it is withheld.
    pub number: Option<String>,
    /// The caller's session, and its codec.
    pub beside: SessionId,
    pub prefer: Option<Codec>,
    pub ring_limit: Duration,
}

impl Service {
    /// Calls an agent's telephone, or says why not: there is none, or this node cannot call it now.
    pub(super) fn offer(
        &mut self,
        id: OfferId,
        agent: &Arc<str>,
        caller: CallerId,
        ring_limit: Duration,
    ) -> Result<Arc<CallerCard>, OfferResult> {
        // A caller who has left meanwhile is no fault of the telephone.
        let (_, link) = self.callers.get(&caller).ok_or(OfferResult::NotMade)?;
        let card = Arc::clone(&link.card);
        let (number, beside, prefer) = (link.number.clone(), link.session, link.codec);
        let call = self.ring(agent, self.agents.get(agent), DeskCall { id, number, beside, prefer, ring_limit })?;
        self.offers.insert(id, Offer { call, agent: Arc::clone(agent), caller, stage: Stage::Ringing, held: false });
        Ok(card)
    }

    /// The address of the call centre that a line leads to; none: it is no line.
    pub(super) fn line_address(&self, agent: &str) -> Option<&String> {
        self.shared.settings.queue_addresses.get(agent.split_once('/')?.0)
    }

    /// Calls the telephone of somebody of the desk, or the call centre of a line. Who has opened a browser as telephone wants to be called there.
    pub(super) fn ring(
        &self,
        name: &Arc<str>,
        account: Option<&AgentAccount>,
        call: DeskCall,
    ) -> Result<AgentCall, OfferResult> {
        let DeskCall { id: offer, number, beside, prefer, ring_limit } = call;
        let browsers = self.shared.services.browsers.as_ref();
        if let Some(browsers) = browsers.filter(|browsers| browsers.registered_since(name).is_some()) {
            let start = BrowserCallStart { offer, agent: name, number, beside, prefer, ring_limit };
            let call = browser_call::begin(&self.shared, browsers, start, &self.handle.messages);
            return call.ok_or(OfferResult::NotMade);
        }
        let at = |address: &str| self.shared.telephones.at(address).into_iter().collect();
        let of_account = |account: &AgentAccount| match &account.duty.address {
            Some(address) => at(address),
            None => self.shared.telephones.registered(&account.number),
        };
        let mut telephones: VecDeque<_> = match self.line_address(name) {
            Some(address) => at(address),
            None => account.map(of_account).unwrap_or_default(),
        };
        let telephone = telephones.pop_front().ok_or(OfferResult::Failed)?;
        let start = AgentCallStart { offer, telephone, others: telephones, number, beside, prefer, ring_limit };
        AgentCall::begin(&self.shared, &self.registry, start, &self.handle.messages).ok_or(OfferResult::NotMade)
    }

    pub(super) fn on_report(&mut self, now: Instant, id: OfferId, report: AgentReport) {
        if self.on_monitor_report(now, id, &report) {
            return;
        }
        if !self.offers.contains_key(&id) {
            return self.target_reports(now, id, report);
        }
        let other = self.asked_session(id);
        let Some(offer) = self.offers.get_mut(&id) else { return };
        match report {
            AgentReport::Ringing => tracing::debug!(offer = id.0, "an agent's telephone rings"),
            AgentReport::Answered if offer.stage == Stage::Ringing => {
                offer.stage = Stage::Answered;
                self.queues.offer_result(now, id, OfferResult::Accepted);
            }
            AgentReport::Answered => {}
            AgentReport::Key(key) => {
                let caller = offer.caller;
                if let Some(other) = other {
                    self.press(other, key);
                } else if offer.stage == Stage::Talking
                    && let Some((_, link)) = self.callers.get(&caller)
                {
                    self.press(link.session, key);
                }
            }
            AgentReport::Over(end) => self.call_over(now, id, end),
        }
    }

    pub(super) fn call_over(&mut self, now: Instant, id: OfferId, end: OutgoingEnd) {
        let Some(offer) = self.offers.remove(&id) else { return };
        let is_refusal = matches!(offer.stage, Stage::Ringing | Stage::Answered);
        if is_refusal && let Some(address) = self.line_address(&offer.agent) {
            tracing::warn!(line = &*offer.agent, address, ?end, "the call centre did not take a caller, who waits on");
        }
        self.pages.withdrawn(&offer.agent, id);
        self.pages.comes_to(&offer.agent, id, CallStage::Over);
        match offer.stage {
            Stage::Talking if self.left_consultation(now, id, offer.caller) => {}
            Stage::Talking => {
                self.conversations.remove(&offer.caller);
                self.queues.ended(now, offer.caller);
                // The caller goes on alone.
                if let Some((wait, link)) = self.callers.remove(&offer.caller) {
                    self.ids.remove(&wait);
                    let lost = matches!(end, OutgoingEnd::Failed(_));
                    let lost = lost.then_some(QueueNotice::Left(QueueOutcome::NoAgents));
                    insist(&link.inbox, Input::Queue(lost.unwrap_or(QueueNotice::Ended)));
                }
            }
            Stage::Withdrawn => self.queues.offer_result(now, id, OfferResult::Withdrawn),
            Stage::Declined => self.queues.offer_result(now, id, OfferResult::Declined),
            Stage::Ringing | Stage::Answered => self.queues.offer_result(now, id, result_of(end)),
        }
    }

    pub(super) fn connect(&mut self, now: Instant, caller: CallerId, agent: Arc<str>, id: OfferId) {
        let media = &self.shared.services.media;
        let Some(offer) = self.offers.get_mut(&id) else { return self.queues.connection_failed(now, caller) };
        let link = self.callers.get(&caller).map(|(_, link)| link);
        let connected = link.is_some_and(|link| {
            let bridged = media.bridge(link.session, offer.call.session).is_ok();
            bridged && link.inbox.try_send(Input::Queue(QueueNotice::Connected { agent })).is_ok()
        });
        if connected {
            self.pages.comes_to(&offer.agent, id, CallStage::Talking);
            offer.stage = Stage::Talking;
            self.conversations.insert(caller, id);
            self.begin_recording(caller, id);
            return;
        }
        tracing::warn!("a caller could not be connected with an agent: this node does not keep up");
        media.unbridge(offer.call.session);
        offer.stage = Stage::Withdrawn;
        offer.call.hang_up();
        self.queues.connection_failed(now, caller);
    }
}

fn result_of(end: OutgoingEnd) -> OfferResult {
    match end {
        OutgoingEnd::NoAnswer => OfferResult::NoAnswer,
        OutgoingEnd::Declined => OfferResult::Declined,
        OutgoingEnd::Withdrawn => OfferResult::Withdrawn,
        OutgoingEnd::HungUp | OutgoingEnd::Ended | OutgoingEnd::Failed(_) => OfferResult::Failed,
    }
}
