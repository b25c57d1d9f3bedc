//! The application of a call: what a caller is connected to.

use base::{Deadline, Lang};
use flow::Conversation;

use super::line_test::LineTest;
use super::recording_session::RecordingSession;

/// The application of one call, by the number that was dialled.
pub enum Application {
    /// The hotline's flow.
    Hotline(Box<Conversation>),
    /// The line test, which commissions a trunk.
    LineTest(LineTest),
    /// An operator's recording session.
    Recording(Box<RecordingSession>),
}

impl Application {
    pub(super) fn set_emergency(&mut self, on: bool) {
        match self {
            Application::Hotline(conversation) => conversation.set_emergency(on),
            Application::LineTest(_) | Application::Recording(_) => {}
        }
    }

    pub(super) fn set_lang(&mut self, lang: Lang) {
        match self {
            Application::Hotline(conversation) => conversation.set_lang(lang),
            Application::LineTest(_) | Application::Recording(_) => {}
        }
    }

    /// The language of the flow's conversation.
    pub(super) fn lang(&self) -> Option<Lang> {
        match self {
            Application::Hotline(conversation) => Some(conversation.lang()),
            Application::LineTest(_) | Application::Recording(_) => None,
        }
    }

    /// Whether what a caller enters under this name is never shown.
    pub(super) fn is_secret(&self, name: &str) -> bool {
        match self {
            Application::Hotline(conversation) => conversation.release().flow.is_secret(name),
            Application::LineTest(_) | Application::Recording(_) => true,
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        match self {
            Application::Hotline(conversation) => conversation.deadline(),
            Application::LineTest(_) => None,
            Application::Recording(session) => session.deadline(),
        }
    }

    pub(super) fn is_line_test(&self) -> bool {
        match self {
            Application::Hotline(_) | Application::Recording(_) => false,
            Application::LineTest(_) => true,
        }
    }
}
