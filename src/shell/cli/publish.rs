//! `jindu publish`, `rollback`, `releases`, `emergency` and `replay`: what an operator changes while calls go on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::sheets;
use config::Settings;
use flow::{Release, ReplayReport, replay};
use journal::{REPLAYED_MAX, past_calls};
use os::aside::step_back;
use os::clock;
use release::hotline;
use release::hotline::Hotline;
use release::recorded;
use release::recordings::Missing;
use release::releases::{self, Entry, Overlay};
use release::retention;
use studio_store::{flow_published, for_flow};

/// Who does it, and why; for the audit log.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct By {
    /// Who does it, for the audit log; the user of the terminal where nothing is said
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

impl By {
    fn entry(&self, what: &str, release: Option<&str>) -> Entry {
        let user = || std::env::var("USER").unwrap_or_else(|_| "unknown".into());
        Entry {
            at: clock::timestamp(),
            what: what.into(),
            release: release.map(str::to_owned),
            who: self.who.clone().unwrap_or_else(user),
            why: self.why.clone().unwrap_or_default(),
        }
    }
}

/// What an operator is told when it did not work.
type Complaints = Vec<String>;

/// Checks the files of the settings, runs all call sheets, and makes them the live release.
pub fn publish(settings: &Settings, by: &By, missing: Missing) -> Result<ExitCode, Complaints> {
    step_back();
    let _lock = releases::lock(settings).map_err(one)?.ok_or_else(|| one(OTHER.into()))?;
    let (hotline, above) = edited(settings, missing)?;
    hotline.remarks.iter().for_each(|remark| println!("{remark}"));
    let folder = &settings.hotline.call_sheets;
    let found = sheets_in(folder).map_err(|error| {
        vec![format!("{}: {error}; hotline.sheets names the folder of call sheets", folder.display())]
    })?;
    if !sheets::run(&hotline.release, &found, sheets::Tell::Failures) {
        eprintln!("jindu: call sheets failed; nothing was published");
        return Ok(ExitCode::FAILURE);
    }
    print_replay(&replayed(settings, &hotline.release, REPLAYED_MAX)?);
    let name = releases::store(settings, &hotline::recorded(&hotline.release), &above).map_err(one)?;
    if releases::live(settings).as_deref() == Some(&*name) {
        println!("release {} is live already", &name[..12]);
        return Ok(ExitCode::SUCCESS);
    }
    // The files may have been edited since they were read.
    let stored = hotline::release(&releases::settings_of(settings, &name))?;
    if stored.name() != hotline.release.name() {
        return Err(one("the files were changed while they were being published; publish again".into()));
    }
    let entry = by.entry("publish", Some(&name));
    flow_published(settings, &above, &name, &entry.who).map_err(|refusal| one(refusal.to_string()))?;
    go_live(settings, &name, entry)
}

/// The edited files, with the takes that go with their words above the factory's recordings. Words that only a recording
/// of older ones would be heard for, with a take among these, cannot go live.
pub fn edited(settings: &Settings, missing: Missing) -> Result<(Hotline, Overlay), Complaints> {
    let release = hotline::release(settings)?;
    let along = for_flow(settings, &hotline::needed(&release)).map_err(one)?;
    let mut complaints: Complaints =
        along.outdated.iter().map(|needed| recorded::outdated(&release, needed).to_string()).collect();
    let read = hotline::read_with(settings, &along.above, missing);
    let mut hotline = match read {
        Ok(hotline) if complaints.is_empty() => hotline,
        Ok(_) => return Err(complaints),
        Err(more) => {
            complaints.extend(more);
            return Err(complaints);
        }
    };
    hotline.remarks.extend(along.given_way.iter().map(|needed| recorded::given_way(&release, needed).to_string()));
    Ok((hotline, along.above))
}

fn go_live(settings: &Settings, name: &str, entry: Entry) -> Result<ExitCode, Complaints> {
    let removed = releases::go_live(settings, name, &entry).map_err(one)?;
    println!("release {} is live: new calls take it within a second, calls in progress keep theirs", &name[..12]);
    match removed {
        Ok(0) => {}
        Ok(gone) => println!("{gone} old releases were removed; the last {} are kept", retention::KEPT),
        Err(error) => eprintln!("jindu: {error}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes an older release live: the one named, else the one before.
pub fn rollback(settings: &Settings, beginning: Option<&str>, by: &By) -> Result<ExitCode, Complaints> {
    let _lock = releases::lock(settings).map_err(one)?.ok_or_else(|| one(OTHER.into()))?;
    let name = match beginning {
        Some(beginning) => releases::find(settings, beginning).map_err(one)?,
        None => releases::previous(settings)
            .ok_or_else(|| one("no other release was live before; see jindu releases".into()))?,
    };
    if releases::live(settings).as_deref() == Some(&*name) {
        println!("release {} is live already", &name[..12]);
        return Ok(ExitCode::SUCCESS);
    }
    step_back();
    let older = releases::load(settings, &name)?;
    print_replay(&replayed(settings, &older.release, REPLAYED_MAX)?);
    go_live(settings, &name, by.entry("rollback", Some(&name)))
}

/// Lists what was done, the newest last; `*` marks the live release.
pub fn list(settings: &Settings) -> ExitCode {
    let live = releases::live(settings);
    let (entries, stored) = (releases::audit(settings), releases::names(settings));
    if entries.is_empty() {
        println!("nothing was published yet: a node serves the files of its settings");
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

/// Turns the duty officer's switch, or tells how it stands.
pub fn emergency(settings: &Settings, on: Option<bool>, by: &By) -> Result<ExitCode, Complaints> {
    if let Some(on) = on {
        releases::set_emergency(settings, on).map_err(one)?;
        let what = if on { "emergency on" } else { "emergency off" };
        releases::note(settings, &by.entry(what, None)).map_err(one)?;
    }
    let stands = releases::emergency(settings).unwrap_or(settings.hotline.emergency);
    println!("the emergency notice is {}", if stands { "on" } else { "off" });
    Ok(ExitCode::SUCCESS)
}

/// Runs past calls against the files of the settings.
pub fn replay_calls(settings: &Settings, last: u32) -> Result<ExitCode, Complaints> {
    let draft = hotline::release(settings)?;
    print_replay(&replayed(settings, &draft, last)?);
    Ok(ExitCode::SUCCESS)
}

fn replayed(settings: &Settings, draft: &Release, last: u32) -> Result<ReplayReport, Complaints> {
    let calls = past_calls(settings, last).map_err(one)?;
    let mut flows = std::collections::BTreeMap::new();
    let stored = releases::names(settings);
    for (release, _) in &calls {
        flows.entry(release.as_str()).or_insert_with(|| {
            let name = stored.iter().find(|name| !release.is_empty() && name.starts_with(release.as_str()));
            let old = name.and_then(|name| hotline::release(&releases::settings_of(settings, name)).ok());
            old.map(|old| old.flow.clone()).or_else(|| (draft.short_name() == release).then(|| draft.flow.clone()))
        });
    }
    let flow = |release: &str| flows.get(release).and_then(Option::as_ref);
    Ok(replay(&draft.flow, calls.iter().map(|(release, path)| (flow(release), path.as_str()))))
}

fn print_replay(report: &ReplayReport) {
    println!("{} past calls replayed; {} would land elsewhere", report.calls, report.diverged);
    for (step, calls) in report.divergences.iter().take(MOVES) {
        println!("  {calls:>6}  {step}");
    }
    if report.divergences.len() > MOVES {
        println!("  and {} rarer ones", report.divergences.len() - MOVES);
    }
}

fn sheets_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut sheets = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "call") {
            sheets.push(path);
        }
    }
    sheets.sort();
    Ok(sheets)
}

fn one(complaint: String) -> Complaints {
    vec![complaint]
}

const MOVES: usize = 20;
const OTHER: &str = "another publication is under way; try again in a moment";
