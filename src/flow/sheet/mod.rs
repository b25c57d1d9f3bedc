//! Call sheets: a call as text, one act a line, run on virtual time.
//!
//! ```text
//! test "Mandarin, ready to collect"
//!   at 2026-11-24 10:00
//!   db progress receipt=442026112400018 id_tail=123X -> status=ready doc=passport hall=north age=2m
//!   press 11442026112400018
//!   hear ask_id_tail
//!   press 123*
//!   hear st_ready zh "普通护照" "城北大厅"
//! ```
//! A sheet is a regression test, documentation and a bug report in one.

mod events;
mod names;
mod office;
mod parse;
mod queue;
mod records;
mod run;
mod session;
mod telephone;

pub use events::ClipLengths;
pub use parse::{ACTS, Act, AgentAct, Db, Expected, QueueAct, Row, Sheet, SheetTest, SmsAct, parse};
pub use records::Records;
pub use run::{Failure, Outcome, TICKET, run, run_recorded};
pub use session::{Reply, Session};
pub use telephone::{Cue, Requirement, Script, Sound, Step, script};
