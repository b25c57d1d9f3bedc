//! Which packet indexes have been received (RFC 3711 §3.3.2), and which index a sequence number means (§3.3.1).

/// How many packets behind the newest one are still accepted.
pub const WINDOW: u64 = 128;

/// The newest index of a stream and those just behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplayWindow {
    newest: u64,
    /// Bit *n*: index `newest - n` was received.
    seen: u128,
}

/// Where an index stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    New,
    Seen,
    TooOld,
}

impl ReplayWindow {
    /// A window in which one packet was received.
    pub(crate) fn new(first: u64) -> ReplayWindow {
        ReplayWindow { newest: first, seen: 1 }
    }

    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    pub(crate) fn place(&self, index: u64) -> Place {
        match self.newest.checked_sub(index) {
            None => Place::New,
            Some(behind) if behind >= WINDOW => Place::TooOld,
            Some(behind) if self.seen >> behind & 1 == 1 => Place::Seen,
            Some(_) => Place::New,
        }
    }

    /// Marks an index whose packet was authentic.
    pub(crate) fn mark(&mut self, index: u64) {
        if let Some(ahead) = index.checked_sub(self.newest) {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.newest = index;
        } else if let Some(behind) = self.newest.checked_sub(index).filter(|behind| *behind < WINDOW) {
            self.seen |= 1 << behind;
        }
    }
}

/// The index nearest to the newest one that ends in this sequence number; indexes have 48 bits and begin at 0.
pub(crate) fn nearest_index(newest: u64, sequence: u16) -> u64 {
    let ahead = sequence.wrapping_sub(newest as u16);
    let guess = if ahead <= 0x8000 {
        newest + u64::from(ahead)
    } else {
        newest.checked_sub(u64::from(ahead.wrapping_neg())).unwrap_or_else(|| newest + u64::from(ahead))
    };
    guess & INDEX_MAX
}

/// RFC 3711 §3.3.1: a rollover counter of 32 bits and a sequence number of 16.
pub(crate) const INDEX_MAX: u64 = (1 << 48) - 1;
/// The indexes of one rollover counter.
pub(crate) const ROLLOVER: u64 = 1 << 16;
