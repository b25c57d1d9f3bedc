//! Why a file is not a usable recording.

use std::time::Duration;

use base::Bilingual;

/// Why a file is not a usable recording, and what its sender can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is no octet or no sample.
    #[error("the file is empty: record it again")]
    Empty,
    /// A known kind of file or of sound that is not supported.
    #[error("{0} is not supported: save it as WAV, FLAC, MP3, M4A or Opus")]
    Kind(Bilingual),
    /// An archive, whose files may be recordings.
    #[error("{0}, not a recording: unpack it and send the recordings in it, or import a ZIP archive of recordings")]
    Archive(Bilingual),
    /// A film or another container without a track of sound.
    #[error("the file holds no sound: send the recording itself")]
    NoSound,
    /// No known kind of file.
    #[error("this is not a recording: send WAV, FLAC, MP3, M4A, WebM or Ogg")]
    Unknown,
    /// A supported kind of file that is damaged.
    #[error("the recording is damaged ({0}): save or record it again")]
    Broken(Bilingual),
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

impl DecodeError {
    /// A damaged file, with the reason in both languages.
    pub(super) const fn broken(en: &'static str, zh: &'static str) -> DecodeError {
        DecodeError::Broken(Bilingual::fixed(en, zh))
    }

    /// A damaged file of a kind; a library says why, in English.
    pub(super) fn unread(kind: &str, why: impl std::fmt::Display) -> DecodeError {
        match kind {
            "" => DecodeError::Broken(Bilingual::new(why.to_string(), "内容读不出")),
            _ => DecodeError::Broken(Bilingual::new(format!("{kind}: {why}"), format!("{kind} 的内容读不出"))),
        }
    }
}
