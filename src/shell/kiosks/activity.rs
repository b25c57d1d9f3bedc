//! What the enrolled kiosks did, for metrics and for `jindu kiosk list`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What one kiosk did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When it asked last, in seconds since 1970; 0: never.
    pub seen_s: i64,
    /// The version of the page that it shows; empty if it did not say.
    pub version: String,
    /// Scans, photographs and spoken answers.
    pub scans: u64,
    /// Requests that were refused or failed.
    pub faults: u64,
}

impl Activity {
    /// When it asked last.
    pub fn seen(&self) -> Option<Timestamp> {
        (self.seen_s > 0).then(|| Timestamp::from_second(self.seen_s).ok()).flatten()
    }
}

/// By the kiosk's name.
pub(crate) type Activities = BTreeMap<String, Activity>;
