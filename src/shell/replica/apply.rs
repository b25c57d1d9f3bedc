//! Applies a batch: its rows and its mark, or nothing of it.
//!
//! A row that cannot be used goes to quarantine with its line and a reason, and the batch goes on; a batch that is torn
//! or holds no usable row at all is refused whole. Applied again, a batch changes nothing: a row's version decides.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, TransactionBehavior};

use crate::inquiry::Keys;
use crate::replica::{BatchHeader, CaseRecord, Line, LineError, Mark};

use super::lines::Lines;
use super::store::{self, Put, Puts};

/// Where a batch comes from.
pub(super) enum Batch {
    File(PathBuf),
    Cases(BatchHeader, Box<dyn Iterator<Item = CaseRecord> + Send>),
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub new: u64,
    pub changed: u64,
    /// There already, as new or newer.
    pub unchanged: u64,
    pub quarantined: u64,
}

/// Why a batch was not applied; the replica is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("cannot read the batch: {0}")]
    Read(#[from] io::Error),
    #[error("cannot write the replica: {0}; if the disk is full, make room")]
    Store(#[from] rusqlite::Error),
    #[error("line 1: {0}")]
    Header(LineError),
    #[error("torn: the header announces {announced} cases, the file holds {held}; send it again whole")]
    Count { announced: u64, held: u64 },
    #[error("none of its {0} lines is a case; the first: {1}")]
    Nothing(u64, String),
    #[error(
        "empty: it holds neither a header nor a case; the first line of a file may be \
         {{\"batch\":{{\"as_of\":\"2026-01-01T00:00:00Z\"}}}}"
    )]
    Empty,
    #[error(
        "nobody says how old it is: put {{\"batch\":{{\"as_of\":\"2026-01-01T00:00:00Z\"}}}} with the upstream's time first"
    )]
    NoAge,
    #[error("a fault of this program on this batch: keep the file, and report it")]
    Fault,
    #[error("the program is ending")]
    Ending,
}

impl ApplyError {
    /// Whether the batch itself is at fault, so that trying again is of no use.
    pub fn is_final(&self) -> bool {
        match self {
            ApplyError::Header(_)
            | ApplyError::Count { .. }
            | ApplyError::Nothing(..)
            | ApplyError::Empty
            | ApplyError::NoAge
            | ApplyError::Fault => true,
            ApplyError::Read(_) | ApplyError::Store(_) | ApplyError::Ending => false,
        }
    }
}

impl std::fmt::Display for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Applied { new, changed, unchanged, quarantined } = self;
        write!(f, "{new} new, {changed} changed, {unchanged} unchanged, {quarantined} in quarantine")
    }
}

/// What a batch changed, once it is committed.
pub(super) struct Outcome {
    pub applied: Applied,
    pub mark: Mark,
    /// The keys to be dropped from memory; `None`: too many to name, drop all.
    pub touched: Option<Vec<i64>>,
}

/// Applies a batch in one transaction.
pub(super) fn apply(
    connection: &mut Connection,
    keys: &Keys,
    name: &str,
    batch: Batch,
    ending: &AtomicBool,
) -> Result<Outcome, ApplyError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = store::state(&transaction)?;
    let room = QUARANTINE_MAX.saturating_sub(before.quarantined);
    let run = Run {
        keys,
        puts: Puts::new(&transaction)?,
        connection: &transaction,
        name,
        room,
        ending,
        header: None,
        applied: Applied::default(),
        touched: Touched::default(),
        first_error: None,
    };
    let outcome = run.all(batch, before.mark.as_ref())?;
    store::put_state(&transaction, before.rows + outcome.applied.new, &outcome.mark)?;
    transaction.commit()?;
    Ok(outcome)
}

/// A batch being applied.
struct Run<'a> {
    keys: &'a Keys,
    puts: Puts<'a>,
    connection: &'a Connection,
    name: &'a str,
    /// How many more rows the quarantine holds; further ones are counted only.
    room: u64,
    ending: &'a AtomicBool,
    header: Option<BatchHeader>,
    applied: Applied,
    touched: Touched,
    first_error: Option<String>,
}

impl Run<'_> {
    fn all(mut self, batch: Batch, before: Option<&Mark>) -> Result<Outcome, ApplyError> {
        match batch {
            Batch::File(path) => self.file(File::open(path)?)?,
            Batch::Cases(header, cases) => {
                self.header = Some(header);
                cases.zip(2..).try_for_each(|(case, line)| self.case(line, &case))?;
            }
        }
        self.judge()?;
        let mark = match (&self.header, before) {
            (Some(header), before) => Mark::after(before, header),
            (None, Some(before)) => before.clone(),
            (None, None) => return Err(ApplyError::NoAge),
        };
        Ok(Outcome { applied: self.applied, mark, touched: self.touched.keys() })
    }

    fn file(&mut self, file: File) -> Result<(), ApplyError> {
        let mut lines = Lines::new(BufReader::with_capacity(256 * 1024, file));
        while let Some((number, bytes)) = lines.next()? {
            match Line::read(bytes, number) {
                Ok(Line::Blank) => {}
                Ok(Line::Header(header)) => self.header = Some(header),
                Ok(Line::Case(case)) => self.case(number, &case)?,
                Err(error) if number == 1 && starts_like_a_header(bytes) => return Err(ApplyError::Header(error)),
                Err(error) => self.bad(number, &error.to_string())?,
            }
        }
        Ok(())
    }

    fn case(&mut self, line: u64, case: &CaseRecord) -> Result<(), ApplyError> {
        if line.is_multiple_of(1024) && self.ending.load(Ordering::Relaxed) {
            return Err(ApplyError::Ending);
        }
        let row = match case.to_row(self.keys) {
            Ok(row) => row,
            Err(error) => return self.bad(line, &error.to_string()),
        };
        match self.puts.put(&row)? {
            Put::New => self.applied.new += 1,
            Put::Changed => self.applied.changed += 1,
            Put::Unchanged => {
                self.applied.unchanged += 1;
                return Ok(());
            }
            Put::Collision => return self.bad(line, "another receipt has the same key: report it, and ask by hand"),
        }
        self.touched.add(row.at.key);
        Ok(())
    }

    fn bad(&mut self, line: u64, why: &str) -> Result<(), ApplyError> {
        self.applied.quarantined += 1;
        self.first_error.get_or_insert_with(|| format!("line {line}: {why}"));
        if self.applied.quarantined <= self.room {
            store::quarantine(self.connection, self.name, line, why)?;
        }
        Ok(())
    }

    /// Whether the batch as a whole may stand.
    fn judge(&self) -> Result<(), ApplyError> {
        let Applied { new, changed, unchanged, quarantined } = self.applied;
        let good = new + changed + unchanged;
        let held = good + quarantined;
        match (self.header.as_ref(), &self.first_error) {
            (Some(BatchHeader { cases: Some(announced), .. }), _) if *announced != held => {
                Err(ApplyError::Count { announced: *announced, held })
            }
            (_, Some(first)) if good == 0 => Err(ApplyError::Nothing(held, first.clone())),
            (None, None) if good == 0 => Err(ApplyError::Empty),
            _ => Ok(()),
        }
    }
}

/// The keys that a batch touched, as long as they are few enough to be named.
#[derive(Default)]
struct Touched {
    keys: HashSet<i64>,
    many: bool,
}

impl Touched {
    fn add(&mut self, key: i64) {
        if self.many {
            return;
        }
        self.keys.insert(key);
        if self.keys.len() > TOUCHED_MAX {
            *self = Touched { keys: HashSet::new(), many: true };
        }
    }

    fn keys(self) -> Option<Vec<i64>> {
        (!self.many).then(|| self.keys.into_iter().collect())
    }
}

fn starts_like_a_header(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    start.windows(7).any(|window| window == b"\"batch\"")
}

/// Rows kept in quarantine; an upstream that sends more bad rows than that must be mended, not listed.
const QUARANTINE_MAX: u64 = 10_000;
/// Past so many changed keys the whole cache is dropped.
const TOUCHED_MAX: usize = 100_000;
