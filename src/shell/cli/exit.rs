//! Exit codes, and the lines that go with them.

use std::io::{self, Write};
use std::process::ExitCode;

/// Errors of settings or files, a line each.
pub(crate) type Errors = Vec<String>;

/// 0, or 1 with the error on the standard error output.
pub(crate) fn done(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("jindu: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The command's exit code, or 64 with the errors.
pub(crate) fn coded(result: Result<ExitCode, Errors>) -> ExitCode {
    result.unwrap_or_else(|errors| wrong(&errors))
}

/// 64 for wrong settings or files: nothing was opened.
pub(crate) fn wrong(errors: &[String]) -> ExitCode {
    for error in errors {
        complain(error);
    }
    if errors.len() > 1 {
        complain(&format!("{} errors; nothing was changed", errors.len()));
    }
    ExitCode::from(USAGE)
}

/// The same for a command that only checks.
pub(crate) fn problems(errors: &[String]) -> ExitCode {
    for error in errors {
        complain(error);
    }
    complain(&format!("{} problem{} found", errors.len(), if errors.len() == 1 { "" } else { "s" }));
    ExitCode::from(USAGE)
}

/// Prints a line to the standard error output, whether or not it can be written.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints what clap says: 0 for help, 64 for a wrong command line.
pub(crate) fn command_line(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Prints to the standard output. A reader that has closed it has read enough.
pub(crate) fn print(text: impl AsRef<[u8]>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_ref()).and_then(|()| out.flush());
}

/// `EX_USAGE` of sysexits.
const USAGE: u8 = 64;
