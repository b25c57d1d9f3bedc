//! The recording service: one thread for each operator's call answers what the call asks of the studio, and may block.
//! It outlives the call, and keeps what was being recorded when the call ended, however it ended.
//!
//! ```text
//!  call task ── StudioRequest ──► Session ──► accounts, takes          the call is over, or its task is gone
//!      ▲                             │  └─ Sound ─► TakeFile ──────────────────────────► a draft
//!      └─────────── Reply ───────────┘
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

use super::take_file::{Label, Leftover, TakeFile};
use super::take_store::{Sent, Stored, TakeStore};
use base::Private;
use call::{Input, Reply, SignIn, Slot, StudioRequest, trim_to_speech};
use inquiry::Keys;
use metrics::{Metrics, SignInResult, TakeEnd};
use os::clock;
use studio::{Operator, TakeName};
use studio_store::{PhoneCaller, Rejection, SignInError};

/// What all recording sessions share.
#[derive(Clone)]
pub struct RecordingService {
    /// Accounts, slots and takes.
    pub store: TakeStore,
    /// The folder of the takes in progress.
    pub in_progress: PathBuf,
    /// Seals the takes in progress, where there is a key.
    pub sound_keys: Option<Keys>,
    /// Counts sign-ins and takes.
    pub metrics: Arc<Metrics>,
}

/// The studio's side of one operator's call.
struct Session {
    service: RecordingService,
    /// Tells one caller from another, for the limit of sign-in attempts.
    caller: PhoneCaller,
    /// Stands for the call in the log.
    tag: String,
    /// Groups the takes of this call.
    sitting: String,
    operator: Option<Operator>,
    slot: Option<Slot>,
    /// The take in progress.
    file: Option<TakeFile>,
    /// A take that is stored, while its operator decides on it.
    take: Option<(TakeName, Usable)>,
    replies: mpsc::Sender<Input>,
}

/// Whether a take can be kept.
#[derive(Clone, Copy)]
struct Usable(bool);

impl RecordingService {
    /// Begins a session for a call; it ends when the sender is dropped.
    pub(crate) fn open(
        &self,
        caller: PhoneCaller,
        tag: String,
        replies: mpsc::Sender<Input>,
    ) -> SyncSender<StudioRequest> {
        let session = Session {
            service: self.clone(),
            caller,
            tag,
            sitting: format!("{:016x}", clock::random_u64()),
            operator: None,
            slot: None,
            file: None,
            take: None,
            replies,
        };
        let (sender, requests) = sync_channel(REQUESTS_MAX);
        tokio::task::spawn_blocking(move || session.run(&requests));
        sender
    }

    /// Makes drafts of the takes that were being recorded when the program last ended.
    pub fn recover(&self) {
        for mut leftover in Leftover::in_folder(&self.in_progress, self.sound_keys.as_ref()) {
            let slot = leftover.label.slot.clone();
            let Some(samples) = trim_to_speech(std::mem::take(&mut leftover.samples)) else {
                let _ = leftover.remove();
                continue;
            };
            match self.store.recover(&leftover.label, &samples) {
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

impl Session {
    fn run(mut self, requests: &Receiver<StudioRequest>) {
        let mut last = None;
        while let Ok(request) = requests.recv() {
            if matches!(request, StudioRequest::CallEnded) {
                last = self.last_recording(requests);
                break;
            }
            if let Some(reply) = self.perform(request)
                && self.replies.blocking_send(Input::Studio(Box::new(reply))).is_err()
            {
                break;
            }
        }
        self.close(last);
    }

    /// The call is over: the recording that its end cut short follows, if the media thread still reports it.
    fn last_recording(&self, requests: &Receiver<StudioRequest>) -> Option<Vec<i16>> {
        self.file.as_ref()?;
        loop {
            match requests.recv_timeout(LAST_RECORDING) {
                Ok(StudioRequest::LastRecording { samples }) => return Some(samples),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn perform(&mut self, request: StudioRequest) -> Option<Reply> {
        match request {
            StudioRequest::SignIn { number, pin } => Some(self.sign_in(number.expose(), &pin)),
            StudioRequest::Find { lang, number } => Some(self.look_up(|store| store.find(lang, number))),
            StudioRequest::Next { lang, after } => Some(self.look_up(|store| store.next(lang, after))),
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
            StudioRequest::Keep => Some(self.decide(TakeEnd::Kept, TakeStore::keep)),
            StudioRequest::Discard => Some(self.decide(TakeEnd::Discarded, TakeStore::discard)),
            StudioRequest::CallEnded | StudioRequest::LastRecording { .. } => None,
        }
    }

    fn sign_in(&mut self, number: &str, pin: &Private<String>) -> Reply {
        let (result, reply) = match self.service.store.accounts.sign_in_by_phone(number, pin, &self.caller) {
            Ok(operator) => {
                tracing::info!(call = %self.tag, operator = operator.name, "an operator records by telephone");
                self.operator = Some(operator);
                (SignInResult::Welcome, Reply::SignedIn(SignIn::Welcome))
            }
            Err(SignInError::Credentials) => (SignInResult::Refused, Reply::SignedIn(SignIn::Refused)),
            Err(SignInError::LockedOut { .. }) => (SignInResult::Locked, Reply::SignedIn(SignIn::Locked)),
            Err(error @ (SignInError::Busy | SignInError::MustChange { .. } | SignInError::Account(_))) => {
                tracing::error!(call = %self.tag, %error, "an operator could not sign in");
                (SignInResult::Failed, Reply::Down)
            }
        };
        self.service.metrics.phone_sign_ins.inc(result);
        reply
    }

    /// Looks a slot up, for an operator who has signed in.
    fn look_up(&mut self, how: impl FnOnce(&TakeStore) -> Result<Option<Slot>, Rejection>) -> Reply {
        if self.operator.is_none() {
            return Reply::Down;
        }
        match how(&self.service.store) {
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
        match TakeFile::begin(&self.service.in_progress, &label, self.service.sound_keys.clone()) {
            Ok(file) => self.file = Some(file),
            // The take itself still comes whole, when it is over.
            Err(error) => tracing::error!(call = %self.tag, %error, "a take cannot be kept while it is recorded"),
        }
    }

    fn record(&mut self, samples: &[i16]) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.add(samples)
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
        match self.service.store.submit(operator, &slot.clip, sent) {
            Ok(stored) => {
                self.forget();
                self.service.metrics.takes_by_phone.inc(end);
                Some(stored)
            }
            Err(error) => {
                self.file = None;
                self.service.metrics.takes_by_phone.inc(TakeEnd::Failed);
                tracing::error!(call = %self.tag, %error, "a take could not be stored; it stays in the data folder");
                None
            }
        }
    }

    fn forget(&mut self) {
        if let Some(file) = self.file.take()
            && let Err(error) = file.remove()
        {
            tracing::warn!(call = %self.tag, %error, "the file of a stored take cannot be removed");
        }
    }

    fn decide(
        &mut self,
        end: TakeEnd,
        how: impl FnOnce(&TakeStore, &Operator, &TakeName) -> Result<(), Rejection>,
    ) -> Reply {
        let (Some(operator), Some((take, _))) = (&self.operator, self.take.take()) else { return Reply::Done(false) };
        let done = how(&self.service.store, operator, &take);
        match &done {
            Ok(()) => self.service.metrics.takes_by_phone.inc(end),
            Err(error) => tracing::warn!(call = %self.tag, %error, "what an operator decided could not be noted"),
        }
        Reply::Done(done.is_ok())
    }

    /// Keeps a take that the end of the call ended, and one that its operator had not decided on.
    fn close(mut self, whole: Option<Vec<i16>>) {
        if let Some(file) = &self.file {
            match whole.or_else(|| file.samples().ok()).and_then(trim_to_speech) {
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
            let _ = self.decide(TakeEnd::Kept, TakeStore::keep);
        }
    }

    fn label(&self) -> Option<Label> {
        let (operator, clip) = (self.operator.as_ref()?.id, &self.slot.as_ref()?.clip);
        Some(Label { operator, lang: clip.lang, slot: clip.id.to_string(), sitting: self.sitting.clone() })
    }
}

/// Requests that wait, most of them audio: a disk may stall for a quarter of a minute.
const REQUESTS_MAX: usize = 128;
/// The media thread reports the last recording with its next packet.
const LAST_RECORDING: Duration = Duration::from_secs(1);
