//! The sessions of one media thread, each in the place of its pair of ports: found by an index, without hashing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::id::SessionId;
use super::packet_trace::PacketTraceSender;
use super::ports::Pair;
use super::session::Session;

/// The sessions of one thread.
pub(super) struct Table {
    /// By place, divided by the number of threads; grown as places come into use.
    places: Vec<Option<Occupant>>,
    /// How many threads there are; places are dealt out to them in turn.
    threads: usize,
    begun: usize,
    /// The sessions that were opened and may not have begun, oldest first.
    unbegun: VecDeque<(Instant, SessionId)>,
}

struct Occupant {
    serial: u32,
    stage: Stage,
}

/// How far a session is. Boxed: most places are free.
pub(super) enum Stage {
    Opened(Box<Opened>),
    Begun(Box<Session>),
}

/// A session that has ports and has not begun.
pub(super) struct Opened {
    pub pair: Pair,
    pub seed: u64,
    /// Takes the headers of its packets once it has begun.
    pub trace: Option<Box<PacketTraceSender>>,
}

impl Table {
    pub(super) fn new(threads: usize) -> Table {
        Table { places: Vec::new(), threads, begun: 0, unbegun: VecDeque::new() }
    }

    /// How many sessions have begun.
    pub(super) fn begun(&self) -> usize {
        self.begun
    }

    /// Puts an opened session in its place, which is free: its ports are its own.
    pub(super) fn open(&mut self, now: Instant, id: SessionId, opened: Opened) {
        self.put(id, Stage::Opened(Box::new(opened)));
        self.unbegun.push_back((now, id));
    }

    /// Takes an opened session out, to begin it.
    pub(super) fn take_opened(&mut self, id: SessionId) -> Option<Opened> {
        let place = self.place(id.place)?;
        match place.take() {
            Some(Occupant { serial, stage: Stage::Opened(opened) }) if serial == id.serial => Some(*opened),
            other => {
                *place = other;
                None
            }
        }
    }

    /// Puts a session that has begun in its place.
    pub(super) fn begin(&mut self, id: SessionId, session: Session) {
        self.put(id, Stage::Begun(Box::new(session)));
        self.begun += 1;
    }

    /// A session that has begun and not ended.
    pub(super) fn session(&mut self, id: SessionId) -> Option<&mut Session> {
        match self.place(id.place)? {
            Some(Occupant { serial, stage: Stage::Begun(session) }) if *serial == id.serial => Some(session),
            Some(_) | None => None,
        }
    }

    /// Gives the headers of a session's packets to a trace.
    pub(super) fn trace(&mut self, id: SessionId, sender: PacketTraceSender) {
        let trace = match self.place(id.place) {
            Some(Some(Occupant { serial, stage })) if *serial == id.serial => match stage {
                Stage::Opened(opened) => &mut opened.trace,
                Stage::Begun(session) => &mut session.trace,
            },
            Some(_) | None => return,
        };
        *trace = Some(Box::new(sender));
    }

    /// The session that has a place, if there is one.
    pub(super) fn occupant(&self, place: u32) -> Option<SessionId> {
        let serial = self.places.get(self.index(place))?.as_ref()?.serial;
        Some(SessionId { place, serial })
    }

    /// The sockets of a session that has begun and not ended.
    pub(super) fn pair(&self, id: SessionId) -> Option<&Pair> {
        match self.places.get(self.index(id.place))? {
            Some(Occupant { serial, stage: Stage::Begun(session) }) if *serial == id.serial => Some(&session.pair),
            Some(_) | None => None,
        }
    }

    /// Takes a session out for good.
    pub(super) fn remove(&mut self, id: SessionId) -> Option<Stage> {
        let removed = self.place(id.place)?.take_if(|occupant| occupant.serial == id.serial)?.stage;
        if matches!(removed, Stage::Begun(_)) {
            self.begun -= 1;
        }
        Some(removed)
    }

    /// The next session that was opened at least `after` ago and never begun.
    pub(super) fn forgotten(&mut self, now: Instant, after: Duration) -> Option<SessionId> {
        while let Some((opened, id)) = self.unbegun.front().copied() {
            let waits = matches!(self.places.get(self.index(id.place)),
                Some(Some(Occupant { serial, stage: Stage::Opened(_) })) if *serial == id.serial);
            if waits && now.duration_since(opened) < after {
                return None;
            }
            self.unbegun.pop_front();
            if waits {
                return Some(id);
            }
        }
        None
    }

    fn put(&mut self, id: SessionId, stage: Stage) {
        let index = self.index(id.place);
        if index >= self.places.len() {
            self.places.resize_with(index + 1, || None);
        }
        self.places[index] = Some(Occupant { serial: id.serial, stage });
    }

    fn place(&mut self, place: u32) -> Option<&mut Option<Occupant>> {
        let index = self.index(place);
        self.places.get_mut(index)
    }

    fn index(&self, place: u32) -> usize {
        place as usize / self.threads
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};

    use super::*;
    use crate::ports::Ports;

    const LIMIT: Duration = Duration::from_secs(64);

    /// A pair of ports that the system says are free.
    fn opened() -> Opened {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        loop {
            let probe = UdpSocket::bind((here, 0)).expect("loopback");
            let first = probe.local_addr().expect("bound").port() & !1;
            drop(probe);
            if let Ok(ports) = Ports::new(&[here], (first, first + 1)) {
                return Opened {
                    pair: ports.take(here, Instant::now(), |_| true).expect("free"),
                    seed: 0,
                    trace: None,
                };
            }
        }
    }

    fn id(place: u32, serial: u32) -> SessionId {
        SessionId { place, serial }
    }

    #[test]
    fn a_session_is_found_in_its_place_by_its_own_serial_number() {
        let mut table = Table::new(2);
        table.open(Instant::now(), id(5, 7), opened());
        assert_eq!((table.occupant(5), table.occupant(3), table.occupant(99)), (Some(id(5, 7)), None, None));
        assert!(table.session(id(5, 7)).is_none() && table.begun() == 0, "it has not begun");
        assert!(table.take_opened(id(5, 6)).is_none() && table.remove(id(5, 8)).is_none());
        assert!(table.take_opened(id(5, 7)).is_some());
        assert_eq!(table.occupant(5), None);
    }

    #[test]
    fn a_session_that_does_not_begin_in_time_is_forgotten_and_no_other() {
        let (mut table, start) = (Table::new(1), Instant::now());
        table.open(start, id(0, 1), opened());
        table.open(start, id(1, 2), opened());
        table.open(start + LIMIT, id(2, 3), opened());
        assert_eq!(table.forgotten(start + LIMIT - Duration::from_millis(1), LIMIT), None);
        assert!(table.take_opened(id(0, 1)).is_some(), "it begins");
        assert_eq!(table.forgotten(start + LIMIT, LIMIT), Some(id(1, 2)));
        assert!(table.remove(id(1, 2)).is_some());
        assert_eq!(table.forgotten(start + LIMIT, LIMIT), None);
        assert_eq!(table.forgotten(start + LIMIT * 2, LIMIT), Some(id(2, 3)));
    }
}
