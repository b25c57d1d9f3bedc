//! `jindu sms …`: text messages, from the command line.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use base::{Bilingual, OfficeLang, bilingual, padded};
use config::Settings;
use os::language;
use sms::Refusal;
use sms_service::{SmsEntry, SmsReply, SmsRequest};

use crate::args::sms::SmsCommand;
use crate::exit::print;
use crate::local_time::{shown, zone};
use crate::say::say;

/// Runs the command beside a serving node.
///
/// # Errors
/// What is wrong, in a sentence.
pub(crate) fn run(settings: &Settings, command: SmsCommand) -> Result<(), Bilingual> {
    let folder = &settings.data.folder;
    match command {
        SmsCommand::List { json } => {
            let reply = ask(folder, &SmsRequest::List)?;
            let is_off = matches!(reply, SmsReply::Off);
            let messages = if is_off { Vec::new() } else { messages(reply)? };
            if json {
                print(serde_json::to_string_pretty(&messages).map_err(|error| error.to_string())? + "\n");
            } else {
                print(table(settings, &messages));
            }
            if is_off && !json {
                print(format!("{}\n", off().of(language::current())));
            }
            Ok(())
        }
        SmsCommand::Cancel { id } => match ask(folder, &SmsRequest::Cancel { id: id.clone() })? {
            SmsReply::Messages(_) => {
                say!("the message {id} is cancelled", "短信 {id} 已取消");
                Ok(())
            }
            SmsReply::NotWaiting => Err(bilingual!(
                "no message {id} waits; `jindu sms list` shows those that do",
                "没有等待中的短信 {id}；请用 `jindu sms list` 查看"
            )),
            other => Err(unexpected(other)),
        },
        SmsCommand::Test { number, no_wait } => test(folder, number, no_wait),
    }
}

/// Sends a message, and waits for what becomes of it.
fn test(folder: &Path, number: String, no_wait: bool) -> Result<(), Bilingual> {
    let text = TEXT.to_owned();
    let id = match ask(folder, &SmsRequest::Test { number, text })? {
        SmsReply::Accepted(id) => id,
        SmsReply::NotAccepted(why) => {
            let why = Refusal::of_name(&why).map_or_else(|| why.into(), Refusal::text);
            return Err(bilingual!("the message is not accepted: {why}", "短信被拒绝：{why:#}"));
        }
        other => return Err(unexpected(other)),
    };
    say!("{id}: accepted", "{id}：已提交");
    if no_wait {
        return Ok(());
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let listed = messages(ask(folder, &SmsRequest::List)?)?;
        let Some(message) = listed.iter().find(|message| message.id == id) else {
            return Err(bilingual!("{id}: the node has forgotten it", "{id}：节点中已无此短信"));
        };
        match message.state.as_str() {
            "sent" => {
                say!("{id}: the carrier has taken it", "{id}：短信服务已接收");
                return Ok(());
            }
            "waiting" if Instant::now() < until => sleep(LOOK),
            "waiting" => {
                return Err(bilingual!(
                    "{id}: it still waits; `jindu status` shows the state of the carrier, and the node's log why",
                    "{id}：仍在等待；请用 `jindu status` 查看短信服务状态，原因见节点日志"
                ));
            }
            other => {
                let state = state(other, language::current());
                return Err(bilingual!("{id}: {state}; the node's log says why", "{id}：{state}；原因见节点日志"));
            }
        }
    }
}

fn ask(folder: &Path, request: &SmsRequest) -> Result<SmsReply, Bilingual> {
    let data = folder.display();
    sms_service::ask(folder, request)
        .map_err(|error| {
            bilingual!("{data}: the serving node does not answer: {error}", "{data}：运行中的节点没有应答：{error}")
        })?
        .ok_or_else(|| bilingual!("{data}: no node serves from this data folder", "{data}：没有节点在使用此数据文件夹"))
}

fn messages(reply: SmsReply) -> Result<Vec<SmsEntry>, Bilingual> {
    match reply {
        SmsReply::Messages(messages) => Ok(messages),
        other => Err(unexpected(other)),
    }
}

fn off() -> Bilingual {
    Bilingual::fixed("this node sends no text messages: set sms.carrier", "此节点不发送短信：请设置 sms.carrier")
}

fn unexpected(reply: SmsReply) -> Bilingual {
    match reply {
        SmsReply::Off => off(),
        SmsReply::Refused(why) => bilingual!("the node refuses: {why}", "节点拒绝：{why}"),
        other => bilingual!("the node answers {other:?}", "节点应答 {other:?}"),
    }
}

fn table(settings: &Settings, messages: &[SmsEntry]) -> String {
    let lang = language::current();
    let zone = zone(settings);
    let head = lang
        .choose(["id", "number", "state", "failed", "accepted"], ["编号", "号码", "状态", "未成功次数", "提交时间"]);
    let row = |message: &SmsEntry| {
        let accepted = Timestamp::from_millisecond(message.accepted_ms);
        [
            message.id.clone(),
            message.number.clone(),
            state(&message.state, lang).to_owned(),
            message.attempts.to_string(),
            accepted.map_or_else(|_| "-".to_owned(), |at| shown(at, &zone)),
        ]
    };
    let lines = std::iter::once(head.map(str::to_owned)).chain(messages.iter().map(row));
    lines
        .map(|cells| {
            let cells: Vec<String> = cells.iter().zip(WIDTHS).map(|(cell, width)| padded(cell, width)).collect();
            format!("{}\n", cells.join(" ").trim_end())
        })
        .collect()
}

/// A state in the language of the command line.
fn state(name: &str, lang: OfficeLang) -> &str {
    let zh = match name {
        "waiting" => "等待",
        "sent" => "已发送",
        "rejected" => "被拒绝",
        "failed" => "发送失败",
        "expired" => "已过期",
        "cancelled" => "已取消",
        other => other,
    };
    lang.choose(name, zh)
}

const WIDTHS: [usize; 5] = [18, 14, 12, 10, 28];
/// What a test says, to whoever has the telephone.
const TEXT: &str = "测试短信，请忽略。This is a test message.";
/// How long a test waits.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);
