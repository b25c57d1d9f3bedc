//! The thread that follows a PostgreSQL upstream: connects, plans, copies if it has to, streams, and starts again.

use std::io;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use pgwire_replication::ReplicationClient;
use tokio::sync::watch;

use config::{Postgres, UpstreamServer};
use replica::upstream::{
    Anchor, Plan, Position, Server, UpstreamError, UpstreamErrorKind, Wanted, WhyCopy, lsn_text, plan,
};

use crate::write::handle::WriterHandle;

use super::connected::{Connected, connect, limited};
use super::following::{Ended, Following};
use super::{catalogue, session, tls};

/// The thread that follows; it stops when this is dropped.
pub(crate) struct Follower {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts the thread.
    pub(crate) fn start(settings: &Postgres, writer: WriterHandle) -> io::Result<Follower> {
        tls::use_provider();
        let runtime = session::runtime()?;
        let (stop, stopped) = watch::channel(false);
        let mut following = Following::new(settings.clone(), writer);
        let thread = std::thread::Builder::new().name("replica-postgres".into());
        let thread = thread.spawn(move || {
            runtime.block_on(following.run(stopped));
            runtime.shutdown_timeout(SHUTDOWN);
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

impl Following {
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
                Ok(Ended::Restart) => Duration::ZERO,
                Err(trouble) => self.report(trouble),
            };
            tokio::select! {
                biased;
                _ = stopped.changed() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Connects, and follows until something ends it.
    async fn attempt(&mut self) -> Result<Ended, UpstreamError> {
        self.await_decision().await;
        let connected = connect(&self.settings).await?;
        self.check_setup(&connected)?;
        let stored = self.stored();
        let start = stored.as_ref().map_or(0, |(position, _)| position.start());
        let mut client = session::stream(&self.settings, &connected.server, start).await?;
        let server = catalogue::server(&self.settings, &connected.server, &mut client);
        let server = limited(&self.settings, server).await?;
        let slot = catalogue::slot(&self.settings, &connected.session).await?;
        let wanted = Wanted {
            slot: &self.settings.slot,
            mapping: &connected.mapping,
            shape: &connected.catalogue.shape,
            accept_system: self.settings.accept_system.as_deref(),
        };
        let at = stored.as_ref().map(|(position, sequence)| (position, *sequence));
        match self.with_requests(plan(wanted, at, &server, slot.as_ref())) {
            Plan::Continue { expect } => self.resume(connected, server, client, expect).await,
            Plan::Copy(why) => {
                drop(client);
                self.copy_and_stream(connected, server, slot.is_some(), why).await
            }
            Plan::Busy => Err(slot_busy(&self.settings.slot)),
            Plan::Hold(why) => Err(why.into()),
        }
    }

    /// Checks that the upstream's setup allows following, and logs remarks on it once.
    fn check_setup(&mut self, connected: &Connected) -> Result<(), UpstreamError> {
        let (catalogue, mapping) = (&connected.catalogue, &self.settings.mapping);
        if let Some(trouble) = catalogue::setup_trouble(&catalogue.diagnostics(mapping, &self.settings.publication)) {
            return Err(trouble);
        }
        if !std::mem::replace(&mut self.remarks_logged, true) {
            for remark in catalogue.remarks(mapping) {
                tracing::warn!(remark, "upstream_setup");
            }
        }
        Ok(())
    }

    /// A requested copy, or one that the last stream requires, replaces a plan to continue.
    fn with_requests(&mut self, plan: Plan) -> Plan {
        let requested = self.writer.rebuild_requested().then_some(WhyCopy::Asked);
        match plan {
            Plan::Continue { expect } => match requested.or(self.copy_next) {
                Some(why) => Plan::Copy(why),
                None => Plan::Continue { expect },
            },
            other => other,
        }
    }

    /// Waits while a batch is held for an operator, or while an operator has kept the old copy.
    async fn await_decision(&self) {
        let held = || self.writer.shared.metrics.held.load(Ordering::Relaxed) > 0;
        let is_kept = self.old_copy_kept.load(Ordering::Relaxed);
        let waits = || (held() || is_kept) && !self.writer.rebuild_requested();
        if waits() {
            self.begin_trouble(&UpstreamError::new(
                UpstreamErrorKind::Held,
                if is_kept { OLD_COPY_KEPT } else { DELETES_HELD },
            ));
        }
        while waits() {
            tokio::time::sleep(POLL_EVERY).await;
        }
        self.old_copy_kept.store(false, Ordering::Relaxed);
    }

    async fn resume(
        &mut self,
        connected: Connected,
        server: Server,
        mut client: ReplicationClient,
        expect: Option<Anchor>,
    ) -> Result<Ended, UpstreamError> {
        let Some((stored, _)) = self.stored() else {
            return Err(UpstreamError::new(
                UpstreamErrorKind::Protocol,
                "the replica's position is gone; the table is copied again",
            ));
        };
        let shape = Some(connected.catalogue.shape.clone());
        let position = Position { timeline: server.timeline, shape, ..stored };
        tracing::info!(server = %connected.server, from = lsn_text(position.seen), "upstream_resumed");
        self.start_stream(&mut client, &connected.server).await?;
        self.stream(connected, position, client, expect).await
    }

    async fn copy_and_stream(
        &mut self,
        connected: Connected,
        server: Server,
        drop_slot: bool,
        why: WhyCopy,
    ) -> Result<Ended, UpstreamError> {
        match why.alarm() {
            Some(kind) => {
                self.metrics().count_trouble(kind);
                tracing::error!(kind = kind.name(), %why, "upstream_copied_again: the present copy answers meanwhile");
            }
            None => tracing::info!(%why, "upstream_copied"),
        }
        let (position, mut client) = self.copy(&connected, &server, drop_slot).await?;
        self.copy_next = None;
        self.start_stream(&mut client, &connected.server).await?;
        self.stream(connected, position, client, None).await
    }

    /// Starts the stream on a connection on which all queries are done.
    async fn start_stream(&self, client: &mut ReplicationClient, server: &UpstreamServer) -> Result<(), UpstreamError> {
        let started = async {
            client.start().await.map_err(|error| session::of_stream(&self.settings, server, &error))?;
            client.wait_started().await.map_err(|error| session::of_stream(&self.settings, server, &error))
        };
        limited(&self.settings, started).await
    }
}

fn slot_busy(slot: &str) -> UpstreamError {
    let what = format!(
        "the slot {slot} is in use: by this node's last connection, or by another node, which needs a slot of its own"
    );
    UpstreamError::new(UpstreamErrorKind::SlotBusy, what)
}

const DELETES_HELD: &str =
    "deletes are held; if they are intended, run jindu replica held apply, otherwise jindu replica held drop";
const OLD_COPY_KEPT: &str = "an operator kept the old copy; jindu replica rebuild copies the upstream as it is";
const POLL_EVERY: Duration = Duration::from_millis(200);
const SHUTDOWN: Duration = Duration::from_secs(1);
