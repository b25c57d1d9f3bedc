//! The service: an outbox and its records.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep_until;

use inquiry::Keys;
use journal::Journal;
use os::clock;
use replica_store::{open_text, seal_text};
use sms::{
    Action, Attempt, CarrierReport, Moment, Outbox, Outcome, Refusal, Settings, SmsFigures, SmsId, SmsRecord, SmsState,
};

/// The text messages of a node.
pub struct SmsService {
    outbox: Mutex<Outbox>,
    changed: Notify,
    journal: Arc<Journal>,
    keys: Keys,
    carrier: &'static str,
}

impl SmsService {
    /// The service with what was stored when the program ended; `carrier`: what it is called.
    pub(crate) fn new(
        settings: &Settings,
        carrier: &'static str,
        journal: Arc<Journal>,
        keys: Keys,
    ) -> Arc<SmsService> {
        let mut outbox = Outbox::new(settings.clone());
        outbox.restore(now(), stored(&journal, &keys));
        Arc::new(SmsService { outbox: Mutex::new(outbox), changed: Notify::new(), journal, keys, carrier })
    }

    /// How many messages this number may get in a call that begins now.
    pub fn left(&self, number: &str) -> u8 {
        self.outbox().left(number)
    }

    /// Accepts a message, and stores it: from then on it is sent, also after the end of the program.
    ///
    /// # Errors
    /// A limit, a number that may get none, or a journal that cannot be written.
    pub async fn send(&self, number: &str, text: &str) -> Result<SmsId, Refusal> {
        let record = self.outbox().accept(now(), clock::random_u64(), number, text)?;
        let id = record.id;
        let stored = match seal_text(&self.keys, &record.to_json()) {
            Some(sealed) => self.journal.keep_text_message(id.0, sealed).await,
            None => false,
        };
        self.outbox().stored(now(), id, stored);
        self.changed.notify_one();
        if stored {
            tracing::info!(%id, "sms_accepted");
            Ok(id)
        } else {
            tracing::error!(%id, "a text message could not be stored, and is not sent");
            Err(Refusal::Store)
        }
    }

    /// Withdraws a message that waits; false: none of this number does.
    pub fn cancel(&self, id: SmsId) -> bool {
        let cancelled = self.outbox().cancel(id);
        self.changed.notify_one();
        cancelled
    }

    /// The messages that wait, and those of the last 24 hours; the oldest first.
    pub fn records(&self) -> Vec<SmsRecord> {
        self.outbox().records().cloned().collect()
    }

    /// What is counted.
    pub fn figures(&self) -> SmsFigures {
        self.outbox().figures()
    }

    /// `http` or `smpp`.
    pub fn carrier(&self) -> &'static str {
        self.carrier
    }

    /// Whether the carrier has been unreachable for longer than the settings allow.
    pub fn is_alarming(&self) -> bool {
        self.outbox().is_alarming(now().wall_ms)
    }

    /// Begins no further attempt, and waits for those under way, no longer than `limit`. What is not sent stays stored.
    pub async fn finish(&self, limit: Duration) {
        let until = clock::now() + limit;
        self.outbox().stop();
        while self.outbox().is_sending() && clock::now() < until {
            tokio::time::sleep(LOOK).await;
        }
        self.store_all();
    }

    pub(crate) fn ended(&self, id: SmsId, outcome: Outcome) {
        let state = {
            let mut outbox = self.outbox();
            outbox.ended(now(), id, outcome);
            outbox.record(id).map(|record| (record.state, record.attempts))
        };
        match (outcome, state) {
            (Outcome::Rejected(why), _) => tracing::warn!(%id, why, "sms_rejected"),
            (Outcome::Unreachable(why), _) => tracing::debug!(%id, why, "sms_unreachable"),
            (outcome, Some((SmsState::Waiting, attempts))) => {
                tracing::info!(%id, attempts, ?outcome, "sms_tried_again")
            }
            (_, Some((state, _))) => tracing::info!(%id, outcome = state.name(), "sms_ended"),
            (_, None) => {}
        }
        self.changed.notify_one();
    }

    pub(crate) fn report(&self, report: CarrierReport) {
        match report {
            CarrierReport::Up => tracing::info!(carrier = self.carrier, "sms_carrier_reachable"),
            CarrierReport::Down(why) => tracing::warn!(carrier = self.carrier, why, "sms_carrier_unreachable"),
        }
        self.outbox().report(now(), report);
        self.changed.notify_one();
    }

    pub(crate) fn receipt(&self, delivered: bool) {
        self.outbox().receipt(delivered);
    }

    /// The next attempt that is due.
    pub(crate) fn next_attempt(&self) -> Option<Attempt> {
        self.outbox().next_attempt(now())
    }

    /// Waits until something has changed, or falls due.
    pub(crate) async fn changes(&self) {
        let due = self.outbox().deadline().map_or_else(|| clock::now() + IDLE, |deadline| deadline.at);
        tokio::select! {
            () = self.changed.notified() => {}
            () = sleep_until(due.into()) => self.outbox().tick(now()),
        }
    }

    /// Stores what has changed, in the order of the changes. A record that cannot be stored is sent again after a restart.
    pub(crate) fn store_all(&self) {
        loop {
            let action = self.outbox().poll();
            let stored = match action {
                Some(Action::Store(record)) => match seal_text(&self.keys, &record.to_json()) {
                    Some(sealed) => {
                        let stored = self.journal.keep_text_message(record.id.0, sealed);
                        tokio::spawn(async move {
                            if !stored.await {
                                tracing::error!(id = %record.id, "the state of a text message could not be stored");
                            }
                        });
                        continue;
                    }
                    None => continue,
                },
                Some(Action::Forget(id)) => self.journal.forget_text_message(id.0),
                None => return,
            };
            // One that stays is deleted by its age.
            tokio::spawn(stored);
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was stored when the program ended.
fn stored(journal: &Journal, keys: &Keys) -> Vec<SmsRecord> {
    let sealed = journal.text_messages().unwrap_or_else(|error| {
        tracing::error!(%error, "the text messages that wait cannot be read");
        Vec::new()
    });
    let read = |sealed: &Vec<u8>| SmsRecord::from_json(open_text(keys, sealed)?.expose()).ok();
    let records: Vec<SmsRecord> = sealed.iter().filter_map(read).collect();
    if records.len() < sealed.len() {
        let lost = sealed.len() - records.len();
        tracing::error!(lost, "text messages were sealed under another secret, or are damaged");
    }
    records
}

fn now() -> Moment {
    Moment { at: clock::now(), wall_ms: clock::steady().as_millisecond() }
}

/// How often the end of attempts is looked for when the node stops.
const LOOK: Duration = Duration::from_millis(20);
/// While nothing waits.
const IDLE: Duration = Duration::from_secs(3600);
