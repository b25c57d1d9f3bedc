//! `jindu trunk trace`: fetches the messages of one call from the serving node, and writes them as a pcap.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use config::Settings;
use phone::{CallChoice, Summary, TraceClient, TraceRequest};
use sip::capture::pcap;

use crate::args::trace::{Call, TraceArguments};
use crate::exit::print;

/// Traces a call.
///
/// # Errors
/// No node serves, it refuses, the file cannot be written, or there was no message.
pub(crate) fn trace(settings: &Settings, arguments: TraceArguments) -> Result<(), String> {
    let TraceArguments { call, for_s, max_mb, unmasked, out, overwrite, who, why } = arguments;
    if !overwrite && fs::symlink_metadata(&out).is_ok() {
        return Err(format!("{} exists: name another file, or add --overwrite", out.display()));
    }
    let (choice, awaited) = choice(call)?;
    let octets_max = max_mb * 1_000_000;
    let request = TraceRequest { call: choice, for_s, octets_max, unmasked, who, why };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let client = TraceClient::start(&settings.data.folder, request)?;
    let summary = match create(&out, overwrite) {
        Ok(file) => {
            print(format!("waiting for {awaited}, at most {for_s} s; Ctrl-C ends it\n"));
            runtime.block_on(fetch(&client, file, &out))
        }
        Err(error) => Err(failed(&out, &error)),
    };
    // The node holds no trace that cannot be written.
    let summary = summary.inspect_err(|_| {
        let _ = client.stop().and_then(|()| client.read().map(drop));
    })?;
    report(&summary, &out)
}

fn choice(call: Call) -> Result<(CallChoice, String), String> {
    match call {
        Call { call_id: Some(id), .. } => Ok((CallChoice::CallId(id), "messages of the call".into())),
        Call { trunk: Some(name), .. } => {
            let awaited = format!("the next call of trunk {name}");
            Ok((CallChoice::Trunk(name), awaited))
        }
        Call { number: Some(number), .. } => Ok((CallChoice::Number(number), "the next call of the number".into())),
        Call { call_id: None, trunk: None, number: None } => Err("name --call-id, --trunk or --number".into()),
    }
}

/// Writes what comes until the trace is over. A signal ends it.
async fn fetch(client: &TraceClient, mut file: File, out: &Path) -> Result<Summary, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    file.write_all(&pcap::file_header()).map_err(|error| failed(out, &error))?;
    let mut was_found = false;
    loop {
        let piece = client.read()?;
        file.write_all(&piece.records).map_err(|error| failed(out, &error))?;
        if piece.is_found && !piece.records.is_empty() && !std::mem::replace(&mut was_found, true) {
            print("the call is being written\n");
        }
        if let Some(summary) = piece.over {
            file.sync_all().map_err(|error| failed(out, &error))?;
            return Ok(summary);
        }
        tokio::select! {
            _ = interrupt.recv() => client.stop()?,
            _ = terminate.recv() => client.stop()?,
            () = tokio::time::sleep(READ_EVERY) => {}
        }
    }
}

/// A new file that only its owner may read.
fn create(out: &Path, overwrite: bool) -> io::Result<File> {
    if overwrite
        && let Err(error) = fs::remove_file(out)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(out)
}

fn failed(out: &Path, error: &io::Error) -> String {
    format!("{}: {error}", out.display())
}

fn report(summary: &Summary, out: &Path) -> Result<(), String> {
    let Summary { end, messages, lost, call_id } = summary;
    if *messages == 0 {
        let _ = fs::remove_file(out);
        return Err(format!("no message of such a call came ({end}); {} was not written", out.display()));
    }
    let call = call_id.as_deref().unwrap_or("?");
    print(format!("{messages} messages of call {call} are in {} ({end})\n", out.display()));
    if *lost > 0 {
        return Err(format!("{lost} messages are missing: they came faster than they were fetched"));
    }
    Ok(())
}

/// How often the node is asked for messages.
const READ_EVERY: Duration = Duration::from_millis(250);
