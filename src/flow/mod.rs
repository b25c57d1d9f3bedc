//! The hotline as data: as written → checked → run.

mod io;

pub use io::{Caller, Findings, Input, Output, PlayId, RecordResult, SlipKind, Transferred, WallClock};
