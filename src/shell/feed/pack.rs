//! The sending end of a feed: packs changes into the next file of a folder, from which a one-way gate takes them.
//!
//! ```text
//!  OUT/.pack/state.json   source, last number and hash, and the file that is being published
//!  OUT/.pack/lock         one packer at a time
//!  OUT/intranet-000000000007-changes.ndjson.zst
//! ```
//!
//! A file is written to `.pack` and synced, then noted, then linked to the folder, then the note is removed. After a power
//! failure at any moment, the next start publishes the same bytes once more at most, which a node treats as a repeat; one
//! number never has two contents.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use replica::gate::{FORMAT, FeedHeader, FileKind, Hash, Seal};

use super::keys::PrivateKey;

/// Writes numbered files into a folder.
pub struct Packer {
    out: PathBuf,
    state: State,
    key: Option<PrivateKey>,
    plain: bool,
    _lock: File,
}

/// A file that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The file.
    pub path: PathBuf,
    /// Its number.
    pub sequence: u64,
    /// Its lines of cases and deletes.
    pub lines: u64,
}

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file or folder failed.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: String,
        /// The failure.
        error: io::Error,
    },
    /// The lock is taken.
    #[error("{0}: another program packs into this folder")]
    Busy(String),
    /// `state.json` is damaged.
    #[error("{0}: not the state of a packer; restore it from a backup, or use a new folder and begin with a snapshot")]
    State(String),
    /// The folder belongs to another source.
    #[error("this folder is of source {ours}, not {asked}; use one folder for each source")]
    Source {
        /// The source of the folder.
        ours: String,
        /// The source asked for.
        asked: String,
    },
    /// The time goes back.
    #[error("--as-of {asked} is before the last file's {last}; give a later time")]
    Time {
        /// The time asked for.
        asked: Timestamp,
        /// The time of the last file.
        last: Timestamp,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    source: String,
    sequence: u64,
    hash: Hash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    /// The name of the file that is being published; it has the same name in `.pack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "putting_out")]
    publishing: Option<String>,
}

impl Packer {
    /// Opens or creates a folder. `source` names a new feed, by default `office`, and must match that of an existing one.
    pub fn open(out: &Path, source: Option<&str>, key: Option<PrivateKey>, plain: bool) -> Result<Packer, PackError> {
        let own = out.join(PACK_FOLDER);
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
                publishing: None,
            },
            Err(error) => return Err(fault(&path, error)),
        };
        if let Some(asked) = source.filter(|asked| *asked != state.source) {
            return Err(PackError::Source { ours: state.source, asked: asked.to_owned() });
        }
        let mut packer = Packer { out: out.to_owned(), state, key, plain, _lock: lock };
        packer.publish()?;
        Ok(packer)
    }

    /// Whether no file was packed here yet.
    pub fn is_new(&self) -> bool {
        self.state.sequence == 0
    }

    /// The time of a file packed at `now`, never before that of the last file, even if the clock was set back.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        self.state.as_of.map_or(now, |last| last.max(now))
    }

    /// Packs the next file: `lines` lines of `body`, each without its line feed.
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
        self.state.publishing = Some(name.clone());
        self.publish()?;
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
        // Readable by the group, for the account of the one-way gate.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path)?;
        file.set_permissions(Permissions::from_mode(0o640))?;
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

    /// Notes the file, links it to the folder, and removes the note.
    fn publish(&mut self) -> Result<(), PackError> {
        let Some(name) = self.state.publishing.clone() else { return Ok(()) };
        let (draft, place) = (self.own(&name), self.out.join(&name));
        self.save()?;
        match fs::hard_link(&draft, &place) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fault(&place, error)),
        }
        sync(&self.out)?;
        self.state.publishing = None;
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
        sync(&self.out.join(PACK_FOLDER))
    }

    fn own(&self, name: &str) -> PathBuf {
        self.out.join(PACK_FOLDER).join(name)
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

/// The packer's own folder within its output folder; it does not match `*.ndjson*`.
pub const PACK_FOLDER: &str = ".pack";
const STATE: &str = "state.json";
/// The default of zstd.
const LEVEL: i32 = 3;
