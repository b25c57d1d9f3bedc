//! `jindu replica postgres …`: checks the upstream's setup, and compares the replica with the upstream row by row.
//!
//! ```text
//!  a snapshot of the upstream, and its log position ─► wait for the replica to reach it ─► map and compare every row
//!        └─ a difference may be a later change: only what differs in every pass counts
//! ```
//!
//! Beside a serving node it reads the node's file, as a look-up does, and uses no slot.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use config::Postgres;
use inquiry::Keys;
use replica::Change;
use replica::upstream::{Field, Lsn, Position, Slot, UpstreamError, UpstreamErrorKind, lsn, lsn_text};

use crate::file::{quarantine, state, store};
use crate::postgres::connected::{Connected, connect_to_any};
use crate::postgres::copy_out::{copy_out, select};
use crate::postgres::initial_copy::change;
use crate::postgres::{catalogue, session, tls};

/// The result of a comparison, in numbers of cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Usable cases upstream.
    pub upstream: u64,
    /// Cases in the replica.
    pub copy: u64,
    /// Unusable rows upstream, which must be in quarantine.
    pub unusable: u64,
    /// Upstream, and not in the replica.
    pub missing: u64,
    /// In both, with different content.
    pub different: u64,
    /// In the replica, and not upstream.
    pub left_over: u64,
    /// Passes that were needed.
    pub passes: u32,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The upstream cannot be read.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The file cannot be read.
    #[error("the replica cannot be read: {0}")]
    Copy(String),
    /// The replica did not reach the position of the snapshot.
    #[error(
        "the replica has not reached {wanted} of the upstream's log within {waited_s} s; it is at {at}; check that a node follows"
    )]
    Behind {
        /// The position of the snapshot.
        wanted: String,
        /// The position of the replica.
        at: String,
        /// Seconds waited.
        waited_s: u64,
    },
}

/// The upstream's setup for this node.
#[derive(Clone, Debug)]
pub struct SetupReport {
    /// The server that answered.
    pub server: String,
    /// What prevents following it.
    pub diagnostics: Vec<String>,
    /// What should be improved.
    pub remarks: Vec<String>,
    /// The slot, if it exists.
    pub slot: Option<Slot>,
    /// Bytes of log that the slot retains.
    pub held_bytes: Option<u64>,
}

impl Comparison {
    /// Whether the replica equals the upstream.
    pub fn is_equal(&self) -> bool {
        self.missing == 0 && self.different == 0 && self.left_over == 0
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Comparison { upstream, copy, unusable, missing, different, left_over, passes } = self;
        write!(
            f,
            "{upstream} cases upstream, {copy} in the replica: {missing} missing, {different} different, {left_over} surplus"
        )?;
        if *unusable > 0 {
            write!(f, "; {unusable} unusable rows upstream")?;
        }
        if *passes > 1 { write!(f, " ({passes} passes)") } else { Ok(()) }
    }
}

impl std::fmt::Display for SetupReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SetupReport { server, diagnostics, remarks, slot, held_bytes } = self;
        writeln!(f, "server     {server}")?;
        match slot {
            None => writeln!(f, "slot       not created yet")?,
            Some(slot) if slot.is_lost => writeln!(f, "slot       lost: the table will be copied again")?,
            Some(slot) => {
                let confirmed = slot.confirmed.map_or_else(|| "nothing".into(), lsn_text);
                let read = if slot.is_active { "in use" } else { "not in use" };
                let held = held_bytes.map_or_else(String::new, |bytes| format!(", retains {bytes} bytes of log"));
                writeln!(f, "slot       {read}, confirmed up to {confirmed}{held}")?;
            }
        }
        for remark in remarks {
            writeln!(f, "remark     {remark}")?;
        }
        for diagnostic in diagnostics {
            writeln!(f, "error      {diagnostic}")?;
        }
        write!(
            f,
            "{}",
            if diagnostics.is_empty() {
                "ok: the upstream can be followed"
            } else {
                "the upstream cannot be followed yet"
            }
        )
    }
}

/// Compares the replica in a data folder with its upstream. Waits up to `patience` for the replica to reach the snapshot.
pub fn verify(settings: &Postgres, folder: &Path, keys: &Keys, patience: Duration) -> Result<Comparison, VerifyError> {
    tls::use_provider();
    let runtime = session::runtime().map_err(|error| VerifyError::Copy(error.to_string()))?;
    let path = store::path(folder);
    runtime.block_on(async {
        let connected = connect_to_any(settings).await?;
        let comparison = Comparer { settings, connected, path, keys, patience };
        comparison.run().await
    })
}

/// Checks the upstream's setup without changing it.
pub fn check(settings: &Postgres) -> Result<SetupReport, UpstreamError> {
    tls::use_provider();
    let runtime =
        session::runtime().map_err(|error| UpstreamError::new(UpstreamErrorKind::Setup, error.to_string()))?;
    runtime.block_on(async {
        let Connected { server, session, catalogue, .. } = &connect_to_any(settings).await?;
        let slot = catalogue::slot(settings, session).await?;
        let name = catalogue::literal(&settings.slot);
        let held = session.rows(settings, &RETAINED.replace("{slot}", &name)).await?;
        Ok(SetupReport {
            server: server.to_string(),
            diagnostics: catalogue.diagnostics(&settings.mapping, &settings.publication),
            remarks: catalogue.remarks(&settings.mapping),
            slot,
            held_bytes: held.first().and_then(|row| row.get(0)?.parse().ok()),
        })
    })
}

struct Comparer<'a> {
    settings: &'a Postgres,
    connected: Connected,
    /// The replica's file.
    path: PathBuf,
    keys: &'a Keys,
    patience: Duration,
}

/// How a case differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Differs {
    Missing,
    Different,
    LeftOver,
}

impl Comparer<'_> {
    async fn run(&self) -> Result<Comparison, VerifyError> {
        let diagnostics = self.connected.catalogue.diagnostics(&self.settings.mapping, &self.settings.publication);
        if let Some(trouble) = catalogue::setup_trouble(&diagnostics) {
            return Err(trouble.into());
        }
        let (mut compared, mut suspects) = self.pass().await?;
        while !suspects.is_empty() && compared.passes < PASSES_MAX {
            tokio::time::sleep(BETWEEN_PASSES).await;
            let (next, again) = self.pass().await?;
            suspects.retain(|key, differs| again.get(key) == Some(differs));
            compared = Comparison { passes: compared.passes + 1, ..next };
        }
        let count = |kind| suspects.values().filter(|differs| **differs == kind).count() as u64;
        compared.missing = count(Differs::Missing);
        compared.different = count(Differs::Different);
        compared.left_over = count(Differs::LeftOver);
        Ok(compared)
    }

    async fn pass(&self) -> Result<(Comparison, HashMap<i64, Differs>), VerifyError> {
        let end = self.snapshot().await?;
        let copy = self.await_copy(end).await?;
        let withheld = quarantine::withheld(&copy).map_err(unreadable)?;
        let mapping = &self.settings.mapping;
        let bound = mapping.bind_copied();
        let mut compared = Comparison { passes: 1, ..Comparison::default() };
        let mut there: Vec<i64> = Vec::new();
        let mut suspects = HashMap::new();
        let mut failed = None;
        let row = |row: &[Field<'_>]| {
            let Some((key, wanted)) = self.wanted(change(mapping, &bound, row, 0), &mut compared) else {
                return Ok(());
            };
            there.push(key);
            compared.upstream += u64::from(wanted.is_some());
            let found = row_of(&copy, key).unwrap_or_else(|error| {
                failed = Some(error);
                None
            });
            match (wanted, found) {
                (Some(_), None) => drop(suspects.insert(key, Differs::Missing)),
                (Some(wanted), Some(found)) if wanted != found => drop(suspects.insert(key, Differs::Different)),
                // The case of an unusable row must be in quarantine.
                (None, _) if !withheld.contains(&key) => drop(suspects.insert(key, Differs::Different)),
                (Some(_) | None, _) => {}
            }
            Ok(())
        };
        let server = &self.settings.servers[0];
        copy_out(
            self.settings,
            server,
            &self.connected.session,
            &select(mapping, &self.connected.catalogue, None),
            row,
        )
        .await?;
        self.connected.session.rows(self.settings, "COMMIT").await?;
        if let Some(error) = failed {
            return Err(unreadable(error));
        }
        there.sort_unstable();
        compared.copy = left_over(&copy, &there, &mut suspects).map_err(unreadable)?;
        Ok((compared, suspects))
    }

    /// The key of a row upstream, and its encoding if it is usable; `None` without a readable receipt number.
    fn wanted(&self, change: Change, compared: &mut Comparison) -> Option<(i64, Option<Vec<u8>>)> {
        match change {
            Change::Replace(case) => match case.to_row(self.keys) {
                Ok(row) => Some((row.at.key, Some(row.encode()))),
                Err(_) => Some((self.keys.row(&case.receipt).key, None)),
            },
            Change::Bad(bad) => {
                compared.unusable += 1;
                bad.receipt.map(|receipt| (self.keys.row(receipt.expose()).key, None))
            }
            Change::Put(_) | Change::Delete { .. } | Change::Truncate | Change::Gone { .. } => None,
        }
    }

    /// Begins a snapshot, and gives a log position after everything in it.
    async fn snapshot(&self) -> Result<Lsn, VerifyError> {
        // A message after the last commit, so that the replica's position moves past it.
        if !self.connected.catalogue.is_standby {
            let nudge = "SELECT pg_catalog.pg_logical_emit_message(true, 'jindu', '')";
            let _ = self.connected.session.rows(self.settings, nudge).await;
        }
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1";
        self.connected.session.rows(self.settings, begin).await?;
        let row = self.connected.session.row(self.settings, END_OF_LOG).await?;
        Ok(row.get(0).and_then(lsn).unwrap_or_default())
    }

    /// Opens the replica once it has reached a position. Each poll reopens it, since a rebuilt copy may have been swapped in.
    async fn await_copy(&self, end: Lsn) -> Result<Connection, VerifyError> {
        let until = Instant::now() + self.patience;
        let mut at = None;
        loop {
            match self.open_copy() {
                Ok((copy, seen)) if seen >= end => return Ok(copy),
                Ok((_, seen)) => at = Some(seen),
                // During a swap there may be no file to open.
                Err(_) if at.is_some() && Instant::now() < until => {}
                Err(error) => return Err(unreadable(error)),
            }
            if Instant::now() >= until {
                let (waited_s, at) = (self.patience.as_secs(), lsn_text(at.unwrap_or_default()));
                return Err(VerifyError::Behind { wanted: lsn_text(end), at, waited_s });
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// The replica, and its position.
    fn open_copy(&self) -> rusqlite::Result<(Connection, Lsn)> {
        let copy = store::open_reader(&self.path)?;
        let position = state::read(&copy)?.mark.and_then(|mark| Position::read(mark.position.as_deref()?));
        Ok((copy, position.map_or(0, |position| position.seen)))
    }
}

fn row_of(copy: &Connection, key: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    use rusqlite::OptionalExtension;
    let mut select = copy.prepare_cached("SELECT row FROM cases WHERE key = ?1")?;
    select.query_row([key], |row| row.get(0)).optional()
}

/// Counts the cases of the replica, and adds those that are not upstream to `suspects`.
fn left_over(copy: &Connection, there: &[i64], suspects: &mut HashMap<i64, Differs>) -> rusqlite::Result<u64> {
    let mut select = copy.prepare_cached("SELECT key FROM cases")?;
    let mut rows = select.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let key = row.get(0)?;
        count += 1;
        if there.binary_search(&key).is_err() {
            suspects.insert(key, Differs::LeftOver);
        }
    }
    Ok(count)
}

fn unreadable(error: rusqlite::Error) -> VerifyError {
    VerifyError::Copy(error.to_string())
}

const END_OF_LOG: &str = "
    SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END";
const RETAINED: &str = "
    SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END,
                           restart_lsn)::bigint
    FROM pg_replication_slots WHERE slot_name = {slot}";
const PASSES_MAX: u32 = 4;
const BETWEEN_PASSES: Duration = Duration::from_millis(300);
const POLL_EVERY: Duration = Duration::from_millis(20);
