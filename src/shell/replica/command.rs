//! `jindu replica …`: shows the state of the copy, and sends an operator's requests.

use std::path::Path;
use std::process::ExitCode;

use inquiry::Keys;

use crate::control::{self, Reply, Request};
use crate::file::quarantine::QuarantinedRow;
use crate::file::{schema, scrub, store};
use crate::lock::FolderLock;
use crate::look_up::{Replica, Role};

/// A command of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorCommand {
    /// A request to the node that serves, or to the file if none does.
    Ask(Request),
    /// Show the held batch.
    Held,
    /// Scrub the whole file once.
    Verify,
}

/// Performs a command, with or without a serving node, and prints the result as text or as JSON.
pub fn run(
    folder: &Path,
    settings: &config::Replica,
    keys: &Keys,
    wish: OperatorCommand,
    json: bool,
) -> Result<ExitCode, String> {
    match wish {
        OperatorCommand::Verify => verify(folder, keys, json),
        OperatorCommand::Ask(request) => print(&perform(folder, settings, keys, &request)?, json),
        OperatorCommand::Held => match perform(folder, settings, keys, &Request::Status)? {
            Reply::Status(status) => {
                let text = status.held.as_ref().map_or_else(|| "nothing is held".into(), ToString::to_string);
                output(json, &status.held, &text)
            }
            other => print(&other, json),
        },
    }
}

/// Sends the request to the node that serves; if none does, opens the file here.
fn perform(folder: &Path, settings: &config::Replica, keys: &Keys, request: &Request) -> Result<Reply, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if let Some(reply) = control::send_request(folder, request).map_err(failed)? {
        return Ok(reply);
    }
    if !store::path(folder).exists() {
        return Err(format!("{}: no replica in this folder; start the server, or load a file first", folder.display()));
    }
    let lock = FolderLock::take(folder).map_err(failed)?;
    let _lock = lock.ok_or("a node serves from this folder and does not answer; try again, or see its log")?;
    if *request == Request::Rebuild {
        return Err("no node serves from this folder; start it, since only a running node can request a full snapshot from its source".into());
    }
    let replica = Replica::open(folder, settings, keys.clone(), Role::Load).map_err(|error| error.to_string())?;
    Ok(replica.perform(request.clone()))
}

fn print(reply: &Reply, json: bool) -> Result<ExitCode, String> {
    match reply {
        Reply::Status(status) => output(json, status, &status.to_string()),
        Reply::Quarantine(rows) => {
            let line = |row: &QuarantinedRow| {
                let stored = if row.held_here { "stored here" } else { "at its source" };
                format!("{}\t{}\t{}\t{} tries\t{stored}\t{}\n", row.id, row.source, row.since, row.tries, row.why)
            };
            let text: String = rows.iter().map(line).collect();
            output(json, rows, if rows.is_empty() { "the quarantine is empty" } else { &text })
        }
        Reply::Done(text) => output(json, &serde_json::json!({ "done": text }), text),
        Reply::Refused(why) => Err(why.clone()),
    }
}

fn verify(folder: &Path, keys: &Keys, json: bool) -> Result<ExitCode, String> {
    let path = store::path(folder);
    let failed = |error: rusqlite::Error| format!("{}: {error}", path.display());
    if !path.exists() {
        return Err(format!("{}: no replica in this folder; start the server, or load a file first", folder.display()));
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
    let report_to_node = if sound { Ok(None) } else { control::send_request(folder, &Request::Damaged) };
    let mut text = format!("{rows} rows, {} damaged", damage.rows);
    damage.structure.iter().for_each(|line| text.push_str(&format!("\n{line}")));
    if let Ok(Some(Reply::Done(done))) = report_to_node {
        text.push_str(&format!("\nthe serving node was informed: {done}"));
    }
    let report = serde_json::json!({
        "ok": sound, "rows": rows, "damaged_rows": damage.rows, "structure": damage.structure,
    });
    output(json, &report, &text)?;
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn output(json: bool, value: &impl serde::Serialize, text: &str) -> Result<ExitCode, String> {
    if json {
        println!("{}", serde_json::to_string_pretty(value).map_err(|error| error.to_string())?);
    } else {
        println!("{}", text.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
