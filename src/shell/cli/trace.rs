//! `jindu trunk trace`: fetches the messages of one call from the serving node, and writes them as a pcap.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use base::{Bilingual, bilingual, plural};
use config::Settings;
use phone::{CallChoice, Summary, TraceClient, TraceRequest};
use sip::capture::pcap;

use crate::args::trace::{Call, TraceArguments};
use crate::say::say;

/// Traces a call.
///
/// # Errors
/// No node serves, it refuses, the file cannot be written, or there was no message.
pub(crate) fn trace(settings: &Settings, arguments: TraceArguments) -> Result<(), Bilingual> {
    let TraceArguments { call, for_s, max_mb, unmasked, rtp, out, overwrite, who, why } = arguments;
    if !overwrite && fs::symlink_metadata(&out).is_ok() {
        return Err(bilingual!(
            "{} exists: name another file, or add --overwrite",
            "{} 已存在：请换一个文件名，或加 --overwrite",
            out.display()
        ));
    }
    let (choice, awaited) = choice(call)?;
    let octets_max = max_mb * 1_000_000;
    let request = TraceRequest { call: choice, for_s, octets_max, unmasked, rtp, who, why };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| bilingual!("cannot start: {error}", "无法启动：{error}"))?;
    let client = TraceClient::start(&settings.data.folder, request)?;
    let summary = match create(&out, overwrite) {
        Ok(file) => {
            say!(
                "waiting for {awaited}, at most {for_s} s; Ctrl-C ends it",
                "正在等候{awaited:#}，最长 {for_s} 秒；按 Ctrl-C 结束"
            );
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

fn choice(call: Call) -> Result<(CallChoice, Bilingual), Bilingual> {
    match call {
        Call { call_id: Some(id), .. } => {
            Ok((CallChoice::CallId(id), Bilingual::fixed("messages of the call", "该通话的信令")))
        }
        Call { trunk: Some(name), .. } => {
            let awaited = bilingual!("the next call of trunk {name}", "中继 {name} 的下一次来电");
            Ok((CallChoice::Trunk(name), awaited))
        }
        Call { number: Some(number), .. } => {
            Ok((CallChoice::Number(number), Bilingual::fixed("the next call of the number", "该号码的下一次来电")))
        }
        Call { call_id: None, trunk: None, number: None } => {
            Err(Bilingual::fixed("name --call-id, --trunk or --number", "请写 --call-id、--trunk 或 --number"))
        }
    }
}

/// Writes what comes until the trace is over. A signal ends it.
async fn fetch(client: &TraceClient, mut file: File, out: &Path) -> Result<Summary, Bilingual> {
    let listen =
        |kind| signal(kind).map_err(|error| bilingual!("cannot listen for signals: {error}", "无法接收信号：{error}"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    file.write_all(&pcap::file_header()).map_err(|error| failed(out, &error))?;
    let mut was_found = false;
    loop {
        let piece = client.read()?;
        file.write_all(&piece.records).map_err(|error| failed(out, &error))?;
        if piece.is_found && !piece.records.is_empty() && !std::mem::replace(&mut was_found, true) {
            say!("the call is being written", "正在写入该通话");
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

fn failed(out: &Path, error: &io::Error) -> Bilingual {
    os::io_fault(out, error)
}

fn report(summary: &Summary, out: &Path) -> Result<(), Bilingual> {
    let Summary { end, messages, packets, lost, call_id } = summary;
    if *messages == 0 && *packets == 0 {
        let _ = fs::remove_file(out);
        return Err(bilingual!(
            "no message of such a call came ({end}); {} was not written",
            "没有收到此通话的信令（{end}）；未写入 {}",
            out.display()
        ));
    }
    let (call, s) = (call_id.as_deref().unwrap_or("?"), plural(*messages));
    let packets = match packets {
        0 => Bilingual::default(),
        n => bilingual!(" and headers of {n} packets", "和 {n} 个包的包头"),
    };
    say!(
        "{}: {messages} message{s}{packets} of call {call} ({end})",
        "{}：通话 {call} 的 {messages} 条信令{packets:#}（{end}）",
        out.display()
    );
    if *lost > 0 {
        return Err(bilingual!(
            "messages and packets missing: {lost}; they came faster than they were fetched",
            "缺少 {lost} 条信令或包：到达过快，未能取完"
        ));
    }
    Ok(())
}

/// How often the node is asked for messages.
const READ_EVERY: Duration = Duration::from_millis(250);
