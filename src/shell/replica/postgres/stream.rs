//! The stream: messages become batches, the writer applies them, and what is synced is acknowledged.
//!
//! ```text
//!  events ─► TransactionAssembler ─► batch ─┬─ the queue is empty, or the batch is full ─► applied with its mark ─► acknowledged
//!                             └─ many deletes in one transaction ─► a batch of its own, which may be held
//! ```
//!
//! Under load many transactions share one commit; otherwise each is applied as it arrives.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use pgwire_replication::{Lsn as StreamLsn, PgWireError, ReplicationClient, ReplicationEvent};
use tokio::time::Instant;

use replica::upstream::{
    Anchor, Lsn, Position, Step, Transaction, TransactionAssembler, UpstreamError, UpstreamErrorKind, timestamp,
};
use replica::{Change, Mark};

use crate::postgres::connected::Connected;
use crate::postgres::following::{Ended, Following, LargeTransaction, SOURCE};
use crate::postgres::heartbeat::HeartbeatTask;
use crate::postgres::session;
use crate::write::batch::{Applied, ApplyError, Batch, Changes};

/// A running stream.
pub(super) struct Stream<'a> {
    pub(super) following: &'a mut Following,
    pub(super) connected: Connected,
    pub(super) client: ReplicationClient,
    pub(super) gather: TransactionAssembler,
    /// The position of the replica.
    pub(super) position: Position,
    pub(super) sequence: Lsn,
    pub(super) as_of: Timestamp,
    pub(super) batch: Pending,
    /// The log holds nothing for this node up to here; not stored yet.
    pub(super) idle: Option<Lsn>,
    pub(super) written: Instant,
    /// The open transaction, if it is too large and only counted.
    pub(super) counting: Option<LargeTransaction>,
    pub(super) sent_us: i64,
    /// The transaction of the last begin message.
    pub(super) xid: u32,
}

/// Complete transactions that wait for the writer.
#[derive(Default)]
pub(super) struct Pending {
    changes: Vec<Change>,
    deletes: u64,
    last: Option<(Anchor, Lsn)>,
    as_of: Option<Timestamp>,
    transactions: u64,
}

impl Following {
    /// Follows a stream that was started.
    pub(super) async fn stream(
        &mut self,
        connected: Connected,
        position: Position,
        client: ReplicationClient,
        expect: Option<Anchor>,
    ) -> Result<Ended, UpstreamError> {
        let heartbeat = HeartbeatTask::start(&self.settings, &connected, self.writer.clone());
        let mark = self.writer.mark().filter(|mark| mark.source == SOURCE);
        let Some(mark) = mark else {
            return Err(UpstreamError::new(UpstreamErrorKind::Store, "the replica's position is gone"));
        };
        let gather = TransactionAssembler::new(self.settings.mapping.clone(), self.settings.heartbeat.clone(), expect);
        let mut stream = Stream {
            connected,
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
            xid: 0,
            following: self,
        };
        stream.acknowledge();
        stream.run(&heartbeat).await
    }
}

impl Stream<'_> {
    async fn run(&mut self, heartbeat: &HeartbeatTask) -> Result<Ended, UpstreamError> {
        let mut last_heard = Instant::now();
        let silence = self.following.settings.silence;
        loop {
            match tokio::time::timeout(TICK, self.client.recv()).await {
                Ok(event) => {
                    last_heard = Instant::now();
                    if let Some(ended) = self.event(event).await? {
                        return Ok(ended);
                    }
                    if let Some(ended) = self.drain().await? {
                        return Ok(ended);
                    }
                    self.flush(false)?;
                }
                Err(_) if last_heard.elapsed() > silence => {
                    return Err(UpstreamError::new(
                        UpstreamErrorKind::Silent,
                        format!("the upstream has sent nothing for {silence:?}"),
                    ));
                }
                Err(_) => {}
            }
            if let Some(ended) = self.periodic(heartbeat).await? {
                return Ok(ended);
            }
        }
    }

    /// Takes the events that have arrived, without waiting.
    async fn drain(&mut self) -> Result<Option<Ended>, UpstreamError> {
        while self.batch.changes.len() < BATCH_CHANGES {
            let Some(event) = if_ready(self.client.recv()).await else { break };
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
        let event =
            event.map_err(|error| session::of_stream(&self.following.settings, &self.connected.server, &error))?;
        match event {
            None => Err(UpstreamError::new(UpstreamErrorKind::Unreachable, "the upstream has ended the stream")),
            Some(ReplicationEvent::Begin { final_lsn, xid, commit_time_micros }) => {
                self.xid = xid;
                self.gather.begin(final_lsn.as_u64(), commit_time_micros)?;
                self.confirm_history();
                let large = self.following.large.filter(|large| large.commit == final_lsn.as_u64());
                match large {
                    Some(large) => {
                        self.stream_large(large, Anchor { commit: large.commit, time: commit_time_micros }).await
                    }
                    None => Ok(None),
                }
            }
            Some(ReplicationEvent::XLogData { data, server_time_micros, .. }) => {
                self.sent_us = server_time_micros;
                self.gather.message(&data)?;
                self.count_if_large();
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
        if let Some(large) = self.counting.take() {
            let rest = transaction.as_ref().map_or(0, |transaction| deletes(&transaction.steps));
            self.flush(true)?;
            self.following.large = Some(LargeTransaction { deletes: large.deletes + rest, ..large });
            return Ok(Some(Ended::Restart));
        }
        if let Some(transaction) = transaction {
            self.add(transaction).await?;
        }
        Ok(None)
    }

    /// Adds a transaction to the batch. One with many deletes becomes a batch of its own, so that it alone is held.
    async fn add(&mut self, transaction: Transaction) -> Result<(), UpstreamError> {
        let Transaction { steps, anchor, end, as_of } = transaction;
        let deletes = deletes(&steps);
        let alone = deletes > DELETES_TOGETHER || steps.contains(&Step::Change(Change::Truncate));
        if alone {
            self.flush(true)?;
        }
        for step in steps {
            let change = self.change(step).await?;
            self.batch.changes.push(change);
        }
        let batch = &mut self.batch;
        batch.deletes = batch.deletes.max(deletes);
        batch.last = Some((anchor, end));
        batch.as_of = batch.as_of.max(as_of);
        batch.transactions += 1;
        let metrics = &self.following.writer.shared.metrics.upstream;
        metrics.waiting_rows.store(batch.changes.len() as u64, Ordering::Relaxed);
        if alone { self.flush(true) } else { Ok(()) }
    }

    pub(super) async fn change(&self, step: Step) -> Result<Change, UpstreamError> {
        match step {
            Step::Change(change) => Ok(change),
            Step::Fetch(receipt) => {
                self.following.await_visible(&self.connected, self.xid).await?;
                self.following.fetch_case(&self.connected, &receipt).await
            }
        }
    }

    /// Hands the batch to the writer. One that only moves the position may wait, unless it is `due`.
    pub(super) fn flush(&mut self, due: bool) -> Result<(), UpstreamError> {
        let Some((anchor, end)) = self.batch.last else { return Ok(()) };
        let position_only = self.batch.changes.is_empty() && self.batch.as_of.is_none_or(|as_of| as_of <= self.as_of);
        if position_only && !due && self.written.elapsed() < POSITION_EVERY {
            return Ok(());
        }
        let Pending { changes, deletes, as_of, transactions, .. } = std::mem::take(&mut self.batch);
        self.as_of = as_of.map_or(self.as_of, |as_of| as_of.max(self.as_of));
        let count = changes.len() as u64;
        let position = Position { seen: end.max(self.position.seen), anchor: Some(anchor), ..self.position.clone() };
        let mark = self.mark(&position, anchor.commit);
        if changes.is_empty() {
            self.heartbeat(mark)?;
        } else {
            let changes = Box::new(changes.into_iter().map(Ok));
            self.apply(Batch::Changes(Changes { mark, deletes, changes }))?;
        }
        self.reached(position, anchor, transactions, count);
        Ok(())
    }

    pub(super) fn mark(&self, position: &Position, sequence: Lsn) -> Mark {
        Mark { source: SOURCE.into(), sequence: Some(sequence), position: Some(position.to_text()), as_of: self.as_of }
    }

    fn apply(&self, batch: Batch) -> Result<Applied, UpstreamError> {
        self.following.writer.apply(SOURCE, batch).map_err(|error| writer_trouble(&error))
    }

    /// Confirms the replica up to a mark, with the upstream's clock.
    fn heartbeat(&self, mark: Mark) -> Result<(), UpstreamError> {
        let writer = &self.following.writer;
        let stored = match timestamp(self.sent_us).filter(|_| self.sent_us > 0) {
            Some(now) => writer.heartbeat_at(mark, now),
            None => writer.heartbeat(mark),
        };
        stored.map_err(|error| writer_trouble(&error))
    }

    /// A batch is applied and synced.
    pub(super) fn reached(&mut self, position: Position, anchor: Anchor, transactions: u64, changes: u64) {
        self.position = position;
        self.sequence = anchor.commit;
        self.written = Instant::now();
        self.idle = None;
        self.following.failures = 0;
        let metrics = &self.following.writer.shared.metrics.upstream;
        metrics.transactions.fetch_add(transactions, Ordering::Relaxed);
        metrics.changes.fetch_add(changes, Ordering::Relaxed);
        metrics.waiting_rows.store(0, Ordering::Relaxed);
        metrics.lag_ms.store((self.sent_us - anchor.time).max(0) / 1000, Ordering::Relaxed);
        self.acknowledge();
    }

    fn acknowledge(&self) {
        self.client.update_applied_lsn(StreamLsn(self.position.seen));
        self.following.writer.shared.metrics.upstream.set_seen(self.position.seen);
    }

    /// The upstream has nothing for this node up to `end`. A server that requests a reply may be waiting to shut down.
    fn keep_alive(&mut self, end: Lsn, reply_requested: bool, time_us: i64) -> Result<(), UpstreamError> {
        self.sent_us = time_us;
        if self.gather.is_inside() || self.gather.expects_anchor() {
            return Ok(());
        }
        self.confirm_history();
        self.idle = self.idle.max((end > self.position.seen).then_some(end));
        let overdue = self.idle.is_some_and(|idle| idle - self.position.seen > IDLE_BYTES);
        if reply_requested || overdue { self.write_idle() } else { Ok(()) }
    }

    /// Stores and acknowledges a position without changes, so that an idle table does not retain the log.
    fn write_idle(&mut self) -> Result<(), UpstreamError> {
        self.flush(true)?;
        let Some(seen) = self.idle.take() else { return Ok(()) };
        let position = Position { seen: seen.max(self.position.seen), ..self.position.clone() };
        let mark = self.mark(&position, self.sequence);
        self.heartbeat(mark)?;
        self.position = position;
        self.written = Instant::now();
        self.acknowledge();
        Ok(())
    }

    /// Periodic work: requests of an operator or the scrub, and positions that are due.
    async fn periodic(&mut self, heartbeat: &HeartbeatTask) -> Result<Option<Ended>, UpstreamError> {
        let redescribed = self.gather.is_redescribed() && !self.gather.is_inside();
        if self.following.writer.rebuild_requested() || heartbeat.setup_changed() || redescribed {
            self.flush(true)?;
            return Ok(Some(Ended::Restart));
        }
        if self.written.elapsed() > IDLE_EVERY && !self.gather.is_inside() {
            self.write_idle()?;
        } else if self.written.elapsed() > POSITION_EVERY {
            self.flush(true)?;
        }
        let rows = self.following.writer.take_requested_rows();
        if !rows.is_empty() && self.batch.last.is_some() {
            self.following.writer.shared.requests.request_rows(rows);
        } else if !rows.is_empty() {
            self.retry_rows(rows).await?;
        }
        Ok(None)
    }

    /// Applies quarantined rows that were requested again; the position does not move.
    async fn retry_rows(&mut self, ids: Vec<String>) -> Result<(), UpstreamError> {
        let rows = self.following.fetch_rows(&self.connected, ids).await?;
        if !rows.is_empty() {
            self.apply(Batch::Retry(rows))?;
        }
        Ok(())
    }

    /// Clears the trouble once the stream has proven to continue the history of the replica.
    fn confirm_history(&mut self) {
        if self.gather.expects_anchor() {
            return;
        }
        let metrics = &self.following.writer.shared.metrics.upstream;
        if metrics.streaming.swap(1, Ordering::Relaxed) == 0 {
            metrics.connects.fetch_add(1, Ordering::Relaxed);
            if self.following.end_trouble() {
                tracing::info!("upstream_followed_again");
            }
        }
    }
}

pub(super) fn deletes(steps: &[Step]) -> u64 {
    steps.iter().filter(|step| matches!(step, Step::Change(Change::Delete { .. }))).count() as u64
}

pub(super) fn writer_trouble(error: &ApplyError) -> UpstreamError {
    let kind =
        if matches!(error, ApplyError::Held { .. }) { UpstreamErrorKind::Held } else { UpstreamErrorKind::Store };
    UpstreamError::new(kind, error.to_string())
}

/// The result of a future that is ready. Runs outside the cooperative budget, so that a full queue is read completely.
async fn if_ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(tokio::task::unconstrained(future));
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

/// Changes in one batch, which share the cost of a commit.
const BATCH_CHANGES: usize = 8192;
/// A transaction with more deletes becomes a batch of its own. At most the number that the writer never holds.
const DELETES_TOGETHER: u64 = 5;
const TICK: Duration = Duration::from_millis(500);
/// How often a position without changes is stored.
const POSITION_EVERY: Duration = Duration::from_secs(1);
const IDLE_EVERY: Duration = Duration::from_secs(10);
/// This much log without anything for this node is acknowledged at once.
const IDLE_BYTES: u64 = 16 << 20;
