//! The command line: which command, with which settings.

use std::path::{Path, PathBuf};
use std::time::Duration as Span;

use lexopt::prelude::*;

use super::prompts::{PromptCommand, PromptWords};
use super::publish::By;
use journal::{DAY, HOUR, REPLAYED_MAX};
use release::recordings::Missing;
use replica_store::{Decision, Request, Wish};
use speech::nearest;
use studio::Role;
use studio_store::accounts::commands::AccountCommand;

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub config: PathBuf,
    pub set: Vec<String>,
    pub command: Command,
}

/// A command of the program.
#[derive(Debug)]
pub(crate) enum Command {
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
    /// The prompt studio's recordings.
    Prompts(PromptCommand),
    /// Looks at the PostgreSQL upstream's setup, or holds the copy against it row for row.
    Upstream {
        verify: bool,
    },
    /// Runs call sheets in text, or over SIP.
    Test {
        sheets: Vec<PathBuf>,
        by: Way,
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
        missing: Missing,
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
    /// Accounts of the prompt studio.
    Account(AccountCommand),
    /// Draws the flow.
    Picture {
        file: Option<PathBuf>,
        calls: Option<Span>,
    },
    /// Makes, packs and checks feed files.
    Feed(super::feed::Feed),
    /// All of the help, or what it says of one command.
    Help(Option<String>),
    Version,
}

/// How call sheets are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    InText,
    /// Over SIP, to a gateway of its own.
    OverSip,
    /// Over SIP, to the gateway at this address.
    OverSipTo(String),
}

/// What `jindu --help` prints; with a command, what it says of that one.
pub(crate) fn help(of: Option<&str>) -> String {
    let whole = HELP.replace("FEED\n", super::feed::HELP);
    let Some(name) = of else { return whole };
    let mut told = String::new();
    let mut is_its = false;
    for line in whole.lines().skip_while(|line| *line != "commands:").skip(1).take_while(|line| !line.is_empty()) {
        // A line that is further in belongs to the command above it.
        if let Some(entry) = line.strip_prefix("  ").filter(|entry| !entry.starts_with(' ')) {
            is_its = entry.split_whitespace().next() == Some(name);
        }
        if is_its {
            told.push_str(line);
            told.push('\n');
        }
    }
    let options = whole.find("options:").map_or("", |at| &whole[at..]);
    format!("usage: jindu {name} … [--config PATH] [--set KEY=VALUE]...\n\n{told}\n{options}")
}

/// Whether there is such a command.
fn is_command(name: &str) -> bool {
    COMMANDS.contains(&name)
}

fn no_command(name: &str) -> String {
    match nearest(name, COMMANDS.iter().copied()) {
        Some(near) => format!("there is no command {name}; did you mean {near}? See jindu --help"),
        None => format!("there is no command {name}; see jindu --help"),
    }
}

const COMMANDS: &[&str] = &[
    "serve",
    "check",
    "test",
    "sim",
    "replay",
    "publish",
    "rollback",
    "releases",
    "emergency",
    "flow",
    "lookup",
    "sample",
    "load",
    "upstream",
    "replica",
    "feed",
    "prompts",
    "studio",
    "help",
    "version",
];

const HELP: &str = "\
jindu: telephone and barcode progress inquiry for an exit-entry office

usage: jindu [COMMAND] [--config PATH] [--set KEY=VALUE]...

commands:
  serve                                  answer the phone and the scanners (default)
  check                                  check settings, flow, words, calendar and recordings
  test SHEET...                          run call sheets against the flow, in text
  test --sip [ADDRESS] SHEET...          the same over SIP and RTP, proven by the sound; to the gateway at ADDRESS,
                                         or to one of its own that is set up as each sheet says
  sim                                    call the hotline in text; from a terminal, or acts from the standard input
  replay [--last N]                      past calls against the edited files: who would land elsewhere
  publish [--who NAME] [--why TEXT]      check, run the call sheets, and go live for new calls
          [--allow-missing]              also where a recording is missing: the first language stands in for it
  rollback [HASH]                        make an older release live again
  releases                               what was published, by whom and why
  emergency on|off|status                the duty officer's notice, for every call
  flow --svg [FILE] [--calls hour|day]   draw the edited flow; with past calls as widths of its arrows
  lookup RECEIPT [--tail XXXX]           ask the replica what a caller would be told
  sample --cases N --seed S --out FILE   write sample cases (one JSON object a line)
  load FILE                              load cases into the replica, while it serves or not
  upstream check                         what is still to be set up at the PostgreSQL server; changes nothing
  upstream verify                        compare the copy with it row for row; exit code 1 when they differ
  replica status                         how the copy is: its age, place, quarantine, alarms [--json]
  replica verify                         look the whole file through, row by row; exit code 1 when it is damaged
  replica rebuild                        ask the source for a copy of everything; the one there answers until then
  replica quarantine [list]              rows that could not be used, and why
  replica quarantine retry|drop [ID]     try them again, or let go of them; all without ID
  replica held [apply|drop]              the batch that takes too many cases away: show it, or say what to do
  prompts list                           list every recording that the hotline can play
FEED
  prompts coverage [--lang L] [--missing] [--json]
                                         every slot, its number and state; --missing: what is still to be recorded
  prompts takes [LANG/SLOT] [--json]     takes that wait, or all takes of a slot, and what their checks found
  prompts import FILE [--check] [--json] take in a ZIP of LANG/SLOT__VARIANT.wav and script.csv: all of it, or nothing
  prompts import FILE --slot LANG/SLOT   take in one recording (WAV, FLAC, MP3, M4A, WebM, Ogg)
  prompts export FILE [--lang L] [--missing] [--script]
                                         .zip: script and recordings (--script: without these); .csv; .html to print
  prompts approve TAKE|all --who NAME    approve what another person recorded
  prompts discard TAKE                   hide a take; prompts tidy [--days N] deletes what was discarded
  prompts restore LANG/SLOT              bring the factory's recording back with the next publication
  prompts publish [--why TEXT] [--anyway] [--json]
                                         make all approved takes live; --anyway: also where a set is half recorded
  prompts rollback [HASH]                make an older release live again, flow and recordings
  prompts play LANG/SLOT|TAKE [FILE|-] [--in-sentence [--value NAME=VALUE]] [--master|--original]
                                         WAV as a caller hears it
  studio account add NAME --role operator|approver [--number N]
                                         let somebody record prompts at /studio; asks for a password and a PIN
  studio account list
  studio account password|pin|unlock|remove NAME
  studio account role NAME operator|approver

options:
  --config PATH     settings (default: config/jindu.toml)
  --set KEY=VALUE   change one setting, as in --set phone.listen=udp:127.0.0.1:5070; repeatable
  --help, --version also jindu help COMMAND

exit codes: 0 done, 1 failed, 64 wrong command line or settings
";

/// Reads the command line; an error is one line that says what is wrong.
pub(crate) fn read(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Asked, String> {
    let args: Vec<std::ffi::OsString> = args.into_iter().collect();
    let at = command_at(&args);
    let live = args.iter().any(|word| word == "--live");
    match args.get(at).and_then(|word| word.to_str()) {
        Some("feed") => feed([&args[1..at], &args[at + 1..]].concat()),
        Some("sample") if live => feed([&args[1..at], &["play".into()], &args[at + 1..]].concat()),
        Some(_) | None => Words::default().read(lexopt::Parser::from_iter(args)).map_err(|error| match error {
            lexopt::Error::UnexpectedOption(_) => format!("{error}; see jindu --help"),
            error => error.to_string(),
        }),
    }
}

/// Where the command stands: the first word after the program that is neither a setting nor its value.
fn command_at(args: &[std::ffi::OsString]) -> usize {
    let mut at = 1;
    while let Some(word) = args.get(at).and_then(|word| word.to_str()).filter(|word| word.starts_with("--")) {
        match word {
            "--config" | "--set" => at += 2,
            _ if word.starts_with("--config=") || word.starts_with("--set=") => at += 1,
            _ => break,
        }
    }
    at.min(args.len())
}

/// The feed's commands have words of their own.
fn feed(words: Vec<std::ffi::OsString>) -> Result<Asked, String> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        let command = Command::Help(Some("feed".into()));
        return Ok(Asked { config: PathBuf::new(), set: Vec::new(), command });
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
    sip: bool,
    allow_missing: bool,
    role: Option<String>,
    number: Option<String>,
    prompts: PromptWords,
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
                Long("sip") => {
                    self.sip = true;
                    if let Some(address) = parser.optional_value() {
                        self.names.push(address);
                    }
                }
                Long("allow-missing") => self.allow_missing = true,
                Long("role") => self.role = Some(parser.value()?.string()?),
                Long("number") => self.number = Some(parser.value()?.string()?),
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
                Long(name) => {
                    let name = name.to_owned();
                    if !self.prompts.take(&name, &mut parser)? {
                        return Err(Long(&name).unexpected());
                    }
                }
                Short(_) => return Err(word.unexpected()),
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
            (self.sip, "--sip"),
            (self.allow_missing, "--allow-missing"),
            (self.role.is_some(), "--role"),
            (self.number.is_some(), "--number"),
            (self.svg, "--svg"),
            (self.json, "--json"),
            (self.calls.is_some(), "--calls"),
        ] {
            if given {
                return Err(format!("{name} does not go with this command; see jindu --help").into());
            }
        }
        if let Some(name) = self.prompts.left() {
            return Err(format!("{name} does not go with this command; see jindu --help").into());
        }
        let config = self.config.unwrap_or_else(|| Path::new("config/jindu.toml").into());
        Ok(Asked { config, set: self.set, command })
    }

    fn by(&mut self) -> By {
        By { who: self.who.take(), why: self.why.take() }
    }

    /// `studio account …`
    fn account(
        &mut self,
        names: &mut impl Iterator<Item = std::ffi::OsString>,
    ) -> Result<AccountCommand, lexopt::Error> {
        let mut word = || names.next().map(|name| name.string()).transpose();
        if word()?.as_deref() != Some("account") {
            return Err("studio has one command: studio account add|list|password|pin|role|unlock|remove".into());
        }
        let command = word()?.unwrap_or_default();
        if command == "list" {
            return Ok(AccountCommand::List);
        }
        let name = word()?.ok_or("name the account, as in jindu studio account add li.chen --role operator")?;
        let role = |word: Option<String>| {
            word.as_deref()
                .and_then(Role::named)
                .ok_or("name a role: operator records, approver approves and publishes")
        };
        Ok(match command.as_str() {
            "add" => AccountCommand::Add { name, role: role(self.role.take())?, number: self.number.take() },
            "password" => AccountCommand::Password { name },
            "pin" => AccountCommand::Pin { name },
            "role" => AccountCommand::Role { name, role: role(word()?)? },
            "unlock" => AccountCommand::Unlock { name },
            "remove" => AccountCommand::Remove { name },
            _ => return Err("write studio account add, list, password, pin, role, unlock or remove".into()),
        })
    }

    fn command(&mut self) -> Result<Command, lexopt::Error> {
        let mut names = std::mem::take(&mut self.names).into_iter();
        let name = names.next().map(|name| name.string()).transpose()?;
        if self.help {
            return Ok(Command::Help(name.filter(|name| is_command(name) && name != "help")));
        }
        if self.version {
            return Ok(Command::Version);
        }
        let command = match name.as_deref() {
            None | Some("serve") => Command::Serve,
            Some("help") => match names.next().map(|name| name.string()).transpose()? {
                Some(name) if !is_command(&name) => return Err(no_command(&name).into()),
                name => Command::Help(name.filter(|name| name != "help")),
            },
            Some("version") => Command::Version,
            Some("sim") => Command::Sim,
            Some("publish") => Command::Publish {
                by: self.by(),
                missing: match std::mem::take(&mut self.allow_missing) {
                    true => Missing::StoodInFor,
                    false => Missing::Refused,
                },
            },
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
            Some("replay") => Command::Replay { last: self.last.take().unwrap_or(REPLAYED_MAX) },
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
                let mut sheets: Vec<PathBuf> = names.by_ref().map(PathBuf::from).collect();
                let by = match std::mem::take(&mut self.sip) {
                    false => Way::InText,
                    true => match sheets.first().and_then(|first| address_of(first)) {
                        Some(address) => {
                            sheets.remove(0);
                            Way::OverSipTo(address)
                        }
                        None => Way::OverSip,
                    },
                };
                if sheets.is_empty() {
                    return Err("test needs call sheets, as in jindu test tests/calls/*.call".into());
                }
                Command::Test { sheets, by }
            }
            Some("upstream") => match names.next().map(|name| name.string()).transpose()?.as_deref() {
                Some("check") => Command::Upstream { verify: false },
                Some("verify") => Command::Upstream { verify: true },
                _ => return Err("write upstream check or upstream verify".into()),
            },
            Some("replica") => {
                let mut word = || names.next().map(|name| name.string()).transpose();
                let words = (word()?, word()?, word()?);
                Command::Replica { wish: wish(words)?, json: std::mem::take(&mut self.json) }
            }
            Some("prompts") => {
                let by = self.by();
                Command::Prompts(self.prompts.command(&mut names, by, &mut self.json)?)
            }
            Some("studio") => Command::Account(self.account(&mut names)?),
            Some(other) => return Err(no_command(other).into()),
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

/// A word that is an address and no sheet.
fn address_of(word: &Path) -> Option<String> {
    let text = word.to_str()?;
    let bare = text.trim_start_matches("sip:").trim_start_matches("udp:");
    let port = bare.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    (port || bare.parse::<std::net::IpAddr>().is_ok() || bare != text).then(|| text.to_owned())
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
    fn accounts_are_named_and_have_one_of_two_roles() {
        let Command::Account(command) =
            asked("studio account add li --role approver --number 77").expect("right").command
        else {
            panic!("another command")
        };
        let (name, number) = ("li".to_owned(), Some("77".to_owned()));
        assert_eq!(command, AccountCommand::Add { name, role: Role::Approver, number });
        assert!(asked("studio account role li operator").is_ok() && asked("studio account list").is_ok());
        for wrong in ["studio", "studio account", "studio account add li", "studio account role li boss"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
        assert!(asked("studio account pin li --role operator").expect_err("wrong").contains("--role"));
    }

    #[test]
    fn help_is_told_of_one_command_or_of_all() {
        let told = |line: &str| match asked(line).expect("right").command {
            Command::Help(of) => help(of.as_deref()),
            other => panic!("{other:?}"),
        };
        let whole = told("help");
        assert_eq!(whole, told("--help"));
        assert!(COMMANDS.iter().filter(|name| !["help", "version"].contains(*name)).all(|name| {
            let its = told(&format!("help {name}"));
            its == told(&format!("{name} --help"))
                && its.contains(&format!("\n  {name} "))
                && its.len() < whole.len() / 2
        }));
        assert!(told("publish --help").contains("--allow-missing") && !told("publish --help").contains("rollback"));
        assert!(asked("help me").expect_err("wrong").contains("there is no command me"));
    }

    #[test]
    fn options_that_do_not_fit_the_command_are_refused() {
        assert!(asked("serve --cases 5").expect_err("wrong").contains("--cases"));
        assert!(asked("lookup").expect_err("wrong").contains("RECEIPT"));
        assert!(asked("lookup 1 2").expect_err("wrong").contains("unexpected"));
        assert!(asked("sample --cases many --out x").is_err());
        let sip = |line: &str| match asked(line).expect("right").command {
            Command::Test { sheets, by } => (sheets.len(), by),
            _ => panic!("a test"),
        };
        assert_eq!(sip("test --sip a.call b.call"), (2, Way::OverSip));
        assert_eq!(sip("test --sip 127.0.0.1:5060 a.call"), (1, Way::OverSipTo("127.0.0.1:5060".into())));
        assert_eq!(sip("test --sip=127.0.0.1 a.call"), (1, Way::OverSipTo("127.0.0.1".into())));
        assert!(asked("check --sip").is_err());
        assert!(asked("dance").expect_err("wrong").contains("dance"));
        assert!(asked("chekc").expect_err("wrong").contains("did you mean check?"));
        assert!(asked("check --confg x").expect_err("wrong").contains("jindu --help"));
    }
}
