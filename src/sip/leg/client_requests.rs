//! Local requests inside the dialog: BYE, REFER, and session refresh by UPDATE or re-INVITE.

use std::time::{Duration, Instant};

use super::client_transaction::Client;
use super::dialog::Drafted;
use super::session_timer::{granted, seconds};
use super::{EndCause, Leg, LegOutput, Stage, TransferProgress};
use crate::arrival::Outgoing;
use crate::dispatcher::{ALLOW, SUPPORTED};
use crate::grammar::{Class, Method, class};
use crate::lexer::HeaderName;
use crate::limits::REFRESH_TRIES;
use crate::message::Message;
use crate::uri::Uri;

/// The subscription that a local REFER creates (RFC 3515 §2.4.4).
#[derive(Debug)]
pub(super) struct Subscription {
    /// The CSeq number of the REFER, which is the Event `id` of its NOTIFYs (RFC 3515 §2.4.6).
    cseq: u32,
    /// A final status has been reported: only the end of the subscription follows.
    concluded: bool,
}

impl Subscription {
    /// Whether a NOTIFY with this Event `id` belongs to it; most NOTIFYs have no `id`.
    pub(super) fn matches(&self, id: Option<&str>) -> bool {
        id.is_none_or(|id| id.parse() == Ok(self.cseq))
    }

    /// Whether its call may go on still: no final status has come.
    fn is_open(&self) -> bool {
        !self.concluded
    }
}

/// The progress in a `message/sipfrag` body (RFC 3420): the status line of the referred call.
pub(super) fn fragment_progress(body: &[u8]) -> Option<TransferProgress> {
    let line = body.split(|byte| matches!(byte, b'\r' | b'\n')).find(|line| !line.is_empty())?;
    let digits = line.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match class(status)? {
        Class::Provisional => Some(if status == 100 { TransferProgress::Trying } else { TransferProgress::Ringing }),
        Class::Success => Some(TransferProgress::Done),
        Class::Failure => Some(if matches!(status, 486 | 600) {
            TransferProgress::Busy(status)
        } else {
            TransferProgress::Failed(Some(status))
        }),
    }
}

impl Leg {
    pub(super) fn send_bye(&mut self, now: Instant, reason: Option<&'static str>, out: &mut Vec<LegOutput>) {
        if self.clients.any_overdue(now) {
            self.dialog.distrust_target();
        }
        self.clients.clear();
        self.invites.stop_accepting();
        let mut draft = self.dialog.draft(Method::Bye);
        if let Some(reason) = reason {
            draft = draft.header("Reason", reason);
        }
        let draft = self.authorized(draft, &[]);
        let request = draft.outgoing(&[]);
        let other_way = self.dialog.has_other_way(&request.to);
        let client = Client::new(now, draft.method, draft.branch, draft.cseq, request.clone());
        self.clients.push(if other_way { client.within(now, FIRST_WAY) } else { client });
        out.push(LegOutput::Send(request));
    }

    /// Transfers the caller by REFER. An invalid target URI, or a call that is not established, fails at once.
    pub(super) fn refer(
        &mut self,
        now: Instant,
        target_uri: &str,
        referred_by: Option<&str>,
        out: &mut Vec<LegOutput>,
    ) {
        let ready = self.stage == Stage::Established && !self.clients.any(&Method::Refer) && self.clients.has_room();
        if !ready || Uri::read(target_uri).is_err() {
            return out.push(LegOutput::Referred(TransferProgress::Failed(None)));
        }
        let contact = self.dialog.contact.clone();
        let mut draft = self.dialog.draft(Method::Refer).header("Contact", &contact);
        draft = draft.header("Refer-To", &format!("<{target_uri}>"));
        if let Some(by) = referred_by.filter(|by| Uri::read(by).is_ok()) {
            draft = draft.header("Referred-By", &format!("<{by}>"));
        }
        let before = self.subscription.replace(Subscription { cseq: draft.cseq, concluded: false });
        self.given_up = before.filter(Subscription::is_open).or_else(|| self.given_up.take());
        let draft = self.authorized(draft, &[]);
        self.send(now, draft, &[], out);
    }

    /// The REFER that is under way is sent again under another number.
    pub(super) fn forget_refer(&mut self) {
        self.subscription = None;
    }

    /// Whether a NOTIFY is of an earlier REFER, whose caller was taken back before it had an end. Only the NOTIFYs of a dialog's first
    /// REFER may lack the `id` (RFC 3515 §2.4.6), so that one without belongs to the earlier.
    pub(super) fn is_given_up(&mut self, id: Option<&str>, progress: Option<TransferProgress>, ended: bool) -> bool {
        let Some(earlier) = self.given_up.as_mut().filter(|earlier| earlier.matches(id)) else { return false };
        let is_final =
            matches!(progress, Some(TransferProgress::Done | TransferProgress::Busy(_) | TransferProgress::Failed(_)));
        earlier.concluded |= is_final;
        if ended || !earlier.is_open() {
            self.given_up = None;
        }
        true
    }

    /// Reports the progress in a NOTIFY; the end of a subscription without a final status is a failure.
    pub(super) fn note_progress(&mut self, progress: Option<TransferProgress>, ended: bool, out: &mut Vec<LegOutput>) {
        let Some(subscription) = &mut self.subscription else { return };
        let concluded = subscription.concluded;
        let fin =
            matches!(progress, Some(TransferProgress::Done | TransferProgress::Busy(_) | TransferProgress::Failed(_)));
        subscription.concluded |= fin;
        match progress {
            Some(progress) if !concluded && (fin || !ended) => out.push(LegOutput::Referred(progress)),
            Some(_) | None if ended && !concluded => out.push(LegOutput::Referred(TransferProgress::Failed(None))),
            Some(_) | None => {}
        }
        if ended {
            self.subscription = None;
        }
    }

    /// Refreshes the session (RFC 4028 §7.4): by UPDATE if the peer supports it, else by a re-INVITE that changes nothing.
    pub(super) fn refresh_session(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let busy = self.is_inviting() || self.clients.any(&Method::Update) || !self.clients.has_room();
        let pause = self.local_pause() + Duration::from_secs(1);
        let Some(session) = &mut self.session else { return };
        if busy || !self.offers.is_empty() || self.stage != Stage::Established {
            session.refresh_at = Some(now + pause);
            return;
        }
        session.refresh_at = None;
        if session.tries == REFRESH_TRIES {
            return;
        }
        session.tries += 1;
        let interval = session.interval.max(self.local.min_se);
        let contact = self.dialog.contact.clone();
        let method = if self.peer_updates { Method::Update } else { Method::Invite };
        let sdp = if self.peer_updates { Vec::new() } else { self.sdp.clone() };
        let draft = self
            .dialog
            .draft(method)
            .header("Contact", &contact)
            .header("Allow", ALLOW)
            .header("Supported", SUPPORTED)
            .header("Session-Expires", &format!("{};refresher=uac", interval.as_secs()))
            .header("Min-SE", &self.local.min_se.as_secs().to_string());
        let draft = self.authorized(draft, &sdp);
        self.send(now, draft, &sdp, out);
    }

    /// RFC 3261 §14.1: after a collision the side that owns the Call-ID waits 2.1 to 4 s, the other one 0 to 2 s.
    fn local_pause(&self) -> Duration {
        let spread = Duration::from_millis(self.local.seed % 190 * 10);
        if self.calling.is_some() { Duration::from_millis(2100) + spread } else { spread }
    }

    pub(super) fn send(&mut self, now: Instant, draft: Drafted, sdp: &[u8], out: &mut Vec<LegOutput>) {
        let request = draft.outgoing(sdp);
        out.push(LegOutput::Send(request.clone()));
        self.clients.push(Client::new(now, draft.method, draft.branch, draft.cseq, request));
    }

    pub(super) fn repeat_requests(&mut self, now: Instant, out: &mut Vec<LegOutput>) {
        let due = self.clients.due(now);
        out.extend(due.again.into_iter().map(LegOutput::Send));
        for failed in due.failed {
            self.time_out(now, failed, out);
        }
    }

    /// Ends a local request with the status of its response, or with that of a timeout (408) or of a request that could not
    /// leave (503) (RFC 3261 §8.1.3.1).
    pub(super) fn conclude(
        &mut self,
        now: Instant,
        client: Client,
        status: u16,
        response: Option<&Message>,
        out: &mut Vec<LegOutput>,
    ) {
        if let Some(response) = response.filter(|_| client.method == Method::Invite) {
            self.acknowledge(&client, response, out);
        }
        if let (401 | 407, Some(response)) = (status, response)
            && self.answer_challenge(now, &client, response, out)
        {
            return;
        }
        if let (Some(Class::Success), Some(response)) = (class(status), response) {
            self.note_taken(response);
        }
        if self.is_over() {
            return;
        }
        if client.method == Method::Refer {
            self.conclude_refer(status, response.is_some(), out);
        }
        if matches!(client.method, Method::Invite | Method::Update) {
            self.conclude_refresh(now, &client, status, response, out);
        }
        // A REFER that nothing answers is a failed transfer; the caller may still be there. A BYE in a call that goes on is
        // that of another dialog of its INVITE.
        let lost = status == 481 || status == 408 && client.method != Method::Refer;
        let lost = lost && client.method != Method::Bye;
        if lost && !self.is_over() {
            self.hang_up(now, None, EndCause::PeerLost, out);
        }
    }

    /// The status is the peer's only where there is a response.
    fn conclude_refer(&mut self, status: u16, is_answered: bool, out: &mut Vec<LegOutput>) {
        let progress = match class(status) {
            Some(Class::Success) => {
                // Its NOTIFYs may have been faster.
                if self.subscription.as_ref().is_none_or(|subscription| subscription.concluded) {
                    return;
                }
                TransferProgress::Accepted
            }
            Some(Class::Provisional | Class::Failure) | None => {
                self.subscription = None;
                TransferProgress::Failed(is_answered.then_some(status))
            }
        };
        out.push(LegOutput::Referred(progress));
    }

    fn conclude_refresh(
        &mut self,
        now: Instant,
        client: &Client,
        status: u16,
        response: Option<&Message>,
        out: &mut Vec<LegOutput>,
    ) {
        if class(status) == Some(Class::Success) {
            let Some(response) = response else { return };
            self.dialog.refresh_target(response);
            self.session = granted(now, response);
            if let (Method::Invite, Some(sdp)) = (&client.method, response.sdp()) {
                out.push(LegOutput::AnswerReceived { sdp });
            }
            return;
        }
        let pause = self.local_pause();
        let asked = response.and_then(|response| response.header(HeaderName::RetryAfter)).and_then(seconds);
        let Some(session) = &mut self.session else { return };
        match status {
            422 => {
                let min = response.and_then(|response| response.header(HeaderName::MinSe)).and_then(seconds);
                session.interval = session.interval.max(min.unwrap_or(session.interval));
                session.refresh_at = Some(now);
            }
            491 => session.refresh_at = Some(now + pause.max(Duration::from_millis(10))),
            408 | 481 => {}
            // A server that takes no UPDATE may take a re-INVITE.
            400..=499 | 501 if client.method == Method::Update => {
                self.peer_updates = false;
                session.refresh_at = Some(now);
            }
            // The session goes on to its end (RFC 4028 §10): a server that has failed may be back by then.
            _ => {
                let backoff = REFRESH_PAUSE * (1 << session.tries.saturating_sub(1).min(3));
                let at = now + asked.unwrap_or_default().max(backoff);
                let last = session.ends_at.checked_sub(LAST_REFRESH).unwrap_or(now).max(now + REFRESH_PAUSE);
                session.refresh_at = Some(at.min(last));
            }
        }
    }

    /// Sends the ACK of a local INVITE: for a 2xx a request of its own, else on the INVITE's branch (RFC 3261 §17.1.1.3).
    pub(super) fn acknowledge(&mut self, client: &Client, response: &Message, out: &mut Vec<LegOutput>) {
        let success = response.status().and_then(class) == Some(Class::Success);
        let ack = if success {
            self.draft_authorized_ack(client.cseq).outgoing(&[])
        } else {
            derived(client, &Method::Ack, response.header(HeaderName::To))
        };
        self.ack = Some((client.cseq, ack.clone()));
        out.push(LegOutput::Send(ack));
    }
}

/// The ACK of a rejection, or the CANCEL, of an INVITE: its own head with another method, without a body (RFC 3261 §9.1,
/// §17.1.1.3). An ACK has the To of the response.
pub(super) fn derived(invite: &Client, method: &Method, to: Option<&str>) -> Outgoing {
    let text = String::from_utf8_lossy(&invite.request.bytes);
    let head = text.split("\r\n\r\n").next().unwrap_or("");
    let mut request = String::with_capacity(head.len());
    for (at, line) in head.split("\r\n").enumerate() {
        let name = line.split(':').next().unwrap_or("");
        match (name, to) {
            _ if at == 0 => request.push_str(&line.replacen("INVITE", method.as_str(), 1)),
            ("CSeq", _) => request.push_str(&line.replace("INVITE", method.as_str())),
            ("To", Some(to)) => request.push_str(&format!("To: {to}")),
            ("Via" | "Route" | "Max-Forwards" | "From" | "To" | "Call-ID", _) => request.push_str(line),
            (_, _) => continue,
        }
        request.push_str("\r\n");
    }
    request.push_str("Content-Length: 0\r\n\r\n");
    Outgoing { bytes: request.into(), to: invite.request.to.clone() }
}

/// After a refresh that failed: 10, 20, 40, 80 s.
const REFRESH_PAUSE: Duration = Duration::from_secs(10);
/// The last try before the session ends.
const LAST_REFRESH: Duration = Duration::from_secs(5);
/// How long a BYE may go unanswered before it takes the other way.
const FIRST_WAY: Duration = Duration::from_secs(8);
