//! A message that is being recorded: a thread of its own writes it as it comes, so that neither a call nor its memory waits
//! for a disk.
//!
//! ```text
//!  sound, quiet ─► part of a message, in its file ─ end ─► read back, as often as its caller listens
//!                                                   └─ keep ─► TICKET.wav
//!  dropped at any time before: the call ended, or its caller began again ─► nothing is left
//! ```

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use inquiry::Keys;

use crate::message_file::MessageFile;

/// What is to be done with the file; in order.
enum Order {
    Sound(Vec<i16>),
    Quiet(usize),
    End,
    Read { from: usize, most: usize, reply: oneshot::Sender<Vec<i16>> },
    Keep { ticket: String, reply: oneshot::Sender<Duration> },
}

/// The sound of a message in progress. Dropping it deletes what was written.
pub(crate) struct MessageWriter {
    orders: SyncSender<Order>,
    /// An order was lost: the disk does not keep up, or has failed.
    broken: bool,
}

impl MessageWriter {
    /// Begins a file in a folder, on a thread of its own.
    pub(crate) fn begin(folder: &Path, keys: Option<Keys>) -> MessageWriter {
        let (orders, received) = sync_channel(ORDERS_MAX);
        let folder = folder.to_owned();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = write(&folder, keys, &received) {
                tracing::error!(%error, "the recording of a message cannot be written");
            }
        });
        MessageWriter { orders, broken: false }
    }

    pub(crate) fn sound(&mut self, samples: Vec<i16>) {
        self.order(Order::Sound(samples));
    }

    pub(crate) fn quiet(&mut self, samples: usize) {
        self.order(Order::Quiet(samples));
    }

    pub(crate) fn end(&mut self) {
        self.order(Order::End);
    }

    /// Samples from one on; none: they cannot be read.
    pub(crate) fn read(&mut self, from: usize, most: usize) -> oneshot::Receiver<Vec<i16>> {
        let (reply, read) = oneshot::channel();
        self.order(Order::Read { from, most, reply });
        read
    }

    /// Gives the file its ticket's name; how long it plays. `None`: it could not be written, and is gone.
    pub(crate) async fn keep(mut self, ticket: String) -> Option<Duration> {
        let (reply, kept) = oneshot::channel();
        self.order(Order::Keep { ticket, reply });
        kept.await.ok()
    }

    fn order(&mut self, order: Order) {
        if self.broken {
            return;
        }
        if let Err(error) = self.orders.try_send(order) {
            self.broken = true;
            // Where the disk has failed, the thread has said so.
            if let TrySendError::Full(_) = error {
                tracing::error!("a message is lost: the disk does not keep up with its recording");
            }
        }
    }
}

/// Writes until the message is kept or dropped. What is not kept is deleted.
fn write(folder: &Path, keys: Option<Keys>, orders: &Receiver<Order>) -> io::Result<()> {
    let mut file = MessageFile::begin(folder, keys)?;
    let ticket = match take_in(&mut file, orders) {
        Ok(Some(ticket)) => ticket,
        given_up => {
            let _ = file.remove();
            return given_up.map(drop);
        }
    };
    let (ticket, reply) = ticket;
    let length = file.keep(&ticket)?;
    // A call that has ended meanwhile has its message kept.
    let _ = reply.send(length);
    Ok(())
}

/// The ticket, and who waits for it; none: the message is not kept.
type Ticket = (String, oneshot::Sender<Duration>);

fn take_in(file: &mut MessageFile, orders: &Receiver<Order>) -> io::Result<Option<Ticket>> {
    while let Ok(order) = orders.recv() {
        match order {
            Order::Sound(samples) => file.add(&samples)?,
            Order::Quiet(samples) => file.add_silence(samples)?,
            Order::End => file.end()?,
            // One that cannot be played back can be kept all the same.
            Order::Read { from, most, reply } => match file.samples(from, most) {
                Ok(samples) => drop(reply.send(samples)),
                Err(error) => tracing::error!(%error, "the recording of a message cannot be read back"),
            },
            Order::Keep { ticket, reply } => return Ok(Some((ticket, reply))),
        }
    }
    Ok(None)
}

/// 12.8 seconds of sound, in 200 KiB: for so long a disk may stall.
const ORDERS_MAX: usize = 64;

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
        let mut writer = MessageWriter { orders, broken: false };
        writer.sound(vec![7; 1600]);
        writer.sound(vec![8; 1600]);
        drop(stalled.recv());
        assert_eq!(writer.keep("12345678".into()).await, None, "a message with a hole is not kept");
    }
}
