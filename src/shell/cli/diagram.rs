//! `jindu flow --svg`: draws the flow, with past calls as widths of its arrows.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use config::Settings;
use journal::traffic;
use os::io_fault;
use release::hotline;

use crate::exit::Errors;
use crate::say::say;

/// Draws the files of the settings, with their errors, into a file or to the standard output.
pub(crate) fn run(settings: &Settings, file: Option<&Path>, calls: Option<Duration>) -> Result<ExitCode, Errors> {
    let (drawn, errors) = hotline::draft(settings)?;
    let journal = settings.data.folder.join("journal.sqlite3");
    let traffic = match calls.map(|span| traffic(&journal, span)).transpose() {
        Ok(traffic) => traffic.map(Option::unwrap_or_default),
        Err(error) => return Err(vec![format!("{}: {error}", journal.display()).into()]),
    };
    let name = settings.hotline.flow.display().to_string();
    let svg = flow::diagram(&drawn, &name, &errors, traffic.as_ref());
    match file {
        Some(file) => {
            fs::write(file, svg).map_err(|error| vec![io_fault(file, &error)])?;
            say!("the flow is drawn in {}", "流程图已写入 {}", file.display());
        }
        None => io::stdout().lock().write_all(svg.as_bytes()).map_err(|error| vec![error.to_string().into()])?,
    }
    Ok(ExitCode::SUCCESS)
}
