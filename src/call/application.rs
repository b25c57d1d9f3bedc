//! The application of a call: what a caller is connected to.

use base::{Deadline, Lang};
use flow::Conversation;

use super::line_test::LineTest;
use super::recording_session::Studio;

/// The application of one call, by the number that was dialled.
pub enum Talk {
    /// The hotline's flow.
    Hotline(Box<Conversation>),
    /// The line test, which commissions a trunk.
    LineTest(LineTest),
    /// An operator's recording session.
    Studio(Box<Studio>),
}

impl Talk {
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
            Talk::Studio(session) => session.deadline(),
        }
    }

    pub(super) fn is_line_test(&self) -> bool {
        match self {
            Talk::Hotline(_) | Talk::Studio(_) => false,
            Talk::LineTest(_) => true,
        }
    }
}
