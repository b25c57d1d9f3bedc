//! The sound that comes in.

/// Sound as it came, in the order of sequence numbers; what is missing is silence.
#[derive(Default)]
pub(super) struct Heard {
    pub octets: Vec<u8>,
    /// The extended sequence number of the first packet.
    origin: Option<i64>,
    newest: i64,
}

impl Heard {
    /// Lays a packet in its place.
    pub(crate) fn packet(&mut self, sequence: u16, octets: &[u8], idle: u8) {
        let origin = *self.origin.get_or_insert(i64::from(sequence));
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
    fn sound_lies_in_the_order_of_its_numbers_and_what_is_lost_is_silence() {
        let mut heard = Heard::default();
        for sequence in [65_534_u16, 0, 65_535, 2] {
            heard.packet(sequence, &[sequence as u8; 4], 9);
        }
        let expected = [[254; 4], [255; 4], [0; 4], [9; 4], [2; 4]].concat();
        assert_eq!(heard.octets, expected);
        heard.packet(40_000, &[1; 4], 9);
        assert_eq!(heard.octets, expected, "a leap is no part of it");
    }
}
