//! The signals of a serving node. None but `KILL` ends a call at once.
//!
//! ```text
//!  TERM, INT, QUIT ──────────────────► End: drain; a second one hangs up
//!  HUP ──┬─ prints to a terminal ────► End, if nothing drains: the terminal has closed
//!        └─ else ────────────────────► Reload: log rotation and habits send it
//!  all others that would end or stop a program: ignored (os::signals)
//! ```

use std::io::{self, IsTerminal};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Fault;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end, once the calls have.
    End(&'static str),
    /// The terminal has closed.
    HangUp,
    /// To read again what can change while the node serves.
    Reload,
}

/// The signals that a node listens to.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    at_terminal: bool,
}

impl Signals {
    /// Catches the signals from now on.
    pub(crate) fn new() -> Result<Signals, Fault> {
        let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        os::signals::ignore_others();
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            hang_up: listen(SignalKind::hangup())?,
            at_terminal: io::stdout().is_terminal() || io::stderr().is_terminal(),
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End("TERM"),
            _ = self.interrupt.recv() => Asked::End("INT"),
            _ = self.quit.recv() => Asked::End("QUIT"),
            _ = self.hang_up.recv() => if self.at_terminal { Asked::HangUp } else { Asked::Reload },
        }
    }
}
