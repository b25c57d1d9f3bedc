//! Conversations with agents that are recorded: begun, paused and ended by the queue's task, written by a thread for each.
//!
//! ```text
//!  queue's task ── begin, pause, end ──► media thread ── blocks, bounded ──► thread "recording": both channels, one sealed file
//!       ▲                                                                        │
//!       └──────────────────────── it failed: the page shows that ◄───────────────┤
//!  journal ◄─────────── row at the beginning, length and pauses at the end ◄─────┘
//! ```
//!
//! Whatever happens to a recording, the conversation goes on. What was written before a failure is kept.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::recording_state::RecordingState;
use super::services::Shared;
use audio::{Interleaver, g711, samples_in};
use config::Recording;
use inquiry::Keys;
use journal::{
    EndedRecording, Journal, JournalMetrics, NewRecording, RECORDINGS_FOLDER, RecordingFailure, RecordingFile,
};
use media::{NoSound, SessionId, TapChannel, TapReceiver, TappedSound, tap_channel};
use os::{clock, folder, sound_key};
use queue::{CallerId, OfferId};

/// A conversation that begins.
pub(crate) struct Conversation {
    pub offer: OfferId,
    pub caller: CallerId,
    /// The caller's session, and the agent's.
    pub sessions: (SessionId, SessionId),
    pub queue: Arc<str>,
    pub agent: Arc<str>,
    /// Stands for the call in its record.
    pub call: Option<String>,
    /// The announcement was played to the caller.
    pub announced: bool,
}

/// The recordings in progress.
#[derive(Default)]
pub(crate) struct Recorder {
    in_progress: HashMap<OfferId, InProgress>,
}

struct InProgress {
    id: Arc<str>,
    caller: CallerId,
    agent: Arc<str>,
    session: SessionId,
    began: Instant,
    paused: Option<Duration>,
    pauses: Arc<Mutex<Vec<(Duration, Duration)>>>,
    /// The thread has ended before the conversation.
    failed: Arc<AtomicBool>,
    /// The page knows that.
    told: bool,
}

impl Recorder {
    /// Begins the recording of a conversation, if its queue records; its name.
    pub(crate) fn begin(&mut self, shared: &Shared, conversation: &Conversation) -> Option<Arc<str>> {
        let settings = &shared.settings.recording;
        // The caller's previous tap ends first: ended later, it would end the new one.
        let Conversation { caller, offer, .. } = *conversation;
        self.end_where(shared, |other, of| other == caller && of != offer);
        if !settings.queues.contains(&conversation.queue) {
            return None;
        }
        match self.try_begin(shared, settings, conversation) {
            Ok(id) => Some(id),
            Err(why) => {
                report(&shared.services.journal.metrics(), why, conversation.call.as_deref());
                None
            }
        }
    }

    fn try_begin(
        &mut self,
        shared: &Shared,
        settings: &Recording,
        conversation: &Conversation,
    ) -> Result<Arc<str>, RecordingFailure> {
        let Conversation { offer, caller, sessions, queue, agent, call, announced } = conversation;
        let (journal, media) = (&shared.services.journal, &shared.services.media);
        if !announced {
            return Err(RecordingFailure::Unannounced);
        }
        let (Some(keys), Some(data)) = (sound_key::current(), &shared.services.data) else {
            return Err(RecordingFailure::NoKey);
        };
        if self.in_progress.len() >= settings.at_once_max {
            return Err(RecordingFailure::TooMany);
        }
        let free = folder::free_bytes(data).unwrap_or(u64::MAX);
        if journal.metrics().recordings.bytes() >= settings.disk_bytes_max || free < settings.disk_free_min {
            return Err(RecordingFailure::Full);
        }
        let id = format!("{:016x}", clock::random_u64());
        let keep = SignedDuration::try_from(settings.keep).unwrap_or(SignedDuration::MAX);
        let new = NewRecording {
            id: id.clone(),
            at: clock::timestamp(),
            queue: queue.to_string(),
            agent: agent.to_string(),
            call: call.clone(),
            keep_until: clock::steady().saturating_add(keep).unwrap_or(jiff::Timestamp::MAX),
        };
        if !journal.recording_begins(new) {
            return Err(RecordingFailure::Busy);
        }
        let (sender, sound) = tap_channel();
        let (pauses, failed) = (Arc::default(), Arc::default());
        let writer = Writer {
            id: id.clone(),
            call: call.clone(),
            folder: data.join(RECORDINGS_FOLDER),
            keys,
            settings: settings.clone(),
            journal: Arc::clone(journal),
            began: clock::now(),
            pauses: Arc::clone(&pauses),
            failed: Arc::clone(&failed),
        };
        let thread = std::thread::Builder::new().name("recording".into()).spawn(move || writer.run(&sound));
        let began = clock::now();
        // A writer to whom no sound comes leaves nothing.
        if thread.is_err() || media.tap(sessions.0, sessions.1, sender).is_err() {
            return Err(RecordingFailure::Busy);
        }
        let (caller, agent, session) = (*caller, Arc::clone(agent), sessions.0);
        let id: Arc<str> = id.into();
        let of_call = Arc::clone(&id);
        let paused = None;
        let recording = InProgress { id, caller, agent, session, began, paused, pauses, failed, told: false };
        self.in_progress.insert(*offer, recording);
        Ok(of_call)
    }

    /// Pauses the recording of a conversation, or goes on with it; false: it is not recorded.
    pub(crate) fn pause(&mut self, shared: &Shared, offer: OfferId, paused: bool) -> bool {
        let Some(recording) = self.in_progress.get_mut(&offer).filter(|recording| !recording.has_failed()) else {
            return false;
        };
        if recording.paused.is_some() == paused {
            return true;
        }
        if shared.services.media.pause_tap(recording.session, paused).is_err() {
            return false;
        }
        recording.note_pause(paused);
        shared.services.journal.recording_paused(&recording.id, recording.pauses_so_far());
        true
    }

    /// How a conversation stands.
    pub(crate) fn state(&self, offer: OfferId) -> RecordingState {
        match self.in_progress.get(&offer) {
            Some(recording) if recording.has_failed() => RecordingState::Off,
            Some(recording) if recording.paused.is_some() => RecordingState::Paused,
            Some(_) => RecordingState::On,
            None => RecordingState::Off,
        }
    }

    /// Ends the recordings of conversations that are over.
    pub(crate) fn end_where(&mut self, shared: &Shared, is_over: impl Fn(CallerId, OfferId) -> bool) {
        self.in_progress.retain(|offer, recording| {
            let goes_on = !is_over(recording.caller, *offer);
            if !goes_on {
                recording.note_pause(false);
                shared.services.media.end_tap(recording.session);
            }
            goes_on
        });
    }

    /// The conversations whose recording has failed since this was asked last, with their agents.
    pub(crate) fn newly_failed(&mut self) -> Vec<(OfferId, Arc<str>)> {
        let failed = self.in_progress.iter_mut().filter(|(_, one)| one.has_failed() && !one.told);
        failed
            .map(|(offer, one)| {
                one.told = true;
                (*offer, Arc::clone(&one.agent))
            })
            .collect()
    }
}

impl InProgress {
    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// One that goes on ends where it began.
    fn pauses_so_far(&self) -> Vec<(Duration, Duration)> {
        let mut pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        pauses.extend(self.paused.map(|since| (since, since)));
        pauses
    }

    fn note_pause(&mut self, paused: bool) {
        let now = clock::now().saturating_duration_since(self.began);
        if paused {
            self.paused = Some(now);
        } else if let Some(since) = self.paused.take() {
            self.pauses.lock().unwrap_or_else(PoisonError::into_inner).push((since, now));
        }
    }
}

/// Says why a conversation is not recorded, or not to its end.
fn report(metrics: &JournalMetrics, why: RecordingFailure, call: Option<&str>) {
    let (why_name, call) = (why.name(), call.unwrap_or("-"));
    metrics.recordings.failed(why, clock::timestamp());
    if why == RecordingFailure::Longest {
        tracing::warn!(call, "recording_ended: it is as long as recording.longest_s allows; the conversation goes on");
    } else {
        tracing::error!(call, why = why_name, "recording_failed: the conversation goes on and is not recorded");
    }
}

/// What the thread of a recording works with.
struct Writer {
    id: String,
    call: Option<String>,
    folder: PathBuf,
    keys: Keys,
    settings: Recording,
    journal: Arc<Journal>,
    began: Instant,
    pauses: Arc<Mutex<Vec<(Duration, Duration)>>>,
    failed: Arc<AtomicBool>,
}

/// One of the recordings in progress, and what it has written: counted while the thread lasts.
struct Counted {
    metrics: Arc<JournalMetrics>,
    octets: u64,
}

impl Counted {
    fn new(metrics: Arc<JournalMetrics>) -> Counted {
        metrics.recordings.in_progress.fetch_add(1, Ordering::Relaxed);
        Counted { metrics, octets: 0 }
    }

    fn wrote(&mut self, octets: u64) {
        self.metrics.recordings.written_bytes.fetch_add(octets - self.octets, Ordering::Relaxed);
        self.octets = octets;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.recordings.in_progress.fetch_sub(1, Ordering::Relaxed);
        self.metrics.recordings.written_bytes.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

impl Writer {
    fn run(self, sound: &TapReceiver) {
        let metrics = self.journal.metrics();
        let mut counted = Counted::new(Arc::clone(&metrics));
        let mut file = match RecordingFile::begin(&self.folder, &self.id, &self.keys) {
            Ok(file) => file,
            Err(error) => {
                tracing::error!(%error, "the recording of a conversation cannot be written");
                return self.fail(RecordingFailure::Disk);
            }
        };
        let written = self.write(&mut file, sound, &mut counted);
        metrics.recordings.lost_samples.fetch_add(sound.lost(), Ordering::Relaxed);
        if let Err(why) = written {
            self.fail(why);
        }
        self.close(file);
    }

    /// Writes until the conversation is over.
    fn write(
        &self,
        file: &mut RecordingFile,
        sound: &TapReceiver,
        counted: &mut Counted,
    ) -> Result<(), RecordingFailure> {
        let mut both = Interleaver::default();
        let mut looked_at = 0;
        loop {
            match sound.next(PATIENCE) {
                Ok(block) => put(&mut both, &block),
                Err(NoSound::Yet) => continue,
                Err(NoSound::Ended) => return self.add(file, &both.take_rest(), counted),
            }
            self.add(file, &both.take(), counted)?;
            if both.end() >= samples_in(self.settings.longest) as u64 {
                return Err(RecordingFailure::Longest);
            }
            if both.end() - looked_at >= LOOK_EVERY {
                looked_at = both.end();
                let free = folder::free_bytes(&self.folder).unwrap_or(u64::MAX);
                let all = counted.metrics.recordings.bytes();
                if free < self.settings.disk_free_min || all >= self.settings.disk_bytes_max {
                    return Err(RecordingFailure::Full);
                }
            }
        }
    }

    fn add(&self, file: &mut RecordingFile, samples: &[i16], counted: &mut Counted) -> Result<(), RecordingFailure> {
        let added = file.add(samples);
        counted.wrote(file.octets());
        added.map_err(|error| {
            tracing::error!(%error, "the recording of a conversation cannot be written");
            RecordingFailure::Disk
        })
    }

    /// Keeps what there is, and records its length. A recording without sound is deleted.
    fn close(&self, file: RecordingFile) {
        let (length, octets) = (file.length(), file.octets());
        if length.is_zero() {
            // Silence is recorded, too, so only a very short conversation has no samples.
            let has_failed = self.failed.load(Ordering::Relaxed);
            if !has_failed && clock::now().saturating_duration_since(self.began) > MOMENT {
                self.fail(RecordingFailure::NoSound);
            }
            if let Err(error) = file.remove() {
                tracing::warn!(%error, "the empty recording of a conversation cannot be deleted");
            }
            let (id, pauses) = (self.id.clone(), Vec::new());
            self.journal.recording_ended(EndedRecording { id, length, pauses, is_whole: false, octets });
            return;
        }
        let is_whole = match file.keep(&self.id) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the recording of a conversation has no end; it is kept as far as it goes");
                if let Err(error) = RecordingFile::give_up(&self.folder, &self.id) {
                    return tracing::error!(%error, "the recording of a conversation is lost");
                }
                false
            }
        };
        let pauses = self.pauses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Where the journal does not take it, the next start closes the recording.
        self.journal.recording_ended(EndedRecording { id: self.id.clone(), length, pauses, is_whole, octets });
    }

    fn fail(&self, why: RecordingFailure) {
        self.failed.store(true, Ordering::Relaxed);
        report(&self.journal.metrics(), why, self.call.as_deref());
    }
}

fn put(both: &mut Interleaver, block: &TappedSound) {
    let channel = match block.channel {
        TapChannel::Caller => 0,
        TapChannel::Agent => 1,
    };
    match block.octets() {
        Some((law, octets)) => {
            both.put(channel, block.at, octets.iter().map(|octet| g711::decode(law, *octet)));
        }
        None => both.put_silence(channel, block.at, block.samples),
    }
}

/// How long a thread waits for sound before it looks again whether the conversation is over.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than a tap buffers sound.
const MOMENT: Duration = Duration::from_secs(2);
/// Five seconds of sound: so often the disk is looked at.
const LOOK_EVERY: u64 = 40_000;
