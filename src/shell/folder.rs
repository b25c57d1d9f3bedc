//! The data folder: what lies there is for the user who runs the node, and for nobody else.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes the folder, readable by its owner only, if it is not there. One that is there keeps its mode.
pub fn make(folder: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| format!("{}: the data folder cannot be made: {error}", folder.display()))
}
