//! What is counted of text messages.

use crate::carrier::CarrierFigures;

/// The counts since the start, and what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SmsFigures {
    /// Messages that wait, those being sent included.
    pub waiting: usize,
    /// Accepted for sending.
    pub accepted: u64,
    /// Not accepted: a limit, a number that may get none, a store that failed.
    pub refused: u64,
    /// Taken by the carrier.
    pub sent: u64,
    /// Never taken by the carrier.
    pub rejected: u64,
    /// Given up after too many attempts.
    pub failed: u64,
    /// Too old before they could be sent.
    pub expired: u64,
    /// Withdrawn by the office.
    pub cancelled: u64,
    /// Attempts that are to be made again.
    pub retried: u64,
    /// Reports of the carrier: the message is on the telephone.
    pub delivered: u64,
    /// Reports of the carrier: it is not, and will not be.
    pub undelivered: u64,
    /// The carrier.
    pub carrier: CarrierFigures,
}

impl SmsFigures {
    /// The counts by the names of their outcomes.
    pub fn outcomes(&self) -> [(&'static str, u64); 10] {
        [
            ("accepted", self.accepted),
            ("refused", self.refused),
            ("sent", self.sent),
            ("rejected", self.rejected),
            ("failed", self.failed),
            ("expired", self.expired),
            ("cancelled", self.cancelled),
            ("retried", self.retried),
            ("delivered", self.delivered),
            ("undelivered", self.undelivered),
        ]
    }
}
