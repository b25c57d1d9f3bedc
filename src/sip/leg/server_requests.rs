//! Requests and responses from the peer: retransmissions, order, and what each method does inside a call.

use std::time::Instant;

use super::client_requests::fragment_progress;
use super::info::{self, InfoBody};
use super::server_transaction::{Id, InviteServer, Phase};
use super::session_timer::TooSmall;
use super::{Bye, EndCause, Leg, LegOutput, Stage};
use crate::arrival::{Arrival, Outgoing};
use crate::dispatcher::{self, ACCEPT, ALLOW};
use crate::grammar::{self, Class, Method, class};
use crate::lexer::HeaderName;
use crate::limits::RETRY_AFTER_MAX_S;
use crate::message::Message;

impl Leg {
    pub(super) fn receive(&mut self, now: Instant, message: Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        if self.stage == Stage::Gone {
            return;
        }
        let Some(id) = Id::of(&message) else { return self.receive_response(now, &message, arrival, out) };
        match message.method() {
            Some(Method::Ack) => self.receive_ack(now, &id, &message, arrival, out),
            Some(Method::Cancel) => self.receive_cancel(now, &id, &message, arrival, out),
            Some(Method::Invite) => self.receive_invite(now, id, message, arrival, out),
            Some(_) | None => self.receive_other(now, id, message, arrival, out),
        }
    }

    /// An ACK matches a 2xx by its CSeq number and the To tag of the dialog, a rejection by its branch; a repeated one has
    /// no effect.
    fn receive_ack(&mut self, now: Instant, id: &Id, ack: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        let in_dialog = ack.to_tag() == self.dialog.local_tag;
        let Some(invite) = self.invites.acknowledged_by(id) else { return };
        if invite.is_accepted() && !in_dialog {
            return;
        }
        let (accepted, delayed) = (invite.is_accepted(), invite.delayed);
        invite.confirm();
        if !accepted {
            return;
        }
        if let Stage::Over { until, bye: Bye::Waiting(reason) } = self.stage {
            self.stage = Stage::Over { until, bye: Bye::Sent };
            return self.send_bye(now, reason, out);
        }
        if self.is_over() {
            return;
        }
        self.dialog.arrival = *arrival;
        match ack.sdp() {
            Some(sdp) if delayed => out.push(LegOutput::AnswerReceived { sdp }),
            // Without an answer a re-INVITE changes nothing; the first INVITE leaves no session at all.
            None if delayed && self.stage == Stage::Answered => {
                self.establish(out);
                return self.hang_up(now, Some(NO_ANSWER), EndCause::NoAnswer, out);
            }
            Some(_) | None => {}
        }
        self.establish(out);
    }

    pub(super) fn establish(&mut self, out: &mut Vec<LegOutput>) {
        if self.stage == Stage::Answered {
            self.stage = Stage::Established;
            out.push(LegOutput::Established);
        }
    }

    /// RFC 3261 §9.2: 200 to the CANCEL, 487 to an INVITE that has no final response.
    fn receive_cancel(&mut self, now: Instant, id: &Id, cancel: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        let found = self.invites.find(|invite| invite.is_cancelled_by(id));
        let found = found.map(|invite| (invite.id.clone(), invite.is_pending()));
        let status = if found.is_some() { 200 } else { 481 };
        out.push(LegOutput::Send(cancel.respond(arrival, status, &self.dialog.local_tag).done()));
        let Some((invite, true)) = found else { return };
        self.offers.forget(&invite);
        self.refuse_invite(now, &invite, 487, &[], out);
        if self.stage == Stage::Offered {
            self.end(now, Bye::Nothing, EndCause::Cancelled, out);
        }
    }

    fn receive_invite(&mut self, now: Instant, id: Id, invite: Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        if let Some(known) = self.invites.of(&id) {
            let (last, pending) = (known.last.clone(), known.is_pending());
            return match (&known.phase, last) {
                (Phase::Confirmed, _) => {}
                (_, Some(last)) => out.push(LegOutput::Send(last)),
                (_, None) if pending => self.send_trying(&id, out),
                (_, None) => {}
            };
        }
        if self.begins_another_call(&invite) {
            self.stage = Stage::Gone;
            return out.extend([LegOutput::NextCall { message: Box::new(invite), arrival: *arrival }, LegOutput::Gone]);
        }
        match self.objection(&invite) {
            Some((status, headers)) => self.refuse_new(now, invite, arrival, status, &headers, out),
            None => {
                self.accept_order(&invite, arrival, out);
                self.take_offer(now, invite, arrival, out);
            }
        }
    }

    /// Whether an INVITE outside the dialog begins another call. While the final response to the first INVITE waits for its
    /// ACK, one with the same number is the first on another path (RFC 3261 §8.2.2.2); another number shows that the
    /// caller has the response.
    fn begins_another_call(&self, invite: &Message) -> bool {
        let same = |known: &InviteServer| known.is_numbered(invite.cseq().number) && known.next().is_some();
        self.calling.is_none() && self.is_over() && invite.to_tag().is_empty() && !self.invites.iter().any(same)
    }

    /// Rejects an INVITE in a transaction of its own: over UDP the response is retransmitted until its ACK.
    fn refuse_new(
        &mut self,
        now: Instant,
        invite: Message,
        arrival: &Arrival,
        status: u16,
        headers: &Headers,
        out: &mut Vec<LegOutput>,
    ) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let known = !invite.to_tag().is_empty() && invite.to_tag() == self.dialog.local_tag;
        if known {
            self.dialog.remote_cseq = self.dialog.remote_cseq.max(Some(invite.cseq().number));
        }
        let response = invite.respond(arrival, status, &self.dialog.local_tag);
        match self.push_invite(now, invite, arrival) {
            Some(id) => self.refuse_invite(now, &id, status, &headers, out),
            // No room for a transaction: every retransmission gets a stateless response.
            None => out.push(LegOutput::Send(response.done())),
        }
    }

    /// Why an INVITE is rejected: RFC 3261 §8.2.2.2 (merged), §12.2.2 (order), §14.2 (glare).
    fn objection(&self, invite: &Message) -> Option<(u16, Headers)> {
        if let Some(status) = self.out_of_dialog_status(invite) {
            return Some((status, Vec::new()));
        }
        if let Some(tags) = dispatcher::unsupported(invite) {
            return Some((420, vec![("Unsupported", tags)]));
        }
        if dispatcher::has_foreign_body(invite) {
            return Some((415, vec![("Accept", ACCEPT.into())]));
        }
        if let Some(encoding) = dispatcher::foreign_encoding(invite) {
            return Some((415, vec![("Accept-Encoding", encoding.into())]));
        }
        if self.is_inviting() || self.awaits_answer() {
            return Some((491, Vec::new()));
        }
        (!self.offers.is_empty()).then(|| (500, vec![("Retry-After", self.retry_after())]))
    }

    /// The status for a request outside this dialog or out of order; `None` for one that is in order.
    fn out_of_dialog_status(&self, request: &Message) -> Option<u16> {
        let merged = request.to_tag().is_empty() && request.is(&Method::Invite);
        if merged {
            return Some(482);
        }
        if request.to_tag() != self.dialog.local_tag {
            return Some(481);
        }
        if self.stage == Stage::Calling {
            // It has overtaken the 2xx, or belongs to a dialog that is not answered yet.
            return Some(if request.is(&Method::Bye) { 481 } else { 500 });
        }
        if request.from_tag() != self.dialog.key.remote_tag {
            return Some(481);
        }
        if let Stage::Over { bye, .. } = self.stage {
            let crossing = request.is(&Method::Bye) && !matches!(bye, Bye::Nothing);
            return (!crossing).then_some(481);
        }
        (Some(request.cseq().number) <= self.dialog.remote_cseq).then_some(500)
    }

    /// From 0 to 10 s (RFC 3261 §14.2), derived from the seed, so that two legs do not retry at the same moment.
    fn retry_after(&self) -> String {
        (self.local.seed % (RETRY_AFTER_MAX_S + 1)).to_string()
    }

    /// Notes a request of the dialog in its order: it proves that the peer has the 2xx. If the 2xx contained an offer, only
    /// the ACK establishes the call, because it brings the answer.
    fn accept_order(&mut self, request: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        self.dialog.remote_cseq = self.dialog.remote_cseq.max(Some(request.cseq().number));
        self.dialog.arrival = *arrival;
        if !request.is(&Method::Bye) && !self.awaits_answer() {
            self.establish(out);
        }
    }

    fn receive_other(&mut self, now: Instant, id: Id, request: Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        if let Some(reply) = self.replies.of(&id) {
            return out.extend(reply.cloned().map(LegOutput::Send));
        }
        if let Some(status) = self.out_of_dialog_status(&request) {
            return self.reply(id, &request, arrival, status, &[], out);
        }
        self.accept_order(&request, arrival, out);
        if let Some(tags) = dispatcher::unsupported(&request) {
            return self.reply(id, &request, arrival, 420, &[("Unsupported", &tags)], out);
        }
        match request.method() {
            Some(Method::Bye) => self.receive_bye(now, id, &request, arrival, out),
            Some(Method::Info) => self.receive_info(id, &request, arrival, out),
            Some(Method::Update) => self.receive_update(now, id, request, arrival, out),
            Some(Method::Notify) => self.receive_notify(id, &request, arrival, out),
            Some(Method::Options) => self.receive_options(id, &request, arrival, out),
            method => {
                let status = dispatcher::status_of_refused(method);
                self.reply(id, &request, arrival, status, &[("Allow", ALLOW)], out);
            }
        }
    }

    fn reply(
        &mut self,
        id: Id,
        request: &Message,
        arrival: &Arrival,
        status: u16,
        headers: &[(&str, &str)],
        out: &mut Vec<LegOutput>,
    ) {
        let response = request.respond(arrival, status, &self.dialog.local_tag);
        let response = headers.iter().fold(response, |response, (name, value)| response.header(name, value));
        self.send_reply(id, response.done(), out);
    }

    fn send_reply(&mut self, id: Id, response: Outgoing, out: &mut Vec<LegOutput>) {
        self.replies.note(id, Some(response.clone()));
        out.push(LegOutput::Send(response));
    }

    /// RFC 3261 §15.1.2: 200, and every open offer gets 487. A BYE may come before the ACK.
    fn receive_bye(&mut self, now: Instant, id: Id, bye: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        self.reply(id, bye, arrival, 200, &[], out);
        self.refuse_all(now, 487, out);
        self.invites.stop_accepting();
        match self.stage {
            Stage::Over { until, .. } => self.stage = Stage::Over { until, bye: Bye::Nothing },
            Stage::Calling | Stage::Offered | Stage::Answered | Stage::Established => {
                self.clients.clear();
                self.end(now, Bye::Nothing, EndCause::ByeReceived, out);
            }
            Stage::Gone => {}
        }
    }

    fn receive_info(&mut self, id: Id, info: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        if info.header_named("Info-Package").is_some() {
            // RFC 6086 §4.2.2: no package was offered.
            return self.reply(id, info, arrival, 469, &[("Recv-Info", "")], out);
        }
        let content_type = info.content_type();
        match info::read(content_type.as_deref(), &info.body) {
            InfoBody::Key { key, held } => {
                self.reply(id, info, arrival, 200, &[], out);
                out.push(LegOutput::Key { key, held });
            }
            InfoBody::Nothing => self.reply(id, info, arrival, 200, &[], out),
            InfoBody::Malformed => self.reply(id, info, arrival, 400, &[], out),
            InfoBody::Foreign => self.reply(id, info, arrival, 415, &[("Accept", info::ACCEPT_KEYS)], out),
        }
    }

    /// RFC 3311 §5.2: an UPDATE with an offer may collide with a pending one; without an offer it refreshes session and target.
    fn receive_update(&mut self, now: Instant, id: Id, update: Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        if dispatcher::has_foreign_body(&update) {
            return self.reply(id, &update, arrival, 415, &[("Accept", ACCEPT)], out);
        }
        if let Err(TooSmall(min)) = self.terms(&update) {
            let seconds = min.as_secs().to_string();
            return self.reply(id, &update, arrival, 422, &[("Min-SE", &seconds)], out);
        }
        if update.sdp().is_none() {
            self.note_capabilities(&update);
            return self.accept_update(now, id, &update, arrival, out);
        }
        if self.is_inviting() || self.awaits_answer() {
            return self.reply(id, &update, arrival, 491, &[], out);
        }
        if !self.offers.is_empty() {
            let after = self.retry_after();
            return self.reply(id, &update, arrival, 500, &[("Retry-After", &after)], out);
        }
        self.note_capabilities(&update);
        self.take_update(id, update, arrival, out);
    }

    /// RFC 3515 §2.4.4: NOTIFYs report the progress of the transfer.
    fn receive_notify(&mut self, id: Id, notify: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        let event = notify.header_named("Event").or_else(|| notify.header_named("o")).unwrap_or("");
        let (event, params) = event.split_at(event.find(';').unwrap_or(event.len()));
        if !event.trim().eq_ignore_ascii_case("refer") {
            return self.reply(id, notify, arrival, 489, &[("Allow-Events", "refer")], out);
        }
        let refer = grammar::param(params, "id");
        let state = notify.header(HeaderName::SubscriptionState).unwrap_or("");
        let ended = state.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("terminated");
        let progress = fragment_progress(&notify.body);
        if self.is_given_up(refer, progress, ended) {
            return self.reply(id, notify, arrival, 200, &[], out);
        }
        if !self.subscription.as_ref().is_some_and(|subscription| subscription.matches(refer)) {
            return self.reply(id, notify, arrival, 481, &[], out);
        }
        self.reply(id, notify, arrival, 200, &[], out);
        self.note_progress(progress, ended, out);
    }

    fn receive_options(&mut self, id: Id, options: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        let response = options.respond(arrival, 200, &self.dialog.local_tag);
        let response = response.header("Contact", &self.dialog.contact);
        self.send_reply(id, dispatcher::capabilities(response).done(), out);
    }

    fn receive_response(&mut self, now: Instant, response: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        if self.receive_call_response(now, response, arrival, out) {
            return;
        }
        let cseq = response.cseq();
        let fin = response.status().and_then(class).is_some_and(|class| class != Class::Provisional);
        if let Some((number, ack)) = &self.ack
            && fin
            && cseq.method == Method::Invite
            && cseq.number == *number
        {
            return out.push(LegOutput::Send(ack.clone()));
        }
        if let Some(client) = self.clients.end(now, response) {
            let status = response.status().unwrap_or(500);
            self.conclude(now, client, status, Some(response), out);
        }
    }
}

/// Headers of a rejection.
type Headers = Vec<(&'static str, String)>;

pub(super) const NO_ANSWER: &str = "SIP;cause=488;text=\"No answer to the offer\"";
