//! The maintenance thread of a serving node: the scrub, the alarm of the quarantine, the rate of applied rows.
//!
//! It ticks ten times a second, and each tick does a bounded piece of work. Damage is not repaired in place: it raises an
//! alarm and requests a full snapshot from the source, which replaces the damaged file.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use os::clock;
use replica::SAMPLE;

use crate::alarms::{DAMAGED, QUARANTINE, UNKNOWN_WORD};
use crate::file::scrub::{Pass, Slice};
use crate::file::state;
use crate::locks::locked;
use crate::shared::OpenFile;
use crate::write::handle::WriterHandle;
use crate::write::rebuild::rebuild_sample;

/// The state of the maintenance thread.
pub(crate) struct Maintenance {
    writer: WriterHandle,
    rows_per_tick: u32,
    pass: Pass,
    /// The number of the file that the pass reads.
    pass_file: u64,
    open: OpenFile,
    ticks: u64,
    applied: u64,
    /// The number of the file that was scrubbed last, and when.
    scrubbed: Option<(u64, Instant)>,
}

impl Maintenance {
    pub(crate) fn new(writer: WriterHandle, scrub_rows_per_second: u32) -> Maintenance {
        let rows_per_tick = (scrub_rows_per_second / TICKS_PER_SECOND).max(1);
        let applied = writer.shared.metrics.rows_applied.load(Ordering::Relaxed);
        let (pass, pass_file) = (Pass::default(), 0);
        Maintenance { writer, rows_per_tick, pass, pass_file, open: None, ticks: 0, applied, scrubbed: None }
    }

    /// Ticks until the sender of `stopped` is dropped.
    pub(crate) fn run(mut self, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        if self.ticks.is_multiple_of(RATE_TICKS) {
            self.rate();
            self.report_quarantine();
            self.rebuild_sample();
            self.forget_unknown_word();
        }
        if let Err(error) = self.scrub() {
            tracing::warn!(%error, "scrub_read_failed: it is retried");
            self.open = None;
        }
    }

    fn scrub(&mut self) -> rusqlite::Result<()> {
        let shared = Arc::clone(&self.writer.shared);
        let file = shared.file.load(Ordering::Acquire);
        let resting = self.scrubbed.is_some_and(|(of, at)| of == file && at.elapsed() < REST);
        if resting || locked(&shared.mark).is_none() {
            return Ok(());
        }
        let connection = shared.connection(&mut self.open)?;
        if self.pass_file != file {
            (self.pass_file, self.pass) = (file, Pass::default());
        }
        let first = self.scrubbed.is_none_or(|(of, _)| of != file);
        let rows = if first { self.rows_per_tick.saturating_mul(FIRST_PASS) } else { self.rows_per_tick };
        let slice = slices(&mut self.pass, connection, rows)?;
        if self.open.as_ref().is_none_or(|(open, ..)| *open != file) || shared.file.load(Ordering::Acquire) != file {
            return Ok(());
        }
        match slice {
            Slice::Last => {
                let pass = std::mem::take(&mut self.pass);
                self.scrubbed = Some((file, Instant::now()));
                self.end(&pass);
            }
            // At once, not only at the end of the pass: a damaged file must not answer "not found".
            Slice::More if !self.pass.damage.is_none() => shared.damage_known.store(true, Ordering::Release),
            Slice::More => {}
        }
        Ok(())
    }

    /// Evaluates a pass that is complete, or that damage has stopped.
    fn end(&self, pass: &Pass) {
        let metrics = &self.writer.shared.metrics;
        metrics.damaged.store(pass.damage.rows + pass.damage.structure.len() as u64, Ordering::Relaxed);
        self.writer.shared.damage_known.store(!pass.damage.is_none(), Ordering::Release);
        if !pass.damage.is_none() {
            self.writer.shared.report_damage(&format!(
                "{} damaged rows, structure: {}",
                pass.damage.rows,
                pass.damage.structure.first().map_or("sound", String::as_str)
            ));
            return;
        }
        self.writer.shared.alarms.clear(DAMAGED);
        let at = clock::timestamp();
        metrics.set_scrubbed(at);
        let stored = self.writer.run(move |writer| Ok(state::put_scrubbed(writer.connection()?, at)?));
        if let Err(error) = stored {
            tracing::debug!(%error, "scrub_end_not_stored");
        }
    }

    fn rate(&mut self) {
        let metrics = &self.writer.shared.metrics;
        let applied = metrics.rows_applied.load(Ordering::Relaxed);
        let seconds = RATE_TICKS / u64::from(TICKS_PER_SECOND);
        metrics.rows_per_second.store((applied - self.applied) / seconds.max(1), Ordering::Relaxed);
        self.applied = applied;
    }

    /// The sample has no source: this node rebuilds it.
    fn rebuild_sample(&self) {
        let shared = &self.writer.shared;
        let sample = locked(&shared.mark).as_ref().is_some_and(|mark| mark.source == SAMPLE);
        if !sample || !self.writer.rebuild_requested() {
            return;
        }
        let cases = locked(&shared.sample).as_ref().map(|make| make());
        if let Some(cases) = cases
            && let Err(error) = rebuild_sample(&self.writer, cases)
        {
            tracing::warn!(%error, "sample_not_rebuilt");
        }
    }

    fn forget_unknown_word(&self) {
        let shared = &self.writer.shared;
        let ago = clock::timestamp().as_second() - shared.unknown_word_at.load(Ordering::Relaxed);
        if ago > UNKNOWN_WORD_S {
            shared.alarms.clear(UNKNOWN_WORD);
        }
    }

    fn report_quarantine(&self) {
        let rows = self.writer.shared.metrics.quarantined.load(Ordering::Relaxed);
        let lost = self.writer.shared.metrics.quarantine_lost.load(Ordering::Relaxed);
        let text = match (rows, lost) {
            (0, 0) => None,
            (_, 0) => Some("some rows could not be applied; see jindu replica quarantine list".to_owned()),
            _ => Some(
                "more bad rows came than the quarantine holds; correct the upstream, then run jindu replica rebuild"
                    .to_owned(),
            ),
        };
        self.writer.shared.alarms.set(QUARANTINE, text);
    }
}

/// Scrubs so many rows in short reads, since a swap and a truncation of the log wait for a read to end.
fn slices(pass: &mut Pass, connection: &Connection, mut rows: u32) -> rusqlite::Result<Slice> {
    while rows > SLICE_ROWS {
        if pass.slice(connection, SLICE_ROWS)? == Slice::Last {
            return Ok(Slice::Last);
        }
        rows -= SLICE_ROWS;
    }
    pass.slice(connection, rows)
}

const SLICE_ROWS: u32 = 1_000;
const TICKS_PER_SECOND: u32 = 10;
const TICK: Duration = Duration::from_millis(100);
/// Ticks over which the rate is measured.
const RATE_TICKS: u64 = 50;
/// Pause between two passes over the same file.
const REST: Duration = Duration::from_secs(60);
/// The first pass over a file is faster by this factor, since the state of the file is unknown.
const FIRST_PASS: u32 = 5;
/// How long the alarm for a word that the flow lacks stays after the last look-up that met one, in seconds.
const UNKNOWN_WORD_S: i64 = 3600;
