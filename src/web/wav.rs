//! Speech for a browser: a RIFF WAVE file of 16-bit mono PCM (Multimedia Programming Interface and Data
//! Specifications 1.0, IBM and Microsoft 1991).

use std::time::Duration;

/// A piece of speech.
#[derive(Clone, Copy, Debug)]
pub enum SpeechPiece<'a> {
    /// 16-bit samples of a clip.
    Samples(&'a [i16]),
    /// A pause.
    Silence(Duration),
}

/// Joins pieces, all at `rate` samples a second, into one file.
pub fn speech_wav<'a>(rate: u32, sounds: impl Iterator<Item = SpeechPiece<'a>>) -> Vec<u8> {
    let mut file = vec![0; HEADER];
    for sound in sounds {
        match sound {
            SpeechPiece::Samples(samples) => file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes())),
            SpeechPiece::Silence(length) => {
                let samples = length.as_micros() * u128::from(rate) / 1_000_000;
                file.resize(file.len() + 2 * usize::try_from(samples).unwrap_or(0), 0);
            }
        }
    }
    let data = u32::try_from(file.len() - HEADER).unwrap_or(u32::MAX);
    file[..HEADER].copy_from_slice(&header(rate, data));
    file
}

fn header(rate: u32, data: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RIFF");
    put(4, &data.saturating_add(36).to_le_bytes());
    put(8, b"WAVEfmt ");
    put(16, &16u32.to_le_bytes());
    put(20, &1u16.to_le_bytes()); // PCM
    put(22, &1u16.to_le_bytes()); // one channel
    put(24, &rate.to_le_bytes());
    put(28, &(2 * rate).to_le_bytes());
    put(32, &2u16.to_le_bytes());
    put(34, &16u16.to_le_bytes());
    put(36, b"data");
    put(40, &data.to_le_bytes());
    header
}

const HEADER: usize = 44;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wav_reader_reads_what_was_joined() {
        let file = speech_wav(
            8000,
            [
                SpeechPiece::Samples(&[1, -2]),
                SpeechPiece::Silence(Duration::from_millis(1)),
                SpeechPiece::Samples(&[3]),
            ]
            .into_iter(),
        );
        let mut reader = hound::WavReader::new(file.as_slice()).unwrap();
        assert_eq!((reader.spec().sample_rate, reader.spec().channels, reader.spec().bits_per_sample), (8000, 1, 16));
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [1, -2, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
    }
}
