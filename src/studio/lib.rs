//! The prompt studio (pure): the slots of a release, takes and their checks, accounts, exchange with other studios.

pub mod accounts;
mod conditions;
mod coverage;
pub mod examples;
pub mod exchange;
mod levelling;
pub mod lockout;
mod quality;
mod script_page;
mod slot;
mod take;
mod voice;

pub use accounts::{Operator, Role};
pub use conditions::{Conditions, Voice};
pub use coverage::{Coverage, Manifest, ManifestEntry, read_manifest, text_hash};
pub use levelling::{Processed, process, wav};
pub use script_page::script_page;
pub use slot::{Intonation, Slot, SlotContext, is_recorded_whole, set_of, slots};
pub use take::{Figures, Finding, Grade, Message, SlotState, TakeName, TakeSource, TakeState};
pub use voice::{OtherTake, voice_of_set};
