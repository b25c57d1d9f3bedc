//! Offers: an agent's telephone or browser is called, rings, answers, is connected with the caller, hangs up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Offer, Service, Stage};
use crate::agent_call::{AgentCall, AgentCallStart};
use crate::agent_pages::CallStage;
use crate::browser_call::{self, BrowserCallStart};
use crate::caller_card::CallerCard;
use crate::inbox::insist;
use crate::queue_handle::AgentReport;
use call::{Input, OutgoingEnd, QueueNotice};
use flow::QueueOutcome;
use queue::{CallerId, OfferId, OfferResult};

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
        if let Some(call) = self.offer_in_browser(id, agent, caller, ring_limit) {
            let call = call.ok_or(OfferResult::NotMade)?;
            self.offers.insert(id, Offer { call, agent: Arc::clone(agent), caller, stage: Stage::Ringing });
            return Ok(card);
        }
        let telephone = self.agents.get(agent).and_then(|agent| match &agent.duty.address {
            Some(address) => self.shared.telephones.at(address),
            None => self.shared.telephones.registered(&agent.number),
        });
        let telephone = telephone.ok_or(OfferResult::Failed)?;
        let start = AgentCallStart {
            offer: id,
            telephone,
            number: link.number.clone(),
            beside: link.session,
            prefer: link.codec,
            ring_limit,
        };
        let call = AgentCall::begin(&self.shared, &self.registry, start, &self.handle.messages);
        let call = call.ok_or(OfferResult::NotMade)?;
        self.offers.insert(id, Offer { call, agent: Arc::clone(agent), caller, stage: Stage::Ringing });
        Ok(card)
    }

    /// Calls an agent whose telephone is a browser: one who has opened it wants to be called there. None: there is no such
    /// telephone; none within: this node cannot call it now.
    pub(super) fn offer_in_browser(
        &self,
        offer: OfferId,
        agent: &Arc<str>,
        caller: CallerId,
        ring_limit: Duration,
    ) -> Option<Option<AgentCall>> {
        let browsers = self.shared.services.browsers.as_ref()?;
        browsers.registered_since(agent)?;
        let (_, link) = self.callers.get(&caller)?;
        let start = BrowserCallStart {
            offer,
            agent,
            number: link.number.clone(),
            beside: link.session,
            prefer: link.codec,
            ring_limit,
        };
        Some(browser_call::begin(&self.shared, browsers, start, &self.handle.messages))
    }

    pub(super) fn on_report(&mut self, now: Instant, id: OfferId, report: AgentReport) {
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
                if offer.stage == Stage::Talking
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
        self.pages.withdrawn(&offer.agent, id);
        self.pages.comes_to(&offer.agent, id, CallStage::Over);
        match offer.stage {
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
