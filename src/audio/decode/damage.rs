//! What a file lost on its way to this node, as far as its container tells.

use std::time::Duration;

/// What a file lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Damage {
    /// Places that could not be read.
    pub places: u32,
    /// The sound that is missing there. An estimate where the container has no times.
    pub lost: Duration,
    /// The playing time by the file's own count, where the file ends markedly before.
    pub stated: Option<Duration>,
}

impl Damage {
    /// Counts a place.
    pub(super) fn add(&mut self, lost: Duration) {
        self.places += 1;
        self.lost += lost;
    }
}

/// A place where a stream's octets are missing or damaged, in samples of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Samples before it, those of earlier gaps included.
    pub at: u64,
    /// Samples that are missing; 0 if this is not known.
    pub samples: u64,
}

/// Whether a recording that plays `played` ends markedly before `stated`. An encoder's own padding does not count.
pub(super) fn ends_early(played: Duration, stated: Duration) -> bool {
    let missing = stated.saturating_sub(played);
    missing > LEAST && missing.as_secs_f64() > stated.as_secs_f64() * PART
}

/// The playing time of samples.
pub(super) fn time(samples: u64, rate: u32) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(rate.max(1)))
}

const LEAST: Duration = Duration::from_millis(100);
const PART: f64 = 0.01;
