//! The call-back requests, beside the queues: stored before anything is done by them, and the calls that are made.
//!
//! ```text
//!  booked ──► stored ──► the caller is told ...... a turn ──► stored ──► called ──► agrees, or not
//!               └─ cannot be stored: the request is withdrawn, and the caller hears so
//! ```
//!
//! Stores wait for the journal's commit, the queues do not: what depends on a store is kept here until its word comes. The
//! journal writes the stores of a request in their order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::call_back::CallBackStart;
use super::inbox::insist;
use super::queue_handle::{CallBackMessage, QueueHandle};
use super::services::Shared;
use call::Input;
use os::clock;
use queue::{CallBackId, CallBackRecord, CallerId, NewCallBack, Queues};
use replica_store::{open_text, seal_text};

/// What depends on stores, and the calls in progress.
#[derive(Default)]
pub(super) struct CallBacks {
    pending: HashMap<CallBackId, Pending>,
    calls: HashMap<CallBackId, Dialled>,
}

/// What waits for a store.
#[derive(Default)]
struct Pending {
    /// How many stores are on their way.
    stores: u32,
    /// The caller whose request it is.
    booked: Option<mpsc::Sender<Input>>,
    /// The call that begins then.
    start: Option<CallBackStart>,
}

/// A call to a person.
struct Dialled {
    caller: CallerId,
    /// None until the call has begun.
    inbox: Option<mpsc::Sender<Input>>,
    agreed: bool,
}

impl CallBacks {
    /// What was stored when the program ended waits again.
    pub(super) async fn restore(shared: &Arc<Shared>, queues: &mut Queues) -> CallBacks {
        let read = Arc::clone(shared);
        let records = spawn_blocking(move || {
            let stored = read.services.journal.call_backs().unwrap_or_else(|error| {
                tracing::error!(%error, "the call-back requests cannot be read");
                Vec::new()
            });
            let record = |sealed: &Vec<u8>| {
                let text = open_text(&read.services.keys, sealed)?;
                CallBackRecord::from_json(text.expose()).ok()
            };
            let records: Vec<CallBackRecord> = stored.iter().filter_map(record).collect();
            if records.len() < stored.len() {
                let lost = stored.len() - records.len();
                tracing::error!(lost, "call-back requests were sealed under another secret, or are damaged");
            }
            records
        })
        .await
        .unwrap_or_default();
        if !records.is_empty() {
            tracing::info!(requests = records.len(), "call-back requests");
        }
        queues.restore(clock::now(), records);
        CallBacks::default()
    }

    /// Books a request; the caller hears of it once it is stored.
    pub(super) fn book(&mut self, queues: &mut Queues, now: Instant, request: NewCallBack, inbox: mpsc::Sender<Input>) {
        match queues.call_back(now, request) {
            Ok(id) => self.pending.entry(id).or_default().booked = Some(inbox),
            Err(error) => {
                tracing::info!(%error, "a call-back was not booked");
                insist(&inbox, Input::CallBackBooked(false));
            }
        }
    }

    /// Stores a record; [`CallBackMessage::Stored`] follows.
    pub(super) fn store(&mut self, shared: &Arc<Shared>, handle: &QueueHandle, record: &CallBackRecord) {
        let id = record.id;
        self.pending.entry(id).or_default().stores += 1;
        let sealed = seal_text(&shared.services.keys, &record.to_json());
        // Queued here and now, so that the order of the stores is the order of the decisions.
        let stored = sealed.map(|sealed| shared.services.journal.keep_call_back(id.0, sealed));
        let messages = handle.messages.clone();
        tokio::spawn(async move {
            let stored = match stored {
                Some(stored) => stored.await,
                None => false,
            };
            let _ = messages.send(CallBackMessage::Stored(id, stored).into()).await;
        });
    }

    /// Deletes a record.
    pub(super) fn forget(&self, shared: &Arc<Shared>, call_back: CallBackId) {
        // A record that stays is deleted by its age.
        tokio::spawn(shared.services.journal.forget_call_back(call_back.0));
    }

    /// A store has ended. Returns the call that begins now.
    pub(super) fn stored(
        &mut self,
        queues: &mut Queues,
        now: Instant,
        id: CallBackId,
        stored: bool,
    ) -> Option<CallBackStart> {
        let pending = self.pending.get_mut(&id)?;
        pending.stores = pending.stores.saturating_sub(1);
        if !stored {
            tracing::error!(call_back = id.0, "the journal cannot store a call-back request");
        }
        if let Some(inbox) = pending.booked.take() {
            if !stored {
                queues.cancel_call_back(now, id);
            }
            insist(&inbox, Input::CallBackBooked(stored));
        }
        if pending.stores > 0 {
            return None;
        }
        // An attempt that could not be stored is made all the same: the person waits for it.
        self.pending.remove(&id).and_then(|pending| pending.start)
    }

    /// A call is to begin: at once, or after the store that is on its way.
    pub(super) fn begins(&mut self, caller: CallerId, start: CallBackStart) -> Option<CallBackStart> {
        self.calls.insert(start.id, Dialled { caller, inbox: None, agreed: false });
        match self.pending.get_mut(&start.id) {
            Some(pending) => {
                pending.start = Some(start);
                None
            }
            None => Some(start),
        }
    }

    /// The call has begun. One that was given up meanwhile ends.
    pub(super) fn dialled(&mut self, id: CallBackId, inbox: mpsc::Sender<Input>) {
        match self.calls.get_mut(&id) {
            Some(call) => call.inbox = Some(inbox),
            None => insist(&inbox, Input::End),
        }
    }

    /// The person agrees: who that is from here on. None: no call is in progress for it.
    pub(super) fn agreed(&mut self, id: CallBackId) -> Option<CallerId> {
        let call = self.calls.get_mut(&id)?;
        call.agreed = true;
        Some(call.caller)
    }

    /// The call is over.
    pub(super) fn ended(&mut self, id: CallBackId) {
        self.calls.remove(&id);
    }

    /// Ends the call, or keeps it from beginning.
    pub(super) fn hang_up(&mut self, id: CallBackId) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.start = None;
        }
        if let Some(inbox) = self.calls.remove(&id).and_then(|call| call.inbox) {
            insist(&inbox, Input::End);
        }
    }

    /// Calls that have ended without a word.
    pub(super) fn lost(&mut self) -> Vec<CallBackId> {
        let is_over = |call: &Dialled| call.inbox.as_ref().is_some_and(mpsc::Sender::is_closed);
        let lost = self.calls.iter().filter(|(_, call)| is_over(call) && !call.agreed).map(|(id, _)| *id).collect();
        self.calls.retain(|_, call| !is_over(call));
        lost
    }
}
