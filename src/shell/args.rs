//! The command line: which command, with which settings.

use std::path::{Path, PathBuf};
use std::time::Duration as Span;

use lexopt::prelude::*;

use super::picture::{DAY, HOUR};
use super::publish::{By, LAST};
use super::replica::{Decision, Request, Wish};

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
    /// How the copy is, and what is done to it.
    Replica {
        wish: Wish,
        json: bool,
    },
    Publish {
        by: By,
    },
    Rollback {
        release: Option<String>,
        by: By,
    },
    Releases,
    /// Turns the emergency notice; `None` only asks.
    Emergency {
        on: Option<bool>,
        by: By,
    },
    /// Runs past calls against the files of the settings.
    Replay {
        last: u32,
    },
    /// Draws the flow.
    Picture {
        file: Option<PathBuf>,
        calls: Option<Span>,
    },
    /// Makes, packs and checks feed files.
    Feed(super::feed::Feed),
    Help,
    Version,
}

/// What `jindu --help` prints.
pub fn help() -> String {
    HELP.replace("FEED\n", super::feed::HELP)
}

const HELP: &str = "\
jindu: telephone and barcode progress inquiry for an exit-entry office

usage: jindu [COMMAND] [--config PATH] [--set KEY=VALUE]...

commands:
  serve                                  answer the phone and the scanners (default)
  check                                  check settings, flow, words, calendar and recordings
  test SHEET...                          run call sheets against the flow, in text
  sim                                    call the hotline in text; from a terminal, or acts from the standard input
  replay [--last N]                      past calls against the edited files: who would land elsewhere
  publish [--who NAME] [--why TEXT]      check, run the call sheets, and go live for new calls
  rollback [HASH]                        make an older release live again
  releases                               what was published, by whom and why
  emergency on|off|status                the duty officer's notice, for every call
  flow --svg [FILE] [--calls hour|day]   draw the edited flow; with past calls as widths of its arrows
  lookup RECEIPT [--tail XXXX]           ask the replica what a caller would be told
  sample --cases N --seed S --out FILE   write sample cases (one JSON object a line)
  load FILE                              load cases into the replica, while it serves or not
  replica status                         how the copy is: its age, place, quarantine, alarms [--json]
  replica verify                         look the whole file through, row by row; exit code 1 when it is damaged
  replica rebuild                        ask the source for a copy of everything; the one there answers until then
  replica quarantine [list]              rows that could not be used, and why
  replica quarantine retry|drop [ID]     try them again, or let go of them; all without ID
  replica held [apply|drop]              the batch that takes too many cases away: show it, or say what to do
  prompts list                           list every recording that the hotline can play
FEED

options:
  --config PATH     settings (default: config/jindu.toml)
  --set KEY=VALUE   change one setting, as in --set phone.listen=udp:127.0.0.1:5070; repeatable
  --help, --version

exit codes: 0 done, 1 failed, 64 wrong command line or settings
";

/// Reads the command line; an error is one line that says what is wrong.
pub fn read(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Asked, String> {
    let args: Vec<std::ffi::OsString> = args.into_iter().collect();
    let at = command_at(&args);
    let live = args.iter().any(|word| word == "--live");
    match args.get(at).and_then(|word| word.to_str()) {
        Some("feed") => feed([&args[1..at], &args[at + 1..]].concat()),
        Some("sample") if live => feed([&args[1..at], &["play".into()], &args[at + 1..]].concat()),
        Some(_) | None => Words::default().read(lexopt::Parser::from_iter(args)).map_err(|error| error.to_string()),
    }
}

/// Where the command stands: the first word after the program that is neither a setting nor its value.
fn command_at(args: &[std::ffi::OsString]) -> usize {
    let mut at = 1;
    while args.get(at).is_some_and(|word| word == "--config" || word == "--set") {
        at += 2;
    }
    at.min(args.len())
}

/// The feed's commands have words of their own.
fn feed(words: Vec<std::ffi::OsString>) -> Result<Asked, String> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Asked { config: PathBuf::new(), set: Vec::new(), command: Command::Help });
    }
    let (feed, config, set) = super::feed::read(words).map_err(|error| error.to_string())?;
    let config = config.unwrap_or_else(|| Path::new("config/jindu.toml").into());
    Ok(Asked { config, set, command: Command::Feed(feed) })
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
    who: Option<String>,
    why: Option<String>,
    last: Option<u32>,
    svg: bool,
    json: bool,
    calls: Option<Span>,
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
                Long("who") => self.who = Some(parser.value()?.string()?),
                Long("why") => self.why = Some(parser.value()?.string()?),
                Long("last") => self.last = Some(parser.value()?.parse()?),
                Long("svg") => self.svg = true,
                Long("json") => self.json = true,
                Long("calls") => {
                    self.calls = Some(match parser.value()?.string()?.as_str() {
                        "hour" => HOUR,
                        "day" => DAY,
                        _ => return Err("write --calls hour or --calls day".into()),
                    });
                }
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
            (self.who.is_some(), "--who"),
            (self.why.is_some(), "--why"),
            (self.last.is_some(), "--last"),
            (self.svg, "--svg"),
            (self.json, "--json"),
            (self.calls.is_some(), "--calls"),
        ] {
            if given {
                return Err(format!("{name} does not go with this command; see jindu --help").into());
            }
        }
        let config = self.config.unwrap_or_else(|| Path::new("config/jindu.toml").into());
        Ok(Asked { config, set: self.set, command })
    }

    fn by(&mut self) -> By {
        By { who: self.who.take(), why: self.why.take() }
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
            Some("publish") => Command::Publish { by: self.by() },
            Some("rollback") => Command::Rollback {
                release: names.next().map(|name| name.string()).transpose()?.map(|name| name.to_ascii_lowercase()),
                by: self.by(),
            },
            Some("flow") if std::mem::take(&mut self.svg) => {
                Command::Picture { file: names.next().map(PathBuf::from), calls: self.calls.take() }
            }
            Some("flow") => return Err("write flow --svg, as in jindu flow --svg flow.svg".into()),
            Some("releases") => Command::Releases,
            Some("emergency") => Command::Emergency {
                on: match names.next().map(|name| name.string()).transpose()?.as_deref() {
                    Some("on") => Some(true),
                    Some("off") => Some(false),
                    Some("status") | None => None,
                    Some(_) => return Err("write emergency on, emergency off or emergency status".into()),
                },
                by: self.by(),
            },
            Some("replay") => Command::Replay { last: self.last.take().unwrap_or(LAST) },
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
            Some("replica") => {
                let mut word = || names.next().map(|name| name.string()).transpose();
                let words = (word()?, word()?, word()?);
                Command::Replica { wish: wish(words)?, json: std::mem::take(&mut self.json) }
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

/// The words after `replica`.
fn wish(words: (Option<String>, Option<String>, Option<String>)) -> Result<Wish, lexopt::Error> {
    let (what, how, id) = words;
    Ok(match (what.as_deref(), how.as_deref(), id) {
        (Some("status"), None, None) => Wish::Ask(Request::Status),
        (Some("verify"), None, None) => Wish::Verify,
        (Some("rebuild"), None, None) => Wish::Ask(Request::Rebuild),
        (Some("quarantine"), None | Some("list"), None) => Wish::Ask(Request::Quarantine),
        (Some("quarantine"), Some("retry"), id) => Wish::Ask(Request::Retry { id }),
        (Some("quarantine"), Some("drop"), id) => Wish::Ask(Request::Forget { id }),
        (Some("held"), None, None) => Wish::Held,
        (Some("held"), Some("apply"), None) => Wish::Ask(Request::Decide { decision: Decision::Apply }),
        (Some("held"), Some("drop"), None) => Wish::Ask(Request::Decide { decision: Decision::Drop }),
        _ => {
            let commands = "status, verify, rebuild, quarantine [list|retry [ID]|drop [ID]] or held [apply|drop]";
            return Err(format!("write replica {commands}").into());
        }
    })
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
