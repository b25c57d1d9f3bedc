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

pub use accounts::{Accounts, AgentAccount, AgentDuty, PhoneCaller, SignInError};
pub use archive::{FileReport, ImportReport, SlotFilter, TextChange};
pub use flow_publication::{FlowPublication, Published, edited};
pub use handle::Studio;
pub use rejection::{Rejection, state_zh};
pub use row::{
    AuditRow, Change, LiveRecording, Person, PublicationPlan, ReleaseRow, SlotRow, Sound, SoundForm, SoundSource,
    TakeReport, TakeRow, Upload,
};

#[cfg(test)]
mod tests;
