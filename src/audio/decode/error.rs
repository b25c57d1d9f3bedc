//! Why a file is not a usable recording.

use std::borrow::Cow;
use std::time::Duration;

/// Why a file is not a usable recording, and what its sender can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is no octet or no sample.
    #[error("the file is empty: record it again")]
    Empty,
    /// A known kind of file that is not supported.
    #[error("{0} is not supported: save it as WAV, FLAC, MP3, M4A or Opus")]
    Kind(Cow<'static, str>),
    /// No known kind of file.
    #[error("this is not a recording: send WAV, FLAC, MP3, M4A, WebM or Ogg")]
    Unknown,
    /// A supported kind of file that is damaged.
    #[error("the recording is damaged ({0}): save or record it again")]
    Broken(String),
    /// Longer than the limit, which is named.
    #[error("the recording is longer than {} minutes and {} seconds: cut it", .0.as_secs() / 60, .0.as_secs() % 60)]
    TooLong(Duration),
    /// A sample rate outside 8000 to 192000 Hz.
    #[error("the recording has {0} samples a second: record at 8000 to 192000, best 48000")]
    Rate(u32),
    /// Neither mono nor stereo.
    #[error("the recording has {0} channels: save it as mono or stereo")]
    Channels(usize),
}
