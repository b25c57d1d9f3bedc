//! Recording of conversations: it begins when caller and agent are connected, and ends with their conversation, however that ends.

use std::sync::Arc;

use super::Service;
use crate::conversation_recording::Conversation;
use crate::inbox::insist;
use crate::recording_state::RecordingState;
use call::{Input, QueueNotice};
use queue::{CallerId, OfferId};

impl Service {
    /// Caller and agent have been connected.
    pub(super) fn begin_recording(&mut self, caller: CallerId, id: OfferId) {
        let Some(offer) = self.offers.get(&id) else { return };
        let Some((_, link)) = self.callers.get(&caller) else { return };
        let Some(queue) = self.pages.queue_of(&offer.agent, id) else { return };
        let conversation = Conversation {
            offer: id,
            caller,
            sessions: (link.session, offer.call.session),
            queue,
            agent: Arc::clone(&offer.agent),
            call: link.card.tag.clone(),
            announced: link.recording_announced,
        };
        if let Some(name) = self.recorder.begin(&self.shared, &conversation) {
            insist(&link.inbox, Input::Queue(QueueNotice::Recorded { id: name }));
            self.pages.records(&conversation.agent, id, RecordingState::On);
        }
    }

    /// The agent pauses the recording, or goes on with it; false: the conversation is not recorded.
    pub(super) fn pause_recording(&mut self, id: OfferId, paused: bool) -> bool {
        let Some(offer) = self.offers.get(&id) else { return false };
        let done = self.recorder.pause(&self.shared, id, paused);
        self.pages.records(&offer.agent, id, self.recorder.state(id));
        done
    }

    /// Ends the recordings of conversations that are over.
    pub(super) fn end_recordings(&mut self) {
        let conversations = &self.conversations;
        self.recorder.end_where(&self.shared, |caller, offer| conversations.get(&caller) != Some(&offer));
    }

    /// Shows agents that the recording of their conversation has ended before it.
    pub(super) fn show_failed_recordings(&mut self) {
        for (offer, agent) in self.recorder.newly_failed() {
            self.pages.records(&agent, offer, RecordingState::Off);
        }
    }
}
