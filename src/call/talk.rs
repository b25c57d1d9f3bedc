//! What a caller talks to: the hotline, the line test or the recording service.

use std::time::Instant;

use base::{Deadline, Lang};
use flow::{Conversation, Input};

use super::line_test::LineTest;
use super::studio::{self, Output, Studio};

/// The other side of a conversation.
pub enum Talk {
    Hotline(Box<Conversation>),
    LineTest(LineTest),
    Studio(Box<Studio>),
}

impl Talk {
    pub(super) fn handle_input(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match self {
            Talk::Hotline(conversation) => said(conversation.handle_input(now, input)),
            Talk::LineTest(test) => said(test.handle_input(&input)),
            Talk::Studio(studio) => {
                let input = match input {
                    Input::Start => studio::Input::Start,
                    Input::Key(key) => studio::Input::Key(key),
                    Input::Played(id) => studio::Input::Played(id),
                    Input::Deadline => studio::Input::Deadline,
                    // Answers to what only the hotline asks.
                    Input::LookedUp(_) | Input::Transferred(_) | Input::Recorded(_) | Input::Ticket(_) => {
                        return Vec::new();
                    }
                };
                studio.handle_input(now, input)
            }
        }
    }

    /// The recording service, if it is that.
    pub(super) fn studio(&mut self) -> Option<&mut Studio> {
        match self {
            Talk::Studio(studio) => Some(studio),
            Talk::Hotline(_) | Talk::LineTest(_) => None,
        }
    }

    pub(super) fn set_emergency(&mut self, on: bool) {
        match self {
            Talk::Hotline(conversation) => conversation.set_emergency(on),
            Talk::LineTest(_) | Talk::Studio(_) => {}
        }
    }

    pub(super) fn set_lang(&mut self, lang: Lang) {
        match self {
            Talk::Hotline(conversation) => conversation.set_lang(lang),
            Talk::LineTest(_) | Talk::Studio(_) => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        match self {
            Talk::Hotline(conversation) => conversation.deadline(),
            Talk::LineTest(_) => None,
            Talk::Studio(studio) => studio.deadline(),
        }
    }

    pub(super) fn is_line_test(&self) -> bool {
        match self {
            Talk::Hotline(_) | Talk::Studio(_) => false,
            Talk::LineTest(_) => true,
        }
    }
}

fn said(outputs: Vec<flow::Output>) -> Vec<Output> {
    outputs.into_iter().map(Output::Talk).collect()
}
