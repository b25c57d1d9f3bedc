//! Applies a batch: its rows and its mark, or nothing of it.
//!
//! ```text
//!  change ─► row ─► put | replace | delete ─┬─ … CHUNK changes: commit, the mark stays, how far it got is noted
//!        └─ cannot be used ─► quarantine    └─ the end: commit with the mark
//! ```
//!
//! A row that cannot be used goes to quarantine with a reason, and the batch goes on; a file that is torn or holds no
//! usable row at all is refused whole. Applied again, a batch changes nothing: a row's version decides, or the mark.
//! A batch that is larger than one transaction may take (the write-ahead log has a bound) is several; the mark moves with
//! the last one, and a crash between them costs nothing: the batch is found again, and goes on where it was.

use std::io::{self, BufReader};
use std::path::PathBuf;

use base::Private;
use replica::{BadRow, BatchHeader, Change, LINE_BYTES_MAX, Line, LineError, Mark};

use feed::text::Text;

use super::held::HeldWhat;
use super::lines::Lines;
use super::run::{Outcome, Run, Surroundings};
use super::store;

/// Where a batch comes from.
pub(super) enum Batch {
    File(PathBuf),
    Changes(Changes),
    /// Rows of the quarantine, tried again under their ids.
    Again(Vec<(String, Change)>),
}

/// What an upstream changed: whole transactions, in order.
pub(super) struct Changes {
    /// Where the upstream stands with them. A place that the copy has reached already changes nothing.
    pub mark: Mark,
    /// How many deletes the largest of its transactions holds; [`Change::Truncate`] counts by itself. Too many are held.
    pub deletes: u64,
    pub changes: Box<dyn Iterator<Item = Result<Change, ApplyError>> + Send>,
}

impl Changes {
    /// One transaction that is in memory.
    #[cfg(test)]
    pub fn of(mark: Mark, changes: Vec<Change>) -> Changes {
        let deletes = changes.iter().filter(|change| matches!(change, Change::Delete { .. })).count();
        Changes { mark, deletes: deletes as u64, changes: Box::new(changes.into_iter().map(Ok)) }
    }
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub new: u64,
    pub changed: u64,
    /// There already, as new or newer.
    pub unchanged: u64,
    pub deleted: u64,
    pub quarantined: u64,
}

/// Why a batch was not applied; the replica is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("cannot read the batch: {0}")]
    Read(#[from] io::Error),
    #[error("cannot write the replica: {0}; if the disk is full, make room")]
    Store(#[from] rusqlite::Error),
    #[error("damaged: it cannot be unpacked ({0}); send it again")]
    Packing(String),
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
    #[error(
        "held: it takes {deletes} of {rows} cases away ({}): jindu replica held apply, if that is meant, or held drop",
        what.name()
    )]
    Held { what: HeldWhat, deletes: u64, rows: u64 },
    #[error("an operator said to go on without it")]
    Dropped,
    #[error(
        "the write-ahead log cannot shrink, because a reader is stuck: the disk under the data folder must be mended"
    )]
    Crowded,
    #[error("the replica is not open for writing: see jindu replica status")]
    Closed,
    #[error("another copy of everything is being made")]
    Busy,
    #[error("{0}")]
    Source(String),
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
            | ApplyError::Packing(_)
            | ApplyError::Count { .. }
            | ApplyError::Nothing(..)
            | ApplyError::Empty
            | ApplyError::NoAge
            | ApplyError::Dropped
            | ApplyError::Fault => true,
            ApplyError::Read(_)
            | ApplyError::Store(_)
            | ApplyError::Held { .. }
            | ApplyError::Crowded
            | ApplyError::Closed
            | ApplyError::Busy
            | ApplyError::Source(_)
            | ApplyError::Ending => false,
        }
    }
}

impl std::fmt::Display for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Applied { new, changed, unchanged, deleted, quarantined } = self;
        write!(f, "{new} new, {changed} changed, {unchanged} unchanged, ")?;
        if *deleted > 0 {
            write!(f, "{deleted} deleted, ")?;
        }
        write!(f, "{quarantined} in quarantine")
    }
}

/// Applies a batch. `None`: the copy holds it already.
pub(super) fn apply(surroundings: &Surroundings, name: &str, batch: Batch) -> Result<Option<Outcome>, ApplyError> {
    match batch {
        Batch::File(path) => file(surroundings, name, &path).map(Some),
        Batch::Changes(changes) => run_changes(surroundings, name, changes),
        Batch::Again(rows) => again(surroundings, rows),
    }
}

fn run_changes(surroundings: &Surroundings, name: &str, changes: Changes) -> Result<Option<Outcome>, ApplyError> {
    let Changes { mut mark, deletes, changes } = changes;
    let mut run = Run::begin(surroundings, Some(mark.source.clone()), mark.sequence)?;
    if let Some(stored) = run.mark() {
        if mark.is_in(stored) {
            return Ok(None);
        }
        if stored.source == mark.source {
            mark.as_of = mark.as_of.max(stored.as_of);
        }
    }
    run.expect_deletes(&mark, deletes)?;
    run.resume();
    for (change, place) in changes.zip(1u64..) {
        run.next(&format!("{name}:{place}"), &mark, change?)?;
    }
    run.end(mark).map(Some)
}

/// Tries rows again; the mark stays where it is.
fn again(surroundings: &Surroundings, rows: Vec<(String, Change)>) -> Result<Option<Outcome>, ApplyError> {
    let source = store::state(surroundings.connection)?.mark.map(|mark| mark.source);
    let mut run = Run::begin(surroundings, source, None)?;
    let Some(mark) = run.mark().cloned() else { return Err(ApplyError::NoAge) };
    for (id, change) in rows {
        run.again(&id, change)?;
    }
    run.end(mark).map(Some)
}

fn file(surroundings: &Surroundings, name: &str, path: &std::path::Path) -> Result<Outcome, ApplyError> {
    let header = survey(opened(path)?)?;
    let source = header.as_ref().and_then(|header| header.source.clone());
    let mut run = Run::begin(surroundings, source, header.as_ref().and_then(|header| header.sequence))?;
    let mut lines = Lines::new(opened(path)?);
    while let Some((number, bytes)) = lines.next().map_err(unread)? {
        let id = || format!("{name}:{number}");
        match Line::read(bytes, number) {
            Ok(Line::Blank | Line::Header(_)) => {}
            Ok(Line::Case(case)) => run.change(&id(), Change::Put(*case))?,
            Err(error) => run.change(&id(), Change::Bad(bad(id(), bytes, &error)))?,
        }
    }
    judge(&run, header.as_ref())?;
    let mark = match (&header, run.mark()) {
        (Some(header), before) => Mark::after(before, header),
        (None, Some(before)) => before.clone(),
        (None, None) => return Err(ApplyError::NoAge),
    };
    run.end(mark)
}

/// A line that cannot be read, as it is kept aside.
pub(super) fn bad(id: String, bytes: &[u8], error: &LineError) -> BadRow {
    let whole = Some(bytes).filter(|bytes| bytes.len() <= LINE_BYTES_MAX);
    let line = whole.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(|line| Private::new(line.to_owned()));
    let receipt = Line::receipt_of(bytes).map(Private::new);
    BadRow { id, why: error.to_string(), receipt, line }
}

/// A batch's text, packed or not.
fn opened(path: &std::path::Path) -> Result<BufReader<Text>, ApplyError> {
    Ok(BufReader::with_capacity(READ_AT_ONCE, Text::open(path)?))
}

/// The disk may be mended; what cannot be unpacked stays so.
fn unread(error: io::Error) -> ApplyError {
    let packing = error.kind() == io::ErrorKind::UnexpectedEof || error.get_ref().is_some();
    if packing { ApplyError::Packing(error.to_string()) } else { ApplyError::Read(error) }
}

/// Looks at the whole file before anything of it is applied: its header, and whether it is torn.
fn survey(text: BufReader<Text>) -> Result<Option<BatchHeader>, ApplyError> {
    let mut lines = Lines::new(text);
    let (mut header, mut held) = (None, 0);
    while let Some((number, bytes)) = lines.next().map_err(unread)? {
        if number == 1 && starts_like_a_header(bytes) {
            match Line::read(bytes, number).map_err(ApplyError::Header)? {
                Line::Header(read) => header = Some(read),
                Line::Case(_) | Line::Blank => held += 1,
            }
        } else if !Line::is_blank(bytes) {
            held += 1;
        }
    }
    match header {
        Some(BatchHeader { cases: Some(announced), .. }) if announced != held => {
            Err(ApplyError::Count { announced, held })
        }
        header => Ok(header),
    }
}

/// Whether the batch as a whole may stand.
fn judge(run: &Run<'_>, header: Option<&BatchHeader>) -> Result<(), ApplyError> {
    let Applied { new, changed, unchanged, deleted: _, quarantined } = run.applied;
    let good = new + changed + unchanged;
    let held = good + quarantined;
    match (header, &run.first_error) {
        (Some(BatchHeader { cases: Some(announced), .. }), _) if *announced != held => {
            Err(ApplyError::Count { announced: *announced, held })
        }
        (_, Some(first)) if good == 0 => Err(ApplyError::Nothing(held, first.clone())),
        (None, None) if good == 0 => Err(ApplyError::Empty),
        _ => Ok(()),
    }
}

fn starts_like_a_header(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(64)];
    start.windows(7).any(|window| window == b"\"batch\"")
}

const READ_AT_ONCE: usize = 256 * 1024;
