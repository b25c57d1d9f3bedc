//! What an agent does with the call that the page shows, and the keys of both sides.

use std::sync::Arc;
use std::time::Instant;

use super::{Service, Stage};
use crate::agent_pages::CallStage;
use crate::hold::HOLD;
use crate::inbox::insist;
use crate::queue_handle::PageCommand;
use base::Key;
use call::{Input, MediaCommand, QueueNotice};
use media::SessionId;
use queue::{Join, Left, OfferId};

impl Service {
    /// Does what an agent's page wants of its call, if that is still so.
    pub(super) fn command(&mut self, now: Instant, agent: &str, id: OfferId, command: &PageCommand) -> bool {
        let Some(offer) = self.offers.get_mut(&id).filter(|offer| *offer.agent == *agent) else { return false };
        match (command, offer.stage) {
            (PageCommand::Decline, Stage::Ringing) => offer.stage = Stage::Declined,
            (PageCommand::HangUp, Stage::Talking) => {}
            (PageCommand::Hold(held), Stage::Talking) => return self.hold(id, *held),
            (PageCommand::PauseRecording(paused), Stage::Talking) => return self.pause_recording(id, *paused),
            (PageCommand::Transfer(queue), Stage::Talking) => return self.transfer(now, id, queue),
            (
                PageCommand::Decline
                | PageCommand::HangUp
                | PageCommand::Hold(_)
                | PageCommand::PauseRecording(_)
                | PageCommand::Transfer(_),
                Stage::Ringing | Stage::Answered | Stage::Talking | Stage::Withdrawn | Stage::Declined,
            ) => return false,
        }
        offer.call.hang_up();
        true
    }

    /// Lets the caller of a conversation hear music, or both hear each other again.
    pub(super) fn hold(&mut self, id: OfferId, held: bool) -> bool {
        let media = &self.shared.services.media;
        let Some(offer) = self.offers.get(&id) else { return false };
        let Some((_, link)) = self.callers.get(&offer.caller) else { return false };
        let done = if held {
            media.unbridge(link.session);
            media.command(link.session, MediaCommand::Play { id: HOLD, pieces: link.music.clone() })
        } else {
            let stopped = media.command(link.session, MediaCommand::Stop);
            stopped.and_then(|()| media.bridge(link.session, offer.call.session))
        };
        self.pages.holds(&offer.agent, id, held);
        done.is_ok()
    }

    /// Gives the caller of a conversation to a queue; the agent's call ends.
    pub(super) fn transfer(&mut self, now: Instant, id: OfferId, queue: &Arc<str>) -> bool {
        let Some(offer) = self.offers.get_mut(&id) else { return false };
        let caller = offer.caller;
        if !self.callers.contains_key(&caller) {
            return false;
        }
        let join = Join { queue: Arc::clone(queue), ..Join::default() };
        let Ok(again) = self.queues.join(now, join) else { return false };
        let Some((wait, link)) = self.callers.remove(&caller) else { return false };
        self.shared.services.media.unbridge(link.session);
        self.conversations.remove(&caller);
        self.pages.comes_to(&offer.agent, id, CallStage::Over);
        offer.stage = Stage::Withdrawn;
        offer.call.hang_up();
        self.queues.leave(now, caller, Left::HungUp);
        insist(&link.inbox, Input::Queue(QueueNotice::Transferred { queue: Arc::clone(queue) }));
        self.ids.insert(wait, again);
        self.callers.insert(again, (wait, link));
        true
    }

    pub(super) fn press(&self, session: SessionId, key: Key) {
        let _ = self.shared.services.media.command(session, MediaCommand::SendKey(key));
    }
}
