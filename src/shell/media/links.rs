//! Which sessions a session hears, and which hear it; changed by `bridge.rs`.

use super::id::SessionId;
use call::{LISTENERS_MAX, SOURCES_MAX};

/// Whom a session hears, and who hears it.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub hears: [Option<SessionId>; SOURCES_MAX],
    /// A listener's place is that of its relay.
    pub heard_by: [Option<SessionId>; LISTENERS_MAX],
}

impl Links {
    /// Whether the session hears another one.
    pub(super) fn hear(&self) -> bool {
        self.hears.iter().any(Option::is_some)
    }

    /// Whether the session hears this one.
    pub(super) fn hears(&self, source: SessionId) -> bool {
        self.hears.contains(&Some(source))
    }
}
