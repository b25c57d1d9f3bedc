//! `jindu messages …`: messages that callers left, with a serving node or without one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use base::{Bilingual, Private, bilingual, plural};
use config::Settings;
use journal::messages::read_recording;
use journal::{StoredMessage, mark_done, stored_messages};
use os::{clock, io_fault, sealed_file};
use release::releases;
use replica_store::open_text;

use crate::args::by::By;
use crate::args::messages::MessageCommand;
use crate::exit::print;
use crate::local_time::{rfc3339, shown, zone};
use crate::replica_commands::keys;
use crate::say::{say, text};

/// Runs the command.
///
/// # Errors
/// There is no such message, or a file cannot be read or written.
pub(crate) fn run(settings: &Settings, command: &MessageCommand) -> Result<(), Bilingual> {
    match command {
        MessageCommand::List { new, json } => list(settings, *new, *json),
        MessageCommand::Play { ticket, out, by } => play(settings, ticket, out.as_deref(), by),
        MessageCommand::Done { ticket, by } => done(settings, ticket, by),
        MessageCommand::Export { folder, new, by } => export(settings, folder, *new, by),
    }
}

fn messages(settings: &Settings, new: bool) -> Result<Vec<StoredMessage>, Bilingual> {
    let mut all = stored_messages(&settings.data.folder)?;
    all.retain(|message| !new || message.done.is_none());
    Ok(all)
}

fn list(settings: &Settings, new: bool, json: bool) -> Result<(), Bilingual> {
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
            None => text!("new", "待办"),
            Some((at, by)) => {
                let at = shown(*at, &zone);
                text!("done {at} by {by}", "已于 {at} 由 {by} 处理")
            }
        };
        let length = message.length.as_secs();
        let lost = match is_there(message) {
            true => String::new(),
            false => text!("  (the recording is missing)", "  （录音缺失）"),
        };
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
    print(text);
    let (all, s) = (messages.len(), plural(messages.len()));
    say!("{all} message{s}, {waiting} new", "共 {all} 条留言，待办 {waiting} 条");
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

fn find(settings: &Settings, ticket: &str) -> Result<StoredMessage, Bilingual> {
    // Callers hear and write it in groups.
    let bare: String = ticket.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let found = stored_messages(&settings.data.folder)?.into_iter().find(|message| message.ticket == bare);
    found.ok_or_else(|| {
        bilingual!("there is no message {ticket}; see jindu messages list", "没有留言 {ticket}；见 jindu messages list")
    })
}

/// Where the sound of a message goes.
enum Output<'a> {
    /// It stays where it is.
    Nowhere,
    Standard,
    File(File, &'a Path),
}

impl Output<'_> {
    /// Removes the file again, into which nothing was written.
    fn discard(&self) {
        if let Output::File(_, at) = self {
            let _ = fs::remove_file(at);
        }
    }
}

/// The audit log comes first: nothing is heard that it does not name.
fn play(settings: &Settings, ticket: &str, out: Option<&Path>, by: &By) -> Result<(), Bilingual> {
    let message = find(settings, ticket)?;
    let (ticket, recording) = (&message.ticket, recording(&message)?);
    let failed = |error: io::Error| io_fault(recording, &error);
    let (_, sealed) = sealed_file::text_length(recording).map_err(failed)?;
    if sealed && out.is_none() {
        return Err(bilingual!(
            "{} is sealed: name a file for the sound in clear with --out",
            "{} 已加密：请用 --out 写明存放明文录音的文件",
            recording.display()
        ));
    }
    let sound = read_recording(recording).map_err(failed)?;
    // Before the audit log says that it was heard: the file can be made.
    let by = by.asked()?;
    let to = match out {
        None => Output::Nowhere,
        Some(out) if out == Path::new("-") => Output::Standard,
        Some(out) => Output::File(new_file(out)?, out),
    };
    releases::append_audit(settings, &by.entry(&format!("message play {ticket}"), None))
        .inspect_err(|_| to.discard())?;
    let beside = !matches!(to, Output::Standard);
    match to {
        Output::Nowhere => print(format!("{}\n", recording.display())),
        Output::Standard => {
            let mut to = io::stdout().lock();
            to.write_all(&sound).and_then(|()| to.flush()).map_err(|error| error.to_string())?;
        }
        Output::File(file, at) => {
            fill(file, &sound, at)?;
            say!("message {ticket} is in {}", "留言 {ticket} 已写入 {}", at.display());
        }
    }
    // Beside the sound, and not within it.
    if beside && let Some(number) = number(settings, &message)? {
        say!("call back {}", "回拨号码 {}", number.expose());
    }
    Ok(())
}

/// The number that the caller agreed to leave; `None` without consent, or under another installation's secret.
fn number(settings: &Settings, message: &StoredMessage) -> Result<Option<Private<String>>, Bilingual> {
    let Some(sealed) = &message.number else { return Ok(None) };
    Ok(open_text(&keys(settings)?, sealed))
}

fn recording(message: &StoredMessage) -> Result<&Path, Bilingual> {
    let named = message.recording.as_deref();
    named.ok_or_else(|| {
        bilingual!(
            "message {}: its row names no file of the data folder",
            "留言 {}：记录中没有数据文件夹内的文件",
            message.ticket
        )
    })
}

/// A new file that only its owner may read.
fn new_file(at: &Path) -> Result<File, Bilingual> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(at);
    made.map_err(|error| io_fault(at, &error))
}

/// Writes a new file that only its owner may read.
fn write_new(sound: &[u8], to: &Path) -> Result<(), Bilingual> {
    fill(new_file(to)?, sound, to)
}

fn fill(mut file: File, sound: &[u8], at: &Path) -> Result<(), Bilingual> {
    file.write_all(sound).and_then(|()| file.sync_all()).map_err(|error| io_fault(at, &error))
}

fn done(settings: &Settings, ticket: &str, by: &By) -> Result<(), Bilingual> {
    let (message, by) = (find(settings, ticket)?, by.asked()?);
    let ticket = &message.ticket;
    if mark_done(&settings.data.folder, &message.ticket, clock::timestamp(), &by.name())? {
        releases::append_audit(settings, &by.entry(&format!("message done {ticket}"), None))?;
        say!("message {ticket} is done", "留言 {ticket} 已标为已处理");
    } else {
        let who = find(settings, ticket)?.done;
        let who = who.map_or_else(Bilingual::default, |(_, who)| bilingual!(", by {who}", "（{who}）"));
        say!("message {ticket} was done already{who}", "留言 {ticket} 此前已处理{who:#}");
    }
    Ok(())
}

fn export(settings: &Settings, folder: &Path, new: bool, by: &By) -> Result<(), Bilingual> {
    let failed = |error: io::Error| io_fault(folder, &error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(bilingual!(
            "{} is not empty: name a new folder",
            "{} 不是空文件夹：请写新的文件夹",
            folder.display()
        ));
    }
    let (messages, zone) = (messages(settings, new)?, zone(settings));
    releases::append_audit(settings, &by.asked()?.entry(&format!("message export {}", messages.len()), None))?;
    let mut table = String::from("ticket,at,length_s,mailbox,state,file,number\n");
    let mut missing = 0;
    for message in &messages {
        let name = format!("{}.wav", message.ticket);
        let file = match message.recording.as_ref().filter(|path| path.is_file()) {
            Some(path) => {
                let sound = read_recording(path).map_err(|error| io_fault(path, &error))?;
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
    let (n, s) = (messages.len(), plural(messages.len()));
    say!("{n} message{s} written to {}", "{n} 条留言已写入 {}", folder.display());
    if missing > 0 {
        return Err(bilingual!(
            "recordings missing: {missing}; messages.csv says which",
            "缺少 {missing} 条录音；messages.csv 中有说明"
        ));
    }
    Ok(())
}
