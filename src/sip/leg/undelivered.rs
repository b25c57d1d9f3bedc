//! Messages that do not arrive: the failure of one request is not the failure of the call.
//!
//! ```text
//!  request did not leave ─► 503 to that request (RFC 3261 §8.1.3.1) ─┐
//!  no response           ─► 408 to that request ─────────────────────┼─► later ones go to where the peer's come from
//!                                                                    └─► a BYE goes there at once (RFC 3263 §4.3)
//! ```
//!
//! A response that did not leave is retransmitted as if it had been lost. Over a connection the 2xx to the first INVITE
//! would only meet the same missing connection: the call ends.

use std::time::Instant;

use super::client_transaction::Client;
use super::{Bye, EndCause, Leg, LegOutput, Stage};
use crate::grammar::Method;

impl Leg {
    /// A message certainly did not leave.
    pub(super) fn undelivered(&mut self, now: Instant, message: &[u8], out: &mut Vec<LegOutput>) {
        if let Some(client) = self.clients.take(message) {
            if self.is_calling_with(&client) {
                return self.call_unanswered(now, client, 503, out);
            }
            if !self.redirect(now, &client, out) {
                self.conclude(now, client, 503, None, out);
            }
            return;
        }
        if let Some((cseq, ack)) = self.ack.take_if(|(_, ack)| ack.bytes == message) {
            let again = self.dialog.redirect(&ack);
            out.extend(again.clone().map(LegOutput::Send));
            self.ack = Some((cseq, again.unwrap_or(ack)));
            return;
        }
        let answer = self.invites.iter().any(|invite| {
            let last = invite.last.as_ref().filter(|_| invite.is_accepted());
            last.is_some_and(|last| last.bytes == message && !last.to.transport().is_unreliable())
        });
        if answer && self.stage == Stage::Answered {
            self.invites.stop_accepting();
            self.end(now, Bye::Nothing, EndCause::TransportFailed, out);
        }
    }

    /// No final response came in time.
    pub(super) fn time_out(&mut self, now: Instant, client: Client, out: &mut Vec<LegOutput>) {
        if self.is_calling_with(&client) {
            return self.call_unanswered(now, client, 408, out);
        }
        if !client.has_provisional() && self.redirect(now, &client, out) {
            return;
        }
        self.conclude(now, client, 408, None, out);
    }

    /// Takes another way for all that follows, and sends a BYE or a refresh by it at once. False if the request had gone
    /// that way already, or is concluded without it.
    fn redirect(&mut self, now: Instant, client: &Client, out: &mut Vec<LegOutput>) -> bool {
        if client.method == Method::Cancel || client.method == Method::Bye && !self.is_over() {
            return false;
        }
        out.push(LegOutput::Unreachable(client.method.clone()));
        let Some(request) = self.dialog.redirect(&client.request) else { return false };
        // A REFER fails as a transfer does: the caller is waiting for it.
        let again = matches!(client.method, Method::Bye | Method::Update | Method::Invite);
        if again {
            out.push(LegOutput::Send(request.clone()));
            self.clients.push(client.again(now, request));
        }
        again
    }
}
