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

use super::arrival::Channel;
use super::bridge;
use super::id::SessionId;
use super::inbox::{Inbox, Order};
use super::io::{MediaIoInUse, Sockets};
use super::metrics::{MediaMetrics, Tally, add};
use super::ports::{Pair, Ports};
use super::session::{Buffers, Flow, Session};
use super::sys;
use super::table::{Opened, Stage, Table};
use super::tapping;
use super::wheel::Wheel;
use audio::Bank;
use base::MediaIo;
use call::{MediaCommand, MediaEvent, MediaFrame, MediaLimits, MediaSession, MediaSetup};

/// What a media thread owns.
pub(super) struct Thread {
    inbox: Arc<Inbox>,
    ports: Arc<Ports>,
    metrics: Arc<MediaMetrics>,
    limits: MediaLimits,
    sockets: Sockets,
    wheel: Wheel<SessionId>,
    sessions: Table,
    frame: MediaFrame,
    events: Vec<MediaEvent>,
    tally: Tally,
    swept: Instant,
}

/// What a media thread is given.
pub(super) struct Shared {
    pub inbox: Arc<Inbox>,
    pub ports: Arc<Ports>,
    pub metrics: Arc<MediaMetrics>,
    pub limits: MediaLimits,
    /// How many media threads there are.
    pub threads: usize,
    pub media_io: MediaIo,
    /// Which of the cores that this process may use the thread stays on.
    pub core: Option<usize>,
}

/// Runs a thread to its end. `started` learns whether it could start, and with which sockets.
pub(super) fn run(shared: Shared, started: impl FnOnce(io::Result<MediaIoInUse>)) {
    sys::prefer_this_thread();
    if let Some(core) = shared.core {
        sys::stay_on_core(core);
    }
    let mut thread = match Thread::new(shared) {
        Ok((thread, in_use)) => {
            started(Ok(in_use));
            thread
        }
        Err(error) => return started(Err(error)),
    };
    let (mut orders, mut due) = (VecDeque::new(), Vec::new());
    loop {
        thread.inbox.take(&mut orders);
        for order in orders.drain(..) {
            if matches!(order, Order::Quit) {
                return;
            }
            if thread.ends_recording(&order) {
                // What arrived before the order belongs to the recording.
                thread.receive();
            }
            thread.obey(order);
        }
        if thread.is_late() {
            // Packets that arrived in time must not count as late because this thread is late.
            thread.receive();
        }
        thread.send_due(&mut due);
        thread.receive();
        thread.sweep();
        thread.tally.count_in(&thread.metrics);
        thread.wait();
    }
}

impl Thread {
    fn new(shared: Shared) -> io::Result<(Thread, MediaIoInUse)> {
        let Shared { inbox, ports, metrics, limits, threads, media_io, core: _ } = shared;
        let (sockets, in_use) = Sockets::new(media_io, inbox.waker.as_fd(), 2 * ports.pairs().div_ceil(threads))?;
        let now = Instant::now();
        let thread = Thread {
            inbox,
            ports,
            metrics,
            limits,
            sockets,
            wheel: Wheel::new(now),
            sessions: Table::new(threads),
            frame: MediaFrame::default(),
            events: Vec::new(),
            tally: Tally::default(),
            swept: now,
        };
        Ok((thread, in_use))
    }

    /// Whether an order ends what is recorded of a peer.
    fn ends_recording(&mut self, order: &Order) -> bool {
        let id = match order {
            Order::Close { id } | Order::EndTap { id } => *id,
            Order::Command { id, command: MediaCommand::StopRecord } => *id,
            _ => return false,
        };
        self.sessions.session(id).is_some_and(|session| session.is_recorded())
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Open { id, pair, seed } => {
                add(&self.metrics.sessions, 1);
                self.sessions.open(now, id, Opened { pair, seed, trace: None });
            }
            Order::Begin { id, setup, bank, events } => {
                if let Some(opened) = self.sessions.take_opened(id) {
                    self.begin(now, id, opened, *setup, bank, events);
                }
            }
            Order::Command { id, command } => {
                let is_setup = matches!(command, MediaCommand::Setup(_));
                self.with_session(id, |session, buffers| session.command(now, command, buffers));
                if is_setup {
                    self.hasten(now, id);
                }
            }
            Order::Bridge { one, other } => bridge::join(&mut self.sessions, one, other),
            Order::Hear { hearings } => bridge::hear(&mut self.sessions, &hearings),
            Order::Unbridge { id } => bridge::part(&mut self.sessions, id),
            Order::Tap { caller, agent, sender } => tapping::begin(&mut self.sessions, now, [caller, agent], &sender),
            Order::PauseTap { id, paused } => tapping::pause(&mut self.sessions, id, paused),
            Order::EndTap { id } => tapping::end(&mut self.sessions, id),
            Order::Trace { id, sender } => self.sessions.trace(id, sender),
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
        let Opened { mut pair, seed, trace } = opened;
        let mut stream = MediaSession::new(setup, bank, self.limits, seed, now);
        stream.start_at(self.wheel.place(now, stream.ptime()));
        let due = stream.deadline();
        match self.sockets.listen(id, &mut pair) {
            Ok(()) => {
                let mut session = Session::new(now, pair, stream, events);
                session.trace = trace;
                self.sessions.begin(id, session);
                self.wheel.insert(id, due);
            }
            Err(error) => {
                tracing::error!(%error, "a media session cannot listen; its call ends");
                self.retire((pair, false), now);
            }
        }
    }

    /// Lets a stream that may send from now on begin as if it were new.
    fn hasten(&mut self, now: Instant, id: SessionId) {
        let Some(session) =
            self.sessions.session(id).filter(|session| session.stream.is_about_to_send() && session.entries == 1)
        else {
            return;
        };
        let at = self.wheel.place(now, session.stream.ptime());
        if at < session.stream.deadline() {
            session.stream.start_at(at);
            session.entries += 1;
            self.wheel.insert(id, at);
        }
    }

    fn send_due(&mut self, due: &mut Vec<SessionId>) {
        let mut now = Instant::now();
        self.wheel.take_due(now, due);
        for (n, id) in due.drain(..).enumerate() {
            if n % CLOCK_PACKETS == CLOCK_PACKETS - 1 {
                // The last of many is later than the first.
                now = Instant::now();
            }
            let Some(session) = self.sessions.session(id) else { continue };
            if session.is_superseded(now) {
                continue;
            }
            let next = if session.links.hear() {
                let mut borrowed = bridge::borrow(&mut self.sessions, id);
                let relays = &mut borrowed.relays;
                let next = self.with_session(id, |session, buffers| session.tick(now, relays, buffers));
                bridge::give_back(&mut self.sessions, id, borrowed);
                next
            } else {
                self.with_session(id, |session, buffers| session.tick(now, &mut [], buffers))
            };
            if let Some(next) = next {
                self.wheel.insert(id, next);
            }
        }
    }

    fn is_late(&self) -> bool {
        self.wheel.next().is_some_and(|due| due + LATE <= Instant::now())
    }

    /// Sends what is queued, and takes what has arrived.
    fn receive(&mut self) {
        self.sockets.turn();
        let now = Instant::now();
        loop {
            let sessions = &self.sessions;
            let pair_at = |place| sessions.occupant(place).and_then(|id| Some((id, sessions.pair(id)?)));
            let Some(arrival) = self.sockets.next(pair_at) else { break };
            if arrival.channel == Channel::Waker {
                self.inbox.waker.reset();
                continue;
            }
            self.tally.received += u64::from(arrival.channel == Channel::Rtp);
            let Some((datagram, from)) = self.sockets.datagram() else { continue };
            let Some(session) = self.sessions.session(arrival.id) else { continue };
            let events = &mut self.events;
            let handled = catch_unwind(AssertUnwindSafe(|| match arrival.channel {
                Channel::Rtp => session.rtp(now, datagram, from, events),
                Channel::Rtcp | Channel::Waker => session.rtcp(now, datagram, from),
            }));
            match handled {
                Err(_panic) => self.panicked(arrival.id),
                Ok(()) if self.events.is_empty() => {}
                Ok(()) => {
                    self.with_session(arrival.id, |session, buffers| session.report(buffers));
                }
            }
        }
        let failed = self.sockets.take_send_errors();
        self.tally.send_failed(failed);
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
            sockets: &mut self.sockets,
            events: &mut self.events,
            tally: &mut self.tally,
            metrics: &self.metrics,
        };
        match catch_unwind(AssertUnwindSafe(|| work(session, &mut buffers))) {
            Ok(ControlFlow::Continue(())) => return Some(session.stream.deadline()),
            Ok(ControlFlow::Break(())) => self.close(Instant::now(), id),
            Err(_panic) => self.panicked(id),
        }
        None
    }

    fn panicked(&mut self, id: SessionId) {
        add(&self.metrics.panics, 1);
        self.events.clear();
        bridge::part(&mut self.sessions, id);
        if let Some(Stage::Begun(session)) = self.sessions.remove(id) {
            self.sockets.ignore(&session.pair);
            self.retire(session.into_pair(), Instant::now());
        }
    }

    fn close(&mut self, now: Instant, id: SessionId) {
        bridge::part(&mut self.sessions, id);
        let pair = match self.sessions.remove(id) {
            Some(Stage::Begun(mut session)) => {
                let mut buffers = Buffers {
                    frame: &mut self.frame,
                    sockets: &mut self.sockets,
                    events: &mut self.events,
                    tally: &mut self.tally,
                    metrics: &self.metrics,
                };
                session.close(now, &mut buffers);
                self.sockets.ignore(&session.pair);
                session.into_pair()
            }
            Some(Stage::Opened(opened)) => (opened.pair, false),
            None => return,
        };
        self.retire(pair, now);
    }

    fn retire(&mut self, (mut pair, connected): (Pair, bool), now: Instant) {
        if connected {
            // What the session has sent goes by the connection.
            self.sockets.flush();
        }
        if connected && pair.disconnect().is_err() {
            // It stays connected to the old caller, and so serves no other.
            self.sockets.forget(&mut pair);
            self.ports.discard(pair);
        } else {
            self.ports.give_back(pair, now);
        }
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

    fn wait(&mut self) {
        // The waker of an order that came after the last were taken may just have been reset; it wakes once only.
        if self.inbox.is_waiting() {
            return;
        }
        let until = self.wheel.next().map_or(SWEEP, |due| due.saturating_duration_since(Instant::now()));
        if self.sessions.begun() > FEW {
            std::thread::sleep(until.min(GATHER));
        } else {
            self.sockets.wait(until.min(SWEEP));
        }
    }
}

/// After so many packets the clock is read again.
const CLOCK_PACKETS: usize = 32;
/// Longer than an INVITE can be unanswered and then without its ACK: a session of a call to an agent is opened with the INVITE and
/// begun with the answer, and a queue's `ring_limit_s` is 120 at the most; the rest is 64 × T1 (RFC 3261 §17.2.1).
const UNBEGUN_MAX: Duration = Duration::from_secs(120 + 32);
const SWEEP: Duration = Duration::from_secs(1);
/// Above this many sessions the thread wakes by the clock alone.
const FEW: usize = 8;
/// From this lateness on, arrived packets are read before packets are sent.
const LATE: Duration = Duration::from_millis(4);
/// How long what has arrived may wait meanwhile.
const GATHER: Duration = Duration::from_millis(2);
