//! The one line of a browser's telephone.
//!
//! ```text
//!        Ring              Answer
//!  Free ──────► Ringing ───────────► Talking
//!    ▲             │                    │
//!    └─────────────┴────────────────────┘  declined, ring limit, hung up, released by the node, browser lost
//! ```

use std::time::{Duration, Instant};

use super::event::{CallNumber, PhoneEvent};
use base::{Codec, Deadline, Private};

/// What a call begins with.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Its name.
    pub call: CallNumber,
    /// The calling number that the page shows; none: it is withheld.
    pub number: Option<Private<String>>,
    /// The codec of the caller.
    pub codec: Codec,
    /// How long it may ring.
    pub limit: Duration,
}

/// What the line takes in.
#[derive(Clone, Debug)]
pub enum LineInput {
    /// The node calls.
    Ring(Ring),
    /// The agent answers this call.
    Answer(CallNumber),
    /// The agent declines it.
    Decline(CallNumber),
    /// The agent hangs up.
    HangUp(CallNumber),
    /// The node withdraws or ends it.
    Release(CallNumber),
    /// The browser is gone.
    Lost,
    /// [`BrowserLine::deadline`] has come.
    Deadline,
}

/// What the line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineOutput {
    /// To who called.
    Report(CallNumber, LineReport),
    /// To the page.
    Event(PhoneEvent),
}

/// What who called hears of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineReport {
    /// The page shows it.
    Ringing,
    /// The agent has answered.
    Answered,
    /// It is over: the last report.
    Over(LineEnd),
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// The agent hung up.
    HungUp,
    /// The node ended the conversation.
    Ended,
    /// The node withdrew it before the answer.
    Withdrawn,
    /// It rang for the whole time.
    NoAnswer,
    /// The agent declined, or talks.
    Declined,
    /// The browser is gone.
    Lost,
}

impl LineEnd {
    fn code(self) -> &'static str {
        match self {
            LineEnd::HungUp => "hung_up",
            LineEnd::Ended => "ended",
            LineEnd::Withdrawn => "withdrawn",
            LineEnd::NoAnswer => "no_answer",
            LineEnd::Declined => "declined",
            LineEnd::Lost => "lost",
        }
    }
}

/// The line.
#[derive(Debug, Default)]
pub struct BrowserLine {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Free,
    Ringing {
        ring: Ring,
        until: Instant,
    },
    Talking {
        call: CallNumber,
        codec: Codec,
    },
}

impl BrowserLine {
    /// Feeds one input and returns everything it caused, in order.
    #[must_use]
    pub fn handle_input(&mut self, now: Instant, input: LineInput) -> Vec<LineOutput> {
        match (input, &self.state) {
            (LineInput::Ring(ring), State::Free) => self.ring(now, ring),
            (LineInput::Ring(ring), State::Ringing { .. } | State::Talking { .. }) => {
                vec![LineOutput::Report(ring.call, LineReport::Over(LineEnd::Declined))]
            }
            (LineInput::Answer(call), State::Ringing { ring, .. }) if ring.call == call => {
                let codec = ring.codec;
                self.state = State::Talking { call, codec };
                let event = PhoneEvent::Connected { call, codec };
                vec![LineOutput::Report(call, LineReport::Answered), LineOutput::Event(event)]
            }
            (LineInput::Decline(call), State::Ringing { ring, .. }) if ring.call == call => self.end(LineEnd::Declined),
            (LineInput::HangUp(call), State::Talking { call: talks, .. }) if *talks == call => {
                self.end(LineEnd::HungUp)
            }
            (LineInput::Release(call), State::Ringing { ring, .. }) if ring.call == call => {
                self.end(LineEnd::Withdrawn)
            }
            (LineInput::Release(call), State::Talking { call: talks, .. }) if *talks == call => {
                self.end(LineEnd::Ended)
            }
            (LineInput::Lost, State::Ringing { .. } | State::Talking { .. }) => self.end(LineEnd::Lost),
            (LineInput::Deadline, State::Ringing { until, .. }) if *until <= now => self.end(LineEnd::NoAnswer),
            // Of a call that is over already.
            (
                LineInput::Answer(_)
                | LineInput::Decline(_)
                | LineInput::HangUp(_)
                | LineInput::Release(_)
                | LineInput::Lost
                | LineInput::Deadline,
                State::Free | State::Ringing { .. } | State::Talking { .. },
            ) => Vec::new(),
        }
    }

    /// When [`LineInput::Deadline`] is due.
    pub fn deadline(&self) -> Option<Deadline> {
        match &self.state {
            State::Ringing { until, .. } => Some(Deadline { at: *until, why: "ring limit" }),
            State::Free | State::Talking { .. } => None,
        }
    }

    /// The call that rings or talks.
    pub fn call(&self) -> Option<CallNumber> {
        match &self.state {
            State::Free => None,
            State::Ringing { ring, .. } => Some(ring.call),
            State::Talking { call, .. } => Some(*call),
        }
    }

    /// The call whose sound is exchanged.
    pub fn talks(&self) -> Option<CallNumber> {
        match &self.state {
            State::Talking { call, .. } => Some(*call),
            State::Free | State::Ringing { .. } => None,
        }
    }

    /// What a page that has just connected must know of the call in progress.
    pub fn to_event(&self) -> Option<PhoneEvent> {
        match &self.state {
            State::Free => None,
            State::Ringing { ring, .. } => Some(incoming(ring)),
            State::Talking { call, codec } => Some(PhoneEvent::Connected { call: *call, codec: *codec }),
        }
    }

    fn ring(&mut self, now: Instant, ring: Ring) -> Vec<LineOutput> {
        let outputs = vec![LineOutput::Event(incoming(&ring)), LineOutput::Report(ring.call, LineReport::Ringing)];
        self.state = State::Ringing { until: now + ring.limit, ring };
        outputs
    }

    fn end(&mut self, end: LineEnd) -> Vec<LineOutput> {
        let Some(call) = self.call() else { return Vec::new() };
        self.state = State::Free;
        let event = PhoneEvent::Ended { call, why: end.code() };
        vec![LineOutput::Report(call, LineReport::Over(end)), LineOutput::Event(event)]
    }
}

fn incoming(ring: &Ring) -> PhoneEvent {
    PhoneEvent::Incoming { call: ring.call, number: ring.number.clone(), codec: ring.codec }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: CallNumber = CallNumber(1);
    const SECOND: CallNumber = CallNumber(2);

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
    fn now() -> Instant {
        Instant::now()
    }

    fn ring(call: CallNumber) -> LineInput {
        LineInput::Ring(Ring { call, number: None, codec: Codec::Alaw, limit: Duration::from_secs(20) })
    }

    fn reports(outputs: Vec<LineOutput>) -> Vec<(CallNumber, LineReport)> {
        let report = |output| match output {
            LineOutput::Report(call, report) => Some((call, report)),
            LineOutput::Event(_) => None,
        };
        outputs.into_iter().filter_map(report).collect()
    }

    fn over(call: CallNumber, end: LineEnd) -> Vec<(CallNumber, LineReport)> {
        vec![(call, LineReport::Over(end))]
    }

    #[test]
    fn a_call_rings_is_answered_and_ended_by_either_side() {
        for (input, end) in [
            (LineInput::HangUp(FIRST), LineEnd::HungUp),
            (LineInput::Release(FIRST), LineEnd::Ended),
            (LineInput::Lost, LineEnd::Lost),
        ] {
            let (mut line, now) = (BrowserLine::default(), now());
            assert_eq!(reports(line.handle_input(now, ring(FIRST))), [(FIRST, LineReport::Ringing)]);
            let answered = line.handle_input(now, LineInput::Answer(FIRST));
            assert_eq!(reports(answered), [(FIRST, LineReport::Answered)]);
            assert_eq!((line.talks(), line.deadline()), (Some(FIRST), None));
            assert_eq!(reports(line.handle_input(now, input)), over(FIRST, end));
            assert_eq!((line.call(), line.to_event()), (None, None));
        }
    }

    #[test]
    fn a_call_that_rings_ends_declined_withdrawn_unanswered_or_lost() {
        let now = now();
        let later = now + Duration::from_secs(20);
        for (at, input, end) in [
            (now, LineInput::Decline(FIRST), LineEnd::Declined),
            (now, LineInput::Release(FIRST), LineEnd::Withdrawn),
            (now, LineInput::Lost, LineEnd::Lost),
            (later, LineInput::Deadline, LineEnd::NoAnswer),
        ] {
            let mut line = BrowserLine::default();
            let _ = line.handle_input(now, ring(FIRST));
            assert_eq!(line.deadline().map(|deadline| deadline.at), Some(later));
            assert!(line.handle_input(now, LineInput::Deadline).is_empty(), "not yet");
            assert_eq!(reports(line.handle_input(at, input)), over(FIRST, end));
        }
    }

    #[test]
    fn a_second_call_is_declined_and_a_late_key_press_does_not_reach_another_call() {
        let (mut line, now) = (BrowserLine::default(), now());
        let _ = line.handle_input(now, ring(FIRST));
        assert_eq!(reports(line.handle_input(now, ring(SECOND))), over(SECOND, LineEnd::Declined));
        for late in [
            LineInput::Answer(SECOND),
            LineInput::Decline(SECOND),
            LineInput::HangUp(FIRST),
            LineInput::Release(SECOND),
        ] {
            assert!(line.handle_input(now, late).is_empty());
        }
        assert_eq!(line.call(), Some(FIRST));
    }
}
