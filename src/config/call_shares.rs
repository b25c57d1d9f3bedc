//! What one caller, and the services beside the hotline, may take of the lines.

use std::num::NonZeroU32;
use std::time::Duration;

use super::table_reader::Reader;
use super::values::count;
use base::Bilingual;

/// Bounds of calls that hold a line and do not inquire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallShares {
    /// Calls to the line test at once; further ones get 486.
    pub line_tests_max: usize,
    /// The longest call to the line test.
    pub line_test_limit: Duration,
    /// How long an operator has to sign in by telephone, all tries together.
    pub sign_in_limit: Duration,
    /// A peer that need not send media, by hold or silence suppression, is lost after sending nothing at all for this long.
    pub hold_timeout: Duration,
    /// Transfers of one call; further ones fail. None: no limit.
    pub transfers_per_call_max: Option<NonZeroU32>,
    /// Transfers of one calling number of a trunk within the window; further ones fail. None: no limit.
    pub transfers_per_caller_max: Option<NonZeroU32>,
    /// The time over which transfers of a caller are counted.
    pub transfer_window: Duration,
}

pub(super) fn call_shares(reader: &mut Reader) -> CallShares {
    let media_timeout = reader.seconds("phone.media_timeout_s", 1..=86_400, 60);
    let hold_timeout = reader.seconds("phone.media_hold_timeout_s", 1..=86_400, 600);
    if reader.has("phone.media_hold_timeout_s") && hold_timeout < media_timeout {
        reader.report(
            "phone.media_hold_timeout_s",
            Bilingual::fixed("must be at least phone.media_timeout_s", "不得小于 phone.media_timeout_s"),
        );
    }
    CallShares {
        line_tests_max: count(reader, "phone.line_test_calls_max", 1..=30_000, 4),
        line_test_limit: reader.seconds("phone.line_test_limit_s", 10..=3600, 120),
        sign_in_limit: reader.seconds("phone.studio_sign_in_s", 20..=600, 60),
        hold_timeout: hold_timeout.max(media_timeout),
        transfers_per_call_max: NonZeroU32::new(count(reader, "phone.transfers_per_call_max", 0..=1000, 5)),
        transfers_per_caller_max: NonZeroU32::new(count(reader, "phone.transfers_per_caller_max", 0..=100_000, 20)),
        transfer_window: reader.seconds("phone.transfer_window_s", 10..=86_400, 600),
    }
}
