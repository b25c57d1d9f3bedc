//! Publishes all approved takes at once, with the live flow.
//!
//! ```text
//!  live release's takes ─┐
//!  approved takes        ├─► one new release ─► live pointer ─► every node's watch
//!  slots to be restored ─┘
//! ```
//! All languages and sets change with one pointer.

use std::collections::{BTreeMap, BTreeSet};

use audio::encode_master;
use base::Lang;
use config::Settings;
use os::background::run;
use os::clock;
use release::hotline;
use release::recordings;
use release::recordings::MissingPolicy;
use release::releases::{self, Entry, Master, Overlay};
use speech::{Clip, ClipText};
use studio::{Manifest, Message, Operator, TakeState, is_recorded_whole, text_hash};

use crate::catalogue::Catalogue;
use crate::handle::{Studio, actor};
use crate::rejection::Rejection;
use crate::row::{Change, LiveRecording, Person, PublicationPlan, ReleaseRow, TakeRow};
use crate::store::Action;

impl Studio {
    /// What a publication would change, and its warnings.
    ///
    /// # Errors
    /// The flow or the store cannot be read.
    pub fn pending(&self) -> Result<PublicationPlan, Rejection> {
        Ok(self.plan()?.publication)
    }

    /// Makes every approved take live for new calls, in all languages at once; the new release's name, and what changed.
    /// A set that would be recorded in part only must be confirmed.
    ///
    /// # Errors
    /// [`Refusal::NotApprover`], [`Refusal::NoReason`], [`Refusal::Busy`], [`Refusal::Nothing`], [`Refusal::Mixed`]; or a
    /// file or the store cannot be written.
    pub fn publish(&self, by: &Operator, why: &str, confirmed: bool) -> Result<(String, PublicationPlan), Rejection> {
        if !by.role.may_approve() {
            return Err(Rejection::NotApprover);
        }
        if why.trim().is_empty() {
            return Err(Rejection::NoReason);
        }
        let _lock = releases::lock(&self.settings).map_err(Rejection::Fault)?.ok_or(Rejection::Busy)?;
        let plan = self.plan()?;
        if plan.publication.changes.is_empty() {
            let waiting = self.to_approve()?.len();
            return Err(Rejection::NothingApproved { waiting });
        }
        if !confirmed && !plan.publication.warnings.is_empty() {
            return Err(Rejection::HalfRecorded(plan.publication.warnings));
        }
        let release = run(|| self.make_release(&plan))?;
        // The store first: a crash in between leaves takes that can be approved again, and callers unaffected.
        self.mark_published(by, &release, &plan.publication, why)?;
        self.go_live(by, "publish prompts", &release, why)?;
        Ok((release, plan.publication))
    }

    /// Makes another release live: the one whose name starts with `to`, else the one before. It restores flow and takes.
    ///
    /// # Errors
    /// [`Refusal::NotApprover`], [`Refusal::Busy`], [`Refusal::NoRelease`], [`Refusal::Flow`]; or a file or the store
    /// cannot be written.
    pub fn rollback(&self, by: &Operator, to: Option<&str>, why: &str) -> Result<String, Rejection> {
        if !by.role.may_approve() {
            return Err(Rejection::NotApprover);
        }
        let _lock = releases::lock(&self.settings).map_err(Rejection::Fault)?.ok_or(Rejection::Busy)?;
        let release = match to {
            Some(prefix) => releases::find(&self.settings, &prefix.to_ascii_lowercase())
                .map_err(|_| Rejection::NoRelease(prefix.into()))?,
            None => releases::previous(&self.settings).ok_or(Rejection::NothingBefore)?,
        };
        run(|| releases::load(&self.settings, &release).map(drop)).map_err(Rejection::Flow)?;
        self.store().update(&actor(by), |update| {
            update.note(&Action { what: "rollback", release: Some(&release), why, ..Action::default() })
        })?;
        self.go_live(by, "rollback", &release, why)?;
        Ok(release)
    }

    /// Publications and rollbacks, newest first.
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
        let mut rows: Vec<ReleaseRow> = entries.map(row).collect();
        // A release that went live again has several rows; the newest says since when it is.
        rows.iter_mut().filter(|row| row.live).skip(1).for_each(|row| row.live = false);
        rows
    }

    fn go_live(&self, by: &Operator, what: &str, release: &str, why: &str) -> Result<(), Rejection> {
        let (what, who, why) = (what.to_owned(), by.name.clone(), why.trim().to_owned());
        let entry = Entry { at: clock::timestamp(), what, release: Some(release.into()), who, why };
        match run(|| releases::go_live(&self.settings, release, &entry)).map_err(Rejection::Fault)? {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "old releases were removed"),
            Err(error) => tracing::warn!("{error}"),
        }
        Ok(())
    }

    fn mark_published(
        &self,
        by: &Operator,
        release: &str,
        publication: &PublicationPlan,
        why: &str,
    ) -> Result<(), Rejection> {
        self.store().update(&actor(by), |update| {
            for change in &publication.changes {
                let slot = Clip { lang: change.lang, id: change.slot.as_str().into() };
                update.restore(&slot, false)?;
                if let Some(take) = &change.take {
                    update.published(take, release)?;
                }
                let (slot, take, release) = (Some(&slot), change.take.as_ref(), Some(release));
                update.note(&Action { what: "publish", slot, take, release, why: why.trim() })?;
            }
            Ok(())
        })
    }

    /// Stores the release. Only new recordings are read and encoded to check them: the others are live already.
    fn make_release(&self, plan: &Plan) -> Result<String, Rejection> {
        for master in plan.new.values() {
            let (samples, rate) = recordings::samples(&master.path)
                .map_err(|error| Rejection::Fault(format!("{}: {error}", master.path.display()).into()))?;
            encode_master(&samples, rate).map_err(|error| Rejection::Fault(error.to_string().into()))?;
        }
        let mut above = plan.live.clone();
        above.extend(plan.new.clone());
        let stored = match releases::live(&self.settings) {
            Some(live) => releases::store_beside(&self.settings, &live, &plan.needed, &above),
            None => {
                hotline::read_with(&self.settings, &above, MissingPolicy::Reject).map_err(Rejection::Flow)?;
                self.store_as_shipped(&plan.needed);
                releases::store(&self.settings, &plan.needed, &above)
            }
        };
        stored.map_err(Rejection::Fault)
    }

    /// Before the first publication: stores the shipped hotline as a release, so that it can be rolled back to. If a
    /// recording is missing there is nothing to roll back to.
    fn store_as_shipped(&self, needed: &BTreeSet<ClipText>) {
        let Ok(shipped) = releases::store(&self.settings, needed, &Overlay::new()) else { return };
        let (what, who, why) = ("publish".into(), "-".into(), "as shipped".into());
        let entry = Entry { at: clock::timestamp(), what, release: Some(shipped), who, why };
        if let Err(error) = releases::append_audit(&self.settings, &entry) {
            tracing::warn!(
                error = &*error.en,
                "the shipped release is not in the audit log: it cannot be rolled back to"
            );
        }
    }

    /// Compares the approved takes with the live flow.
    fn plan(&self) -> Result<Plan, Rejection> {
        let live = releases::live(&self.settings).map(|name| releases::settings_of(&self.settings, &name));
        let release = hotline::release(live.as_ref().unwrap_or(&self.settings)).map_err(Rejection::Flow)?;
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
        let factory =
            recordings::manifest(&self.settings.hotline.manifest).map_err(|error| Rejection::Flow(vec![error]))?;
        for (clip, by) in restores {
            let before = catalogue.heard(&clip).cloned();
            // A request waits while the factory's recording is of other words than callers hear.
            if let Some(text) = texts.get(&clip).filter(|text| has_words(&factory, &clip, text)) {
                plan.restore(&self.settings, clip, text, by, before);
            }
        }
        plan.publication.warnings = half_recorded(&catalogue, &plan);
        plan.needed = needed;
        Ok(plan)
    }

    fn master(&self, take: &TakeRow) -> Master {
        let take_name = Some(take.name.to_string());
        Master { take: take_name, path: self.files.master(&take.master), text_sha256: text_hash(&take.text) }
    }
}

/// A publication to be made.
#[derive(Default)]
struct Plan {
    needed: BTreeSet<ClipText>,
    /// The live takes.
    live: Overlay,
    /// What replaces them.
    new: Overlay,
    publication: PublicationPlan,
}

impl Plan {
    /// Replaces a live take by the factory's recording, if there is one and no newer take was approved.
    fn restore(&mut self, settings: &Settings, clip: Clip, text: &str, by: Person, before: Option<LiveRecording>) {
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
            unheard: false,
            before,
        });
        self.new.insert(clip, Master { take: None, path, text_sha256: text_hash(text) });
    }
}

/// Whether the factory recorded these words.
pub(crate) fn has_words(factory: &Manifest, clip: &Clip, text: &str) -> bool {
    factory.get(clip).is_some_and(|recorded| recorded.text_sha256.as_deref() == Some(&*text_hash(text)))
}

fn changed(take: &TakeRow, before: Option<&LiveRecording>) -> Change {
    Change {
        lang: take.lang,
        slot: take.slot.clone(),
        text: take.text.clone(),
        take: Some(take.name.clone()),
        by: Some(take.by.clone()),
        approved_by: take.approved.as_ref().map(|(person, _)| person.clone()),
        unheard: take.unheard,
        before: before.cloned(),
    }
}

/// Warns of sets whose recordings are heard within one breath and would be a person's in part only.
fn half_recorded(catalogue: &Catalogue, plan: &Plan) -> Vec<Message> {
    let touched: BTreeSet<(Lang, &str)> = plan
        .new
        .keys()
        .filter_map(|clip| catalogue.slot(clip).ok().map(|slot| (clip.lang, &*slot.set)))
        .filter(|(_, set)| is_recorded_whole(set))
        .collect();
    let warnings = touched.into_iter().filter_map(|(lang, set)| {
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
        (recorded > 0 && recorded < all).then(|| half_recorded_warning(lang, set, recorded, all))
    });
    warnings.collect()
}

fn half_recorded_warning(lang: Lang, set: &str, recorded: usize, all: usize) -> Message {
    let lang = lang.code();
    Message {
        zh: format!(
            "{lang} 的“{set}”一组 {all} 条中只有 {recorded} 条是真人录音：一个号码里会混有两种声音。请录完整组，或确认仍要发布。"
        ),
        en: format!(
            "of the set {set} in {lang}, {recorded} of {all} recordings would be a person's: callers would hear one number in two voices. Record the whole set, or confirm to publish as it is."
        ),
    }
}
