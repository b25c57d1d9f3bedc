//! What has arrived, and where.

use super::id::SessionId;

/// A datagram that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub id: SessionId,
    pub channel: Channel,
}

/// What it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Rtp = 0,
    Rtcp = 1,
    /// Orders wait.
    Waker = 2,
}
