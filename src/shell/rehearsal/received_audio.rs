//! The audio that the telephone receives.

/// The received octets in the order of RTP sequence numbers; lost packets are silence.
#[derive(Default)]
pub(super) struct ReceivedAudio {
    pub octets: Vec<u8>,
    /// The extended sequence number of the first packet.
    origin: Option<i64>,
    newest: i64,
}

impl ReceivedAudio {
    /// Puts a packet in its place.
    pub(crate) fn packet(&mut self, sequence: u16, octets: &[u8], idle: u8) {
        let origin = *self.origin.get_or_insert_with(|| i64::from(sequence));
        let newest = if self.octets.is_empty() { origin } else { self.newest };
        // The nearest number that ends in these 16 bits.
        let number = newest + i64::from(sequence.wrapping_sub(newest as u16) as i16);
        self.newest = newest.max(number);
        let Ok(place) = usize::try_from(number - origin) else { return };
        let from = place * octets.len();
        if from > self.octets.len() + LEAP_MAX {
            return;
        }
        if self.octets.len() < from + octets.len() {
            self.octets.resize(from + octets.len(), idle);
        }
        self.octets[from..from + octets.len()].copy_from_slice(octets);
    }
}

/// A leap of more than ten seconds is another stream.
const LEAP_MAX: usize = 80_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_ordered_by_sequence_number_and_lost_packets_are_silence() {
        let mut audio = ReceivedAudio::default();
        for sequence in [65_534_u16, 0, 65_535, 2] {
            audio.packet(sequence, &[sequence as u8; 4], 9);
        }
        let expected = [[254; 4], [255; 4], [0; 4], [9; 4], [2; 4]].concat();
        assert_eq!(audio.octets, expected);
        audio.packet(40_000, &[1; 4], 9);
        assert_eq!(audio.octets, expected, "a leap is ignored");
    }
}
