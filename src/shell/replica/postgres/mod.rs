//! Follows a table of a PostgreSQL server by logical replication.
//!
//! ```text
//!           ┌────────────── trouble: the copy answers as it is, a pause with some chance in it ◄─────────────┐
//!           ▼                                                                                                │
//!  connect, catalogue ─► plan ─┬─ Continue ───────────────────────────────► stream ─► batches ─► the writer ─┤
//!                              ├─ Copy: new slot, its snapshot ─► rebuild ──► swap ──┘                       │
//!                              └─ Busy, Hold ────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What is acknowledged upstream is on this node's disk. What a batch brings and how far it reaches are one transaction.
//! The decisions are in [`replica::upstream`]; here are the connections, the waits and their limits.

mod beat;
mod catalogue;
mod copy;
mod look;
mod metrics;
mod out;
mod session;
mod stream;
mod tls;
pub mod verify;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pgwire_replication::ReplicationClient;
use tokio::sync::watch;

use config::{Postgres, UpstreamServer};
use replica::upstream::{
    Anchor, Catalogue, Lsn, Plan, Position, Server, UpstreamError, UpstreamErrorKind, Wanted, WhyCopy, lsn_text, plan,
};

use super::feeding::Feeding;
use session::Session;

pub use metrics::UpstreamMetrics;

/// The thread that follows; it ends when this is dropped.
pub(super) struct Follower {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    pub(crate) fn start(settings: &Postgres, feeding: Feeding) -> io::Result<Follower> {
        tls::use_provider();
        let runtime = runtime()?;
        let (stop, stopped) = watch::channel(false);
        let mut following = Following::new(settings.clone(), feeding);
        let thread = std::thread::Builder::new().name("replica-postgres".into());
        let thread = thread.spawn(move || {
            runtime.block_on(following.run(stopped));
            runtime.shutdown_timeout(LAST_WORDS);
        })?;
        Ok(Follower { stop, thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One worker for the connections; the thread that follows waits for the writer meanwhile.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("replica-wire").enable_all().build()
}

/// A node's following of its upstream.
struct Following {
    settings: Postgres,
    feeding: Feeding,
    /// What a stream found out that calls for a copy.
    copy_next: Option<WhyCopy>,
    /// An operator kept the old copy: no other is made until one is asked for.
    kept: AtomicBool,
    failures: u32,
    remarked: bool,
    /// A transaction that memory does not hold, met and counted: it is streamed into the copy the next time.
    huge: Option<stream::Huge>,
}

/// A server that answered, and what it said.
struct Met {
    server: UpstreamServer,
    session: Session,
    catalogue: Catalogue,
    mapping: String,
}

/// How a stream ended that nothing was wrong with.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// To be begun again: the upstream's setup was changed, or a copy is asked for.
    Again,
}

impl Following {
    fn new(settings: Postgres, feeding: Feeding) -> Following {
        Following {
            settings,
            feeding,
            copy_next: None,
            kept: AtomicBool::new(false),
            failures: 0,
            remarked: false,
            huge: None,
        }
    }

    fn metrics(&self) -> &UpstreamMetrics {
        &self.feeding.reading.metrics.upstream
    }

    async fn run(&mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let ended = tokio::select! {
                biased;
                _ = stopped.changed() => return,
                ended = self.attempt() => ended,
            };
            self.metrics().streaming.store(0, Ordering::Relaxed);
            self.metrics().copying.store(0, Ordering::Relaxed);
            let pause = match ended {
                Ok(Ended::Again) => Duration::ZERO,
                Err(trouble) => self.note(trouble),
            };
            tokio::select! {
                biased;
                _ = stopped.changed() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tells a trouble once, and says how long to pause.
    fn note(&mut self, trouble: UpstreamError) -> Duration {
        match trouble.kind {
            UpstreamErrorKind::Diverged => self.copy_next = Some(WhyCopy::Diverged),
            UpstreamErrorKind::Drift => self.copy_next = Some(WhyCopy::Drift),
            _ => {}
        }
        let kind = trouble.kind.name();
        if self.begin_trouble(&trouble) {
            if trouble.kind.passes() {
                tracing::warn!(kind, why = %trouble, "the upstream is not followed at the moment");
            } else {
                tracing::error!(kind, why = %trouble, "the upstream is not followed");
            }
        }
        self.failures = self.failures.saturating_add(1);
        pause(&self.settings, self.failures, chance())
    }

    /// Notes what stops the following, for the status and the metrics; `true` when it is another one than before.
    fn begin_trouble(&self, trouble: &UpstreamError) -> bool {
        let before = self.metrics().set_trouble(Some(trouble.clone()));
        if let Some(before) = before.as_ref().filter(|before| before.kind != trouble.kind) {
            self.feeding.alarm(before.kind.alarm(), None);
        }
        self.feeding.alarm(trouble.kind.alarm(), Some(trouble.what.clone()));
        before.as_ref() != Some(trouble)
    }

    /// The upstream is followed; `true` when it was not.
    fn end_trouble(&self) -> bool {
        let before = self.metrics().set_trouble(None);
        if let Some(before) = &before {
            self.feeding.alarm(before.kind.alarm(), None);
        }
        before.is_some()
    }

    /// Connects, and follows until something ends it.
    async fn attempt(&mut self) -> Result<Ended, UpstreamError> {
        self.await_decision().await;
        let met = self.meet().await?;
        let stored = self.stored();
        let start = stored.as_ref().map_or(0, |(position, _)| position.start());
        let mut client = session::stream(&self.settings, &met.server, start).await?;
        let server = self.limited(catalogue::server(&self.settings, &met.server, &mut client)).await?;
        let slot = catalogue::slot(&self.settings, &met.session).await?;
        let wanted = Wanted {
            slot: &self.settings.slot,
            mapping: &met.mapping,
            shape: &met.catalogue.shape,
            accept_system: self.settings.accept_system.as_deref(),
        };
        let at = stored.as_ref().map(|(position, sequence)| (position, *sequence));
        match self.overruled(plan(wanted, at, &server, slot.as_ref())) {
            Plan::Continue { expect } => self.resume(met, server, client, expect).await,
            Plan::Copy(why) => {
                drop(client);
                self.copy_and_stream(met, server, slot.is_some(), why).await
            }
            Plan::Busy => Err(UpstreamError::new(
                UpstreamErrorKind::SlotBusy,
                format!(
                    "the slot {} is being read: by this node's last connection, or by another node, which must have a \
                     slot of its own",
                    self.settings.slot
                ),
            )),
            Plan::Hold(why) => Err(why.into()),
        }
    }

    /// A copy that is asked for, or that the last stream showed to be needed, comes before going on.
    fn overruled(&mut self, plan: Plan) -> Plan {
        let asked = self.feeding.rebuild_is_wanted().then_some(WhyCopy::Asked);
        match plan {
            Plan::Continue { expect } => match asked.or(self.copy_next) {
                Some(why) => Plan::Copy(why),
                None => Plan::Continue { expect },
            },
            other => other,
        }
    }

    /// What was held for a person waits for that person, and so does a copy that a person did not want.
    async fn await_decision(&self) {
        let held = || self.feeding.reading.metrics.held.load(Ordering::Relaxed) > 0;
        let is_kept = self.kept.load(Ordering::Relaxed);
        let waits = || (held() || is_kept) && !self.feeding.rebuild_is_wanted();
        if waits() {
            self.begin_trouble(&if is_kept { kept() } else { waiting() });
        }
        while waits() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.kept.store(false, Ordering::Relaxed);
    }

    /// Finds the server to follow: the first that is no standby, else the first that answers.
    async fn meet(&mut self) -> Result<Met, UpstreamError> {
        let (mut trouble, mut standby) = (None, None);
        for server in &self.settings.servers {
            let met = async {
                let session = Session::open(&self.settings, server).await?;
                let catalogue = self.limited(catalogue::read(&self.settings, &session)).await?;
                Ok::<_, UpstreamError>((session, catalogue))
            };
            match met.await {
                Ok((session, catalogue)) if catalogue.is_standby => {
                    standby.get_or_insert((server.clone(), session, catalogue));
                }
                Ok((session, catalogue)) => return self.judged(server.clone(), session, catalogue),
                Err(found) => drop(trouble.get_or_insert(found)),
            }
        }
        match (standby, trouble) {
            // Until it is promoted, a standby of before PostgreSQL 16 is of no use.
            (Some((_, _, catalogue)), Some(trouble)) if !catalogue.can_decode() => Err(trouble),
            (Some((server, session, catalogue)), _) => self.judged(server, session, catalogue),
            (None, Some(trouble)) => Err(trouble),
            (None, None) => {
                Err(UpstreamError::new(UpstreamErrorKind::Setup, "replica.postgres.servers names no server"))
            }
        }
    }

    fn judged(&mut self, server: UpstreamServer, session: Session, catalogue: Catalogue) -> Result<Met, UpstreamError> {
        let mapping = &self.settings.mapping;
        if let Some(trouble) = catalogue::complaint(&catalogue.complaints(mapping, &self.settings.publication)) {
            return Err(trouble);
        }
        if !std::mem::replace(&mut self.remarked, true) {
            for remark in catalogue.remarks(mapping) {
                tracing::warn!(remark, "the upstream's setup");
            }
        }
        let mapping = fingerprint(&self.settings, &catalogue);
        Ok(Met { server, session, catalogue, mapping })
    }

    /// Where the copy stands in this upstream's log.
    fn stored(&self) -> Option<(Position, Lsn)> {
        let mark = self.feeding.mark().filter(|mark| mark.source == SOURCE)?;
        Some((Position::read(mark.position.as_deref()?)?, mark.sequence?))
    }

    async fn resume(
        &mut self,
        met: Met,
        server: Server,
        mut client: ReplicationClient,
        expect: Option<Anchor>,
    ) -> Result<Ended, UpstreamError> {
        let Some((stored, _)) = self.stored() else {
            return Err(UpstreamError::new(UpstreamErrorKind::Protocol, "the copy's place is gone: it is read anew"));
        };
        let shape = Some(met.catalogue.shape.clone());
        let position = Position { timeline: server.timeline, shape, ..stored };
        tracing::info!(server = %met.server, from = lsn_text(position.seen), "following the upstream");
        self.begin(&mut client, &met.server).await?;
        self.stream(met, position, client, expect).await
    }

    async fn copy_and_stream(
        &mut self,
        met: Met,
        server: Server,
        drop_slot: bool,
        why: WhyCopy,
    ) -> Result<Ended, UpstreamError> {
        match why.alarm() {
            Some(kind) => {
                self.metrics().alarm(kind);
                tracing::error!(kind = kind.name(), %why, "the upstream is copied anew; the copy answers as it is meanwhile");
            }
            None => tracing::info!(%why, "the upstream is copied"),
        }
        let (position, mut client) = self.copy(&met, &server, drop_slot).await?;
        self.copy_next = None;
        self.begin(&mut client, &met.server).await?;
        self.stream(met, position, client, None).await
    }

    /// Starts the stream on a connection that has asked what it had to ask.
    async fn begin(&self, client: &mut ReplicationClient, server: &UpstreamServer) -> Result<(), UpstreamError> {
        let begun = async {
            client.start().await.map_err(|error| session::of_stream(&self.settings, server, &error))?;
            client.wait_started().await.map_err(|error| session::of_stream(&self.settings, server, &error))
        };
        self.limited(begun).await
    }

    /// A conversation that may not take longer than a connection.
    async fn limited<T>(&self, work: impl Future<Output = Result<T, UpstreamError>>) -> Result<T, UpstreamError> {
        let limit = self.settings.connect_timeout.max(CONVERSATION_AT_LEAST);
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => Err(UpstreamError::new(
                UpstreamErrorKind::Silent,
                format!("the upstream does not answer within {limit:?}"),
            )),
        }
    }
}

/// Stands for all that decides what a row becomes.
fn fingerprint(settings: &Postgres, catalogue: &Catalogue) -> String {
    let filter = catalogue.publication.as_ref().and_then(|publication| publication.row_filter.as_deref());
    settings.mapping.fingerprint(filter)
}

/// How long to wait after so many failures: doubled each time, up to the most, and half of it by chance.
fn pause(settings: &Postgres, failures: u32, chance: f64) -> Duration {
    let doubled = settings.reconnect_first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(settings.reconnect_max).mul_f64(0.5 + chance / 2.0)
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

fn waiting() -> UpstreamError {
    UpstreamError::new(
        UpstreamErrorKind::Held,
        "deletes are held for a person: jindu replica held apply, if they are meant, or held drop",
    )
}

fn kept() -> UpstreamError {
    UpstreamError::new(
        UpstreamErrorKind::Held,
        "an operator kept the old copy: jindu replica rebuild copies the upstream as it is",
    )
}

/// The source of the marks.
pub const SOURCE: &str = "postgres";
const LOOK_EVERY: Duration = Duration::from_millis(200);
const CONVERSATION_AT_LEAST: Duration = Duration::from_secs(15);
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_most_and_never_is_the_same_for_all() {
        let settings = Postgres::default();
        assert_eq!(pause(&settings, 1, 1.0), settings.reconnect_first);
        assert_eq!(pause(&settings, 2, 1.0), settings.reconnect_first * 2);
        assert_eq!(pause(&settings, 40, 1.0), settings.reconnect_max);
        assert_eq!(pause(&settings, 40, 0.0), settings.reconnect_max / 2);
    }
}
