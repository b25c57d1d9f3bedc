//! The first and the last line of a feed file.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::feed::{is_code, is_receipt};
use super::super::line_error::{CODE, LineError, check, read_json};

/// A feed file's first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedHeader {
    /// [`FORMAT`].
    pub format: u32,
    /// Who writes: one name for one numbering.
    pub source: String,
    /// From 1, one more with each file of the source.
    pub sequence: u64,
    /// Changes or a snapshot.
    pub kind: FileKind,
    /// The content's hash of the file before; [`Hash::NONE`] for the first.
    pub previous: Hash,
    /// The upstream's time, up to which the replica holds everything once this file is applied.
    pub as_of: Timestamp,
    /// How many lines follow before the seal, blank ones aside.
    pub lines: u64,
}

/// What a feed file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// What changed since the file before.
    Changes,
    /// Every case there is.
    Snapshot,
}

/// A content's SHA-256, by which a file is known; written as 64 small hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

/// The last line of a feed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The hash of every byte before the seal's line.
    pub sha256: Hash,
    /// The name of the key that signed; none in a file that is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// 128 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Why a first line is no header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// Written by a newer version of the format.
    Newer(u32),
    Line(LineError),
}

impl FeedHeader {
    /// The header as a line, without its end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(&HeaderLine { feed: self.clone() }).expect("a header holds nothing that JSON cannot")
    }

    pub(super) fn read(text: &str) -> Result<FeedHeader, HeaderError> {
        // The number alone first: a newer format may have fields that this one does not know.
        let FormatLine { feed: Format { format } } = read_json(text).map_err(HeaderError::Line)?;
        if format > FORMAT {
            return Err(HeaderError::Newer(format));
        }
        let HeaderLine { feed } = read_json(text).map_err(HeaderError::Line)?;
        feed.check().map_err(HeaderError::Line)?;
        Ok(feed)
    }

    fn check(&self) -> Result<(), LineError> {
        check(self.format == FORMAT, "feed.format", "must be 1")?;
        check(is_code(&self.source), "feed.source", CODE)?;
        check(self.sequence >= 1, "feed.sequence", "must be at least 1")?;
        check(i64::try_from(self.sequence).is_ok(), "feed.sequence", "must be below 2^63")?;
        let first = (self.sequence == 1) == (self.previous == Hash::NONE);
        check(first, "feed.previous", "must be 64 zeros for sequence 1, and the hash of the file before for all others")
    }
}

impl Seal {
    /// The seal as a line, without its end.
    pub fn to_line(&self) -> String {
        serde_json::to_string(&SealLine { seal: self.clone() }).expect("a seal holds nothing that JSON cannot")
    }

    pub(super) fn read(text: &str) -> Result<Seal, LineError> {
        read_json(text).map(|SealLine { seal }| seal)
    }
}

/// A case's leaving, as a line without its end.
pub fn delete_line(receipt: &str) -> String {
    let delete = Leaving { receipt: receipt.to_owned() };
    serde_json::to_string(&DeleteLine { delete }).expect("a string is JSON")
}

/// The receipt of a line that [`starts`](starts) with `delete`.
pub(super) fn read_delete(text: &str) -> Result<String, LineError> {
    let DeleteLine { delete: Leaving { receipt } } = read_json(text)?;
    check(is_receipt(&receipt), "delete.receipt", "must be 6 to 32 digits")?;
    Ok(receipt)
}

/// Whether a line's object begins with this field. No case has a field of the format's own lines.
pub(super) fn starts(text: &str, field: &str) -> bool {
    let inside = text.strip_prefix('{').map(str::trim_start).and_then(|rest| rest.strip_prefix('"'));
    inside.and_then(|rest| rest.strip_prefix(field)).is_some_and(|rest| rest.starts_with('"'))
}

impl Hash {
    /// What stands before the first file.
    pub const NONE: Hash = Hash([0; 32]);

    /// Reads 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Hash> {
        from_hex(text).map(Hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::from_hex(&text).ok_or_else(|| serde::de::Error::custom("64 hex digits are wanted"))
    }
}

/// Bytes of exactly the wanted number, from hex digits.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    feed: FeedHeader,
}

#[derive(Deserialize)]
struct FormatLine {
    feed: Format,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealLine {
    seal: Seal,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteLine {
    delete: Leaving,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaving {
    receipt: String,
}

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
