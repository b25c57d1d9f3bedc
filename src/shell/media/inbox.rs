//! The orders of the control plane that wait for a media thread.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;

use super::bridge::Hearing;
use super::error::MediaBusy;
use super::id::SessionId;
use super::packet_trace::PacketTraceSender;
use super::ports::Pair;
use super::sys::Waker;
use super::tap::TapSender;
use audio::Bank;
use call::{MediaCommand, MediaEvent, MediaSetup};

/// What the control plane orders of a thread.
pub(super) enum Order {
    Open { id: SessionId, pair: Pair, seed: u64 },
    Begin { id: SessionId, setup: Box<MediaSetup>, bank: Arc<Bank>, events: Sender<MediaEvent> },
    Command { id: SessionId, command: MediaCommand },
    Bridge { one: SessionId, other: SessionId },
    Hear { hearings: Vec<Hearing> },
    Unbridge { id: SessionId },
    Tap { caller: SessionId, agent: SessionId, sender: TapSender },
    PauseTap { id: SessionId, paused: bool },
    EndTap { id: SessionId },
    Trace { id: SessionId, sender: PacketTraceSender },
    Close { id: SessionId },
    Quit,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Order")
    }
}

/// Orders that wait for a thread.
#[derive(Debug)]
pub(super) struct Inbox {
    orders: Mutex<VecDeque<Order>>,
    /// Wakes the thread when the first order comes.
    pub waker: Waker,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Inbox> {
        Ok(Inbox { orders: Mutex::default(), waker: Waker::new()? })
    }

    /// Puts an order in, unless too many wait.
    pub(super) fn push(&self, order: Order) -> Result<(), MediaBusy> {
        self.put(order, ORDERS_MAX)
    }

    /// Puts in an order that opens or ends something: there is one a session, and sessions are bounded by the ports.
    pub(super) fn push_always(&self, order: Order) {
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
            self.waker.wake();
        }
        Ok(())
    }

    /// Whether orders wait.
    pub(super) fn is_waiting(&self) -> bool {
        !self.orders.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes all orders, and leaves the emptied queue for the next ones.
    pub(super) fn take(&self, into: &mut VecDeque<Order>) {
        std::mem::swap(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}

/// More orders than all calls of a node give in a second.
const ORDERS_MAX: usize = 65_536;
