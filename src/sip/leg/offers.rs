//! Remote offers in INVITE, re-INVITE and UPDATE, and the final responses that answer them (RFC 3264, RFC 3311).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::server_transaction::{Id, Phase, Repeat};
use super::session_timer::{Session, Terms, TooSmall, negotiate};
use super::{Bye, EndCause, Leg, LegOutput, Stage};
use crate::arrival::{Arrival, Outgoing};
use crate::dispatcher::{ALLOW, SUPPORTED};
use crate::grammar::{Class, Method, class};
use crate::lexer::HeaderName;
use crate::message::Message;
use crate::response::Response;

/// The offers that wait for an answer: at most one of an INVITE and one of an UPDATE.
#[derive(Debug, Default)]
pub(super) struct Offers(VecDeque<Pending>);

#[derive(Debug)]
enum Pending {
    /// The transaction of the INVITE holds the request.
    Invite(Id),
    Update(Id, Box<(Message, Arrival)>),
}

/// The content of a rejection.
#[derive(Debug)]
pub(super) struct Refusing {
    pub status: u16,
    pub warning: Option<(u16, String)>,
    pub retry_after: Option<Duration>,
}

impl Refusing {
    fn write(&self, message: &Message, arrival: &Arrival, tag: &str) -> Outgoing {
        let status = if class(self.status) == Some(Class::Failure) { self.status } else { 500 };
        let mut response = message.respond(arrival, status, tag);
        if let Some((code, text)) = &self.warning {
            let text: String = text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
            response = response.header("Warning", &format!("{code} jindu \"{text}\""));
        }
        if let Some(after) = self.retry_after {
            response = response.header("Retry-After", &after.as_secs().max(1).to_string());
        }
        response.done()
    }
}

impl Offers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes a cancelled INVITE.
    pub(super) fn forget(&mut self, id: &Id) {
        self.0.retain(|pending| !matches!(pending, Pending::Invite(known) if known == id));
    }
}

impl Leg {
    /// A new INVITE, initial or inside the dialog: checks its session interval, then reports its offer.
    pub(super) fn take_offer(&mut self, now: Instant, invite: Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        self.note_capabilities(&invite);
        let sdp = invite.sdp();
        let short = self.terms(&invite).err();
        let Some(id) = self.push_invite(now, invite, arrival) else { return };
        match short {
            Some(TooSmall(min)) => {
                let seconds = min.as_secs().to_string();
                self.refuse_invite(now, &id, 422, &[("Min-SE", &seconds)], out);
                if self.stage == Stage::Offered {
                    self.end(now, Bye::Nothing, EndCause::Rejected, out);
                }
            }
            None => {
                self.offers.0.push_back(Pending::Invite(id));
                out.push(LegOutput::Offer { sdp });
            }
        }
    }

    /// An UPDATE with an offer (RFC 3311 §5.2).
    pub(super) fn take_update(&mut self, id: Id, update: Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        self.replies.note(id.clone(), None);
        let sdp = update.sdp();
        self.offers.0.push_back(Pending::Update(id, Box::new((update, *arrival))));
        out.push(LegOutput::Offer { sdp });
    }

    /// Notes whether the peer supports UPDATE, by the Allow of its last INVITE or UPDATE.
    pub(super) fn note_capabilities(&mut self, request: &Message) {
        if request.header(HeaderName::Allow).is_some() {
            self.peer_updates = request.lists(HeaderName::Allow, "UPDATE");
        }
    }

    pub(super) fn terms(&self, request: &Message) -> Result<Option<Terms>, TooSmall> {
        negotiate(request, self.local.session_expires, self.local.min_se)
    }

    pub(super) fn answer(&mut self, now: Instant, sdp: Vec<u8>, out: &mut Vec<LegOutput>) {
        match self.offers.0.pop_front() {
            Some(Pending::Invite(id)) => self.accept_invite(now, &id, sdp, out),
            Some(Pending::Update(id, request)) => {
                let (update, arrival) = *request;
                self.sdp = sdp;
                self.accept_update(now, id, &update, &arrival, out);
            }
            None => {}
        }
    }

    /// The 2xx to an INVITE, retransmitted until its ACK (RFC 3261 §13.3.1.4).
    fn accept_invite(&mut self, now: Instant, id: &Id, sdp: Vec<u8>, out: &mut Vec<LegOutput>) {
        let Some(request) = self.invites.of(id).and_then(|invite| invite.request.take()) else { return };
        let (message, arrival) = *request;
        self.dialog.refresh_target(&message);
        let response = self.success(now, &message, &arrival).body("application/sdp", &sdp);
        self.sdp = sdp;
        if let Some(invite) = self.invites.of(id) {
            invite.phase = Phase::Accepted(Repeat::new(now, true));
            invite.last = Some(response.clone());
        }
        if self.stage == Stage::Offered {
            self.stage = Stage::Answered;
        }
        out.push(LegOutput::Send(response));
    }

    /// The 2xx to an UPDATE, with an answer if the UPDATE had an offer.
    pub(super) fn accept_update(
        &mut self,
        now: Instant,
        id: Id,
        update: &Message,
        arrival: &Arrival,
        out: &mut Vec<LegOutput>,
    ) {
        self.dialog.refresh_target(update);
        let response = self.success(now, update, arrival);
        let response = match update.sdp() {
            Some(_) => response.body("application/sdp", &self.sdp),
            None => response.done(),
        };
        self.replies.note(id, Some(response.clone()));
        out.push(LegOutput::Send(response));
    }

    /// The 2xx to an INVITE or UPDATE; it restarts the session interval (RFC 4028 §9).
    fn success(&mut self, now: Instant, message: &Message, arrival: &Arrival) -> Response {
        let terms = self.terms(message).ok().flatten();
        self.session = terms.map(|terms| Session::new(now, terms.interval, terms.we_refresh));
        let mut response = message
            .respond(arrival, 200, &self.dialog.local_tag)
            .copy(&message.head, HeaderName::RecordRoute, "Record-Route")
            .header("Contact", &self.dialog.contact)
            .header("Allow", ALLOW)
            .header("Supported", SUPPORTED);
        if let Some(terms) = terms {
            response = response.header("Session-Expires", &terms.header());
            if terms.required {
                response = response.header("Require", "timer");
            }
        }
        response
    }

    pub(super) fn refuse(&mut self, now: Instant, refusing: &Refusing, out: &mut Vec<LegOutput>) {
        let first = self.stage == Stage::Offered && !self.offers.is_empty();
        self.refuse_pending(now, refusing, out);
        if first {
            self.end(now, Bye::Nothing, EndCause::Rejected, out);
        }
    }

    /// Rejects the oldest offer.
    pub(super) fn refuse_pending(&mut self, now: Instant, refusing: &Refusing, out: &mut Vec<LegOutput>) {
        match self.offers.0.pop_front() {
            Some(Pending::Invite(id)) => {
                let Some(invite) = self.invites.of(&id) else { return };
                let Some(request) = invite.request.take() else { return };
                let response = refusing.write(&request.0, &request.1, &self.dialog.local_tag);
                self.send_refusal(now, &id, response, out);
            }
            Some(Pending::Update(id, request)) => {
                let response = refusing.write(&request.0, &request.1, &self.dialog.local_tag);
                self.replies.note(id, Some(response.clone()));
                out.push(LegOutput::Send(response));
            }
            None => {}
        }
    }

    /// Rejects every open offer when the call ends.
    pub(super) fn refuse_all(&mut self, now: Instant, status: u16, out: &mut Vec<LegOutput>) {
        while !self.offers.is_empty() {
            self.refuse_pending(now, &Refusing { status, warning: None, retry_after: None }, out);
        }
    }

    /// Rejects an INVITE by its transaction.
    pub(super) fn refuse_invite(
        &mut self,
        now: Instant,
        id: &Id,
        status: u16,
        headers: &[(&str, &str)],
        out: &mut Vec<LegOutput>,
    ) {
        let Some(request) = self.invites.of(id).and_then(|invite| invite.request.take()) else { return };
        let response = request.0.respond(&request.1, status, &self.dialog.local_tag);
        let response = headers.iter().fold(response, |response, (name, value)| response.header(name, value));
        self.send_refusal(now, id, response.done(), out);
    }

    fn send_refusal(&mut self, now: Instant, id: &Id, response: Outgoing, out: &mut Vec<LegOutput>) {
        let repeats = response.to.transport().is_unreliable();
        if let Some(invite) = self.invites.of(id) {
            invite.phase = Phase::Refused(Repeat::new(now, repeats));
            invite.last = Some(response.clone());
        }
        out.push(LegOutput::Send(response));
    }

    /// RFC 3261 §17.2.1: a 100 stops the retransmissions of the caller until the answer is ready.
    pub(super) fn send_trying(&mut self, id: &Id, out: &mut Vec<LegOutput>) {
        let Some(invite) = self.invites.of(id) else { return };
        let Some(request) = &invite.request else { return };
        let response = request.0.respond(&request.1, 100, "").done();
        invite.last = Some(response.clone());
        out.push(LegOutput::Send(response));
    }

    /// Whether the answer to a local offer is due in an ACK.
    pub(super) fn awaits_answer(&self) -> bool {
        self.invites.iter().any(|invite| invite.is_accepted() && invite.delayed)
    }

    pub(super) fn is_inviting(&self) -> bool {
        self.clients.any(&Method::Invite)
    }
}
