//! What all doors count together: failures and look-ups of each receipt, and of all clients.
//!
//! A total that is exceeded refuses no client that has not failed itself: it raises an alarm, refuses look-ups of
//! clients that have failed, and makes strangers wait a while for each answer ([`SharedCounts::delay`]).

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::failures::ClientFailures;
use super::window::{ClientCounts, WindowTotal};

/// Limits over all doors together; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedLimits {
    /// Failures of one receipt number: its second factor is being guessed.
    pub failures_per_receipt: Option<NonZeroU32>,
    /// Failures of all clients.
    pub failures_total: Option<NonZeroU32>,
    /// How long a failure counts.
    pub failure_window: Duration,
    /// Look-ups of one receipt number with a second factor, found or not.
    pub look_ups_per_receipt: Option<NonZeroU32>,
    /// Look-ups of all clients, found or not.
    pub look_ups_total: Option<NonZeroU32>,
    /// How long a look-up counts.
    pub look_up_window: Duration,
}

impl SharedLimits {
    /// No limits.
    pub const NONE: SharedLimits = SharedLimits {
        failures_per_receipt: None,
        failures_total: None,
        failure_window: Duration::ZERO,
        look_ups_per_receipt: None,
        look_ups_total: None,
        look_up_window: Duration::ZERO,
    };
}

/// The counts of all doors together.
#[derive(Debug)]
pub struct SharedCounts {
    pub(super) receipts: ClientFailures,
    pub(super) receipt_look_ups: ClientCounts,
    pub(super) failures: WindowTotal,
    pub(super) look_ups: WindowTotal,
    /// Failures of a receipt from which on strangers are refused: half of the limit, so that they cannot use up what
    /// callers have.
    pub(super) strangers_per_receipt: Option<NonZeroU32>,
}

impl SharedCounts {
    /// Counts without events.
    pub fn new(limits: SharedLimits) -> SharedCounts {
        let half = |limit: NonZeroU32| NonZeroU32::new(limit.get().div_ceil(2));
        SharedCounts {
            receipts: ClientFailures::new(limits.failures_per_receipt, limits.failure_window),
            receipt_look_ups: ClientCounts::new(limits.look_ups_per_receipt, limits.look_up_window),
            failures: WindowTotal::new(limits.failures_total, limits.failure_window),
            look_ups: WindowTotal::new(limits.look_ups_total, limits.look_up_window),
            strangers_per_receipt: limits.failures_per_receipt.and_then(half),
        }
    }

    /// Whether the failures or the look-ups of all clients exceed their limit.
    pub fn is_exceeded(&mut self, now: Instant) -> bool {
        self.excess(now) > 0
    }

    /// How long a stranger waits for an answer: nothing within the limits, then from a quarter of a second to
    /// [`DELAY_MAX`], doubled with each twentieth of the limit.
    pub fn delay(&mut self, now: Instant) -> Duration {
        match self.excess(now) {
            0 => Duration::ZERO,
            excess => (DELAY_MIN * (1 << (excess - 1).min(5))).min(DELAY_MAX),
        }
    }

    fn excess(&mut self, now: Instant) -> u64 {
        self.failures.excess(now).max(self.look_ups.excess(now))
    }
}

const DELAY_MIN: Duration = Duration::from_millis(250);
/// The longest that a stranger waits for an answer.
pub const DELAY_MAX: Duration = Duration::from_secs(5);
