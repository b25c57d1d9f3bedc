//! What an operator asks of the node that serves: performs the requests of `jindu replica …`.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use base::{Bilingual, bilingual, plural};

use crate::control::{Reply, Request};
use crate::file::held::{self, Decision, Held};
use crate::file::quarantine::{self, QuarantinedRow};
use crate::file::store;
use crate::locks::locked;
use crate::look_up::Replica;
use crate::status::Status;
use crate::write::batch::ApplyError;
use crate::write::writer::Writer;

impl Replica {
    /// Performs an operator's request. Blocks: not for an async task.
    pub fn perform(&self, request: Request) -> Reply {
        let done = match request {
            Request::Status => return Reply::Status(Box::new(self.status())),
            Request::Quarantine => match self.quarantine() {
                Ok(rows) => return Reply::Quarantine(rows),
                Err(error) => Err(error),
            },
            Request::Rebuild => {
                self.shared.requests.set_rebuild_requested(true);
                Ok(Bilingual::fixed(
                    "a full snapshot was requested from the source; the present copy answers until it is there",
                    "已向上游请求完整快照；到达之前由现有副本答复",
                ))
            }
            Request::Damaged => {
                self.shared.report_damage("jindu replica verify found damage");
                Ok(Bilingual::fixed("a full snapshot was requested from the source", "已向上游请求完整快照"))
            }
            Request::Retry { id } => self.run(move |writer| writer.retry(id.as_deref())),
            Request::Forget { id } => self.forget(id),
            Request::Decide { decision } => self.decide(decision).map(|decided| match decided {
                true => Bilingual::fixed(
                    "decided; the source continues with its next attempt",
                    "已决定；上游下次尝试时继续",
                ),
                false => Bilingual::fixed("nothing is held", "没有暂缓的变更"),
            }),
        };
        done.map_or_else(|error| Reply::Refused(error.text()), Reply::Done)
    }

    /// The state of the replica.
    pub fn status(&self) -> Status {
        let (metrics, shared) = (&self.shared.metrics, &self.shared);
        let mark = locked(&shared.mark).clone();
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let bytes = |suffix| fs::metadata(store::with_suffix(&shared.path, suffix)).map_or(0, |file| file.len());
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
            rebuild_wanted: shared.requests.rebuild_requested(),
            rebuilds: number(&metrics.rebuilds),
            last_scrub: metrics.scrubbed(),
            last_scrub_age_s: metrics.scrubbed().map(|at| inquiry::age(at, now).as_secs()),
            damaged: number(&metrics.damaged),
            file_bytes: bytes(""),
            log_bytes: bytes("-wal"),
            alarms: shared.alarms.all(),
        }
    }

    /// The batch that waits for an operator's decision. Blocks: not for an async task.
    pub fn held(&self) -> Result<Option<Held>, ApplyError> {
        self.run(|writer| Ok(held::get(writer.connection()?)?))
    }

    /// Stores an operator's decision on the held batch, for the source's next attempt; `false` when nothing is held.
    pub fn decide(&self, decision: Decision) -> Result<bool, ApplyError> {
        self.run(move |writer| {
            let decided = held::decide(writer.connection()?, decision)?;
            writer.publish_held();
            Ok(decided)
        })
    }

    /// The oldest rows in quarantine, at most 1000.
    pub fn quarantine(&self) -> Result<Vec<QuarantinedRow>, ApplyError> {
        self.run(|writer| Ok(quarantine::list(writer.connection()?, LISTED_MAX)?))
    }

    fn forget(&self, id: Option<String>) -> Result<Bilingual, ApplyError> {
        self.run(move |writer| {
            let removed = quarantine::remove(writer.connection()?, id.as_deref())?;
            writer.publish_quarantine();
            let s = plural(removed);
            Ok(bilingual!(
                "{removed} row{s} dropped; where the replica has older rows of their cases, those are served again",
                "已丢弃 {removed} 行；副本中有这些案件较早内容的，按较早内容答复"
            ))
        })
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, ApplyError> + Send + 'static,
    ) -> Result<T, ApplyError> {
        self.writer.as_ref().ok_or(ApplyError::Ending)?.run(work)
    }
}

const LISTED_MAX: usize = 1000;
