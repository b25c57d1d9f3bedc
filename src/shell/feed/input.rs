//! The input of `jindu feed pack`: lines of cases and deletes, all validated before any of them is packed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use replica::gate::{self, CHANGES_MAX, FileKind};
use replica::{Change, FeedLine, LINE_BYTES_MAX, LineError};

use super::pack::{PACK_FOLDER, PackError, Packed, Packer};

/// Why nothing was packed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The input or the folder failed.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The number of invalid lines, and what is wrong with the first 20.
    #[error("{} invalid line{}; nothing was packed:\n{}", .0, if *.0 == 1 { "" } else { "s" }, .1.join("\n"))]
    InvalidLines(u64, Vec<String>),
    /// The packer failed.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// Packs all lines of a text into `out`, in several files if they exceed the limit of one. No line at all gives a
/// heartbeat, or an empty snapshot.
pub fn pack_lines(
    packer: &mut Packer,
    out: &Path,
    kind: FileKind,
    as_of: Timestamp,
    text: &mut dyn BufRead,
) -> Result<Vec<Packed>, InputError> {
    let body = Body::of(out.join(PACK_FOLDER).join("body"), kind, text)?;
    let most = match kind {
        FileKind::Changes => CHANGES_MAX,
        FileKind::Snapshot => u64::MAX,
    };
    let mut lines = BufReader::new(File::open(&body.path)?).lines();
    let (mut left, mut packed) = (body.lines, Vec::new());
    loop {
        let now = left.min(most);
        left -= now;
        let part = usize::try_from(now).unwrap_or(usize::MAX);
        packed.push(packer.pack(kind, as_of, now, &mut lines.by_ref().take(part))?);
        if left == 0 {
            return Ok(packed);
        }
    }
}

/// The validated lines in a temporary file, which is deleted on drop, since it holds second factors in clear.
struct Body {
    path: PathBuf,
    lines: u64,
}

impl Body {
    fn of(path: PathBuf, kind: FileKind, text: &mut dyn BufRead) -> Result<Body, InputError> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let mut body = Body { path, lines: 0 };
        let mut out = BufWriter::new(file);
        let (mut number, mut bad, mut listed) = (0u64, 0u64, Vec::new());
        let mut line = Vec::new();
        loop {
            line.clear();
            if text.take(LINE_BYTES_MAX as u64 + 2).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            number += 1;
            match row(&line, number, kind) {
                Ok(None) => {}
                Ok(Some(row)) => {
                    body.lines += 1;
                    writeln!(out, "{row}")?;
                }
                Err(error) => {
                    bad += 1;
                    if listed.len() < LISTED_MAX {
                        listed.push(format!("  line {number}: {error}"));
                    }
                    if error == LineError::TooLong && line.last() != Some(&b'\n') {
                        text.skip_until(b'\n')?;
                    }
                }
            }
        }
        out.flush()?;
        if bad == 0 { Ok(body) } else { Err(InputError::InvalidLines(bad, listed)) }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A valid line as it is written to the feed file; `None` for a blank line or a batch header.
fn row(line: &[u8], number: u64, kind: FileKind) -> Result<Option<String>, LineError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if let Ok(FeedLine::Header(_) | FeedLine::Blank) = FeedLine::read(line, number) {
        return Ok(None);
    }
    match gate::change(line)? {
        Change::Put(case) => Ok(Some(case.to_line())),
        Change::Delete { receipt } if kind == FileKind::Changes => Ok(Some(gate::delete_line(receipt.expose()))),
        Change::Delete { .. } | Change::Replace(_) | Change::Truncate | Change::Bad(_) | Change::Gone { .. } => {
            Err(LineError::Field { field: "delete", wants: "is not allowed in a snapshot: leave the case out" })
        }
    }
}

const LISTED_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::text;
    use replica::gate::ReadDepth;
    use support::folder::Folder;

    const CASE: &str = r#"{"receipt":"440100000000123","id_tail":"123X","stage":"review","document":"passport","case_type":"new","hall":"north","accepted_on":"2026-11-02","stage_on":"2026-11-04","version":3}"#;
    const GONE: &str = r#"{"delete":{"receipt":"440100000000123"}}"#;

    fn packed(folder: &Folder, kind: FileKind, lines: &str) -> Result<Vec<Packed>, InputError> {
        let mut packer = Packer::open(folder.path(), Some("intranet"), None, false)?;
        pack_lines(&mut packer, folder.path(), kind, Timestamp::UNIX_EPOCH, &mut lines.as_bytes())
    }

    #[test]
    fn lines_become_files_that_follow_each_other() {
        let folder = Folder::new();
        let header = r#"{"batch":{"as_of":"2026-11-23T09:00:00Z"}}"#;
        let first = packed(&folder, FileKind::Snapshot, &format!("{header}\n{CASE}\n\n")).unwrap();
        let second = packed(&folder, FileKind::Changes, &format!("{GONE}\n{CASE}")).unwrap();
        let third = packed(&folder, FileKind::Changes, "").unwrap();
        let files = [&first[0], &second[0], &third[0]].map(|packed| {
            let mut rows = Vec::new();
            let whole =
                text::read(&packed.path, ReadDepth::Rows, &mut |change| rows.push(format!("{change:?}"))).unwrap();
            (whole, rows.join(" "))
        });
        assert_eq!(files.each_ref().map(|(_, rows)| rows.as_str()), ["Put", "Delete Put", ""]);
        assert_eq!(files.each_ref().map(|(whole, _)| whole.header.sequence), [1, 2, 3]);
        assert_eq!(files[1].0.header.previous, files[0].0.hash);
        assert_eq!(files[2].0.header.previous, files[1].0.hash);
        assert!(!folder.path().join(PACK_FOLDER).join("body").exists(), "nothing in clear is left beside them");
    }

    #[test]
    fn one_bad_line_and_nothing_is_packed() {
        let folder = Folder::new();
        let long = "x".repeat(3 * LINE_BYTES_MAX);
        let error = packed(&folder, FileKind::Changes, &format!("{CASE}\nno case\n{long}\n{CASE}\n")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 2: not a JSON object") && text.contains("line 3: longer than"), "{text}");
        assert!(packed(&folder, FileKind::Snapshot, GONE).is_err());
        assert!(fs::read_dir(folder.path()).unwrap().all(|entry| entry.unwrap().file_name() == PACK_FOLDER));
    }

    #[test]
    fn a_crash_during_publication_never_gives_one_number_two_contents() {
        let folder = Folder::new();
        packed(&folder, FileKind::Changes, CASE).unwrap();
        let own = folder.path().join(PACK_FOLDER);
        let name = "intranet-000000000001-changes.ndjson.zst";
        // The state after a crash between the note and the link: noted, in the temporary folder, and not published.
        fs::rename(folder.path().join(name), own.join(name)).unwrap();
        let state = fs::read_to_string(own.join("state.json")).unwrap();
        fs::write(own.join("state.json"), state.replacen('{', &format!("{{\"putting_out\":\"{name}\","), 1)).unwrap();
        let second = packed(&folder, FileKind::Changes, CASE).unwrap();
        assert_eq!(second[0].sequence, 2);
        let first = text::read(&folder.path().join(name), ReadDepth::Check, &mut |_| {}).unwrap();
        let second = text::read(&second[0].path, ReadDepth::Check, &mut |_| {}).unwrap();
        assert_eq!(second.header.previous, first.hash);
        assert!(!own.join(name).exists());
    }

    #[test]
    fn one_packer_at_a_time_and_one_source_a_folder() {
        let folder = Folder::new();
        let first = Packer::open(folder.path(), Some("a"), None, false).unwrap();
        assert!(matches!(Packer::open(folder.path(), Some("a"), None, false), Err(PackError::Busy(_))));
        drop(first);
        packed(&folder, FileKind::Changes, "").unwrap();
        assert!(matches!(Packer::open(folder.path(), Some("a"), None, false), Err(PackError::Source { .. })));
    }

    #[test]
    fn time_does_not_go_back() {
        let folder = Folder::new();
        let mut packer = Packer::open(folder.path(), None, None, true).unwrap();
        let late = Timestamp::from_second(100).unwrap();
        packer.pack(FileKind::Changes, late, 0, &mut std::iter::empty()).unwrap();
        assert_eq!(packer.time(Timestamp::UNIX_EPOCH), late);
        let early = packer.pack(FileKind::Changes, Timestamp::UNIX_EPOCH, 0, &mut std::iter::empty());
        assert!(matches!(early, Err(PackError::Time { .. })));
    }
}
