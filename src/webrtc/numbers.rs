//! The numbers of the packets that leave to a browser: one stream, though each call is another source.

use std::time::Instant;

use rtp::Header;

/// Gives each packet its number and time in the one stream that the browser knows.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// The last packet of the stream.
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    at: Instant,
    /// As it came.
    came: Header,
    sequence: u64,
    timestamp: u32,
}

/// A packet's place in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub sequence: u64,
    pub timestamp: u32,
    /// The first of its source: a talkspurt begins (RFC 3551 §4.1).
    pub is_first: bool,
}

impl Numbers {
    /// The place of a packet; none: it came after a later one.
    pub(crate) fn place(&mut self, now: Instant, header: &Header) -> Option<Place> {
        let place = match self.last {
            None => Place { sequence: 1, timestamp: 0, is_first: true },
            Some(last) if last.came.ssrc == header.ssrc => {
                let ahead = header.sequence.wrapping_sub(last.came.sequence);
                if !(1..0x8000).contains(&ahead) {
                    return None;
                }
                let passed = header.timestamp.wrapping_sub(last.came.timestamp);
                let (sequence, timestamp) = (last.sequence + u64::from(ahead), last.timestamp.wrapping_add(passed));
                Place { sequence, timestamp, is_first: false }
            }
            Some(last) => {
                let passed = now.saturating_duration_since(last.at).as_millis() * SAMPLES_PER_MS;
                let timestamp = last.timestamp.wrapping_add((passed as u32).max(1));
                Place { sequence: last.sequence + 1, timestamp, is_first: true }
            }
        };
        self.last = Some(Last { at: now, came: *header, sequence: place.sequence, timestamp: place.timestamp });
        Some(place)
    }
}

/// Of G.711.
const SAMPLES_PER_MS: u128 = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 8, sequence, timestamp, ssrc }
    }

    #[test]
    fn calls_follow_each_other_in_one_stream() {
        #[expect(clippy::disallowed_methods, reason = "an Instant has no other constructor")]
        let now = Instant::now();
        let mut numbers = Numbers::default();
        let mut place = |at: u64, header| {
            numbers
                .place(now + Duration::from_millis(at), &header)
                .map(|place| (place.sequence, place.timestamp, place.is_first))
        };
        assert_eq!(place(0, header(1, 65_535, u32::MAX - 159)), Some((1, 0, true)));
        assert_eq!(place(20, header(1, 0, 0)), Some((2, 160, false)), "both numbers begin again at 0");
        assert_eq!(place(60, header(1, 2, 320)), Some((4, 480, false)), "a lost packet stays lost");
        assert_eq!(place(61, header(1, 1, 160)), None, "too late");
        assert_eq!(place(1060, header(2, 7, 99)), Some((5, 8480, true)), "a second later another call");
        assert_eq!(place(1080, header(2, 8, 259)), Some((6, 8640, false)));
    }
}
