//! Keeping, approving, discarding and restoring: what operators decide about takes.

use jiff::SignedDuration;

use os::clock;
use release::recordings;
use speech::Clip;
use studio::{Grade, Operator, TakeName, TakeState};

use crate::handle::{Studio, actor, person};
use crate::publication::has_words;
use crate::rejection::Rejection;
use crate::row::{SlotRow, TakeRow};
use crate::store::Action;

impl Studio {
    /// Keeps a fresh take: it becomes a draft that waits for an approval.
    ///
    /// # Errors
    /// [`Refusal::NotYours`], [`Refusal::NotGood`], [`Refusal::State`]; or the store cannot be written.
    pub fn keep(&self, by: &Operator, take: &TakeName) -> Result<TakeRow, Rejection> {
        let actor = actor(by);
        self.store().update(&actor, |update| {
            let row = update.take(take)?;
            may_handle(&row, by)?;
            passes_checks(&row)?;
            match row.state {
                TakeState::Draft | TakeState::Approved => return Ok(()),
                TakeState::Fresh | TakeState::Discarded => {}
                state @ TakeState::Published => return Err(Rejection::State { state, wanted: "keeping it" }),
            }
            update.state(take, TakeState::Draft)?;
            update.note(&Action { what: "keep", slot: Some(&row.clip()), take: Some(take), ..Action::default() })
        })?;
        self.take(take)
    }

    /// Hides a take that is not live. Its recording stays until [`tidy`](Studio::tidy).
    ///
    /// # Errors
    /// [`Refusal::NotYours`], [`Refusal::IsLive`]; or the store cannot be written.
    pub fn discard(&self, by: &Operator, take: &TakeName) -> Result<TakeRow, Rejection> {
        let (actor, live) = (actor(by), self.take(take)?.live);
        self.store().update(&actor, |update| {
            let row = update.take(take)?;
            may_handle(&row, by)?;
            match row.state {
                TakeState::Discarded => return Ok(()),
                TakeState::Published if live => return Err(Rejection::IsLive),
                TakeState::Fresh | TakeState::Draft | TakeState::Approved | TakeState::Published => {}
            }
            update.state(take, TakeState::Discarded)?;
            update.note(&Action { what: "discard", slot: Some(&row.clip()), take: Some(take), ..Action::default() })
        })?;
        self.take(take)
    }

    /// Approves another person's take: it goes live with the next publication. An earlier approved take of the slot
    /// becomes a draft again, which the audit log names.
    ///
    /// # Errors
    /// [`Refusal::NotApprover`], [`Refusal::OwnTake`], [`Refusal::NotGood`], [`Refusal::State`], [`Refusal::IsLive`];
    /// or the store cannot be written.
    pub fn approve(&self, by: &Operator, take: &TakeName) -> Result<TakeRow, Rejection> {
        self.approve_as(by, take, "approve")
    }

    /// The same for a take that the approver did not listen to: the audit log and the next publication say so.
    ///
    /// # Errors
    /// Those of [`Studio::approve`].
    pub fn approve_unheard(&self, by: &Operator, take: &TakeName) -> Result<TakeRow, Rejection> {
        self.approve_as(by, take, "approve unheard")
    }

    fn approve_as(&self, by: &Operator, take: &TakeName, what: &'static str) -> Result<TakeRow, Rejection> {
        if !by.role.may_approve() {
            return Err(Rejection::NotApprover);
        }
        let (actor, live) = (actor(by), self.take(take)?.live);
        self.store().update(&actor, |update| {
            let row = update.take(take)?;
            if row.by.is(&actor.who) {
                return Err(Rejection::OwnTake);
            }
            passes_checks(&row)?;
            match row.state {
                TakeState::Approved => return Ok(()),
                TakeState::Published if live => return Err(Rejection::IsLive),
                TakeState::Fresh | TakeState::Draft | TakeState::Published => {}
                state @ TakeState::Discarded => return Err(Rejection::State { state, wanted: "approving it" }),
            }
            let before = update.approve(&row)?;
            let why = before.first().map(|name| format!("in place of {}", name.short())).unwrap_or_default();
            update.note(&Action { what, slot: Some(&row.clip()), take: Some(take), release: None, why: &why })
        })?;
        self.take(take)
    }

    /// Requests that the next publication restores the factory's recording of a slot; `on: false` withdraws the request.
    ///
    /// # Errors
    /// [`Refusal::NotApprover`], [`Refusal::NoSlot`], [`Refusal::FactoryWords`]; or the store cannot be written.
    pub fn restore(&self, by: &Operator, slot: &Clip, on: bool) -> Result<SlotRow, Rejection> {
        if !by.role.may_approve() {
            return Err(Rejection::NotApprover);
        }
        let text = self.catalogue()?.slot(slot)?.text.clone();
        let factory =
            recordings::manifest(&self.settings.hotline.manifest).map_err(|error| Rejection::Flow(vec![error]))?;
        if on && !has_words(&factory, slot, &text) {
            return Err(Rejection::FactoryWords(format!("{}/{}", slot.lang.code(), slot.id)));
        }
        self.store().update(&actor(by), |update| {
            update.restore(slot, on)?;
            let what = if on { "restore" } else { "restore taken back" };
            update.note(&Action { what, slot: Some(slot), ..Action::default() })
        })?;
        self.slot(slot)
    }

    /// Deletes the recordings of takes that were discarded longer ago than `older` and never published. Their history
    /// stays. The number of takes, and the freed bytes.
    ///
    /// # Errors
    /// [`Refusal::NotApprover`]; or the store cannot be written.
    pub fn tidy(&self, by: &Operator, older: SignedDuration) -> Result<(usize, u64), Rejection> {
        if !by.role.may_approve() {
            return Err(Rejection::NotApprover);
        }
        let takes = self.store().discarded(clock::steady() - older)?;
        self.store().update(&actor(by), |update| {
            for take in &takes {
                update.tidied(&take.name)?;
                let slot = take.clip();
                update.note(&Action {
                    what: "tidy",
                    slot: Some(&slot),
                    take: Some(&take.name),
                    ..Action::default()
                })?;
            }
            Ok(())
        })?;
        Ok((takes.len(), self.sweep(by, &takes)?))
    }

    /// Deletes those files of the given takes that no stored take names; the freed bytes.
    pub(crate) fn sweep(&self, by: &Operator, takes: &[TakeRow]) -> Result<u64, Rejection> {
        self.store().update(&actor(by), |update| {
            let mut bytes = 0;
            for take in takes {
                let (original, master) = update.names(&take.original, &take.master)?;
                if !original {
                    bytes += self.files.delete(&self.files.original(&take.original));
                }
                if !master {
                    bytes += self.files.delete(&self.files.master(&take.master));
                }
            }
            Ok(bytes)
        })
    }
}

/// Operators handle their own takes, approvers everyone's.
fn may_handle(take: &TakeRow, by: &Operator) -> Result<(), Rejection> {
    let allowed = by.role.may_approve() || take.by.is(&person(by));
    if allowed { Ok(()) } else { Err(Rejection::NotYours(take.by.name.clone())) }
}

fn passes_checks(take: &TakeRow) -> Result<(), Rejection> {
    let bad = take.report.findings.iter().find(|finding| finding.grade == Grade::Reject);
    bad.map_or(Ok(()), |finding| Err(Rejection::ChecksFailed(finding.words.clone())))
}
