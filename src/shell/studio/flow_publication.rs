//! Publishes the edited flow and words, with the takes that fit them.
//!
//! ```text
//!  edited files ─► prepare ─► run_sheets ─► replay ─► go_live ─► live pointer ─► every node's watch
//!  takes: live or approved, of the same words ─┘
//! ```
//! The steps are separate so that the command line can report each of them. A live take of other words gives way to the
//! factory's recording of the new ones; where there is none, nothing is published.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base::{Bilingual, bilingual};
use config::Settings;
use flow::ReplayReport;
use journal::REPLAYED_MAX;
use os::background::lower_priority;
use os::clock;
use os::io_fault;
use release::call_sheets::{self, SheetReport};
use release::diagnostics;
use release::hotline::{self, Hotline};
use release::recordings::{self, MissingPolicy};
use release::releases::{self, Entry, Master, Overlay};
use speech::{Clip, ClipText};
use studio::{TakeName, TakeState, text_hash};

use crate::rejection::Rejection;
use crate::row::Person;
use crate::store::{Action, Actor, Store};

/// A publication of the edited files, from their reading to the live pointer. It holds the publication lock.
pub struct FlowPublication<'a> {
    settings: &'a Settings,
    _lock: fs::File,
    hotline: Hotline,
    above: Overlay,
}

/// What a publication did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The same release is live already: nothing was changed.
    AlreadyLive {
        /// The release's name.
        release: String,
    },
    /// The release is live for new calls.
    Live {
        /// The release's name.
        release: String,
        /// The number of old releases that were removed, or why they could not be.
        removed: Result<usize, Bilingual>,
    },
}

impl<'a> FlowPublication<'a> {
    /// Takes the publication lock, then reads and checks the edited files. It lowers the priority of this thread, so that
    /// calls in progress keep the cores.
    ///
    /// # Errors
    /// All errors of the files, a line each; or another publication holds the lock.
    pub fn prepare(settings: &'a Settings, missing: MissingPolicy) -> Result<FlowPublication<'a>, Vec<Bilingual>> {
        lower_priority();
        let lock = releases::lock(settings).map_err(one)?.ok_or_else(|| one(Rejection::Busy.text()))?;
        let (hotline, above) = edited(settings, missing)?;
        Ok(FlowPublication { settings, _lock: lock, hotline, above })
    }

    /// The edited hotline, with its remarks.
    pub fn hotline(&self) -> &Hotline {
        &self.hotline
    }

    /// Runs all call sheets of `hotline.call_sheets`. A release whose sheets fail must not go live.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn run_sheets(&self) -> Result<Vec<SheetReport>, Vec<Bilingual>> {
        let folder: &Path = &self.settings.hotline.call_sheets;
        let sheets = call_sheets::in_folder(folder).map_err(|error| {
            let fault = io_fault(folder, &error);
            one(bilingual!(
                "{fault}; hotline.sheets names the folder of call sheets",
                "{fault:#}；hotline.sheets 应写通话脚本所在文件夹"
            ))
        })?;
        Ok(sheets.iter().map(|sheet| call_sheets::run(&self.hotline, sheet)).collect())
    }

    /// Replays past calls against the edited flow.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn replay(&self) -> Result<ReplayReport, Vec<Bilingual>> {
        releases::replay_past_calls(self.settings, &self.hotline.release, REPLAYED_MAX).map_err(one)
    }

    /// Stores the release, and makes it live for new calls. `entry` gives the actor and the reason for the audit log.
    ///
    /// # Errors
    /// The files were changed since they were read, or cannot be written.
    pub fn go_live(self, entry: Entry) -> Result<Published, Vec<Bilingual>> {
        let settings = self.settings;
        let release = releases::store(settings, &hotline::recorded(&self.hotline.release), &self.above).map_err(one)?;
        if releases::live(settings).as_deref() == Some(&*release) {
            return Ok(Published::AlreadyLive { release });
        }
        let stored = hotline::release(&releases::settings_of(settings, &release))?;
        if stored.name() != self.hotline.release.name() {
            return Err(one(Bilingual::fixed(
                "the files were changed while they were being published; publish again",
                "发布期间文件被改动；请重新发布",
            )));
        }
        mark_published(settings, &self.above, &release, &entry.who).map_err(|error| one(error.text()))?;
        let entry = Entry { release: Some(release.clone()), ..entry };
        let removed = releases::go_live(settings, &release, &entry).map_err(one)?;
        Ok(Published::Live { release, removed })
    }
}

/// The edited files, with the takes that fit their words in place of the factory's recordings.
///
/// # Errors
/// All errors of the files, a line each. `E48` for words whose only recordings are of older words; `E43` where callers wait too long for a result.
pub fn edited(settings: &Settings, missing: MissingPolicy) -> Result<(Hotline, Overlay), Vec<Bilingual>> {
    let release = hotline::release(settings)?;
    let takes = fitting_takes(settings, &hotline::needed(&release)).map_err(one)?;
    let mut hotline = hotline::read_with(settings, &takes.above, missing)?;
    let too_slow = hotline.too_slow(settings);
    if !too_slow.is_empty() {
        return Err(too_slow);
    }
    let remark = |needed| diagnostics::replaced_by_factory(&release, needed).line();
    hotline.remarks.extend(takes.replaced.iter().map(remark));
    Ok((hotline, takes.above))
}

/// The takes that go live with a flow.
#[derive(Debug, Default)]
struct FittingTakes {
    above: Overlay,
    /// Words whose live take is of other words, while the factory has a recording of these.
    replaced: Vec<ClipText>,
}

/// Live takes that fit the words, else approved ones, else the factory's recording, else takes that were published before a rollback.
fn fitting_takes(settings: &Settings, needed: &BTreeSet<ClipText>) -> Result<FittingTakes, Bilingual> {
    let live = releases::live_takes(settings);
    let Heard { approved, published } = heard(settings).map_err(|error| error.text())?;
    let mut takes = FittingTakes::default();
    if live.is_empty() && approved.is_empty() && published.is_empty() {
        return Ok(takes);
    }
    let factory = recordings::manifest(&settings.hotline.manifest)?;
    for needed in needed {
        let clip = Clip { lang: needed.lang, id: needed.id.clone() };
        let text_sha256 = text_hash(&needed.text);
        let fits = |master: &&Master| master.text_sha256 == text_sha256;
        if let Some(master) = live.get(&clip).filter(fits).or_else(|| approved.get(&clip).filter(fits)) {
            takes.above.insert(clip, master.clone());
            continue;
        }
        // One of other words, and one that does not exist, are reported where recordings are read.
        let recorded = factory.get(&clip).and_then(|recorded| recorded.text_sha256.as_deref());
        if recorded == Some(&*text_sha256) && recordings::path_of(&settings.hotline.audio, &clip).exists() {
            if live.contains_key(&clip) {
                takes.replaced.push(needed.clone());
            }
        } else if let Some((clip, master)) = published.iter().rev().find(|(of, take)| *of == clip && fits(&take)) {
            takes.above.insert(clip.clone(), master.clone());
        }
    }
    Ok(takes)
}

/// Marks the approved takes of a release as published.
fn mark_published(settings: &Settings, above: &Overlay, release: &str, who: &str) -> Result<(), Rejection> {
    let folder = settings.data.folder.join("studio");
    if !folder.join("studio.sqlite3").exists() {
        return Ok(());
    }
    let mut store = Store::open(&folder)?;
    let names: Vec<TakeName> = above.values().filter_map(|master| TakeName::read(master.take.as_deref()?)).collect();
    let who = Person { id: 0, name: who.into() };
    store.update(&Actor { who, at: clock::timestamp() }, |update| {
        for name in &names {
            let Ok(take) = update.take(name) else { continue };
            if take.state == TakeState::Approved {
                update.published(name, release)?;
                let (slot, take, release) = (Some(&take.clip()), Some(name), Some(release));
                update.note(&Action { what: "publish", slot, take, release, why: "with the flow" })?;
            }
        }
        Ok(())
    })
}

/// Takes that an approver has heard.
#[derive(Default)]
struct Heard {
    approved: Overlay,
    /// Those of earlier publications whose sound is kept.
    published: Vec<(Clip, Master)>,
}

fn heard(settings: &Settings) -> Result<Heard, Rejection> {
    let folder = settings.data.folder.join("studio");
    let mut heard = Heard::default();
    if !folder.join("studio.sqlite3").exists() {
        return Ok(heard);
    }
    for take in Store::open(&folder)?.takes()? {
        let path = folder.join("masters").join(format!("{}.wav", take.master));
        let (clip, text_sha256) = (take.clip(), text_hash(&take.text));
        let master = Master { take: Some(take.name.to_string()), path, text_sha256 };
        match take.state {
            TakeState::Approved => drop(heard.approved.insert(clip, master)),
            TakeState::Published if master.path.exists() => heard.published.push((clip, master)),
            _ => {}
        }
    }
    Ok(heard)
}

fn one(error: Bilingual) -> Vec<Bilingual> {
    vec![error]
}
