//! Copies the table on the snapshot of a new slot, as a rebuild beside the live copy.
//!
//! ```text
//!  clock ─► slot created: a log position and the snapshot of that moment ─► COPY on the snapshot ─► rebuild ─► swap
//! ```
//!
//! The upstream's clock is read before the snapshot, so that the snapshot has everything committed by that time.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use pgwire_replication::ReplicationClient;

use replica::upstream::{
    Bound, Field, Heartbeat, Lsn, Mapping, Position, Server, Unmapped, UpstreamError, UpstreamErrorKind, bad, lsn,
    timestamp_of_text,
};
use replica::{Change, Mark};

use crate::postgres::catalogue::{identifier, literal};
use crate::postgres::connected::Connected;
use crate::postgres::copy_out::{copy_out, select};
use crate::postgres::following::{Following, SOURCE};
use crate::postgres::session::{self, Session};
use crate::write::batch::ApplyError;
use crate::write::rebuild::Rebuild;

/// A slot that was just created.
struct Fresh {
    position: Lsn,
    snapshot: String,
}

impl Following {
    /// Creates a slot and copies its snapshot; gives the position of the copy, and the connection that streams from there.
    pub(super) async fn copy(
        &mut self,
        connected: &Connected,
        server: &Server,
        drop_slot: bool,
    ) -> Result<(Position, ReplicationClient), UpstreamError> {
        let settings = &self.settings;
        if drop_slot {
            let sql = format!("SELECT pg_catalog.pg_drop_replication_slot({})", literal(&settings.slot));
            connected.session.rows(settings, &sql).await?;
        }
        let before = clock(self, &connected.session).await?;
        let mut client = session::stream(settings, &connected.server, 0).await?;
        let fresh = self.make_slot(connected, &mut client).await?;
        self.metrics().copying.store(1, Ordering::Relaxed);
        self.metrics().copied_rows.store(0, Ordering::Relaxed);
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            literal(&fresh.snapshot)
        );
        connected.session.rows(settings, &begin).await?;
        let as_of = self.heartbeat_time(&connected.session).await?.unwrap_or(before);
        let position = Position {
            system: server.system.clone(),
            timeline: server.timeline,
            slot: settings.slot.clone(),
            mapping: connected.mapping.clone(),
            seen: fresh.position,
            anchor: None,
            shape: Some(connected.catalogue.shape.clone()),
        };
        // The first transaction after the copy may have exactly this position.
        let sequence = Some(fresh.position.saturating_sub(1));
        let mark = Mark { source: SOURCE.into(), sequence, position: Some(position.to_text()), as_of };
        let rebuild = self.rows(connected).await?;
        connected.session.rows(settings, "COMMIT").await?;
        let done = rebuild.finish(mark).map_err(|error| self.not_swapped(error))?;
        self.metrics().copying.store(0, Ordering::Relaxed);
        tracing::info!(rows = done.new, quarantined = done.quarantined, "upstream_copy_live");
        Ok((position, client))
    }

    /// Creates the slot. The server waits for the end of the transactions that are open at this moment.
    async fn make_slot(&self, connected: &Connected, client: &mut ReplicationClient) -> Result<Fresh, UpstreamError> {
        let settings = &self.settings;
        let sql = format!("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput EXPORT_SNAPSHOT", identifier(&settings.slot));
        let limit = settings.copy_start_timeout;
        let made = tokio::time::timeout(limit, client.simple_query(&sql)).await.map_err(|_| {
            let what =
                "the slot cannot be created while an older transaction is open upstream; see pg_stat_activity and pg_prepared_xacts \
                 there";
            UpstreamError::new(UpstreamErrorKind::Unreachable, format!("{what} (waited {limit:?})"))
        })?;
        let rows = made.map_err(|error| session::of_stream(settings, &connected.server, &error))?;
        let text = |at: usize| {
            let value = rows.first()?.get(at)?.as_ref()?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        let fresh = text(1)
            .and_then(|position| lsn(&position))
            .zip(text(2))
            .map(|(position, snapshot)| Fresh { position, snapshot });
        fresh.ok_or_else(|| {
            UpstreamError::new(UpstreamErrorKind::Protocol, "the upstream created a slot without giving its position")
        })
    }

    /// The heartbeat's time on the snapshot, if there is a heartbeat row.
    async fn heartbeat_time(&self, session: &Session) -> Result<Option<Timestamp>, UpstreamError> {
        let Heartbeat::Row { schema, table, column } = &self.settings.heartbeat else { return Ok(None) };
        let (schema, table, column) = (identifier(schema), identifier(table), identifier(column));
        let row = session.row(&self.settings, &format!("SELECT max({column}) FROM {schema}.{table}")).await?;
        Ok(row.get(0).and_then(timestamp_of_text))
    }

    /// Copies every row.
    async fn rows(&self, connected: &Connected) -> Result<Rebuild, UpstreamError> {
        let mapping = &self.settings.mapping;
        let bound = mapping.bind_copied();
        let mut rebuild = Rebuild::begin(&self.writer).map_err(|error| self.not_swapped(error))?;
        let sql = select(mapping, &connected.catalogue, None);
        let mut seen = 0u64;
        let add = |row: &[Field<'_>]| {
            seen += 1;
            if seen.is_multiple_of(1024) {
                self.metrics().copied_rows.store(seen, Ordering::Relaxed);
            }
            rebuild.add(SOURCE, change(mapping, &bound, row, seen)).map_err(|error| self.not_swapped(error))
        };
        copy_out(&self.settings, &connected.server, &connected.session, &sql, add).await?;
        self.metrics().copied_rows.store(seen, Ordering::Relaxed);
        Ok(rebuild)
    }

    /// The trouble of a copy that was not swapped in: it is held, an operator dropped it, or the disk failed.
    fn not_swapped(&self, error: ApplyError) -> UpstreamError {
        if matches!(error, ApplyError::Dropped) {
            self.old_copy_kept.store(true, Ordering::Relaxed);
        }
        let kind = if matches!(error, ApplyError::Held { .. } | ApplyError::Dropped) {
            UpstreamErrorKind::Held
        } else {
            UpstreamErrorKind::Store
        };
        UpstreamError::new(kind, error.to_string())
    }
}

/// The change that a copied row means.
pub(super) fn change(mapping: &Mapping, bound: &Bound, row: &[Field<'_>], at: u64) -> Change {
    match mapping.case(bound, row) {
        Ok(case) => Change::Replace(case),
        Err(Unmapped::Bad { receipt, nameless, why }) => bad(receipt, nameless.as_deref(), why, at),
        // COPY sends all values.
        Err(Unmapped::Incomplete(receipt)) => bad(Some(receipt), None, "a value is missing".into(), at),
    }
}

/// The upstream's clock.
async fn clock(following: &Following, session: &Session) -> Result<Timestamp, UpstreamError> {
    let row = session.row(&following.settings, "SELECT clock_timestamp()").await?;
    let time = row.get(0).and_then(timestamp_of_text);
    time.ok_or_else(|| UpstreamError::new(UpstreamErrorKind::Protocol, "the upstream's clock cannot be read"))
}
