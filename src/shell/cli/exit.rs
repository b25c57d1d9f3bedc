//! Exit codes, and the lines that go with them, in the language of the command line.

use std::io::{self, Write};
use std::process::ExitCode;

use base::{Bilingual, OfficeLang, bilingual, plural};
use clap::error::ErrorKind;
use os::language::{current, shown};

use crate::args::{chinese, errors};

/// Errors of settings or files, a line each.
pub(crate) type Errors = Vec<Bilingual>;

/// 0, or 1 with the error on the standard error output.
pub(crate) fn done(result: Result<(), Bilingual>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            failed(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints why a command failed, or did less than it was asked to.
pub(crate) fn failed(error: &Bilingual) {
    print_error(&format!("jindu: {}", shown(error)));
}

/// The command's exit code, or 64 with the errors.
pub(crate) fn coded(result: Result<ExitCode, Errors>) -> ExitCode {
    result.unwrap_or_else(|errors| wrong(&errors))
}

/// 64 for wrong settings or files: nothing was opened.
pub(crate) fn wrong(errors: &[Bilingual]) -> ExitCode {
    errors.iter().for_each(|error| print_error(shown(error)));
    if errors.len() > 1 {
        print_error(shown(&bilingual!("{} errors; nothing was changed", "{} 处错误；未作任何更改", errors.len())));
    }
    ExitCode::from(USAGE)
}

/// The same for a command that only checks: errors and remarks are counted apart.
pub(crate) fn problems(errors: &[Bilingual], remarks: usize) -> ExitCode {
    errors.iter().for_each(|error| print_error(shown(error)));
    print_error(shown(&counted(errors.len(), remarks)));
    ExitCode::from(USAGE)
}

/// `1 error, 5 remarks`
fn counted(errors: usize, remarks: usize) -> Bilingual {
    let (en, zh) = (format!("{errors} error{}", plural(errors)), format!("{errors} 处错误"));
    match remarks {
        0 => Bilingual::new(en, zh),
        _ => Bilingual::new(format!("{en}, {remarks} remark{}", plural(remarks)), format!("{zh}，{remarks} 条提示")),
    }
}

/// Prints what a person at the terminal should know before the answer.
pub(crate) fn aside(note: &Bilingual) {
    print_error(shown(note));
}

/// Prints a line to the standard error output, whether or not it can be written.
fn print_error(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints what clap says: 0 for help, 64 for a wrong command line.
pub(crate) fn command_line(error: &clap::Error) -> ExitCode {
    match (current(), error.use_stderr()) {
        (OfficeLang::En, _) => match errors::in_english(error).filter(|_| error.use_stderr()) {
            Some(text) => print_error(text.trim_end()),
            None => {
                let _ = error.print();
            }
        },
        // A command without its subcommand is answered with help, which is no error text.
        (OfficeLang::Zh, true) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print_error(chinese::words_of_clap(&error.to_string()).trim_end());
        }
        (OfficeLang::Zh, true) => print_error(errors::in_chinese(error).trim_end()),
        (OfficeLang::Zh, false) => print(chinese::words_of_clap(&error.to_string())),
    }
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Prints to the standard output. A reader that has closed it has read enough.
pub(crate) fn print(text: impl AsRef<[u8]>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_ref()).and_then(|()| out.flush());
}

/// `EX_USAGE` of sysexits.
const USAGE: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_remarks_are_counted_apart() {
        assert_eq!(counted(1, 5).en, "1 error, 5 remarks");
        assert_eq!(counted(2, 1).en, "2 errors, 1 remark");
        assert_eq!(counted(2, 0).zh, "2 处错误");
    }
}
