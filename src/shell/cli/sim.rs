//! `jindu sim`: a call in text on virtual time, from a terminal or with acts from the standard input.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::date;

use base::Bilingual;
use config::Settings;
use flow::sheet::{Reply, Row, Session};
use inquiry::{Case, Rules};
use os::{io_fault, language};
use release::hotline;
use release::hotline::SAMPLE_SEED;
use replica::sample::{self, Example};
use speech::Value;

use crate::exit::Errors;
use crate::say::text;

/// Runs a session. The exit code is 1 if a line of a script failed.
pub(crate) fn run(settings: &Settings) -> Result<ExitCode, Errors> {
    let release = hotline::release(settings)?;
    let (rules, working) = hotline::rules(settings, &release)?;
    let today = date(2026, 11, 24);
    let examples = sample::examples(SAMPLE_SEED, today, &working);
    let rows = match release.flow.nodes.iter().find_map(|node| node.lookup()) {
        Some(lookup) => examples.iter().map(|example| row(lookup, example, &rules, today)).collect(),
        None => Vec::new(),
    };
    let terminal = io::stdin().is_terminal();
    let mut session = Session::new(Arc::clone(&release), rows, Instant::now());
    let mut out = io::stdout().lock();
    let _ = writeln!(
        out,
        "{}",
        text!(
            "A call on {today} at 10:00, a working day in virtual time; `at 2026-12-01 03:00` makes it another time.",
            "来电时间：{today} 10:00（模拟时间，工作日）；可用 `at 2026-12-01 03:00` 改为其他时间。"
        )
    );
    if terminal {
        let _ = out.write_all(welcome(&examples).as_bytes());
        show(&mut out, &session.line(""));
    }
    let failed = converse(&mut session, terminal, &mut out).map_err(|error| vec![format!("sim: {error}").into()])?;
    Ok(if failed && !terminal { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether any line failed.
fn converse(session: &mut Session, terminal: bool, out: &mut impl Write) -> io::Result<bool> {
    let mut failed = false;
    let mut lines = io::stdin().lock().lines();
    loop {
        if terminal {
            write!(out, "> ")?;
            out.flush()?;
        }
        let Some(line) = lines.next().transpose()? else { break };
        let line = line.trim();
        let comment = !terminal && is_comment(line);
        if !terminal && !comment {
            writeln!(out, "> {line}")?;
        }
        match line.split_once(' ').unwrap_or((line, "")) {
            ("quit" | "exit", _) => break,
            ("help" | "?", _) => out.write_all(language::shown(&HELP).as_bytes())?,
            _ if comment => {}
            ("save", file) => failed |= !save(session, file.trim(), out)?,
            _ => failed |= !show(out, &session.line(line)),
        }
    }
    out.flush()?;
    Ok(failed)
}

/// Whether a line of a script is a comment: `# a caller who …`. `#`, `#1` and `##` are keys.
fn is_comment(line: &str) -> bool {
    line.starts_with('#') && !line.chars().all(|c| c.is_ascii_digit() || matches!(c, '#' | '*' | 'X' | 'x'))
}

fn show(out: &mut impl Write, reply: &Reply) -> bool {
    for line in &reply.lines {
        let _ = writeln!(out, "{}", language::shown(line));
    }
    if let Some(wrong) = &reply.error {
        let _ = writeln!(out, "! {}", language::shown(wrong));
    }
    reply.error.is_none()
}

/// Writes the session to a new file.
fn save(session: &Session, file: &str, out: &mut impl Write) -> io::Result<bool> {
    if file.is_empty() {
        let wrong = text!(
            "write `save FILE`, as in save config/hotline/calls/mine.call",
            "请写 `save 文件`，如 save config/hotline/calls/mine.call"
        );
        writeln!(out, "! {wrong}")?;
        return Ok(false);
    }
    let made = fs::OpenOptions::new().write(true).create_new(true).open(file);
    match made.and_then(|mut made| made.write_all(session.sheet().as_bytes())) {
        Ok(()) => {
            let saved = text!("saved; run it with: jindu test {file}", "已保存；运行：jindu test {file}");
            writeln!(out, "-- {saved}").map(|()| true)
        }
        Err(error) => {
            let fault = io_fault(Path::new(file), &error);
            writeln!(out, "! {}", language::shown(&fault)).map(|()| false)
        }
    }
}

/// A sample case, as a look-up of this flow finds it.
fn row(lookup: &flow::model::Lookup, example: &Example, rules: &Rules, today: jiff::civil::Date) -> Row {
    let record = &example.case;
    let case = Case {
        stage: record.stage,
        document: record.document.as_str().into(),
        case_type: record.case_type.as_str().into(),
        hall: record.hall.as_str().into(),
        accepted_on: record.accepted_on,
        stage_on: record.stage_on,
        pauses: record.pauses.clone(),
        items: record.items.iter().map(|item| item.as_str().into()).collect(),
        waybill_tail: record.waybill_tail.clone(),
        minor: record.minor,
        version: record.version,
    };
    let facts = flow::facts(&rules.progress(&case, today));
    let proofs = [Some(record.receipt.clone()), record.id_tail.clone().or_else(|| record.birth_date.clone())];
    let by = lookup.by.iter().zip(proofs).filter_map(|(name, proof)| Some((name.to_string(), proof?)));
    Row {
        source: lookup.source.to_string(),
        by: by.collect(),
        gives: facts.iter().map(|(name, value)| (name.to_string(), written(value))).collect(),
        age: std::time::Duration::from_secs(60),
        many: false,
    }
}

/// A value as a call sheet writes it.
fn written(value: &Value) -> String {
    match value {
        Value::Word(word) => word.to_string(),
        Value::Words(words) => words.join(","),
        Value::Digits { digits, .. } => digits.clone(),
        Value::Number(n) | Value::Money(n) => n.to_string(),
        Value::Date(date) => date.to_string(),
        Value::Time(time) => time.to_string(),
    }
}

fn welcome(examples: &[Example]) -> String {
    let mut text = text!("Sample cases:\n", "样例案件：\n");
    for example in examples {
        let tail = example.case.id_tail.as_deref().unwrap_or("");
        text.push_str(&format!("  {:<16} {tail:<6} {}\n", example.case.receipt, language::shown(&example.name())));
    }
    text.push_str(&text!("Write help for the list of acts.\n\n", "输入 help 查看可用的动作。\n\n"));
    text
}

const HELP: Bilingual = Bilingual::fixed(
    "Acts:
  1, 123#                 keys; X is the star key
  wait 10s, silence 2     let time pass; let two key timeouts pass
  talk 20s                speak after the beep
  at 2026-10-02 10:00     a new call at this time
  caller senior           a new call by a known caller (senior, mobile, blocked, number)
  lang en                 from here on in this language
  db down, db up          the records are unavailable; available again
  db slow 20s             the records answer late
  db RECEIPT TAIL -> status=ready doc=passport hall=north
  emergency on|off        the emergency notice
  transfer busy           how transfers end (done, busy, failed)
  agent amy ready         an agent takes callers, so that 0 leads to the queue (leaves: takes none any longer)
  agent amy answers       the caller who waits is connected (fails: waits again; hangs_up: the conversation ends)
  position 3 5m           the queue says the caller's place, and the wait if it is given
  queue full              what the queue is or becomes (open, full, closed, late, drains)
  call_backs off          whether call-backs can be booked (on, off)
  called_back             this node calls the person who booked a call-back
  recorded on             whether conversations with agents are recorded (on, off)
  sms on                  whether text messages can be sent (on, off, fails: not accepted)
  hear st_ready, never sorry, at_node agent, within 35s, expects sms, ended
                          what a call sheet expects, tried at once
  save FILE               the session as a call sheet
  quit
",
    "动作：
  1、123#                 按键；X 即星号键
  wait 10s、silence 2     等待一段时间；等两次按键超时
  talk 20s                提示音后讲话
  at 2026-10-02 10:00     在此时间的新来电
  caller senior           已知来电人的新来电（senior、mobile、blocked、number）
  lang en                 此后使用此语言
  db down、db up          案件数据不可用；恢复可用
  db slow 20s             案件数据迟迟才答复
  db 回执号 后四位 -> status=ready doc=passport hall=north
  emergency on|off        紧急通知
  transfer busy           转接结果（done、busy、failed）
  agent amy ready         坐席开始接听，按 0 即进入队列（leaves：不再接听）
  agent amy answers       等候的来电人接通坐席（fails：继续等候；hangs_up：通话结束）
  position 3 5m           队列播报位次，以及预计等候时间（可不写）
  queue full              队列的状态（open、full、closed、late、drains）
  call_backs off          能否预约回电（on、off）
  called_back             本节点回拨预约人
  recorded on             与坐席的通话是否录音（on、off）
  sms on                  能否发送短信（on、off、fails：被拒绝）
  hear st_ready、never sorry、at_node agent、within 35s、expects sms、ended
                          通话脚本的预期，立即检验
  save 文件               把本次会话存为通话脚本
  quit                    退出
",
);

#[cfg(test)]
mod tests {
    use super::*;
    use flow::sheet::ACTS;

    #[test]
    fn the_help_names_every_act_in_both_languages() {
        for text in [&HELP.en, &HELP.zh] {
            let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
            // A test begins only in a file; keys and time are written without the word.
            let missing: Vec<_> =
                ACTS.iter().filter(|act| !["test", "press", "listen"].contains(act) && !words.contains(act)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    }

    #[test]
    fn a_pound_key_is_no_comment() {
        assert!(["# a caller", "#a", "# 1", "#-"].map(is_comment).iter().all(|is| *is));
        assert!(!["#", "##", "#1", "1#", "0", ""].map(is_comment).iter().any(|is| *is));
    }
}
