//! The duty officer's switch for the emergency notice: the file `<data>/emergency`, `on` or `off`.

use std::fs;

use base::Bilingual;
use config::Settings;

use crate::disk::replace;

/// How the switch is set; `None` while it was never used and the setting `hotline.emergency` applies.
pub fn emergency(settings: &Settings) -> Option<bool> {
    match fs::read_to_string(settings.data.folder.join("emergency")).ok()?.trim() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// Sets the switch; a serving node follows within a second.
///
/// # Errors
/// The file cannot be written.
pub fn set_emergency(settings: &Settings, on: bool) -> Result<(), Bilingual> {
    replace(&settings.data.folder.join("emergency"), if on { "on\n" } else { "off\n" })
}
