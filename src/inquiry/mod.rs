//! What both doors share: receipt numbers, progress and what may be said of it, working days, age.

mod case;
mod receipt;

pub use case::{Answer, Case, CaseType, Document, ItemCode, Pause, Stage, TimeLimit, Unit};
pub use receipt::{CheckDigit, NumberError, Receipt, ReceiptFormat, SecondFactor};
