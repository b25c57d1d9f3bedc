//! The stream: messages become batches, batches go to the writer, and what is on its disk is acknowledged.
//!
//! ```text
//!  events ─► Gather ─► batch ─┬─ nothing more waits, or it is large ─► applied with its mark ─► acknowledged
//!                             └─ many deletes in one transaction ─► alone, and perhaps held for a person
//!  a transaction that memory does not hold: read once and counted, then streamed into the copy in parts
//! ```
//!
//! Under load many transactions share one commit here; when it is quiet, each is applied as it comes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use pgwire_replication::{Lsn as StreamLsn, PgWireError, ReplicationClient, ReplicationEvent};
use tokio::time::Instant;

use crate::apply::{Applied, ApplyError, Batch, Changes};
use replica::upstream::{
    Anchor, GatherError, Lsn, Position, Step, Transaction, TransactionAssembler, UpstreamError, UpstreamErrorKind,
    timestamp,
};
use replica::{Change, Mark};

use super::beat::Beat;
use super::{Ended, Following, Met, SOURCE, session};

/// A transaction that memory does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Huge {
    commit: Lsn,
    deletes: u64,
}

/// A stream being followed.
struct Stream<'a> {
    following: &'a mut Following,
    met: Met,
    client: ReplicationClient,
    gather: TransactionAssembler,
    /// Where the copy stands.
    position: Position,
    sequence: Lsn,
    as_of: Timestamp,
    batch: Pending,
    /// Told to be empty up to here, and not written yet.
    idle: Option<Lsn>,
    written: Instant,
    /// While a transaction is only counted.
    counting: Option<Huge>,
    sent_us: i64,
}

/// Whole transactions that wait for the writer.
#[derive(Default)]
struct Pending {
    changes: Vec<Change>,
    deletes: u64,
    last: Option<(Anchor, Lsn)>,
    told: Option<Timestamp>,
    transactions: u64,
}

impl Following {
    /// Follows a stream that has begun.
    pub(super) async fn stream(
        &mut self,
        met: Met,
        position: Position,
        client: ReplicationClient,
        expect: Option<Anchor>,
    ) -> Result<Ended, UpstreamError> {
        let beat = Beat::start(&self.settings, &met, self.feeding.clone());
        let mark = self.feeding.mark().filter(|mark| mark.source == SOURCE);
        let Some(mark) = mark else {
            return Err(UpstreamError::new(UpstreamErrorKind::Store, "the copy's place is gone"));
        };
        let gather = TransactionAssembler::new(self.settings.mapping.clone(), self.settings.heartbeat.clone(), expect);
        let mut stream = Stream {
            met,
            client,
            gather,
            sequence: mark.sequence.unwrap_or_default(),
            position,
            as_of: mark.as_of,
            batch: Pending::default(),
            idle: None,
            written: Instant::now(),
            counting: None,
            sent_us: 0,
            following: self,
        };
        stream.acknowledge();
        stream.run(&beat).await
    }
}

impl Stream<'_> {
    async fn run(&mut self, beat: &Beat) -> Result<Ended, UpstreamError> {
        let mut heard = Instant::now();
        let silence = self.following.settings.silence;
        loop {
            match tokio::time::timeout(TICK, self.client.recv()).await {
                Ok(event) => {
                    heard = Instant::now();
                    if let Some(ended) = self.event(event).await? {
                        return Ok(ended);
                    }
                    if let Some(ended) = self.drain().await? {
                        return Ok(ended);
                    }
                    self.settle(false)?;
                }
                Err(_) if heard.elapsed() > silence => {
                    return Err(UpstreamError::new(
                        UpstreamErrorKind::Silent,
                        format!("the upstream has said nothing for {silence:?}"),
                    ));
                }
                Err(_) => {}
            }
            if let Some(ended) = self.asked(beat).await? {
                return Ok(ended);
            }
        }
    }

    /// Takes what has come already, without waiting.
    async fn drain(&mut self) -> Result<Option<Ended>, UpstreamError> {
        while self.batch.changes.len() < BATCH_CHANGES {
            let Some(event) = at_hand(self.client.recv()).await else { break };
            if let Some(ended) = self.event(event).await? {
                return Ok(Some(ended));
            }
        }
        Ok(None)
    }

    async fn event(
        &mut self,
        event: Result<Option<ReplicationEvent>, PgWireError>,
    ) -> Result<Option<Ended>, UpstreamError> {
        let event = event.map_err(|error| session::of_stream(&self.following.settings, &self.met.server, &error))?;
        match event {
            None => Err(UpstreamError::new(UpstreamErrorKind::Unreachable, "the upstream has ended the stream")),
            Some(ReplicationEvent::Begin { final_lsn, commit_time_micros, .. }) => {
                self.gather.begin(final_lsn.as_u64(), commit_time_micros)?;
                self.proven();
                let huge = self.following.huge.filter(|huge| huge.commit == final_lsn.as_u64());
                match huge {
                    Some(huge) => self.pour(huge, Anchor { commit: huge.commit, time: commit_time_micros }).await,
                    None => Ok(None),
                }
            }
            Some(ReplicationEvent::XLogData { data, server_time_micros, .. }) => {
                self.sent_us = server_time_micros;
                self.gather.message(&data)?;
                self.count();
                Ok(None)
            }
            Some(ReplicationEvent::Commit { end_lsn, .. }) => self.commit(end_lsn.as_u64()).await,
            Some(ReplicationEvent::KeepAlive { wal_end, reply_requested, server_time_micros }) => {
                self.keep_alive(wal_end.as_u64(), reply_requested, server_time_micros)?;
                Ok(None)
            }
            Some(ReplicationEvent::Message { .. } | ReplicationEvent::StoppedAt { .. }) => Ok(None),
        }
    }

    async fn commit(&mut self, end: Lsn) -> Result<Option<Ended>, UpstreamError> {
        let transaction = self.gather.commit(end)?;
        if let Some(huge) = self.counting.take() {
            let rest = transaction.as_ref().map_or(0, |transaction| deletes(&transaction.steps));
            self.settle(true)?;
            self.following.huge = Some(Huge { deletes: huge.deletes + rest, ..huge });
            return Ok(Some(Ended::Again));
        }
        if let Some(transaction) = transaction {
            self.add(transaction).await?;
        }
        Ok(None)
    }

    /// Adds a transaction to the batch. One with many deletes comes alone, so that it alone is held.
    async fn add(&mut self, transaction: Transaction) -> Result<(), UpstreamError> {
        let Transaction { steps, anchor, end, as_of: told } = transaction;
        let deletes = deletes(&steps);
        let alone = deletes > DELETES_TOGETHER || steps.contains(&Step::Change(Change::Truncate));
        if alone {
            self.settle(true)?;
        }
        for step in steps {
            let change = self.change(step).await?;
            self.batch.changes.push(change);
        }
        let batch = &mut self.batch;
        batch.deletes = batch.deletes.max(deletes);
        batch.last = Some((anchor, end));
        batch.told = batch.told.max(told);
        batch.transactions += 1;
        let metrics = &self.following.feeding.reading.metrics.upstream;
        metrics.waiting_rows.store(batch.changes.len() as u64, Ordering::Relaxed);
        if alone { self.settle(true) } else { Ok(()) }
    }

    async fn change(&self, step: Step) -> Result<Change, UpstreamError> {
        match step {
            Step::Change(change) => Ok(change),
            Step::Fetch(receipt) => self.following.look(&self.met, &receipt).await,
        }
    }

    /// Hands the batch to the writer. One that only moves the place may wait, unless it is `due`.
    fn settle(&mut self, due: bool) -> Result<(), UpstreamError> {
        let Some((anchor, end)) = self.batch.last else { return Ok(()) };
        let bare = self.batch.changes.is_empty() && self.batch.told.is_none_or(|told| told <= self.as_of);
        if bare && !due && self.written.elapsed() < BARE_EVERY {
            return Ok(());
        }
        let Pending { changes, deletes, told, transactions, .. } = std::mem::take(&mut self.batch);
        self.as_of = told.map_or(self.as_of, |told| told.max(self.as_of));
        let count = changes.len() as u64;
        let position = Position { seen: end.max(self.position.seen), anchor: Some(anchor), ..self.position.clone() };
        let mark = self.mark(&position, anchor.commit);
        if changes.is_empty() {
            self.beat(mark)?;
        } else {
            let changes = Box::new(changes.into_iter().map(Ok));
            self.apply(Batch::Changes(Changes { mark, deletes, changes }))?;
        }
        self.reached(position, anchor, transactions, count);
        Ok(())
    }

    fn mark(&self, position: &Position, sequence: Lsn) -> Mark {
        Mark { source: SOURCE.into(), sequence: Some(sequence), position: Some(position.to_text()), as_of: self.as_of }
    }

    fn apply(&self, batch: Batch) -> Result<Applied, UpstreamError> {
        self.following.feeding.apply(SOURCE, batch).map_err(|error| refused(&error))
    }

    /// The copy is as it was, and further: told with the upstream's own clock.
    fn beat(&self, mark: Mark) -> Result<(), UpstreamError> {
        let feeding = &self.following.feeding;
        let told = match timestamp(self.sent_us).filter(|_| self.sent_us > 0) {
            Some(now) => feeding.beat_at(mark, now),
            None => feeding.beat(mark),
        };
        told.map_err(|error| refused(&error))
    }

    /// A batch is on the disk.
    fn reached(&mut self, position: Position, anchor: Anchor, transactions: u64, changes: u64) {
        self.position = position;
        self.sequence = anchor.commit;
        self.written = Instant::now();
        self.idle = None;
        self.following.failures = 0;
        let metrics = &self.following.feeding.reading.metrics.upstream;
        metrics.transactions.fetch_add(transactions, Ordering::Relaxed);
        metrics.changes.fetch_add(changes, Ordering::Relaxed);
        metrics.waiting_rows.store(0, Ordering::Relaxed);
        metrics.lag_ms.store((self.sent_us - anchor.time).max(0) / 1000, Ordering::Relaxed);
        self.acknowledge();
    }

    fn acknowledge(&self) {
        self.client.update_applied_lsn(StreamLsn(self.position.seen));
        self.following.feeding.reading.metrics.upstream.set_seen(self.position.seen);
    }

    /// The upstream has nothing for this node up to `end`. A server that asks for a reply may be waiting to shut down.
    fn keep_alive(&mut self, end: Lsn, reply_requested: bool, time_us: i64) -> Result<(), UpstreamError> {
        self.sent_us = time_us;
        if self.gather.is_inside() || self.gather.expects_anchor() {
            return Ok(());
        }
        self.proven();
        self.idle = self.idle.max((end > self.position.seen).then_some(end));
        let far = self.idle.is_some_and(|idle| idle - self.position.seen > IDLE_BYTES);
        if reply_requested || far { self.write_idle() } else { Ok(()) }
    }

    /// Writes that the log holds nothing more for this node so far, and acknowledges it: an idle table holds no log.
    fn write_idle(&mut self) -> Result<(), UpstreamError> {
        self.settle(true)?;
        let Some(seen) = self.idle.take() else { return Ok(()) };
        let position = Position { seen: seen.max(self.position.seen), ..self.position.clone() };
        let mark = self.mark(&position, self.sequence);
        self.beat(mark)?;
        self.position = position;
        self.written = Instant::now();
        self.acknowledge();
        Ok(())
    }

    /// What is to be done now and then: what an operator or the scrub asks for, and what may not wait longer.
    async fn asked(&mut self, beat: &Beat) -> Result<Option<Ended>, UpstreamError> {
        let redescribed = self.gather.is_redescribed() && !self.gather.is_inside();
        if self.following.feeding.rebuild_is_wanted() || beat.setup_changed() || redescribed {
            self.settle(true)?;
            return Ok(Some(Ended::Again));
        }
        if self.written.elapsed() > IDLE_EVERY && !self.gather.is_inside() {
            self.write_idle()?;
        } else if self.written.elapsed() > BARE_EVERY {
            self.settle(true)?;
        }
        let again = self.following.feeding.rows_wanted();
        if !again.is_empty() && self.batch.last.is_some() {
            self.following.feeding.reading.asks.want_rows(again);
        } else if !again.is_empty() {
            self.bring(again).await?;
        }
        Ok(None)
    }

    /// Brings rows of the quarantine again; the place stays where it is.
    async fn bring(&mut self, ids: Vec<String>) -> Result<(), UpstreamError> {
        let rows = self.following.again(&self.met, ids).await?;
        if !rows.is_empty() {
            self.apply(Batch::Again(rows))?;
        }
        Ok(())
    }

    /// The stream is the log that the copy followed: what was wrong is over.
    fn proven(&mut self) {
        if self.gather.expects_anchor() {
            return;
        }
        let metrics = &self.following.feeding.reading.metrics.upstream;
        if metrics.streaming.swap(1, Ordering::Relaxed) == 0 {
            metrics.connects.fetch_add(1, Ordering::Relaxed);
            if self.following.end_trouble() {
                tracing::info!("the upstream is followed again");
            }
        }
    }

    /// A transaction that grows past what memory holds is only counted from there on.
    fn count(&mut self) {
        if self.counting.is_none() && self.gather.waiting() <= HUGE_CHANGES {
            return;
        }
        if self.counting.is_some() && self.gather.waiting() < COUNT_AT_ONCE {
            return;
        }
        let commit = self.gather.commit_place().unwrap_or_default();
        let counted = deletes(&self.gather.take_steps());
        let before = self.counting.map_or(0, |huge| huge.deletes);
        self.counting = Some(Huge { commit, deletes: before + counted });
    }

    /// Streams a transaction that memory does not hold into the copy.
    async fn pour(&mut self, huge: Huge, anchor: Anchor) -> Result<Option<Ended>, UpstreamError> {
        self.settle(true)?;
        let position =
            Position { seen: huge.commit.max(self.position.seen), anchor: Some(anchor), ..self.position.clone() };
        if matches!(self.following.settings.heartbeat, replica::upstream::Heartbeat::Commits) {
            self.as_of = timestamp(anchor.time).map_or(self.as_of, |told| told.max(self.as_of));
        }
        let mark = self.mark(&position, anchor.commit);
        let (items, receiver) = sync_channel(POURED_MAX);
        let changes = Box::new(Poured { receiver, is_over: false });
        let batch = Batch::Changes(Changes { mark, deletes: huge.deletes, changes });
        let feeding = self.following.feeding.clone();
        let applying = std::thread::spawn(move || feeding.apply(SOURCE, batch));
        let poured = self.pour_steps(&items).await;
        drop(items);
        let applied = applying.join().unwrap_or(Err(ApplyError::Fault));
        let count = poured?;
        applied.map_err(|error| refused(&error))?;
        self.following.huge = None;
        self.reached(position, anchor, 1, count);
        Ok(None)
    }

    async fn pour_steps(&mut self, items: &SyncSender<Item>) -> Result<u64, UpstreamError> {
        let mut count = 0;
        loop {
            let limit = self.following.settings.silence;
            let event = tokio::time::timeout(limit, self.client.recv()).await;
            let event = event.map_err(|_| {
                UpstreamError::new(UpstreamErrorKind::Silent, "the upstream stops in the midst of a transaction")
            })?;
            let event =
                event.map_err(|error| session::of_stream(&self.following.settings, &self.met.server, &error))?;
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
                // The writer refuses: its reason is told by its end.
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

/// A piece of a transaction on its way to the writer.
enum Item {
    Change(Box<Change>),
    End,
}

/// The changes of a transaction as they come. One that ends without its end is not committed.
struct Poured {
    receiver: Receiver<Item>,
    is_over: bool,
}

impl Iterator for Poured {
    type Item = Result<Change, ApplyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.receiver.recv() {
            Ok(Item::Change(change)) => Some(Ok(*change)),
            Ok(Item::End) => {
                self.is_over = true;
                None
            }
            Err(_) => {
                self.is_over = true;
                Some(Err(ApplyError::Source("the stream broke off within a transaction".into())))
            }
        }
    }
}

fn deletes(steps: &[Step]) -> u64 {
    steps.iter().filter(|step| matches!(step, Step::Change(Change::Delete { .. }))).count() as u64
}

fn refused(error: &ApplyError) -> UpstreamError {
    let kind =
        if matches!(error, ApplyError::Held { .. }) { UpstreamErrorKind::Held } else { UpstreamErrorKind::Store };
    UpstreamError::new(kind, error.to_string())
}

/// The result of a future that has one already. Not counted against the task's fair share: a full queue is read whole.
async fn at_hand<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(tokio::task::unconstrained(future));
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

/// Changes in one batch: a commit's cost is shared by so many, and a look-up sees the first of them no later.
const BATCH_CHANGES: usize = 8192;
/// A transaction with more deletes comes alone. At most what the writer lets pass without a question.
const DELETES_TOGETHER: u64 = 5;
/// A transaction with more changes is not held in memory.
const HUGE_CHANGES: usize = if cfg!(test) { 4000 } else { 100_000 };
const COUNT_AT_ONCE: usize = 1000;
const POURED_MAX: usize = 1024;
const TICK: Duration = Duration::from_millis(500);
/// How often a place without changes is written.
const BARE_EVERY: Duration = Duration::from_secs(1);
const IDLE_EVERY: Duration = Duration::from_secs(10);
/// So much log without anything for this node is acknowledged at once.
const IDLE_BYTES: u64 = 16 << 20;
