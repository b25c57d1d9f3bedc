//! External merge sort of rows: sorted runs on disk, merged as they are read.
//!
//! ```text
//!  record: key 8 │ place 8 │ kind 1 │ version 8 │ length 4 │ row
//! ```
//!
//! The merge yields one record per key: the last one, or, among records that only count by their version, the highest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use replica::Row;

/// What a record does to the case under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordKind {
    /// Counts unless an earlier record has the same or a higher version.
    Put,
    /// Replaces all earlier records.
    Replace,
    /// Deletes all earlier records.
    Delete,
}

/// Records being collected.
pub(crate) struct ExternalSort {
    folder: PathBuf,
    runs: u64,
    bytes: Vec<u8>,
    /// Key, place in the order of adding, kind, version, and where the row is in `bytes`.
    records: Vec<Record>,
    place: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    key: i64,
    place: u64,
    kind: RecordKind,
    version: u64,
    start: usize,
    length: usize,
}

/// One row of the result.
pub(crate) struct Found<'a> {
    pub key: i64,
    pub version: i64,
    pub row: &'a [u8],
    /// Whether another receipt has the same key.
    pub collision: bool,
}

impl ExternalSort {
    pub(crate) fn begin(folder: PathBuf) -> io::Result<ExternalSort> {
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(ExternalSort { folder, runs: 0, bytes: Vec::new(), records: Vec::new(), place: 0 })
    }

    pub(crate) fn add(&mut self, key: i64, kind: RecordKind, version: u64, row: &[u8]) -> io::Result<()> {
        let start = self.bytes.len();
        self.bytes.extend(row);
        self.records.push(Record { key, place: self.place, kind, version, start, length: row.len() });
        self.place += 1;
        if self.records.len() * size_of::<Record>() + self.bytes.len() >= RUN_BYTES { self.spill() } else { Ok(()) }
    }

    /// Discards all records.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)?;
        *self = ExternalSort::begin(std::mem::take(&mut self.folder))?;
        Ok(())
    }

    /// Ends the collection and starts the merge.
    pub(crate) fn merge(&mut self) -> io::Result<MergedRows> {
        self.spill()?;
        (self.bytes, self.records) = (Vec::new(), Vec::new());
        let mut sorted = MergedRows { runs: Vec::new(), heads: BinaryHeap::new(), best: Vec::new() };
        for run in 0..self.runs {
            let input = BufReader::with_capacity(BUFFER_BYTES, File::open(self.run(run))?);
            sorted.runs.push(input);
            sorted.pull(usize::try_from(run).expect("few runs"))?;
        }
        Ok(sorted)
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        self.records.sort_unstable();
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(self.run(self.runs))?);
        for record in &self.records {
            out.write_all(&record.key.to_be_bytes())?;
            out.write_all(&record.place.to_be_bytes())?;
            out.write_all(&[record.kind as u8])?;
            out.write_all(&record.version.to_be_bytes())?;
            out.write_all(&u32::try_from(record.length).unwrap_or(u32::MAX).to_be_bytes())?;
            out.write_all(&self.bytes[record.start..record.start + record.length])?;
        }
        out.flush()?;
        self.runs += 1;
        self.records.clear();
        self.bytes.clear();
        Ok(())
    }

    fn run(&self, n: u64) -> PathBuf {
        self.folder.join(format!("{n:06}"))
    }
}

/// Records in the order of their keys.
pub(crate) struct MergedRows {
    runs: Vec<BufReader<File>>,
    heads: BinaryHeap<Reverse<Head>>,
    best: Vec<u8>,
}

/// The next record of a run.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: i64,
    place: u64,
    run: usize,
    kind: RecordKind,
    version: u64,
    row: Vec<u8>,
}

impl MergedRows {
    /// The row of the next key that has one.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        loop {
            let Some(first) = self.pop()? else { return Ok(None) };
            let key = first.key;
            let (mut best, mut collision) = (Some(first).filter(|head| head.kind != RecordKind::Delete), false);
            while self.heads.peek().is_some_and(|Reverse(head)| head.key == key) {
                let Some(next) = self.pop()? else { break };
                let other = |head: &Head| Row::check_of(key, &head.row) != Row::check_of(key, &next.row);
                collision |= next.kind != RecordKind::Delete && best.as_ref().is_some_and(other);
                best = match (next.kind, best) {
                    (RecordKind::Delete, _) => None,
                    (RecordKind::Put, Some(best)) if best.version >= next.version => Some(best),
                    (RecordKind::Put | RecordKind::Replace, _) => Some(next),
                };
            }
            if let Some(Head { version, row, .. }) = best {
                self.best = row;
                return Ok(Some(Found { key, version: version.cast_signed(), row: &self.best, collision }));
            }
        }
    }

    fn pop(&mut self) -> io::Result<Option<Head>> {
        let Some(Reverse(head)) = self.heads.pop() else { return Ok(None) };
        self.pull(head.run)?;
        Ok(Some(head))
    }

    fn pull(&mut self, run: usize) -> io::Result<()> {
        let input = &mut self.runs[run];
        let mut front = [0; 29];
        match input.read_exact(&mut front) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let word = |at: usize| u64::from_be_bytes(front[at..at + 8].try_into().expect("8 bytes"));
        let kind = match front[16] {
            0 => RecordKind::Put,
            1 => RecordKind::Replace,
            _ => RecordKind::Delete,
        };
        let length = u32::from_be_bytes(front[25..29].try_into().expect("4 bytes"));
        let mut row = vec![0; length as usize];
        input.read_exact(&mut row)?;
        let head = Head { key: word(0).cast_signed(), place: word(8), run, kind, version: word(17), row };
        self.heads.push(Reverse(head));
        Ok(())
    }
}

/// Records in memory before a run is written.
const RUN_BYTES: usize = 48 << 20;
const BUFFER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use support::folder::Folder;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_merge_yields_what_applying_the_changes_one_by_one_yields(
            changes in proptest::collection::vec((0i64..12, 0u8..3, 0u64..4, any::<u8>()), 0..200),
            spill_every in 1usize..60,
        ) {
            let folder = Folder::new();
            let mut sorting = ExternalSort::begin(folder.path().join("runs")).unwrap();
            let mut model: BTreeMap<i64, (u64, Vec<u8>)> = BTreeMap::new();
            for (n, (key, kind, version, byte)) in changes.into_iter().enumerate() {
                let kind = [RecordKind::Put, RecordKind::Replace, RecordKind::Delete][usize::from(kind)];
                sorting.add(key, kind, version, &[byte]).unwrap();
                if n % spill_every == 0 {
                    sorting.spill().unwrap();
                }
                match kind {
                    RecordKind::Delete => drop(model.remove(&key)),
                    RecordKind::Put if model.get(&key).is_some_and(|(there, _)| *there >= version) => {}
                    RecordKind::Put | RecordKind::Replace => drop(model.insert(key, (version, vec![byte]))),
                }
            }
            let mut sorted = sorting.merge().unwrap();
            let mut merged = BTreeMap::new();
            while let Some(found) = sorted.next().unwrap() {
                merged.insert(found.key, (found.version.cast_unsigned(), found.row.to_vec()));
            }
            prop_assert_eq!(merged, model);
        }
    }
}
