//! Keeps messages that callers leave: a recording on the disk and its row in the journal, both or none.
//!
//! ```text
//!  begin ── quota, disk ──► N.part grows with the recording ── keep: synced ─► TICKET.wav ──► row ──► ticket
//!                             ├─ hung up, begun again, a disk that fails: removed │
//!                             └─ a program that died ── at the next start: removed, or given a row
//! ```

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use tokio::sync::oneshot;

pub use crate::entry::FOLDER;
use crate::entry::WAVE;
pub use crate::message_file::read as read_recording;
use crate::message_recording::MessageWriter;
use crate::{Journal, Message};
use inquiry::{MESSAGE_DAY as DAY, MessageCaller, MessageDisk, MessageQuota, MessageRefusal};
use os::{clock, folder, sound_key};

/// Where messages go, and how many there may be.
pub struct MessageBox {
    journal: Arc<Journal>,
    folder: PathBuf,
    settings: config::Messages,
    quota: Mutex<MessageQuota>,
}

/// A recording in progress; dropped when it is over.
pub struct MessageRecording {
    messages: Arc<MessageBox>,
    trunk: String,
    number: Option<u64>,
    caller: MessageCaller,
    /// Taken when the message is kept.
    writer: Option<MessageWriter>,
    /// One of the recordings in progress, until the recording is whole.
    has_place: bool,
}

impl MessageBox {
    /// Messages in a folder, whose rows are in a journal. Those of the last day count.
    pub fn new(journal: Arc<Journal>, folder: PathBuf, settings: config::Messages) -> Arc<MessageBox> {
        let mut quota = MessageQuota::new(settings.limits);
        let now = Instant::now();
        for recent in journal.recent_messages(DAY) {
            let since = now.checked_sub(recent.since).unwrap_or(now);
            quota.count(since, recent.trunk.map(|trunk| of(&trunk, recent.caller)), recent.count);
        }
        Arc::new(MessageBox { journal, folder, settings, quota: Mutex::new(quota) })
    }

    /// The longest message.
    pub fn longest(&self) -> Duration {
        self.settings.longest
    }

    /// Begins a recording of a caller, named by a keyed hash; none: the number is withheld. Within tokio's runtime.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn begin(self: &Arc<Self>, trunk: &str, caller: Option<u64>) -> Result<MessageRecording, MessageRefusal> {
        let (number, trunk, caller) = (caller, trunk.to_owned(), of(trunk, caller));
        let disk = self.disk();
        self.quota().begin(Instant::now(), caller, disk)?;
        let writer = Some(MessageWriter::begin(&self.folder, sound_key::current()));
        Ok(MessageRecording { messages: Arc::clone(self), trunk, number, caller, writer, has_place: true })
    }

    fn disk(&self) -> MessageDisk {
        // Before the first message there is no folder yet.
        let free = folder::free_bytes(&self.folder).or_else(|| self.folder.parent().and_then(folder::free_bytes));
        MessageDisk { stored: self.journal.message_bytes(), free }
    }

    fn quota(&self) -> MutexGuard<'_, MessageQuota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MessageRecording {
    /// Adds the next stretch of the recording: 16-bit samples at 8 kHz. Never waits.
    pub fn sound(&mut self, samples: Vec<i16>) {
        if let Some(writer) = &mut self.writer {
            writer.sound(samples);
        }
    }

    /// Adds samples of silence. Never waits.
    pub fn quiet(&mut self, samples: usize) {
        if let Some(writer) = &mut self.writer {
            writer.quiet(samples);
        }
    }

    /// The recording is whole, and its place is free for another while its caller listens, sends it or goes on. Never
    /// waits.
    pub fn end(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.end();
        }
        self.free_place();
    }

    fn free_place(&mut self) {
        if std::mem::take(&mut self.has_place) {
            self.messages.quota().end();
        }
    }

    /// Samples of a whole recording, from one on; an error: they cannot be read.
    pub fn read(&mut self, from: usize, most: usize) -> Option<oneshot::Receiver<Vec<i16>>> {
        self.writer.as_mut().map(|writer| writer.read(from, most))
    }

    /// Keeps a whole recording, and records it for `keep`, with the sealed number of a caller who agreed. Its ticket once
    /// both are on the disk; `None` when either failed, or a limit was reached meanwhile, and neither is there.
    pub async fn keep(mut self, notify: String, keep: Duration, number: Option<Vec<u8>>) -> Option<String> {
        let writer = self.writer.take()?;
        let disk = self.messages.disk();
        let counted = self.messages.quota().keep(Instant::now(), self.caller, disk);
        if let Err(refusal) = counted {
            tracing::warn!(limit = refusal.name(), "a message was recorded and not kept: a limit is reached");
            return None;
        }
        let ticket = self.store(writer, notify, keep, number).await;
        if ticket.is_none() {
            self.messages.quota().unkeep(self.caller);
        }
        ticket
    }

    async fn store(
        &self,
        writer: MessageWriter,
        notify: String,
        keep: Duration,
        number: Option<Vec<u8>>,
    ) -> Option<String> {
        let messages = &self.messages;
        let ticket = messages.journal.ticket().await?;
        let keep_until = clock::steady().saturating_add(SignedDuration::try_from(keep).ok()?).ok()?;
        let length = writer.keep(ticket.clone()).await?;
        let name = format!("{ticket}.{WAVE}");
        let message = Message {
            ticket: ticket.clone(),
            path: PathBuf::from(messages.folder.file_name()?).join(&name),
            notify,
            length,
            keep_until,
            trunk: Some(self.trunk.clone()),
            caller: self.number,
            number,
        };
        if messages.journal.record_message(message).await {
            return Some(ticket);
        }
        let path = messages.folder.join(name);
        let _ = tokio::task::spawn_blocking(move || fs::remove_file(path)).await;
        None
    }
}

impl Drop for MessageRecording {
    fn drop(&mut self) {
        self.free_place();
    }
}

/// A caller of a trunk, by a hash of both.
fn of(trunk: &str, number: Option<u64>) -> MessageCaller {
    let mut hasher = DefaultHasher::new();
    (trunk, number).hash(&mut hasher);
    let hash = hasher.finish();
    if number.is_some() { MessageCaller::Known(hash) } else { MessageCaller::Withheld(hash) }
}
