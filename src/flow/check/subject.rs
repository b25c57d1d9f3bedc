//! What the checks read, and how they report.

use std::sync::Arc;

use base::Bilingual;

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
    pub(super) fn diagnostic(
        &self,
        code: &'static str,
        line: u32,
        what: impl Into<Bilingual>,
        remedy: impl Into<Bilingual>,
    ) -> Diagnostic {
        Diagnostic { code, file: self.file.clone(), line, message: what.into(), remedy: remedy.into() }
    }
}
