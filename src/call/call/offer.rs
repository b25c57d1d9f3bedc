//! Offer and answer (RFC 3264): what both sides agree on for the sound of a call, and the media session that follows.

use std::time::Instant;

use bytes::Bytes;

use super::{Call, Effect, Output, State, Telemetry};
use crate::media_control::{MediaCommand, MediaSetup, Signalling};
use inquiry::CallOutcome;
use sdp::{FOREIGN_ADDRESS, Negotiated, Rejection};
use sip::LegInput;

impl Call {
    pub(super) fn on_offer(&mut self, now: Instant, offer: &Bytes, out: &mut Vec<Output>) {
        match self.session.answer(offer) {
            Ok((negotiated, answer)) => {
                self.answered(now, out);
                self.agree(negotiated, out);
                self.feed_leg(now, LegInput::Answer { sdp: answer }, out);
            }
            Err(rejection) => {
                if self.state == State::Offered {
                    self.cdr.ended(CallOutcome::Refused, Some(cause(&rejection)));
                }
                let (status, warning) = match &rejection {
                    Rejection::Malformed(_) => (400, (MISCELLANEOUS, rejection.to_string())),
                    Rejection::NotAcceptable { warning, text } => (488, (*warning, (*text).to_owned())),
                };
                self.feed_leg(now, LegInput::Reject { status, warning: Some(warning), retry_after: None }, out);
            }
        }
    }

    pub(super) fn on_answer(&mut self, now: Instant, answer: &Bytes, out: &mut Vec<Output>) {
        match self.session.accept(answer) {
            Ok(negotiated) => self.agree(negotiated, out),
            Err(rejection) => self.end(now, CallOutcome::Failed, Some(cause(&rejection)), out),
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
        self.cdr.media_agreed(negotiated.srtp.as_ref().map(|keys| keys.suite()));
        (self.negotiated, self.alive_at) = (Some(negotiated), None);
        self.set_up_media(out);
    }

    pub(super) fn set_up_media(&mut self, out: &mut Vec<Output>) {
        let Some(negotiated) = &self.negotiated else { return };
        let media = self.session.media_addresses();
        let signalling_address = self.caller.map(|address| Signalling { address, media: media.clone() });
        let mut setup = MediaSetup { signalling_address, ..MediaSetup::new(negotiated, self.policy) };
        // Before the ACK the caller hears nothing and need not send.
        setup.sending &= self.state == State::Talking;
        setup.receiving &= self.state == State::Talking;
        let setup = Box::new(setup);
        let effect =
            if self.media_begun { Effect::Media(MediaCommand::Setup(setup)) } else { Effect::StartMedia(setup) };
        out.push(effect.into());
        self.media_begun = true;
    }
}

/// Why there is no sound, for the call's record.
fn cause(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Malformed(_) => "malformed session description",
        Rejection::NotAcceptable { warning: NO_CODEC, .. } => "no codec in common",
        Rejection::NotAcceptable { text: FOREIGN_ADDRESS, .. } => FOREIGN_ADDRESS,
        Rejection::NotAcceptable { .. } => "no usable media",
    }
}

// The warn-codes are those of RFC 3261 §20.43.
const NO_CODEC: u16 = 305;
const MISCELLANEOUS: u16 = 399;
