//! `jindu recording …`: recorded conversations, with a serving node or without one.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use base::{Bilingual, bilingual, plural};
use config::Settings;
use journal::{RecordingFilter, RecordingSound, StoredRecording, forget_recording, recording, recordings};
use os::io_fault;
use release::releases;
use studio_store::accounts::initial;

use crate::agent::{is_queue, unknown_queue};
use crate::args::by::By;
use crate::args::recording::RecordingCommand;
use crate::exit::print;
use crate::local_time::{read, read_past, rfc3339, shown, zone};
use crate::say::{say, text};

/// Runs the command.
///
/// # Errors
/// There is no such recording, or a file cannot be read or written.
pub(crate) fn run(settings: &Settings, command: &RecordingCommand) -> Result<(), Bilingual> {
    match command {
        RecordingCommand::List { since, before, queue, agent, json } => {
            let zone = zone(settings);
            let from = since.as_ref().map(|word| read_past(word, &zone)).transpose()?;
            let until = before.as_ref().map(|word| read(word, &zone)).transpose()?;
            let filter = RecordingFilter { from, until, queue: queue.clone(), agent: agent.clone() };
            list(settings, &filter, *json, &zone)
        }
        RecordingCommand::Export { id, out, by } => export(settings, id, out, by),
        RecordingCommand::Delete { id, by } => delete(settings, id, by),
    }
}

fn list(settings: &Settings, filter: &RecordingFilter, json: bool, zone: &TimeZone) -> Result<(), Bilingual> {
    let found = recordings(&settings.data.folder, filter)?;
    if found.is_empty() {
        names_are_known(settings, filter)?;
    }
    if json {
        let rows: Vec<Value> = found.iter().map(|one| to_json(one, zone)).collect();
        let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
        return Ok(());
    }
    let mut lines = String::new();
    for one in &found {
        let length = match one.length {
            Some(length) => format!("{:>3}:{:02}", length.as_secs() / 60, length.as_secs() % 60),
            None => text!("  now ", " 进行中"),
        };
        let paused: Duration = one.pauses.iter().map(|(from, to)| to.saturating_sub(*from)).sum();
        let (count, s, paused) = (one.pauses.len(), plural(one.pauses.len()), paused.as_secs());
        let pauses = match count {
            0 => String::new(),
            _ => text!("  {count} pause{s}, {paused} s", "  暂停 {count} 次，{paused} 秒"),
        };
        let cut = match one.is_whole || one.length.is_none() {
            true => String::new(),
            false => text!("  (cut short)", "  （不完整）"),
        };
        let call = one.call.as_deref().unwrap_or("-");
        let (id, at, queue, agent) = (&one.id, shown(one.at, zone), &one.queue, &one.agent);
        lines.push_str(&format!("{id}  {at}  {length}  {queue:<12} {agent:<12} {call}{pauses}{cut}\n"));
    }
    print(lines);
    let (n, s) = (found.len(), plural(found.len()));
    say!("{n} recording{s}", "共 {n} 条录音");
    Ok(())
}

/// Recordings outlive the queue and the account that they name: only where there is none, a name may be mistyped.
fn names_are_known(settings: &Settings, filter: &RecordingFilter) -> Result<(), Bilingual> {
    if let Some(queue) = filter.queue.as_ref().filter(|name| !is_queue(settings, name)) {
        return Err(unknown_queue(queue));
    }
    let Some(agent) = &filter.agent else { return Ok(()) };
    let accounts = initial::open(settings).and_then(|accounts| accounts.list()).map_err(|error| error.text())?;
    if accounts.iter().any(|row| row.operator.name == *agent) {
        return Ok(());
    }
    Err(bilingual!(
        "there is no account {agent}; jindu studio account list shows all [recording.agent]",
        "没有账号 {agent}；见 jindu studio account list [recording.agent]"
    ))
}

/// A recording as JSON.
pub(crate) fn to_json(one: &StoredRecording, zone: &TimeZone) -> Value {
    let pauses: Vec<[f64; 2]> = one.pauses.iter().map(|(from, to)| [from.as_secs_f64(), to.as_secs_f64()]).collect();
    json!({
        "id": one.id,
        "at": rfc3339(one.at, zone),
        "queue": one.queue,
        "agent": one.agent,
        "call": one.call,
        "length_s": one.length.map(|length| length.as_secs_f64()),
        "pauses": pauses,
        "whole": one.is_whole,
        "keep_until": rfc3339(one.keep_until, zone),
        "file_exists": one.path.is_file(),
    })
}

fn find(settings: &Settings, id: &str) -> Result<StoredRecording, Bilingual> {
    let found = recording(&settings.data.folder, id)?;
    let found = found.ok_or_else(|| {
        bilingual!(
            "there is no recording {id}; see jindu recording list [recording.none]",
            "没有录音 {id}；见 jindu recording list [recording.none]"
        )
    })?;
    if found.length.is_none() {
        return Err(bilingual!(
            "recording {id} is still being written: wait for the end of the conversation [recording.in_progress]",
            "录音 {id} 仍在进行：请等通话结束 [recording.in_progress]"
        ));
    }
    Ok(found)
}

/// The audit log comes first: no sound leaves that it does not name.
fn export(settings: &Settings, id: &str, out: &Path, by: &By) -> Result<(), Bilingual> {
    let found = find(settings, id)?;
    let failed = |error: io::Error| io_fault(&found.path, &error);
    let sound = RecordingSound::open(&found.path, found.is_whole).map_err(failed)?;
    // A wrong key is found before a file is made, and before the audit log says that it was.
    sound.read(0, 4096).map_err(failed)?;
    let by = by.asked()?;
    let to_failed = |error: io::Error| io_fault(out, &error);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out).map_err(to_failed)?;
    let written = releases::append_audit(settings, &by.entry(&format!("recording export {id}"), None));
    let written = written.and_then(|()| {
        let mut to = BufWriter::new(made);
        sound.write_to(&mut to).map_err(failed)?;
        to.flush().and_then(|()| to.get_ref().sync_all()).map_err(to_failed)
    });
    if let Err(error) = written {
        let _ = fs::remove_file(out);
        return Err(error);
    }
    say!("recording {id} is in {}", "录音 {id} 已写入 {}", out.display());
    Ok(())
}

/// The file goes before its row, so that no sound is left that no list shows.
fn delete(settings: &Settings, id: &str, by: &By) -> Result<(), Bilingual> {
    let found = find(settings, id)?;
    releases::append_audit(settings, &by.asked()?.entry(&format!("recording delete {id}"), None))?;
    match fs::remove_file(&found.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_fault(&found.path, &error)),
        Ok(()) | Err(_) => {}
    }
    forget_recording(&settings.data.folder, id)?;
    say!("recording {id} is deleted", "录音 {id} 已删除");
    Ok(())
}
