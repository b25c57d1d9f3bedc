//! G.711, clips in memory, tones and their detection.
//!
//! ```text
//!  WAV master ─► encode_master ─► Bank (one arena per law) ─► Playlist ─► a packet's octets
//!  a caller's octets ─► g711::decode ─► ToneDetector ─► keys
//! ```

mod bank;
pub mod decode;
mod dtmf;
mod ear;
pub mod g711;
pub mod measure;
mod playlist;
mod resample;
pub mod shape;
mod tone;
mod voice;

pub use bank::{Bank, BankError, Encoded, MasterError, encode_master};
pub use dtmf::{ToneDetector, before_last_key};
pub use ear::{Search, Sought};
pub use playlist::{Playlist, Span, Take};
pub use tone::{LINE_TEST_DBOV, LINE_TEST_HZ, sine};
pub use voice::spoken;

/// Samples a second on the telephone side.
pub const RATE: u32 = 8000;

/// 16-bit samples at `rate` as a telephone has them, at 8000 Hz; `None` for a rate that no master has.
pub fn telephone(samples: &[i16], rate: u32) -> Option<Vec<i16>> {
    resample::to_8000(samples, rate)
}

/// How many samples a time has at 8000 Hz.
pub fn samples_in(time: std::time::Duration) -> usize {
    (time.as_micros() * u128::from(RATE) / 1_000_000) as usize
}
