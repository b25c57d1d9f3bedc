//! Which event packets are one press.

use std::time::{Duration, Instant};

use super::{Habits, Header};

/// One event of a packet (RFC 4733 §2.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub event: u8,
    pub end: bool,
    pub duration: u16,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    at: Instant,
}

/// A press as far as its packets have arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Press {
    event: u8,
    /// The least and the greatest timestamp of its packets.
    first_timestamp: u32,
    last_timestamp: u32,
    /// The least and the greatest sequence number of its packets.
    first_sequence: u16,
    last_sequence: u16,
    /// As the newest packet tells it.
    duration: u16,
    ended: bool,
    /// No packet from before the end has arrived.
    only_ends: bool,
    /// When the newest packet first arrived, and when any last arrived.
    newest_at: Instant,
    last_at: Instant,
}

/// The events of a packet. A further one needs an end before it, and both need a duration: octets that pad a payload
/// are no events.
pub(super) fn blocks(at: Instant, header: &Header, payload: &[u8]) -> impl Iterator<Item = Block> + use<> {
    let mut list = [None; BLOCKS];
    let mut timestamp = header.timestamp;
    for (n, octets) in payload.as_chunks::<4>().0.iter().take(BLOCKS).enumerate() {
        let [event, flags, high, low] = *octets;
        let (end, duration) = (flags & 0x80 != 0, u16::from_be_bytes([high, low]));
        if n > 0 && duration == 0 {
            break;
        }
        let (marker, sequence) = (header.marker && n == 0, header.sequence);
        list[n] = Some(Block { event, end, duration, marker, sequence, timestamp, at });
        if !end || duration == 0 {
            break;
        }
        timestamp = timestamp.wrapping_add(duration.into());
    }
    list.into_iter().flatten()
}

impl Press {
    pub(super) fn new(block: &Block) -> Press {
        Press {
            event: block.event,
            first_timestamp: block.timestamp,
            last_timestamp: block.timestamp,
            first_sequence: block.sequence,
            last_sequence: block.sequence,
            duration: block.duration,
            ended: block.end,
            only_ends: block.end,
            newest_at: block.at,
            last_at: block.at,
        }
    }

    /// Whether no end has arrived.
    pub(super) fn is_down(&self) -> bool {
        !self.ended
    }

    /// Whether a packet belongs to this press, the newest one.
    pub(super) fn includes(&self, block: &Block, habits: Habits) -> bool {
        if block.event != self.event {
            return false;
        }
        if !self.is_older_than(block) {
            return self.covers(block) || self.begins_with(block);
        }
        if self.has_timestamp(block) { !self.restarts_with(block, habits) } else { self.moves_to(block, habits) }
    }

    /// Whether a packet is a late one of this press, which is older than `latest`.
    pub(super) fn is_repeated_by(&self, block: &Block, latest: &Press) -> bool {
        if block.event != self.event {
            return false;
        }
        if !latest.is_older_than(block) {
            return self.covers(block) || self.begins_with(block);
        }
        // Sent after the newest press began: end packets that the next press overtakes, or a timestamp used again.
        let soon = block.at.saturating_duration_since(self.last_at) <= OVERTAKEN;
        let goes_on = if block.end { block.duration >= self.duration } else { block.duration > self.duration };
        self.has_timestamp(block) && soon && goes_on && (block.end || !self.ended)
    }

    /// Whether a packet of another SSRC goes on with this press.
    pub(super) fn is_continued_by(&self, block: &Block) -> bool {
        let since = block.at.saturating_duration_since(self.last_at);
        let goes_on = !block.marker && block.duration > 0 && block.duration >= self.duration;
        // Senders that begin another SSRC with each key may begin at one timestamp each time.
        let restarts = if self.ended {
            !block.end && (block.marker || block.duration <= self.duration)
        } else {
            block.marker && block.duration < self.duration && since > JITTER
        };
        let shares = self.has_timestamp(block) && !restarts;
        block.event == self.event && since <= OVERTAKEN && (shares || goes_on && !self.ended)
    }

    /// Whether a packet of an unknown press was sent before this one. A timestamp that is later, or a pause, shows that
    /// its sender has started its sequence numbers over.
    pub(super) fn was_sent_after(&self, block: &Block) -> bool {
        let later = block.timestamp.wrapping_sub(self.last_timestamp);
        let paused = block.at.saturating_duration_since(self.last_at) > RESTART;
        !self.is_older_than(block) && !(1..HALF).contains(&later) && !paused
    }

    pub(super) fn follow(&mut self, block: &Block) {
        if self.is_older_than(block) {
            let segment = !self.has_timestamp(block) && self.moved_on_to_segment(block);
            self.duration = if segment { block.duration } else { self.duration.max(block.duration) };
            self.last_sequence = block.sequence;
            self.newest_at = block.at;
            if !self.has_timestamp(block) {
                self.last_timestamp = block.timestamp;
            }
        } else if block.sequence.wrapping_sub(self.first_sequence) >= 0x8000 {
            self.first_sequence = block.sequence;
        }
        if self.first_timestamp.wrapping_sub(block.timestamp) < HALF {
            self.first_timestamp = block.timestamp;
        }
        self.ended |= block.end;
        self.only_ends &= block.end;
        self.last_at = self.last_at.max(block.at);
    }

    /// Whether a packet shows that the marker does not mark the first packet of a press.
    pub(super) fn shows_marks_on_all(&self, block: &Block) -> bool {
        block.marker && self.is_older_than(block) && block.duration > self.duration
    }

    /// Whether a packet of another press has this one's timestamp.
    pub(super) fn shares_timestamp(&self, block: &Block) -> bool {
        block.event == self.event && self.is_older_than(block) && self.has_timestamp(block)
    }

    /// Whether a packet was sent after the newest one of this press. Further back than [`LATE_MAX`] nothing is late: the
    /// sender has started its numbers over.
    fn is_older_than(&self, block: &Block) -> bool {
        self.last_sequence.wrapping_sub(block.sequence) > LATE_MAX
    }

    fn has_timestamp(&self, block: &Block) -> bool {
        block.timestamp.wrapping_sub(self.first_timestamp) <= self.span()
    }

    fn span(&self) -> u32 {
        self.last_timestamp.wrapping_sub(self.first_timestamp)
    }

    /// Whether a packet's timestamp lies within the press: no other press can begin there.
    fn covers(&self, block: &Block) -> bool {
        block.timestamp.wrapping_sub(self.first_timestamp) <= self.span().saturating_add(self.duration.into())
    }

    /// Whether a late packet is one from the beginning of this press, of a sender that moves the timestamp. The end of the
    /// press before comes from there too, but this press has begun before its own end.
    fn begins_with(&self, block: &Block) -> bool {
        let before = self.first_timestamp.wrapping_sub(block.timestamp);
        let sent_before = self.first_sequence.wrapping_sub(block.sequence);
        let may_end = !block.end || self.only_ends && before <= DRIFT_MAX;
        may_end && before <= u32::from(block.duration) + BEGIN_SLACK && sent_before <= BEGIN_PACKETS
    }

    /// Whether a newer packet with this press's timestamp begins another one, of a sender that leaves the timestamp.
    fn restarts_with(&self, block: &Block, habits: Habits) -> bool {
        let shrinks = block.duration < self.duration;
        match (self.ended, block.end) {
            // The duration shrinks for another press, or once it has run over because the press was never split.
            (false, false) => {
                let marked = block.marker && !habits.marks_all && block.duration == self.duration;
                let later = block.at.saturating_duration_since(self.last_at) > OVERTAKEN;
                shrinks && (self.duration < OVERRUN || block.marker) || marked && later
            }
            // Some tell a little less at the end than before.
            (false, true) => u32::from(block.duration) * 2 < u32::from(self.duration) && self.duration < OVERRUN,
            (true, false) => block.duration <= self.duration || block.marker && !habits.marks_all,
            (true, true) => {
                let paused = block.at.saturating_duration_since(self.last_at) > RESTART;
                u32::from(block.duration) * 2 < u32::from(self.duration) && self.duration < OVERRUN
                    || shrinks && paused
                    || habits.repeats_timestamps && paused
            }
        }
    }

    /// Whether a newer packet with another timestamp belongs to this press.
    fn moves_to(&self, block: &Block, habits: Habits) -> bool {
        let later = block.timestamp.wrapping_sub(self.last_timestamp);
        let marked = block.marker && !habits.marks_all;
        // From the first timestamp: that of a sender that moves it has come further than the press has lasted since.
        let within = block.timestamp.wrapping_sub(self.first_timestamp);
        if self.ended {
            let soon = self.time_to(block) <= OVERTAKEN;
            let moves_end = later <= DRIFT_MAX || !marked && within <= u32::from(self.duration);
            let repeats_end = block.end && soon && moves_end && u32::from(block.duration) * 2 >= self.duration.into();
            let goes_on = later == u32::from(self.duration) && self.duration >= SPLIT_MIN;
            return repeats_end || !marked && goes_on;
        }
        let overlaps = within < u32::from(self.duration) && !(marked && block.duration < self.duration);
        // A first packet tells no more than the first one before.
        let first = marked && !block.end && block.duration == self.duration;
        let drifts = later <= DRIFT_MAX && block.duration >= self.duration && !first;
        let further = if block.end && !marked { ENDS_FURTHER } else { 0 };
        let segment = self.goes_on_in(block) || !marked && self.moved_on_to_segment(block);
        overlaps || drifts || self.grows_to(block, later, further) || segment
    }

    /// The next segment of a long press, which begins where the one before it ends; its last packets may come later. No press
    /// follows another one so soon, so that the marker says nothing.
    fn goes_on_in(&self, block: &Block) -> bool {
        let duration = u32::from(self.duration);
        let later = block.timestamp.wrapping_sub(self.last_timestamp);
        self.duration >= SPLIT_MIN && (duration..=duration + DRIFT_MAX).contains(&later)
    }

    /// The next segment of a long press (RFC 4733 §2.5.1.3). The last packets of the one before it may be lost.
    fn moved_on_to_segment(&self, block: &Block) -> bool {
        let later = block.timestamp.wrapping_sub(self.last_timestamp);
        let contiguous = self.goes_on_in(block);
        let most = 0xFFFF + SEGMENT_SLACK;
        let tail_lost = u32::from(self.duration) >= 0xFFFF - SEGMENT_SLACK;
        contiguous || tail_lost && (self.duration.into()..=most).contains(&later)
    }

    /// A later packet of a sender that moves the timestamp by what the duration grows, and further with its end packets.
    ///
    /// The packets of two presses may agree in this, but not in time: between those the one press and the other have
    /// lasted too, so that twice as long has passed as the timestamps say.
    fn grows_to(&self, block: &Block, later: u32, further_max: u32) -> bool {
        let grown = block.duration.saturating_sub(self.duration);
        let further = later.checked_sub(grown.into());
        let in_time = self.time_to(block) <= Duration::from_micros(u64::from(later) * 125) + JITTER;
        grown > 0 && further.is_some_and(|further| further <= further_max) && in_time
    }

    /// How long after the newest packet another one has arrived.
    fn time_to(&self, block: &Block) -> Duration {
        block.at.saturating_duration_since(self.newest_at)
    }
}

const BLOCKS: usize = 8;
const HALF: u32 = 0x8000_0000;
/// The last packets of a press may come after the first ones of the next.
const OVERTAKEN: Duration = Duration::from_millis(200);
/// After such a pause nothing is late.
const RESTART: Duration = Duration::from_millis(500);
/// The most that the sequence may go back for a late packet, as in RFC 3550 A.1.
const LATE_MAX: u16 = 3000;
/// 30 ms, less than any pause between presses, and the packets of 100 ms.
const BEGIN_SLACK: u32 = 240;
const BEGIN_PACKETS: u16 = 5;
/// Near the largest duration.
const OVERRUN: u16 = 0xF000;
/// 3 s: what is longer is split by the sender, not by the caller's finger.
const SPLIT_MIN: u16 = 0x6000;
/// 0.5 s.
const SEGMENT_SLACK: u32 = 0x1000;
/// Less than the shortest press with its pause (40 ms each); with a packet every 20 ms two may be lost.
const DRIFT_MAX: u32 = 480;
/// The second and the third end packet, 20 ms each.
const ENDS_FURTHER: u32 = 320;
/// What packets of one press are late at most.
const JITTER: Duration = Duration::from_millis(60);
