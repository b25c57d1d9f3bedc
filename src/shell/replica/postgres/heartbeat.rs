//! The heartbeat task beside a stream: writes the heartbeat row, measures the lag, and detects a changed setup.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use config::{Postgres, UpstreamServer};
use replica::upstream::{Heartbeat, TableShape, UpstreamError, lsn};

use crate::postgres::catalogue::{self, identifier};
use crate::postgres::connected::{Connected, fingerprint};
use crate::postgres::session::Session;
use crate::write::handle::WriterHandle;

/// The task; it stops when this is dropped.
pub(super) struct HeartbeatTask {
    task: JoinHandle<()>,
    changed: Arc<AtomicBool>,
}

impl Drop for HeartbeatTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HeartbeatTask {
    pub(super) fn start(settings: &Postgres, connected: &Connected, writer: WriterHandle) -> HeartbeatTask {
        let changed = Arc::new(AtomicBool::new(false));
        let mut beating = HeartbeatLoop {
            settings: settings.clone(),
            server: connected.server.clone(),
            mapping: connected.mapping.clone(),
            shape: connected.catalogue.shape.clone(),
            statement: statement(settings, connected),
            writer,
            changed: changed.clone(),
        };
        HeartbeatTask { task: tokio::spawn(async move { beating.run().await }), changed }
    }

    /// Whether the upstream's setup has changed since the stream started.
    pub(super) fn setup_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }
}

struct HeartbeatLoop {
    settings: Postgres,
    server: UpstreamServer,
    mapping: String,
    shape: TableShape,
    /// The statement that writes the heartbeat; `None` when the upstream writes it.
    statement: Option<String>,
    writer: WriterHandle,
    changed: Arc<AtomicBool>,
}

impl HeartbeatLoop {
    async fn run(&mut self) {
        let mut logged: Option<UpstreamError> = None;
        loop {
            let Err(trouble) = self.session().await;
            if logged.as_ref() != Some(&trouble) {
                tracing::warn!(kind = trouble.kind.name(), why = %trouble, "heartbeat_interrupted: the stream continues");
                logged = Some(trouble);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn session(&mut self) -> Result<std::convert::Infallible, UpstreamError> {
        let session = Session::open(&self.settings, &self.server).await?;
        let mut ticks = tokio::time::interval(self.settings.heartbeat_every.unwrap_or(MEASURE_EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checked = tokio::time::Instant::now();
        loop {
            ticks.tick().await;
            if let Some(statement) = &self.statement {
                session.rows(&self.settings, statement).await?;
            }
            self.measure(&session).await?;
            if checked.elapsed() >= CHECK_EVERY {
                checked = tokio::time::Instant::now();
                self.check(&session).await?;
            }
        }
    }

    async fn measure(&self, session: &Session) -> Result<(), UpstreamError> {
        let row = session.row(&self.settings, END_OF_LOG).await?;
        let metrics = &self.writer.shared.metrics.upstream;
        if let Some(end) = row.get(0).and_then(lsn) {
            let behind = end.saturating_sub(metrics.position.load(Ordering::Relaxed));
            self.writer.set_lag(metrics.waiting_rows.load(Ordering::Relaxed), behind);
        }
        Ok(())
    }

    /// Changes of a row filter, a replica identity or a right do not appear in the stream, nor does a recreated or
    /// rewritten table.
    async fn check(&self, session: &Session) -> Result<(), UpstreamError> {
        let found = catalogue::read(&self.settings, session).await?;
        let diagnostics = found.diagnostics(&self.settings.mapping, &self.settings.publication);
        let other = fingerprint(&self.settings, &found) != self.mapping || found.shape.differs(&self.shape).is_some();
        if !diagnostics.is_empty() || other {
            self.changed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The statement that writes the heartbeat, if this node does and may. Of several nodes, one writes per interval.
fn statement(settings: &Postgres, connected: &Connected) -> Option<String> {
    let every = settings.heartbeat_every.filter(|_| !connected.catalogue.is_standby)?;
    match &settings.heartbeat {
        Heartbeat::Commits => Some("SELECT pg_catalog.pg_logical_emit_message(true, 'jindu', '')".into()),
        Heartbeat::Row { schema, table, column } => {
            let may_write = connected.catalogue.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.may_write);
            if !may_write {
                tracing::warn!(
                    "heartbeat_not_permitted: GRANT UPDATE ON {schema}.{table} TO {}, or let the upstream \
                     write it and set replica.postgres.heartbeat_every_s = 0",
                    settings.user
                );
                return None;
            }
            let (table, column) = (format!("{}.{}", identifier(schema), identifier(table)), identifier(column));
            let half = every.as_millis() / 2;
            Some(format!(
                "UPDATE {table} SET {column} = clock_timestamp() \
                 WHERE {column} < clock_timestamp() - interval '{half} milliseconds'"
            ))
        }
    }
}

const END_OF_LOG: &str = "
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END";
const MEASURE_EVERY: Duration = Duration::from_secs(5);
const CHECK_EVERY: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(5);
