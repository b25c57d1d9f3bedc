//! A call that waits for an agent, and talks to one.

use super::*;
use crate::media_control::KeySource;
use inquiry::{HandlingStep, QueueOutcome, QueueVisit};

impl Peer {
    /// The application transfers the caller to a queue.
    fn waits() -> Peer {
        let mut peer = Peer::talks();
        peer.call.desks = Arc::new(BTreeMap::from([("desk".to_owned(), "queue:desk".to_owned())]));
        peer.is_transferred();
        peer
    }

    fn is_connected() -> Peer {
        let mut peer = Peer::waits();
        peer.now += Duration::from_secs(7);
        peer.gives(Input::Queue(QueueNotice::Connected { agent: "li".into() }));
        peer
    }

    fn effects(&self, wanted: impl Fn(&Effect) -> bool) -> usize {
        self.out.iter().filter(|output| matches!(output, Output::Effect(effect) if wanted(effect))).count()
    }

    fn visit(&self) -> Option<QueueVisit> {
        self.record().and_then(|record| record.queue)
    }
}

const KEY: MediaEvent = MediaEvent::Key { key: Key::Digit(4), source: KeySource::Rtp };

#[test]
fn a_waiting_caller_hears_a_telephone_ring_and_no_refer_is_sent() {
    let mut peer = Peer::waits();
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::JoinQueue { codec: Some(Codec::Alaw), .. })), 1);
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::Media(MediaCommand::Play { .. }))), 1);
    assert!(peer.sent().is_empty());
    peer.gives(Input::Media(KEY));
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::PassKey(_))), 0, "it is the application's");
    peer.asks("BYE", "", "");
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::LeaveQueue { .. })), 1);
    assert_eq!(peer.visit().map(|visit| visit.outcome), Some(QueueOutcome::Abandoned));
}

#[test]
fn keys_of_a_connected_caller_are_the_agents_and_the_end_is_the_transfers() {
    let mut peer = Peer::is_connected();
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::Media(MediaCommand::Stop))), 1);
    assert_eq!(peer.transfers(), [TransferOutcome::Done]);
    peer.gives(Input::Media(KEY));
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::PassKey(Key::Digit(4)))), 1);
    peer.now += Duration::from_secs(9);
    peer.gives(Input::Media(MediaEvent::Key { key: Key::Digit(5), source: KeySource::Tone }));
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::PassKey(_))), 0, "it is heard in the sound");
    peer.now += Duration::from_secs(9);
    peer.asks("INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=6\r\nDuration=100\r\n");
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::PassKey(_))), 0, "so is what its INFO says");
    peer.gives(Input::Queue(QueueNotice::Ended));
    assert!(peer.transfers().is_empty(), "it is counted once");
    peer.asks("BYE", "", "");
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::LeaveQueue { .. })), 0, "it has left");
    let visit = peer.visit().expect("a visit");
    assert_eq!((visit.outcome, visit.agent.as_deref()), (QueueOutcome::Answered, Some("li")));
    assert_eq!((visit.waited, &*visit.queue), (Duration::from_secs(7), "desk"));
    assert_eq!(peer.record().map(|record| record.outcome), Some(CallOutcome::Transferred));
}

#[test]
fn the_record_names_the_recordings_of_the_call() {
    let mut peer = Peer::is_connected();
    for id in ["0a", "0b"] {
        peer.gives(Input::Queue(QueueNotice::Recorded { id: id.into() }));
    }
    peer.asks("BYE", "", "");
    let names = peer.record().map(|record| record.recordings);
    assert_eq!(names, Some(vec!["0a".into(), "0b".into()]));
}

#[test]
fn a_caller_whom_no_agent_serves_goes_on_in_the_flow() {
    for (notice, how, outcome) in [
        (QueueNotice::Left(flow::QueueOutcome::Full), TransferOutcome::Busy, QueueOutcome::Full),
        (QueueNotice::Left(flow::QueueOutcome::NoAgents), TransferOutcome::Failed, QueueOutcome::Unavailable),
    ] {
        let mut peer = Peer::waits();
        peer.gives(Input::Queue(notice));
        assert_eq!(peer.transfers(), [how]);
        peer.gives(Input::Queue(QueueNotice::Connected { agent: "li".into() }));
        assert!(peer.out.is_empty(), "it comes too late");
        peer.asks("BYE", "", "");
        assert_eq!(peer.visit().map(|visit| visit.outcome), Some(outcome));
    }
    let mut peer = Peer::is_connected();
    peer.gives(Input::Queue(QueueNotice::Left(flow::QueueOutcome::NoAgents)));
    assert_eq!(peer.transfers(), [TransferOutcome::Failed], "the agent's telephone is lost");
}

#[test]
fn a_caller_whom_the_agent_gives_to_a_queue_waits_again_and_is_connected_again() {
    let mut peer = Peer::is_connected();
    peer.gives(Input::Queue(QueueNotice::Transferred {
        queue: "second".into(),
        step: HandlingStep::ToQueue("second".into()),
    }));
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::Media(MediaCommand::Play { .. }))), 1, "it rings");
    peer.gives(Input::Media(KEY));
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::PassKey(_))), 0, "there is no agent");
    peer.now += Duration::from_secs(4);
    peer.gives(Input::Queue(QueueNotice::Connected { agent: "wang".into() }));
    peer.gives(Input::Media(KEY));
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::PassKey(Key::Digit(4)))), 1);
    peer.asks("BYE", "", "");
    let visit = peer.visit().expect("a visit");
    assert_eq!((&*visit.queue, visit.waited, visit.agent.as_deref()), ("second", Duration::from_secs(4), Some("wang")));
    let steps = ["li", "second", "wang"].map(Arc::<str>::from);
    let [li, second, wang] = steps;
    let handling = [HandlingStep::Agent(li), HandlingStep::ToQueue(second), HandlingStep::Agent(wang)];
    assert_eq!(peer.record().map(|record| record.handling).unwrap_or_default(), handling);
}

#[test]
fn the_record_says_which_agent_answered_and_who_took_over() {
    let mut peer = Peer::is_connected();
    peer.gives(Input::Queue(QueueNotice::TakenOver { by: "chen".into() }));
    assert!(peer.out.is_empty(), "the conversation goes on");
    peer.gives(Input::Media(KEY));
    assert_eq!(peer.effects(|effect| matches!(effect, Effect::PassKey(Key::Digit(4)))), 1);
    peer.gives(Input::Queue(QueueNotice::Ended));
    peer.asks("BYE", "", "");
    let visit = peer.visit().expect("a visit");
    assert_eq!((visit.agent.as_deref(), visit.taken_over_by.as_deref()), (Some("li"), Some("chen")));
    assert_eq!((visit.outcome, visit.waited), (QueueOutcome::Answered, Duration::from_secs(7)));
    let mut peer = Peer::waits();
    peer.gives(Input::Queue(QueueNotice::TakenOver { by: "chen".into() }));
    peer.asks("BYE", "", "");
    assert_eq!(peer.visit().and_then(|visit| visit.taken_over_by), None, "there was no conversation");
}
