//! The thread that keeps the copy in order while it serves: the scrub, the quarantine, the rate, what is wrong.
//!
//! It ticks a few times a second, and each tick does a bounded piece of work. Damage is written nowhere but told: the
//! source is asked for a copy of everything, which takes the damaged file's place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use os::clock;
use replica::SAMPLE;

use super::cache::locked;
use super::conditions::{DAMAGED, QUARANTINE};
use super::feeding::Feeding;
use super::scrub::{Pass, Slice};
use super::store;
use super::writer::Task;

/// The thread's own.
pub(super) struct Upkeep {
    feeding: Feeding,
    rows_per_tick: u32,
    pass: Pass,
    /// The file that the pass goes through.
    passing: u64,
    open: Option<(u64, Connection)>,
    ticks: u64,
    applied: u64,
    /// The file that was last looked through, and when that ended.
    passed: Option<(u64, Instant)>,
}

impl Upkeep {
    pub(crate) fn new(feeding: Feeding, scrub_rows_per_second: u32) -> Upkeep {
        let rows_per_tick = (scrub_rows_per_second / TICKS_PER_SECOND).max(1);
        let applied = feeding.reading.metrics.rows_applied.load(Ordering::Relaxed);
        let (pass, passing) = (Pass::default(), 0);
        Upkeep { feeding, rows_per_tick, pass, passing, open: None, ticks: 0, applied, passed: None }
    }

    /// The life of the thread: until `stopped` is gone.
    pub(crate) fn run(mut self, stopped: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.ticks += 1;
        if self.ticks.is_multiple_of(RATE_TICKS) {
            self.rate();
            self.tell_quarantine();
            self.remake_sample();
        }
        if let Err(error) = self.scrub() {
            tracing::warn!(%error, "the scrub could not read the replica: it goes on");
            self.open = None;
        }
    }

    fn scrub(&mut self) -> rusqlite::Result<()> {
        let reading = Arc::clone(&self.feeding.reading);
        let file = reading.file.load(Ordering::Acquire);
        let rests = self.passed.is_some_and(|(of, at)| of == file && at.elapsed() < REST);
        if rests || locked(&reading.mark).is_none() {
            return Ok(());
        }
        let connection = reading.connection(&mut self.open)?;
        if self.passing != file {
            (self.passing, self.pass) = (file, Pass::default());
        }
        let fresh = self.passed.is_none_or(|(of, _)| of != file);
        let rows = if fresh { self.rows_per_tick.saturating_mul(FIRST_PASS) } else { self.rows_per_tick };
        let slice = slices(&mut self.pass, connection, rows)?;
        if self.open.as_ref().is_none_or(|(open, _)| *open != file) || reading.file.load(Ordering::Acquire) != file {
            return Ok(());
        }
        match slice {
            Slice::Last => {
                let pass = std::mem::take(&mut self.pass);
                self.passed = Some((file, Instant::now()));
                self.end(&pass);
            }
            // At once, and again when the pass is over: nobody is told "not found" from a file that is damaged.
            Slice::More if !self.pass.damage.is_none() => reading.torn.store(true, Ordering::Release),
            Slice::More => {}
        }
        Ok(())
    }

    /// A pass is over, or met damage behind which it cannot go.
    fn end(&self, pass: &Pass) {
        let metrics = &self.feeding.reading.metrics;
        metrics.damaged.store(pass.damage.rows + pass.damage.structure.len() as u64, Ordering::Relaxed);
        self.feeding.reading.torn.store(!pass.damage.is_none(), Ordering::Release);
        if !pass.damage.is_none() {
            self.feeding.reading.damaged(&format!(
                "{} damaged rows, structure: {}",
                pass.damage.rows,
                pass.damage.structure.first().map_or("sound", String::as_str)
            ));
            return;
        }
        self.feeding.reading.alarms.clear(DAMAGED);
        let at = clock::timestamp();
        metrics.set_scrubbed(at);
        let noted = self.feeding.told(|done| {
            Task::Do(Box::new(move |writer| {
                let noted = writer.connection().and_then(|connection| Ok(store::put_scrubbed(connection, at)?));
                let _ = done.send(noted);
            }))
        });
        if let Err(error) = noted {
            tracing::debug!(%error, "the end of a scrub could not be noted");
        }
    }

    fn rate(&mut self) {
        let metrics = &self.feeding.reading.metrics;
        let applied = metrics.rows_applied.load(Ordering::Relaxed);
        let seconds = RATE_TICKS / u64::from(TICKS_PER_SECOND);
        metrics.rows_per_second.store((applied - self.applied) / seconds.max(1), Ordering::Relaxed);
        self.applied = applied;
    }

    /// The sample has no source that could be asked for it: this node makes it again.
    fn remake_sample(&self) {
        let reading = &self.feeding.reading;
        let sample = locked(&reading.mark).as_ref().is_some_and(|mark| mark.source == SAMPLE);
        if !sample || !self.feeding.rebuild_is_wanted() {
            return;
        }
        let cases = locked(&reading.sample).as_ref().map(|make| make());
        if let Some(cases) = cases
            && let Err(error) = self.feeding.fill_sample(cases)
        {
            tracing::warn!(%error, "the sample could not be made again");
        }
    }

    fn tell_quarantine(&self) {
        let rows = self.feeding.reading.metrics.quarantined.load(Ordering::Relaxed);
        let lost = self.feeding.reading.metrics.quarantine_lost.load(Ordering::Relaxed);
        let text = match (rows, lost) {
            (0, 0) => None,
            (_, 0) => Some("rows could not be used: see jindu replica quarantine list".to_owned()),
            _ => Some("more bad rows came than are kept: mend the upstream, then jindu replica rebuild".to_owned()),
        };
        self.feeding.reading.alarms.set(QUARANTINE, text);
    }
}

/// Goes on by so many rows, a few in each read: whoever wants to swap the file or empty its log waits for a read to end.
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
/// The rate is over so many ticks.
const RATE_TICKS: u64 = 50;
/// Between two passes through the same file.
const REST: Duration = Duration::from_secs(60);
/// The first pass through a file is so many times as fast: nobody knows yet what the file is worth.
const FIRST_PASS: u32 = 5;
