//! The live pointer: the file `live` holds the name of the live release and is replaced as a whole.

use std::fs;

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
pub(crate) fn set_live(settings: &Settings, name: &str) -> Result<(), String> {
    replace(&folder(settings).join("live"), &format!("{name}\n"))
}

/// The release that was live before the live one and is still stored.
pub fn previous(settings: &Settings) -> Option<String> {
    let live = live(settings)?;
    let stored = names(settings);
    let before = audit(settings).into_iter().rev().filter_map(|entry| entry.release);
    before.into_iter().find(|name| *name != live && stored.contains(name))
}
