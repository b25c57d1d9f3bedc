//! `jindu call-back …`: call-backs, from the command line.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use base::{Bilingual, OfficeLang, bilingual, padded};
use config::Settings;
use flow::{Calendar, Opening};
use os::language;
use phone::{CallBackEntry, CallBackReply, CallBackRequest, ask_call_backs};
use release::{hotline, releases};

use crate::args::call_back::CallBackCommand;
use crate::exit::{aside, print};
use crate::local_time::{shown, zone};
use crate::say::say;

/// Runs the command beside a serving node.
///
/// # Errors
/// What is wrong, in a sentence.
pub(crate) fn run(settings: &Settings, command: CallBackCommand) -> Result<(), Bilingual> {
    let request = match command {
        CallBackCommand::List { .. } => CallBackRequest::List,
        CallBackCommand::Cancel { id } => CallBackRequest::Cancel { id },
    };
    let folder = &settings.data.folder;
    let data = folder.display();
    let reply = ask_call_backs(folder, request)
        .map_err(|error| {
            bilingual!("{data}: the serving node does not answer: {error}", "{data}：运行中的节点没有应答：{error}")
        })?
        .ok_or_else(|| {
            bilingual!("{data}: no node serves from this data folder", "{data}：没有节点在使用此数据文件夹")
        })?;
    match (command, reply) {
        (CallBackCommand::List { json: true }, CallBackReply::Requests(requests)) => {
            print(serde_json::to_string_pretty(&requests).map_err(|error| error.to_string())? + "\n");
        }
        (CallBackCommand::List { json: false }, CallBackReply::Requests(requests)) => {
            if settings.phone.call_back.is_none() {
                aside(&NOT_OFFERED);
            }
            if !requests.is_empty() {
                print(table(settings, &requests));
            } else if settings.phone.call_back.is_some() {
                say!("no call-back was requested", "没有登记的回电");
            }
        }
        (CallBackCommand::List { .. }, CallBackReply::NotWaiting) => {
            return Err(Bilingual::fixed(
                "this node has no queue: write a table [[queue]] in the settings",
                "此节点没有队列：请在设置中写 [[queue]] 表",
            ));
        }
        (CallBackCommand::Cancel { id }, CallBackReply::Requests(_)) => {
            say!("call-back {id} is cancelled", "回电 {id} 已取消");
        }
        (CallBackCommand::Cancel { id }, CallBackReply::NotWaiting) => {
            return Err(bilingual!(
                "no call-back {id} is waiting; see `jindu call-back list`",
                "没有等待中的回电 {id}；请用 `jindu call-back list` 查看"
            ));
        }
        (_, CallBackReply::Refused(why)) => {
            return Err(bilingual!("the node refuses: {why}", "节点拒绝：{why}"));
        }
    }
    Ok(())
}

fn table(settings: &Settings, requests: &[CallBackEntry]) -> String {
    let lang = language::current();
    let zone = zone(settings);
    let time = |ms| Timestamp::from_millisecond(ms).map_or_else(|_| "-".to_owned(), |at| shown(at, &zone));
    let hours = settings.phone.call_back_hours.as_deref();
    let hours = hours.and_then(|hours| Some((hours, served_calendar(settings)?)));
    let within_hours =
        |ms: i64| hours.as_ref().and_then(|(hours, calendar)| within(calendar, hours, ms, &zone)).unwrap_or(ms);
    let head = lang.choose(
        ["id", "queue", "number", "state", "calls", "requested", "not before"],
        ["编号", "队列", "号码", "状态", "已呼叫", "登记时间", "最早回拨"],
    );
    let row = |request: &CallBackEntry| {
        [
            request.id.to_string(),
            request.queue.clone(),
            request.number.clone(),
            state(&request.state, lang).to_owned(),
            request.attempts.to_string(),
            time(request.requested_ms),
            if request.state == "waiting" { time(within_hours(request.not_before_ms)) } else { "-".into() },
        ]
    };
    let lines = std::iter::once(head.map(str::to_owned)).chain(requests.iter().map(row));
    lines
        .map(|cells| {
            let cells: Vec<String> = cells.iter().zip(WIDTHS).map(|(cell, width)| padded(cell, width)).collect();
            format!("{}\n", cells.join(" ").trim_end())
        })
        .collect()
}

/// The calendar that callers are served by.
fn served_calendar(settings: &Settings) -> Option<Calendar> {
    let live = releases::live(settings).map(|name| releases::settings_of(settings, &name));
    let release = hotline::release(live.as_ref().unwrap_or(settings)).ok()?;
    Some(release.calendar.clone())
}

/// The first time from `ms` on, and from now on, that lies within the hours; none where the calendar does not say.
fn within(calendar: &Calendar, hours: &str, ms: i64, zone: &TimeZone) -> Option<i64> {
    let now = Timestamp::now().as_millisecond();
    let at = Timestamp::from_millisecond(ms.max(now)).ok()?.to_zoned_datetime(zone.clone()).datetime();
    match calendar.opening(hours, at)? {
        Opening::Open => Some(ms),
        Opening::Closed | Opening::Holiday => {
            let opens = calendar.next_opening(hours, at)?.to_zoned_datetime(zone.clone()).ok()?;
            Some(opens.timestamp().as_millisecond())
        }
    }
}

/// A state in the language of the command line.
fn state(name: &str, lang: OfficeLang) -> &str {
    let zh = match name {
        "waiting" => "等待",
        "calling" => "呼叫中",
        "served" => "已接通坐席",
        "cancelled" => "已取消",
        "unreachable" => "无法接通",
        "expired" => "已过期",
        "abandoned" => "接通前挂断",
        other => other,
    };
    lang.choose(name, zh)
}

const NOT_OFFERED: Bilingual = Bilingual::fixed(
    "call_back.dial is not set: callers are offered no call-back",
    "未设 call_back.dial：不向来电人提供回电",
);
const WIDTHS: [usize; 7] = [18, 12, 14, 12, 8, 28, 28];
