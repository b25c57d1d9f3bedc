//! The upstream's end of a feed: packs changes into the next file of a folder, from which a gate takes them.
//!
//! ```text
//!  OUT/.pack/state.json   source, last number and hash, and the file that is being put out
//!  OUT/.pack/lock         one packer at a time
//!  OUT/intranet-000000000007-changes.ndjson.zst
//! ```
//!
//! A file is written aside and synced, then noted, then linked to its place, then the note is taken back. Whatever moment
//! the power goes, the next start puts the same bytes out once more at most, which a node takes as a repeat; a number is
//! never given to two contents.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use replica::gate::{FORMAT, FeedHeader, FileKind, Hash, Seal};

use super::keys::PrivateKey;

/// Puts numbered files into a folder.
pub struct Packer {
    out: PathBuf,
    state: State,
    key: Option<PrivateKey>,
    plain: bool,
    _lock: File,
}

/// A file that was put out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub path: PathBuf,
    pub sequence: u64,
    pub lines: u64,
}

/// Why nothing was put out.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("{path}: {error}")]
    Io { path: String, error: io::Error },
    #[error("{0}: another program packs into this folder")]
    Busy(String),
    #[error("{0}: not the state of a packer; put it back from a backup, or use a new folder and begin with a snapshot")]
    State(String),
    #[error("this folder is of source {ours}, not {asked}: one folder for each source")]
    Source { ours: String, asked: String },
    #[error("--as-of {asked} lies before the last file's {last}: time does not go back")]
    Time { asked: Timestamp, last: Timestamp },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    source: String,
    sequence: u64,
    hash: Hash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    /// The name of the file that is being put out, under which it lies in `.pack` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    putting_out: Option<String>,
}

impl Packer {
    /// Opens a folder, or makes it. `source` names it the first time, and may be left out then: `office`.
    pub fn open(out: &Path, source: Option<&str>, key: Option<PrivateKey>, plain: bool) -> Result<Packer, PackError> {
        let own = out.join(OWN);
        DirBuilder::new().recursive(true).mode(0o700).create(&own).map_err(|error| fault(&own, error))?;
        let lock = lock(&own.join("lock"))?;
        let path = own.join(STATE);
        let state = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|_| PackError::State(path.display().to_string()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State {
                source: source.unwrap_or("office").to_owned(),
                sequence: 0,
                hash: Hash::NONE,
                as_of: None,
                putting_out: None,
            },
            Err(error) => return Err(fault(&path, error)),
        };
        if let Some(asked) = source.filter(|asked| *asked != state.source) {
            return Err(PackError::Source { ours: state.source, asked: asked.to_owned() });
        }
        let mut packer = Packer { out: out.to_owned(), state, key, plain, _lock: lock };
        packer.put_out()?;
        Ok(packer)
    }

    /// Whether no file was packed here yet.
    pub fn is_new(&self) -> bool {
        self.state.sequence == 0
    }

    /// The time to say for a file packed at `now`: a clock that was set back does not take the feed back.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        self.state.as_of.map_or(now, |last| last.max(now))
    }

    /// Packs the next file: `lines` lines of `body`, each without its end.
    pub fn pack(
        &mut self,
        kind: FileKind,
        as_of: Timestamp,
        lines: u64,
        body: &mut dyn Iterator<Item = io::Result<String>>,
    ) -> Result<Packed, PackError> {
        if let Some(last) = self.state.as_of.filter(|last| as_of < *last) {
            return Err(PackError::Time { asked: as_of, last });
        }
        let sequence = self.state.sequence + 1;
        let source = self.state.source.clone();
        let header = FeedHeader { format: FORMAT, source, sequence, kind, previous: self.state.hash, as_of, lines };
        let name = self.name(&header);
        let draft = self.own(&name);
        let hash = self.write(&draft, &header, body).map_err(|error| {
            let _ = fs::remove_file(&draft);
            fault(&draft, error)
        })?;
        self.state.sequence = sequence;
        self.state.hash = hash;
        self.state.as_of = Some(as_of);
        self.state.putting_out = Some(name.clone());
        self.put_out()?;
        Ok(Packed { path: self.out.join(name), sequence, lines })
    }

    fn name(&self, header: &FeedHeader) -> String {
        let kind = match header.kind {
            FileKind::Changes => "changes",
            FileKind::Snapshot => "snapshot",
        };
        let end = if self.plain { "ndjson" } else { "ndjson.zst" };
        format!("{}-{:012}-{kind}.{end}", header.source, header.sequence)
    }

    fn write(
        &self,
        path: &Path,
        header: &FeedHeader,
        body: &mut dyn Iterator<Item = io::Result<String>>,
    ) -> io::Result<Hash> {
        // Readable by the group: a gate's account takes it from here.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
        if self.plain {
            let mut out = BufWriter::new(file);
            let hash = self.content(&mut out, header, body)?;
            out.into_inner()?.sync_all()?;
            return Ok(hash);
        }
        let mut out = BufWriter::new(zstd::Encoder::new(file, LEVEL)?);
        let hash = self.content(&mut out, header, body)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?.sync_all()?;
        Ok(hash)
    }

    fn content(
        &self,
        out: &mut dyn Write,
        header: &FeedHeader,
        body: &mut dyn Iterator<Item = io::Result<String>>,
    ) -> io::Result<Hash> {
        let mut hasher = Sha256::new();
        let mut held = 0;
        for line in std::iter::once(Ok(header.to_line())).chain(body) {
            let line = line? + "\n";
            hasher.update(&line);
            out.write_all(line.as_bytes())?;
            held += 1;
        }
        if held != header.lines + 1 {
            return Err(io::Error::other("the lines changed while they were packed"));
        }
        let hash = Hash(hasher.finalize().into());
        let seal = match &self.key {
            Some(key) => key.seal(hash),
            None => Seal { sha256: hash, key: None, signature: None },
        };
        writeln!(out, "{}", seal.to_line())?;
        out.flush()?;
        Ok(hash)
    }

    /// Notes the file that lies aside, puts it into its place, and takes the note back.
    fn put_out(&mut self) -> Result<(), PackError> {
        let Some(name) = self.state.putting_out.clone() else { return Ok(()) };
        let (draft, place) = (self.own(&name), self.out.join(&name));
        self.save()?;
        match fs::hard_link(&draft, &place) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fault(&place, error)),
        }
        sync(&self.out)?;
        self.state.putting_out = None;
        self.save()?;
        fs::remove_file(&draft).map_err(|error| fault(&draft, error))
    }

    fn save(&self) -> Result<(), PackError> {
        let (path, draft) = (self.own(STATE), self.own("state.json.new"));
        let text = serde_json::to_string_pretty(&self.state).expect("a state holds nothing that JSON cannot");
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        });
        written.map_err(|error| fault(&path, error))?;
        sync(&self.out.join(OWN))
    }

    fn own(&self, name: &str) -> PathBuf {
        self.out.join(OWN).join(name)
    }
}

fn lock(path: &Path) -> Result<File, PackError> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = made.map_err(|error| fault(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PackError::Busy(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(fault(path, error)),
    }
}

fn sync(folder: &Path) -> Result<(), PackError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| fault(folder, error))
}

fn fault(path: &Path, error: io::Error) -> PackError {
    PackError::Io { path: path.display().to_string(), error }
}

/// The packer's own folder within the one that it fills; a gate that takes `*.ndjson*` passes it by.
pub const OWN: &str = ".pack";
const STATE: &str = "state.json";
/// zstd's own default.
const LEVEL: i32 = 3;
