//! Applies a batch: its rows and its mark, or nothing of it.
//!
//! ```text
//!  change ─► row ─► put | replace | delete ─┬─ CHUNK changes: commit with the progress, the mark stays
//!        └─ unusable ─► quarantine          └─ the end: commit with the mark
//! ```
//!
//! An unusable row is quarantined with a reason, and the batch continues; a file that is incomplete or has no usable
//! row is rejected as a whole. Applying a batch again changes nothing: the rows' versions, or the mark, decide. A batch
//! too large for one transaction, since the write-ahead log is bounded, takes several; the mark moves with the last
//! one. After a crash between them the source sends the batch again, and it continues where it stopped.

use std::io::{self, BufReader};

use base::Private;
use replica::{BadRow, BatchHeader, Change, FeedLine, LINE_BYTES_MAX, LineError, Mark};

use feed::text::Text;

use crate::file::state;
use crate::write::batch::{Applied, ApplyError, Batch, Changes};
use crate::write::batch_run::{ApplyContext, BatchRun, Outcome};
use crate::write::line_reader::LineReader;

/// Applies a batch. `None` when the replica holds it already.
pub(crate) fn apply(context: &ApplyContext, name: &str, batch: Batch) -> Result<Option<Outcome>, ApplyError> {
    match batch {
        Batch::File(path) => file(context, name, &path).map(Some),
        Batch::Changes(changes) => run_changes(context, name, changes),
        Batch::Retry(rows) => retry(context, rows),
    }
}

fn run_changes(context: &ApplyContext, name: &str, changes: Changes) -> Result<Option<Outcome>, ApplyError> {
    let Changes { mut mark, deletes, changes } = changes;
    let mut run = BatchRun::begin(context, Some(mark.source.clone()), mark.sequence)?;
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

/// Retries quarantined rows; the mark does not move.
fn retry(context: &ApplyContext, rows: Vec<(String, Change)>) -> Result<Option<Outcome>, ApplyError> {
    let source = state::read(context.connection)?.mark.map(|mark| mark.source);
    let mut run = BatchRun::begin(context, source, None)?;
    let Some(mark) = run.mark().cloned() else { return Err(ApplyError::NoAge) };
    for (id, change) in rows {
        run.retry(&id, change)?;
    }
    run.end(mark).map(Some)
}

fn file(context: &ApplyContext, name: &str, path: &std::path::Path) -> Result<Outcome, ApplyError> {
    let header = survey(open(path)?)?;
    let source = header.as_ref().and_then(|header| header.source.clone());
    let mut run = BatchRun::begin(context, source, header.as_ref().and_then(|header| header.sequence))?;
    let mut lines = LineReader::new(open(path)?);
    while let Some((number, bytes)) = lines.next().map_err(read_error)? {
        let id = || format!("{name}:{number}");
        match FeedLine::read(bytes, number) {
            Ok(FeedLine::Blank | FeedLine::Header(_)) => {}
            Ok(FeedLine::Case(case)) => run.change(&id(), Change::Put(*case))?,
            Err(error) => run.change(&id(), Change::Bad(bad_row(id(), bytes, &error)))?,
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

/// An unreadable line as a row for the quarantine.
pub(crate) fn bad_row(id: String, bytes: &[u8], error: &LineError) -> BadRow {
    let whole = Some(bytes).filter(|bytes| bytes.len() <= LINE_BYTES_MAX);
    let line = whole.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(|line| Private::new(line.to_owned()));
    let receipt = FeedLine::receipt_of(bytes).map(Private::new);
    BadRow { id, why: error.to_string(), receipt, line }
}

/// Opens a batch file, plain or compressed.
fn open(path: &std::path::Path) -> Result<BufReader<Text>, ApplyError> {
    Ok(BufReader::with_capacity(READ_BUFFER_BYTES, Text::open(path)?))
}

/// A failing disk is retried; a damaged compressed file is not.
fn read_error(error: io::Error) -> ApplyError {
    let packing = error.kind() == io::ErrorKind::UnexpectedEof || error.get_ref().is_some();
    if packing { ApplyError::Packing(error.to_string()) } else { ApplyError::Read(error) }
}

/// Reads the whole file before any of it is applied: its header, and whether it is complete.
fn survey(text: BufReader<Text>) -> Result<Option<BatchHeader>, ApplyError> {
    let mut lines = LineReader::new(text);
    let (mut header, mut held) = (None, 0);
    while let Some((number, bytes)) = lines.next().map_err(read_error)? {
        if number == 1 && starts_like_a_header(bytes) {
            match FeedLine::read(bytes, number).map_err(ApplyError::Header)? {
                FeedLine::Header(read) => header = Some(read),
                FeedLine::Case(_) | FeedLine::Blank => held += 1,
            }
        } else if !FeedLine::is_blank(bytes) {
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

/// Whether the batch as a whole is acceptable.
fn judge(run: &BatchRun<'_>, header: Option<&BatchHeader>) -> Result<(), ApplyError> {
    let Applied { new, changed, unchanged, quarantined, .. } = run.applied;
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

const READ_BUFFER_BYTES: usize = 256 * 1024;
