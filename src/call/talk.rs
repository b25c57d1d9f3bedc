//! What a caller talks to: the hotline or the line test.

use std::time::Instant;

use crate::base::{Deadline, Lang};
use crate::flow::{Conversation, Input, Output};

use super::line_test::LineTest;

/// The other side of a conversation.
pub enum Talk {
    Hotline(Box<Conversation>),
    LineTest(LineTest),
}

impl Talk {
    pub(super) fn handle_input(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match self {
            Talk::Hotline(conversation) => conversation.handle_input(now, input),
            Talk::LineTest(test) => test.handle_input(&input),
        }
    }

    pub(super) fn set_emergency(&mut self, on: bool) {
        match self {
            Talk::Hotline(conversation) => conversation.set_emergency(on),
            Talk::LineTest(_) => {}
        }
    }

    pub(super) fn set_lang(&mut self, lang: Lang) {
        match self {
            Talk::Hotline(conversation) => conversation.set_lang(lang),
            Talk::LineTest(_) => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        match self {
            Talk::Hotline(conversation) => conversation.deadline(),
            Talk::LineTest(_) => None,
        }
    }

    pub(super) fn is_line_test(&self) -> bool {
        match self {
            Talk::Hotline(_) => false,
            Talk::LineTest(_) => true,
        }
    }
}
