//! `jindu replica …`: how the copy is, and what an operator does to it.

use std::path::Path;
use std::process::ExitCode;

use inquiry::Keys;

use super::control::{self, Reply, Request};
use super::{FolderLock, Replica, Role, schema, scrub, store};

/// What an operator wants of the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    Ask(Request),
    /// Shows what is held.
    Held,
    /// Looks the whole file through.
    Verify,
}

/// Does it, beside a serving node or without one. The text is for a person, or JSON.
pub fn run(folder: &Path, settings: &config::Replica, keys: &Keys, wish: Wish, json: bool) -> Result<ExitCode, String> {
    match wish {
        Wish::Verify => verify(folder, keys, json),
        Wish::Ask(request) => print(&asked(folder, settings, keys, &request)?, json),
        Wish::Held => match asked(folder, settings, keys, &Request::Status)? {
            Reply::Status(status) => {
                let text = status.held.as_ref().map_or("nothing is held".into(), ToString::to_string);
                said(json, &status.held, &text)
            }
            other => print(&other, json),
        },
    }
}

/// Asks the node that serves; where none does, the file is opened here.
fn asked(folder: &Path, settings: &config::Replica, keys: &Keys, request: &Request) -> Result<Reply, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if let Some(reply) = control::ask(folder, request).map_err(failed)? {
        return Ok(reply);
    }
    if !store::path(folder).exists() {
        return Err(format!("{}: no replica there: start the server, or load a file first", folder.display()));
    }
    let lock = FolderLock::take(folder).map_err(failed)?;
    let _lock = lock.ok_or("a node serves from this folder and does not answer; try again, or look at its log")?;
    if *request == Request::Rebuild {
        return Err("no node serves: a copy of everything is asked of the source by the node that follows it".into());
    }
    let replica = Replica::open(folder, settings, keys.clone(), Role::Load).map_err(|error| error.to_string())?;
    Ok(replica.perform(request.clone()))
}

fn print(reply: &Reply, json: bool) -> Result<ExitCode, String> {
    match reply {
        Reply::Status(status) => said(json, status, &status.to_string()),
        Reply::Quarantine(rows) => {
            let line = |row: &super::Kept| {
                let again = if row.held_here { "kept here" } else { "with its source" };
                format!("{}\t{}\t{}\t{} tries\t{again}\t{}\n", row.id, row.source, row.since, row.tries, row.why)
            };
            let text: String = rows.iter().map(line).collect();
            said(json, rows, if rows.is_empty() { "nothing is in quarantine" } else { &text })
        }
        Reply::Done(text) => said(json, &serde_json::json!({ "done": text }), text),
        Reply::Refused(why) => Err(why.clone()),
    }
}

fn verify(folder: &Path, keys: &Keys, json: bool) -> Result<ExitCode, String> {
    let path = store::path(folder);
    let failed = |error: rusqlite::Error| format!("{}: {error}", path.display());
    if !path.exists() {
        return Err(format!("{}: no replica there: start the server, or load a file first", folder.display()));
    }
    let checked = store::open_reader(&path).map_err(failed).and_then(|connection| {
        schema::check(&connection, &path, keys).map_err(|error| error.to_string())?;
        schema::check_readable(&connection, &path).map_err(|error| error.to_string())?;
        scrub::whole(&connection).map_err(failed)
    });
    let (rows, damage) = match checked {
        Ok(pass) => (pass.rows, pass.damage),
        Err(why) => (0, scrub::Damage { rows: 0, structure: vec![why] }),
    };
    let sound = damage.is_none();
    let healing = if sound { Ok(None) } else { control::ask(folder, &Request::Damaged) };
    let mut text = format!("{rows} rows, {} damaged", damage.rows);
    damage.structure.iter().for_each(|line| text.push_str(&format!("\n{line}")));
    if let Ok(Some(Reply::Done(done))) = healing {
        text.push_str(&format!("\nthe node that serves was told: {done}"));
    }
    let report = serde_json::json!({
        "ok": sound, "rows": rows, "damaged_rows": damage.rows, "structure": damage.structure,
    });
    said(json, &report, &text)?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn said(json: bool, value: &impl serde::Serialize, text: &str) -> Result<ExitCode, String> {
    if json {
        println!("{}", serde_json::to_string_pretty(value).map_err(|error| error.to_string())?);
    } else {
        println!("{}", text.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
