//! The command line: which command, with which settings.

use std::path::{Path, PathBuf};

use lexopt::prelude::*;

/// What the user asked for.
#[derive(Debug)]
pub struct Asked {
    pub config: PathBuf,
    pub set: Vec<String>,
    pub command: Command,
}

/// A command of the program.
#[derive(Debug)]
pub enum Command {
    Serve,
    Check,
    /// Writes sample cases to a file; the standard output with `-`.
    Sample {
        cases: u32,
        seed: u64,
        out: PathBuf,
    },
    /// Loads cases into the replica, beside a serving node or without one.
    Load {
        file: PathBuf,
    },
    LookUp {
        receipt: String,
        tail: Option<String>,
    },
    /// Lists every clip that the hotline can play: `lang<TAB>id<TAB>text`.
    PromptsList,
    /// Runs call sheets in text.
    Test {
        sheets: Vec<PathBuf>,
    },
    /// A call in text.
    Sim,
    Help,
    Version,
}

/// What `jindu --help` prints.
pub const HELP: &str = "\
jindu: telephone and barcode progress inquiry for an exit-entry office

usage: jindu [COMMAND] [--config PATH] [--set KEY=VALUE]...

commands:
  serve                                  answer the phone and the scanners (default)
  check                                  check settings, flow, words, calendar and recordings
  test SHEET...                          run call sheets against the flow, in text
  sim                                    call the hotline in text; from a terminal, or acts from the standard input
  lookup RECEIPT [--tail XXXX]           ask the replica what a caller would be told
  sample --cases N --seed S --out FILE   write sample cases (one JSON object a line)
  load FILE                              load cases into the replica, while it serves or not
  prompts list                           list every recording that the hotline can play

options:
  --config PATH     settings (default: config/jindu.toml)
  --set KEY=VALUE   change one setting, as in --set phone.listen=udp:127.0.0.1:5070; repeatable
  --help, --version

exit codes: 0 done, 1 failed, 64 wrong command line or settings
";

/// Reads the command line; an error is one line that says what is wrong.
pub fn read(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Asked, String> {
    Words::default().read(lexopt::Parser::from_iter(args)).map_err(|error| error.to_string())
}

/// The words of a command line, before they are held against its command.
#[derive(Default)]
struct Words {
    config: Option<PathBuf>,
    set: Vec<String>,
    names: Vec<std::ffi::OsString>,
    cases: Option<u32>,
    seed: Option<u64>,
    out: Option<PathBuf>,
    tail: Option<String>,
    help: bool,
    version: bool,
}

impl Words {
    fn read(mut self, mut parser: lexopt::Parser) -> Result<Asked, lexopt::Error> {
        while let Some(word) = parser.next()? {
            match word {
                Long("config") => self.config = Some(parser.value()?.into()),
                Long("set") => self.set.push(parser.value()?.string()?),
                Long("cases") => self.cases = Some(parser.value()?.parse()?),
                Long("seed") => self.seed = Some(parser.value()?.parse()?),
                Long("out") => self.out = Some(parser.value()?.into()),
                Long("tail") => self.tail = Some(parser.value()?.string()?),
                Long("help") | Short('h') => self.help = true,
                Long("version") | Short('V') => self.version = true,
                Value(name) => self.names.push(name),
                Short(_) | Long(_) => return Err(word.unexpected()),
            }
        }
        self.asked()
    }

    fn asked(mut self) -> Result<Asked, lexopt::Error> {
        let command = self.command()?;
        for (given, name) in [
            (self.cases.is_some(), "--cases"),
            (self.seed.is_some(), "--seed"),
            (self.out.is_some(), "--out"),
            (self.tail.is_some(), "--tail"),
        ] {
            if given {
                return Err(format!("{name} does not go with this command; see jindu --help").into());
            }
        }
        let config = self.config.unwrap_or_else(|| Path::new("config/jindu.toml").into());
        Ok(Asked { config, set: self.set, command })
    }

    fn command(&mut self) -> Result<Command, lexopt::Error> {
        if self.help {
            return Ok(Command::Help);
        }
        if self.version {
            return Ok(Command::Version);
        }
        let mut names = std::mem::take(&mut self.names).into_iter();
        let name = names.next().map(|name| name.string()).transpose()?;
        let command = match name.as_deref() {
            None | Some("serve") => Command::Serve,
            Some("sim") => Command::Sim,
            Some("check") => Command::Check,
            Some("sample") => Command::Sample {
                cases: self.cases.take().unwrap_or(1000),
                seed: self.seed.take().unwrap_or(1),
                out: self.out.take().ok_or("sample needs --out FILE (- for the standard output)")?,
            },
            Some("load") => Command::Load { file: names.next().ok_or("load needs a FILE of cases")?.into() },
            Some("lookup") => Command::LookUp {
                receipt: names.next().ok_or("lookup needs a RECEIPT number")?.string()?,
                tail: self.tail.take(),
            },
            Some("test") => {
                let sheets: Vec<PathBuf> = names.by_ref().map(PathBuf::from).collect();
                if sheets.is_empty() {
                    return Err("test needs call sheets, as in jindu test tests/calls/*.call".into());
                }
                Command::Test { sheets }
            }
            Some("prompts") => match names.next().map(|name| name.string()).transpose()?.as_deref() {
                Some("list") => Command::PromptsList,
                _ => return Err("prompts has one command: prompts list".into()),
            },
            Some(other) => return Err(format!("there is no command {other}; see jindu --help").into()),
        };
        match names.next() {
            None => Ok(command),
            Some(extra) => Err(format!("unexpected {}; see jindu --help", extra.to_string_lossy()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        read(std::iter::once("jindu").chain(line.split_whitespace()).map(Into::into))
    }

    #[test]
    fn no_command_serves() {
        assert!(matches!(asked("").expect("right").command, Command::Serve));
        let asked = asked("--config a/config/j.toml --set a.b=1 serve --set c=2").expect("right");
        assert_eq!((asked.set.len(), asked.config), (2, PathBuf::from("a/config/j.toml")));
    }

    #[test]
    fn options_that_do_not_fit_the_command_are_refused() {
        assert!(asked("serve --cases 5").expect_err("wrong").contains("--cases"));
        assert!(asked("lookup").expect_err("wrong").contains("RECEIPT"));
        assert!(asked("lookup 1 2").expect_err("wrong").contains("unexpected"));
        assert!(asked("sample --cases many --out x").is_err());
        assert!(asked("dance").expect_err("wrong").contains("dance"));
    }
}
