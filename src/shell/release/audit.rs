//! The audit log of releases, `audit.jsonl`: one JSON object per line, only appended to.

use std::fs;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use base::Bilingual;
use config::Settings;

use crate::layout::folder;

/// One line of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// When it was done.
    pub at: jiff::Timestamp,
    /// `publish`, `publish prompts`, `rollback`, `emergency on`, `emergency off`, the start or end of a `trunk trace`, or
    /// `message play`, `message done`, each with the ticket, or `message export` with the number of messages.
    pub what: String,
    /// The release that went live; `None` where the live release stayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The person, as given on the command line or by the signed-in account.
    pub who: String,
    /// The reason that was given; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Appends to the audit log.
///
/// # Errors
/// The log cannot be written.
pub fn append_audit(settings: &Settings, entry: &Entry) -> Result<(), Bilingual> {
    let path = folder(settings).join("audit.jsonl");
    let failed = |error: io::Error| os::io_fault(&path, &error);
    fs::create_dir_all(folder(settings)).map_err(failed)?;
    let line = serde_json::to_string(entry).map_err(|error| error.to_string())?;
    let mut file = fs::OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
    file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// The audit log, oldest entry first. An unreadable line is left out.
pub fn audit(settings: &Settings) -> Vec<Entry> {
    let text = fs::read_to_string(folder(settings).join("audit.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
