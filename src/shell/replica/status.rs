//! How the copy is, for a person and for a program.

use std::fmt;
use std::fs;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use replica::Mark;

use super::apply::ApplyError;
use super::cache::locked;
use super::conditions::Condition;
use super::control::{Reply, Request};
use super::held::{self, Held};
use super::store;
use super::writer::Task;
use super::{Replica, quarantine};

/// How the copy is.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Status {
    /// Whether a node serves from it.
    pub serving: bool,
    pub cases: u64,
    pub source: Option<String>,
    pub sequence: Option<u64>,
    pub position: Option<String>,
    pub as_of: Option<Timestamp>,
    /// Since the upstream last vouched for the copy, by the upstream's clock.
    pub age_s: Option<u64>,
    /// What the source knows to be on its way.
    pub lag_rows: u64,
    pub lag_bytes: u64,
    pub rows_per_second: u64,
    pub quarantined: u64,
    /// Bad rows for which the quarantine had no room.
    pub quarantine_lost: u64,
    pub held: Option<Held>,
    /// Whether the source is asked for a copy of everything.
    pub rebuild_wanted: bool,
    pub rebuilds: u64,
    pub last_scrub: Option<Timestamp>,
    pub last_scrub_age_s: Option<u64>,
    /// Faults that the last scrub found.
    pub damaged: u64,
    pub file_bytes: u64,
    pub log_bytes: u64,
    pub alarms: Vec<Condition>,
}

impl Replica {
    /// Does what an operator asks. Waits: not for an async task.
    pub fn perform(&self, request: Request) -> Reply {
        let done = match request {
            Request::Status => return Reply::Status(Box::new(self.status())),
            Request::Quarantine => match self.quarantine() {
                Ok(rows) => return Reply::Quarantine(rows),
                Err(error) => Err(error),
            },
            Request::Rebuild => {
                self.reading.asks.want_rebuild(true);
                Ok("the source is asked for a copy of everything; the one that is there answers until then".into())
            }
            Request::Damaged => {
                self.reading.damaged("a check from outside found damage");
                Ok("noted: a copy of everything is asked of the source".into())
            }
            Request::Retry { id } => self.retry(id),
            Request::Forget { id } => self.forget(id),
            Request::Decide { decision } => self.decide(decision).map(|decided| {
                let words = if decided { "noted: its source goes on at its next try" } else { "nothing is held" };
                words.to_owned()
            }),
        };
        done.map_or_else(|error| Reply::Refused(error.to_string()), Reply::Done)
    }

    /// How the copy is.
    pub fn status(&self) -> Status {
        let (metrics, reading) = (&self.reading.metrics, &self.reading);
        let mark: Option<Mark> = locked(&reading.mark).clone();
        let number = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let bytes = |end| fs::metadata(store::beside(&reading.path, end)).map_or(0, |file| file.len());
        let now = Timestamp::now();
        Status {
            serving: self.is_following(),
            cases: number(&metrics.rows),
            source: mark.as_ref().map(|mark| mark.source.clone()),
            sequence: mark.as_ref().and_then(|mark| mark.sequence),
            position: mark.as_ref().and_then(|mark| mark.position.clone()),
            as_of: mark.as_ref().map(|mark| mark.as_of),
            age_s: self.age().map(|age| age.as_secs()),
            lag_rows: number(&metrics.lag_rows),
            lag_bytes: number(&metrics.lag_bytes),
            rows_per_second: number(&metrics.rows_per_second),
            quarantined: number(&metrics.quarantined),
            quarantine_lost: number(&metrics.quarantine_lost),
            held: self.held().ok().flatten(),
            rebuild_wanted: reading.asks.rebuild_is_wanted(),
            rebuilds: number(&metrics.rebuilds),
            last_scrub: metrics.scrubbed(),
            last_scrub_age_s: metrics.scrubbed().map(|at| inquiry::age(at, now).as_secs()),
            damaged: number(&metrics.damaged),
            file_bytes: bytes(""),
            log_bytes: bytes("-wal"),
            alarms: reading.alarms.all(),
        }
    }

    /// What waits for a person. Waits: not for an async task.
    pub fn held(&self) -> Result<Option<Held>, ApplyError> {
        self.asked(|writer| Ok(held::get(writer.connection()?)?))
    }

    /// A person says what is to become of what is held; `false` when nothing is. Its source sees it at its next try.
    pub fn decide(&self, decision: held::Decision) -> Result<bool, ApplyError> {
        self.asked(move |writer| {
            let decided = held::decide(writer.connection()?, decision)?;
            writer.publish_held();
            Ok(decided)
        })
    }

    /// The oldest rows in quarantine.
    pub fn quarantine(&self) -> Result<Vec<quarantine::Kept>, ApplyError> {
        self.asked(|writer| Ok(quarantine::list(writer.connection()?, LISTED_MAX)?))
    }

    /// Tries rows of the quarantine again: those kept here at once, the others through their source.
    fn retry(&self, id: Option<String>) -> Result<String, ApplyError> {
        self.asked(move |writer| writer.retry(id.as_deref()))
    }

    fn forget(&self, id: Option<String>) -> Result<String, ApplyError> {
        self.asked(move |writer| {
            let gone = quarantine::remove(writer.connection()?, id.as_deref())?;
            writer.publish_quarantine();
            Ok(format!("{gone} rows dropped: what the copy holds of their cases is told again"))
        })
    }

    /// Asks the writer, between two of its tasks.
    fn asked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut super::writer::Writer) -> Result<T, ApplyError> + Send + 'static,
    ) -> Result<T, ApplyError> {
        let feeding = self.feeding.as_ref().ok_or(ApplyError::Ending)?;
        feeding.told(|done| Task::Do(Box::new(move |writer| drop(done.send(work(writer))))))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".into());
        let span = |seconds: Option<u64>| or_none(seconds.map(span));
        writeln!(f, "cases        {}", self.cases)?;
        writeln!(f, "source       {}", or_none(self.source.clone()))?;
        writeln!(f, "place        {}", or_none(self.sequence.map(|n| n.to_string())))?;
        if let Some(position) = &self.position {
            writeln!(f, "position     {position}")?;
        }
        writeln!(f, "as of        {}", or_none(self.as_of.map(|as_of| as_of.to_string())))?;
        writeln!(f, "age          {}", span(self.age_s))?;
        writeln!(f, "on its way   {} rows, {} bytes", self.lag_rows, self.lag_bytes)?;
        writeln!(f, "applied      {} rows/s", self.rows_per_second)?;
        writeln!(f, "quarantine   {} rows, {} not kept", self.quarantined, self.quarantine_lost)?;
        match &self.held {
            Some(held) => writeln!(f, "held         {held}")?,
            None => writeln!(f, "held         nothing")?,
        }
        writeln!(f, "rebuild      {}", if self.rebuild_wanted { "asked of the source" } else { "not wanted" })?;
        writeln!(f, "last scrub   {} ago, {} faults", span(self.last_scrub_age_s), self.damaged)?;
        writeln!(f, "file         {} bytes, log {} bytes", self.file_bytes, self.log_bytes)?;
        writeln!(f, "served       {}", if self.serving { "by a node" } else { "by nobody" })?;
        for alarm in &self.alarms {
            writeln!(f, "ALARM        {}, since {}: {}", alarm.kind, alarm.since, alarm.text)?;
        }
        Ok(())
    }
}

fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// Rows that are listed at once.
const LISTED_MAX: usize = 1000;
