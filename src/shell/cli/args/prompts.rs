//! `jindu prompts …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use base::{Bilingual, Lang};
use speech::Clip;
use studio_store::SlotFilter;

use super::by::{By, ByApprover};

/// A command of `jindu prompts`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PromptCommand {
    /// List every recording that the hotline can play
    List,
    /// Show every slot, its number and its state
    Coverage {
        #[command(flatten)]
        slots: Slots,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show takes that wait, or all takes of a slot, and what their checks found
    Takes {
        /// LANG/SLOT, as in yue/digit.m.7
        #[arg(value_parser = slot)]
        slot: Option<Clip>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take in a ZIP of LANG/SLOT__VARIANT.wav and script.csv (all of it or nothing), a CSV table, or one recording
    Import {
        /// The archive, the table, or with --slot the recording (WAV, FLAC, MP3, M4A, WebM, Ogg)
        file: PathBuf,
        /// The slot of one recording, LANG/SLOT
        #[arg(long, value_name = "LANG/SLOT", value_parser = slot)]
        slot: Option<Clip>,
        #[command(flatten)]
        by: By,
        /// Check only; store nothing
        #[arg(long)]
        check: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write .zip (script and recordings), .csv, or .html to print
    Export {
        /// The file to write
        #[arg(value_parser = export_file)]
        file: PathBuf,
        #[command(flatten)]
        slots: Slots,
        /// Leave the recordings out
        #[arg(long)]
        script: bool,
    },
    /// Approve what another person recorded
    Approve {
        /// The take, or all
        take: String,
        /// You have listened to it; otherwise it is marked as not listened to, as in the studio
        #[arg(long)]
        heard: bool,
        #[command(flatten)]
        by: ByApprover,
    },
    /// Hide a take
    Discard {
        /// The take
        take: String,
        #[command(flatten)]
        by: By,
    },
    /// Restore the factory's recording with the next publication
    Restore {
        /// LANG/SLOT, as in yue/digit.m.7
        #[arg(value_parser = slot)]
        slot: Clip,
        #[command(flatten)]
        by: By,
    },
    /// Make all approved takes live
    Publish {
        #[command(flatten)]
        by: ByApprover,
        /// Publish even if a set is recorded in part only
        #[arg(long)]
        anyway: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an older release live again, flow and recordings
    Rollback {
        /// The beginning of its hash; the release before the live one where none is given, each time one further back
        #[arg(value_name = "HASH")]
        release: Option<String>,
        #[command(flatten)]
        by: ByApprover,
    },
    /// Write a slot or a take as WAV, as a caller hears it
    Play {
        /// LANG/SLOT or a take
        #[arg(value_name = "LANG/SLOT|TAKE")]
        what: String,
        /// The file to write; - for the standard output
        #[arg(default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        sound: SoundArguments,
        /// A value in the sentence, as in --value receipt=440100000000123; repeatable
        #[arg(long = "value", value_name = "NAME=VALUE", value_parser = value)]
        values: Vec<(String, String)>,
    },
    /// Delete what was discarded
    Tidy {
        /// Keep what was discarded in the last so many days
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
        #[command(flatten)]
        by: By,
    },
}

/// Which slots.
#[derive(Clone, Debug, Args)]
pub(crate) struct Slots {
    /// One language: zh, yue or en
    #[arg(long, value_name = "LANG", value_parser = lang)]
    spoken: Option<Lang>,
    /// Only what is still to be recorded
    #[arg(long)]
    missing: bool,
}

impl Slots {
    pub(crate) fn wanted(&self, script_only: bool) -> SlotFilter {
        SlotFilter { lang: self.spoken, to_record: self.missing, script_only }
    }
}

/// As what `play` plays.
#[derive(Clone, Copy, Debug, Args)]
#[group(multiple = false)]
pub(crate) struct SoundArguments {
    /// In its sentence
    #[arg(long)]
    in_sentence: bool,
    /// The levelled master
    #[arg(long)]
    master: bool,
    /// The upload as it came
    #[arg(long)]
    original: bool,
}

/// As what `play` plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sound {
    /// As a caller hears it.
    Phone,
    /// The same, in its sentence.
    Sentence,
    Master,
    Original,
}

impl SoundArguments {
    pub(crate) fn read(self) -> Sound {
        match (self.in_sentence, self.master, self.original) {
            (true, _, _) => Sound::Sentence,
            (_, true, _) => Sound::Master,
            (_, _, true) => Sound::Original,
            (false, false, false) => Sound::Phone,
        }
    }
}

/// Reads `yue/digit.m.7`.
pub(crate) fn slot(word: &str) -> Result<Clip, Bilingual> {
    let read = word.split_once('/').and_then(|(lang, id)| Some(Clip { lang: Lang::from_code(lang)?, id: id.into() }));
    read.ok_or(Bilingual::fixed(
        "write LANG/SLOT, as in yue/digit.m.7; jindu prompts coverage lists them",
        "请写 语言/位置，如 yue/digit.m.7；jindu prompts coverage 会列出",
    ))
}

/// A file that `export` can write, which its ending tells.
fn export_file(word: &str) -> Result<PathBuf, Bilingual> {
    let file = PathBuf::from(word);
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase());
    let known = ending.is_some_and(|ending| ["zip", "csv", "html"].iter().any(|known| ending == *known));
    known.then_some(file).ok_or(Bilingual::fixed(
        "end the name with .zip (script and recordings), .csv or .html (to print)",
        "文件名请以 .zip（脚本和录音）、.csv 或 .html（供打印）结尾",
    ))
}

fn lang(word: &str) -> Result<Lang, Bilingual> {
    Lang::from_code(word).ok_or(Bilingual::fixed("write zh, yue or en", "请写 zh、yue 或 en"))
}

fn value(word: &str) -> Result<(String, String), Bilingual> {
    let pair = word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or(Bilingual::fixed(
        "write NAME=VALUE, as in receipt=440100000000123",
        "请写 名称=值，如 receipt=440100000000123",
    ))
}
