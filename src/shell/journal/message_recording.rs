//! A message that is being recorded: a thread of its own writes it as it comes, so that neither a call nor its memory waits
//! for a disk. The thread ends with the recording; what its caller does with the message afterwards needs none.
//!
//! ```text
//!  sound, quiet ─► part of a message, in its file ─ end ─► read back, as often as its caller listens
//!      a thread of the pool                         │      a task, and a thread for each read
//!                                                   └─ keep ─► TICKET.wav
//!  dropped at any time before: the call ended, its caller went on or began again ─► nothing is left
//! ```

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use inquiry::Keys;

use crate::message_file::MessageFile;

/// What is to be written; in order.
enum Order {
    Sound(Vec<i16>),
    Quiet(usize),
    End,
}

/// What is to be done with a whole recording.
enum Request {
    Read { from: usize, most: usize, reply: oneshot::Sender<Vec<i16>> },
    Keep { ticket: String, reply: oneshot::Sender<Duration> },
}

/// The sound of a message in progress. Dropping it deletes what was written.
pub(crate) struct MessageWriter {
    /// None: the recording is whole, or an order was lost, as the disk does not keep up or has failed.
    orders: Option<SyncSender<Order>>,
    requests: mpsc::Sender<Request>,
}

impl MessageWriter {
    /// Begins a file in a folder, on a thread of its own.
    pub(crate) fn begin(folder: &Path, keys: Option<Keys>) -> MessageWriter {
        let (orders, received) = sync_channel(ORDERS_MAX);
        let (requests, requested) = mpsc::channel(REQUESTS_MAX);
        let folder = folder.to_owned();
        let written = spawn_blocking(move || match write(&folder, keys, &received) {
            Ok(whole) => whole,
            Err(error) => {
                tracing::error!(%error, "the recording of a message cannot be written");
                None
            }
        });
        tokio::spawn(serve(written, requested));
        MessageWriter { orders: Some(orders), requests }
    }

    pub(crate) fn sound(&mut self, samples: Vec<i16>) {
        self.order(Order::Sound(samples));
    }

    pub(crate) fn quiet(&mut self, samples: usize) {
        self.order(Order::Quiet(samples));
    }

    /// The recording is whole: its thread ends.
    pub(crate) fn end(&mut self) {
        self.order(Order::End);
        self.orders = None;
    }

    /// Samples from one on; none: they cannot be read.
    pub(crate) fn read(&mut self, from: usize, most: usize) -> oneshot::Receiver<Vec<i16>> {
        let (reply, read) = oneshot::channel();
        self.request(Request::Read { from, most, reply });
        read
    }

    /// Gives the file its ticket's name; how long it plays. `None`: it could not be written, and is gone.
    pub(crate) async fn keep(mut self, ticket: String) -> Option<Duration> {
        self.end();
        let (reply, kept) = oneshot::channel();
        self.request(Request::Keep { ticket, reply });
        kept.await.ok()
    }

    fn order(&mut self, order: Order) {
        let Some(orders) = &self.orders else { return };
        if let Err(error) = orders.try_send(order) {
            self.orders = None;
            // Where the disk has failed, the thread has said so.
            if let TrySendError::Full(_) = error {
                tracing::error!("a message is lost: the disk does not keep up with its recording");
            }
        }
    }

    /// A request that is not taken has no reply.
    fn request(&self, request: Request) {
        if self.requests.try_send(request).is_err() {
            tracing::debug!("a message is gone, or is asked for faster than it is read");
        }
    }
}

/// Writes until the recording is whole; none: it was dropped before, and is deleted.
fn write(folder: &Path, keys: Option<Keys>, orders: &Receiver<Order>) -> io::Result<Option<MessageFile>> {
    let mut file = MessageFile::begin(folder, keys)?;
    match take_in(&mut file, orders) {
        Ok(true) => Ok(Some(file)),
        given_up => {
            let _ = file.remove();
            given_up.map(|_| None)
        }
    }
}

/// Whether the recording became whole.
fn take_in(file: &mut MessageFile, orders: &Receiver<Order>) -> io::Result<bool> {
    while let Ok(order) = orders.recv() {
        match order {
            Order::Sound(samples) => file.add(&samples)?,
            Order::Quiet(samples) => file.add_silence(samples)?,
            Order::End => return file.end().map(|()| true),
        }
    }
    Ok(false)
}

/// Reads from the whole recording until it is kept, or deletes it when it is dropped.
async fn serve(written: JoinHandle<Option<MessageFile>>, mut requested: mpsc::Receiver<Request>) {
    // A panic of the thread has its own report; the file is swept at the next start.
    let Ok(Some(mut file)) = written.await else { return };
    loop {
        let request = requested.recv().await;
        let Ok(next) = spawn_blocking(move || perform(file, request)).await else { return };
        let Some(kept) = next else { return };
        file = kept;
    }
}

/// The file, while it is neither kept nor deleted.
fn perform(file: MessageFile, request: Option<Request>) -> Option<MessageFile> {
    match request {
        // One that cannot be played back can be kept all the same.
        Some(Request::Read { from, most, reply }) => {
            match file.samples(from, most) {
                Ok(samples) => drop(reply.send(samples)),
                Err(error) => tracing::error!(%error, "the recording of a message cannot be read back"),
            }
            Some(file)
        }
        Some(Request::Keep { ticket, reply }) => {
            match file.keep(&ticket) {
                // A call that has ended meanwhile has its message kept.
                Ok(length) => drop(reply.send(length)),
                Err(error) => tracing::error!(%error, "the recording of a message cannot be written"),
            }
            None
        }
        None => {
            let _ = file.remove();
            None
        }
    }
}

/// 12.8 seconds of sound, in 200 KiB: for so long a disk may stall.
const ORDERS_MAX: usize = 64;
/// Requests that wait for a recording to be whole, or for a disk.
const REQUESTS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use support::folder::{Folder, comes};

    fn files(folder: &Folder) -> Vec<String> {
        let files = fs::read_dir(folder.path()).into_iter().flatten().flatten();
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn a_message_is_listened_to_kept_and_whole() {
        let folder = Folder::new();
        let mut writer = MessageWriter::begin(folder.path(), None);
        writer.sound(vec![7; 1600]);
        writer.quiet(800);
        writer.end();
        assert_eq!(writer.read(1599, 2).await.expect("read"), [7, 0]);
        assert_eq!(writer.keep("12345678".into()).await, Some(Duration::from_millis(300)));
        assert_eq!(files(&folder), ["12345678.wav"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_message_that_cannot_be_read_back_is_kept() {
        let folder = Folder::new();
        let mut writer = MessageWriter::begin(folder.path(), None);
        writer.sound(vec![7; 1600]);
        writer.end();
        assert!(writer.read(0, 1).await.is_ok());
        let part = folder.join(&files(&folder)[0]);
        fs::rename(&part, folder.join("away")).expect("renamed");
        assert!(writer.read(0, 1).await.is_err());
        fs::rename(folder.join("away"), &part).expect("renamed back");
        assert_eq!(writer.keep("12345678".into()).await, Some(Duration::from_millis(200)));
    }

    /// With one thread in the pool, a second recording begins only once the first one's thread has ended.
    #[test]
    fn a_whole_message_that_is_not_sent_yet_holds_no_thread() {
        let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(1).build().expect("a runtime");
        let folder = Folder::new();
        runtime.block_on(async {
            let mut first = MessageWriter::begin(folder.path(), None);
            first.sound(vec![7; 1600]);
            first.end();
            let mut second = MessageWriter::begin(folder.path(), None);
            second.sound(vec![8; 1600]);
            second.end();
            assert_eq!(second.read(0, 1).await.expect("read"), [8]);
            assert_eq!(first.read(0, 1).await.expect("read"), [7]);
            assert_eq!(first.keep("12345678".into()).await, Some(Duration::from_millis(200)));
            drop(second);
            assert!(comes(|| files(&folder) == ["12345678.wav"]), "{:?}", files(&folder));
        });
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_who_hangs_up_leaves_nothing() {
        let folder = Folder::new();
        let mut writer = MessageWriter::begin(folder.path(), None);
        writer.sound(vec![7; 1600]);
        assert!(comes(|| files(&folder).iter().any(|name| name.ends_with(".part"))));
        drop(writer);
        assert!(comes(|| files(&folder).is_empty()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_fails_or_stalls_keeps_nothing_and_says_so() {
        let folder = Folder::new();
        fs::write(folder.join("messages"), "no folder").expect("written");
        let mut writer = MessageWriter::begin(&folder.join("messages"), None);
        writer.sound(vec![7; 1600]);
        assert_eq!(writer.keep("12345678".into()).await, None);
        let (orders, stalled) = sync_channel(1);
        let mut writer = MessageWriter { orders: Some(orders), requests: mpsc::channel(1).0 };
        writer.sound(vec![7; 1600]);
        writer.sound(vec![8; 1600]);
        drop(stalled.recv());
        assert_eq!(writer.keep("12345678".into()).await, None, "a message with a hole is not kept");
    }
}
