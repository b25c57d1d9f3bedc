//! The studio's handle: one for the node, shared by the web, the telephone and the command line. Its methods wait
//! for the disk and, when a take comes in, for a second of work: call them where waiting is allowed.
//!
//! ```text
//!  submit ─► files (upload, master) ─► store: fresh ─ keep ─► draft ─ approve ─► approved
//!                                                                                   │ publish
//!            live release ◄── shell/releases: the flow that is live + these takes ◄─┘
//! ```
//! Which takes are live is not kept here: the live release says it, so that a rollback takes both flow and takes back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalogue::Catalogue;
use super::files::Files;
use super::refusal::Refusal;
use super::row::*;
use super::store::{Deed, Hand, Store};
use base::Lang;
use config::Settings;
use os::clock;
use speech::Clip;
use studio::{Operator, SlotState, TakeName, TakeState};

/// The prompt studio of a node.
pub struct Studio {
    pub(super) settings: Settings,
    pub(super) files: Files,
    store: Mutex<Store>,
    catalogue: Mutex<Option<Arc<Catalogue>>>,
    /// One recording is worked on at a time: it takes memory, and the calls go first.
    pub(super) work: Mutex<()>,
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Studio({})", self.files.folder().display())
    }
}

impl Studio {
    /// Opens the studio of a data folder, and makes it if it is not there.
    pub fn open(settings: &Settings) -> Result<Arc<Studio>, Refusal> {
        let files = Files::open(&settings.data.folder, settings.studio.disk_bytes_max)?;
        let store = Mutex::new(Store::open(files.folder())?);
        let (settings, catalogue) = (settings.clone(), Mutex::new(None));
        Ok(Arc::new(Studio { settings, files, store, catalogue, work: Mutex::new(()) }))
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while it was held rolled its transaction back.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slots of the flow as it is now. It is read again when its files or the live release change.
    pub(super) fn catalogue(&self) -> Result<Arc<Catalogue>, Refusal> {
        let stamp = Catalogue::stamp(&self.settings);
        let mut kept = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(catalogue) = kept.as_ref().filter(|catalogue| catalogue.stamp == stamp) {
            return Ok(Arc::clone(catalogue));
        }
        let mut catalogue = Catalogue::read(&self.settings, stamp)?;
        catalogue.number(&mut self.store())?;
        let catalogue = Arc::new(catalogue);
        *kept = Some(Arc::clone(&catalogue));
        Ok(catalogue)
    }

    /// Every slot, in the order in which they are best recorded.
    pub fn slots(&self) -> Result<Vec<SlotRow>, Refusal> {
        let catalogue = self.catalogue()?;
        let (takes, restores) = {
            let store = self.store();
            (store.takes()?, store.restores()?)
        };
        let mut waiting: BTreeMap<Clip, Vec<TakeRow>> = BTreeMap::new();
        for take in takes {
            waiting.entry(take.clip()).or_default().push(take);
        }
        let rows = catalogue.slots.iter().map(|slot| {
            let takes = waiting.remove(&slot.clip).unwrap_or_default();
            let restored = restores.iter().any(|(clip, _)| *clip == slot.clip);
            catalogue.row(slot, &takes, restored)
        });
        Ok(rows.collect())
    }

    /// One slot.
    pub fn slot(&self, clip: &Clip) -> Result<SlotRow, Refusal> {
        let catalogue = self.catalogue()?;
        let slot = catalogue.slot(clip)?;
        let takes: Vec<TakeRow> = self.store().takes()?.into_iter().filter(|take| take.clip() == *clip).collect();
        let restored = self.store().restores()?.iter().any(|(restored, _)| restored == clip);
        Ok(catalogue.row(slot, &takes, restored))
    }

    /// The slot of a number as it is keyed in on a telephone.
    pub fn by_number(&self, lang: Lang, number: u32) -> Result<SlotRow, Refusal> {
        let catalogue = self.catalogue()?;
        let found = catalogue.slots.iter().find(|slot| slot.clip.lang == lang && catalogue.number_of(slot) == number);
        let clip = found.map(|slot| slot.clip.clone()).ok_or_else(|| Refusal::NoSlot(number.to_string()))?;
        self.slot(&clip)
    }

    /// The next slot that a person should record: after the one given, from the beginning again; missing ones first.
    pub fn next_missing(&self, lang: Option<Lang>, after: Option<&Clip>) -> Result<Option<SlotRow>, Refusal> {
        let mut rows = self.slots()?;
        if let Some(at) = after.and_then(|after| rows.iter().position(|row| row.slot.clip == *after)) {
            rows.rotate_left(at + 1);
            rows.pop();
        }
        rows.retain(|row| lang.is_none_or(|lang| row.slot.clip.lang == lang));
        let first = |state: SlotState| rows.iter().find(|row| row.state == state).cloned();
        Ok([SlotState::Missing, SlotState::Stale, SlotState::Placeholder].into_iter().find_map(first))
    }

    /// Every take of a slot, discarded ones too, the newest first.
    pub fn history(&self, slot: &Clip) -> Result<Vec<TakeRow>, Refusal> {
        let catalogue = self.catalogue()?;
        let takes = self.store().history(slot)?;
        Ok(takes.into_iter().map(|take| catalogue.marked(take)).collect())
    }

    /// One take.
    pub fn take(&self, name: &TakeName) -> Result<TakeRow, Refusal> {
        let take = self.store().take(name)?.ok_or_else(|| Refusal::NoTake(name.short().into()))?;
        Ok(self.catalogue()?.marked(take))
    }

    /// The take whose name begins so.
    pub fn find(&self, beginning: &str) -> Result<TakeRow, Refusal> {
        let found = self.store().named(beginning)?;
        match <[TakeRow; 1]>::try_from(found) {
            Ok([take]) if beginning.len() >= 6 => Ok(self.catalogue()?.marked(take)),
            Ok(_) | Err(_) => Err(Refusal::NoTake(beginning.into())),
        }
    }

    /// Takes that wait for anything: to be kept, approved or published; the oldest first.
    pub fn waiting(&self) -> Result<Vec<TakeRow>, Refusal> {
        let takes = self.store().takes()?;
        let waits = |state| matches!(state, TakeState::Fresh | TakeState::Draft | TakeState::Approved);
        Ok(takes.into_iter().filter(|take| waits(take.state)).collect())
    }

    /// Takes that wait for an approval, the oldest first.
    pub fn to_approve(&self) -> Result<Vec<TakeRow>, Refusal> {
        let takes = self.store().takes()?;
        Ok(takes.into_iter().filter(|take| take.state == TakeState::Draft).collect())
    }

    /// Says that a fresh take is good.
    pub fn keep(&self, by: &Operator, take: &TakeName) -> Result<TakeRow, Refusal> {
        let hand = hand(by);
        self.store().change(&hand, |change| {
            let row = change.take(take)?;
            mine(&row, by)?;
            good(&row)?;
            match row.state {
                TakeState::Draft | TakeState::Approved => return Ok(()),
                TakeState::Fresh | TakeState::Discarded => {}
                state @ TakeState::Published => return Err(Refusal::State { state, wanted: "keeping it" }),
            }
            change.state(take, TakeState::Draft)?;
            change.note(&Deed { what: "keep", slot: Some(&row.clip()), take: Some(take), ..Deed::default() })
        })?;
        self.take(take)
    }

    /// Hides a take that nobody hears. Its recording stays until the studio is tidied.
    pub fn discard(&self, by: &Operator, take: &TakeName) -> Result<TakeRow, Refusal> {
        let (hand, live) = (hand(by), self.take(take)?.live);
        self.store().change(&hand, |change| {
            let row = change.take(take)?;
            mine(&row, by)?;
            match row.state {
                TakeState::Discarded => return Ok(()),
                TakeState::Published if live => return Err(Refusal::IsLive),
                TakeState::Fresh | TakeState::Draft | TakeState::Approved | TakeState::Published => {}
            }
            change.state(take, TakeState::Discarded)?;
            change.note(&Deed { what: "discard", slot: Some(&row.clip()), take: Some(take), ..Deed::default() })
        })?;
        self.take(take)
    }

    /// Approves a take of another person's: it goes live with the next publication. An approved take of the same slot
    /// waits again; it is told in the audit.
    pub fn approve(&self, by: &Operator, take: &TakeName) -> Result<TakeRow, Refusal> {
        if !by.role.may_approve() {
            return Err(Refusal::NotApprover);
        }
        let (hand, live) = (hand(by), self.take(take)?.live);
        self.store().change(&hand, |change| {
            let row = change.take(take)?;
            if row.by.is(&hand.who) {
                return Err(Refusal::OwnTake);
            }
            good(&row)?;
            match row.state {
                TakeState::Approved => return Ok(()),
                TakeState::Published if live => return Err(Refusal::IsLive),
                TakeState::Fresh | TakeState::Draft | TakeState::Published => {}
                state @ TakeState::Discarded => return Err(Refusal::State { state, wanted: "approving it" }),
            }
            let before = change.approve(&row)?;
            let why = before.first().map(|name| format!("in place of {}", name.short())).unwrap_or_default();
            change.note(&Deed { what: "approve", slot: Some(&row.clip()), take: Some(take), release: None, why: &why })
        })?;
        self.take(take)
    }

    /// Asks for the factory's recording of a slot back, with the next publication; `off` takes the wish back.
    pub fn restore(&self, by: &Operator, slot: &Clip, on: bool) -> Result<SlotRow, Refusal> {
        if !by.role.may_approve() {
            return Err(Refusal::NotApprover);
        }
        self.catalogue()?.slot(slot)?;
        self.store().change(&hand(by), |change| {
            change.restore(slot, on)?;
            let what = if on { "restore" } else { "restore taken back" };
            change.note(&Deed { what, slot: Some(slot), ..Deed::default() })
        })?;
        self.slot(slot)
    }

    /// Deletes the recordings of takes that were discarded so long ago and never published. What they were, and who made
    /// and discarded them, stays. How many, and the bytes that came free.
    pub fn tidy(&self, by: &Operator, older: jiff::SignedDuration) -> Result<(usize, u64), Refusal> {
        if !by.role.may_approve() {
            return Err(Refusal::NotApprover);
        }
        let takes = self.store().discarded(clock::timestamp() - older)?;
        self.store().change(&hand(by), |change| {
            for take in &takes {
                change.tidied(&take.name)?;
                let slot = take.clip();
                change.note(&Deed { what: "tidy", slot: Some(&slot), take: Some(&take.name), ..Deed::default() })?;
            }
            Ok(())
        })?;
        Ok((takes.len(), self.sweep(by, &takes)?))
    }

    /// Removes the files of takes that the store does not name, and gives the bytes that came free.
    pub(super) fn sweep(&self, by: &Operator, takes: &[TakeRow]) -> Result<u64, Refusal> {
        self.store().change(&hand(by), |change| {
            let mut bytes = 0;
            for take in takes {
                let (original, master) = change.names(&take.original, &take.master)?;
                if !original {
                    bytes += self.files.forget(&self.files.original(&take.original));
                }
                if !master {
                    bytes += self.files.forget(&self.files.master(&take.master));
                }
            }
            Ok(bytes)
        })
    }

    /// What was done, the newest first: up to `most` lines, from before a line on.
    pub fn audit(&self, before: Option<i64>, most: u32) -> Result<Vec<AuditRow>, Refusal> {
        self.store().audit(before, most.min(AUDIT_MOST))
    }
}

/// Operators see to their own takes, approvers to everybody's.
fn mine(take: &TakeRow, by: &Operator) -> Result<(), Refusal> {
    let allowed = by.role.may_approve() || take.by.is(&person(by));
    if allowed { Ok(()) } else { Err(Refusal::NotYours(take.by.name.clone())) }
}

fn good(take: &TakeRow) -> Result<(), Refusal> {
    let bad = take.report.findings.iter().find(|finding| finding.grade == studio::Grade::Reject);
    bad.map_or(Ok(()), |finding| Err(Refusal::NotGood(finding.words.clone())))
}

pub(super) fn person(by: &Operator) -> Person {
    Person { id: by.id, name: by.name.clone() }
}

pub(super) fn hand(by: &Operator) -> Hand {
    Hand { who: person(by), at: clock::timestamp() }
}

const AUDIT_MOST: u32 = 10_000;
