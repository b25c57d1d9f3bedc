//! Files that survive a power cut: synced, then renamed into place.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use base::Bilingual;

/// Replaces a small file: readers see the old text or the new one, never a part.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Bilingual> {
    let failed = |error: io::Error| os::io_fault(path, &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    write_synced(&new, text.as_bytes()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// SHA-256 in hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    base::hex(&Sha256::digest(bytes))
}
