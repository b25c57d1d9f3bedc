//! `jindu publish`, `rollback`, `releases`, `emergency` and `replay`: what an operator changes while calls go on.

use std::process::ExitCode;

use config::Settings;
use flow::ReplayReport;
use journal::REPLAYED_MAX;
use os::background::lower_priority;
use release::hotline;
use release::recordings::MissingPolicy;
use release::releases;
use studio_store::{FlowPublication, Published, Rejection};

use crate::approver::publisher;
use crate::args::by::{By, ByApprover};
use crate::exit::Errors;
use crate::sheets;

/// Checks the files of the settings, runs all call sheets, and makes them the live release.
pub(crate) fn publish(settings: &Settings, by: &ByApprover, missing: MissingPolicy) -> Result<ExitCode, Errors> {
    let who = publisher(settings, by).map_err(one)?;
    let publication = FlowPublication::prepare(settings, missing)?;
    publication.hotline().remarks.iter().for_each(|remark| println!("{remark}"));
    if !sheets::print_failures(&publication.run_sheets()?) {
        eprintln!("jindu: call sheets failed; nothing was published");
        return Ok(ExitCode::FAILURE);
    }
    print_replay(&publication.replay()?);
    match publication.go_live(by.by.entry_of(who, "publish", None))? {
        Published::AlreadyLive { release } => println!("release {} is live already", &release[..12]),
        Published::Live { release, removed } => print_live(&release, removed),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_live(release: &str, removed: Result<usize, String>) {
    println!("release {} is live: new calls take it within a second, calls in progress keep theirs", &release[..12]);
    match removed {
        Ok(0) => {}
        Ok(removed) => println!("{removed} old releases were removed; the last {} are kept", releases::KEPT),
        Err(error) => eprintln!("jindu: {error}"),
    }
}

/// Makes an older release live: the one whose hash starts with `prefix`, else the one before.
pub(crate) fn rollback(settings: &Settings, prefix: Option<&str>, by: &ByApprover) -> Result<ExitCode, Errors> {
    let who = publisher(settings, by).map_err(one)?;
    let _lock = releases::lock(settings).map_err(one)?.ok_or_else(|| one(Rejection::Busy.to_string()))?;
    let name = match prefix {
        Some(prefix) => releases::find(settings, prefix).map_err(one)?,
        None => releases::previous(settings)
            .ok_or_else(|| one("no other release was live before; see jindu releases".into()))?,
    };
    if releases::live(settings).as_deref() == Some(&*name) {
        println!("release {} is live already", &name[..12]);
        return Ok(ExitCode::SUCCESS);
    }
    lower_priority();
    let older = releases::load(settings, &name)?;
    print_replay(&releases::replay_past_calls(settings, &older.release, REPLAYED_MAX).map_err(one)?);
    let removed = releases::go_live(settings, &name, &by.by.entry_of(who, "rollback", Some(&name))).map_err(one)?;
    print_live(&name, removed);
    Ok(ExitCode::SUCCESS)
}

/// Lists the audit log, newest last; `*` marks the live release.
pub(crate) fn list(settings: &Settings) -> ExitCode {
    let live = releases::live(settings);
    let (entries, stored) = (releases::audit(settings), releases::names(settings));
    if entries.is_empty() {
        println!("no release was published yet: a node serves the files of its settings");
    }
    for entry in &entries {
        let mark = if entry.release.is_some() && entry.release == live { '*' } else { ' ' };
        let name = entry.release.as_deref().map_or("-", |name| name.get(..12).unwrap_or(name));
        let kept = entry.release.as_ref().is_none_or(|name| stored.contains(name));
        let gone = if kept { "" } else { " (removed)" };
        println!("{mark} {name:<12} {:.0} {:<13} {} {}{gone}", entry.at, entry.what, entry.who, entry.why);
    }
    ExitCode::SUCCESS
}

/// Sets the duty officer's switch, or shows it.
pub(crate) fn emergency(settings: &Settings, on: Option<bool>, by: &By) -> Result<ExitCode, Errors> {
    if let Some(on) = on {
        releases::set_emergency(settings, on).map_err(one)?;
        let what = if on { "emergency on" } else { "emergency off" };
        releases::append_audit(settings, &by.entry(what, None)).map_err(one)?;
    }
    let on = releases::emergency(settings).unwrap_or(settings.hotline.emergency);
    println!("the emergency notice is {}", if on { "on" } else { "off" });
    Ok(ExitCode::SUCCESS)
}

/// Replays past calls against the files of the settings.
pub(crate) fn replay_calls(settings: &Settings, last: u32) -> Result<ExitCode, Errors> {
    let draft = hotline::release(settings)?;
    print_replay(&releases::replay_past_calls(settings, &draft, last).map_err(one)?);
    Ok(ExitCode::SUCCESS)
}

fn print_replay(report: &ReplayReport) {
    println!("{} past calls replayed; {} would take another path", report.calls, report.diverged);
    for (step, calls) in report.divergences.iter().take(DIVERGENCES_SHOWN) {
        println!("  {calls:>6}  {step}");
    }
    if report.divergences.len() > DIVERGENCES_SHOWN {
        println!("  and {} rarer ones", report.divergences.len() - DIVERGENCES_SHOWN);
    }
}

fn one(error: String) -> Errors {
    vec![error]
}

const DIVERGENCES_SHOWN: usize = 20;
