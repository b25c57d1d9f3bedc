//! Copies the table on the snapshot of a new slot, beside the copy that answers, and swaps it in whole.
//!
//! ```text
//!  clock ─► slot made: a place in the log, and a snapshot of that moment ─► COPY on the snapshot ─► rebuild ─► swap
//! ```
//!
//! The upstream's clock is read before the snapshot: whatever was committed by that time is in it.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use pgwire_replication::ReplicationClient;

use crate::apply::ApplyError;
use crate::rebuild::Rebuild;
use replica::upstream::{
    Bound, Field, Heartbeat, Lsn, Mapping, Position, Server, Unmapped, UpstreamError, UpstreamErrorKind, bad, lsn,
    timestamp_of_text,
};
use replica::{Change, Mark};

use super::catalogue::{identifier, literal};
use super::out::{copy_out, select};
use super::session::{self, Session};
use super::{Following, Met, SOURCE};

/// A slot that was just made.
struct Fresh {
    place: Lsn,
    snapshot: String,
}

impl Following {
    /// Makes a slot and a copy of its moment; gives where the copy stands, and the connection that streams from there.
    pub(super) async fn copy(
        &mut self,
        met: &Met,
        server: &Server,
        drop_slot: bool,
    ) -> Result<(Position, ReplicationClient), UpstreamError> {
        let settings = &self.settings;
        if drop_slot {
            let sql = format!("SELECT pg_catalog.pg_drop_replication_slot({})", literal(&settings.slot));
            met.session.rows(settings, &sql).await?;
        }
        let before = clock(self, &met.session).await?;
        let mut client = session::stream(settings, &met.server, 0).await?;
        let fresh = self.make_slot(met, &mut client).await?;
        self.metrics().copying.store(1, Ordering::Relaxed);
        self.metrics().copied_rows.store(0, Ordering::Relaxed);
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
            literal(&fresh.snapshot)
        );
        met.session.rows(settings, &begin).await?;
        let as_of = self.told(&met.session).await?.unwrap_or(before);
        let position = Position {
            system: server.system.clone(),
            timeline: server.timeline,
            slot: settings.slot.clone(),
            mapping: met.mapping.clone(),
            seen: fresh.place,
            anchor: None,
            shape: Some(met.catalogue.shape.clone()),
        };
        // The first transaction after the copy may stand at the very place.
        let sequence = Some(fresh.place.saturating_sub(1));
        let mark = Mark { source: SOURCE.into(), sequence, position: Some(position.to_text()), as_of };
        let rebuild = self.rows(met).await?;
        met.session.rows(settings, "COMMIT").await?;
        let done = rebuild.finish(mark).map_err(|error| self.not_swapped(error))?;
        self.metrics().copying.store(0, Ordering::Relaxed);
        tracing::info!(rows = done.new, quarantined = done.quarantined, "the copy of the upstream is live");
        Ok((position, client))
    }

    /// Waits until the transactions that are open upstream have ended, which a snapshot needs.
    async fn make_slot(&self, met: &Met, client: &mut ReplicationClient) -> Result<Fresh, UpstreamError> {
        let settings = &self.settings;
        let sql = format!("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput EXPORT_SNAPSHOT", identifier(&settings.slot));
        let limit = settings.copy_start_timeout;
        let made = tokio::time::timeout(limit, client.simple_query(&sql)).await.map_err(|_| {
            let what =
                "the slot cannot begin, as a transaction has been open upstream for longer: see pg_stat_activity and
                 pg_prepared_xacts there";
            UpstreamError::new(UpstreamErrorKind::Unreachable, format!("{what} (waited {limit:?})"))
        })?;
        let rows = made.map_err(|error| session::of_stream(settings, &met.server, &error))?;
        let text = |at: usize| {
            let value = rows.first()?.get(at)?.as_ref()?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        let fresh =
            text(1).and_then(|place| lsn(&place)).zip(text(2)).map(|(place, snapshot)| Fresh { place, snapshot });
        fresh.ok_or_else(|| {
            UpstreamError::new(UpstreamErrorKind::Protocol, "the upstream made a slot, and did not say where it begins")
        })
    }

    /// The heartbeat's time on the snapshot, where there is a heartbeat row.
    async fn told(&self, session: &Session) -> Result<Option<Timestamp>, UpstreamError> {
        let Heartbeat::Row { schema, table, column } = &self.settings.heartbeat else { return Ok(None) };
        let (schema, table, column) = (identifier(schema), identifier(table), identifier(column));
        let row = session.row(&self.settings, &format!("SELECT max({column}) FROM {schema}.{table}")).await?;
        Ok(row.get(0).and_then(timestamp_of_text))
    }

    /// Copies every row.
    async fn rows(&self, met: &Met) -> Result<Rebuild, UpstreamError> {
        let mapping = &self.settings.mapping;
        let bound = mapping.bind_copied();
        let mut rebuild = self.feeding.rebuild().map_err(|error| self.not_swapped(error))?;
        let sql = select(mapping, &met.catalogue, None);
        let mut seen = 0u64;
        let add = |row: &[Field<'_>]| {
            seen += 1;
            if seen.is_multiple_of(1024) {
                self.metrics().copied_rows.store(seen, Ordering::Relaxed);
            }
            rebuild.add(SOURCE, change(mapping, &bound, row, seen)).map_err(|error| self.not_swapped(error))
        };
        copy_out(&self.settings, &met.server, &met.session, &sql, add).await?;
        self.metrics().copied_rows.store(seen, Ordering::Relaxed);
        Ok(rebuild)
    }

    /// A new copy that does not come in: because a person must say something, or has, or because of the disk.
    fn not_swapped(&self, error: ApplyError) -> UpstreamError {
        if matches!(error, ApplyError::Dropped) {
            self.kept.store(true, Ordering::Relaxed);
        }
        let kind = if matches!(error, ApplyError::Held { .. } | ApplyError::Dropped) {
            UpstreamErrorKind::Held
        } else {
            UpstreamErrorKind::Store
        };
        UpstreamError::new(kind, error.to_string())
    }
}

/// What a copied row is to the copy.
pub(super) fn change(mapping: &Mapping, bound: &Bound, row: &[Field<'_>], at: u64) -> Change {
    match mapping.case(bound, row) {
        Ok(case) => Change::Replace(case),
        Err(Unmapped::Bad { receipt, nameless, why }) => bad(receipt, nameless.as_deref(), why, at),
        // A copy has whole values.
        Err(Unmapped::Incomplete(receipt)) => bad(Some(receipt), None, "a value is missing".into(), at),
    }
}

/// The upstream's clock.
async fn clock(following: &Following, session: &Session) -> Result<Timestamp, UpstreamError> {
    let row = session.row(&following.settings, "SELECT clock_timestamp()").await?;
    let time = row.get(0).and_then(timestamp_of_text);
    time.ok_or_else(|| UpstreamError::new(UpstreamErrorKind::Protocol, "the upstream's clock cannot be read"))
}
