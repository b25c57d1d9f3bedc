//! Checks of a whole release: all diagnostics in one run.
//!
//! | code | catches |
//! |---|---|
//! | E00–E02 | unreadable line, name given twice, unknown table or field |
//! | E03–E06, E12 | target that does not exist; missing next, unknown or unwired outcome; no give-up |
//! | E07–E09 | switch without a set, missing value, unknown value |
//! | E10, E11, E13, E16 | no phone key, key given twice, key with two jobs; star with two meanings in one question |
//! | E14, E15 | invalid value, missing field |
//! | E20–E23 | unreachable node; no end; a loop that never asks; a loop that no-input never leaves |
//! | E24 | a person promised without a look at the hours |
//! | E30–E38 | prompt, family member, language, slot, word, option or menu line missing or wrong |
//! | E40–E42 | a person too far away; value used before it is known; secret spoken or passed on |
//! | E43 | a caller waits longer for the result than the limit (reported where recordings are read) |
//! | E45, E46, E49 | make-up day without hours; no such calendar; a make-up day of another calendar without hours |
//! | E47, E48, W08, W14 | a recording that is missing; a live take, or a recording, of other words (reported where recordings are read) |
//! | E50 | a call comes to an agent without hearing that conversations are recorded (reported where the settings are read) |
//! | W16 | a queue whose keys lead nowhere |
//! | W01–W06 | changed default key, unused words, too many options, long menu, lost key, state without words |
//! | W09–W13 | calendars at odds, or without days; no limit; a wordless beep; a source or address that no node has; languages read in one |
//! | W15 | a path on which a notice that must be heard is missed |

mod graph;
mod keys;
mod paths;
mod person;
mod recorded;
mod refs;
mod sense;
mod subject;
mod words;

use speech::Diagnostic;

pub(crate) use person::reaches_a_person;
pub use recorded::unannounced;
pub(super) use subject::Subject;
pub(crate) use words::expanded;
pub(super) use words::{used, used_by};

/// All checks that need more than one table. Where targets are missing, paths are not checked: one mistake would be
/// reported many times.
pub(super) fn all(subject: &Subject<'_>, broken: bool) -> Vec<Diagnostic> {
    let mut diagnostics = refs::check(subject);
    diagnostics.extend(words::check(subject));
    diagnostics.extend(keys::check(subject));
    if !broken {
        diagnostics.extend(sense::check(subject));
    }
    let astray =
        |diagnostic: &Diagnostic| matches!(diagnostic.code, "E03" | "E04" | "E05" | "E06" | "E07" | "E08" | "E12");
    if !broken && !diagnostics.iter().any(astray) {
        diagnostics.extend(graph::check(subject));
        diagnostics.extend(paths::check(subject));
        diagnostics.extend(person::check(subject));
    }
    diagnostics
}
