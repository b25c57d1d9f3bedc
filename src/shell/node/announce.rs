//! What a start prints: what to try with the sample, initial passwords, and the ready line.

use std::io::{self, Write};
use std::path::Path;

use base::{Bilingual, OfficeLang, bilingual};
use config::Settings;
use flow::Opening;
use media::MediaIoInUse;
use os::{clock, language};
use release::hotline::{self, Hotline};
use release::releases;
use replica::sample::Example;
use studio_store::accounts::initial::InitialAccount;

use crate::first_passwords;
use crate::sockets::Sockets;

/// What a start prints before the ready line.
pub(crate) struct Welcome<'a> {
    /// Sample cases to try; `None` where the node serves real ones.
    pub examples: Option<&'a [Example]>,
    /// Accounts that this start created.
    pub accounts: &'a [InitialAccount],
    /// What is served.
    pub hotline: &'a Hotline,
    /// How each media thread reads and writes its sockets.
    pub media_io: &'a [MediaIoInUse],
}

/// Prints the welcome, then the ready line, by which a program knows that every socket is open.
pub(crate) fn announce(settings: &Settings, sockets: &Sockets, welcome: &Welcome<'_>) {
    let phone: Vec<String> =
        sockets.sip.listening().iter().map(|(transport, address)| format!("{}:{address}", transport.name())).collect();
    let pages: Vec<String> = sockets.web.addresses().iter().map(|address| format!("http://{address}")).collect();
    let mut text = String::new();
    if let Some(examples) = welcome.examples {
        text.push_str(&what_to_try(settings, &phone, &pages, examples));
        text.push_str(&desk_is_closed(settings, welcome.hotline));
    }
    if let Some(page) = sockets.web.studio() {
        text.push_str(&first_passwords::shown(settings, page, welcome.accounts));
    }
    text.push_str(&served(settings, welcome.hotline));
    let media = media_sockets(welcome.media_io);
    text.push_str(&line(&bilingual!("media {media}", "语音收发 {media:#}")));
    if let Some(page) = sockets.web.studio().filter(|_| welcome.accounts.is_empty()) {
        text.push_str(&line(&bilingual!("studio http://{page}/studio", "录音工作室 http://{page}/studio")));
    }
    if let Some(page) = sockets.web.studio().filter(|_| !settings.phone.queues.queues.is_empty()) {
        text.push_str(&line(&bilingual!(
            "agents http://{page}/agent: those who answer callers that press 0",
            "坐席 http://{page}/agent：接听按 0 转人工的来电"
        )));
    }
    let operations: Vec<String> = sockets.web.operations().iter().map(|address| format!("http://{address}")).collect();
    let operations =
        if operations.is_empty() { String::new() } else { format!(" operations={}", operations.join(",")) };
    if language::current() == OfficeLang::Zh {
        text.push_str("电话和扫码服务已就绪，按 Ctrl-C 停止；下一行供程序读取：\n");
    }
    text.push_str(&format!("ready phone={} web={}{operations}\n", phone.join(","), pages.join(",")));
    let mut out = io::stdout().lock();
    // A node serves, whoever reads its output: a closed terminal or pipe ends no call.
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "the standard output cannot be written");
    } else {
        first_passwords::were_shown(settings, welcome.accounts);
    }
    tracing::info!(phone = phone.join(","), web = pages.join(","), media = media.en.as_ref(), "ready");
}

/// How media threads read and write their sockets, and why not by io_uring if that was to be tried.
fn media_sockets(threads: &[MediaIoInUse]) -> Bilingual {
    let of = |thread: &MediaIoInUse| match (thread.name, &thread.instead) {
        (name, Some(reason)) => {
            bilingual!("{name} (io_uring cannot be used here: {reason})", "{name}（此处不能使用 io_uring：{reason}）")
        }
        (name, None) => name.to_owned().into(),
    };
    let mut ways: Vec<Bilingual> = threads.iter().map(of).collect();
    ways.dedup();
    Bilingual::list(&ways, ", ", "、")
}

/// Which release callers hear, and whether the edited files are another.
fn served(settings: &Settings, hotline: &Hotline) -> String {
    let name = hotline.short_name();
    if releases::live(settings).is_none() {
        let folder = folder_of(&settings.hotline.flow);
        return line(&bilingual!(
            "the files in {folder} are served (flow {name}): no release is published yet",
            "使用 {folder} 中的文件（流程 {name}）：尚未发布版本"
        ));
    }
    let edited = match hotline::release(settings) {
        Ok(edited) if edited.name() == hotline.release.name() => Bilingual::default(),
        Ok(_) => Bilingual::fixed(
            ", and the edited files differ: jindu publish makes them live",
            "；工作文件与其不同：jindu publish 使其生效",
        ),
        Err(errors) => bilingual!(
            ", and the edited files have errors ({}): see jindu check",
            "；工作文件有 {} 处错误：见 jindu check",
            errors.len()
        ),
    };
    line(&bilingual!("release {name} is live{edited}", "版本 {name} 已启用{edited:#}"))
}

/// A line in the language of the command line.
fn line(text: &Bilingual) -> String {
    format!("{}\n", language::shown(text))
}

fn folder_of(file: &Path) -> String {
    file.parent().unwrap_or(file).display().to_string()
}

fn what_to_try(settings: &Settings, phone: &[String], pages: &[String], examples: &[Example]) -> String {
    let address = phone.first().and_then(|address| address.split_once(':')).map_or("", |(_, address)| address);
    let number = settings.phone.number().unwrap_or("96110110");
    let page = pages.first().map_or("", String::as_str);
    let mut text = line(&bilingual!(
        "What to try (sample cases):\n  dial   sip:{number}@{address}, then 1 for Mandarin, 1 for progress, the receipt, the ID tail (* for X)",
        "可以试用（样例案件）：\n  拨打   sip:{number}@{address}，按 1 选普通话，按 1 查进度，输入回执号和证件号后四位（* 代表 X）"
    ));
    if let Some(test) = &settings.phone.line_test {
        text.push_str(&line(&bilingual!(
            "  dial   sip:{test}@{address} for the line test",
            "  拨打   sip:{test}@{address} 测试线路"
        )));
    }
    if let Some(studio) = &settings.phone.studio {
        text.push_str(&line(&bilingual!(
            "  dial   sip:{studio}@{address} to record prompts by telephone",
            "  拨打   sip:{studio}@{address} 用电话录音"
        )));
    }
    text.push_str(&line(&bilingual!(
        "  open   {page} and scan or type a receipt; {page}/public is the page for everybody else\n\n  {:<16} {:<8} state",
        "  打开   {page} 扫描或输入回执号；{page}/public 供公众查询\n\n  {:<13} {:<5} 状态",
        language::current().choose("receipt", "回执号"),
        language::current().choose("ID tail", "后四位")
    )));
    for example in examples {
        let tail = example.case.id_tail.as_deref().unwrap_or("");
        text.push_str(&format!("  {:<16} {tail:<8} {}\n", example.case.receipt, language::shown(&example.name())));
    }
    text.push('\n');
    text
}

/// Where the desk is closed now: how to talk to a person all the same.
fn desk_is_closed(settings: &Settings, hotline: &Hotline) -> String {
    // A release that is live has its own calendar.
    let with = match releases::live(settings) {
        Some(_) => "--set data.folder=data-trial --set hotline.calendar=config/examples/always_open.toml",
        None => "--set hotline.calendar=config/examples/always_open.toml",
    };
    match hotline.release.calendar.opening(DESK, clock::local(&hotline.zone)) {
        Some(Opening::Closed | Opening::Holiday) => line(&bilingual!(
            "  The desk is closed at this hour: callers who press 0 hear so. To try a conversation with an agent now, stop and start with\n    {with}\n",
            "  现在不是人工服务时间：按 0 的来电人会听到此提示。如要现在试用人工通话，请停止后加上此参数启动：\n    {with}\n"
        )),
        Some(Opening::Open) | None => String::new(),
    }
}

/// The calendar of the people behind the key 0.
const DESK: &str = "desk";
