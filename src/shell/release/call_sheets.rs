//! Runs call sheets against a flow, in text and on virtual time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use base::Bilingual;
use flow::Diagnostic;
use flow::sheet::{ClipLengths, Outcome, parse, run_recorded};

use os::io_fault;

use crate::hotline::Hotline;

/// How the calls of one sheet went.
#[derive(Debug)]
pub struct SheetReport {
    /// The sheet's path as it was given.
    pub file: String,
    /// One outcome per call, else the lines that say why the sheet cannot be run.
    pub calls: Result<Vec<Outcome>, Vec<Bilingual>>,
}

impl SheetReport {
    /// Calls that went as written.
    pub fn passed(&self) -> usize {
        self.calls.as_ref().map_or(0, |calls| calls.iter().filter(|call| call.failure.is_none()).count())
    }

    /// Calls that went otherwise; a sheet that cannot be run counts as one.
    pub fn failed(&self) -> usize {
        self.calls.as_ref().map_or(1, |calls| calls.iter().filter(|call| call.failure.is_some()).count())
    }
}

/// Runs one sheet, with time by the lengths of the recordings.
pub fn run(hotline: &Hotline, path: &Path) -> SheetReport {
    let file = path.display().to_string();
    let calls = read(hotline, path, &file);
    SheetReport { file, calls }
}

fn read(hotline: &Hotline, path: &Path, file: &str) -> Result<Vec<Outcome>, Vec<Bilingual>> {
    let text = fs::read_to_string(path).map_err(|error| vec![io_fault(path, &error)])?;
    let sheet = parse(&text, file).map_err(|errors| errors.iter().map(Diagnostic::line).collect::<Vec<_>>())?;
    let bank = Arc::clone(&hotline.bank);
    let clips: ClipLengths = Arc::new(move |clip| bank.duration(clip.lang, &clip.id));
    Ok(run_recorded(&hotline.release, &sheet, &clips, Instant::now()))
}

/// The call sheets (`*.call`) of a folder, by name.
///
/// # Errors
/// The folder cannot be read.
pub fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut sheets = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "call") {
            sheets.push(path);
        }
    }
    sheets.sort();
    Ok(sheets)
}
