//! `jindu publish`, `rollback`, `releases`, `emergency` and `replay`: what an operator changes while calls go on.

use std::fs;
use std::process::ExitCode;

use serde_json::{Value, json};

use base::{Bilingual, bilingual, padded, plural};
use config::Settings;
use flow::ReplayReport;
use journal::REPLAYED_MAX;
use os::background::lower_priority;
use os::io_fault;
use os::language::{current, shown as in_language};
use release::hotline;
use release::recordings::MissingPolicy;
use release::releases::{self, Entry};
use studio_store::accounts::initial::FIRST_START;
use studio_store::{FlowPublication, Published, Rejection};

use crate::approver::publisher;
use crate::args::by::{By, ByApprover};
use crate::call_words::action;
use crate::exit::{Errors, failed, print};
use crate::local_time::{rfc3339, shown, zone};
use crate::say::say;
use crate::sheets;

/// Checks the files of the settings, runs all call sheets, and makes them the live release.
pub(crate) fn publish(settings: &Settings, by: &ByApprover, missing: MissingPolicy) -> Result<ExitCode, Errors> {
    let who = publisher(settings, by).map_err(one)?;
    let publication = FlowPublication::prepare(settings, missing)?;
    publication.hotline().remarks.iter().for_each(|remark| say!("{remark}", "{remark:#}"));
    let reports = publication.run_sheets()?;
    if reports.is_empty() {
        let folder = settings.hotline.call_sheets.display();
        say!("{folder} has no call sheets: nothing is tested", "{folder} 中没有通话脚本：未作任何测试");
    }
    if !sheets::print_failures(&reports) {
        let folder = settings.hotline.call_sheets.display();
        failed(&bilingual!(
            "call sheets failed; nothing was published. Where the change is meant, change the sheets in {folder} to fit it, too",
            "通话脚本未通过；未发布任何内容。如确需此改动，请同时修改 {folder} 中的通话脚本"
        ));
        return Ok(ExitCode::FAILURE);
    }
    print_replay(&publication.replay()?);
    match publication.go_live(by.by.entry_of(who, "publish", None))? {
        Published::AlreadyLive { release } => say_already_live(&release),
        Published::Live { release, removed } => print_live(&release, removed),
    }
    Ok(ExitCode::SUCCESS)
}

fn say_already_live(release: &str) {
    say!("release {} is live already", "版本 {} 已在使用", &release[..12]);
}

fn print_live(release: &str, removed: Result<usize, Bilingual>) {
    say!(
        "release {} is live: new calls take it within a second, calls in progress keep theirs",
        "版本 {} 已启用：新来电一秒内生效，通话中的来电仍用原版本",
        &release[..12]
    );
    match removed {
        Ok(0) => {}
        Ok(removed) => say!(
            "{removed} old releases were removed; the last {} are kept",
            "已删除 {removed} 个旧版本；保留最近 {} 个",
            releases::KEPT
        ),
        Err(error) => failed(&error),
    }
}

/// Makes an older release live: the one whose hash starts with `prefix`, else the one before.
pub(crate) fn rollback(settings: &Settings, prefix: Option<&str>, by: &ByApprover) -> Result<ExitCode, Errors> {
    let who = publisher(settings, by).map_err(one)?;
    let _lock = releases::lock(settings).map_err(one)?.ok_or_else(|| one(Rejection::Busy.text()))?;
    let name = match prefix {
        Some(prefix) => releases::find(settings, prefix).map_err(one)?,
        None => releases::previous(settings).ok_or_else(|| one(Rejection::NothingBefore.text()))?,
    };
    if releases::live(settings).as_deref() == Some(&*name) {
        say_already_live(&name);
        return Ok(ExitCode::SUCCESS);
    }
    lower_priority();
    let older = releases::load(settings, &name)?;
    print_replay(&releases::replay_past_calls(settings, &older.release, REPLAYED_MAX).map_err(one)?);
    let removed = releases::go_live(settings, &name, &by.by.entry_of(who, "rollback", Some(&name))).map_err(one)?;
    print_live(&name, removed);
    Ok(ExitCode::SUCCESS)
}

/// Lists what was published, newest last; `*` marks the live release.
pub(crate) fn list(settings: &Settings, json: bool) -> ExitCode {
    let live = releases::live(settings);
    let (mut entries, stored) = (releases::audit(settings), releases::names(settings));
    entries.retain(|entry| entry.release.is_some());
    let zone = zone(settings);
    // A release that went live again has several lines; the newest says since when it is.
    let newest = entries.iter().rposition(|entry| entry.release.is_some() && entry.release == live);
    let is_stored = |entry: &Entry| entry.release.as_ref().is_none_or(|name| stored.contains(name));
    if json {
        let entry = |(at, entry): (usize, &Entry)| {
            json!({
                "at": rfc3339(entry.at, &zone),
                "action": entry.what,
                "release": entry.release,
                "who": entry.who,
                "why": entry.why,
                "live": newest == Some(at),
                "stored": entry.release.is_some() && is_stored(entry),
            })
        };
        let list: Vec<Value> = entries.iter().enumerate().map(entry).collect();
        print(format!("{:#}\n", Value::from(list)));
        return ExitCode::SUCCESS;
    }
    if entries.is_empty() {
        say!(
            "no release was published yet: a node serves the files of its settings",
            "尚未发布过版本：节点使用设置中的文件"
        );
    }
    for (at, entry) in entries.iter().enumerate() {
        let mark = if newest == Some(at) { '*' } else { ' ' };
        let name = entry.release.as_deref().map_or("-", |name| name.get(..12).unwrap_or(name));
        let gone =
            if is_stored(entry) { Bilingual::default() } else { Bilingual::fixed(" (removed)", "（已删除）") };
        let (at, what) = (shown(entry.at, &zone), action(&entry.what));
        let what = padded(in_language(&what), current().choose(15, 28));
        let who = person(&entry.who);
        let why = after_colon(&reason(&entry.why));
        say!(
            "{mark} {name:<12} {at}  {what} {who}{why}{gone}",
            "{mark} {name:<12} {at}  {what} {who:#}{why:#}{gone:#}"
        );
    }
    ExitCode::SUCCESS
}

/// Who did it, as shown to people: a log writes `-` where no person acted.
pub(crate) fn person(who: &str) -> Bilingual {
    match who {
        "" | "-" => Bilingual::fixed("the system", "系统"),
        FIRST_START => Bilingual::fixed("the first start", "首次启动"),
        name => match name.strip_prefix("command line") {
            Some(user) => match user.strip_prefix(": ") {
                Some(user) => bilingual!("{user} (command line)", "{user}（命令行）"),
                None => Bilingual::fixed("the command line", "命令行"),
            },
            None => name.to_owned().into(),
        },
    }
}

/// A text behind a colon; nothing where there is none.
pub(crate) fn after_colon(text: &Bilingual) -> Bilingual {
    if text.en.is_empty() { Bilingual::default() } else { bilingual!(": {text}", "：{text:#}") }
}

/// Why, as shown to people: what the program itself gives as its reason has words.
pub(crate) fn reason(why: &str) -> Bilingual {
    match why {
        "" => Bilingual::default(),
        "as shipped" => Bilingual::fixed("as shipped", "随程序提供"),
        "telephone" => Bilingual::fixed("telephone", "电话录音"),
        "with the flow" => Bilingual::fixed("with the flow", "随流程发布"),
        why => why.to_owned().into(),
    }
}

/// Sets the duty officer's switch, or shows it.
pub(crate) fn emergency(settings: &Settings, on: Option<bool>, by: &By, json: bool) -> Result<ExitCode, Errors> {
    if let Some(on) = on {
        let by = by.asked().map_err(one)?;
        let folder = &settings.data.folder;
        // A mistyped folder is refused: no node would read the switch there.
        fs::metadata(folder).map_err(|error| one(io_fault(folder, &error)))?;
        releases::set_emergency(settings, on).map_err(one)?;
        let what = if on { "emergency on" } else { "emergency off" };
        releases::append_audit(settings, &by.entry(what, None)).map_err(one)?;
    }
    let on = releases::emergency(settings).unwrap_or(settings.hotline.emergency);
    match on {
        _ if json => print(format!("{:#}\n", json!({"emergency": on}))),
        true => say!("the emergency notice is on", "紧急通知已开启"),
        false => say!("the emergency notice is off", "紧急通知已关闭"),
    }
    if !json && matches!(node::node_status(&settings.data.folder), Ok(None)) {
        let folder = settings.data.folder.display();
        say!("no node serves from {folder}; it applies from the next start", "没有节点使用 {folder}；下次启动后生效");
    }
    Ok(ExitCode::SUCCESS)
}

/// Replays past calls against the files of the settings.
pub(crate) fn replay_calls(settings: &Settings, last: u32) -> Result<ExitCode, Errors> {
    let draft = hotline::release(settings)?;
    print_replay(&releases::replay_past_calls(settings, &draft, last).map_err(one)?);
    Ok(ExitCode::SUCCESS)
}

fn print_replay(report: &ReplayReport) {
    let (calls, s, diverged) = (report.calls, plural(report.calls), report.diverged);
    say!(
        "{calls} past call{s} replayed; {diverged} would take another path",
        "已重放 {calls} 次过往来电；其中 {diverged} 次会走另一条路径"
    );
    if report.without_flow > 0 {
        let (n, s) = (report.without_flow, plural(report.without_flow));
        say!(
            "{n} call{s} of a release that is no longer stored: compared by node only",
            "其中 {n} 次来电所用的版本已不再保存，仅按节点比较"
        );
    }
    say!(
        "opening hours, waiting times and what callers keyed are taken as they were in each call",
        "各次来电的服务时间、等候时间和按键均按当时的情况重放"
    );
    for (step, calls) in report.divergences.iter().take(DIVERGENCES_SHOWN) {
        let step = step.text();
        say!("  {calls:>6}  {step}", "  {calls:>6}  {step:#}");
    }
    if report.divergences.len() > DIVERGENCES_SHOWN {
        say!("  and {} rarer ones", "  另有 {} 种较少见的", report.divergences.len() - DIVERGENCES_SHOWN);
    }
}

fn one(error: Bilingual) -> Errors {
    vec![error]
}

const DIVERGENCES_SHOWN: usize = 20;
