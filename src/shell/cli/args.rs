//! The command line: one table of commands and options, from which help, suggestions, the manual page and shell
//! completions are made.

pub(crate) mod account;
pub(crate) mod agent;
pub(crate) mod by;
pub(crate) mod call_back;
pub(crate) mod calls;
pub(crate) mod chinese;
mod chinese_texts;
pub(crate) mod errors;
pub(crate) mod feed;
pub(crate) mod kiosk;
pub(crate) mod messages;
pub(crate) mod prompts;
pub(crate) mod queue;
pub(crate) mod recording;
pub(crate) mod replica;
pub(crate) mod sms;
pub(crate) mod trace;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Bilingual, OfficeLang};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use journal::{DAY, HOUR, REPLAYED_MAX};

use by::{By, ByApprover};

/// Telephone and barcode progress inquiry for an exit-entry office
#[derive(Debug, Parser)]
#[command(name = "jindu", version, after_help = EXIT_CODES, max_term_width = 120)]
pub(crate) struct Arguments {
    /// The settings file
    #[arg(long, global = true, value_name = "PATH", default_value = "config/jindu.toml")]
    pub config: PathBuf,
    /// Change one setting, as in --set phone.listen=udp:127.0.0.1:5070; repeatable
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The language of the command line; by LC_ALL, LC_MESSAGES or LANG where it is not given
    #[arg(long, global = true, value_name = "LANG", value_enum)]
    pub lang: Option<CommandLang>,
    /// What to do; serve where no command is given
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// A language of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CommandLang {
    Zh,
    En,
}

/// A command of the program.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer the phone and the scanners (default)
    Serve,
    /// Check settings, flow, words, calendar and recordings
    Check,
    /// Show the node at one look: lines, trunks, data, troubles, messages; without a node what the data folder shows
    #[command(alias = "health")]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Count calls, and why callers were not served
    Calls(calls::CallsArguments),
    /// Show one call step by step
    Call(calls::CallArguments),
    /// List, play, export and finish the messages that callers left
    #[command(subcommand)]
    Messages(messages::MessageCommand),
    /// List, export and delete recorded conversations
    #[command(subcommand)]
    Recording(recording::RecordingCommand),
    /// Run call sheets against the flow, in text or over SIP
    Test(TestArguments),
    /// Call the hotline in text: from a terminal, or acts from the standard input
    Sim,
    /// Show which past calls would take another path with the edited files
    Replay {
        /// How many of the newest calls to replay
        #[arg(long, value_name = "N", default_value_t = REPLAYED_MAX)]
        last: u32,
    },
    /// Check the edited files, run the call sheets, and make them the live release for new calls
    Publish {
        #[command(flatten)]
        by: ByApprover,
        /// Publish where a recording is missing, too: the first language stands in for it
        #[arg(long)]
        allow_missing: bool,
    },
    /// Make an older release live again
    Rollback {
        /// The beginning of its hash; the release before the live one where none is given, each time one further back
        #[arg(value_name = "HASH")]
        release: Option<String>,
        #[command(flatten)]
        by: ByApprover,
    },
    /// List what was published, by whom and why
    Releases {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the audit log: releases, the emergency notice, takes, accounts, looks at cases, who heard messages and recordings
    Audit {
        /// Since a time: 2026-01-05, "2026-01-05 09:30", 09:30 (today, or yesterday where that is still to come) or RFC 3339
        #[arg(long, value_name = "TIME", value_parser = calls::time)]
        since: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Turn the duty officer's notice for every call on or off
    Emergency {
        /// on or off; shows how it stands with status
        #[arg(value_enum, default_value_t = Switch::Status)]
        state: Switch,
        #[command(flatten)]
        by: By,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw the edited flow
    Flow {
        /// Draw it as SVG
        #[arg(long, required = true)]
        svg: bool,
        /// The file to write; the standard output where none is given
        file: Option<PathBuf>,
        /// Show past calls as widths of the arrows
        #[arg(long, value_name = "SPAN")]
        calls: Option<Span>,
    },
    /// Show what a caller would hear about a receipt
    Lookup {
        /// The receipt's number
        receipt: String,
        /// The second factor: the last four of the ID, X or * for X; - asks for it, or reads a line of the standard input
        #[arg(long, value_name = "XXXX")]
        tail: Option<String>,
    },
    /// Write sample cases, one JSON object a line; with --live simulate an office, as jindu feed play does
    Sample {
        /// How many cases
        #[arg(long, value_name = "N", default_value_t = 1000)]
        cases: u32,
        /// The seed; the same seed makes the same cases
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
        /// The file to write; - for the standard output
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Simulate an office: the same as jindu feed play, with its options
        #[arg(long)]
        live: bool,
    },
    /// Copy the data folder into a new folder, while the node serves or not
    Backup {
        /// The new folder
        folder: PathBuf,
    },
    /// Load cases from a file into the replica, beside a serving node or without one
    Load {
        /// A change batch
        file: PathBuf,
    },
    /// Examine the PostgreSQL upstream
    #[command(subcommand)]
    Upstream(Upstream),
    /// Show the state of the replica, verify, rebuild or repair it
    Replica(replica::ReplicaArguments),
    /// Show or confirm the deletions that the journal holds back
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Show what each trunk is doing, or write one call's messages as a pcap
    #[command(subcommand)]
    Trunk(Trunk),
    /// Make, pack and check the files that cross a one-way gate
    #[command(subcommand)]
    Feed(feed::FeedCommand),
    /// List, import, approve, publish and play recordings
    #[command(subcommand)]
    Prompts(Box<prompts::PromptCommand>),
    /// Enrol, list and revoke the kiosks of the halls
    #[command(subcommand)]
    Kiosk(kiosk::KioskCommand),
    /// List agents and queues, set what an agent serves, or change what an agent does
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// List the queues, open or close one
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// List or cancel call-backs
    #[command(subcommand)]
    CallBack(call_back::CallBackCommand),
    /// List, withdraw or try text messages
    #[command(subcommand)]
    Sms(sms::SmsCommand),
    /// Administer the prompt studio
    #[command(subcommand)]
    Studio(Studio),
    /// Seal the recordings of callers and of the studio that are in clear, under the key of data.sound_key
    Seal {
        /// Open those that are sealed, while no node serves: before another key, or none, is set
        #[arg(long)]
        undo: bool,
    },
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// Call sheets, and how to run them.
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Run them over SIP and RTP, proven by the sound received: against the gateway at ADDRESS, else against one of its
    /// own that is set up as each sheet says
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    sip: Option<String>,
    /// Call sheets; after --sip the first may be the ADDRESS
    #[arg(required = true, value_name = "SHEET")]
    sheets: Vec<PathBuf>,
}

impl TestArguments {
    /// How the sheets are run, and the sheets.
    ///
    /// # Errors
    /// No sheet is left beside the address.
    pub(crate) fn read(self) -> Result<(Way, Vec<PathBuf>), Bilingual> {
        let mut sheets = self.sheets;
        let way = match self.sip {
            None => Way::InText,
            Some(address) if !address.is_empty() => Way::OverSipTo(address),
            Some(_) => match sheets.first().and_then(|first| address_of(first)) {
                Some(address) => {
                    sheets.remove(0);
                    Way::OverSipTo(address)
                }
                None => Way::OverSip,
            },
        };
        if sheets.is_empty() {
            return Err(Bilingual::fixed(
                "name call sheets, as in jindu test --sip 127.0.0.1:5060 config/hotline/calls/*.call",
                "请写通话脚本，如 jindu test --sip 127.0.0.1:5060 config/hotline/calls/*.call",
            ));
        }
        Ok((way, sheets))
    }
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

/// The emergency notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
    Status,
}

impl Switch {
    /// What to set it to; `None` only asks.
    pub(crate) fn wanted(self) -> Option<bool> {
        match self {
            Switch::On => Some(true),
            Switch::Off => Some(false),
            Switch::Status => None,
        }
    }
}

/// A span of past calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Span {
    Hour,
    Day,
}

impl Span {
    pub(crate) fn length(self) -> Duration {
        match self {
            Span::Hour => HOUR,
            Span::Day => DAY,
        }
    }
}

/// `jindu upstream …`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Upstream {
    /// Report what is still to be set up at the PostgreSQL server; changes nothing
    Check,
    /// Compare the replica with the upstream row for row; exit code 1 when they differ
    Verify,
}

/// `jindu journal …`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum JournalCommand {
    /// Show deletions of unusually many records or messages, which wait; apply confirms them
    Held {
        /// Confirm them
        #[arg(value_enum)]
        decision: Option<HeldDecision>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The decision on a held deletion. One that is a mistake ends with its cause: the clock, or `journal.keep_days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeldDecision {
    Apply,
}

/// `jindu studio …`
#[derive(Debug, Subcommand)]
pub(crate) enum Studio {
    /// Accounts of operators, approvers, agents and supervisors
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Change your own password: asks for the present one and the new one, or reads a line each from standard input
    Passwd {
        /// Your account
        name: String,
        /// A file whose first line is the current password
        #[arg(long, value_name = "PATH")]
        password_file: Option<PathBuf>,
        /// A file whose first line is the new password
        #[arg(long, value_name = "PATH")]
        new_password_file: Option<PathBuf>,
    },
}

/// Reads the command line; its language is `--lang`, else `lang`, for help and errors too.
///
/// # Errors
/// A wrong command line, or a request for help, which is printed the same way; with the language.
pub(crate) fn read(
    words: impl IntoIterator<Item = OsString>,
    lang: OfficeLang,
) -> Result<(Arguments, OfficeLang), (clap::Error, OfficeLang)> {
    let words = arranged(words.into_iter().collect());
    let lang = named_lang(&words).unwrap_or(lang);
    let table = match lang {
        OfficeLang::En => table(),
        OfficeLang::Zh => chinese::in_chinese(table()),
    };
    let read = table.try_get_matches_from(words).and_then(|matches| Arguments::from_arg_matches(&matches));
    read.map(|arguments| (arguments, lang)).map_err(|error| (error, lang))
}

/// `--lang` among the settings, which stand first.
fn named_lang(words: &[OsString]) -> Option<OfficeLang> {
    let text = |word: &OsString| word.to_str().map(str::to_owned);
    let at = words.iter().rposition(|word| text(word).is_some_and(|word| word.starts_with("--lang")))?;
    let word = text(&words[at])?;
    let value = match word.strip_prefix("--lang=") {
        Some(value) => value.to_owned(),
        None => text(words.get(at + 1)?)?,
    };
    match &*value {
        "zh" => Some(OfficeLang::Zh),
        "en" => Some(OfficeLang::En),
        _ => None,
    }
}

/// The whole table, for the manual page and completions.
pub(crate) fn table() -> clap::Command {
    Arguments::command()
}

/// What to do with the trunks.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Trunk {
    /// Show addresses, calls, refusals by reason, the last call, and whether peers answer (ping_s)
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the SIP messages of one call as a pcap, for the carrier's engineer; the audit log says who and why
    Trace(Box<trace::TraceArguments>),
}

/// Puts settings first, wherever they stand: the parser keeps only those of one level. `sample --live` is `feed play`, and
/// `help --help` is `help`.
fn arranged(words: Vec<OsString>) -> Vec<OsString> {
    let is = |word: &OsString, name: &str| word.to_str() == Some(name);
    let mut words = words.into_iter();
    let mut settings: Vec<OsString> = words.next().into_iter().collect();
    let mut others = Vec::new();
    while let Some(word) = words.next() {
        if is(&word, "--set") || is(&word, "--config") || is(&word, "--lang") {
            settings.push(word);
            settings.extend(words.next());
        } else if word
            .to_str()
            .is_some_and(|word| ["--set=", "--config=", "--lang="].iter().any(|option| word.starts_with(option)))
        {
            settings.push(word);
        } else {
            others.push(word);
        }
    }
    if others.first().is_some_and(|word| is(word, "sample")) && others.iter().any(|word| is(word, "--live")) {
        others.retain(|word| !is(word, "--live"));
        others.splice(..1, ["feed".into(), "play".into()]);
    }
    if let [help, option] = &others[..]
        && is(help, "help")
        && (is(option, "--help") || is(option, "-h"))
    {
        others.pop();
    }
    settings.extend(others);
    settings
}

/// A word that is an address and no sheet.
fn address_of(word: &Path) -> Option<String> {
    let text = word.to_str()?;
    let bare = text.trim_start_matches("sip:").trim_start_matches("udp:");
    let port = bare.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    (port || bare.parse::<std::net::IpAddr>().is_ok() || bare != text).then(|| text.to_owned())
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 64 wrong command line, settings or files";

#[cfg(test)]
mod tests;
