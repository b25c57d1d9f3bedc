//! Containers and their packets → the samples of each channel.

use std::io::Cursor;
use std::time::Duration;

use opus_rs::OpusDecoder;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_OPUS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::{Channels, DecodeError, RATES};

/// Reads the first recording of a file.
pub(super) fn read(bytes: &[u8], longest: Duration) -> Result<Channels, DecodeError> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let format = FormatOptions::default();
    let meta = MetadataOptions::default().limit_tag_bytes(Limit::Maximum(TAGS)).limit_visual_bytes(Limit::Maximum(0));
    let mut reader =
        symphonia::default::get_probe().probe(&Hint::new(), source, format, meta).map_err(|_| DecodeError::Unknown)?;
    let track = reader.default_track(TrackType::Audio).ok_or(DecodeError::Unknown)?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio()).cloned();
    let (id, parameters) = (track.id, parameters.ok_or(DecodeError::Kind("the sound in this file"))?);
    let mut voice = Voice::new(&parameters)?;
    let mut sink = Sink::new(&parameters, longest);
    run(&mut *reader, id, &mut voice, &mut sink)?;
    sink.done()
}

/// Every packet of a track. A broken one is left out; too many of them, and the recording is.
fn run(reader: &mut dyn FormatReader, track: u32, voice: &mut Voice, sink: &mut Sink) -> Result<(), DecodeError> {
    let mut broken = 0;
    let mut packets = 0u32;
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            // A browser's live recording has no end mark: it ends where the bytes do.
            Ok(None) | Err(Error::IoError(_) | Error::ResetRequired) => return Ok(()),
            Err(error) if sink.is_empty() => return Err(DecodeError::Broken(error.to_string())),
            Err(_) => return Ok(()),
        };
        packets += 1;
        if packet.track_id == track
            && let Err(error) = voice.decode(&packet, sink)?
        {
            broken += 1;
            if broken > BROKEN_MOST {
                return Err(DecodeError::Broken(error));
            }
        }
        if packets > PACKETS_MOST {
            return Err(DecodeError::TooLong(sink.longest));
        }
    }
}

/// A decoder of one track.
enum Voice {
    Opus { decoder: Box<OpusDecoder>, channels: usize, skip: usize, pcm: Vec<f32> },
    Other { decoder: Box<dyn AudioDecoder>, pcm: Vec<f32> },
}

impl Voice {
    fn new(parameters: &AudioCodecParameters) -> Result<Voice, DecodeError> {
        if parameters.codec == CODEC_ID_OPUS {
            return Voice::opus(parameters);
        }
        let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default());
        let decoder = decoder.map_err(|_| DecodeError::Kind("the sound in this file"))?;
        Ok(Voice::Other { decoder, pcm: Vec::new() })
    }

    /// RFC 7845 §5.1: the head says how many channels there are, and how many samples to drop first.
    fn opus(parameters: &AudioCodecParameters) -> Result<Voice, DecodeError> {
        let head = parameters.extra_data.as_deref().unwrap_or_default();
        let byte = |at: usize| head.get(at).copied().map(usize::from);
        let channels = byte(9).or(parameters.channels.as_ref().map(|channels| channels.count())).unwrap_or(1);
        if !(1..=2).contains(&channels) {
            return Err(DecodeError::Channels(channels));
        }
        // Boxes are big-endian where Ogg is little-endian: an MP4 head is told by its version 0.
        let (low, high) = (byte(10).unwrap_or_default(), byte(11).unwrap_or_default());
        let skip = if byte(8) == Some(0) { low << 8 | high } else { high << 8 | low };
        let decoder = OpusDecoder::new(48_000, channels).map_err(|error| DecodeError::Broken(error.into()))?;
        Ok(Voice::Opus { decoder: Box::new(decoder), channels, skip, pcm: vec![0.0; OPUS_FRAME * channels] })
    }

    /// Decodes one packet. The inner error is the packet's, the outer one the recording's.
    fn decode(&mut self, packet: &Packet, sink: &mut Sink) -> Result<Result<(), String>, DecodeError> {
        match self {
            Voice::Opus { decoder, channels, skip, pcm } => {
                let frames = match decoder.decode(&packet.data, OPUS_FRAME, pcm) {
                    Ok(frames) => frames.min(OPUS_FRAME),
                    Err(error) => return Ok(Err(error.into())),
                };
                let dropped = frames.min(*skip);
                *skip -= dropped;
                sink.take(&pcm[dropped * *channels..frames * *channels], *channels, 48_000).map(Ok)
            }
            Voice::Other { decoder, pcm } => {
                let buffer = match decoder.decode(packet) {
                    Ok(buffer) => buffer,
                    Err(error) => return Ok(Err(error.to_string())),
                };
                let (channels, rate) = (buffer.spec().channels().count(), buffer.spec().rate());
                buffer.copy_to_vec_interleaved(pcm);
                sink.take(pcm, channels, rate).map(Ok)
            }
        }
    }
}

/// Takes samples in, up to what a recording may be.
struct Sink {
    channels: Channels,
    longest: Duration,
}

impl Sink {
    fn new(parameters: &AudioCodecParameters, longest: Duration) -> Sink {
        let companded = [CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW].contains(&parameters.codec);
        Sink { channels: Channels { companded, ..Channels::default() }, longest }
    }

    fn is_empty(&self) -> bool {
        self.channels.left.is_empty()
    }

    fn take(&mut self, interleaved: &[f32], channels: usize, rate: u32) -> Result<(), DecodeError> {
        let sound = &mut self.channels;
        if !(1..=2).contains(&channels) {
            return Err(DecodeError::Channels(channels));
        }
        if !RATES.contains(&rate) {
            return Err(DecodeError::Rate(rate));
        }
        let first = sound.left.is_empty();
        if !first && (sound.rate != rate || sound.right.is_empty() != (channels == 1)) {
            return Err(DecodeError::Broken("it changes its format in the middle".into()));
        }
        sound.rate = rate;
        let most = self.longest.as_secs_f64() * f64::from(rate);
        let samples = (sound.left.len() + sound.right.len() + interleaved.len()) as f64;
        if samples / channels as f64 > most || samples > SAMPLES_MOST as f64 {
            return Err(DecodeError::TooLong(self.longest));
        }
        let clean = |sample: f32| if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
        if channels == 1 {
            sound.left.extend(interleaved.iter().map(|sample| clean(*sample)));
        } else {
            for pair in interleaved.chunks_exact(2) {
                sound.left.push(clean(pair[0]));
                sound.right.push(clean(pair[1]));
            }
        }
        Ok(())
    }

    fn done(self) -> Result<Channels, DecodeError> {
        if self.is_empty() { Err(DecodeError::Empty) } else { Ok(self.channels) }
    }
}

/// Bytes of tags; pictures are never read.
const TAGS: usize = 65_536;
/// 120 ms, the longest packet: a browser sends more than one frame in each.
const OPUS_FRAME: usize = 5760;
const BROKEN_MOST: u32 = 50;
/// More than the longest recording has in the shortest packets.
const PACKETS_MOST: u32 = 1_000_000;
/// Both channels together: eleven minutes at 48 kHz in stereo, in 256 MB.
const SAMPLES_MOST: usize = 64_000_000;
/// A float file may hold anything; a decoder's overshoot is kept to be seen.
const LOUDEST: f32 = 4.0;
