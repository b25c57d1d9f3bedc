//! Two sessions of one thread whose sound is exchanged: before a session sends what is due, it borrows the sound that the
//! other one has received ([`call::Relay`]).
//!
//! ```text
//!  socket ─► session ─► relay ──lent for one tick──► the other session ─► its socket
//! ```
//!
//! Both sessions lie on one thread ([`MediaPlane::open_beside`](super::MediaPlane::open_beside)), so that nothing is locked and
//! nothing waits. A session that ends ends its bridge.

use super::id::SessionId;
use super::table::Table;
use call::Relay;

/// The sound that a session has borrowed, and whose it is.
pub(super) type Borrowed = Option<(SessionId, Box<Relay>)>;

/// Joins two sessions that have begun. Whoever was joined with one of them before hears silence.
pub(super) fn join(sessions: &mut Table, one: SessionId, other: SessionId) {
    if one == other || sessions.session(one).is_none() || sessions.session(other).is_none() {
        return;
    }
    for (id, with) in [(one, other), (other, one)] {
        part(sessions, id);
        if let Some(session) = sessions.session(id) {
            session.bridged_with = Some(with);
            session.stream.set_relaying(true);
        }
    }
}

/// Ends the bridge of a session, if it has one.
pub(super) fn part(sessions: &mut Table, id: SessionId) {
    let Some(session) = sessions.session(id) else { return };
    let Some(with) = session.bridged_with.take() else { return };
    session.stream.set_relaying(false);
    if let Some(other) = sessions.session(with).filter(|other| other.bridged_with == Some(id)) {
        other.bridged_with = None;
        other.stream.set_relaying(false);
    }
}

/// Borrows what a session that is due sends of the other one.
pub(super) fn borrow(sessions: &mut Table, id: SessionId) -> Borrowed {
    let with = sessions.session(id)?.bridged_with?;
    Some((with, sessions.session(with)?.stream.lend_relay()?))
}

/// Gives it back.
pub(super) fn give_back(sessions: &mut Table, borrowed: Borrowed) {
    if let Some((id, relay)) = borrowed
        && let Some(session) = sessions.session(id).filter(|session| session.bridged_with.is_some())
    {
        session.stream.return_relay(relay);
    }
}
