//! The words of `jindu feed …` and of `jindu sample --live`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use lexopt::prelude::*;

use feed::play::Play;

/// A command of the feed.
#[derive(Debug)]
pub(crate) enum Feed {
    Keygen {
        name: String,
        folder: PathBuf,
    },
    Pack {
        /// None for the standard input.
        input: Option<PathBuf>,
        packing: Packing,
        snapshot: bool,
        heartbeat: bool,
        as_of: Option<Timestamp>,
    },
    Verify {
        paths: Vec<PathBuf>,
        keys: Vec<PathBuf>,
    },
    Play {
        play: Play,
        packing: Option<Packing>,
    },
}

/// How files are packed.
#[derive(Clone, Debug)]
pub(crate) struct Packing {
    pub out: PathBuf,
    pub source: Option<String>,
    pub key: Option<PathBuf>,
    pub plain: bool,
}

/// What `jindu feed` has, for the help.
pub(crate) const HELP: &str = "\
  feed keygen NAME [--out FOLDER]        make a pair of keys for signing: NAME.key, NAME.pub
  feed pack [FILE] --out FOLDER          pack changes (or --snapshot, --heartbeat) into the next file of the feed;
                                         [--key NAME.key] [--source NAME] [--as-of TIME] [--plain]
  feed verify PATH... [--key NAME.pub]   check files, and the chain of a folder's: exit code 1 if anything is wrong
  feed play --out FOLDER | --sql         a living office: [--rate CHANGES_PER_S] [--every-ms N] [--cases N] [--seed N]
                                         [--changes N] [--seconds N] [--snapshot-every FILES] [--key NAME.key] ...;
                                         also written as sample --live
";

/// Reads the words after `jindu feed`; returns the command, and the settings' file and changes that were named.
pub(crate) fn read(
    words: impl IntoIterator<Item = OsString>,
) -> Result<(Feed, Option<PathBuf>, Vec<String>), lexopt::Error> {
    let mut given = Given::default();
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        match word {
            Long("config") => given.config = Some(parser.value()?.into()),
            Long("set") => given.set.push(parser.value()?.string()?),
            Long("out") => given.out = Some(parser.value()?.into()),
            Long("source") => given.source = Some(parser.value()?.string()?),
            Long("key") => given.keys.push(parser.value()?.into()),
            Long("as-of") => given.as_of = Some(parser.value()?.parse()?),
            Long("rate") => given.rate = Some(parser.value()?.parse()?),
            Long(name @ ("every-ms" | "cases" | "seed" | "changes" | "seconds" | "snapshot-every")) => {
                let name = name.to_owned();
                given.numbers.push((name, parser.value()?.parse()?));
            }
            Long(name @ ("plain" | "snapshot" | "heartbeat" | "live" | "sql")) => given.flags.push(name.to_owned()),
            Value(name) => given.names.push(name),
            Short(_) | Long(_) => return Err(word.unexpected()),
        }
    }
    let feed = given.command()?;
    given.nothing_left()?;
    Ok((feed, given.config, given.set))
}

/// What was written, until it is used.
#[derive(Default)]
struct Given {
    config: Option<PathBuf>,
    set: Vec<String>,
    out: Option<PathBuf>,
    source: Option<String>,
    keys: Vec<PathBuf>,
    as_of: Option<Timestamp>,
    rate: Option<f64>,
    numbers: Vec<(String, u64)>,
    flags: Vec<String>,
    names: Vec<OsString>,
}

impl Given {
    fn command(&mut self) -> Result<Feed, lexopt::Error> {
        if self.names.is_empty() {
            return Err("feed has these commands: keygen, pack, verify, play".into());
        }
        let command = self.names.remove(0).string()?;
        match command.as_str() {
            "keygen" if !self.names.is_empty() => Ok(self.keygen()),
            "keygen" => Err("feed keygen needs a NAME for the key, as in feed keygen office-2026".into()),
            "pack" => self.pack(),
            "verify" if !self.names.is_empty() => Ok(Feed::Verify {
                paths: self.names.drain(..).map(PathBuf::from).collect(),
                keys: std::mem::take(&mut self.keys),
            }),
            "verify" => Err("feed verify needs a file or folder".into()),
            "play" => self.play(),
            other => Err(format!("there is no command feed {other}; there are keygen, pack, verify, play").into()),
        }
    }

    /// The name may be written with its folder.
    fn keygen(&mut self) -> Feed {
        let path = PathBuf::from(self.names.remove(0));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let out = self.out.take().unwrap_or_else(|| ".".into());
        Feed::Keygen { name, folder: parent.map_or(out.clone(), |parent| out.join(parent)) }
    }

    fn pack(&mut self) -> Result<Feed, lexopt::Error> {
        let (snapshot, heartbeat) = (self.flag("snapshot"), self.flag("heartbeat"));
        let input = if self.names.is_empty() { None } else { Some(PathBuf::from(self.names.remove(0))) };
        if heartbeat && (snapshot || input.is_some()) {
            return Err("a heartbeat says that nothing changed: it has neither a FILE nor --snapshot".into());
        }
        let input = input.filter(|path| path.as_os_str() != "-");
        let packing = self.packing()?.ok_or("feed pack needs --out FOLDER")?;
        Ok(Feed::Pack { input, packing, snapshot, heartbeat, as_of: self.as_of.take() })
    }

    fn play(&mut self) -> Result<Feed, lexopt::Error> {
        let _ = self.flag("live");
        let sql = self.flag("sql");
        let packing = self.packing()?;
        if sql == packing.is_some() {
            return Err("feed play needs either --out FOLDER or --sql".into());
        }
        let rate = self.rate.take().unwrap_or(20.0);
        if !(0.0..=1_000_000.0).contains(&rate) {
            return Err("--rate must be 0 to 1000000 changes a second".into());
        }
        let play = Play {
            out: packing.as_ref().map(|packing| packing.out.clone()),
            cases: self.number("cases").unwrap_or(1000),
            seed: self.number("seed").unwrap_or(1),
            rate,
            every: Duration::from_millis(self.number("every-ms").unwrap_or(1000).clamp(1, 3_600_000)),
            changes: self.number("changes"),
            seconds: self.number("seconds"),
            snapshot_every: self.number("snapshot-every").filter(|every| *every > 0),
        };
        Ok(Feed::Play { play, packing })
    }

    fn packing(&mut self) -> Result<Option<Packing>, lexopt::Error> {
        let Some(out) = self.out.take() else { return Ok(None) };
        if self.keys.len() > 1 {
            return Err("a file is signed with one --key".into());
        }
        let source = self.source.take();
        let code = |source: &String| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            (1..=40).contains(&source.len()) && source.bytes().all(plain)
        };
        if source.as_ref().is_some_and(|source| !code(source)) {
            return Err("--source must be 1 to 40 small letters, digits or _".into());
        }
        Ok(Some(Packing { out, source, key: self.keys.pop(), plain: self.flag("plain") }))
    }

    fn flag(&mut self, name: &str) -> bool {
        let before = self.flags.len();
        self.flags.retain(|flag| flag != name);
        self.flags.len() < before
    }

    fn number(&mut self, name: &str) -> Option<u64> {
        let at = self.numbers.iter().position(|(given, _)| given == name)?;
        Some(self.numbers.remove(at).1)
    }

    /// Nothing that was written is passed over.
    fn nothing_left(&self) -> Result<(), lexopt::Error> {
        let left = [
            (self.out.is_some(), "--out"),
            (self.source.is_some(), "--source"),
            (!self.keys.is_empty(), "--key"),
            (self.as_of.is_some(), "--as-of"),
            (self.rate.is_some(), "--rate"),
        ];
        let left = left.into_iter().filter(|(given, _)| *given).map(|(_, name)| name.to_owned());
        let flags = self.flags.iter().map(|name| format!("--{name}"));
        let numbers = self.numbers.iter().map(|(name, _)| format!("--{name}"));
        let names = self.names.iter().map(|name| name.to_string_lossy().into_owned());
        match left.chain(flags).chain(numbers).chain(names).next() {
            Some(extra) => Err(format!("{extra} does not go with this command; see jindu --help").into()),
            None => Ok(()),
        }
    }
}
