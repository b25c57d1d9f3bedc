//! What goes live: the approved takes, all at once, above the flow that is live.
//!
//! ```text
//!  live release's takes ─┐
//!  approved takes        ├─► one new release ─► live pointer ─► every node's watch
//!  slots to be restored ─┘
//! ```
//! Languages and sets change with one pointer. A publication of the flow takes along what fits its words.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{Studio, hand};
use super::catalogue::Catalogue;
use super::refusal::Refusal;
use super::row::{Change, Heard, Person, Publication, ReleaseRow, TakeRow};
use super::store::{Deed, Store};
use audio::encode_master;
use base::Lang;
use config::Settings;
use os::aside::aside;
use os::clock;
use release::hotline;
use release::recordings;
use release::recordings::Missing;
use release::releases::{self, Entry, Master, Overlay};
use speech::{Clip, ClipText};
use studio::{Message, Operator, TakeName, TakeState, is_recorded_whole, text_hash};

impl Studio {
    /// What a publication would change, and what would sound wrong.
    pub fn pending(&self) -> Result<Publication, Refusal> {
        Ok(self.plan()?.publication)
    }

    /// Makes every approved take live for new calls, in all languages at once. Where a set would be half a person's
    /// and half a machine's it is refused, unless that was confirmed.
    pub fn publish(&self, by: &Operator, why: &str, confirmed: bool) -> Result<(String, Publication), Refusal> {
        if !by.role.may_approve() {
            return Err(Refusal::NotApprover);
        }
        if why.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let _lock = releases::lock(&self.settings).map_err(Refusal::Fault)?.ok_or(Refusal::Busy)?;
        let plan = self.plan()?;
        if plan.publication.changes.is_empty() {
            let waiting = self.to_approve()?.len();
            return Err(Refusal::Nothing { waiting });
        }
        if !confirmed && !plan.publication.warnings.is_empty() {
            return Err(Refusal::Mixed(plan.publication.warnings));
        }
        let release = aside(|| self.make_release(&plan))?;
        // Told to the store first: a crash in between leaves takes that can be approved again, and callers undisturbed.
        self.published(by, "publish", &release, &plan.publication, why)?;
        self.go_live(by, "publish prompts", &release, why)?;
        Ok((release, plan.publication))
    }

    /// Makes another release live: the one named, else the one before. Flow and takes come back as they were.
    pub fn rollback(&self, by: &Operator, to: Option<&str>, why: &str) -> Result<String, Refusal> {
        if !by.role.may_approve() {
            return Err(Refusal::NotApprover);
        }
        let _lock = releases::lock(&self.settings).map_err(Refusal::Fault)?.ok_or(Refusal::Busy)?;
        let release = match to {
            Some(beginning) => releases::find(&self.settings, &beginning.to_ascii_lowercase())
                .map_err(|_| Refusal::NoRelease(beginning.into()))?,
            None => releases::previous(&self.settings).ok_or_else(|| Refusal::NoRelease(String::new()))?,
        };
        aside(|| releases::load(&self.settings, &release).map(drop)).map_err(Refusal::Flow)?;
        self.store().change(&hand(by), |change| {
            change.note(&Deed { what: "rollback", release: Some(&release), why, ..Deed::default() })
        })?;
        self.go_live(by, "rollback", &release, why)?;
        Ok(release)
    }

    /// What was published and rolled back, the newest first.
    pub fn releases(&self) -> Vec<ReleaseRow> {
        let (live, stored) = (releases::live(&self.settings), releases::names(&self.settings));
        let row = |entry: Entry| {
            let stored = entry.release.as_ref().is_some_and(|name| stored.contains(name));
            let takes = match entry.release.as_deref().filter(|_| stored) {
                Some(name) => releases::takes_of(&self.settings, name).len(),
                None => 0,
            };
            let live = entry.release.is_some() && entry.release == live;
            ReleaseRow {
                at: entry.at,
                what: entry.what,
                release: entry.release,
                who: entry.who,
                why: entry.why,
                live,
                stored,
                takes,
            }
        };
        let entries = releases::audit(&self.settings).into_iter().rev().filter(|entry| entry.release.is_some());
        entries.map(row).collect()
    }

    fn go_live(&self, by: &Operator, what: &str, release: &str, why: &str) -> Result<(), Refusal> {
        let (what, who, why) = (what.to_owned(), by.name.clone(), why.trim().to_owned());
        let entry = Entry { at: clock::timestamp(), what, release: Some(release.into()), who, why };
        match aside(|| releases::go_live(&self.settings, release, &entry)).map_err(Refusal::Fault)? {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "old releases were removed"),
            Err(error) => tracing::warn!("{error}"),
        }
        Ok(())
    }

    fn published(
        &self,
        by: &Operator,
        what: &str,
        release: &str,
        publication: &Publication,
        why: &str,
    ) -> Result<(), Refusal> {
        self.store().change(&hand(by), |change| {
            for done in &publication.changes {
                let slot = Clip { lang: done.lang, id: done.slot.as_str().into() };
                change.restore(&slot, false)?;
                if let Some(take) = &done.take {
                    change.published(take, release)?;
                }
                let take = done.take.as_ref();
                change.note(&Deed { what, slot: Some(&slot), take, release: Some(release), why: why.trim() })?;
            }
            Ok(())
        })
    }

    /// Stores the release. Only what is new is read and encoded to see that it can be: the rest is live already.
    fn make_release(&self, plan: &Plan) -> Result<String, Refusal> {
        for master in plan.new.values() {
            let (samples, rate) = recordings::samples(&master.path)
                .map_err(|error| Refusal::Fault(format!("{}: {error}", master.path.display())))?;
            encode_master(&samples, rate).map_err(|error| Refusal::Fault(error.to_string()))?;
        }
        let mut above = plan.live.clone();
        above.extend(plan.new.clone());
        let stored = match releases::live(&self.settings) {
            Some(live) => releases::store_beside(&self.settings, &live, &plan.needed, &above),
            None => {
                hotline::read_with(&self.settings, &above, Missing::Refused).map_err(Refusal::Flow)?;
                self.keep_as_shipped(&plan.needed);
                releases::store(&self.settings, &plan.needed, &above)
            }
        };
        stored.map_err(Refusal::Fault)
    }

    /// Before the first publication: keeps what is heard as a release, so that there is a way back to it. Where a
    /// recording is missing there is nothing to go back to.
    fn keep_as_shipped(&self, needed: &BTreeSet<ClipText>) {
        let Ok(shipped) = releases::store(&self.settings, needed, &Overlay::new()) else { return };
        let (what, who, why) = ("publish".into(), "-".into(), "as shipped".into());
        let entry = Entry { at: clock::timestamp(), what, release: Some(shipped), who, why };
        if let Err(error) = releases::note(&self.settings, &entry) {
            tracing::warn!(error, "the way back to what was shipped could not be noted");
        }
    }

    /// Holds the approved takes against the flow that is live.
    fn plan(&self) -> Result<Plan, Refusal> {
        let live = releases::live(&self.settings).map(|name| releases::settings_of(&self.settings, &name));
        let release = hotline::release(live.as_ref().unwrap_or(&self.settings)).map_err(Refusal::Flow)?;
        let needed = hotline::needed(&release);
        let texts: BTreeMap<Clip, &str> =
            needed.iter().map(|needed| (Clip { lang: needed.lang, id: needed.id.clone() }, &*needed.text)).collect();
        let catalogue = self.catalogue()?;
        let (takes, restores) = {
            let store = self.store();
            (store.takes()?, store.restores()?)
        };
        let mut plan = Plan { live: releases::live_takes(&self.settings), ..Plan::default() };
        for take in takes.iter().filter(|take| take.state == TakeState::Approved) {
            let clip = take.clip();
            let change = changed(take, catalogue.heard(&clip));
            if texts.get(&clip) == Some(&&*take.text) {
                plan.new.insert(clip, self.master(take));
                plan.publication.changes.push(change);
            } else {
                plan.publication.behind.push(change);
            }
        }
        for (clip, by) in restores {
            let before = catalogue.heard(&clip).cloned();
            if let Some(text) = texts.get(&clip) {
                plan.restore(&self.settings, clip, text, by, before);
            }
        }
        plan.publication.warnings = mixed(&catalogue, &plan);
        plan.needed = needed;
        Ok(plan)
    }

    fn master(&self, take: &TakeRow) -> Master {
        let take_name = Some(take.name.to_string());
        Master { take: take_name, path: self.files.master(&take.master), text_sha256: text_hash(&take.text) }
    }
}

/// What a publication of the flow takes along.
#[derive(Debug, Default)]
pub struct Along {
    pub above: Overlay,
    /// Live takes of other words, in whose place the factory's recordings of the new ones are heard.
    pub given_way: Vec<ClipText>,
    /// Words that neither a take nor the factory has recorded since they were changed, though a take of the old ones
    /// is live: callers would be told what is not so any more.
    pub outdated: Vec<ClipText>,
}

/// What a publication of the flow takes along: the live takes that fit its words, and approved ones where the live
/// recording does not. A take of other words never goes with it.
pub fn for_flow(settings: &Settings, needed: &BTreeSet<ClipText>) -> Result<Along, String> {
    let live = releases::live_takes(settings);
    let approved = approved(settings).map_err(|refusal| refusal.to_string())?;
    let mut along = Along::default();
    if live.is_empty() && approved.is_empty() {
        return Ok(along);
    }
    let factory = recordings::manifest(&settings.hotline.manifest)?;
    for needed in needed {
        let clip = Clip { lang: needed.lang, id: needed.id.clone() };
        let wanted = text_hash(&needed.text);
        let fits = |master: &&Master| master.text_sha256 == wanted;
        if let Some(master) = live.get(&clip).filter(fits).or_else(|| approved.get(&clip).filter(fits)) {
            along.above.insert(clip, master.clone());
        } else if live.contains_key(&clip) && recordings::path_of(&settings.hotline.audio, &clip).exists() {
            // Where there is no recording at all, that is told as any other that is missing.
            let of = factory.get(&clip).and_then(|recorded| recorded.text_sha256.as_deref());
            let to = if of == Some(&*wanted) { &mut along.given_way } else { &mut along.outdated };
            to.push(needed.clone());
        }
    }
    Ok(along)
}

/// Tells the store that a publication of the flow took approved takes along.
pub fn flow_published(settings: &Settings, above: &Overlay, release: &str, who: &str) -> Result<(), Refusal> {
    let folder = settings.data.folder.join("studio");
    if !folder.join("studio.sqlite3").exists() {
        return Ok(());
    }
    let mut store = Store::open(&folder)?;
    let names: Vec<TakeName> = above.values().filter_map(|master| TakeName::read(master.take.as_deref()?)).collect();
    let who = Person { id: 0, name: who.into() };
    let hand = super::store::Hand { who, at: clock::timestamp() };
    store.change(&hand, |change| {
        for name in &names {
            let Ok(take) = change.take(name) else { continue };
            if take.state == TakeState::Approved {
                change.published(name, release)?;
                let (slot, what) = (take.clip(), "publish");
                let why = "with the flow";
                change.note(&Deed { what, slot: Some(&slot), take: Some(name), release: Some(release), why })?;
            }
        }
        Ok(())
    })
}

fn approved(settings: &Settings) -> Result<Overlay, Refusal> {
    let folder = settings.data.folder.join("studio");
    if !folder.join("studio.sqlite3").exists() {
        return Ok(Overlay::new());
    }
    let takes = Store::open(&folder)?.takes()?;
    let approved = takes.into_iter().filter(|take| take.state == TakeState::Approved);
    Ok(approved
        .map(|take| {
            let path = folder.join("masters").join(format!("{}.wav", take.master));
            let text_sha256 = text_hash(&take.text);
            (take.clip(), Master { take: Some(take.name.to_string()), path, text_sha256 })
        })
        .collect())
}

/// A publication before it is made.
#[derive(Default)]
struct Plan {
    needed: BTreeSet<ClipText>,
    /// The takes that are live.
    live: Overlay,
    /// What comes above them.
    new: Overlay,
    publication: Publication,
}

impl Plan {
    /// Puts the factory's recording in the place of a live take, where there is one and nothing newer was approved.
    fn restore(&mut self, settings: &Settings, clip: Clip, text: &str, by: Person, before: Option<Heard>) {
        let path = recordings::path_of(&settings.hotline.audio, &clip);
        if !self.live.contains_key(&clip) || self.new.contains_key(&clip) || !path.exists() {
            return;
        }
        self.publication.changes.push(Change {
            lang: clip.lang,
            slot: clip.id.to_string(),
            text: text.into(),
            take: None,
            by: Some(by),
            approved_by: None,
            before,
        });
        self.new.insert(clip, Master { take: None, path, text_sha256: text_hash(text) });
    }
}

fn changed(take: &TakeRow, before: Option<&Heard>) -> Change {
    Change {
        lang: take.lang,
        slot: take.slot.clone(),
        text: take.text.clone(),
        take: Some(take.name.clone()),
        by: Some(take.by.clone()),
        approved_by: take.approved.as_ref().map(|(person, _)| person.clone()),
        before: before.cloned(),
    }
}

/// Sets that would be heard half from a person and half from a machine within one breath.
fn mixed(catalogue: &Catalogue, plan: &Plan) -> Vec<Message> {
    let touched: BTreeSet<(Lang, &str)> = plan
        .new
        .keys()
        .filter_map(|clip| catalogue.slot(clip).ok().map(|slot| (clip.lang, &*slot.set)))
        .filter(|(_, set)| is_recorded_whole(set))
        .collect();
    let told = touched.into_iter().filter_map(|(lang, set)| {
        let slots: Vec<&Clip> = catalogue
            .slots
            .iter()
            .filter(|slot| slot.clip.lang == lang && slot.set == set)
            .map(|slot| &slot.clip)
            .collect();
        let recorded = slots.iter().filter(|clip| {
            let (new, live) = (plan.new.get(**clip), catalogue.heard(clip));
            new.map_or_else(|| live.is_some_and(|heard| !heard.placeholder), |new| new.take.is_some())
        });
        let (recorded, all) = (recorded.count(), slots.len());
        (recorded > 0 && recorded < all).then(|| half(lang, set, recorded, all))
    });
    told.collect()
}

fn half(lang: Lang, set: &str, recorded: usize, all: usize) -> Message {
    let lang = lang.code();
    Message {
        zh: format!(
            "{lang} 的「{set}」一组 {all} 条中只有 {recorded} 条是真人录音：一个号码里会混有两种声音。请录完整组，或确认仍要发布。"
        ),
        en: format!(
            "of the set {set} in {lang}, {recorded} of {all} recordings would be a person's: one number would be heard in two voices. Record the whole set, or confirm to publish as it is."
        ),
    }
}
