//! The line test: a tone, then every key read back, to commission a trunk.
//!
//! ```text
//!            key                         all read
//!  Tone ───────────► Reading(keys left) ──────────► Listening
//!                        ▲      │ key                  │ key
//!                        └──────┘ ◄────────────────────┘
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base::{Key, Lang};
use flow::{Input, Output, PlayId};
use inquiry::LINE_TEST_STEP;
use speech::{Clip, Piece};

/// One call to the line test's number.
#[derive(Debug)]
pub struct LineTest {
    lang: Lang,
    plays: u32,
    reading: bool,
    keys: VecDeque<Key>,
}

impl LineTest {
    /// A line test that reads keys back in one language.
    pub fn new(lang: Lang) -> Self {
        LineTest { lang, plays: 0, reading: false, keys: VecDeque::new() }
    }

    /// Takes what a conversation takes, and gives what it gives.
    #[must_use]
    pub fn handle_input(&mut self, input: &Input) -> Vec<Output> {
        match input {
            Input::Start => vec![Output::Step { node: LINE_TEST_STEP.into() }, self.play(vec![Piece::Tone(TONE)])],
            Input::Key(key) => {
                if self.keys.len() < KEYS_WAITING_MAX {
                    self.keys.push_back(*key);
                }
                if self.reading { Vec::new() } else { self.read_next() }
            }
            Input::Played(id) if id.0 == self.plays && self.reading => self.read_next(),
            Input::Played(_)
            | Input::LookedUp(_)
            | Input::TransferEnded(_)
            | Input::StartCallBack
            | Input::Queue(_)
            | Input::CallBackBooked(_)
            | Input::TextAccepted(_)
            | Input::Recorded(_)
            | Input::RecordingSaved(_)
            | Input::Deadline => Vec::new(),
        }
    }

    fn read_next(&mut self) -> Vec<Output> {
        let key = self.keys.pop_front();
        self.reading = key.is_some();
        let Some(key) = key else { return Vec::new() };
        let clip = Clip { lang: self.lang, id: clip_of(key) };
        vec![self.play(vec![Piece::Clip(clip), Piece::Silence(PAUSE)])]
    }

    fn play(&mut self, pieces: Vec<Piece>) -> Output {
        self.plays += 1;
        Output::Play { id: PlayId(self.plays), pieces }
    }
}

/// The recordings that a line test needs.
pub fn line_test_clips() -> impl Iterator<Item = Arc<str>> {
    (0..=9).map(Key::Digit).chain([Key::Star, Key::Pound]).map(clip_of)
}

fn clip_of(key: Key) -> Arc<str> {
    match key {
        Key::Digit(digit) => format!("key.{digit}").into(),
        Key::Star => "key.star".into(),
        Key::Pound => "key.pound".into(),
    }
}

/// The longest time that the tone plays before the first key.
const TONE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(120);
const KEYS_WAITING_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(outputs: &[Output]) -> Vec<Piece> {
        let play = |output: &Output| match output {
            Output::Play { pieces, .. } => pieces.clone(),
            Output::Step { .. } => Vec::new(),
            other => panic!("a line test only plays, not {other:?}"),
        };
        outputs.iter().flat_map(play).collect()
    }

    #[test]
    fn a_tone_plays_until_the_first_key_is_read_back() {
        let mut test = LineTest::new(Lang::En);
        assert_eq!(pieces(&test.handle_input(&Input::Start)), [Piece::Tone(TONE)]);
        let read = pieces(&test.handle_input(&Input::Key(Key::Digit(7))));
        assert_eq!(read[0], Piece::Clip(Clip { lang: Lang::En, id: "key.7".into() }));
    }

    #[test]
    fn keys_pressed_fast_are_all_read_back_in_order() {
        let mut test = LineTest::new(Lang::Zh);
        let _ = test.handle_input(&Input::Start);
        let mut heard = pieces(&test.handle_input(&Input::Key(Key::Star)));
        assert!(test.handle_input(&Input::Key(Key::Pound)).is_empty());
        assert!(test.handle_input(&Input::Key(Key::Digit(0))).is_empty());
        for play in 2..=4 {
            heard.extend(pieces(&test.handle_input(&Input::Played(PlayId(play)))));
        }
        let clips: Vec<String> = heard
            .iter()
            .filter_map(|piece| if let Piece::Clip(clip) = piece { Some(clip.id.to_string()) } else { None })
            .collect();
        assert_eq!(clips, ["key.star", "key.pound", "key.0"]);
    }
}
