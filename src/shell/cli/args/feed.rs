//! `jindu feed …`

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;

use base::Bilingual;
use feed::play::Simulation;

/// A command of the feed.
#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Make a pair of keys for signing: NAME.key and NAME.pub
    Keygen {
        /// The key's name; a folder may stand before it
        name: PathBuf,
        /// The folder for the files
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        out: PathBuf,
    },
    /// Pack changes, a snapshot or a heartbeat into the next file of the feed
    Pack {
        /// The changes, a JSON object a line; the standard input where none is given, or with -
        file: Option<PathBuf>,
        #[command(flatten)]
        packing: Packing,
        /// The lines are all cases there are
        #[arg(long)]
        snapshot: bool,
        /// Nothing changed: a file without a line
        #[arg(long, conflicts_with_all = ["snapshot", "file"])]
        heartbeat: bool,
        /// Up to when the upstream vouches for the lines (RFC 3339); the present time where none is given
        #[arg(long, value_name = "TIME")]
        as_of: Option<Timestamp>,
    },
    /// Check files, and the chain of a folder's files; exit code 1 if anything is wrong
    Verify {
        /// Files or folders
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// A public key; those of the settings where none is given
        #[arg(long = "key", value_name = "NAME.pub")]
        keys: Vec<PathBuf>,
    },
    /// Write a kept file of data/spool/applied or data/spool/rejected in clear
    Unseal {
        /// The sealed file
        file: PathBuf,
        /// The new file; the standard output where none is given
        out: Option<PathBuf>,
    },
    /// Simulate an office: write feed files or SQL
    Play(Box<PlayArguments>),
}

/// How files are packed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Packing {
    /// The folder for the files
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    #[command(flatten)]
    pub signing: Signing,
}

/// Whose files they are, and how they are written.
#[derive(Clone, Debug, Args)]
pub(crate) struct Signing {
    /// The upstream's name: 1 to 40 small letters, digits or _
    #[arg(long, value_name = "NAME", value_parser = source)]
    pub source: Option<String>,
    /// The private key to sign with
    #[arg(long, value_name = "NAME.key")]
    pub key: Option<PathBuf>,
    /// Write plain text, not zstd
    #[arg(long)]
    pub plain: bool,
}

/// The simulated office.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("to").required(true).args(["out", "sql"])))]
pub(crate) struct PlayArguments {
    /// Write feed files into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write SQL to the standard output
    #[arg(long)]
    sql: bool,
    #[command(flatten)]
    signing: Signing,
    /// Changes per second
    #[arg(long, value_name = "CHANGES_PER_S", default_value_t = 20.0, value_parser = rate)]
    rate: f64,
    /// From one file or transaction to the next, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 1000)]
    every_ms: u64,
    /// Cases at the start
    #[arg(long, value_name = "N", default_value_t = 1000)]
    cases: u64,
    /// The seed; the same seed makes the same cases
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// End after so many changes
    #[arg(long, value_name = "N")]
    changes: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Write a snapshot again after so many files; 0 for never
    #[arg(long, value_name = "FILES")]
    snapshot_every: Option<u64>,
}

impl PlayArguments {
    /// The office, and how its files are packed.
    pub(crate) fn read(self) -> (Simulation, Option<Packing>) {
        let packing = self.out.clone().map(|out| Packing { out, signing: self.signing });
        let play = Simulation {
            out: self.out,
            cases: self.cases,
            seed: self.seed,
            rate: self.rate,
            every: Duration::from_millis(self.every_ms.clamp(1, 3_600_000)),
            changes: self.changes,
            seconds: self.seconds,
            snapshot_every: self.snapshot_every.filter(|every| *every > 0),
        };
        (play, packing)
    }
}

fn source(word: &str) -> Result<String, Bilingual> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_code = (1..=40).contains(&word.len()) && word.bytes().all(plain);
    let wrong = Bilingual::fixed("must be 1 to 40 small letters, digits or _", "应为 1 至 40 个小写字母、数字或 _");
    if is_code { Ok(word.to_owned()) } else { Err(wrong) }
}

fn rate(word: &str) -> Result<f64, Bilingual> {
    let rate = word.parse().ok().filter(|rate| (0.0..=1_000_000.0).contains(rate));
    rate.ok_or(Bilingual::fixed("must be 0 to 1000000 changes a second", "应为每秒 0 至 1000000 次变更"))
}
