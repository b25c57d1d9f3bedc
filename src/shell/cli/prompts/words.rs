//! The command line of `jindu prompts …`.

use std::path::PathBuf;

use lexopt::ValueExt;

use crate::publish::By;
use base::Lang;
use speech::Clip;
use studio_store::Wanted;

/// A command of `jindu prompts`.
#[derive(Clone, Debug)]
pub(crate) enum PromptCommand {
    List,
    Coverage { wanted: Wanted, json: bool },
    Takes { slot: Option<Clip>, json: bool },
    Import { file: PathBuf, slot: Option<Clip>, by: By, check: bool, json: bool },
    Export { file: PathBuf, wanted: Wanted },
    Approve { take: String, by: By },
    Discard { take: String, by: By },
    Restore { slot: Clip, by: By },
    Publish { by: By, anyway: bool, json: bool },
    Rollback { release: Option<String>, by: By },
    Play { what: String, file: PathBuf, sound: Sound, values: Vec<(String, String)> },
    Tidy { days: u32, by: By },
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

/// Options that only these commands have.
#[derive(Debug, Default)]
pub(crate) struct PromptWords {
    lang: Option<Lang>,
    slot: Option<Clip>,
    values: Vec<(String, String)>,
    days: Option<u32>,
    sound: Option<Sound>,
    missing: bool,
    script: bool,
    check: bool,
    anyway: bool,
}

impl PromptWords {
    /// Takes one option in; whether it is one of these.
    pub(crate) fn take(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<bool, lexopt::Error> {
        match name {
            "lang" => {
                let word = parser.value()?.string()?;
                self.lang = Some(Lang::from_code(&word).ok_or("write --lang zh, yue or en")?);
            }
            "slot" => self.slot = Some(slot(&parser.value()?.string()?)?),
            "value" => {
                let word = parser.value()?.string()?;
                let (name, value) =
                    word.split_once('=').ok_or("write --value NAME=VALUE, as in --value receipt=4401…")?;
                self.values.push((name.into(), value.into()));
            }
            "days" => self.days = Some(parser.value()?.parse()?),
            "in-sentence" => self.sound = Some(Sound::Sentence),
            "master" => self.sound = Some(Sound::Master),
            "original" => self.sound = Some(Sound::Original),
            "missing" => self.missing = true,
            "script" => self.script = true,
            "check" => self.check = true,
            "anyway" => self.anyway = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The options that no command took.
    pub(crate) fn left(&self) -> Option<&'static str> {
        [
            (self.lang.is_some(), "--lang"),
            (self.slot.is_some(), "--slot"),
            (!self.values.is_empty(), "--value"),
            (self.days.is_some(), "--days"),
            (self.sound.is_some(), "--in-sentence, --master or --original"),
            (self.missing, "--missing"),
            (self.script, "--script"),
            (self.check, "--check"),
            (self.anyway, "--anyway"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }

    fn wanted(&mut self) -> Wanted {
        let (to_record, script_only) = (std::mem::take(&mut self.missing), std::mem::take(&mut self.script));
        Wanted { lang: self.lang.take(), to_record, script_only }
    }

    /// Reads the command after `prompts`.
    pub(crate) fn command(
        &mut self,
        names: &mut impl Iterator<Item = std::ffi::OsString>,
        by: By,
        json: &mut bool,
    ) -> Result<PromptCommand, lexopt::Error> {
        let mut word = || names.next().map(|name| name.string()).transpose();
        let command = word()?.unwrap_or_default();
        let mut json = || std::mem::take(json);
        Ok(match command.as_str() {
            "list" => PromptCommand::List,
            "coverage" => PromptCommand::Coverage { wanted: self.wanted(), json: json() },
            "takes" => PromptCommand::Takes { slot: word()?.map(|word| slot(&word)).transpose()?, json: json() },
            "import" => PromptCommand::Import {
                file: word()?
                    .ok_or("import needs a FILE: a ZIP archive, a CSV table, or a recording with --slot")?
                    .into(),
                slot: self.slot.take(),
                by,
                check: std::mem::take(&mut self.check),
                json: json(),
            },
            "export" => PromptCommand::Export {
                file: word()?.ok_or("export needs a FILE that ends with .zip, .csv or .html")?.into(),
                wanted: self.wanted(),
            },
            "approve" => PromptCommand::Approve { take: word()?.ok_or("approve needs a TAKE, or all")?, by },
            "discard" => PromptCommand::Discard { take: word()?.ok_or("discard needs a TAKE")?, by },
            "restore" => PromptCommand::Restore { slot: slot(&word()?.unwrap_or_default())?, by },
            "publish" => PromptCommand::Publish { by, anyway: std::mem::take(&mut self.anyway), json: json() },
            "rollback" => PromptCommand::Rollback { release: word()?, by },
            "play" => PromptCommand::Play {
                what: word()?.ok_or("play needs LANG/SLOT or a TAKE")?,
                file: word()?.unwrap_or_else(|| "-".into()).into(),
                sound: self.sound.take().unwrap_or(Sound::Phone),
                values: std::mem::take(&mut self.values),
            },
            "tidy" => PromptCommand::Tidy { days: self.days.take().unwrap_or(TIDY_DAYS), by },
            _ => return Err(COMMANDS.into()),
        })
    }
}

/// Reads `yue/digit.m.7`.
pub(super) fn slot(word: &str) -> Result<Clip, String> {
    let read = word.split_once('/').and_then(|(lang, id)| Some(Clip { lang: Lang::from_code(lang)?, id: id.into() }));
    read.ok_or_else(|| format!("{word}: write LANG/SLOT, as in yue/digit.m.7; see jindu prompts coverage"))
}

const COMMANDS: &str =
    "prompts has: list, coverage, takes, import, export, approve, discard, restore, publish, rollback, play, tidy";
const TIDY_DAYS: u32 = 30;
