//! Holds the copy against the upstream: its setup, and row for row what stands there.
//!
//! ```text
//!  a snapshot of the upstream, and its place in the log ─► the copy has reached it ─► every row mapped and compared
//!        └─ what differs may have been changed since: only what differs in every pass does differ
//! ```
//!
//! Beside a serving node it reads the node's file, as a look-up does, and takes no slot.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::{quarantine, store};
use config::Postgres;
use inquiry::Keys;
use replica::Change;
use replica::upstream::{Catalogue, Field, Lsn, Position, Slot, UpstreamError, UpstreamErrorKind, lsn, lsn_text};

use super::catalogue;
use super::copy::change;
use super::out::{copy_out, select};
use super::session::Session;
use super::tls;

/// What a comparison found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Cases upstream that can be used.
    pub upstream: u64,
    /// Cases in the copy.
    pub copy: u64,
    /// Rows upstream that cannot be used; they must be in quarantine.
    pub unusable: u64,
    pub missing: u64,
    pub different: u64,
    /// In the copy, and not upstream.
    pub left_over: u64,
    pub passes: u32,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error("the copy cannot be read: {0}")]
    Copy(String),
    #[error(
        "the copy has not reached {wanted} of the upstream's log within {waited_s} s: it stands at {at}; is it followed?"
    )]
    Behind { wanted: String, at: String, waited_s: u64 },
}

/// How the upstream is set up for this node.
#[derive(Clone, Debug)]
pub struct Checked {
    pub server: String,
    /// What keeps it from being followed.
    pub complaints: Vec<String>,
    pub remarks: Vec<String>,
    pub slot: Option<Slot>,
    /// The log that the slot holds back, in bytes.
    pub held_bytes: Option<u64>,
}

impl Compared {
    /// Whether the two are one.
    pub fn is_equal(&self) -> bool {
        self.missing == 0 && self.different == 0 && self.left_over == 0
    }
}

impl std::fmt::Display for Compared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Compared { upstream, copy, unusable, missing, different, left_over, passes } = self;
        write!(
            f,
            "{upstream} cases upstream, {copy} in the copy: {missing} missing, {different} different, {left_over} left over"
        )?;
        if *unusable > 0 {
            write!(f, "; {unusable} rows upstream cannot be used")?;
        }
        if *passes > 1 { write!(f, " ({passes} passes)") } else { Ok(()) }
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Checked { server, complaints, remarks, slot, held_bytes } = self;
        writeln!(f, "server     {server}")?;
        match slot {
            None => writeln!(f, "slot       not made yet")?,
            Some(slot) if slot.is_lost => writeln!(f, "slot       lost: the table will be copied anew")?,
            Some(slot) => {
                let confirmed = slot.confirmed.map_or_else(|| "nothing".into(), lsn_text);
                let read = if slot.is_active { "being read" } else { "not being read" };
                let held = held_bytes.map_or_else(String::new, |bytes| format!(", holds back {bytes} bytes of log"));
                writeln!(f, "slot       {read}, confirmed up to {confirmed}{held}")?;
            }
        }
        for remark in remarks {
            writeln!(f, "remark     {remark}")?;
        }
        for complaint in complaints {
            writeln!(f, "must do    {complaint}")?;
        }
        write!(
            f,
            "{}",
            if complaints.is_empty() { "all right: it can be followed" } else { "it cannot be followed yet" }
        )
    }
}

/// Compares the copy in a data folder with its upstream. Waits up to `patience` for the copy to be where the upstream is.
pub fn verify(settings: &Postgres, folder: &Path, keys: &Keys, patience: Duration) -> Result<Compared, VerifyError> {
    tls::use_provider();
    let runtime = super::runtime().map_err(|error| VerifyError::Copy(error.to_string()))?;
    let path = store::path(folder);
    runtime.block_on(async {
        let (_, session, catalogue) = meet(settings).await?;
        let comparing = Comparing { settings, session, catalogue, path, keys, patience };
        comparing.run().await
    })
}

/// Looks at the upstream's setup, without changing it.
pub fn check(settings: &Postgres) -> Result<Checked, UpstreamError> {
    tls::use_provider();
    let runtime = super::runtime().map_err(|error| UpstreamError::new(UpstreamErrorKind::Setup, error.to_string()))?;
    runtime.block_on(async {
        let (server, session, catalogue) = meet(settings).await?;
        let slot = catalogue::slot(settings, &session).await?;
        let name = catalogue::literal(&settings.slot);
        let held = session.rows(settings, &HELD_BACK.replace("{slot}", &name)).await?;
        Ok(Checked {
            server,
            complaints: catalogue.complaints(&settings.mapping, &settings.publication),
            remarks: catalogue.remarks(&settings.mapping),
            slot,
            held_bytes: held.first().and_then(|row| row.get(0)?.parse().ok()),
        })
    })
}

/// The first server that is no standby, else the first that answers.
async fn meet(settings: &Postgres) -> Result<(String, Session, Catalogue), UpstreamError> {
    let mut trouble = UpstreamError::new(UpstreamErrorKind::Setup, "replica.postgres.servers names no server");
    let mut standby = None;
    for server in settings.servers.iter().rev() {
        let met = async {
            let session = Session::open(settings, server).await?;
            let catalogue = catalogue::read(settings, &session).await?;
            Ok((server.to_string(), session, catalogue))
        };
        match met.await {
            Ok(met) if met.2.is_standby => standby = Some(met),
            Ok(met) => return Ok(met),
            Err(found) => trouble = found,
        }
    }
    standby.ok_or(trouble)
}

struct Comparing<'a> {
    settings: &'a Postgres,
    session: Session,
    catalogue: Catalogue,
    /// The copy's file.
    path: PathBuf,
    keys: &'a Keys,
    patience: Duration,
}

/// How one case differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Differs {
    Missing,
    Different,
    LeftOver,
}

impl Comparing<'_> {
    async fn run(&self) -> Result<Compared, VerifyError> {
        let complaints = self.catalogue.complaints(&self.settings.mapping, &self.settings.publication);
        if let Some(trouble) = catalogue::complaint(&complaints) {
            return Err(trouble.into());
        }
        let (mut compared, mut suspects) = self.pass().await?;
        while !suspects.is_empty() && compared.passes < PASSES_MAX {
            tokio::time::sleep(BETWEEN_PASSES).await;
            let (next, again) = self.pass().await?;
            suspects.retain(|key, differs| again.get(key) == Some(differs));
            compared = Compared { passes: compared.passes + 1, ..next };
        }
        let count = |kind| suspects.values().filter(|differs| **differs == kind).count() as u64;
        compared.missing = count(Differs::Missing);
        compared.different = count(Differs::Different);
        compared.left_over = count(Differs::LeftOver);
        Ok(compared)
    }

    async fn pass(&self) -> Result<(Compared, HashMap<i64, Differs>), VerifyError> {
        let end = self.snapshot().await?;
        let copy = self.await_copy(end).await?;
        let unsure = quarantine::unsure(&copy).map_err(unreadable)?;
        let mapping = &self.settings.mapping;
        let bound = mapping.bind_copied();
        let mut compared = Compared { passes: 1, ..Compared::default() };
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
                // A row that cannot be used answers nothing.
                (None, _) if !unsure.contains(&key) => drop(suspects.insert(key, Differs::Different)),
                (Some(_) | None, _) => {}
            }
            Ok(())
        };
        let server = &self.settings.servers[0];
        copy_out(self.settings, server, &self.session, &select(mapping, &self.catalogue, None), row).await?;
        self.session.rows(self.settings, "COMMIT").await?;
        if let Some(error) = failed {
            return Err(unreadable(error));
        }
        there.sort_unstable();
        compared.copy = left_over(&copy, &there, &mut suspects).map_err(unreadable)?;
        Ok((compared, suspects))
    }

    /// Where a row upstream stands in the copy, and as what; none when it stands nowhere, as what only when it is a case.
    fn wanted(&self, change: Change, compared: &mut Compared) -> Option<(i64, Option<Vec<u8>>)> {
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

    /// Begins a snapshot; gives a place in the log that everything in it stands before.
    async fn snapshot(&self) -> Result<Lsn, VerifyError> {
        // Whatever was committed last is told by a message after it, so that the copy's place moves past it.
        if !self.catalogue.is_standby {
            let nudge = "SELECT pg_catalog.pg_logical_emit_message(true, 'jindu', '')";
            let _ = self.session.rows(self.settings, nudge).await;
        }
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1";
        self.session.rows(self.settings, begin).await?;
        let row = self.session.row(self.settings, END_OF_LOG).await?;
        Ok(row.get(0).and_then(lsn).unwrap_or_default())
    }

    /// Opens the copy once it has reached a place. Each look opens it anew: a fresh copy may have been swapped in.
    async fn await_copy(&self, end: Lsn) -> Result<Connection, VerifyError> {
        let until = Instant::now() + self.patience;
        let mut at = None;
        loop {
            match self.look() {
                Ok((copy, seen)) if seen >= end => return Ok(copy),
                Ok((_, seen)) => at = Some(seen),
                // In the moment of a swap there may be nothing to open.
                Err(_) if at.is_some() && Instant::now() < until => {}
                Err(error) => return Err(unreadable(error)),
            }
            if Instant::now() >= until {
                let (waited_s, at) = (self.patience.as_secs(), lsn_text(at.unwrap_or_default()));
                return Err(VerifyError::Behind { wanted: lsn_text(end), at, waited_s });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The copy as it is, and how far it reaches.
    fn look(&self) -> rusqlite::Result<(Connection, Lsn)> {
        let copy = store::open_reader(&self.path)?;
        let position = store::state(&copy)?.mark.and_then(|mark| Position::read(mark.position.as_deref()?));
        Ok((copy, position.map_or(0, |position| position.seen)))
    }
}

fn row_of(copy: &Connection, key: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    use rusqlite::OptionalExtension;
    let mut select = copy.prepare_cached("SELECT row FROM cases WHERE key = ?1")?;
    select.query_row([key], |row| row.get(0)).optional()
}

/// Counts the copy's cases, and those among them that are not upstream.
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
const HELD_BACK: &str = "
    SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END,
                           restart_lsn)::bigint
    FROM pg_replication_slots WHERE slot_name = {slot}";
const PASSES_MAX: u32 = 4;
const BETWEEN_PASSES: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);
