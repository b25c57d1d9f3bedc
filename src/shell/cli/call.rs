//! `jindu call`: one call step by step, from its record. The record names no person and holds no digits.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use base::{Bilingual, bilingual, plural};
use config::Settings;
use flow::{PastStep, past_steps};
use inquiry::{LINE_TEST_STEP, STUDIO_STEP};
use journal::{CallName, PastCall, StoredRecording, past_call};
use os::language;
use release::{hotline, releases};

use crate::args::calls::CallArguments;
use crate::call_words::code;
use crate::exit::print;
use crate::local_time::{rfc3339, shown, zone};
use crate::recording;
use crate::replica_commands::keys;
use crate::say::Lines;

/// Prints the call.
///
/// # Errors
/// There is no such call, or the journal cannot be read.
pub(crate) fn call(settings: &Settings, arguments: &CallArguments) -> Result<(), Bilingual> {
    let call = find(settings, &arguments.tag)?.ok_or_else(|| no_call(&arguments.tag))?;
    let release = release_of(settings, &call.release);
    let steps = past_steps(release.as_ref().map(|release| &release.flow), &call.path);
    let zone = zone(settings);
    let recordings = recordings_of(settings, &call)?;
    if arguments.json {
        let value = to_json(&call, &steps, &recordings, &zone);
        let text = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
    } else {
        print(to_text(&call, &steps, &recordings, release.as_deref(), &zone));
    }
    Ok(())
}

fn no_call(tag: &str) -> Bilingual {
    bilingual!(
        "no call {tag} in the journal; give call= as a line of the log names it, or its number there, as in 12; jindu calls --list has both",
        "通话记录中没有来电 {tag}；请写日志中 call= 的值，或通话记录的编号，如 12；jindu calls --list 列有两者"
    )
}

fn find(settings: &Settings, name: &str) -> Result<Option<PastCall>, Bilingual> {
    let folder = &settings.data.folder;
    // A shell takes `#` for the beginning of a comment. A tag has 12 characters.
    let row = name.strip_prefix('#').or_else(|| (name.len() < 12).then_some(name));
    if let Some(id) = row.and_then(|id| id.parse().ok()) {
        return Ok(past_call(folder, CallName::Id(id))?);
    }
    let found = past_call(folder, CallName::Tag(name))?;
    if found.is_some() || !folder.join("secret.key").exists() {
        return Ok(found);
    }
    base::set_tag_key(keys(settings)?.tag_key());
    Ok(past_call(folder, CallName::Tag(&base::tag(name)))?)
}

/// The release that a call began with, if it is stored or the files of the settings are it.
fn release_of(settings: &Settings, name: &str) -> Option<std::sync::Arc<flow::Release>> {
    let short = name.get(..12)?;
    let stored = releases::find(settings, short).ok().map(|name| releases::settings_of(settings, &name));
    let stored = stored.and_then(|settings| hotline::release(&settings).ok());
    stored.or_else(|| hotline::release(settings).ok().filter(|release| release.short_name() == short))
}

fn to_json(call: &PastCall, steps: &[PastStep], recordings: &[StoredRecording], zone: &TimeZone) -> Value {
    let steps: Vec<Value> =
        steps.iter().map(|step| json!({"node": step.node, "kind": step.kind, "way": step.way})).collect();
    json!({
        "row": call.id,
        "call": call.tag,
        "started": rfc3339(call.started, zone),
        "trunk": call.trunk,
        "answered_s": call.answered_after.map(|after| after.as_secs_f64()),
        "duration_s": call.duration.as_secs_f64(),
        "outcome": call.outcome,
        "cause": call.cause,
        "lang": call.lang,
        "release": call.release,
        "steps": steps,
        "keys": call.keys,
        "look_ups": call.look_ups,
        "rating": call.rating,
        "mos": call.mos_hundredths.map(|mos| f64::from(mos) / 100.0),
        "peer_packets_lost": call.peer_packets_lost,
        "round_trip_ms": call.round_trip.map(|time| time.as_secs_f64() * 1000.0),
        "srtp": call.srtp,
        "queue": call.queue,
        "queue_wait_s": call.queue_wait.map(|wait| wait.as_secs_f64()),
        "queue_outcome": call.queue_outcome,
        "agent": call.agent,
        "taken_over_by": call.taken_over_by,
        "handling": call.handling,
        "recordings": recordings.iter().map(|one| recording::to_json(one, zone)).collect::<Vec<Value>>(),
        "sms": call.text_message,
        "transfer": call.transfer,
        "message": call.message,
    })
}

/// The queue in which the caller waited, the agents, and the recordings of the conversations.
fn people(lines: &mut Lines, call: &PastCall, recordings: &[StoredRecording]) {
    let fixed = Bilingual::fixed;
    if let Some(queue) = queue(call) {
        lines.line(&fixed("queue", "队列"), &queue);
    }
    if call.handling.len() > 1 {
        let steps: Vec<Bilingual> = call.handling.iter().map(|step| handling(step)).collect();
        lines.line(&fixed("agents", "坐席"), &Bilingual::list(&steps, ", ", "，"));
    }
    for one in recordings {
        lines.line(&fixed("recording", "录音"), &recording_line(one));
    }
}

/// What came of what the caller asked for: a transfer, a message, a text message.
fn results_of_requests(lines: &mut Lines, call: &PastCall) {
    let fixed = Bilingual::fixed;
    if let Some(result) = call.transfer.as_deref().map(transfer) {
        lines.line(&fixed("transfer", "转接"), &result);
    }
    for result in call.message.iter().flat_map(|results| results.split(',')).map(message) {
        lines.line(&fixed("message", "留言"), &result);
    }
    if let Some(outcome) = text_message(call) {
        lines.line(&fixed("sms", "短信"), &outcome);
    }
}

fn trunk(lines: &mut Lines, call: &PastCall) {
    let fixed = Bilingual::fixed;
    lines.line(&fixed("trunk", "中继"), &call.trunk.clone().into());
    if call.is_call_back {
        lines.line(&fixed("call-back", "回电"), &fixed("this node called the person", "本节点呼叫登记人"));
    }
}

fn to_text(
    call: &PastCall,
    steps: &[PastStep],
    recordings: &[StoredRecording],
    release: Option<&flow::Release>,
    zone: &TimeZone,
) -> String {
    let (release_is_known, called_back) =
        (release.is_some(), release.and_then(|release| release.flow.called_back_node()));
    let mut lines = Lines::new(language::current(), 11);
    let fixed = Bilingual::fixed;
    let (row, tag) = (call.id, call.tag.clone().map_or_else(|| fixed("without a tag", "无标签"), Bilingual::from));
    lines.line(&fixed("call", "来电"), &bilingual!("{tag} (row #{row})", "{tag:#}（第 #{row} 行）"));
    lines.line(&fixed("started", "开始"), &shown(call.started, zone).into());
    trunk(&mut lines, call);
    let answered = call.answered_after.map(|after| after.as_secs_f64());
    let is_called = called_back.is_some() && steps.first().map(|step| &*step.node) == called_back;
    let answered = answered.map(|after| match is_called {
        true => bilingual!("after {after:.3} s: this node called the person back", "{after:.3} 秒后（本节点回拨）"),
        false => bilingual!("after {after:.3} s", "{after:.3} 秒后"),
    });
    lines.line(&fixed("answered", "接通"), &answered.unwrap_or_else(|| fixed("no", "未接通")));
    let lang = call.lang.as_deref().map_or_else(|| fixed("not chosen", "未选择"), language_name);
    lines.line(&fixed("language", "语言"), &lang);
    lines.line(&fixed("release", "版本"), &call.release.get(..12).unwrap_or(&call.release).to_owned().into());
    if !release_is_known && !steps.is_empty() {
        let unknown = fixed(
            "this release is not stored here: the steps are shown by name only",
            "此处未保存该版本：步骤只显示名称",
        );
        lines.line(&Bilingual::default(), &unknown);
    }
    let title = fixed("steps", "步骤");
    // Results are in the order of the look-ups; which node made one is known from its release.
    let mut results = call.look_ups.iter();
    for (n, step) in steps.iter().enumerate() {
        let kind = step.kind.map_or_else(String::new, |kind| format!("{kind} "));
        let way = step.way.as_ref().map_or_else(Bilingual::default, |way| {
            let zh = way.strip_prefix("key ").map_or_else(|| branch(way), |key| format!("按键 {key}"));
            Bilingual::new(format!("  (by {way})"), format!("  （{zh}）"))
        });
        let result = (step.kind == Some("lookup")).then(|| results.next()).flatten();
        let result = result.map_or_else(Bilingual::default, |result| {
            let result = code(result);
            bilingual!(": {result}", "：{result:#}")
        });
        let (n, node, title) = (n + 1, name_of(&step.node), if n == 0 { title.clone() } else { Bilingual::default() });
        let step = bilingual!("{n:>3}. {kind}{node}{result}{way}", "{n:>3}. {kind}{node:#}{result:#}{way:#}");
        lines.line(&title, &step);
    }
    if steps.is_empty() {
        lines.line(&title, &fixed("none recorded", "无记录"));
    }
    if !call.look_ups.is_empty() {
        let results: Vec<Bilingual> = call.look_ups.iter().map(|result| code(result)).collect();
        lines.line(&fixed("look-ups", "查询"), &Bilingual::list(&results, ", ", "、"));
    }
    let keys = call.keys;
    lines.line(
        &fixed("keys", "按键"),
        &bilingual!("{keys} pressed (which keys is not recorded)", "{keys} 次（不记录按了哪些键）"),
    );
    if let Some(rating) = call.rating {
        lines.line(&fixed("rating", "评分"), &rating.to_string().into());
    }
    people(&mut lines, call, recordings);
    results_of_requests(&mut lines, call);
    lines.line(&fixed("sound", "音质"), &sound(call));
    let cause = call.cause.as_ref().map_or_else(Bilingual::default, |cause| {
        let cause = code(cause);
        bilingual!(": {cause}", "：{cause:#}")
    });
    let (outcome, after) = (code(&call.outcome), call.duration.as_secs_f64());
    lines.line(
        &fixed("ended", "结束"),
        &bilingual!("{outcome}{cause}, after {after:.1} s", "{outcome:#}{cause:#}，历时 {after:.1} 秒"),
    );
    lines.into_text()
}

/// The recordings that the call's record names, those that were deleted aside.
fn recordings_of(settings: &Settings, call: &PastCall) -> Result<Vec<StoredRecording>, Bilingual> {
    let find = |id: &String| journal::recording(&settings.data.folder, id).transpose();
    Ok(call.recordings.iter().filter_map(find).collect::<Result<_, String>>()?)
}

fn recording_line(one: &StoredRecording) -> Bilingual {
    let (id, length) = (&one.id, one.length.unwrap_or_default().as_secs_f64());
    match one.pauses.len() {
        0 => bilingual!("{id}, {length:.1} s", "{id}，{length:.1} 秒"),
        pauses => {
            let s = plural(pauses);
            bilingual!("{id}, {length:.1} s, {pauses} pause{s}", "{id}，{length:.1} 秒，暂停 {pauses} 次")
        }
    }
}

fn outcome_of_wait(name: &str) -> Bilingual {
    match name {
        "answered" => Bilingual::fixed("answered", "已接听"),
        "abandoned" => Bilingual::fixed("abandoned", "等候中挂机"),
        "left" => Bilingual::fixed("left by a key", "按键离开"),
        "full" => Bilingual::fixed("full", "队列已满"),
        "unavailable" => Bilingual::fixed("unavailable", "无坐席接听"),
        other => other.to_owned().into(),
    }
}

/// Where the caller waited for an agent, and what came of it.
fn queue(call: &PastCall) -> Option<Bilingual> {
    let (queue, outcome) = (call.queue.as_ref()?, outcome_of_wait(call.queue_outcome.as_ref()?));
    let agent =
        call.agent.as_ref().map_or_else(Bilingual::default, |agent| bilingual!(" by {agent}", "（坐席 {agent}）"));
    let wait = call.queue_wait.unwrap_or_default().as_secs_f64();
    let taken_over = call
        .taken_over_by
        .as_ref()
        .map_or_else(Bilingual::default, |by| bilingual!("; {by} took over", "；班长 {by} 已接管"));
    Some(bilingual!(
        "{queue}: {outcome}{agent} after {wait:.1} s{taken_over}",
        "{queue}：{outcome:#}{agent:#}，等候 {wait:.1} 秒{taken_over:#}"
    ))
}

/// The name of a step: as the flow has it, or what the call was if no flow was run.
fn name_of(node: &str) -> Bilingual {
    match node {
        LINE_TEST_STEP => Bilingual::fixed(LINE_TEST_STEP, "（线路测试）"),
        STUDIO_STEP => Bilingual::fixed(STUDIO_STEP, "（电话录音）"),
        node => node.to_owned().into(),
    }
}

/// A language by its code.
fn language_name(lang: &str) -> Bilingual {
    match lang {
        "zh" => Bilingual::fixed("zh", "普通话（zh）"),
        "yue" => Bilingual::fixed("yue", "广东话（yue）"),
        "en" => Bilingual::fixed("en", "英语（en）"),
        other => other.to_owned().into(),
    }
}

/// The branch of a node by its name in the flow, in Chinese.
fn branch(way: &str) -> String {
    let known = match way {
        "none" => "未查到",
        "closed" => "非服务时间",
        "open" => "服务时间内",
        "holiday" => "节假日",
        "saved" => "已保存",
        "yes" => "是",
        "no" => "否",
        _ => {
            let known = code(way).zh;
            return if known == way { format!("分支 {way}") } else { known.into_owned() };
        }
    };
    format!("{known}（{way}）")
}

/// A step of what agents did, in words.
fn handling(step: &str) -> Bilingual {
    let (word, about) = step.split_once(':').unwrap_or((step, ""));
    match word {
        "agent" => bilingual!("talked to {about}", "与坐席 {about} 通话"),
        "asked_agent" => bilingual!("{about} was asked", "咨询坐席 {about}"),
        "asked_number" => bilingual!("the number …{about} was asked", "咨询号码…{about}"),
        "to_agent" => bilingual!("given to {about}", "转给坐席 {about}"),
        "to_number" => bilingual!("given to the number …{about}", "转至号码…{about}"),
        "to_queue" => bilingual!("given to the queue {about}", "转至队列 {about}"),
        "taken_over" => bilingual!("{about} took over", "班长 {about} 接管"),
        "returned" => Bilingual::fixed("came back: no answer", "无人接听，转回"),
        other => other.to_owned().into(),
    }
}

/// Whether the text message that the caller asked for was accepted.
fn text_message(call: &PastCall) -> Option<Bilingual> {
    let outcome = match call.text_message.as_deref()? {
        "accepted" => Bilingual::fixed("accepted for sending", "已提交，待发送"),
        "refused" => Bilingual::fixed("refused", "被拒绝"),
        other => other.to_owned().into(),
    };
    Some(outcome)
}

/// What came of a transfer to a person outside the queues.
pub(crate) fn transfer(result: &str) -> Bilingual {
    match result {
        "done" => Bilingual::fixed("connected", "已接通"),
        "no_answer" => Bilingual::fixed("no answer in the time that the flow gives it", "在流程规定的时间内无人接听"),
        "no_report" => Bilingual::fixed(
            "failed: the carrier reported nothing, or could not be reached",
            "未成功：运营商未回报结果，或无法连通",
        ),
        "limited" => Bilingual::fixed(
            "not tried: the caller had all the transfers of phone.transfers_per_call_max or phone.transfers_per_caller_max",
            "未转接：已达 phone.transfers_per_call_max 或 phone.transfers_per_caller_max 的次数",
        ),
        "no_target" => Bilingual::fixed("not tried: phone.desk has no address", "未转接：phone.desk 没有地址"),
        status => {
            let (english, chinese) = match status {
                "404" | "484" | "604" => (", no such number", "，号码不存在"),
                "403" | "405" | "501" => {
                    (", the carrier does not allow transfers (REFER)", "，运营商不允许转接（REFER）")
                }
                "408" | "480" => (", no answer", "，无人接听"),
                "486" | "600" => (", busy", "，占线"),
                "603" => (", declined", "，拒绝接听"),
                "500" | "502" | "503" | "504" => (", fault or overload on the other side", "，对方故障或繁忙"),
                _ => ("", ""),
            };
            Bilingual::new(
                format!("refused with SIP status {status}{english}"),
                format!("被拒绝，SIP 状态码 {status}{chinese}"),
            )
        }
    }
}

/// What became of a message.
fn message(result: &str) -> Bilingual {
    match result {
        "sent" => Bilingual::fixed("sent; the caller hung up at once", "已提交，来电人随即挂机"),
        "failed" => Bilingual::fixed("could not be stored: see the log", "未能保存：见日志"),
        "refused" => Bilingual::fixed(
            "not accepted: too many of this caller or trunk, or the disk is full",
            "未接受：该号码或中继留言过多，或磁盘已满",
        ),
        "unsent" => Bilingual::fixed("recorded, and not sent by the caller", "已录音，来电人未提交"),
        "empty" => Bilingual::fixed("nothing was heard, so none is kept", "未录到声音，没有保存"),
        ticket => bilingual!(
            "kept under the number {ticket}: jindu messages list",
            "已保存，编号 {ticket}：见 jindu messages list"
        ),
    }
}

fn sound(call: &PastCall) -> Bilingual {
    let mut parts = Vec::new();
    parts.extend(call.mos_hundredths.map(|mos| {
        let mos = f64::from(mos) / 100.0;
        bilingual!("score {mos:.2}", "评分 {mos:.2}")
    }));
    parts
        .extend(call.peer_packets_lost.map(|lost| {
            bilingual!("{lost} packets lost on the way to the caller", "发往来电人的语音包丢失 {lost} 个")
        }));
    parts.extend(call.round_trip.map(|time| {
        let ms = time.as_secs_f64() * 1000.0;
        bilingual!("round trip {ms:.1} ms", "往返时延 {ms:.1} 毫秒")
    }));
    parts.extend(call.srtp.as_deref().map(|suite| match suite {
        "none" => Bilingual::fixed("not encrypted", "未加密"),
        suite => format!("SRTP {suite}").into(),
    }));
    if parts.is_empty() { Bilingual::fixed("not measured", "未测量") } else { Bilingual::list(&parts, ", ", "，") }
}
