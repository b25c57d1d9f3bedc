//! Offer and answer (RFC 3264): what both sides agree on for the sound of a call, and the media session that follows.

use std::time::Instant;

use bytes::Bytes;

use super::{Call, Effect, Output, State, Telemetry};
use crate::media_control::{MediaCommand, MediaSetup};
use inquiry::CallOutcome;
use sdp::{self, Negotiated, Rejection};
use sip::LegInput;

impl Call {
    pub(super) fn on_offer(&mut self, now: Instant, offer: &Bytes, out: &mut Vec<Output>) {
        match sdp::answer(offer, &self.local) {
            Ok((negotiated, answer)) => {
                self.local.version += 1;
                self.answered(now, out);
                self.agree(negotiated, out);
                self.feed_leg(now, LegInput::Answer { sdp: answer }, out);
            }
            Err(refused) => {
                let (status, warning) = match refused {
                    Rejection::Malformed(_) => (400, None),
                    Rejection::NotAcceptable { warning, text } => (488, Some((warning, text.to_owned()))),
                };
                if self.state == State::Offered {
                    self.cdr.ended(CallOutcome::Refused, Some("no codec in common"));
                }
                self.feed_leg(now, LegInput::Reject { status, warning, retry_after: None }, out);
            }
        }
    }

    pub(super) fn on_answer(&mut self, now: Instant, answer: &Bytes, out: &mut Vec<Output>) {
        match sdp::accept(answer, &self.local) {
            Ok(negotiated) => self.agree(negotiated, out),
            Err(_) => self.end(now, CallOutcome::Failed, Some("no codec in common"), out),
        }
    }

    pub(super) fn answered(&mut self, now: Instant, out: &mut Vec<Output>) {
        if self.state == State::Offered {
            self.state = State::Answered;
            let after = now.duration_since(self.began);
            self.cdr.answered(after);
            out.push(Telemetry::Answered(after).into());
        }
    }

    fn agree(&mut self, negotiated: Negotiated, out: &mut Vec<Output>) {
        self.negotiated = Some(negotiated);
        self.set_up_media(out);
    }

    pub(super) fn set_up_media(&mut self, out: &mut Vec<Output>) {
        let Some(negotiated) = &self.negotiated else { return };
        let mut setup = MediaSetup { signalling_address: Some(self.caller), ..MediaSetup::from(negotiated) };
        // Before the ACK the caller hears nothing and need not send.
        setup.sending &= self.state == State::Talking;
        setup.receiving &= self.state == State::Talking;
        let effect =
            if self.media_begun { Effect::Media(MediaCommand::Setup(setup)) } else { Effect::StartMedia(setup) };
        out.push(effect.into());
        self.media_begun = true;
    }
}
