//! Beside the stream: writes the heartbeat, measures how far the copy is behind, and notices another setup.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::feeding::Feeding;
use config::{Postgres, UpstreamServer};
use replica::upstream::{Heartbeat, TableShape, UpstreamError, lsn};

use super::catalogue::{self, identifier};
use super::session::Session;
use super::{Met, fingerprint};

/// The task; it ends when this is dropped.
pub(super) struct Beat {
    task: JoinHandle<()>,
    changed: Arc<AtomicBool>,
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Beat {
    pub(super) fn start(settings: &Postgres, met: &Met, feeding: Feeding) -> Beat {
        let changed = Arc::new(AtomicBool::new(false));
        let mut beating = Beating {
            settings: settings.clone(),
            server: met.server.clone(),
            mapping: met.mapping.clone(),
            shape: met.catalogue.shape.clone(),
            statement: statement(settings, met),
            feeding,
            changed: changed.clone(),
        };
        Beat { task: tokio::spawn(async move { beating.run().await }), changed }
    }

    /// Whether the upstream's setup is another one than the stream began with.
    pub(super) fn setup_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }
}

struct Beating {
    settings: Postgres,
    server: UpstreamServer,
    mapping: String,
    shape: TableShape,
    /// What writes the heartbeat; none: the upstream does.
    statement: Option<String>,
    feeding: Feeding,
    changed: Arc<AtomicBool>,
}

impl Beating {
    async fn run(&mut self) {
        let mut told: Option<UpstreamError> = None;
        loop {
            let Err(trouble) = self.session().await;
            if told.as_ref() != Some(&trouble) {
                tracing::warn!(kind = trouble.kind.name(), why = %trouble, "the heartbeat pauses; the stream goes on");
                told = Some(trouble);
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
        let metrics = &self.feeding.reading.metrics.upstream;
        if let Some(end) = row.get(0).and_then(lsn) {
            let behind = end.saturating_sub(metrics.seen.load(Ordering::Relaxed));
            self.feeding.lag(metrics.waiting_rows.load(Ordering::Relaxed), behind);
        }
        Ok(())
    }

    /// A row filter, a replica identity or a right that was changed does not show in the stream, and neither does a table
    /// made anew or rewritten.
    async fn check(&self, session: &Session) -> Result<(), UpstreamError> {
        let found = catalogue::read(&self.settings, session).await?;
        let complaints = found.complaints(&self.settings.mapping, &self.settings.publication);
        let other = fingerprint(&self.settings, &found) != self.mapping || found.shape.differs(&self.shape).is_some();
        if !complaints.is_empty() || other {
            self.changed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// What writes the heartbeat, if this node does and may. Of many nodes one writes, and the others find it written.
fn statement(settings: &Postgres, met: &Met) -> Option<String> {
    let every = settings.heartbeat_every.filter(|_| !met.catalogue.is_standby)?;
    match &settings.heartbeat {
        Heartbeat::Commits => Some("SELECT pg_catalog.pg_logical_emit_message(true, 'jindu', '')".into()),
        Heartbeat::Row { schema, table, column } => {
            let may_write = met.catalogue.heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.may_write);
            if !may_write {
                tracing::warn!(
                    "the role may not write the heartbeat: GRANT UPDATE ON {schema}.{table} TO {}, or let the upstream \
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
const CHECK_EVERY: Duration = if cfg!(test) { Duration::from_secs(2) } else { Duration::from_secs(10) };
const PAUSE: Duration = Duration::from_secs(5);
