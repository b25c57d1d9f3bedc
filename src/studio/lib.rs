//! The prompt operator's workshop (pure): which recordings a release lacks, which are out of date; who may work there.

pub mod accounts;
mod coverage;
pub mod examples;
pub mod exchange;
mod page;
mod process;
mod quality;
mod slot;
mod take;
pub mod tries;

pub use accounts::{Operator, Role};
pub use coverage::{Coverage, Manifest, Recorded, read_manifest, text_hash};
pub use page::page;
pub use process::{Conditions, Processed, Voice, process, wav};
pub use slot::{Said, Slot, Variant, is_close_knit, set_of, slots};
pub use take::{Figures, Finding, Grade, Kind, SlotState, TakeName, TakeState, Words};
