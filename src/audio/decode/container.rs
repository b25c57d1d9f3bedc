//! Containers and their packets (symphonia) → the samples of each channel.

use std::io::Cursor;
use std::time::Duration;

use symphonia::core::codecs::audio::well_known::{CODEC_ID_OPUS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::error::DecodeError;
use super::kinds;
use super::opus::{self, OpusError, OpusStream};
use super::samples::{Channels, SampleSink};

/// Reads the default audio track of a file.
pub(super) fn read(bytes: &[u8], longest: Duration) -> Result<Channels, DecodeError> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let format = FormatOptions::default();
    let meta =
        MetadataOptions::default().limit_tag_bytes(Limit::Maximum(TAG_BYTES)).limit_visual_bytes(Limit::Maximum(0));
    let mut reader = symphonia::default::get_probe()
        .probe(&Hint::new(), source, format, meta)
        .map_err(|error| unread(bytes, &error))?;
    let unnamed = || DecodeError::Kind(kinds::of_codec(bytes));
    let track = reader.default_track(TrackType::Audio).ok_or_else(unnamed)?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio()).cloned();
    let (id, parameters) = (track.id, parameters.ok_or_else(unnamed)?);
    let mut decoder = TrackDecoder::new(&parameters, bytes)?;
    let companded = [CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW].contains(&parameters.codec);
    let mut sink = SampleSink::new(companded, longest);
    decode_track(&mut *reader, id, &mut decoder, &mut sink)?;
    sink.finish()
}

/// Decodes every packet of a track. A damaged packet is skipped; too many of them are an error.
fn decode_track(
    reader: &mut dyn FormatReader,
    track: u32,
    decoder: &mut TrackDecoder,
    sink: &mut SampleSink,
) -> Result<(), DecodeError> {
    let mut broken = 0;
    let mut packets = 0u32;
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            // A live recording of a browser has no end mark: it ends with its bytes.
            Ok(None) | Err(Error::IoError(_) | Error::ResetRequired) => return Ok(()),
            Err(error) if sink.is_empty() => return Err(DecodeError::Broken(error.to_string())),
            Err(_) => return Ok(()),
        };
        packets += 1;
        if packet.track_id == track
            && let Err(error) = decoder.decode(&packet, sink)?
        {
            broken += 1;
            if broken > BROKEN_MAX {
                return Err(DecodeError::Broken(error));
            }
        }
        if packets > PACKETS_MAX {
            return Err(sink.too_long());
        }
    }
}

/// The decoder of one track.
enum TrackDecoder {
    Opus(OpusStream),
    Other { decoder: Box<dyn AudioDecoder>, pcm: Vec<f32> },
}

impl TrackDecoder {
    /// `file` is the whole file, for the name of a codec that is not supported.
    fn new(parameters: &AudioCodecParameters, file: &[u8]) -> Result<TrackDecoder, DecodeError> {
        if parameters.codec == CODEC_ID_OPUS {
            let head = parameters.extra_data.as_deref().unwrap_or_default();
            let channels = parameters.channels.as_ref().map(|channels| channels.count());
            return OpusStream::new(head, channels).map(TrackDecoder::Opus).map_err(opus_error);
        }
        let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default());
        let decoder = decoder.map_err(|_| DecodeError::Kind(kinds::of_codec(file)))?;
        Ok(TrackDecoder::Other { decoder, pcm: Vec::new() })
    }

    /// Decodes one packet. The inner error is the packet's, the outer one the recording's.
    fn decode(&mut self, packet: &Packet, sink: &mut SampleSink) -> Result<Result<(), String>, DecodeError> {
        match self {
            TrackDecoder::Opus(stream) => {
                let channels = stream.channels();
                match stream.decode(&packet.data) {
                    Ok(samples) => sink.push(samples, channels, opus::RATE).map(Ok),
                    Err(OpusError::Packet(error)) => Ok(Err(error.into())),
                    Err(error) => Err(opus_error(error)),
                }
            }
            TrackDecoder::Other { decoder, pcm } => {
                let buffer = match decoder.decode(packet) {
                    Ok(buffer) => buffer,
                    Err(error) => return Ok(Err(error.to_string())),
                };
                let (channels, rate) = (buffer.spec().channels().count(), buffer.spec().rate());
                buffer.copy_to_vec_interleaved(pcm);
                sink.push(pcm, channels, rate).map(Ok)
            }
        }
    }
}

/// Why a container cannot be read. One that begins as a recording does is damaged, and nothing else.
fn unread(bytes: &[u8], error: &Error) -> DecodeError {
    let is = |at: usize, magic: &[u8]| bytes.get(at..at + magic.len()) == Some(magic);
    let name = match () {
        () if is(0, b"RIFF") => "WAV",
        () if is(0, b"fLaC") => "FLAC",
        () if is(0, b"OggS") => "Ogg",
        () if is(0, b"ID3") || is(0, b"\xFF\xFB") => "MP3",
        () if is(4, b"ftyp") => "M4A",
        () if is(0, b"\x1A\x45\xDF\xA3") => "WebM",
        () if is(0, b"FORM") && (is(8, b"AIFF") || is(8, b"AIFC")) => "AIFF",
        () if is(0, b"caff") => "CAF",
        () => return DecodeError::Unknown,
    };
    DecodeError::Broken(format!("{name}: {error}"))
}

fn opus_error(error: OpusError) -> DecodeError {
    match error {
        OpusError::Channels(channels) => DecodeError::Channels(channels),
        OpusError::Packet(_) | OpusError::Panicked => DecodeError::Broken(error.to_string()),
    }
}

/// Octets of tags; pictures are not read.
const TAG_BYTES: usize = 65_536;
/// Damaged packets of a recording.
const BROKEN_MAX: u32 = 50;
/// More than the longest recording has in the shortest packets.
const PACKETS_MAX: u32 = 1_000_000;
