//! What remains of a leg whose call is over and that awaits nothing: enough to answer late retransmissions for 64·T1, in
//! some hundred octets. An answer that is repeated has the status of the first without the header fields that were its own
//! (Allow, Unsupported, what an OPTIONS asked for): who sends a request again has lost the answer, and goes by its status.

use std::time::Instant;

use super::server_transaction::{Id, Phase};
use super::{Bye, Leg, Stage};
use crate::arrival::{Arrival, Outgoing};
use crate::grammar::Method;
use crate::message::Message;

/// The remains of a leg.
#[derive(Clone, Debug)]
pub struct EndedLeg {
    until: Instant,
    local_tag: Box<str>,
    /// A BYE of this side is answered, so that one of the other side may cross it.
    said_bye: bool,
    /// Goes into the hashes, so that nobody can prepare two requests with the same one.
    seed: u64,
    /// The INVITEs, all of which are acknowledged: hashes of their transactions.
    invites: Box<[u64]>,
    /// The other requests with the status that each got.
    replies: Box<[(u64, u16)]>,
}

/// What is done with a late message.
#[derive(Clone, Debug)]
pub enum Late {
    /// It needs no answer.
    Absorbed,
    /// It gets this response.
    Reply(Outgoing),
    /// It is an INVITE that begins another call under the same key.
    NextCall(Box<Message>),
}

impl Leg {
    /// What may stand in place of this leg from now on; none before its call is over, or while something is pending.
    pub fn ended(&self) -> Option<EndedLeg> {
        let Stage::Over { until, bye } = self.stage else { return None };
        let confirmed = self.invites.iter().all(|invite| matches!(invite.phase, Phase::Confirmed));
        if !confirmed || self.has_pending_transactions() || self.ack.is_some() || matches!(bye, Bye::Waiting(_)) {
            return None;
        }
        let seed = self.local.seed;
        Some(EndedLeg {
            until,
            local_tag: self.dialog.local_tag.as_str().into(),
            said_bye: bye == Bye::Sent,
            invites: self.invites.iter().map(|invite| invite.id.hash(seed)).collect(),
            replies: self.replies.statuses().map(|(id, status)| (id.hash(seed), status)).collect(),
            seed,
        })
    }
}

impl EndedLeg {
    /// When the last retransmission may have come (64·T1, RFC 3261 Timer J).
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Answers a message for this leg.
    pub fn receive(&self, message: Message, arrival: &Arrival) -> Late {
        let Some(id) = Id::of(&message) else { return Late::Absorbed };
        let reply = |status| Late::Reply(message.respond(arrival, status, &self.local_tag).done());
        let hash = id.hash(self.seed);
        match message.method() {
            None | Some(Method::Ack) => Late::Absorbed,
            Some(Method::Cancel) => {
                let invite = id.of_invite().hash(self.seed);
                reply(if self.invites.contains(&invite) { 200 } else { 481 })
            }
            Some(Method::Invite) if self.invites.contains(&hash) => Late::Absorbed,
            Some(Method::Invite) if message.to_tag().is_empty() => Late::NextCall(Box::new(message)),
            Some(method) => {
                let known = self.replies.iter().find(|(known, _)| *known == hash).map(|(_, status)| *status);
                let crosses = *method == Method::Bye && self.said_bye && message.to_tag() == &*self.local_tag;
                reply(known.unwrap_or(if crosses { 200 } else { 481 }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Transport;
    use crate::test_peer::{Call, OFFER, arrival, sent};
    use crate::{LegInput, LegOutput};

    /// What a leg answers to a message: a status, nothing, or that another call begins.
    #[derive(Debug, PartialEq)]
    enum Answer {
        Status(u16),
        Nothing,
        NextCall,
    }

    fn of_leg(call: &mut Call, message: Message) -> Answer {
        let out = call.receive(message);
        if out.iter().any(|output| matches!(output, LegOutput::NextCall { .. })) {
            return Answer::NextCall;
        }
        sent(out.iter()).first().and_then(Message::status).map_or(Answer::Nothing, Answer::Status)
    }

    fn of_remains(remains: &EndedLeg, message: Message) -> Answer {
        match remains.receive(message, &arrival(Transport::Udp)) {
            Late::Absorbed => Answer::Nothing,
            Late::NextCall(_) => Answer::NextCall,
            Late::Reply(reply) => {
                let reply = crate::parse_datagram(&reply.bytes).expect("our messages are well formed");
                Answer::Status(reply.status().expect("a response"))
            }
        }
    }

    /// A call that is over: by the caller's BYE after a key, or by ours.
    fn over(by_caller: bool) -> (Call, Vec<Message>) {
        let mut call = Call::answered(Transport::Udp).acknowledge();
        let info = call.peer.request("INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\n");
        call.receive(info.clone());
        let bye = call.peer.request("BYE", "", "");
        if by_caller {
            call.receive(bye.clone());
            return (call, vec![info, bye]);
        }
        call.input(LegInput::HangUp { reason: None });
        let ours = call.sent().remove(0);
        call.receive(crate::test_peer::response_to(&ours, 200, "", ""));
        (call, vec![info])
    }

    #[test]
    fn late_messages_get_what_the_leg_itself_answers() {
        for by_caller in [true, false] {
            let (call, known) = over(by_caller);
            let mut late = known;
            let mut peer = call.peer.clone();
            late.extend([call.invite.clone(), peer.ack(1, ""), peer.write("CANCEL", 1, 1, "", "")]);
            late.extend(["INFO", "BYE", "OPTIONS", "UPDATE", "MESSAGE"].map(|method| peer.request(method, "", "")));
            peer.to_tag = "another".into();
            late.extend(["INFO", "BYE", "CANCEL"].map(|method| peer.request(method, "", "")));
            peer.to_tag = String::new();
            late.push(peer.request("INVITE", "", OFFER));
            let remains = call.leg.ended().expect("nothing is pending");
            for message in late {
                // Each message comes to the leg as the first one after its end.
                let (mut leg, _) = over(by_caller);
                let method = message.method().cloned();
                assert_eq!(of_remains(&remains, message.clone()), of_leg(&mut leg, message), "{by_caller} {method:?}");
            }
        }
    }

    #[test]
    fn a_leg_with_something_pending_is_not_replaced() {
        assert!(Call::offered(Transport::Udp).leg.ended().is_none());
        let mut call = Call::answered(Transport::Udp);
        assert!(call.leg.ended().is_none());
        call = call.acknowledge();
        assert!(call.leg.ended().is_none());
        call.input(LegInput::HangUp { reason: None });
        assert!(call.leg.ended().is_none(), "our BYE awaits its response");
        let (call, _) = over(false);
        let remains = call.leg.ended().expect("it is answered");
        assert!(call.leg.deadline().is_some_and(|due| due.at == remains.until()));
        assert!(Duration::from_secs(1) < remains.until() - crate::test_peer::epoch());
    }
}
