//! What a call does for a caller's message. Its sound goes to the shell while it is recorded, and comes back in stretches
//! while its caller listens: the call itself holds two stretches at most.
//!
//! ```text
//!  Record ─► MessageBegins ─► MessageSound … MessageEnds ─┬─ sent ─► KeepMessage
//!                                                         └─ the caller goes on, or hangs up ─► ForgetMessage, Over
//!  Play   ─► ReadMessage 0 ─► Load, Play ─► ReadMessage 1 ─► LoadNext ─► NextTake ─► ReadMessage 2 …
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Call, Effect, Output};
use crate::application::Application;
use crate::media_control::{MediaCommand, RecordMode};
use audio::{SpeechMeter, Take};
use base::{Codec, Private};
use flow::{PlayId, RecordResult};
use inquiry::MessageResult;
use speech::Piece;

/// A message that is recorded, or recorded and not kept yet.
#[derive(Debug, Default)]
pub(super) struct MessageSound {
    speech: SpeechMeter,
    listening: Option<Listening>,
}

/// Its caller listens to it.
#[derive(Clone, Copy, Debug)]
struct Listening {
    play: PlayId,
    /// The first sample of the stretch that was asked for last.
    from: usize,
    /// Whether there is more after it.
    more: bool,
}

impl Call {
    pub(super) fn begin_message(&mut self, max: Duration, out: &mut Vec<Output>) {
        self.message = Some(MessageSound::default());
        let max = max.min(self.message_max);
        out.push(Effect::Media(MediaCommand::Record { max, mode: RecordMode::Streamed }).into());
        out.push(Effect::MessageBegins.into());
    }

    pub(super) fn on_message_sound(&mut self, samples: Vec<i16>, out: &mut Vec<Output>) {
        if let Some(message) = &mut self.message {
            message.speech.feed(&samples);
            out.push(Effect::MessageSound(samples).into());
        }
    }

    pub(super) fn on_message_quiet(&mut self, samples: usize, out: &mut Vec<Output>) {
        if let Some(message) = &mut self.message {
            message.speech.feed_silence(samples);
            out.push(Effect::MessageQuiet(samples).into());
        }
    }

    /// The recording ended; `rest` is what was not reported yet.
    pub(super) fn on_message_recorded(&mut self, now: Instant, rest: Vec<i16>, out: &mut Vec<Output>) {
        self.on_message_sound(rest, out);
        let Some(message) = &self.message else { return };
        out.push(Effect::MessageEnds.into());
        let length = message.speech.duration();
        self.feed_application(now, flow::Input::Recorded(RecordResult::Recorded { length }), out);
    }

    pub(super) fn keep_message(
        &mut self,
        notify: Arc<str>,
        keep: Duration,
        number: Option<Private<String>>,
        out: &mut Vec<Output>,
    ) {
        self.message = None;
        self.cdr.message(MessageResult::Sent);
        out.push(Effect::KeepMessage { notify, keep, number }.into());
    }

    /// A caller who has gone on without sending the message has left none.
    pub(super) fn forget_unsent_message(&mut self, out: &mut Vec<Output>) {
        if let Some(Application::Hotline(conversation)) = &self.application
            && self.message.is_some()
            && !conversation.is_recording()
        {
            let message = self.message.take();
            let is_heard = message.is_some_and(|message| message.speech.duration() >= flow::SHORTEST_MESSAGE);
            self.cdr.message(if is_heard { MessageResult::Unsent } else { MessageResult::Empty });
            out.push(Effect::ForgetMessage.into());
        }
    }

    /// A caller who has sent the message and hangs up while asked about the number has left it.
    pub(super) fn keep_sent_message(&mut self, out: &mut Vec<Output>) {
        if let Some(Application::Hotline(conversation)) = &self.application
            && let Some((notify, keep)) = conversation.sent_message()
        {
            self.keep_message(notify, keep, None, out);
        }
    }

    /// Plays; a message is read first.
    pub(super) fn play(&mut self, id: PlayId, pieces: Vec<Piece>, out: &mut Vec<Output>) {
        self.stop_listening();
        match &mut self.message {
            Some(message) if pieces.contains(&Piece::Message) => {
                message.listening = Some(Listening { play: id, from: 0, more: true });
                out.push(Effect::ReadMessage { from: 0, most: STRETCH }.into());
            }
            Some(_) | None => out.push(Effect::Media(MediaCommand::Play { id, pieces }).into()),
        }
    }

    pub(super) fn stop(&mut self, out: &mut Vec<Output>) {
        self.stop_listening();
        out.push(Effect::Media(MediaCommand::Stop).into());
    }

    fn stop_listening(&mut self) {
        if let Some(message) = &mut self.message {
            message.listening = None;
        }
    }

    /// A stretch of the message came; none: it cannot be read, and is over for its caller.
    pub(super) fn on_message_read(
        &mut self,
        now: Instant,
        from: usize,
        samples: Option<Vec<i16>>,
        out: &mut Vec<Output>,
    ) {
        let codec = self.negotiated.as_ref().map_or(Codec::Alaw, |negotiated| negotiated.codec);
        let listening = self.message.as_mut().and_then(|message| message.listening.as_mut());
        let Some(listening) = listening.filter(|listening| listening.from == from && listening.more) else { return };
        let samples = samples.unwrap_or_default();
        let play = listening.play;
        listening.more = samples.len() == STRETCH;
        if from == 0 && samples.is_empty() {
            return self.feed_application(now, flow::Input::Played(play), out);
        }
        let take = Take::in_law(&samples, codec);
        if from > 0 {
            if !samples.is_empty() {
                out.push(Effect::Media(MediaCommand::LoadNext(take)).into());
            }
            return;
        }
        out.push(Effect::Media(MediaCommand::Load(take)).into());
        out.push(Effect::Media(MediaCommand::Play { id: play, pieces: vec![Piece::Message] }).into());
        self.on_next_take(play, out);
    }

    /// A stretch began to play: the next one is read meanwhile.
    pub(super) fn on_next_take(&mut self, play: PlayId, out: &mut Vec<Output>) {
        let listening = self.message.as_mut().and_then(|message| message.listening.as_mut());
        if let Some(listening) = listening.filter(|listening| listening.play == play && listening.more) {
            listening.from += STRETCH;
            out.push(Effect::ReadMessage { from: listening.from, most: STRETCH }.into());
        }
    }
}

/// Samples that are read at once: 3.6 s, and whole packets of every length.
const STRETCH: usize = 28_800;
