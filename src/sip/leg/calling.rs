//! The calling side of a leg: an INVITE of this side from its first response to its last, and its CANCEL (RFC 3261 §13.2,
//! §17.1.1, §9.1).
//!
//! ```text
//!           1xx                    2xx: ACK
//!  Calling ─────► Calling, rings ───────────► Established
//!     │ HangUp       │ HangUp: CANCEL            401, 407 (credentials), 422: the next INVITE
//!     ▼              ▼                           3xx–6xx: ACK, Ended
//!  Over ── 1xx: CANCEL ──► Over, waits for the final response ── 2xx: ACK, BYE ── 3xx–6xx: ACK
//! ```
//!
//! A forking proxy may send several 2xx, each of a dialog of its own (§13.2.2.4): the first is the call, every other one is
//! acknowledged and ended by BYE. A redirection (3xx) is a failure: only the peer's administrator may say where calls go.
//!
//! A session description in a provisional response is not used: no reliable response is asked for (RFC 3262), so any
//! element on the way may have written it, and nothing is played to a peer that has not answered. Where the 2xx of the
//! same peer has none, as some gateways send it, the description of its last provisional response is the answer.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::client_requests::derived;
use super::client_transaction::Client;
use super::dialog::{Dialog, Drafted};
use super::offers::Offers;
use super::server_transaction::{Invites, Replies};
use super::session_timer::{granted, seconds};
use super::{Bye, Clients, EndCause, Leg, LegOutput, Local, Stage};
use crate::arrival::{Arrival, Outgoing, Target};
use crate::digest::DigestClient;
use crate::dispatcher::{ALLOW, SUPPORTED};
use crate::grammar::{Class, Method, class};
use crate::lexer::HeaderName;
use crate::limits::{CALL_TRIES, FORKS, GIVE_UP};
use crate::message::Message;

/// What an outgoing call begins with.
#[derive(Clone)]
pub struct Invitation {
    /// The Request-URI and the To value, without angle brackets.
    pub uri: String,
    /// Where the INVITE goes.
    pub to: Target,
    /// The Route values: the path of a registration (RFC 3327), else none.
    pub routes: Vec<String>,
    /// The From value without a tag.
    pub from: String,
    /// The session description of the INVITE.
    pub offer: Vec<u8>,
    /// Answers the challenges of a realm; none: a challenge is a failure.
    pub credentials: Option<DigestClient>,
}

/// Without the numbers of the two persons, and the secret of the credentials.
impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("to", &self.to).finish_non_exhaustive()
    }
}

/// The INVITE of this side, and the 2xx that came for it.
#[derive(Debug)]
pub(super) struct Calling {
    credentials: Option<DigestClient>,
    cseq: u32,
    branch: String,
    /// The session interval that is asked for: raised by a 422.
    interval: Duration,
    min_se: Duration,
    tries: u8,
    /// What authorized the last INVITE: its ACK has the same (RFC 3261 §22.1).
    authorization: Vec<(&'static str, String)>,
    /// Challenges of requests within the dialog that were answered since the last one that was taken.
    challenges: u8,
    /// The call is over: CANCEL goes out with the first provisional response.
    cancels: bool,
    /// The To tag of the last provisional response with a session description, and that description.
    early: Option<(String, Bytes)>,
    /// The dialogs of further 2xx by their To tags, and the ACK of each.
    forks: Vec<(String, Outgoing)>,
}

impl Leg {
    /// Begins a call of this side. The first output is the INVITE.
    ///
    /// Responses and requests of the call carry the Call-ID of its [`key`](Leg::key); their tags are not known before the answer.
    pub fn call(now: Instant, invitation: Invitation, local: Local) -> (Leg, Vec<LegOutput>) {
        let dialog = Dialog::calling(&invitation, &local);
        let calling = Calling {
            credentials: invitation.credentials,
            cseq: 0,
            branch: String::new(),
            interval: local.session_expires.max(local.min_se),
            min_se: local.min_se,
            tries: 0,
            authorization: Vec::new(),
            challenges: 0,
            cancels: false,
            early: None,
            forks: Vec::new(),
        };
        let mut leg = Leg {
            dialog,
            local,
            stage: Stage::Calling,
            invites: Invites::default(),
            replies: Replies::default(),
            clients: Clients::default(),
            offers: Offers::default(),
            session: None,
            peer_updates: false,
            sdp: invitation.offer,
            ack: None,
            subscription: None,
            given_up: None,
            calling: Some(Box::new(calling)),
        };
        let mut out = Vec::new();
        leg.send_invite(now, &mut out);
        (leg, out)
    }

    /// The next INVITE: the first one, or one that answers a challenge or a larger Min-SE (RFC 3261 §22.2, RFC 4028 §7.3).
    fn send_invite(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let contact = self.dialog.contact.clone();
        let draft = self.dialog.draft(Method::Invite).header("Contact", &contact);
        let sdp = self.sdp.clone();
        let draft = self.authorized(draft, &sdp);
        let Some(calling) = &mut self.calling else { return };
        let draft = draft
            .header("Allow", ALLOW)
            .header("Supported", SUPPORTED)
            .header("Session-Expires", &calling.interval.as_secs().to_string())
            .header("Min-SE", &calling.min_se.as_secs().to_string());
        (calling.cseq, calling.branch) = (draft.cseq, draft.branch.clone());
        calling.tries += 1;
        let request = draft.outgoing(&self.sdp);
        out.push(LegOutput::Send(request.clone()));
        self.clients.push(Client::new(now, draft.method, draft.branch, draft.cseq, request));
    }

    /// A request of this side, with what answers the challenge of an earlier one.
    pub(super) fn authorized(&mut self, mut draft: Drafted, body: &[u8]) -> Drafted {
        let credentials = self.calling.as_mut().and_then(|calling| calling.credentials.as_mut());
        let headers = credentials.map(|client| client.authorize(&draft.method, &draft.uri, body)).unwrap_or_default();
        for (name, value) in &headers {
            draft = draft.header(name, value);
        }
        if let Some(calling) = self.calling.as_mut().filter(|_| draft.method == Method::Invite) {
            calling.authorization = headers;
        }
        draft
    }

    /// The ACK of the 2xx to an INVITE of this side.
    pub(super) fn draft_authorized_ack(&mut self, cseq: u32) -> Drafted {
        let headers = self.calling.as_ref().map(|calling| calling.authorization.clone()).unwrap_or_default();
        let draft = self.dialog.draft_ack(cseq);
        headers.into_iter().fold(draft, |draft, (name, value)| draft.header(name, &value))
    }

    /// Answers a challenge of a request within the dialog (RFC 3261 §22.2, §22.3); false if it cannot be answered.
    pub(super) fn answer_challenge(
        &mut self,
        now: Instant,
        client: &Client,
        response: &Message,
        out: &mut Vec<LegOutput>,
    ) -> bool {
        let Some(calling) = self.calling.as_mut().filter(|calling| calling.challenges < CALL_TRIES) else {
            return false;
        };
        if calling.credentials.as_mut().is_none_or(|credentials| credentials.challenged(response).is_err()) {
            return false;
        }
        calling.challenges += 1;
        match client.method {
            // That of a further 2xx is of another dialog, whose call has gone on to the first.
            Method::Bye if self.is_over() => self.send_bye(now, None, out),
            Method::Invite | Method::Update if !self.is_over() => {
                let Some(session) = &mut self.session else { return false };
                session.refresh_at = Some(now);
            }
            Method::Refer if !self.is_over() => {
                let text = String::from_utf8_lossy(&client.request.bytes).into_owned();
                let value = |name: &str| {
                    let line = text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
                    Some(line.trim_start_matches('<').trim_end_matches('>'))
                };
                let Some(to) = value("Refer-To") else { return false };
                self.forget_refer();
                self.refer(now, to, value("Referred-By"), out);
            }
            _ => return false,
        }
        true
    }

    /// A request of this side was taken: its nonce may be used again, and another challenge is a new one.
    pub(super) fn note_taken(&mut self, response: &Message) {
        let Some(calling) = &mut self.calling else { return };
        calling.challenges = 0;
        if let Some(credentials) = &mut calling.credentials {
            credentials.accepted(response);
        }
    }

    /// Whether a local request is the INVITE of the call.
    pub(super) fn is_calling_with(&self, client: &Client) -> bool {
        let calls = |calling: &Calling| calling.cseq == client.cseq;
        client.method == Method::Invite && self.calling.as_deref().is_some_and(calls)
    }

    /// Takes a response to the INVITE of the call; false if it is another response.
    pub(super) fn receive_call_response(
        &mut self,
        now: Instant,
        response: &Message,
        arrival: &Arrival,
        out: &mut Vec<LegOutput>,
    ) -> bool {
        let Some(calling) = &self.calling else { return false };
        let cseq = response.cseq();
        if cseq.method != Method::Invite || cseq.number != calling.cseq {
            return false;
        }
        let Some((status, class)) = response.status().and_then(|status| Some((status, class(status)?))) else {
            return true;
        };
        if response.from_tag() != self.dialog.local_tag || response.via().branch != calling.branch {
            return true;
        }
        let client = self.clients.end(now, response);
        match (class, client) {
            (Class::Provisional, _) => self.call_progresses(now, status, response, arrival, out),
            (Class::Success, Some(client)) => self.call_answered(now, &client, response, arrival, out),
            (Class::Success, None) => self.answered_again(now, response, arrival, out),
            (Class::Failure, Some(client)) => self.call_refused(now, &client, status, response, out),
            // Its ACK was lost.
            (Class::Failure, None) => self.repeat_ack(cseq.number, out),
        }
        true
    }

    fn call_progresses(
        &mut self,
        now: Instant,
        status: u16,
        response: &Message,
        arrival: &Arrival,
        out: &mut Vec<LegOutput>,
    ) {
        let Some(calling) = self.calling.as_mut().filter(|_| self.clients.any(&Method::Invite)) else { return };
        self.dialog.arrival = *arrival;
        if calling.cancels {
            return self.cancel(now, out);
        }
        if let Some(sdp) = response.sdp() {
            calling.early = Some((response.to_tag().to_owned(), sdp));
        }
        if self.stage == Stage::Calling && status > 100 {
            out.push(LegOutput::Progress { status });
        }
    }

    fn call_answered(
        &mut self,
        now: Instant,
        client: &Client,
        response: &Message,
        arrival: &Arrival,
        out: &mut Vec<LegOutput>,
    ) {
        self.dialog.confirm(response, arrival);
        self.note_capabilities(response);
        self.note_taken(response);
        self.acknowledge(client, response, out);
        if let Stage::Over { until, .. } = self.stage {
            // The answer has crossed the CANCEL.
            self.send_bye(now, None, out);
            self.stage = Stage::Over { until, bye: Bye::Sent };
            return;
        }
        self.stage = Stage::Established;
        self.session = granted(now, response);
        let early = self.calling.as_mut().and_then(|calling| calling.early.take());
        let early = early.and_then(|(tag, sdp)| (tag == self.dialog.key.remote_tag).then_some(sdp));
        match response.sdp().or(early) {
            Some(sdp) => out.extend([LegOutput::AnswerReceived { sdp }, LegOutput::Established]),
            None => self.hang_up(now, Some(super::server_requests::NO_ANSWER), EndCause::NoAnswer, out),
        }
    }

    /// A 2xx that is not the first: the same one again, or that of another dialog, which ends at once.
    fn answered_again(&mut self, now: Instant, response: &Message, arrival: &Arrival, out: &mut Vec<LegOutput>) {
        let tag = response.to_tag();
        if self.dialog.is_confirmed() && tag == self.dialog.key.remote_tag {
            return self.repeat_ack(response.cseq().number, out);
        }
        let Some(calling) = &mut self.calling else { return };
        if let Some((_, ack)) = calling.forks.iter().find(|(known, _)| known == tag) {
            return out.push(LegOutput::Send(ack.clone()));
        }
        if calling.forks.len() == FORKS {
            return;
        }
        let mut fork = self.dialog.fork(response, arrival);
        let ack = fork.draft_ack(response.cseq().number).outgoing(&[]);
        calling.forks.push((tag.to_owned(), ack.clone()));
        let bye = fork.draft(Method::Bye);
        let request = bye.outgoing(&[]);
        out.extend([LegOutput::Send(ack), LegOutput::Send(request.clone())]);
        if self.clients.has_room() {
            self.clients.push(Client::new(now, bye.method, bye.branch, bye.cseq, request));
        }
    }

    fn repeat_ack(&self, cseq: u32, out: &mut Vec<LegOutput>) {
        let ack = self.ack.as_ref().filter(|(number, _)| *number == cseq);
        out.extend(ack.map(|(_, ack)| LegOutput::Send(ack.clone())));
    }

    fn call_refused(
        &mut self,
        now: Instant,
        client: &Client,
        status: u16,
        response: &Message,
        out: &mut Vec<LegOutput>,
    ) {
        self.acknowledge(client, response, out);
        if self.is_over() {
            return;
        }
        let again = match (&mut self.calling, status) {
            (Some(calling), _) if calling.tries >= CALL_TRIES => false,
            (Some(calling), 401 | 407) => {
                calling.credentials.as_mut().is_some_and(|client| client.challenged(response).is_ok())
            }
            (Some(calling), 422) => {
                let min = response.header(HeaderName::MinSe).and_then(seconds).unwrap_or_default();
                let larger = min > calling.interval;
                (calling.interval, calling.min_se) = (calling.interval.max(min), calling.min_se.max(min));
                larger
            }
            (Some(_), _) | (None, _) => false,
        };
        if again {
            return self.send_invite(now, out);
        }
        self.end(now, Bye::Nothing, EndCause::CallFailed { status }, out);
    }

    /// The INVITE got no final response in time (408), or could not leave (503).
    pub(super) fn call_unanswered(&mut self, now: Instant, client: Client, status: u16, out: &mut Vec<LegOutput>) {
        if client.has_provisional() && !self.is_over() {
            // Timer C of RFC 3261 §16.6: it rings without end.
            self.clients.push(client);
            self.cancel(now, out);
        }
        if !self.is_over() {
            self.end(now, Bye::Nothing, EndCause::CallFailed { status }, out);
        }
    }

    /// Withdraws the INVITE: at once if it has a provisional response, else with the first one (RFC 3261 §9.1). It is not
    /// retransmitted any more: a peer that has not got it need not ring for nothing.
    pub(super) fn cancel(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let Some(calling) = &mut self.calling else { return };
        let cseq = calling.cseq;
        let Some(invite) = self.clients.find(|client| client.method == Method::Invite && client.cseq == cseq) else {
            return;
        };
        invite.stop_repeating();
        if !invite.has_provisional() {
            calling.cancels = true;
            return;
        }
        calling.cancels = false;
        invite.end_by(now + GIVE_UP);
        let request = derived(invite, &Method::Cancel, None);
        let client = Client::new(now, Method::Cancel, invite.branch.clone(), cseq, request.clone());
        out.push(LegOutput::Send(request));
        self.clients.push(client);
    }
}
