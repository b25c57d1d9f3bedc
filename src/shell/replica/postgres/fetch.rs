//! Fetches single rows: those that the stream sent without an unchanged large value, and those in quarantine.

use std::collections::HashSet;
use std::time::Duration;

use base::Private;
use replica::Change;
use replica::upstream::{Field, NAMELESS, UpstreamError, UpstreamErrorKind, gone, row_id};

use crate::postgres::catalogue::literal;
use crate::postgres::connected::Connected;
use crate::postgres::copy_out::{copy_out, select};
use crate::postgres::following::Following;
use crate::postgres::initial_copy::change;
use crate::postgres::session::Session;

impl Following {
    /// Waits until queries see the changes of a committed transaction. The server sends them once the commit is in its
    /// log, which is a moment before other sessions see it, and longer with synchronous replication.
    ///
    /// # Errors
    /// The server does not answer, or the transaction stays invisible: the stream begins again where the replica is.
    pub(super) async fn await_visible(&self, connected: &Connected, xid: u32) -> Result<(), UpstreamError> {
        let sql = VISIBLE.replace("{xid}", &xid.to_string());
        for _ in 0..VISIBLE_TRIES {
            if connected.session.row(&self.settings, &sql).await?.get(0) == Some("t") {
                return Ok(());
            }
            tokio::time::sleep(VISIBLE_PAUSE).await;
        }
        Err(UpstreamError::new(
            UpstreamErrorKind::Silent,
            "a committed transaction is not visible yet; the stream restarts",
        ))
    }

    /// The current row of a case, as a change. Later changes in the stream are applied after it.
    pub(super) async fn fetch_case(
        &self,
        connected: &Connected,
        receipt: &Private<String>,
    ) -> Result<Change, UpstreamError> {
        let found = self.find(connected, &equal(self, receipt)).await?;
        // A number written with blanks or hyphens is found by its digits, without an index.
        let found = if found.is_empty() { self.find(connected, &plain(self, receipt)).await? } else { found };
        Ok(found.into_iter().next_back().unwrap_or_else(|| Change::Delete { receipt: receipt.clone() }))
    }

    /// The current rows of the quarantine, by their ids. A row without a readable receipt number that the table no
    /// longer has is removed; one with a number is removed when the stream sends its change.
    pub(super) async fn fetch_rows(
        &self,
        connected: &Connected,
        ids: Vec<String>,
    ) -> Result<Vec<(String, Change)>, UpstreamError> {
        let mut ids: HashSet<String> = ids.into_iter().collect();
        let (mapping, bound) = (&self.settings.mapping, self.settings.mapping.bind_copied());
        let mut found = Vec::new();
        let wanted = |row: &[Field<'_>]| {
            let change = change(mapping, &bound, row, 0);
            let id = match &change {
                Change::Bad(bad) => Some(bad.id.clone()),
                Change::Replace(case) => Some(row_id(&Private::new(case.receipt.clone()))),
                Change::Put(_) | Change::Delete { .. } | Change::Truncate | Change::Gone { .. } => None,
            };
            if let Some(id) = id.filter(|id| ids.remove(id)) {
                found.push((id, change));
            }
            Ok(())
        };
        let session = Session::open(&self.settings, &connected.server).await?;
        copy_out(&self.settings, &connected.server, &session, &select(mapping, &connected.catalogue, None), wanted)
            .await?;
        let nameless = ids.into_iter().filter_map(|id| {
            let name = id.strip_prefix("postgres:")?;
            name.starts_with(NAMELESS).then(|| (id.clone(), gone(name)))
        });
        found.extend(nameless);
        Ok(found)
    }

    async fn find(&self, connected: &Connected, only: &str) -> Result<Vec<Change>, UpstreamError> {
        let mapping = &self.settings.mapping;
        let bound = mapping.bind_copied();
        let sql = select(mapping, &connected.catalogue, Some(only));
        let mut found = Vec::new();
        let add = |row: &[Field<'_>]| {
            found.push(change(mapping, &bound, row, 0));
            Ok(())
        };
        copy_out(&self.settings, &connected.server, &connected.session, &sql, add).await?;
        Ok(found)
    }
}

/// Finds a number as it is written, by an index.
fn equal(following: &Following, receipt: &Private<String>) -> String {
    let column = super::catalogue::identifier(following.settings.mapping.receipt_column());
    format!("{column} = {}", literal(receipt.expose()))
}

/// Finds a number by its digits.
fn plain(following: &Following, receipt: &Private<String>) -> String {
    let column = super::catalogue::identifier(following.settings.mapping.receipt_column());
    format!("pg_catalog.translate({column}::text, ' -', '') = {}", literal(receipt.expose()))
}

/// Whether the present snapshot contains transaction `{xid}`, whose 32 bits belong to the epoch nearest to the snapshot.
const VISIBLE: &str = "SELECT pg_catalog.txid_visible_in_snapshot(
    id + CASE WHEN id - last > 2147483648 THEN -4294967296 WHEN last - id > 2147483648 THEN 4294967296 ELSE 0 END, snapshot)
    FROM (SELECT snapshot, last, ((last >> 32) << 32) + {xid} AS id
        FROM (SELECT snapshot, pg_catalog.txid_snapshot_xmax(snapshot) AS last
            FROM (SELECT pg_catalog.txid_current_snapshot() AS snapshot) AS a) AS b) AS c";
/// Ten seconds.
const VISIBLE_TRIES: u32 = 2000;
const VISIBLE_PAUSE: Duration = Duration::from_millis(5);
