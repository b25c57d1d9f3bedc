//! What both doors share: receipt numbers, proofs, progress and what may be said of it, working days, age, records.

mod age;
mod attempts;
mod case;
mod factor;
mod format;
mod keys;
mod progress;
mod receipt;
mod record;
mod rules;
mod scan;
mod working_days;

pub use age::{Freshness, age};
pub use attempts::{Asker, AttemptLimits, Attempts, Verdict};
pub use case::{Answer, Case, CaseType, Document, ItemCode, Pause, Stage, TimeLimit, Unit};
pub use factor::{Factor, FactorError, Proof};
pub use format::{FormatError, Formats};
pub use keys::{Keys, RowKey, Verifier};
pub use progress::{LimitError, LimitTable, Progress, Promise};
pub use receipt::{CheckDigit, NumberError, Receipt, ReceiptFormat, SecondFactor};
pub use record::{CallOutcome, CallRecord, LookUpResult, ScanDoor, ScanRecord, ScanResult};
pub use rules::{Rules, RulesError};
pub use scan::{ScanRuleError, ScanRules, Scanned, Unreadable};
pub use working_days::WorkingDays;
