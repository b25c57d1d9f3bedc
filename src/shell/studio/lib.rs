//! The prompt studio's IO: accounts and what they do.

pub mod accounts;
mod bench;
mod catalogue;
mod exchange;
mod files;
mod publication;
mod refusal;
mod row;
mod sound;
mod store;
mod submit;

pub use accounts::{Accounts, Refused};
pub use bench::Studio;
pub use exchange::{FileReport, Imported, TextChange, Wanted};
pub use publication::{Along, flow_published, for_flow};
pub use refusal::{Refusal, state_zh};
pub use row::{
    AuditRow, Change, Form, Heard, Person, Publication, ReleaseRow, SlotRow, TakeReport, TakeRow, Upload, Wav, Which,
};

#[cfg(test)]
mod tests;
