//! `jindu messages …`: messages that callers left, with a serving node or without one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use base::Private;
use config::Settings;
use journal::messages::read_recording;
use journal::{StoredMessage, mark_done, stored_messages};
use os::{clock, sealed_file};
use release::releases;
use replica_store::open_text;

use crate::args::by::By;
use crate::args::messages::MessageCommand;
use crate::exit::print;
use crate::local_time::{rfc3339, shown, zone};
use crate::replica_commands::keys;

/// Runs the command.
///
/// # Errors
/// There is no such message, or a file cannot be read or written.
pub(crate) fn run(settings: &Settings, command: &MessageCommand) -> Result<(), String> {
    match command {
        MessageCommand::List { new, json } => list(settings, *new, *json),
        MessageCommand::Play { ticket, out, by } => play(settings, ticket, out.as_deref(), by),
        MessageCommand::Done { ticket, by } => done(settings, ticket, by),
        MessageCommand::Export { folder, new, by } => export(settings, folder, *new, by),
    }
}

fn messages(settings: &Settings, new: bool) -> Result<Vec<StoredMessage>, String> {
    let mut all = stored_messages(&settings.data.folder)?;
    all.retain(|message| !new || message.done.is_none());
    Ok(all)
}

fn list(settings: &Settings, new: bool, json: bool) -> Result<(), String> {
    let (messages, zone) = (messages(settings, new)?, zone(settings));
    if json {
        let rows: Vec<Value> = messages.iter().map(|message| to_json(message, &zone)).collect();
        let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
        return Ok(());
    }
    let mut text = String::new();
    for message in &messages {
        let state = match &message.done {
            None => "new".to_owned(),
            Some((at, by)) => format!("done {} by {by}", shown(*at, &zone)),
        };
        let length = message.length.as_secs();
        let lost = if is_there(message) { "" } else { "  (the recording is missing)" };
        text.push_str(&format!(
            "{:<10} {}  {:>2}:{:02}  {:<12} {state}{lost}\n",
            message.ticket,
            shown(message.at, &zone),
            length / 60,
            length % 60,
            message.notify
        ));
    }
    let waiting = messages.iter().filter(|message| message.done.is_none()).count();
    text.push_str(&format!("{} messages, {waiting} new\n", messages.len()));
    print(text);
    Ok(())
}

fn to_json(message: &StoredMessage, zone: &TimeZone) -> Value {
    json!({
        "ticket": message.ticket,
        "at": rfc3339(message.at, zone),
        "length_s": message.length.as_secs_f64(),
        "mailbox": message.notify,
        "state": if message.done.is_some() { "done" } else { "new" },
        "done_at": message.done.as_ref().map(|(at, _)| rfc3339(*at, zone)),
        "done_by": message.done.as_ref().map(|(_, by)| by),
        "keep_until": rfc3339(message.keep_until, zone),
        "number_kept": message.number.is_some(),
        "recording": message.recording,
        "recording_exists": is_there(message),
    })
}

fn is_there(message: &StoredMessage) -> bool {
    message.recording.as_ref().is_some_and(|recording| recording.is_file())
}

fn find(settings: &Settings, ticket: &str) -> Result<StoredMessage, String> {
    let found = stored_messages(&settings.data.folder)?.into_iter().find(|message| message.ticket == ticket);
    found.ok_or_else(|| format!("there is no message {ticket}; see jindu messages list"))
}

/// The audit log comes first: nothing is heard that it does not name.
fn play(settings: &Settings, ticket: &str, out: Option<&Path>, by: &By) -> Result<(), String> {
    let message = find(settings, ticket)?;
    let recording = recording(&message)?;
    let failed = |error: io::Error| format!("{}: {error}", recording.display());
    let (_, sealed) = sealed_file::text_length(recording).map_err(failed)?;
    if sealed && out.is_none() {
        return Err(format!("{} is sealed: name a file for the sound in clear with --out", recording.display()));
    }
    let sound = read_recording(recording).map_err(failed)?;
    releases::append_audit(settings, &by.entry(&format!("message play {ticket}"), None))?;
    match out {
        None => print(format!("{}\n", recording.display())),
        Some(out) if out == Path::new("-") => {
            let mut to = io::stdout().lock();
            to.write_all(&sound).and_then(|()| to.flush()).map_err(|error| error.to_string())?;
        }
        Some(out) => {
            write_new(&sound, out)?;
            print(format!("message {ticket} is in {}\n", out.display()));
        }
    }
    // Beside the sound, and not within it.
    if out.is_none_or(|out| out != Path::new("-"))
        && let Some(number) = number(settings, &message)?
    {
        print(format!("call back {}\n", number.expose()));
    }
    Ok(())
}

/// The number that the caller agreed to leave; `None` without consent, or under another installation's secret.
fn number(settings: &Settings, message: &StoredMessage) -> Result<Option<Private<String>>, String> {
    let Some(sealed) = &message.number else { return Ok(None) };
    Ok(open_text(&keys(settings)?, sealed))
}

fn recording(message: &StoredMessage) -> Result<&Path, String> {
    let named = message.recording.as_deref();
    named.ok_or_else(|| format!("message {}: its row names no file of the data folder", message.ticket))
}

/// Writes a new file that only its owner may read.
fn write_new(sound: &[u8], to: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", to.display());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    file.write_all(sound).and_then(|()| file.sync_all()).map_err(failed)
}

fn done(settings: &Settings, ticket: &str, by: &By) -> Result<(), String> {
    let message = find(settings, ticket)?;
    if mark_done(&settings.data.folder, &message.ticket, clock::timestamp(), &by.name())? {
        releases::append_audit(settings, &by.entry(&format!("message done {ticket}"), None))?;
        print(format!("message {ticket} is done\n"));
    } else {
        let who = find(settings, ticket)?.done.map_or_else(String::new, |(_, who)| format!(", by {who}"));
        print(format!("message {ticket} was done already{who}\n"));
    }
    Ok(())
}

fn export(settings: &Settings, folder: &Path, new: bool, by: &By) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(format!("{} is not empty: name a new folder", folder.display()));
    }
    let (messages, zone) = (messages(settings, new)?, zone(settings));
    releases::append_audit(settings, &by.entry(&format!("message export {}", messages.len()), None))?;
    let mut table = String::from("ticket,at,length_s,mailbox,state,file,number\n");
    let mut missing = 0;
    for message in &messages {
        let name = format!("{}.wav", message.ticket);
        let file = match message.recording.as_ref().filter(|path| path.is_file()) {
            Some(path) => {
                let sound = read_recording(path).map_err(|error| format!("{}: {error}", path.display()))?;
                write_new(&sound, &folder.join(&name))?;
                name.as_str()
            }
            None => {
                missing += 1;
                ""
            }
        };
        let state = if message.done.is_some() { "done" } else { "new" };
        let (at, length) = (rfc3339(message.at, &zone), message.length.as_secs_f64());
        let number = number(settings, message)?.map(Private::into_inner).unwrap_or_default();
        table.push_str(&format!("{},{at},{length:.1},{},{state},{file},{number}\n", message.ticket, message.notify));
    }
    let path = folder.join("messages.csv");
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    written.and_then(|mut file| file.write_all(table.as_bytes())).map_err(failed)?;
    print(format!("{} messages are in {}\n", messages.len(), folder.display()));
    if missing > 0 {
        return Err(format!("{missing} recordings are missing; messages.csv says which"));
    }
    Ok(())
}
