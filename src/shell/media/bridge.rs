//! Sessions of one thread that hear each other: before a session sends what is due, it borrows the sound that the others have
//! received, which it finds in a relay of its own at each of them ([`call::Relay`]).
//!
//! ```text
//!                     ┌─► relay of place 0 ──lent for one tick──► a listener ─► its socket
//!  socket ─► session ─┤
//!                     └─► relay of place 1 ──lent for one tick──► another one ─► its socket
//! ```
//!
//! A session hears one other and sends its octets as they are, or a few and sends their sum ([`call::SOURCES_MAX`]). All lie on one
//! thread ([`MediaPlane::open_beside`](super::MediaPlane::open_beside)), so that nothing is locked and nothing waits. What a session
//! heard before an order and goes on hearing keeps its relay: there is no gap. A session that ends is heard no more, and hears
//! nothing.

use super::id::SessionId;
use super::links::Links;
use super::session::Session;
use super::table::Table;
use call::{Relay, SOURCES_MAX};

/// Whom a session hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearing {
    /// The session.
    pub listener: SessionId,
    /// The others that it hears, all of them; the order means nothing.
    pub sources: [Option<SessionId>; SOURCES_MAX],
}

/// The sound that a session has borrowed, and whose it is.
#[derive(Default)]
pub(super) struct Borrowed {
    sources: [Option<SessionId>; SOURCES_MAX],
    pub relays: [Option<Box<Relay>>; SOURCES_MAX],
}

/// Joins two sessions that have begun. Those who heard one of them before, or were heard, are parted from it.
pub(super) fn join(sessions: &mut Table, one: SessionId, other: SessionId) {
    if one == other || sessions.session(one).is_none() || sessions.session(other).is_none() {
        return;
    }
    for id in [one, other] {
        part(sessions, id);
    }
    for (listener, source) in [(one, other), (other, one)] {
        link(sessions, listener, source);
    }
}

/// Lets sessions hear exactly the others that are named; a session that is not a listener here hears what it heard.
pub(super) fn hear(sessions: &mut Table, hearings: &[Hearing]) {
    // First all ends, so that there is room for what begins.
    for Hearing { listener, sources } in hearings {
        let before = sessions.session(*listener).map(|session| session.links.hears).unwrap_or_default();
        for source in before.into_iter().flatten().filter(|source| !sources.contains(&Some(*source))) {
            unlink(sessions, *listener, source);
        }
    }
    for Hearing { listener, sources } in hearings {
        sources.iter().flatten().for_each(|source| link(sessions, *listener, *source));
    }
}

/// Parts a session from all others.
pub(super) fn part(sessions: &mut Table, id: SessionId) {
    let Some(Links { hears, heard_by }) = sessions.session(id).map(|session| &session.links) else { return };
    let (hears, heard_by) = (*hears, *heard_by);
    hears.into_iter().flatten().for_each(|source| unlink(sessions, id, source));
    heard_by.into_iter().flatten().for_each(|listener| unlink(sessions, listener, id));
}

/// Borrows what a session that is due sends of others.
pub(super) fn borrow(sessions: &mut Table, id: SessionId) -> Borrowed {
    let mut borrowed = Borrowed::default();
    let Some(session) = sessions.session(id) else { return borrowed };
    borrowed.sources = session.links.hears;
    for (source, relay) in borrowed.sources.iter().zip(&mut borrowed.relays) {
        let Some(session) = source.and_then(|source| sessions.session(source)) else { continue };
        *relay = place_of(session, id).and_then(|place| session.stream.lend_relay(place));
    }
    borrowed
}

/// Gives it back, where the session that is due is still heard by `id`.
pub(super) fn give_back(sessions: &mut Table, id: SessionId, borrowed: Borrowed) {
    for (source, relay) in borrowed.sources.into_iter().zip(borrowed.relays) {
        let (Some(source), Some(relay)) = (source, relay) else { continue };
        if let Some(session) = sessions.session(source)
            && let Some(place) = place_of(session, id)
        {
            session.stream.return_relay(place, relay);
        }
    }
}

fn link(sessions: &mut Table, listener: SessionId, source: SessionId) {
    let free = |session: &mut Session| session.links.hears.iter().position(Option::is_none);
    let hears_it = |session: &Session| session.links.hears.contains(&Some(source));
    let Some(of_listener) = sessions.session(listener).filter(|session| !hears_it(session)).and_then(free) else {
        return;
    };
    let Some(session) = sessions.session(source).filter(|_| listener != source) else { return };
    let Some(place) = session.links.heard_by.iter().position(Option::is_none) else { return };
    session.links.heard_by[place] = Some(listener);
    session.stream.set_relaying(place, true);
    if let Some(session) = sessions.session(listener) {
        session.links.hears[of_listener] = Some(source);
    }
}

fn unlink(sessions: &mut Table, listener: SessionId, source: SessionId) {
    if let Some(session) = sessions.session(listener) {
        session.links.hears.iter_mut().filter(|heard| **heard == Some(source)).for_each(|heard| *heard = None);
    }
    if let Some(session) = sessions.session(source)
        && let Some(place) = place_of(session, listener)
    {
        session.links.heard_by[place] = None;
        session.stream.set_relaying(place, false);
    }
}

/// The place of a listener at the session that it hears.
fn place_of(session: &Session, listener: SessionId) -> Option<usize> {
    session.links.heard_by.iter().position(|by| *by == Some(listener))
}
