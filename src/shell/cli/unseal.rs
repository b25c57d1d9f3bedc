//! `jindu feed unseal`: a kept feed file in clear.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use base::Bilingual;
use config::Settings;
use os::io_fault;

use crate::replica_commands::keys;

/// Writes a sealed file in clear to a new file of mode 0600, or to the standard output.
pub(crate) fn unseal(settings: &Settings, file: &Path, out: Option<&Path>) -> Result<ExitCode, Bilingual> {
    let keys = keys(settings)?;
    let mut to: Box<dyn Write> = match out {
        Some(path) => {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Box::new(made.map_err(|error| io_fault(path, &error))?)
        }
        None => Box::new(io::stdout().lock()),
    };
    replica_store::unseal(&keys, file, &mut to).map_err(|error| io_fault(file, &error))?;
    Ok(ExitCode::SUCCESS)
}
