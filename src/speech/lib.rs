//! A sentence with typed slots → text for a screen, and a list of clips for a caller.
//!
//! ```text
//!  script.toml ──► Script ──compose(language, entry, values)──► Utterance { text, pieces }
//!                     └─────clips──► every recording that a call can play
//! ```

mod compose;
mod diagnostic;
mod script;
mod sentence;
pub mod spoken;
pub mod toml_tree;
mod value;
mod vocabulary;

pub use compose::{SENTENCE_PAUSE, SpeechError, Utterance, estimated_length, to_tsv};
pub use diagnostic::{Diagnostic, closest_match};
pub use script::{Entry, Script};
pub use sentence::{Part, Sentence, Slot, SlotError, SlotType};
pub use value::{Clip, Piece, Value};
pub use vocabulary::{ClipText, vocabulary};
