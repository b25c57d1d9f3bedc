//! `jindu journal …`: deletions that wait for a person.

use jiff::tz::TimeZone;

use base::Bilingual;
use config::Settings;
use journal::{HeldDeletion, JournalError};

use crate::args::JournalCommand;
use crate::exit::print;
use crate::local_time::{shown, zone};
use crate::say::say;

/// Shows or confirms what is held, with a serving node or without one.
pub(crate) fn run(settings: &Settings, command: JournalCommand) -> Result<(), Bilingual> {
    let folder = &settings.data.folder;
    let JournalCommand::Held { decision, json } = command;
    let line = |error: JournalError| error.text();
    if decision.is_some() {
        journal::confirm_held(folder).map_err(line)?;
    }
    let held = journal::held(folder).map_err(line)?;
    if json {
        let text = serde_json::to_string_pretty(&held).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
    } else if held.is_empty() {
        say!("nothing is held", "没有暂缓的删除");
    } else {
        let zone = zone(settings);
        held.iter().for_each(|held| say_held(held, &zone));
    }
    Ok(())
}

fn say_held(held: &HeldDeletion, zone: &TimeZone) {
    let HeldDeletion { what, due, total, before, since, confirmed } = held;
    let (before, since) = (shown(*before, zone), shown(*since, zone));
    let state = match confirmed {
        true => Bilingual::fixed("confirmed", "已确认"),
        false => Bilingual::fixed("waiting for jindu journal held apply", "请执行 jindu journal held apply"),
    };
    say!(
        "{what}: {due} of {total} are due, from before {before}; held since {since}; {state}",
        "{what}：{total} 条中有 {due} 条到期（早于 {before}）；自 {since} 起暂缓；{state:#}"
    );
}
