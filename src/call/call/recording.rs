//! What a call does for a recording session alone.

use std::time::Instant;

use super::{Call, Effect, Output, State};
use crate::application::Application;
use crate::media_control::{MediaCommand, RecordMode};
use crate::recording_session::{Input as RecordingInput, Output as RecordingOutput, StudioRequest};
use inquiry::CallOutcome;

impl Call {
    /// Feeds the recording session, if the call has one.
    pub(super) fn feed_recording(&mut self, now: Instant, input: RecordingInput, out: &mut Vec<Output>) {
        if self.state != State::Talking {
            return;
        }
        let Some(Application::Recording(session)) = &mut self.application else { return };
        for output in session.handle_input(now, input) {
            self.on_recording_output(now, output, out);
        }
    }

    fn on_recording_output(&mut self, now: Instant, output: RecordingOutput, out: &mut Vec<Output>) {
        let effect = match output {
            RecordingOutput::Play { id, pieces } => Effect::Media(MediaCommand::Play { id, pieces }),
            RecordingOutput::Stop => Effect::Media(MediaCommand::Stop),
            RecordingOutput::Record { max } => Effect::Media(MediaCommand::Record { max, mode: RecordMode::Whole }),
            RecordingOutput::StopRecord => Effect::Media(MediaCommand::StopRecord),
            RecordingOutput::Load(take) => Effect::Media(MediaCommand::Load(take)),
            RecordingOutput::Ask(ask) => Effect::Studio(ask),
            RecordingOutput::Step { node } => return self.cdr.step(node),
            RecordingOutput::Lang(lang) => return self.cdr.lang(lang),
            RecordingOutput::HangUp => return self.end(now, CallOutcome::Finished, None, out),
        };
        out.push(effect.into());
    }

    /// A recording ended. The end of a call also ends its recording, which then arrives after the session is gone.
    pub(super) fn on_operator_recorded(
        &mut self,
        now: Instant,
        samples: Vec<i16>,
        packets_lost: u64,
        out: &mut Vec<Output>,
    ) {
        if self.state == State::Talking {
            self.feed_recording(now, RecordingInput::Recorded { samples, packets_lost }, out);
        } else {
            out.push(Effect::Studio(StudioRequest::LastRecording { samples }).into());
        }
    }
}
