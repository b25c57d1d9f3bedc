//! One Opus stream: identification header and packets → interleaved samples at 48 kHz.
//!
//! The only file that uses `opus-rs`, which is young and contains unsafe code. Its inputs and outputs are bounded here:
//! a stream has one or two channels, a packet at most [`FRAMES_MAX`] samples a channel, and a panic of the decoder ends
//! the stream. The fuzz target `opus` drives this module directly.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_rs::OpusDecoder;

/// The sample rate of every stream, whatever rate it was recorded at (RFC 7845 §5.1).
pub const RATE: u32 = 48_000;
/// Samples per channel of the longest packet: 120 ms (RFC 6716 §3.2.5).
pub const FRAMES_MAX: usize = 5760;

/// Why a stream or packet cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpusError {
    /// The channel count of the header is not 1 or 2.
    #[error("the Opus stream has {0} channels instead of 1 or 2")]
    Channels(usize),
    /// The packet is damaged; later packets may decode.
    #[error("{0}")]
    Packet(&'static str),
    /// The decoder panicked; the stream cannot continue.
    #[error("the Opus decoder failed")]
    Panicked,
}

/// The decoder of one stream.
pub struct OpusStream {
    /// `None` after a panic.
    decoder: Option<Box<OpusDecoder>>,
    channels: usize,
    /// Samples per channel still to drop from the start.
    skip: usize,
    pcm: Vec<f32>,
}

impl OpusStream {
    /// Begins a stream with its identification header (RFC 7845 §5.1), which states the channels and how many samples
    /// to drop first. A header that is too short has `channels` or else one channel, and drops nothing.
    pub fn new(head: &[u8], channels: Option<usize>) -> Result<OpusStream, OpusError> {
        let byte = |at: usize| head.get(at).copied().map(usize::from);
        let channels = byte(9).or(channels).unwrap_or(1);
        if !(1..=2).contains(&channels) {
            return Err(OpusError::Channels(channels));
        }
        // MP4 boxes are big-endian and Ogg is little-endian; version 0 identifies a header from MP4.
        let (low, high) = (byte(10).unwrap_or_default(), byte(11).unwrap_or_default());
        let skip = if byte(8) == Some(0) { low << 8 | high } else { high << 8 | low };
        let decoder = OpusDecoder::new(RATE as i32, channels).map_err(OpusError::Packet)?;
        Ok(OpusStream { decoder: Some(Box::new(decoder)), channels, skip, pcm: vec![0.0; FRAMES_MAX * channels] })
    }

    /// One or two.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Decodes one packet to interleaved samples, at most [`FRAMES_MAX`] per channel. The samples may exceed 1.0.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[f32], OpusError> {
        let mut decoder = self.decoder.take().ok_or(OpusError::Panicked)?;
        let pcm = &mut self.pcm;
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(packet, FRAMES_MAX, pcm)));
        let decoded = decoded.map_err(|_| OpusError::Panicked)?;
        self.decoder = Some(decoder);
        let frames = decoded.map_err(OpusError::Packet)?.min(FRAMES_MAX);
        let dropped = frames.min(self.skip);
        self.skip -= dropped;
        Ok(&self.pcm[dropped * self.channels..frames * self.channels])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An identification header as Ogg has it: version 1, channels, samples to drop.
    fn head(channels: u8, skip: u16) -> Vec<u8> {
        [b"OpusHead".as_slice(), &[1, channels], &skip.to_le_bytes(), &[0; 7]].concat()
    }

    #[test]
    fn a_stream_of_no_or_many_channels_is_rejected() {
        for channels in [0, 3, 255] {
            let error = OpusStream::new(&head(channels, 0), None).err();
            assert_eq!(error, Some(OpusError::Channels(channels.into())));
        }
        assert_eq!(OpusStream::new(&[], Some(2)).map(|stream| stream.channels()), Ok(2));
        assert_eq!(OpusStream::new(&[], None).map(|stream| stream.channels()), Ok(1));
    }

    #[test]
    fn a_lost_packet_is_concealed_and_the_first_samples_are_dropped() {
        let mut stream = OpusStream::new(&head(2, 312), None).expect("a sound header");
        // CELT, 20 ms, one frame of one octet.
        let first = stream.decode(&[0xFC, 0]).expect("a decodable packet").len();
        assert_eq!(first, (960 - 312) * 2);
        assert_eq!(stream.decode(&[0xFC, 0]).map(<[f32]>::len), Ok(960 * 2));
    }

    #[test]
    fn a_packet_longer_than_120_ms_is_an_error_and_the_stream_goes_on() {
        let mut stream = OpusStream::new(&head(1, 0), None).expect("a sound header");
        // Code 3, constant size, 7 frames of 20 ms.
        let long = [&[0xFB, 7][..], &[0; 7]].concat();
        assert!(matches!(stream.decode(&long), Err(OpusError::Packet(_))));
        assert!(stream.decode(&[0xF8, 0]).is_ok());
    }
}
