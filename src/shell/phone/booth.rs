//! The recording service's way to the studio: one thread for each operator's call, which does what the call asks and
//! may take its time for it. It outlives the call, and keeps what was being recorded when the call ended, however it
//! ended.
//!
//! ```text
//!  call task ── Ask ──► Booth ──► accounts, takes            the call is over, or its task is gone
//!      ▲                  │  └─ Sound ─► Tape ──────────────────────────────► a draft
//!      └──── Reply ───────┘
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

use super::shelf::{Sent, Shelf, Stored};
use super::tape::{Label, Leftover, Tape};
use base::Private;
use call::{Input, Reply, SignIn, Slot, StudioRequest, trim_to_speech};
use metrics::{Metrics, SignInResult, TakeEnd};
use os::clock;
use studio::{Operator, TakeName};
use studio_store::{Refusal, Refused};

/// What every booth works with.
#[derive(Clone)]
pub struct Booths {
    pub shelf: Shelf,
    /// Where takes in progress lie.
    pub tapes: PathBuf,
    pub metrics: Arc<Metrics>,
}

/// One operator's call, as the studio sees it.
struct Booth {
    booths: Booths,
    /// What tells one caller from another, for the limit of tries.
    caller: String,
    /// The call, in the log.
    tag: String,
    sitting: String,
    operator: Option<Operator>,
    slot: Option<Slot>,
    tape: Option<Tape>,
    /// A take that is stored, while its operator thinks about it.
    take: Option<(TakeName, Usable)>,
    replies: mpsc::Sender<Input>,
}

/// Whether a take can be kept.
#[derive(Clone, Copy)]
struct Usable(bool);

impl Booths {
    /// Opens a booth for a call; it closes when the sender is gone.
    pub fn open(&self, caller: String, tag: String, replies: mpsc::Sender<Input>) -> SyncSender<StudioRequest> {
        let booth = Booth {
            booths: self.clone(),
            caller,
            tag,
            sitting: format!("{:016x}", clock::seed()),
            operator: None,
            slot: None,
            tape: None,
            take: None,
            replies,
        };
        let (sender, asks) = sync_channel(ASKS_MAX);
        tokio::task::spawn_blocking(move || booth.run(&asks));
        sender
    }

    /// Makes drafts of the takes that an earlier run of the program was recording when it ended.
    pub fn recover(&self) {
        for leftover in Leftover::in_folder(&self.tapes) {
            let slot = leftover.label.slot.clone();
            let Some(samples) = trim_to_speech(leftover.samples.clone()) else {
                let _ = leftover.remove();
                continue;
            };
            match self.shelf.recover(&leftover.label, &samples) {
                Ok(_) => {
                    self.metrics.takes_by_phone.inc(TakeEnd::Recovered);
                    tracing::warn!(slot, "a take that was being recorded when the program ended is a draft");
                    let _ = leftover.remove();
                }
                Err(error) => tracing::error!(slot, error, "a take in the data folder cannot be made a draft"),
            }
        }
    }
}

impl Booth {
    fn run(mut self, asks: &Receiver<StudioRequest>) {
        let mut last = None;
        while let Ok(ask) = asks.recv() {
            if matches!(ask, StudioRequest::CallEnded) {
                last = self.last_words(asks);
                break;
            }
            if let Some(reply) = self.perform(ask)
                && self.replies.blocking_send(Input::Studio(Box::new(reply))).is_err()
            {
                break;
            }
        }
        self.close(last);
    }

    /// The call is over: a recording that its end ended follows, if it was known whole.
    fn last_words(&self, asks: &Receiver<StudioRequest>) -> Option<Vec<i16>> {
        self.tape.as_ref()?;
        loop {
            match asks.recv_timeout(LAST_WORDS) {
                Ok(StudioRequest::LastRecording { samples }) => return Some(samples),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn perform(&mut self, ask: StudioRequest) -> Option<Reply> {
        match ask {
            StudioRequest::SignIn { number, pin } => Some(self.sign_in(number.expose(), &pin)),
            StudioRequest::Find { lang, number } => Some(self.look_up(|shelf| shelf.find(lang, number))),
            StudioRequest::Next { lang, after } => Some(self.look_up(|shelf| shelf.next(lang, after))),
            StudioRequest::Begin => {
                self.begin();
                None
            }
            StudioRequest::Sound(samples) => {
                self.record(&samples);
                None
            }
            StudioRequest::Submit { samples, packets_lost } => Some(self.submit(&samples, packets_lost)),
            StudioRequest::Abandon => {
                self.forget();
                None
            }
            StudioRequest::Keep => Some(self.decide(TakeEnd::Kept, Shelf::keep)),
            StudioRequest::Discard => Some(self.decide(TakeEnd::Discarded, Shelf::discard)),
            StudioRequest::CallEnded | StudioRequest::LastRecording { .. } => None,
        }
    }

    fn sign_in(&mut self, number: &str, pin: &Private<String>) -> Reply {
        let (result, reply) = match self.booths.shelf.accounts.pin(number, pin, &self.caller) {
            Ok(operator) => {
                tracing::info!(call = %self.tag, operator = operator.name, "an operator records by telephone");
                self.operator = Some(operator);
                (SignInResult::Welcome, Reply::SignedIn(SignIn::Welcome))
            }
            Err(Refused::Wrong) => (SignInResult::Refused, Reply::SignedIn(SignIn::Refused)),
            Err(Refused::Wait { .. }) => (SignInResult::Locked, Reply::SignedIn(SignIn::Locked)),
            Err(error @ (Refused::Busy | Refused::Account(_))) => {
                tracing::error!(call = %self.tag, %error, "an operator could not sign in");
                (SignInResult::Failed, Reply::Down)
            }
        };
        self.booths.metrics.phone_sign_ins.inc(result);
        reply
    }

    /// Looks a slot up, for an operator who has signed in.
    fn look_up(&mut self, how: impl FnOnce(&Shelf) -> Result<Option<Slot>, Refusal>) -> Reply {
        if self.operator.is_none() {
            return Reply::Down;
        }
        match how(&self.booths.shelf) {
            Ok(slot) => {
                self.slot = slot;
                Reply::Slot(self.slot.clone())
            }
            Err(error) => {
                tracing::error!(call = %self.tag, %error, "the studio cannot be read");
                Reply::Down
            }
        }
    }

    fn begin(&mut self) {
        let Some(label) = self.label() else { return };
        match Tape::begin(&self.booths.tapes, &label) {
            Ok(tape) => self.tape = Some(tape),
            // The take itself still comes whole, when it is over.
            Err(error) => tracing::error!(call = %self.tag, %error, "a take cannot be kept while it is recorded"),
        }
    }

    fn record(&mut self, samples: &[i16]) {
        if let Some(tape) = &mut self.tape
            && let Err(error) = tape.add(samples)
        {
            tracing::error!(call = %self.tag, %error, "a take cannot be kept while it is recorded");
        }
    }

    fn submit(&mut self, samples: &[i16], packets_lost: u64) -> Reply {
        let Some(stored) = self.store(samples, packets_lost, TakeEnd::Stored) else { return Reply::Submitted(None) };
        self.take = Some((stored.take, Usable(!stored.report.unusable)));
        Reply::Submitted(Some(stored.report))
    }

    /// Makes a take of what was recorded; what cannot be stored stays where it is until the next start.
    fn store(&mut self, samples: &[i16], packets_lost: u64, end: TakeEnd) -> Option<Stored> {
        let (operator, slot) = (self.operator.as_ref()?, self.slot.as_ref()?);
        let sent = Sent { samples, packets_lost, sitting: &self.sitting };
        match self.booths.shelf.submit(operator, &slot.clip, sent) {
            Ok(stored) => {
                self.forget();
                self.booths.metrics.takes_by_phone.inc(end);
                Some(stored)
            }
            Err(error) => {
                self.tape = None;
                self.booths.metrics.takes_by_phone.inc(TakeEnd::Failed);
                tracing::error!(call = %self.tag, %error, "a take could not be stored; it stays in the data folder");
                None
            }
        }
    }

    fn forget(&mut self) {
        if let Some(tape) = self.tape.take()
            && let Err(error) = tape.remove()
        {
            tracing::warn!(call = %self.tag, %error, "a take that is stored cannot be removed from the tapes");
        }
    }

    fn decide(&mut self, end: TakeEnd, how: impl FnOnce(&Shelf, &Operator, &TakeName) -> Result<(), Refusal>) -> Reply {
        let (Some(operator), Some((take, _))) = (&self.operator, self.take.take()) else { return Reply::Done(false) };
        let done = how(&self.booths.shelf, operator, &take);
        match &done {
            Ok(()) => self.booths.metrics.takes_by_phone.inc(end),
            Err(error) => tracing::warn!(call = %self.tag, %error, "what an operator decided could not be noted"),
        }
        Reply::Done(done.is_ok())
    }

    /// Keeps a take that the end of the call ended, and one that its operator had not decided on.
    fn close(mut self, whole: Option<Vec<i16>>) {
        if let Some(tape) = &self.tape {
            match whole.or_else(|| tape.samples().ok()).and_then(trim_to_speech) {
                Some(samples) => {
                    if let Some(stored) = self.store(&samples, 0, TakeEnd::HungUp) {
                        tracing::info!(call = %self.tag, "the call ended during a take, which is a draft");
                        self.take = Some((stored.take, Usable(!stored.report.unusable)));
                    }
                }
                None => self.forget(),
            }
        }
        if matches!(self.take, Some((_, Usable(true)))) {
            let _ = self.decide(TakeEnd::Kept, Shelf::keep);
        }
    }

    fn label(&self) -> Option<Label> {
        let (operator, clip) = (self.operator.as_ref()?.id, &self.slot.as_ref()?.clip);
        Some(Label { operator, lang: clip.lang, slot: clip.id.to_string(), sitting: self.sitting.clone() })
    }
}

/// Stretches of sound and questions that wait: a quarter of a minute of a disk that stands still.
const ASKS_MAX: usize = 128;
/// The media thread tells the last recording with its next packet.
const LAST_WORDS: Duration = Duration::from_secs(1);
