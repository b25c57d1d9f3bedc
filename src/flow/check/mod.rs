//! Checks of a whole release: every complaint in one run.

use std::sync::Arc;

use super::calendar::Calendar;
use super::model::Flow;
use crate::speech::{Complaint, Script};

/// What is checked together.
pub(super) struct Subject<'a> {
    pub flow: &'a Flow,
    pub file: &'a Arc<str>,
    pub script: &'a Script,
    pub calendar: &'a Calendar,
    pub calendar_file: &'a Arc<str>,
}

/// All checks that need more than one table.
pub(super) fn all(subject: &Subject<'_>) -> Vec<Complaint> {
    let _ = subject;
    Vec::new()
}
