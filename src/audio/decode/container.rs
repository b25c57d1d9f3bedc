//! Containers and their packets (symphonia) → the samples of each channel.

use std::io::Cursor;
use std::time::Duration;

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS, CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{
    FORMAT_ID_AIFF, FORMAT_ID_CAF, FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_MKV,
};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

use super::damage::{Damage, Gap, time};
use super::error::DecodeError;
use super::kinds;
use super::opus::{self, OpusError, OpusStream};
use super::samples::{Channels, SampleSink};
use super::stream::Stream;

/// Reads the default audio track of a file; silence takes the place of what is missing.
pub(super) fn read(stream: &Stream<'_>, longest: Duration) -> Result<(Channels, Damage), DecodeError> {
    let bytes = &*stream.bytes;
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let format = FormatOptions::default();
    let meta =
        MetadataOptions::default().limit_tag_bytes(Limit::Maximum(TAG_BYTES)).limit_visual_bytes(Limit::Maximum(0));
    let mut reader = symphonia::default::get_probe()
        .probe(&Hint::new(), source, format, meta)
        .map_err(|error| unread(stream, &error))?;
    let track = reader.default_track(TrackType::Audio).ok_or_else(|| kinds::without_track(bytes))?;
    let stated = stated(track, &*reader);
    let mut reading = Reading::new(track, bytes, longest, gap_least(&*reader))?;
    // Ogg files may follow each other in one file: each begins with a description of its own.
    while reading.track(&mut *reader)? == Ended::Chained {
        let Some(track) = reader.default_track(TrackType::Audio) else { break };
        reading.go_on(track, bytes)?;
    }
    reading.finish(&stream.gaps, stated, bytes)
}

/// The playing time by a container that counts its samples.
fn stated(track: &Track, reader: &dyn FormatReader) -> Option<Duration> {
    let format = reader.format_info().format;
    // The time of a Matroska file is that of its longest track.
    let is_alone = format == FORMAT_ID_MKV && reader.tracks().len() == 1;
    if !is_alone && ![FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_AIFF, FORMAT_ID_CAF].contains(&format) {
        return None;
    }
    if let Some(samples) = track.num_frames.filter(|_| !is_alone) {
        return Some(time(samples, track.codec_params.as_ref()?.audio()?.sample_rate?));
    }
    let whole = reader.media_info();
    let (base, length) = if is_alone { (whole.time_base, whole.duration) } else { (track.time_base, track.duration) };
    Duration::try_from_secs_f64(length?.get() as f64 * tick_s(base?)).ok()
}

/// The shortest pause between packets that is a gap, where packets have times of their own.
fn gap_least(reader: &dyn FormatReader) -> Option<Duration> {
    match reader.format_info().format {
        FORMAT_ID_FLAC => Some(Duration::from_millis(1)),
        // A browser notes when a packet came, which is not exact.
        FORMAT_ID_MKV => Some(Duration::from_millis(100)),
        _ => None,
    }
}

fn tick_s(base: TimeBase) -> f64 {
    f64::from(base.numer.get()) / f64::from(base.denom.get())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    /// Another stream follows.
    Chained,
}

/// One recording as it is read.
struct Reading {
    track: u32,
    base: Option<TimeBase>,
    decoder: TrackDecoder,
    gap_least: Option<Duration>,
    sink: SampleSink,
    damage: Damage,
    /// When the next packet should begin, in seconds.
    next_s: Option<f64>,
    /// Samples of the packet before.
    packet: u64,
    /// The packet before was not decodable: it is the same place.
    in_damage: bool,
    errors: u32,
    /// Damaged packets before the first sound.
    early: u64,
    /// Errors of the container.
    stops: u32,
    packets: u32,
    /// Octets of the packets.
    octets: usize,
}

impl Reading {
    fn new(
        track: &Track,
        bytes: &[u8],
        longest: Duration,
        gap_least: Option<Duration>,
    ) -> Result<Reading, DecodeError> {
        let parameters = parameters(track, bytes)?;
        let companded = [CODEC_ID_PCM_ALAW, CODEC_ID_PCM_MULAW].contains(&parameters.codec);
        Ok(Reading {
            track: track.id,
            base: track.time_base,
            decoder: TrackDecoder::new(parameters, bytes)?,
            gap_least,
            sink: SampleSink::new(companded, longest),
            damage: Damage::default(),
            next_s: None,
            packet: 0,
            in_damage: false,
            errors: 0,
            early: 0,
            stops: 0,
            packets: 0,
            octets: 0,
        })
    }

    /// Goes on with the next stream of a chain.
    fn go_on(&mut self, track: &Track, bytes: &[u8]) -> Result<(), DecodeError> {
        self.decoder = TrackDecoder::new(parameters(track, bytes)?, bytes)?;
        (self.track, self.base, self.next_s) = (track.id, track.time_base, None);
        Ok(())
    }

    /// Decodes every packet of a track. A damaged packet becomes silence; too many of them are an error.
    fn track(&mut self, reader: &mut dyn FormatReader) -> Result<Ended, DecodeError> {
        loop {
            let packet = match reader.next_packet() {
                Ok(Some(packet)) => packet,
                // A live recording of a browser has no end mark: it ends with its bytes.
                Ok(None) | Err(Error::IoError(_)) => return Ok(Ended::Whole),
                Err(Error::ResetRequired) => return Ok(Ended::Chained),
                Err(error) if self.sink.is_empty() => return Err(DecodeError::unread("", error)),
                // Some containers find their next packet again, some do not.
                Err(_) if self.stops == STOPS_MAX => return Ok(Ended::Whole),
                Err(_) => {
                    self.stops += 1;
                    self.lose(0);
                    continue;
                }
            };
            self.packets += 1;
            if self.packets > PACKETS_MAX {
                return Err(self.sink.too_long());
            }
            self.octets += packet.data.len();
            if packet.track_id == self.track {
                self.packet(&packet)?;
            }
        }
    }

    fn packet(&mut self, packet: &Packet) -> Result<(), DecodeError> {
        let start_s = self.base.map(|base| packet.pts.get() as f64 * tick_s(base));
        self.fill_gap(start_s);
        let before = self.sink.len();
        let decoded = self.decoder.decode(packet, &mut self.sink)?;
        let samples = (self.sink.len() - before) as u64;
        match decoded {
            Ok(()) => (self.in_damage, self.packet) = (false, samples),
            Err(error) => self.fail(&error, self.packet)?,
        }
        let length = time((self.sink.len() - before) as u64, self.sink.rate());
        self.next_s = start_s.map(|start| start + length.as_secs_f64());
        Ok(())
    }

    /// Fills the time before a packet that begins later than the one before ended.
    fn fill_gap(&mut self, start_s: Option<f64>) {
        let (Some(least), Some(next), Some(start)) = (self.gap_least, self.next_s, start_s) else { return };
        let Ok(gap) = Duration::try_from_secs_f64(start - next) else { return };
        if gap >= least {
            self.sink.push_silence((gap.as_secs_f64() * f64::from(self.sink.rate())).round() as u64);
            self.damage.add(gap);
        }
    }

    /// Notes a packet that cannot be decoded, and keeps its time.
    fn fail(&mut self, error: &str, samples: u64) -> Result<(), DecodeError> {
        self.errors += 1;
        if self.errors > ERRORS_MAX {
            return Err(DecodeError::unread("", error));
        }
        if self.sink.is_empty() {
            self.early += 1;
        } else {
            self.lose(samples);
        }
        Ok(())
    }

    fn lose(&mut self, samples: u64) {
        self.sink.push_silence(samples);
        self.damage.lost += time(samples, self.sink.rate());
        self.damage.places += u32::from(!self.in_damage);
        self.in_damage = true;
    }

    /// Whether a Matroska reader passed over much of a file: a damaged size may hide all that follows it.
    fn skipped(&self, bytes: &[u8]) -> bool {
        let read = self.octets + self.packets as usize * ELEMENT;
        let most = ELEMENTS_MAX.max(bytes.len() / 10);
        kinds::container(bytes) == Some("WebM") && bytes.len().saturating_sub(read) > most && !kinds::has_files(bytes)
    }

    fn finish(
        mut self,
        gaps: &[Gap],
        stated: Option<Duration>,
        bytes: &[u8],
    ) -> Result<(Channels, Damage), DecodeError> {
        if self.sink.is_empty() && self.errors > 0 {
            return Err(DecodeError::Kind(kinds::of_codec(bytes)));
        }
        // A bare stream that was cut out of another begins within a frame, and nothing is missing.
        if self.early > 0 && kinds::has_container(bytes) {
            let early = Gap { at: 0, samples: self.early * self.packet };
            self.sink.fill(&[early]);
            self.damage.add(time(early.samples, self.sink.rate()));
        }
        self.sink.fill(gaps);
        for gap in gaps {
            self.damage.add(time(gap.samples, self.sink.rate()));
        }
        self.damage.stated = stated;
        if self.skipped(bytes) && stated.is_none() && self.damage.places == 0 {
            self.damage.add(Duration::ZERO);
        }
        Ok((self.sink.finish()?, self.damage))
    }
}

fn parameters<'a>(track: &'a Track, bytes: &[u8]) -> Result<&'a AudioCodecParameters, DecodeError> {
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    parameters.ok_or_else(|| DecodeError::Kind(kinds::of_codec(bytes)))
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
        let decoder = decoder.map_err(|_| unsupported(parameters, file))?;
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

/// What a decoder does not support of its own codec, or the codec.
fn unsupported(parameters: &AudioCodecParameters, file: &[u8]) -> DecodeError {
    if parameters.codec != CODEC_ID_AAC {
        return DecodeError::Kind(kinds::of_codec(file));
    }
    kinds::of_aac(parameters.extra_data.as_deref().unwrap_or_default())
}

/// Why a container cannot be read. One that begins as a recording does is damaged, and nothing else.
fn unread(stream: &Stream<'_>, error: &Error) -> DecodeError {
    match (&stream.name, kinds::container(&stream.bytes)) {
        (Some(name), _) => DecodeError::Kind(name.clone()),
        (None, Some(name)) => DecodeError::unread(name, error),
        (None, None) => DecodeError::Unknown,
    }
}

fn opus_error(error: OpusError) -> DecodeError {
    match error {
        OpusError::Channels(channels) => DecodeError::Channels(channels),
        OpusError::Packet(_) | OpusError::Panicked => DecodeError::unread("Opus", error),
    }
}

/// Octets of tags; pictures are not read.
const TAG_BYTES: usize = 65_536;
/// Damaged packets of a recording.
const ERRORS_MAX: u32 = 50;
/// Places at which a container stops.
const STOPS_MAX: u32 = 50;
/// Octets of Matroska elements beside the packets: in all, and for each packet.
const ELEMENTS_MAX: usize = 2048;
const ELEMENT: usize = 16;
/// More than the longest recording has in the shortest packets.
const PACKETS_MAX: u32 = 1_000_000;
