//! What a call does for the recording service alone.

use std::time::Instant;

use super::{Call, Output, State};
use crate::control::Command;
use crate::studio::{self, Ask};
use crate::talk::Talk;
use audio::Take;

impl Call {
    /// Tells the recording service, if the call is one to it; what it does not take comes back.
    pub(super) fn tell_studio(&mut self, now: Instant, input: studio::Input, out: &mut Vec<Output>) {
        let talking = self.state == State::Talking;
        if let Some(studio) = self.talk.as_mut().filter(|_| talking).and_then(Talk::studio) {
            for output in studio.handle_input(now, input) {
                self.hear_talk(now, output, out);
            }
        }
    }

    /// What only the recording service says.
    pub(super) fn hear_studio(&mut self, output: studio::Output, out: &mut Vec<Output>) {
        out.push(match output {
            studio::Output::Record { max } => Output::Media(Command::Record { max, telling: true }),
            studio::Output::Load(samples) => Output::Media(Command::Load(Take::of(&samples))),
            studio::Output::Ask(ask) => Output::Studio(ask),
            studio::Output::Talk(_) => return,
        });
    }

    /// A recording ended. The end of a call ends its recording, and that is told when the call is over.
    pub(super) fn studio_recorded(
        &mut self,
        now: Instant,
        samples: Vec<i16>,
        packets_lost: u64,
        out: &mut Vec<Output>,
    ) {
        if self.state == State::Talking {
            self.tell_studio(now, studio::Input::Recorded { samples, packets_lost }, out);
        } else {
            out.push(Output::Studio(Ask::Last { samples }));
        }
    }
}
