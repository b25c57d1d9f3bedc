//! `jindu publish`, `rollback`, `releases`, `emergency` and `replay`: what an operator changes while calls go on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rusqlite::{Connection, OpenFlags, params};

use super::aside::step_back;
use super::hotline::Hotline;
use super::recordings::Missing;
use super::releases::{self, Entry, Overlay};
use super::studio::{flow_published, for_flow};
use super::{clock, hotline, retention, sheets};
use crate::config::Settings;
use crate::flow::{Release, Replayed, replay};

/// Who does it, and why; for the audit.
#[derive(Clone, Debug, Default)]
pub struct By {
    pub who: Option<String>,
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
    let folder = &settings.hotline.sheets;
    let found = sheets_in(folder).map_err(|error| {
        vec![format!("{}: {error}; hotline.sheets names the folder of call sheets", folder.display())]
    })?;
    if !sheets::run(&hotline.release, &found, sheets::Tell::Failures) {
        eprintln!("jindu: call sheets failed; nothing was published");
        return Ok(ExitCode::FAILURE);
    }
    print_replay(&replayed(settings, &hotline.release, LAST)?);
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

/// The edited files, with the takes that go with their words above the factory's recordings.
pub fn edited(settings: &Settings, missing: Missing) -> Result<(Hotline, Overlay), Complaints> {
    let release = hotline::release(settings)?;
    let above = for_flow(settings, &hotline::needed(&release)).map_err(one)?;
    Ok((hotline::read_with(settings, &above, missing)?, above))
}

fn go_live(settings: &Settings, name: &str, entry: Entry) -> Result<ExitCode, Complaints> {
    releases::set_live(settings, name).map_err(one)?;
    releases::note(settings, &entry).map_err(one)?;
    println!("release {} is live: new calls take it within a second, calls in progress keep theirs", &name[..12]);
    tidy(settings);
    Ok(ExitCode::SUCCESS)
}

/// Removes releases that nobody needs. What is live is live: a failure here is told, and no more.
fn tidy(settings: &Settings) {
    let path = settings.data.folder.join("journal.sqlite3");
    let calls = if path.exists() { past_calls(&path, LAST) } else { Ok(Vec::new()) };
    let gone = calls.map_err(|error| error.to_string()).and_then(|calls| {
        let called = calls.into_iter().map(|(release, _)| release).collect();
        retention::clean(settings, &called).map_err(|error| error.to_string())
    });
    match gone {
        Ok(gone) if gone.is_empty() => {}
        Ok(gone) => println!("{} old releases were removed; the last {} are kept", gone.len(), retention::KEPT),
        Err(error) => eprintln!("jindu: old releases could not be removed: {error}"),
    }
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
    print_replay(&replayed(settings, &older.release, LAST)?);
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

fn replayed(settings: &Settings, draft: &Release, last: u32) -> Result<Replayed, Complaints> {
    let path = settings.data.folder.join("journal.sqlite3");
    let calls = if path.exists() {
        past_calls(&path, last).map_err(|error| one(format!("{}: {error}", path.display())))?
    } else {
        Vec::new()
    };
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

fn past_calls(path: &Path, last: u32) -> rusqlite::Result<Vec<(String, String)>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let mut select = connection
        .prepare("SELECT release, path FROM calls WHERE path NOT IN ('', '(studio)') ORDER BY id DESC LIMIT ?1")?;
    let rows = select.query_map(params![last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn print_replay(report: &Replayed) {
    println!("{} past calls replayed; {} would land elsewhere", report.calls, report.elsewhere);
    for (step, calls) in report.moves.iter().take(MOVES) {
        println!("  {calls:>6}  {step}");
    }
    if report.moves.len() > MOVES {
        println!("  and {} rarer ones", report.moves.len() - MOVES);
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

/// Past calls that a publication is held against.
pub const LAST: u32 = 10_000;
const MOVES: usize = 20;
const OTHER: &str = "another publication is under way; try again in a moment";
