//! The prompt studio on the disk: takes, accounts, publications.

pub mod accounts;
mod archive;
mod archive_import;
mod catalogue;
mod files;
mod flow_publication;
mod handle;
mod listing;
mod playback;
mod publication;
mod rejection;
mod review;
mod row;
mod store;
mod submit;

pub use accounts::{Accounts, Refused};
pub use archive::{FileReport, Imported, TextChange, Wanted};
pub use flow_publication::{FlowPublication, Published, edited};
pub use handle::Studio;
pub use rejection::{Refusal, state_zh};
pub use row::{
    AuditRow, Change, Form, Heard, Person, Publication, ReleaseRow, SlotRow, TakeReport, TakeRow, Upload, Wav, Which,
};

#[cfg(test)]
mod tests;
