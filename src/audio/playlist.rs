//! A playlist: ranges of the bank, silence and the call's take, cut into packets at sample accuracy.

use std::ops::Range;

use super::{Bank, g711};
use base::Codec;

/// A stretch of a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A range of the bank's arenas.
    Arena {
        /// The first sample.
        start: u32,
        /// Samples.
        length: u32,
    },
    /// Silence.
    Silence {
        /// Samples.
        length: u32,
    },
    /// The call's own last recording.
    Take,
}

impl Span {
    /// Silence of this many samples.
    pub fn silence(samples: usize) -> Span {
        Span::Silence { length: u32::try_from(samples).unwrap_or(u32::MAX) }
    }

    /// Samples of a clip or of silence; zero for a take, whose length only the call knows.
    pub fn length(self) -> usize {
        match self {
            Span::Arena { length, .. } | Span::Silence { length } => length as usize,
            Span::Take => 0,
        }
    }

    pub(super) fn range(self) -> Range<usize> {
        match self {
            Span::Arena { start, length } => start as usize..start as usize + length as usize,
            Span::Silence { .. } | Span::Take => 0..0,
        }
    }

    /// The span, cut off at `most` samples.
    pub(super) fn shortened(self, most: usize) -> Span {
        match self {
            Span::Arena { start, length } => Span::Arena { start, length: length.min(most as u32) },
            Span::Silence { length } => Span::Silence { length: length.min(most as u32) },
            Span::Take => Span::Take,
        }
    }
}

/// Spans in playing order, and the playing position.
#[derive(Clone, Debug)]
pub struct Playlist {
    spans: Box<[Span]>,
    span: usize,
    offset: usize,
}

/// A recording of the caller, as received.
#[derive(Clone, Debug, Default)]
pub struct Take {
    /// One octet a sample, in `codec`.
    pub octets: Vec<u8>,
    /// The law of the octets; `None` for an empty take.
    pub codec: Option<Codec>,
}

impl Take {
    /// Encodes 16-bit samples at 8000 Hz.
    pub fn of(samples: &[i16]) -> Take {
        Take::in_law(samples, Codec::Alaw)
    }

    /// The same in a law.
    pub fn in_law(samples: &[i16], codec: Codec) -> Take {
        let octets = samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        Take { octets, codec: Some(codec) }
    }

    /// The take as 16-bit samples at 8000 Hz.
    pub fn samples(&self) -> Vec<i16> {
        (0..self.octets.len()).filter_map(|at| self.sample(at)).collect()
    }

    /// One of its samples.
    pub fn sample(&self, at: usize) -> Option<i16> {
        let octet = self.octets.get(at)?;
        Some(g711::decode(self.codec.unwrap_or(Codec::Alaw), *octet))
    }
}

impl Playlist {
    /// A playlist of these spans, at its start.
    pub fn new(spans: Vec<Span>) -> Playlist {
        Playlist { spans: spans.into(), span: 0, offset: 0 }
    }

    /// Copies the next octets into `packet` and fills the rest with silence. Returns whether the playlist ends within this
    /// packet or ended before it.
    pub fn fill(&mut self, bank: &Bank, take: &Take, codec: Codec, packet: &mut [u8]) -> bool {
        let mut filled = 0;
        while filled < packet.len() {
            let Some(span) = self.spans.get(self.span) else { break };
            filled += self.copy(*span, bank, take, codec, &mut packet[filled..]);
        }
        packet[filled..].fill(g711::idle(codec));
        self.skip_empty(take);
        self.span == self.spans.len()
    }

    /// Copies from one span; advances to the next at its end.
    fn copy(&mut self, span: Span, bank: &Bank, take: &Take, codec: Codec, packet: &mut [u8]) -> usize {
        let length = span_length(span, take);
        let count = packet.len().min(length.saturating_sub(self.offset));
        let to = &mut packet[..count];
        match span {
            Span::Arena { start, .. } => {
                let from = start as usize + self.offset;
                to.copy_from_slice(&bank.arena(codec)[from..from + count]);
            }
            Span::Silence { .. } => to.fill(g711::idle(codec)),
            Span::Take => {
                let law = take.codec.unwrap_or(codec);
                // A recording that has begun since empties the take that is playing.
                let rest = take.octets.get(self.offset..).unwrap_or_default();
                for (to, from) in to.iter_mut().zip(rest) {
                    *to = g711::transcode(law, codec, *from);
                }
            }
        }
        self.offset += count;
        if self.offset >= length {
            (self.span, self.offset) = (self.span + 1, 0);
        }
        count
    }

    /// Skips empty spans, so that a list is over with the packet of its last sample.
    fn skip_empty(&mut self, take: &Take) {
        while self.offset == 0 && self.spans.get(self.span).is_some_and(|span| span_length(*span, take) == 0) {
            self.span += 1;
        }
    }
}

fn span_length(span: Span, take: &Take) -> usize {
    match span {
        Span::Arena { .. } | Span::Silence { .. } => span.length(),
        Span::Take => take.octets.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{encode_master, samples_in};
    use base::Lang;

    fn bank() -> Bank {
        let of = |level: i16, length: usize| encode_master(&vec![level; length], 8000).expect("a good master");
        Bank::build([((Lang::En, "a".into()), of(1000, 250)), ((Lang::En, "b".into()), of(-1000, 77))]).expect("small")
    }

    fn clip(id: &str) -> Span {
        bank().clip(Lang::En, &id.into()).expect("it is there")
    }

    fn silence(ms: u64) -> Span {
        Span::silence(samples_in(Duration::from_millis(ms)))
    }

    fn play(spans: &[Span], take: &Take, codec: Codec, size: usize) -> (Vec<u8>, usize) {
        let bank = bank();
        let mut list = Playlist::new(spans.to_vec());
        let (mut heard, mut packets) = (Vec::new(), 0);
        loop {
            let mut packet = vec![0; size];
            packets += 1;
            let over = list.fill(&bank, take, codec, &mut packet);
            heard.extend(packet);
            if over {
                return (heard, packets);
            }
        }
    }

    #[test]
    fn pieces_join_at_the_sample_and_the_last_packet_is_filled_with_silence() {
        let pieces = [clip("a"), silence(5), clip("b")];
        let (heard, packets) = play(&pieces, &Take::default(), Codec::Alaw, 160);
        assert_eq!(packets, 3);
        assert!(heard[..250].iter().all(|octet| *octet == 0xFA));
        assert!(heard[250..290].iter().all(|octet| *octet == 0xD5));
        assert!(heard[290..367].iter().all(|octet| *octet == g711::encode(Codec::Alaw, -1000)));
        assert!(heard[367..].iter().all(|octet| *octet == 0xD5));
    }

    #[test]
    fn a_take_that_a_new_recording_empties_ends_where_it_is() {
        let bank = bank();
        let mut list = Playlist::new(vec![Span::Take, clip("b")]);
        let mut packet = [0; 48];
        assert!(!list.fill(&bank, &Take::of(&[1000; 160]), Codec::Alaw, &mut packet));
        assert!(!list.fill(&bank, &Take::default(), Codec::Alaw, &mut packet));
        assert!(packet.iter().all(|octet| *octet == g711::encode(Codec::Alaw, -1000)));
        assert!(list.fill(&bank, &Take::default(), Codec::Alaw, &mut packet));
    }

    #[test]
    fn a_list_is_over_with_the_packet_that_holds_its_last_sample() {
        let pieces = [silence(40), silence(0)];
        assert_eq!(play(&pieces, &Take::default(), Codec::Ulaw, 160).1, 2);
        assert_eq!(play(&[], &Take::default(), Codec::Ulaw, 160).1, 1);
    }

    #[test]
    fn a_take_is_played_back_in_the_current_law() {
        let take = Take { octets: vec![0xFA; 200], codec: Some(Codec::Alaw) };
        assert_eq!(play(&[Span::Take], &take, Codec::Alaw, 100).0, vec![0xFA; 200]);
        let other = g711::transcode(Codec::Alaw, Codec::Ulaw, 0xFA);
        assert_eq!(play(&[Span::Take], &take, Codec::Ulaw, 100).0, vec![other; 200]);
        assert_eq!(play(&[Span::Take], &Take::default(), Codec::Ulaw, 100), (vec![0xFF; 100], 1));
    }

    #[test]
    fn the_line_test_tone_lasts_as_long_as_asked() {
        let bank = bank();
        let mut list = Playlist::new(bank.tone(Duration::from_millis(2500)));
        let mut packet = [0; 160];
        let packets = (1..).find(|_| list.fill(&bank, &Take::default(), Codec::Alaw, &mut packet));
        assert_eq!(packets, Some(125));
    }

    fn span() -> impl Strategy<Value = Span> {
        prop_oneof![
            Just(clip("a")),
            Just(clip("b")),
            Just(bank().beep()),
            Just(Span::Take),
            (0u64..100).prop_map(silence),
        ]
    }

    proptest! {
        #[test]
        fn the_packet_size_never_changes_what_is_heard(
            pieces in proptest::collection::vec(span(), 0..8),
            size in 1usize..500,
        ) {
            let take = Take { octets: vec![0x11; 33], codec: Some(Codec::Alaw) };
            let (whole, _) = play(&pieces, &take, Codec::Alaw, 100_000);
            let (cut, packets) = play(&pieces, &take, Codec::Alaw, size);
            let common = cut.len().min(whole.len());
            prop_assert_eq!(&cut[..common], &whole[..common]);
            prop_assert!(cut[common..].iter().all(|octet| *octet == 0xD5));
            prop_assert_eq!(cut.len(), packets * size);
        }
    }
}
