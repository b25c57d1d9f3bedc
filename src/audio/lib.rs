//! G.711, clips in memory, playlists, tones and their detection; decoding and measuring recordings.
//!
//! ```text
//!  WAV master ─► encode_master ─► Bank (one arena per law) ─► Playlist ─► a packet's octets
//!  a caller's octets ─► g711::decode ─► ToneDetector ─► keys
//! ```

mod bank;
mod clip_match;
pub mod decode;
mod dtmf;
mod filter;
pub mod g711;
pub mod mastering;
pub mod measure;
mod playlist;
mod resample;
mod speech_activity;
mod stereo;
mod tone;

pub use bank::{Bank, BankError, Encoded, MasterError, encode_master};
pub use clip_match::{ClipMatch, ClipSequence};
pub use dtmf::{DtmfDetector, before_last_key};
pub use playlist::{Playlist, Span, Take};
pub use speech_activity::SpeechMeter;
pub use stereo::Interleaver;
pub use tone::{dtmf_tone, sine};

/// Samples a second on the telephone side.
pub const RATE: u32 = 8000;

/// 16-bit samples at `rate`, resampled to 8000 Hz; `None` for a rate outside those of recordings.
pub fn to_telephone_rate(samples: &[i16], rate: u32) -> Option<Vec<i16>> {
    resample::to_8000(samples, rate)
}

/// The samples of a duration at 8000 Hz.
pub fn samples_in(time: std::time::Duration) -> usize {
    (time.as_micros() * u128::from(RATE) / 1_000_000) as usize
}
