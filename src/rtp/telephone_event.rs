//! Telephone events (RFC 4733) of one SSRC → one key per press.
//!
//! A press is several packets with one timestamp and a growing duration; the last one is sent three times
//! with the end bit. Any of them may be lost, doubled, late or out of order, and senders differ:
//!
//! - all end packets may be lost, or only they may arrive; some senders send an update or two and then only the end;
//! - a press held over 8 s goes on under a new timestamp, without an end before it (§2.5.1.3);
//! - some move the timestamp with every packet of a press, or with its end packets only, whose duration may grow;
//! - some leave the timestamp for the next press, or start it over; some set the marker on all packets, or on none;
//! - the duration may stay zero;
//! - short events may share a packet (§2.5.1.5), the next one beginning where the one before it ends.
//!
//! ```text
//!             packet of an unknown press ─► key
//!  None ───────────────────────────────────────► Down ── end bit ──► Up
//!                      ▲ packet of a new press ─► key                  │
//!                      └───────────────────────────────────────────────┘
//! ```
//!
//! Which packets are one press is decided in `press.rs`. Two laws hold for every sender that follows RFC 4733, and for
//! the others as far as their packets tell: packets with one timestamp are one press, and a press cannot begin before
//! the one before it is over.

mod press;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Header;
use base::Key;
use press::{Block, Press};

/// A key, and when its press began by the duration that its first packet tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKey {
    /// The key.
    pub key: Key,
    /// When it was pressed.
    pub began: Instant,
}

/// Decodes the telephone events of one SSRC.
#[derive(Clone, Debug, Default)]
pub struct TelephoneEvents {
    /// The newest press stands last.
    presses: VecDeque<Press>,
    habits: Habits,
}

/// What a sender has shown that it does.
#[derive(Clone, Copy, Debug, Default)]
struct Habits {
    /// The marker is set on later packets of a press too, so that it marks nothing.
    marks_all: bool,
    /// Presses share a timestamp.
    repeats_timestamps: bool,
}

impl TelephoneEvents {
    /// Takes a packet of the event payload type; calls `on_key` for each press that it is the first packet of to arrive. Returns
    /// the key of a press that arrived before and that this packet is of, too: it was down until now.
    pub fn packet(
        &mut self,
        now: Instant,
        header: &Header,
        payload: &[u8],
        mut on_key: impl FnMut(EventKey),
    ) -> Option<Key> {
        let mut held = None;
        for block in press::blocks(now, header, payload) {
            if self.is_known(&block) {
                held = Key::from_event(block.event);
            } else {
                self.begin(&block);
                if let Some(key) = Key::from_event(block.event) {
                    let lasted = Duration::from_micros(u64::from(block.duration) * 125);
                    on_key(EventKey { key, began: now.checked_sub(lasted).unwrap_or(now) });
                }
            }
        }
        held
    }

    /// Whether the newest press has not ended, as far as its packets tell.
    pub fn is_down(&self) -> bool {
        self.presses.back().is_some_and(Press::is_down)
    }

    /// Whether a packet of another SSRC continues the press that is down here: its sender has changed its SSRC.
    pub fn is_continued_by(&self, now: Instant, header: &Header, payload: &[u8]) -> bool {
        let block = press::blocks(now, header, payload).next();
        block.zip(self.presses.back()).is_some_and(|(block, press)| press.is_continued_by(&block))
    }

    /// Takes a packet of a press whose key another SSRC has brought.
    pub fn adopt(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        for block in press::blocks(now, header, payload) {
            self.begin(&block);
        }
    }

    /// Whether a packet belongs to a press that was seen before; if so it is noted.
    fn is_known(&mut self, block: &Block) -> bool {
        let Some(mut latest) = self.presses.pop_back() else { return false };
        let known = latest.includes(block, self.habits);
        if known {
            self.habits.marks_all |= latest.shows_marks_on_all(block);
            latest.follow(block);
        }
        let known_before = !known && self.presses.iter().rev().any(|press| press.is_repeated_by(block, &latest));
        self.habits.repeats_timestamps |= !known && !known_before && latest.shares_timestamp(block);
        self.presses.push_back(latest);
        known || known_before
    }

    /// A press that was sent before the newest one, and arrives after it, stands before it.
    fn begin(&mut self, block: &Block) {
        let late = self.presses.back().is_some_and(|latest| latest.was_sent_after(block));
        let place = self.presses.len() - usize::from(late);
        self.presses.insert(place, Press::new(block));
        if self.presses.len() > PRESSES {
            self.presses.pop_front();
        }
    }
}

/// The newest press and those before it whose late packets are recognised.
const PRESSES: usize = 5;
