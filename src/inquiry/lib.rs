//! What telephone and scan share: receipt numbers, proofs, progress and its disclosure, working days, age, the look-up's
//! steps and limits, records.

mod age;
mod calendar_end;
mod capacity;
mod case;
mod factor;
mod format;
mod keyed_hash;
mod limit;
mod look_up;
mod message_quota;
mod narrow;
mod progress;
mod qr_pattern;
mod receipt;
mod record;
mod rules;
mod scan;
mod scan_record;
mod scan_rule_error;
mod working_days;

pub use age::{AgeLimits, Freshness, age};
pub use calendar_end::{CALENDAR_WARNING_DAYS, CalendarEnd};
pub use capacity::{Availability, Capacity};
pub use case::{Answer, Case, CaseType, Document, ItemCode, Pause, Stage, TimeLimit, Unit};
pub use factor::{Factor, FactorError, Proof};
pub use format::{FormatError, Formats};
pub use keyed_hash::{Keys, RowKey, Verifier};
pub use limit::{
    DELAY_MAX, InquiryLimiter, InquiryLimits, KIOSKS_PER_ADDRESS, Limiter, PhoneClient, PhoneLimiter, PhoneLimits,
    PublicClient, PublicLimiter, PublicLimits, Rejected, ScanClient, ScanLimiter, ScanLimits, SharedCounts,
    SharedLimits,
};
pub use look_up::{LookUp, Outcome, Query, ReplicaAnswer};
pub use message_quota::{DAY as MESSAGE_DAY, MessageCaller, MessageDisk, MessageLimits, MessageQuota, MessageRefusal};
pub use progress::{Progress, Promise, TimeLimitError, TimeLimits};
pub use receipt::{CheckDigit, NumberError, Receipt, ReceiptFormat, SecondFactor};
pub use record::{
    CallOutcome, CallRecord, HandlingStep, LINE_TEST_STEP, LookUpResult, MessageResult, QueueOutcome, QueueVisit,
    STUDIO_STEP, TransferResult, is_of_no_flow,
};
pub use rules::{Rules, RulesError};
pub use scan::{ScanFault, ScanRules, Scanned};
pub use scan_record::{ScanPath, ScanRecord, ScanResult, Score};
pub use scan_rule_error::ScanRuleError;
pub use working_days::WorkingDays;

#[cfg(test)]
mod virtual_time {
    use std::time::Instant;

    /// Where a test's clock begins; it moves on by addition.
    #[expect(clippy::disallowed_methods, reason = "an Instant can be made in no other way")]
    pub(crate) fn start() -> Instant {
        Instant::now()
    }
}
