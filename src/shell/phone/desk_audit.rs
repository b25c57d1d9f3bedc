//! What the service of the queues notes in the audit log of the accounts: one task writes in order, so that the service never waits
//! for the file.

use std::sync::Arc;

use tokio::sync::mpsc;

use studio_store::Accounts;

/// Takes notes for the audit log.
pub(crate) struct DeskAudit {
    notes: mpsc::Sender<DeskNote>,
}

struct DeskNote {
    what: &'static str,
    who: Arc<str>,
    by: Arc<str>,
    about: String,
}

impl DeskAudit {
    /// Begins the task, which ends with the last note after the audit is dropped.
    pub(crate) fn begin(accounts: Arc<Accounts>) -> DeskAudit {
        let (notes, mut arrivals) = mpsc::channel(NOTES_MAX);
        tokio::spawn(async move {
            while let Some(DeskNote { what, who, by, about }) = arrivals.recv().await {
                let accounts = Arc::clone(&accounts);
                // The store may wait for another writer.
                let noted = tokio::task::spawn_blocking(move || accounts.note_desk(what, &who, &by, &about)).await;
                match noted {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(what, %error, "the audit log cannot be written"),
                    Err(_panicked) => tracing::error!(what, "the audit log was not written"),
                }
            }
        });
        DeskAudit { notes }
    }

    /// Notes that `by` did this to `who`; `about` names the call and no person.
    pub(crate) fn note(&self, what: &'static str, who: &Arc<str>, by: &Arc<str>, about: String) {
        let note = DeskNote { what, who: Arc::clone(who), by: Arc::clone(by), about };
        if self.notes.try_send(note).is_err() {
            tracing::error!(what, "the audit log does not keep up: a note is lost");
        }
    }
}

/// More than the supervisors of a desk cause while the store waits for another writer.
const NOTES_MAX: usize = 1024;
