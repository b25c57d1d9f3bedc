//! Begins, pauses and ends the recording of a conversation of two sessions ([`SessionTap`]).

use std::time::Instant;

use super::id::SessionId;
use super::session::Session;
use super::table::Table;
use super::tap::{SessionTap, TapChannel, TapSender};

/// Begins a tap of two sessions of this thread; a tap that one of them had ends. The time of both begins now.
pub(super) fn begin(sessions: &mut Table, now: Instant, [caller, agent]: [SessionId; 2], sender: &TapSender) {
    if caller == agent || sessions.session(caller).is_none() || sessions.session(agent).is_none() {
        return;
    }
    for (id, with, channel) in [(caller, agent, TapChannel::Caller), (agent, caller, TapChannel::Agent)] {
        if let Some(session) = sessions.session(id) {
            session.end_tap();
            session.begin_tap(now, SessionTap::new(channel, with, sender.clone()));
        }
    }
}

/// Takes silence in place of sound, or sound again.
pub(super) fn pause(sessions: &mut Table, id: SessionId, paused: bool) {
    on_both(sessions, id, |session| {
        session.take_tapped();
        if let Some(tap) = &mut session.tap {
            tap.paused = paused;
        }
    });
}

/// Ends a tap.
pub(super) fn end(sessions: &mut Table, id: SessionId) {
    on_both(sessions, id, Session::end_tap);
}

fn on_both(sessions: &mut Table, id: SessionId, mut act: impl FnMut(&mut Session)) {
    let Some(session) = sessions.session(id) else { return };
    let Some(with) = session.tap.as_ref().map(|tap| tap.with) else { return };
    act(session);
    if let Some(other) = sessions.session(with).filter(|other| other.tap.as_ref().is_some_and(|tap| tap.with == id)) {
        act(other);
    }
}
