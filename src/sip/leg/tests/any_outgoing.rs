//! Calls of this side under whatever may come.

use proptest::prelude::*;

use super::outgoing::{Out, reply};
use super::*;

/// What happens to a call.
#[derive(Clone, Debug)]
enum Event {
    /// A response of the callee with this number, to the INVITE that left last or to the request that left last.
    Response {
        to_invite: bool,
        status: u16,
        tag: u8,
        sdp: bool,
    },
    Request {
        method: &'static str,
        tag: u8,
        sdp: bool,
    },
    Answer,
    HangUp,
    Lost(usize),
    Time(u64),
}

const METHODS: [&str; 9] = ["INVITE", "CANCEL", "BYE", "INFO", "UPDATE", "NOTIFY", "OPTIONS", "REFER", "STRANGE"];
const STATUSES: [u16; 14] = [100, 180, 183, 200, 202, 302, 401, 422, 481, 486, 487, 491, 503, 603];

fn event() -> impl Strategy<Value = Event> {
    let (status, method) = (prop::sample::select(STATUSES.to_vec()), prop::sample::select(METHODS.to_vec()));
    prop_oneof![
        4 => (any::<bool>(), status, 0u8..3, any::<bool>())
            .prop_map(|(to_invite, status, tag, sdp)| Event::Response { to_invite, status, tag, sdp }),
        2 => (method, 0u8..3, any::<bool>()).prop_map(|(method, tag, sdp)| Event::Request { method, tag, sdp }),
        1 => Just(Event::Answer),
        1 => Just(Event::HangUp),
        1 => (0usize..4).prop_map(Event::Lost),
        2 => (0u64..40_000).prop_map(Event::Time),
    ]
}

/// A call, all that it did, and the tags of the answers that it got.
struct History {
    call: Out,
    all: Vec<LegOutput>,
    answers: Vec<String>,
}

impl History {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Response { to_invite, status, tag, sdp } => self.response(*to_invite, *status, *tag, *sdp),
            Event::Request { method, tag, sdp } => {
                let tag = format!("callee{tag}");
                self.call.request(method, &tag, "", if *sdp { OFFER } else { "" });
            }
            Event::Answer => drop(self.call.input(LegInput::Answer { sdp: ANSWER.into() })),
            Event::HangUp => drop(self.call.hang_up()),
            Event::Lost(which) => {
                let sends = |output: &LegOutput| match output {
                    LegOutput::Send(outgoing) => Some(outgoing.bytes.clone()),
                    _ => None,
                };
                let message = self.all.iter().rev().filter_map(sends).nth(*which).unwrap_or_default();
                self.call.input(LegInput::Undelivered { message });
            }
            Event::Time(millis) => {
                let out = self.call.pass(Duration::from_millis(*millis));
                self.all.extend(out.into_iter().map(|(_, output)| output));
                self.call.out.clear();
            }
        }
        self.all.append(&mut self.call.out);
    }

    fn response(&mut self, to_invite: bool, status: u16, tag: u8, sdp: bool) {
        let initial = |message: &Message| message.is(&Method::Invite) && message.to_tag().is_empty();
        let mut asked =
            sent(&self.all).into_iter().filter(|message| message.method().is_some_and(|m| *m != Method::Ack));
        let Some(request) = asked.rfind(|message| !to_invite || initial(message)) else { return };
        let tag = format!("callee{tag}");
        let is_gone = self.call.leg.deadline().is_none();
        self.call.receive(&reply(&request, status, &tag, "Min-SE: 200\r\n", if sdp { OFFER } else { "" }));
        if initial(&request) && (200..300).contains(&status) && !is_gone {
            self.answers.push(tag);
        }
    }
}

proptest! {
    #[test]
    fn a_call_of_this_side_accepts_whatever_comes(tcp in any::<bool>(), events in prop::collection::vec(event(), 1..30)) {
        let mut call = Out::begun(if tcp { Transport::Tcp } else { Transport::Udp });
        let all = std::mem::take(&mut call.out);
        let mut history = History { call, all, answers: Vec::new() };
        events.iter().for_each(|event| history.happen(event));
        history.happen(&Event::HangUp);
        history.happen(&Event::Time(600_000));
        let History { call, all, answers } = history;
        let count = |wanted: fn(&LegOutput) -> bool| all.iter().filter(|output| wanted(output)).count();
        prop_assert_eq!(count(|output| matches!(output, LegOutput::Ended { .. })), 1, "a call ends once");
        prop_assert_eq!(count(|output| matches!(output, LegOutput::Gone)), 1, "a leg goes");
        prop_assert!(count(|output| matches!(output, LegOutput::Established)) <= 1);
        prop_assert_eq!(call.leg.deadline(), None);
        let messages = sent(&all);
        for tag in answers {
            let acknowledged = messages.iter().any(|message| message.is(&Method::Ack) && message.to_tag() == tag);
            prop_assert!(acknowledged, "the answer of {} would repeat for half a minute", tag);
        }
    }
}
