//! One media thread: orders in, packets out, packets in, until it is told to quit.
//!
//! With few streams the thread sleeps until the next packet is due or something arrives; with many it sleeps from
//! millisecond to millisecond and takes what has arrived meanwhile in one go, which costs far fewer wake-ups.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use super::line::{Fate, Lent, Line};
use super::metrics::{MediaMetrics, add};
use super::ports::{Pair, Ports};
use super::sys::{self, Batch, Bell, Epoll};
use super::wheel::Wheel;
use super::{MediaBusy, StreamId, UNBEGUN_MAX};
use audio::Bank;
use call::{MediaCommand, MediaEvent, MediaFrame, MediaLimits, MediaSession, MediaSetup};

/// What the control plane wants of a thread.
pub(super) enum Order {
    Open { id: StreamId, pair: Pair, seed: u64 },
    Begin { id: StreamId, setup: Box<MediaSetup>, bank: Arc<Bank>, events: Sender<MediaEvent> },
    Command { id: StreamId, command: Box<MediaCommand> },
    Close { id: StreamId },
    Quit,
}

/// Orders that wait for a thread.
#[derive(Debug)]
pub(super) struct Inbox {
    orders: Mutex<VecDeque<Order>>,
    bell: Bell,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Order")
    }
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Inbox> {
        Ok(Inbox { orders: Mutex::default(), bell: Bell::new()? })
    }

    /// Puts an order in, unless too many wait.
    pub(crate) fn push(&self, order: Order) -> Result<(), MediaBusy> {
        self.put(order, ORDERS_MAX)
    }

    /// Puts in an order that opens or ends something: there is one a stream, and streams are bounded by the ports.
    pub(crate) fn push_always(&self, order: Order) {
        let _ = self.put(order, usize::MAX);
    }

    fn put(&self, order: Order, most: usize) -> Result<(), MediaBusy> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if orders.len() >= most {
            return Err(MediaBusy);
        }
        orders.push_back(order);
        let first = orders.len() == 1;
        drop(orders);
        if first {
            self.bell.ring();
        }
        Ok(())
    }

    /// Whether orders wait.
    fn is_waiting(&self) -> bool {
        !self.orders.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes all orders, and leaves the emptied queue for the next ones.
    fn take(&self, into: &mut VecDeque<Order>) {
        std::mem::swap(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}

/// A media thread's own.
pub(super) struct Thread {
    inbox: Arc<Inbox>,
    ports: Arc<Ports>,
    metrics: Arc<MediaMetrics>,
    limits: MediaLimits,
    epoll: Epoll,
    wheel: Wheel,
    opened: HashMap<u64, Opened>,
    lines: HashMap<u64, Line>,
    frame: MediaFrame,
    batch: Batch,
    events: Vec<MediaEvent>,
    swept: Instant,
}

/// A stream that has ports and has not begun.
struct Opened {
    pair: Pair,
    seed: u64,
    since: Instant,
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
    ) -> io::Result<Thread> {
        let epoll = Epoll::new()?;
        epoll.add(inbox.bell.as_fd(), BELL)?;
        let now = Instant::now();
        Ok(Thread {
            inbox,
            ports,
            metrics,
            limits,
            epoll,
            wheel: Wheel::new(now),
            opened: HashMap::new(),
            lines: HashMap::new(),
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
                add(&self.metrics.streams, 1);
                self.opened.insert(id.0, Opened { pair, seed, since: now });
            }
            Order::Begin { id, setup, bank, events } => {
                if let Some(opened) = self.opened.remove(&id.0) {
                    self.begin(now, id.0, opened, *setup, bank, events);
                }
            }
            Order::Command { id, command } => {
                self.with_line(id.0, |line, lent| line.command(now, *command, lent));
            }
            Order::Close { id } => self.close(now, id.0),
            Order::Quit => {}
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        id: u64,
        opened: Opened,
        setup: MediaSetup,
        bank: Arc<Bank>,
        events: Sender<MediaEvent>,
    ) {
        let mut stream = MediaSession::new(setup, bank, self.limits, opened.seed, now);
        stream.start_at(self.wheel.place(now, stream.ptime()));
        let due = stream.deadline();
        let added = self
            .epoll
            .add(opened.pair.rtp.as_fd(), id << 1)
            .and_then(|()| self.epoll.add(opened.pair.rtcp.as_fd(), id << 1 | 1));
        self.lines.insert(id, Line::new(opened.pair, stream, events));
        match added {
            Ok(()) => self.wheel.insert(id, due),
            Err(error) => {
                tracing::error!(%error, "a media stream cannot listen; its call ends");
                self.close(now, id);
            }
        }
    }

    fn send_due(&mut self, due: &mut Vec<u64>) {
        self.wheel.take_due(Instant::now(), due);
        for id in due.drain(..) {
            // Each packet has its own time: the last of many is later than the first.
            let now = Instant::now();
            let next = self.with_line(id, |line, lent| line.tick(now, lent));
            if let Some(next) = next {
                self.wheel.insert(id, next);
            }
        }
    }

    fn receive(&mut self, tokens: &mut Vec<u64>) {
        self.epoll.ready(tokens);
        let now = Instant::now();
        for token in tokens.drain(..) {
            if token == BELL {
                self.inbox.bell.silence();
                continue;
            }
            self.with_line(token >> 1, |line, lent| {
                if token & 1 == 0 {
                    line.rtp_ready(now, lent)
                } else {
                    line.rtcp_ready(now, lent);
                    Fate::GoesOn
                }
            });
        }
    }

    /// Does something with a line, and ends it if that is its fate; a panic ends this line and no other. Returns when
    /// it is due next.
    fn with_line(&mut self, id: u64, work: impl FnOnce(&mut Line, &mut Lent<'_>) -> Fate) -> Option<Instant> {
        let line = self.lines.get_mut(&id)?;
        let mut lent =
            Lent { frame: &mut self.frame, batch: &mut self.batch, events: &mut self.events, metrics: &self.metrics };
        match catch_unwind(AssertUnwindSafe(|| work(line, &mut lent))) {
            Ok(Fate::GoesOn) => return Some(line.stream.deadline()),
            Ok(Fate::Ends) => self.close(Instant::now(), id),
            Err(_panic) => {
                add(&self.metrics.panics, 1);
                self.events.clear();
                if let Some(line) = self.lines.remove(&id) {
                    self.retire(line.pair, Instant::now());
                }
            }
        }
        None
    }

    fn close(&mut self, now: Instant, id: u64) {
        let pair = if let Some(line) = self.lines.remove(&id) {
            let mut lent = Lent {
                frame: &mut self.frame,
                batch: &mut self.batch,
                events: &mut self.events,
                metrics: &self.metrics,
            };
            line.close(now, &mut lent)
        } else if let Some(opened) = self.opened.remove(&id) {
            opened.pair
        } else {
            return;
        };
        self.retire(pair, now);
    }

    fn retire(&mut self, pair: Pair, now: Instant) {
        self.epoll.remove(pair.rtp.as_fd());
        self.epoll.remove(pair.rtcp.as_fd());
        self.ports.give_back(pair, now);
        self.metrics.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Closes what was opened and never begun.
    fn sweep(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        let forgotten: Vec<u64> = self
            .opened
            .iter()
            .filter(|(_, opened)| now.duration_since(opened.since) >= UNBEGUN_MAX)
            .map(|(id, _)| *id)
            .collect();
        for id in forgotten {
            self.close(now, id);
        }
    }

    fn wait(&self) {
        // The bell of an order that came after the last were taken may just have been silenced; it rings once only.
        if self.inbox.is_waiting() {
            return;
        }
        let until = self.wheel.next().map_or(SWEEP, |due| due.saturating_duration_since(Instant::now()));
        if self.lines.len() > FEW {
            std::thread::sleep(until.min(GATHER));
        } else {
            self.epoll.wait(until.min(SWEEP));
        }
    }
}

const BELL: u64 = u64::MAX;
/// More orders than all calls of a node give in a second.
const ORDERS_MAX: usize = 65_536;
const SWEEP: Duration = Duration::from_secs(1);
/// Above so many streams the thread wakes by the clock alone.
const FEW: usize = 8;
/// How long what has arrived may lie meanwhile.
const GATHER: Duration = Duration::from_millis(2);
