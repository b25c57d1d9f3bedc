//! Transactions too large for memory: the first reading counts their deletes, so that they can be held; the second streams
//! them into the replica in parts.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use pgwire_replication::ReplicationEvent;

use replica::Change;
use replica::upstream::{Anchor, GatherError, Heartbeat, Position, UpstreamError, UpstreamErrorKind, timestamp};

use crate::write::batch::{ApplyError, Batch, Changes};

use super::following::{Ended, LargeTransaction, SOURCE};
use super::session;
use super::stream::{Stream, deletes, writer_trouble};

impl Stream<'_> {
    /// Switches to counting once the open transaction exceeds [`IN_MEMORY_MAX`], and counts what has come.
    pub(super) fn count_if_large(&mut self) {
        if self.counting.is_none() && self.gather.waiting() <= IN_MEMORY_MAX {
            return;
        }
        if self.counting.is_some() && self.gather.waiting() < COUNT_STEP {
            return;
        }
        let commit = self.gather.commit_place().unwrap_or_default();
        let counted = deletes(&self.gather.take_steps());
        let before = self.counting.map_or(0, |large| large.deletes);
        self.counting = Some(LargeTransaction { commit, deletes: before + counted });
    }

    /// Streams a counted transaction into the replica.
    pub(super) async fn stream_large(
        &mut self,
        large: LargeTransaction,
        anchor: Anchor,
    ) -> Result<Option<Ended>, UpstreamError> {
        self.flush(true)?;
        let position =
            Position { seen: large.commit.max(self.position.seen), anchor: Some(anchor), ..self.position.clone() };
        if matches!(self.following.settings.heartbeat, Heartbeat::Commits) {
            self.as_of = timestamp(anchor.time).map_or(self.as_of, |time| time.max(self.as_of));
        }
        let mark = self.mark(&position, anchor.commit);
        let (items, receiver) = sync_channel(STREAMED_MAX);
        let changes = Box::new(StreamedChanges { receiver, ended: false });
        let batch = Batch::Changes(Changes { mark, deletes: large.deletes, changes });
        let writer = self.following.writer.clone();
        let applying = std::thread::spawn(move || writer.apply(SOURCE, batch));
        let streamed = self.stream_steps(&items).await;
        drop(items);
        let applied = applying.join().unwrap_or(Err(ApplyError::Fault));
        let count = streamed?;
        applied.map_err(|error| writer_trouble(&error))?;
        self.following.large = None;
        self.reached(position, anchor, 1, count);
        Ok(None)
    }

    async fn stream_steps(&mut self, items: &SyncSender<Item>) -> Result<u64, UpstreamError> {
        let mut count = 0;
        loop {
            let limit = self.following.settings.silence;
            let event = tokio::time::timeout(limit, self.client.recv()).await;
            let event = event.map_err(|_| {
                UpstreamError::new(UpstreamErrorKind::Silent, "the upstream has stopped within a transaction")
            })?;
            let event =
                event.map_err(|error| session::of_stream(&self.following.settings, &self.connected.server, &error))?;
            let over = match event {
                Some(ReplicationEvent::XLogData { data, .. }) => {
                    self.gather.message(&data)?;
                    false
                }
                Some(ReplicationEvent::Commit { .. }) => true,
                Some(ReplicationEvent::Begin { .. }) => return Err(GatherError::Order.into()),
                None => {
                    return Err(UpstreamError::new(
                        UpstreamErrorKind::Unreachable,
                        "the upstream has ended the stream",
                    ));
                }
                Some(_) => false,
            };
            for step in self.gather.take_steps() {
                count += 1;
                let change = self.change(step).await?;
                // The writer has rejected the batch; `apply` returns the reason.
                if items.send(Item::Change(Box::new(change))).is_err() {
                    return Ok(count);
                }
            }
            if over {
                self.gather.commit(0)?;
                let _ = items.send(Item::End);
                return Ok(count);
            }
        }
    }
}

/// A part of a transaction for the writer.
enum Item {
    Change(Box<Change>),
    End,
}

/// The changes of a transaction as they arrive. Without [`Item::End`] they end in an error, and are not committed.
struct StreamedChanges {
    receiver: Receiver<Item>,
    ended: bool,
}

impl Iterator for StreamedChanges {
    type Item = Result<Change, ApplyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.receiver.recv() {
            Ok(Item::Change(change)) => Some(Ok(*change)),
            Ok(Item::End) => {
                self.ended = true;
                None
            }
            Err(_) => {
                self.ended = true;
                Some(Err(ApplyError::Source("the stream broke off within a transaction".into())))
            }
        }
    }
}

/// Changes of one transaction that are kept in memory.
const IN_MEMORY_MAX: usize = 100_000;
const COUNT_STEP: usize = 1000;
const STREAMED_MAX: usize = 1024;
