//! `[recording]` and `record` of `[[queue]]`: which conversations with agents are recorded, how long a recording is and is kept, and
//! how much room all of them may take.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::Bilingual;

use super::sound_key::SoundKey;
use super::table_reader::Reader;

/// Recording of conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The queues whose conversations are recorded; none: nothing is.
    pub queues: BTreeSet<Arc<str>>,
    /// How long a recording is kept.
    pub keep: Duration,
    /// The longest recording; the conversation goes on without it.
    pub longest: Duration,
    /// Conversations that are recorded at once.
    pub at_once_max: usize,
    /// Bytes that all recordings may take on the disk.
    pub disk_bytes_max: u64,
    /// No recording begins, or goes on, with less of the disk free, in bytes.
    pub disk_free_min: u64,
}

impl Recording {
    /// Whether any conversation of this node is recorded.
    pub fn is_on(&self) -> bool {
        !self.queues.is_empty()
    }
}

/// Reads the table; `queues` are those that record.
pub(super) fn recording(reader: &mut Reader, queues: BTreeSet<Arc<str>>) -> Recording {
    let mut number = |key: &str, range, usual| reader.number(key, range, usual).unsigned_abs();
    let at_once_max = number("recording.at_once_max", 1..=2000, 200);
    Recording {
        queues,
        keep: Duration::from_secs(number("recording.keep_days", 1..=3650, 90) * 86_400),
        longest: Duration::from_secs(number("recording.longest_s", 10..=14_400, 3600)),
        at_once_max: usize::try_from(at_once_max).unwrap_or(usize::MAX),
        disk_bytes_max: number("recording.disk_mb_max", 100..=100_000_000, 100_000) * MEGABYTE,
        disk_free_min: number("recording.disk_free_mb_min", 0..=100_000_000, 2000) * MEGABYTE,
    }
}

/// Conversations are stored sealed, or not at all.
pub(super) fn check_key(reader: &mut Reader, recording: &Recording, key: Option<&SoundKey>) {
    if recording.is_on() && key.is_none() {
        let what = Bilingual::fixed(
            "record = true needs data.sound_key: recordings of conversations are stored sealed only; make a key with \
             (umask 077; head -c 32 /dev/urandom > sound.key) and name it in data.sound_key",
            "record = true 需要 data.sound_key：通话录音只加密保存；请用 (umask 077; head -c 32 /dev/urandom > sound.key) 生成密钥并写入 \
             data.sound_key",
        );
        reader.report_as("recording.sound_key", "queue", what);
    }
}

const MEGABYTE: u64 = 1_000_000;
