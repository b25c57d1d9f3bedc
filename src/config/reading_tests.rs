//! Settings of a few lines, read by tests.

use std::path::Path;

use crate::{Diagnostic, Settings, read};

/// The settings of these lines and a receipt format.
pub(crate) fn reads(text: &str) -> Result<Settings, Vec<Diagnostic>> {
    let receipt = "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";
    read(&format!("{text}{receipt}"), &[], Path::new("/nowhere"))
}

/// The keys that are wrong.
pub(crate) fn errors(text: &str) -> Vec<String> {
    let diagnostics = reads(text).err().unwrap_or_default();
    diagnostics.iter().map(|diagnostic| diagnostic.key.clone()).collect()
}
