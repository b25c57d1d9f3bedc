//! What is captured of one call, until the command that asked for it has fetched it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::transport::{Direction, Sink};
use super::trunks::Trunks;
use os::clock;
use sip::capture::{CallTrace, Mask, Packet, TraceEnd, pcap};

/// One trace. Its messages wait as they came, and are masked on their way out.
pub(crate) struct Trace {
    state: Mutex<State>,
    trunks: Arc<Trunks>,
}

struct State {
    call: CallTrace,
    queue: VecDeque<(Packet<'static>, Vec<u8>)>,
    /// Octets that wait.
    octets: usize,
    /// Messages for which there was no room.
    lost: u64,
}

/// How a trace stands.
pub(crate) struct Standing {
    /// Why nothing more is captured; none while it goes on.
    pub end: Option<TraceEnd>,
    /// Everything that was captured was fetched.
    pub is_fetched: bool,
    /// The call, once there is one.
    pub call_id: Option<String>,
    /// Messages for which there was no room.
    pub lost: u64,
}

impl Trace {
    pub(crate) fn new(call: CallTrace, trunks: Arc<Trunks>) -> Trace {
        Trace { state: Mutex::new(State { call, queue: VecDeque::new(), octets: 0, lost: 0 }), trunks }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next messages as records of a pcap file, masked: so many octets, or a little more. Also how many messages.
    pub(crate) fn fetch(&self, mask: &Mask, octets_max: usize) -> (Vec<u8>, u64) {
        let (mut records, mut messages) = (Vec::new(), 0);
        while records.len() < octets_max {
            let Some((packet, mut octets)) = self.next() else { break };
            mask.apply(&mut octets);
            records.extend(pcap::record(&Packet { octets: &octets, ..packet }));
            messages += 1;
        }
        (records, messages)
    }

    fn next(&self) -> Option<(Packet<'static>, Vec<u8>)> {
        let mut state = self.state();
        let next = state.queue.pop_front()?;
        state.octets -= next.1.len();
        Some(next)
    }

    /// How it stands at a moment.
    pub(crate) fn standing(&self, now: Instant) -> Standing {
        let mut state = self.state();
        state.call.on_time(now);
        Standing {
            end: state.call.ended(),
            is_fetched: state.queue.is_empty(),
            call_id: state.call.call_id().map(str::to_owned),
            lost: state.lost,
        }
    }

    /// Captures nothing more.
    pub(crate) fn stop(&self) {
        self.state().call.stop();
    }
}

impl Sink for Trace {
    fn take(&self, direction: Direction, packet: &Packet<'_>) {
        let mut state = self.state();
        let asks = direction == Direction::Received && state.call.is_waiting();
        let trunk = if asks { self.trunks.find(packet.transport, packet.source.ip()) } else { None };
        if !state.call.takes(clock::now(), packet, trunk) {
            return;
        }
        if state.octets + packet.octets.len() > OCTETS_MAX {
            state.lost += 1;
            return;
        }
        state.octets += packet.octets.len();
        state.queue.push_back((Packet { octets: &[], ..*packet }, packet.octets.to_vec()));
    }
}

/// What waits for the command; it comes four times a second.
const OCTETS_MAX: usize = 16 * 1024 * 1024;
