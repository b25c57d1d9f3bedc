//! What messages of callers may take.

use std::time::Duration;

use inquiry::MessageLimits;

use super::table_reader::Reader;
use super::values::count;

/// Messages that callers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// The longest message, whatever the flow allows.
    pub longest: Duration,
    /// How many there may be; further callers hear what the flow says where nothing was recorded.
    pub limits: MessageLimits,
}

impl Default for Messages {
    fn default() -> Messages {
        let limits = MessageLimits {
            per_caller: 5,
            per_day: 2000,
            recordings: 50,
            bytes: 10_000 * MEGABYTE,
            free_bytes: 1000 * MEGABYTE,
        };
        Messages { longest: Duration::from_secs(300), limits }
    }
}

pub(super) fn messages(reader: &mut Reader) -> Messages {
    Messages {
        longest: reader.seconds("messages.longest_s", 5..=600, 300),
        limits: MessageLimits {
            per_caller: count(reader, "messages.per_caller_max", 1..=100_000, 5),
            per_day: count(reader, "messages.per_day_max", 1..=10_000_000, 2000),
            recordings: count(reader, "messages.recordings_max", 1..=30_000, 50),
            bytes: count::<u64>(reader, "messages.disk_mb_max", 1..=100_000_000, 10_000) * MEGABYTE,
            free_bytes: count::<u64>(reader, "messages.disk_free_mb_min", 0..=100_000_000, 1000) * MEGABYTE,
        },
    }
}

const MEGABYTE: u64 = 1_000_000;
