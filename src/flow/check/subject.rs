//! What the checks read, and how they report.

use std::sync::Arc;

use crate::calendar::Calendar;
use crate::model::Flow;
use speech::{Diagnostic, Script};

/// What is checked together.
pub(crate) struct Subject<'a> {
    pub flow: &'a Flow,
    pub file: &'a Arc<str>,
    pub script: &'a Script,
    pub calendar: &'a Calendar,
}

impl Subject<'_> {
    pub(super) fn complaint(
        &self,
        code: &'static str,
        line: u32,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic { code, file: self.file.clone(), line, message: what.into(), remedy: remedy.into() }
    }
}
