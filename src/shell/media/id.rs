//! How a session is named.

/// Names one session: its place, which is that of its pair of ports, and a serial number that differs from earlier and
/// later sessions there. Serial numbers repeat after 2³² sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId {
    pub(super) place: u32,
    pub(super) serial: u32,
}
