//! Feed files: how changes cross a one-way gate, which copies single files, in any order, late, twice or not at all.
//!
//! A feed file is text, one JSON object a line, plain (`.ndjson`) or compressed (`.ndjson.zst`):
//!
//! ```text
//!  {"feed":{"format":1,"source":"intranet","sequence":7,"kind":"changes","previous":"9a…","as_of":"2026-11-23T09:00:00Z","lines":2}}
//!  {"receipt":"440100000000123","id_tail":"123X","stage":"review","document":"passport", …}          a case
//!  {"delete":{"receipt":"440100000000131"}}                                              a case leaves the replica
//!  {"seal":{"sha256":"3c…","key":"office_2026","signature":"d0…"}}
//! ```
//!
//! - **content**: every byte of the text before the seal line, line ends included. `sha256` is its SHA-256. It names the
//!   file: the next one says it as its `previous`, the first one says 64 zeros.
//! - **signature**: Ed25519 (RFC 8032 §5.1) over the 78 bytes `jindu feed 1` LF *sha256 in 64 small hex digits* LF.
//! - **sequence**: counts every file of a source, snapshots and heartbeats included, without a gap.
//! - **kind**: `changes`, or `snapshot`: all cases there are. A copy starts with a snapshot, and can continue from a
//!   newer one despite missing files before it.
//! - **heartbeat**: `changes` with no line between header and seal: nothing happened up to `as_of`.
//! - **lines**: how many lines stand between header and seal, blank ones aside.
//!
//! The seal is inside the file, because a gate that copies single files would separate a signature file from the
//! content that it signs; it is the last line, so that an incomplete file has none. [`FileReader`] reads a file in
//! pieces, [`GateKeys`] checks its seal, [`FileQueue`] chooses the next file, and [`ReplicaState::judge`] decides
//! whether to apply it.

mod file_queue;
mod file_reader;
mod header;
mod keys;
mod state;
#[cfg(test)]
mod tests;

pub use file_queue::{FileQueue, NextFile};
pub use file_reader::{BYTES_MAX, CHANGES_MAX, FileError, FileReader, ReadDepth, VerifiedFile, change, is_feed};
pub use header::{FORMAT, FeedHeader, FileKind, Hash, Seal, delete_line};
pub use keys::{GateKey, GateKeys, PUBLIC_START, SealError, is_key_name, read_public, sign, signed_text};
pub use state::{FilePosition, ReplicaState, Standing};
