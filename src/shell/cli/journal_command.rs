//! `jindu journal …`: deletions that wait for a person.

use std::path::Path;

use journal::{HeldDeletion, JournalError};

use crate::args::JournalCommand;
use crate::exit::print;

/// Shows or confirms what is held, with a serving node or without one.
pub(crate) fn run(folder: &Path, command: JournalCommand) -> Result<(), String> {
    let JournalCommand::Held { decision, json } = command;
    let line = |error: JournalError| error.to_string();
    if decision.is_some() {
        journal::confirm_held(folder).map_err(line)?;
    }
    let held = journal::held(folder).map_err(line)?;
    if json {
        let text = serde_json::to_string_pretty(&held).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
    } else if held.is_empty() {
        print("nothing is held\n");
    } else {
        print(held.iter().map(|held: &HeldDeletion| format!("{held}\n")).collect::<String>());
    }
    Ok(())
}
