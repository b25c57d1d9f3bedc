//! One media thread: orders in, packets out, packets in, until it is ordered to quit.
//!
//! With few sessions the thread sleeps until the next packet is due or something arrives; with many it sleeps from
//! millisecond to millisecond and takes what has arrived meanwhile in one go, which costs far fewer wake-ups.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use super::bridge;
use super::id::SessionId;
use super::inbox::{Inbox, Order};
use super::metrics::{MediaMetrics, add};
use super::ports::{Pair, Ports};
use super::session::{Buffers, Flow, Session};
use super::sys::{self, Batch, Epoll};
use super::table::{Opened, Stage, Table};
use super::wheel::Wheel;
use audio::Bank;
use call::{MediaEvent, MediaFrame, MediaLimits, MediaSession, MediaSetup};

/// What a media thread owns.
pub(super) struct Thread {
    inbox: Arc<Inbox>,
    ports: Arc<Ports>,
    metrics: Arc<MediaMetrics>,
    limits: MediaLimits,
    epoll: Epoll,
    wheel: Wheel<SessionId>,
    sessions: Table,
    frame: MediaFrame,
    batch: Batch,
    events: Vec<MediaEvent>,
    swept: Instant,
}

/// Runs a thread to its end.
pub(super) fn run(mut thread: Thread) {
    sys::prefer_this_thread();
    let (mut orders, mut tokens, mut due) = (VecDeque::new(), Vec::new(), Vec::new());
    loop {
        thread.inbox.take(&mut orders);
        for order in orders.drain(..) {
            if matches!(order, Order::Quit) {
                return;
            }
            thread.obey(order);
        }
        thread.send_due(&mut due);
        thread.receive(&mut tokens);
        thread.sweep();
        thread.wait();
    }
}

impl Thread {
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        ports: Arc<Ports>,
        metrics: Arc<MediaMetrics>,
        limits: MediaLimits,
        threads: usize,
    ) -> io::Result<Thread> {
        let epoll = Epoll::new()?;
        epoll.add(inbox.waker.as_fd(), WAKER)?;
        let now = Instant::now();
        Ok(Thread {
            inbox,
            ports,
            metrics,
            limits,
            epoll,
            wheel: Wheel::new(now),
            sessions: Table::new(threads),
            frame: MediaFrame::default(),
            batch: Batch::new(),
            events: Vec::new(),
            swept: now,
        })
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Open { id, pair, seed } => {
                add(&self.metrics.sessions, 1);
                self.sessions.open(now, id, Opened { pair, seed });
            }
            Order::Begin { id, setup, bank, events } => {
                if let Some(opened) = self.sessions.take_opened(id) {
                    self.begin(now, id, opened, *setup, bank, events);
                }
            }
            Order::Command { id, command } => {
                self.with_session(id, |session, buffers| session.command(now, *command, buffers));
            }
            Order::Bridge { one, other } => bridge::join(&mut self.sessions, one, other),
            Order::Unbridge { id } => bridge::part(&mut self.sessions, id),
            Order::Close { id } => self.close(now, id),
            Order::Quit => {}
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        id: SessionId,
        opened: Opened,
        setup: MediaSetup,
        bank: Arc<Bank>,
        events: Sender<MediaEvent>,
    ) {
        let mut stream = MediaSession::new(setup, bank, self.limits, opened.seed, now);
        stream.start_at(self.wheel.place(now, stream.ptime()));
        let due = stream.deadline();
        let token = u64::from(id.place) << 1;
        let added = self
            .epoll
            .add(opened.pair.rtp.as_fd(), token)
            .and_then(|()| self.epoll.add(opened.pair.rtcp.as_fd(), token | 1));
        self.sessions.begin(id, Session::new(opened.pair, stream, events));
        match added {
            Ok(()) => self.wheel.insert(id, due),
            Err(error) => {
                tracing::error!(%error, "a media session cannot listen; its call ends");
                self.close(now, id);
            }
        }
    }

    fn send_due(&mut self, due: &mut Vec<SessionId>) {
        self.wheel.take_due(Instant::now(), due);
        for id in due.drain(..) {
            // Each packet has its own time: the last of many is later than the first.
            let now = Instant::now();
            let mut borrowed = bridge::borrow(&mut self.sessions, id);
            let relay = borrowed.as_mut().map(|(_, relay)| &mut **relay);
            let next = self.with_session(id, |session, buffers| session.tick(now, relay, buffers));
            bridge::give_back(&mut self.sessions, borrowed);
            if let Some(next) = next {
                self.wheel.insert(id, next);
            }
        }
    }

    fn receive(&mut self, tokens: &mut Vec<u64>) {
        self.epoll.ready(tokens);
        let now = Instant::now();
        for token in tokens.drain(..) {
            if token == WAKER {
                self.inbox.waker.reset();
                continue;
            }
            let Some(id) = self.sessions.occupant((token >> 1) as u32) else { continue };
            self.with_session(id, |session, buffers| {
                if token & 1 == 0 {
                    session.rtp_ready(now, buffers)
                } else {
                    session.rtcp_ready(now, buffers);
                    Flow::Continue(())
                }
            });
        }
    }

    /// Does something with a session, and ends it if it does not go on; a panic ends this session and no other. Returns
    /// when it is due next.
    fn with_session(
        &mut self,
        id: SessionId,
        work: impl FnOnce(&mut Session, &mut Buffers<'_>) -> Flow,
    ) -> Option<Instant> {
        let session = self.sessions.session(id)?;
        let mut buffers = Buffers {
            frame: &mut self.frame,
            batch: &mut self.batch,
            events: &mut self.events,
            metrics: &self.metrics,
        };
        match catch_unwind(AssertUnwindSafe(|| work(session, &mut buffers))) {
            Ok(ControlFlow::Continue(())) => return Some(session.stream.deadline()),
            Ok(ControlFlow::Break(())) => self.close(Instant::now(), id),
            Err(_panic) => {
                add(&self.metrics.panics, 1);
                self.events.clear();
                if let Some(Stage::Begun(session)) = self.sessions.remove(id) {
                    self.retire(session.pair, Instant::now());
                }
            }
        }
        None
    }

    fn close(&mut self, now: Instant, id: SessionId) {
        bridge::part(&mut self.sessions, id);
        let pair = match self.sessions.remove(id) {
            Some(Stage::Begun(session)) => {
                let mut buffers = Buffers {
                    frame: &mut self.frame,
                    batch: &mut self.batch,
                    events: &mut self.events,
                    metrics: &self.metrics,
                };
                session.close(now, &mut buffers)
            }
            Some(Stage::Opened(opened)) => opened.pair,
            None => return,
        };
        self.retire(pair, now);
    }

    fn retire(&mut self, pair: Pair, now: Instant) {
        self.epoll.remove(pair.rtp.as_fd());
        self.epoll.remove(pair.rtcp.as_fd());
        self.ports.give_back(pair, now);
        self.metrics.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// Closes what was opened and never begun.
    fn sweep(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        while let Some(id) = self.sessions.forgotten(now, UNBEGUN_MAX) {
            self.close(now, id);
        }
    }

    fn wait(&self) {
        // The waker of an order that came after the last were taken may just have been reset; it wakes once only.
        if self.inbox.is_waiting() {
            return;
        }
        let until = self.wheel.next().map_or(SWEEP, |due| due.saturating_duration_since(Instant::now()));
        if self.sessions.begun() > FEW {
            std::thread::sleep(until.min(GATHER));
        } else {
            self.epoll.wait(until.min(SWEEP));
        }
    }
}

const WAKER: u64 = u64::MAX;
/// Longer than an INVITE can be without its ACK (64 × T1 = 32 s, RFC 3261 §17.2.1).
const UNBEGUN_MAX: Duration = Duration::from_secs(64);
const SWEEP: Duration = Duration::from_secs(1);
/// Above this many sessions the thread wakes by the clock alone.
const FEW: usize = 8;
/// How long what has arrived may wait meanwhile.
const GATHER: Duration = Duration::from_millis(2);
