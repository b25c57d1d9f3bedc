//! What the studio lists: slots, takes, and the audit log.

use std::collections::BTreeMap;

use base::Lang;
use speech::Clip;
use studio::{SlotState, TakeName, TakeState};

use crate::handle::Studio;
use crate::rejection::Rejection;
use crate::row::{AuditRow, SlotRow, TakeRow};

impl Studio {
    /// Every slot, in the order in which they are best recorded.
    ///
    /// # Errors
    /// The flow or the store cannot be read.
    pub fn slots(&self) -> Result<Vec<SlotRow>, Rejection> {
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
    ///
    /// # Errors
    /// [`Refusal::NoSlot`]; or the flow or the store cannot be read.
    pub fn slot(&self, clip: &Clip) -> Result<SlotRow, Rejection> {
        let catalogue = self.catalogue()?;
        let slot = catalogue.slot(clip)?;
        let takes: Vec<TakeRow> = self.store().takes()?.into_iter().filter(|take| take.clip() == *clip).collect();
        let restored = self.store().restores()?.iter().any(|(restored, _)| restored == clip);
        Ok(catalogue.row(slot, &takes, restored))
    }

    /// The slot with a number, as keyed in on a telephone.
    ///
    /// # Errors
    /// [`Refusal::NoSlot`]; or the flow or the store cannot be read.
    pub fn by_number(&self, lang: Lang, number: u32) -> Result<SlotRow, Rejection> {
        let catalogue = self.catalogue()?;
        let found = catalogue.slots.iter().find(|slot| slot.clip.lang == lang && catalogue.number_of(slot) == number);
        let clip = found.map(|slot| slot.clip.clone()).ok_or_else(|| Rejection::NoSlot(number.to_string()))?;
        self.slot(&clip)
    }

    /// The next slot to record after the given one, wrapping around: missing ones first, then stale ones, then
    /// placeholders.
    ///
    /// # Errors
    /// The flow or the store cannot be read.
    pub fn next_missing(&self, lang: Option<Lang>, after: Option<&Clip>) -> Result<Option<SlotRow>, Rejection> {
        let mut rows = self.slots()?;
        if let Some(at) = after.and_then(|after| rows.iter().position(|row| row.slot.clip == *after)) {
            rows.rotate_left(at + 1);
            rows.pop();
        }
        rows.retain(|row| lang.is_none_or(|lang| row.slot.clip.lang == lang));
        let first = |state: SlotState| rows.iter().find(|row| row.state == state).cloned();
        Ok([SlotState::Missing, SlotState::Stale, SlotState::Placeholder].into_iter().find_map(first))
    }

    /// Every take of a slot, discarded ones too, newest first.
    ///
    /// # Errors
    /// [`Refusal::NoSlot`] if there is neither slot nor take; or the flow or the store cannot be read.
    pub fn history(&self, slot: &Clip) -> Result<Vec<TakeRow>, Rejection> {
        let catalogue = self.catalogue()?;
        let takes = self.store().history(slot)?;
        // A slot that the flow has dropped keeps its takes.
        if takes.is_empty() {
            catalogue.slot(slot)?;
        }
        Ok(takes.into_iter().map(|take| catalogue.marked(take)).collect())
    }

    /// One take.
    ///
    /// # Errors
    /// [`Refusal::NoTake`]; or the flow or the store cannot be read.
    pub fn take(&self, name: &TakeName) -> Result<TakeRow, Rejection> {
        let take = self.store().take(name)?.ok_or_else(|| Rejection::NoTake(name.short().into()))?;
        Ok(self.catalogue()?.marked(take))
    }

    /// The take whose name starts with `prefix`, at least six characters.
    ///
    /// # Errors
    /// [`Refusal::NoTake`] unless exactly one does; or the flow or the store cannot be read.
    pub fn find(&self, prefix: &str) -> Result<TakeRow, Rejection> {
        let found = self.store().named(prefix)?;
        match <[TakeRow; 1]>::try_from(found) {
            Ok([take]) if prefix.len() >= 6 => Ok(self.catalogue()?.marked(take)),
            Ok(_) | Err(_) => Err(Rejection::NoTake(prefix.into())),
        }
    }

    /// Takes that wait to be kept, approved or published, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn waiting(&self) -> Result<Vec<TakeRow>, Rejection> {
        let takes = self.store().takes()?;
        let waits = |state| matches!(state, TakeState::Fresh | TakeState::Draft | TakeState::Approved);
        Ok(takes.into_iter().filter(|take| waits(take.state)).collect())
    }

    /// Takes that wait for an approval, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn to_approve(&self) -> Result<Vec<TakeRow>, Rejection> {
        let takes = self.store().takes()?;
        Ok(takes.into_iter().filter(|take| take.state == TakeState::Draft).collect())
    }

    /// The audit log, newest first: at most `most` lines (of 10,000), those before line `before` where it is given.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn audit(&self, before: Option<i64>, most: u32) -> Result<Vec<AuditRow>, Rejection> {
        self.store().audit(before, most.min(AUDIT_LINES_MAX))
    }
}

const AUDIT_LINES_MAX: u32 = 10_000;
