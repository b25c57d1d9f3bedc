//! What is kept of a call: enough to run the service by, and nothing that names a person.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use base::Lang;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOutcome {
    /// The conversation came to its end.
    Finished,
    /// The caller hung up during it.
    HungUp,
    /// A person took over.
    Transferred,
    /// The caller hung up before an answer, or cancelled.
    Abandoned,
    /// Refused before it began: full, unknown, draining, no codec in common.
    Refused,
    /// We or the network failed: lost media, no ACK, an internal fault.
    Failed,
}

impl CallOutcome {
    pub const ALL: [CallOutcome; 6] = [
        CallOutcome::Finished,
        CallOutcome::HungUp,
        CallOutcome::Transferred,
        CallOutcome::Abandoned,
        CallOutcome::Refused,
        CallOutcome::Failed,
    ];

    /// As it stands in the journal and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            CallOutcome::Finished => "finished",
            CallOutcome::HungUp => "hung_up",
            CallOutcome::Transferred => "transferred",
            CallOutcome::Abandoned => "abandoned",
            CallOutcome::Refused => "refused",
            CallOutcome::Failed => "failed",
        }
    }
}

/// How a look-up ended, for records and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookUpResult {
    Found,
    NotFound,
    /// The copy was too old to answer from.
    TooOld,
    Down,
    /// Not made: too many failures before it.
    HandedOver,
}

impl LookUpResult {
    pub const ALL: [LookUpResult; 5] = [
        LookUpResult::Found,
        LookUpResult::NotFound,
        LookUpResult::TooOld,
        LookUpResult::Down,
        LookUpResult::HandedOver,
    ];

    /// As it stands in the journal and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            LookUpResult::Found => "found",
            LookUpResult::NotFound => "not_found",
            LookUpResult::TooOld => "too_old",
            LookUpResult::Down => "down",
            LookUpResult::HandedOver => "handed_over",
        }
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    pub started: Timestamp,
    /// INVITE → 200; none when it was never answered.
    pub answered_after: Option<Duration>,
    pub duration: Duration,
    pub outcome: CallOutcome,
    /// The last SIP status or the cause, for the engineer: `486`, `media lost`.
    pub cause: Option<&'static str>,
    pub lang: Option<Lang>,
    /// The hash of the release that the call began with.
    pub release: Arc<str>,
    /// The nodes that were reached, in order.
    pub path: Vec<Arc<str>>,
    /// How many keys were pressed; never which.
    pub keys: u32,
    pub look_ups: Vec<LookUpResult>,
    /// The address of the trunk.
    pub trunk: String,
    /// [`super::Keys::asker`] of the caller's number, if it was told.
    pub caller: Option<u64>,
    pub rating: Option<u8>,
    /// How many of our packets the peer missed, by its last RTCP report; none without a report.
    pub peer_packets_lost: Option<u32>,
    /// The last round trip that RTCP measured between this node and the peer.
    pub round_trip: Option<Duration>,
}
