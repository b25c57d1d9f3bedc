//! `jindu replica …`: what the replica, its quarantine and its held batch are, as text and as JSON.

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use base::{Bilingual, bilingual};
use config::Settings;
use os::language::{current, shown as in_language};
use replica_store::{Decision, Held, QuarantinedRow, Reply, Report, Status, Verified, command};

use crate::args::replica::ReplicaArguments;
use crate::call_words::code;
use crate::exit::{done, print};
use crate::local_time::{shown, span, zone};
use crate::replica_commands::keys;
use crate::say::Lines;

/// Runs a command of `jindu replica`.
pub(crate) fn replica(settings: &Settings, arguments: ReplicaArguments) -> ExitCode {
    let json = arguments.json;
    let request = arguments.into();
    let ran = keys(settings).and_then(|keys| command(&settings.data.folder, &settings.replica, &keys, request));
    let printed = ran.and_then(|report| print_report(&report, json, &zone(settings)));
    printed.unwrap_or_else(|error| done(Err(error)))
}

fn print_report(report: &Report, json: bool, zone: &TimeZone) -> Result<ExitCode, Bilingual> {
    match report {
        Report::Reply(Reply::Status(status)) => output(json, status, || of_status(status, zone)),
        Report::Reply(Reply::Quarantine(rows)) => output(json, rows, || of_quarantine(rows, zone)),
        Report::Reply(Reply::Done(done)) => output(json, &json!({ "done": done.en }), || in_language(done).to_owned()),
        Report::Reply(Reply::Refused(why)) => Err(why.clone()),
        Report::Held(held) => output(json, held, || in_language(&of_held(held.as_ref(), zone)).to_owned()),
        Report::Verified(verified) => {
            output(json, &verified_json(verified), || of_verified(verified))?;
            Ok(if verified.damage.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn output(json: bool, value: &impl serde::Serialize, text: impl FnOnce() -> String) -> Result<ExitCode, Bilingual> {
    let text = if json { serde_json::to_string_pretty(value).map_err(|error| error.to_string())? } else { text() };
    print(format!("{}\n", text.trim_end()));
    Ok(ExitCode::SUCCESS)
}

fn of_status(status: &Status, zone: &TimeZone) -> String {
    let mut lines = Lines::new(current(), 12);
    let mut line = |en, zh, value: Bilingual| lines.line(&Bilingual::fixed(en, zh), &value);
    let none = || Bilingual::from("–");
    let time = |at: Option<Timestamp>| at.map_or_else(none, |at| shown(at, zone).into());
    line("cases", "案件", status.cases.to_string().into());
    line("source", "来源", status.source.clone().map_or_else(none, Bilingual::from));
    line("sequence", "序号", status.sequence.map_or_else(none, |n| n.to_string().into()));
    if let Some(position) = &status.position {
        line("position", "位置", position.clone().into());
    }
    line("as of", "数据截至", time(status.as_of));
    line("age", "数据时差", status.age_s.map_or_else(none, span));
    let (rows, bytes) = (status.lag_rows, status.lag_bytes);
    line("lag", "待处理", bilingual!("{rows} rows, {bytes} bytes", "{rows} 行，{bytes} 字节"));
    line("applied", "处理速度", bilingual!("{} rows/s", "{} 行/秒", status.rows_per_second));
    let (quarantined, lost) = (status.quarantined, status.quarantine_lost);
    line(
        "quarantine",
        "隔离",
        bilingual!("{quarantined} rows, {lost} beyond its limit", "{quarantined} 行，另有 {lost} 行超出上限"),
    );
    line("held", "暂缓", of_held(status.held.as_ref(), zone));
    line(
        "rebuild",
        "重建",
        match status.rebuild_wanted {
            true => Bilingual::fixed("requested from the source", "已向上游请求"),
            false => Bilingual::fixed("not requested", "未请求"),
        },
    );
    let (faults, ago) = (status.damaged, status.last_scrub_age_s.map(span));
    let at = time(status.last_scrub);
    let scrub =
        ago.map(|ago| bilingual!("{at}, {ago} ago, {faults} faults", "{at}（{ago:#}前），发现 {faults} 处损坏"));
    line(
        "last scrub",
        "上次校验",
        scrub.unwrap_or_else(|| bilingual!("not yet, {faults} faults", "尚未完成，发现 {faults} 处损坏")),
    );
    let (file, log) = (status.file_bytes, status.log_bytes);
    line("file", "文件", bilingual!("{file} bytes, log {log} bytes", "{file} 字节，日志 {log} 字节"));
    line(
        "served",
        "节点",
        match status.serving {
            true => Bilingual::fixed("by a node", "运行中"),
            false => Bilingual::fixed("no", "未运行"),
        },
    );
    for alarm in &status.alarms {
        let (kind, since, text) = (code(&alarm.kind), shown(alarm.since, zone), &alarm.text);
        line("ALARM", "告警", bilingual!("{kind}, since {since}: {text}", "{kind:#}，自 {since} 起：{text}"));
    }
    lines.into_text()
}

fn of_held(held: Option<&Held>, zone: &TimeZone) -> Bilingual {
    let Some(Held { source, sequence, what, deletes, rows, since, decision }) = held else {
        return Bilingual::fixed("nothing is held", "没有暂缓的变更");
    };
    let place = sequence.map_or(String::new(), |sequence| format!(" at {sequence}"));
    let decision = decision.map(Decision::name).map(code);
    let waits = decision.unwrap_or_else(|| {
        Bilingual::fixed("waiting for jindu replica held apply|drop", "请执行 jindu replica held apply|drop")
    });
    let (since, what) = (shown(*since, zone), code(what.name()));
    bilingual!(
        "{source}{place}, since {since}: {what}, deletes {deletes} of {rows} cases; {waits}",
        "{source}{place}，自 {since} 起：{what:#}，将删除 {rows} 件中的 {deletes} 件；{waits:#}"
    )
}

fn of_quarantine(rows: &[QuarantinedRow], zone: &TimeZone) -> String {
    if rows.is_empty() {
        return in_language(&Bilingual::fixed("the quarantine is empty", "没有被隔离的行")).to_owned();
    }
    let line = |row: &QuarantinedRow| {
        let stored = match row.held_here {
            true => Bilingual::fixed("stored here", "存于此处"),
            false => Bilingual::fixed("at its source", "在上游处"),
        };
        let (since, tries) = (shown(row.since, zone), row.tries);
        let QuarantinedRow { id, source, why, .. } = row;
        bilingual!(
            "{id}\t{source}\t{since}\t{tries} tries\t{stored}\t{why}",
            "{id}\t{source}\t{since}\t重试 {tries} 次\t{stored:#}\t{why}"
        )
    };
    rows.iter().map(|row| format!("{}\n", in_language(&line(row)))).collect()
}

fn verified_json(verified: &Verified) -> serde_json::Value {
    let Verified { rows, damage, .. } = verified;
    json!({ "ok": damage.is_none(), "rows": rows, "damaged_rows": damage.rows, "structure": damage.structure })
}

fn of_verified(verified: &Verified) -> String {
    let Verified { rows, damage, informed } = verified;
    let damaged = damage.rows;
    let mut text =
        in_language(&bilingual!("{rows} rows, {damaged} damaged", "共 {rows} 行，损坏 {damaged} 行")).to_owned();
    damage.structure.iter().for_each(|line| text.push_str(&format!("\n{line}")));
    if let Some(done) = informed {
        let told = bilingual!("the serving node was informed: {done}", "已通知运行中的节点：{done:#}");
        text.push_str(&format!("\n{}", in_language(&told)));
    }
    text
}
