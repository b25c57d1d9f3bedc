//! What is captured of one call, until the command that asked for it has fetched it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::trace_sound::TraceSound;
use super::transport::{Direction, Sink};
use super::trunks::Trunks;
use os::clock;
use sip::capture::{CallTrace, Mask, Packet, TraceEnd, pcap};

/// One trace. Its messages wait as they came, and are masked on their way out.
pub(crate) struct Trace {
    state: Mutex<State>,
    trunks: Arc<Trunks>,
    /// Where the headers of its packets are taken; none: they are not asked for.
    sound: Option<TraceSound>,
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
    /// Messages and packets for which there was no room.
    pub lost: u64,
}

/// What has come, as records of a pcap file in the order of time.
#[derive(Default)]
pub(crate) struct Fetched {
    pub records: Vec<u8>,
    pub messages: u64,
    pub packets: u64,
}

impl Trace {
    pub(crate) fn new(call: CallTrace, trunks: Arc<Trunks>, sound: Option<TraceSound>) -> Trace {
        let state = Mutex::new(State { call, queue: VecDeque::new(), octets: 0, lost: 0 });
        let trace = Trace { state, trunks, sound };
        trace.follow_sound();
        trace
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next messages, masked, and the headers of packets: so many octets, or a little more.
    pub(crate) fn fetch(&self, mask: &Mask, octets_max: usize) -> Fetched {
        let (mut fetched, mut records, mut octets) = (Fetched::default(), Vec::<(Duration, Vec<u8>)>::new(), 0);
        while octets < octets_max {
            let Some((packet, mut text)) = self.next() else { break };
            mask.apply(&mut text);
            let record = pcap::record(&Packet { octets: &text, ..packet });
            octets += record.len();
            records.push((packet.at, record));
            fetched.messages += 1;
        }
        while let Some((at, record)) = self.sound.as_ref().filter(|_| octets < octets_max).and_then(TraceSound::next) {
            if !self.state().call.has_room(record.len()) {
                break;
            }
            octets += record.len();
            records.push((at, record));
            fetched.packets += 1;
        }
        records.sort_by_key(|(at, _)| *at);
        fetched.records = records.into_iter().flat_map(|(_, record)| record).collect();
        fetched
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
            lost: state.lost + self.sound.as_ref().map_or(0, TraceSound::lost),
        }
    }

    /// Captures nothing more.
    pub(crate) fn stop(&self) {
        self.state().call.stop();
    }

    /// Has the headers of the call's packets taken, once its media session is known.
    fn follow_sound(&self) {
        let Some(sound) = self.sound.as_ref().filter(|sound| sound.is_sought()) else { return };
        let call_id = self.state().call.call_id().map(str::to_owned);
        if let Some(call_id) = call_id {
            sound.seek(&call_id);
        }
    }

    fn keep(&self, direction: Direction, packet: &Packet<'_>) {
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

impl Sink for Trace {
    fn take(&self, direction: Direction, packet: &Packet<'_>) {
        self.keep(direction, packet);
        self.follow_sound();
    }
}

/// What waits for the command; it comes four times a second.
const OCTETS_MAX: usize = 16 * 1024 * 1024;
