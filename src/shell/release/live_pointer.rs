//! The live pointer: the file `live` holds the name of the live release and is replaced as a whole.

use std::fs;

use base::Bilingual;
use config::Settings;

use crate::audit::audit;
use crate::disk::replace;
use crate::layout::{folder, is_name, names};

/// The name of the live release; `None` before the first publication.
pub fn live(settings: &Settings) -> Option<String> {
    let text = fs::read_to_string(folder(settings).join("live")).ok()?;
    let name = text.trim();
    is_name(name).then(|| name.to_owned())
}

/// Points to another release. Readers see the old name until the new one is in place.
pub(crate) fn set_live(settings: &Settings, name: &str) -> Result<(), Bilingual> {
    replace(&folder(settings).join("live"), &format!("{name}\n"))
}

/// The release that was live before the live one and is still stored: each step back goes one further back.
pub fn previous(settings: &Settings) -> Option<String> {
    let live = live(settings)?;
    let stored = names(settings);
    let published = audit(settings).into_iter().filter_map(|entry| Some((entry.release?, entry.what == "rollback")));
    before(published, &live, |name| stored.contains(name))
}

/// The release before the live one. A release that was made live again is where it was before: what came after it was taken
/// back, so a second step does not lead forward to it.
fn before(
    published: impl Iterator<Item = (String, bool)>,
    live: &str,
    stored: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut line: Vec<String> = Vec::new();
    for (name, again) in published {
        match line.iter().rposition(|earlier| *earlier == name).filter(|_| again) {
            Some(at) => line.truncate(at + 1),
            None => line.push(name),
        }
    }
    let end = line.iter().rposition(|name| name == live).unwrap_or(line.len());
    line.into_iter().take(end).rev().find(|name| name != live && stored(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step_back(log: &[(&str, bool)]) -> Option<String> {
        let published = log.iter().map(|(name, again)| ((*name).to_owned(), *again));
        before(published, log.last().expect("something is live").0, |name| name != "gone")
    }

    #[test]
    fn each_step_back_goes_one_further_back() {
        let mut log = vec![("a", false), ("b", false), ("c", false)];
        assert_eq!(step_back(&log).as_deref(), Some("b"));
        log.push(("b", true));
        assert_eq!(step_back(&log).as_deref(), Some("a"));
        log.push(("a", true));
        assert_eq!(step_back(&log), None);
        log.push(("c", true));
        assert_eq!(step_back(&log).as_deref(), Some("a"), "what was live before it was named");
        log.push(("d", false));
        assert_eq!(step_back(&log).as_deref(), Some("c"));
    }

    #[test]
    fn a_release_that_was_removed_is_passed_over() {
        assert_eq!(step_back(&[("a", false), ("gone", false), ("c", false)]).as_deref(), Some("a"));
        assert_eq!(step_back(&[("a", false), ("b", false), ("a", false)]).as_deref(), Some("b"), "published again");
    }
}
