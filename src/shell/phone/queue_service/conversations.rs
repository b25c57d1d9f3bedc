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
use inquiry::HandlingStep;
use media::SessionId;
use queue::{Join, Left, OfferId};

impl Service {
    /// Does what an agent's page wants of its call, if that is still so.
    pub(super) fn command(&mut self, now: Instant, agent: &str, id: OfferId, command: &PageCommand) -> bool {
        let asks = self.asked_in(id).is_some();
        let Some(offer) = self.offers.get_mut(&id).filter(|offer| *offer.agent == *agent) else {
            return self.asked_command(agent, id, command);
        };
        match (command, offer.stage) {
            (PageCommand::Hold(_) | PageCommand::Transfer(_), Stage::Talking) if asks => return false,
            (PageCommand::Decline, Stage::Ringing) => offer.stage = Stage::Declined,
            (PageCommand::HangUp, Stage::Talking) => {}
            (PageCommand::Hold(held), Stage::Talking) => return self.hold(id, *held),
            (PageCommand::Mute(muted), Stage::Talking) => return self.mute(id, *muted),
            (PageCommand::PauseRecording(paused), Stage::Talking) => return self.pause_recording(id, *paused),
            (PageCommand::Transfer(queue), Stage::Talking) => return self.transfer(now, id, queue),
            (
                PageCommand::Decline
                | PageCommand::HangUp
                | PageCommand::Hold(_)
                | PageCommand::Mute(_)
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
        let Some(offer) = self.offers.get_mut(&id) else { return false };
        let Some((_, link)) = self.callers.get(&offer.caller) else { return false };
        offer.held = held;
        let music = if held { MediaCommand::Play { id: HOLD, pieces: link.music.clone() } } else { MediaCommand::Stop };
        self.pages.holds(&offer.agent, id, held);
        self.pages.consults(&offer.agent, id, None);
        let media = &self.shared.services.media;
        if !held {
            // The beeps of a consultation that is over.
            let _ = media.command(offer.call.session, MediaCommand::Stop);
        }
        let played = media.command(link.session, music);
        self.join_sound(id).and(played).is_ok()
    }

    /// Keeps the sound of an agent from whoever the agent talks to, or gives it again. It ends with the agent's call.
    fn mute(&mut self, id: OfferId, muted: bool) -> bool {
        let Some(offer) = self.offers.get(&id) else { return false };
        let done = self.shared.services.media.command(offer.call.session, MediaCommand::Mute(muted));
        self.pages.mutes(&offer.agent, id, muted);
        done.is_ok()
    }

    /// Gives the caller of a conversation to a queue; the agent's call ends.
    pub(super) fn transfer(&mut self, now: Instant, id: OfferId, queue: &Arc<str>) -> bool {
        let Some(offer) = self.offers.get_mut(&id) else { return false };
        let caller = offer.caller;
        let Some((_, link)) = self.callers.get(&caller) else { return false };
        // Positions are announced as before.
        let (priority, announce_every) = (link.priority, link.announce_every);
        let join = Join { queue: Arc::clone(queue), priority, announce_every, ..Join::default() };
        let Ok(again) = self.queues.join(now, join) else { return false };
        let Some((wait, link)) = self.callers.remove(&caller) else { return false };
        self.shared.services.media.unbridge(link.session);
        self.conversations.remove(&caller);
        self.pages.comes_to(&offer.agent, id, CallStage::Over);
        offer.stage = Stage::Withdrawn;
        offer.call.hang_up();
        self.queues.leave(now, caller, Left::HungUp);
        insist(
            &link.inbox,
            Input::Queue(QueueNotice::Transferred {
                queue: Arc::clone(queue),
                step: HandlingStep::ToQueue(Arc::clone(queue)),
            }),
        );
        self.ids.insert(wait, again);
        self.callers.insert(again, (wait, link));
        true
    }

    pub(super) fn press(&self, session: SessionId, key: Key) {
        let _ = self.shared.services.media.command(session, MediaCommand::SendKey(key));
    }
}
