//! G.711, clips in memory, tones and their detection.
//!
//! ```text
//!  WAV master ─► encode_master ─► Bank (one arena per law) ─► Playlist ─► a packet's octets
//!  a caller's octets ─► g711::decode ─► ToneDetector ─► keys
//! ```

mod bank;
mod dtmf;
pub mod g711;
mod playlist;
mod resample;
mod tone;

pub use bank::{Bank, BankError, Encoded, MasterError, encode_master};
pub use dtmf::{ToneDetector, before_last_key};
pub use playlist::{Playlist, Span, Take};
pub use tone::{LINE_TEST_DBOV, LINE_TEST_HZ, sine};

/// Samples a second on the telephone side.
pub const RATE: u32 = 8000;

/// How many samples a time has at 8000 Hz.
pub fn samples_in(time: std::time::Duration) -> usize {
    (time.as_micros() * u128::from(RATE) / 1_000_000) as usize
}
