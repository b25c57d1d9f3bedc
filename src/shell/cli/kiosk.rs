//! `jindu kiosk …`: which browsers are kiosks, with a serving node or without one.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use base::{Bilingual, bilingual, padded};
use config::Settings;
use kiosk_store::{KioskStore, KioskStoreError};
use os::language::current;
use os::{clock, folder};
use release::releases;
use web::{EnrolledKiosk, NewKiosk, qr_text};

use crate::args::by::By;
use crate::args::kiosk::{AddKiosk, KioskCommand};
use crate::call_words::code;
use crate::exit::{Errors, print};
use crate::local_time::{shown, zone};
use crate::say::text;

/// Runs the command.
///
/// # Errors
/// What is wrong with the command, a line each.
pub(crate) fn run(settings: &Settings, command: &KioskCommand) -> Result<ExitCode, Errors> {
    let lines = |error: KioskStoreError| vec![error.text()];
    folder::create(&settings.data.folder).map_err(|error| vec![error])?;
    let kiosks = KioskStore::open(&settings.data.folder).map_err(lines)?;
    let text = match command {
        KioskCommand::Add(new) => {
            known_hall(settings, &new.hall)?;
            let at = new.at.clone().map_or_else(|| service_url(settings), Ok).map_err(|error| vec![error])?;
            let added = add(&kiosks, new, &at).map_err(lines)?;
            note(settings, &format!("kiosk add {}, {}", new.name, new.hall))?;
            added
        }
        KioskCommand::List { json: false } => table(&kiosks, clock::timestamp(), &zone(settings)),
        KioskCommand::List { json: true } => list_json(&kiosks, clock::timestamp()),
        KioskCommand::Revoke { name } => {
            kiosks.revoke(name).map_err(lines)?;
            note(settings, &format!("kiosk revoke {name}"))?;
            text!(
                "{name} is no longer a kiosk; a serving node knows within two seconds",
                "{name} 已撤销；运行中的节点两秒内生效"
            ) + "\n"
        }
    };
    print(text);
    Ok(ExitCode::SUCCESS)
}

fn note(settings: &Settings, what: &str) -> Result<(), Errors> {
    releases::append_audit(settings, &By::default().entry(what, None)).map_err(|error| vec![error])
}

/// Whether the flow knows a hall of this name. A flow that names no halls takes any.
fn known_hall(settings: &Settings, hall: &str) -> Result<(), Errors> {
    let release = release::hotline::release(settings)?;
    let halls = release.flow.members("case.hall").map(|(_, halls)| halls).unwrap_or_default();
    if halls.is_empty() || halls.iter().any(|known| &**known == hall) {
        return Ok(());
    }
    Err(vec![bilingual!(
        "there is no hall {hall}: the flow has {} [kiosk.hall]",
        "没有大厅 {hall}：流程中有 {} [kiosk.hall]",
        halls.join(", ")
    )])
}

fn add(kiosks: &KioskStore, new: &AddKiosk, at: &str) -> Result<String, KioskStoreError> {
    let code = kiosks.add(&NewKiosk {
        name: new.name.clone(),
        hall: new.hall.clone(),
        addresses: new.addresses.clone(),
        valid: Duration::from_secs(new.valid * 60),
        renew: new.renew,
    })?;
    let address = format!("{}/kiosk/enrol?code={}", at.trim_end_matches('/'), code.expose());
    if new.plain {
        return Ok(format!("{address}\n"));
    }
    let picture = qr_text(&address).unwrap_or_default();
    let (name, minutes) = (&new.name, new.valid);
    let text = text!(
        "Open this address in the browser of {name}. It works once, within {minutes} minutes.",
        "请在查询机 {name} 的浏览器中打开此地址。只能使用一次，{minutes} 分钟内有效。"
    );
    Ok(format!("{text}\n\n  {address}\n\n{picture}"))
}

/// How a kiosk reaches the node: by a name of `web.hosts`, whose port is that of the node unless a balancer stands before it, else by
/// the address that the node listens on.
///
/// # Errors
/// The settings do not say.
fn service_url(settings: &Settings) -> Result<String, Bilingual> {
    let web = &settings.web;
    // A serving node may have been started with other addresses than the settings name.
    let node = node::node_status(&settings.data.folder).ok().flatten();
    let serving = node.map(|node| node.pages).unwrap_or_default();
    let listen = serving.first().or_else(|| web.listen.first());
    let Some(listen) = listen.filter(|listen| !listen.ip().is_unspecified() || !web.hosts.is_empty()) else {
        return Err(Bilingual::fixed(
            "web.listen names no address that a kiosk could open: give --at URL, or set web.hosts",
            "web.listen 没有可供查询机打开的地址：请写 --at URL，或设 web.hosts",
        ));
    };
    let Some(host) = web.hosts.first() else { return Ok(format!("http://{listen}")) };
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    // A balancer listens on a port of its own.
    let port =
        if web.proxies.is_empty() && listen.port() != 80 { format!(":{}", listen.port()) } else { String::new() };
    Ok(format!("http://{host}{port}"))
}

fn table(kiosks: &KioskStore, now: Timestamp, zone: &TimeZone) -> String {
    let lang = current();
    let row = |cells: [&str; 8]| {
        let widths = [24, 16, lang.choose(10, 24), 26, 10, 8, 8, 0];
        let cells = cells.iter().zip(widths).map(|(cell, width)| padded(cell, width));
        format!("{}\n", cells.collect::<Vec<_>>().join(" ").trim_end())
    };
    let mut text = row(lang.choose(
        ["name", "hall", "state", "last seen", "page", "scans", "faults", "addresses"],
        ["名称", "大厅", "状态", "最近出现", "页面", "扫码", "故障", "地址"],
    ));
    for kiosk in kiosks.register().kiosks() {
        let activity = kiosks.activity(&kiosk.name);
        let seen = activity.seen().map_or_else(|| lang.choose("never", "从未").to_owned(), |at| shown(at, zone));
        let version = if activity.version.is_empty() { "-" } else { &activity.version };
        let (scans, faults) = (activity.scans.to_string(), activity.faults.to_string());
        let (state, addresses) = (code(state_of(kiosk, now)), addresses_of(kiosk).join(","));
        let state = state.of(lang);
        text.push_str(&row([&kiosk.name, &kiosk.hall, state, &seen, version, &scans, &faults, &addresses]));
    }
    text
}

fn list_json(kiosks: &KioskStore, now: Timestamp) -> String {
    let list: Vec<_> = kiosks
        .register()
        .kiosks()
        .iter()
        .map(|kiosk| {
            let activity = kiosks.activity(&kiosk.name);
            json!({
                "name": kiosk.name,
                "hall": kiosk.hall,
                "addresses": addresses_of(kiosk),
                "state": state_of(kiosk, now),
                "enrolled": kiosk.enrolled().map(|at| at.to_string()),
                "seen": activity.seen().map(|at| at.to_string()),
                "page": activity.version,
                "scans": activity.scans,
                "faults": activity.faults,
            })
        })
        .collect();
    format!("{}\n", json!(list))
}

fn state_of(kiosk: &EnrolledKiosk, now: Timestamp) -> &'static str {
    match (kiosk.enrolled().is_some(), kiosk.is_waiting(now)) {
        (true, false) => "enrolled",
        (true, true) => "renewing",
        (false, true) => "waiting",
        (false, false) => "expired",
    }
}

fn addresses_of(kiosk: &EnrolledKiosk) -> Vec<String> {
    kiosk.networks().map(|network| network.to_string()).collect()
}
