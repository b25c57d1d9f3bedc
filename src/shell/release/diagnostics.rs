//! Diagnostics for recordings that are missing or out of date. Each names the line of the script with the words.

use std::path::Path;
use std::sync::Arc;

use flow::Release;
use speech::{ClipText, Diagnostic};

/// `E47`: a sentence has no recording.
pub fn missing(release: &Release, folder: &Path, needed: &ClipText) -> Diagnostic {
    let file = folder.join(needed.lang.code()).join(format!("{}.wav", needed.id));
    diagnostic(
        release,
        needed,
        "E47",
        format!("{} has no recording in {}: \"{}\"", needed.id, needed.lang.code(), needed.text),
        format!("record it as {}, or render a placeholder (prompts/render)", file.display()),
    )
}

/// `W08`: the words of a sentence were changed after it was recorded; the release is live already, or a trial.
pub fn stale(release: &Release, needed: &ClipText) -> Diagnostic {
    diagnostic(
        release,
        needed,
        "W08",
        format!(
            "{} was recorded in {} before its words were changed to \"{}\"",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        "record it again".into(),
    )
}

/// `W08`: a recording lies there whose words the manifest does not have, such as a file that the office supplied.
pub fn unknown(release: &Release, needed: &ClipText) -> Diagnostic {
    diagnostic(
        release,
        needed,
        "W08",
        format!(
            "the recording of {} in {} is not the one that the manifest describes; its words should be \"{}\"",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        "listen to it: jindu prompts play".into(),
    )
}

/// `E48`: the words were changed after they were recorded, and no recording has the new words.
pub fn outdated(release: &Release, needed: &ClipText) -> Diagnostic {
    diagnostic(
        release,
        needed,
        "E48",
        format!(
            "callers would hear a recording of {} in {} that was made before its words were changed to \"{}\"",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        "record the new words and have the take approved: the publication then includes it; or restore the old words"
            .into(),
    )
}

/// `W14`: the words were changed after a take of them went live; the factory's recording has the new words.
pub fn replaced_by_factory(release: &Release, needed: &ClipText) -> Diagnostic {
    diagnostic(
        release,
        needed,
        "W14",
        format!(
            "the take of {} in {} was recorded before its words were changed to \"{}\"; the factory's recording is played",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        "record it again".into(),
    )
}

fn diagnostic(release: &Release, needed: &ClipText, code: &'static str, message: String, remedy: String) -> Diagnostic {
    let file = Arc::clone(release.script.file());
    Diagnostic { code, file, line: line_of(release, &needed.id), message, remedy }
}

/// The line of an entry's recording: `prompt.bye`, or `prompt.ready.0` for the first of several.
fn line_of(release: &Release, id: &str) -> u32 {
    let whole = release.script.entry(id);
    let part = || id.rsplit_once('.').and_then(|(entry, _)| release.script.entry(entry));
    // The words of numbers and dates stand in no line.
    whole.or_else(part).map_or(1, |entry| entry.line)
}
