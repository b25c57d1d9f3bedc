//! Import of a ZIP archive of recordings.
//!
//! An archive is untrusted. Its size, number of entries, unpacked size and names are bounded before its content is read;
//! nothing is unpacked to a path. An import stores all recordings or none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};
use std::path::Path;

use os::sound_key;
use zip::ZipArchive;

use speech::Clip;
use studio::exchange::{Row, read_table, slot_of};
use studio::{Grade, Message, Operator, Slot, TakeSource, TakeState};

use crate::archive::{FileReport, ImportReport};
use crate::files;
use crate::handle::Studio;
use crate::rejection::Rejection;
use crate::row::{TakeRow, Upload};

impl Studio {
    /// Imports an archive: every recording becomes a draft, or none does. With `check` nothing is stored.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`]: the archive is damaged or exceeds a bound; or the store cannot be written.
    pub fn import(
        &self,
        by: &Operator,
        from: impl Read + Seek,
        label: &str,
        check: bool,
    ) -> Result<ImportReport, Rejection> {
        let catalogue = self.catalogue()?;
        let (mut archive, unpacked) = self.survey(from)?;
        let mut imported = ImportReport { texts: self.changed_texts(&unpacked.lines)?, ..ImportReport::default() };
        let texts: BTreeMap<(String, String), String> =
            unpacked.lines.into_iter().map(|line| ((line.lang, line.slot), line.text)).collect();
        let mut batch = Batch { slots: BTreeSet::new(), sounds: BTreeMap::new(), takes: Vec::new() };
        for (at, name) in unpacked.files {
            let mut report = FileReport::of(&name);
            match slot_of(&name, &catalogue.slots) {
                Ok(slot) => {
                    let bytes = self.read(&mut archive, at)?;
                    let key = (slot.clip.lang.code().to_owned(), slot.clip.id.to_string());
                    report.slot = Some(format!("{}/{}", key.0, key.1));
                    let text = texts.get(&key).filter(|text| !text.is_empty()).unwrap_or(&slot.text);
                    let upload =
                        Upload { bytes, kind: TakeSource::File, label: name, sitting: format!("{label}/{}", key.0) };
                    batch.judge(slot, &upload.bytes, catalogue.path(&slot.clip), &mut report);
                    if !report.refused && report.words.is_empty() {
                        self.stage(by, slot, text, upload, &mut batch, &mut report)?;
                    }
                }
                Err(error) => report.reject(Message::new(format!("文件名不对：{error}"), error.to_string())),
            }
            imported.files.push(report);
        }
        imported.done = !check && !batch.takes.is_empty() && imported.files.iter().all(|report| !report.refused);
        if imported.done {
            self.add(by, "import", &batch.takes)?;
        } else {
            self.sweep(by, &batch.takes)?;
        }
        Ok(imported)
    }

    fn stage(
        &self,
        by: &Operator,
        slot: &Slot,
        text: &str,
        upload: Upload,
        batch: &mut Batch,
        report: &mut FileReport,
    ) -> Result<(), Rejection> {
        let catalogue = self.catalogue()?;
        let made = match self.make(by, &catalogue, slot, text, upload) {
            Ok(made) => made,
            Err(refusal @ (Rejection::Unreadable(_) | Rejection::TooLarge { .. })) => {
                report.reject(refusal.words());
                return Ok(());
            }
            Err(refusal) => return Err(refusal),
        };
        report.take = Some(made.name.to_string());
        if *text != slot.text {
            report.words.push(Message::new(
                format!("录音所读文字为“{text}”；文案改成这样之后才能发布。"),
                format!("read from another text, \"{text}\": it can go live once the script has this text"),
            ));
        }
        for finding in &made.report.findings {
            match finding.grade {
                Grade::Reject => report.reject(finding.words.clone()),
                Grade::Warn => report.words.push(finding.words.clone()),
            }
        }
        batch.takes.push(TakeRow { state: TakeState::Draft, ..made });
        Ok(())
    }

    /// Checks the bounds of an archive, and reads its tables.
    fn survey<R: Read + Seek>(&self, from: R) -> Result<(ZipArchive<R>, Unpacked), Rejection> {
        let mut archive = ZipArchive::new(from).map_err(|error| damaged(error.to_string()))?;
        if archive.len() > ENTRIES_MAX {
            return Err(wrong(
                "压缩包里文件太多。",
                format!("the archive has {} files, at most {ENTRIES_MAX}", archive.len()),
            ));
        }
        if archive.has_overlapping_entries().map_err(|error| damaged(error.to_string()))? {
            return Err(wrong("压缩包里的文件互相重叠。", "files of the archive overlap: it may be malicious".into()));
        }
        if archive.has_duplicate_names() {
            return Err(wrong("压缩包里有同名文件。", "two files of the archive have the same name".into()));
        }
        let (mut unpacked, mut total) = (Unpacked::default(), 0);
        for at in 0..archive.len() {
            let entry = archive.by_index(at).map_err(|error| damaged(error.to_string()))?;
            let name = entry.name().map_err(|_| damaged("a name is not readable".into()))?.into_owned();
            if entry.is_dir() || is_junk(&name) {
                continue;
            }
            if entry.is_symlink() || entry.encrypted() {
                let en = format!("{name}: links and encrypted files are not read");
                return Err(wrong("压缩包里有链接或加密文件。", en));
            }
            drop(entry);
            let bytes = self.read(&mut archive, at)?;
            total += bytes.len() as u64;
            if total > UNPACKED_BYTES_MAX {
                return Err(bomb(&name));
            }
            unpacked.put(at, name, &bytes)?;
        }
        Ok((archive, unpacked))
    }

    /// Reads one file of an archive, up to the size of a recording.
    fn read<R: Read + Seek>(&self, archive: &mut ZipArchive<R>, at: usize) -> Result<Vec<u8>, Rejection> {
        let most = self.settings.studio.upload_bytes_max;
        let mut entry = archive.by_index(at).map_err(|error| damaged(error.to_string()))?;
        let name = entry.name().map_err(|_| damaged("a name is not readable".into()))?.into_owned();
        let packed = entry.compressed_size().max(1);
        let mut bytes = Vec::new();
        entry.by_ref().take(most + 1).read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
        let ratio = bytes.len() as u64 / packed;
        let much = bytes.len() as u64 > most || (ratio > RATIO_MAX && bytes.len() > SMALL);
        if much { Err(bomb(&name)) } else { Ok(bytes) }
    }
}

fn wrong(zh: &str, en: String) -> Rejection {
    Rejection::Unreadable(Message::new(zh, en))
}

fn damaged(error: String) -> Rejection {
    wrong("压缩包已损坏。", format!("the archive is damaged: {error}"))
}

fn bomb(name: &str) -> Rejection {
    wrong("压缩包展开后过大。", format!("{name}: unpacks to more than a recording can have; it may be a ZIP bomb"))
}

/// The content of an archive.
#[derive(Default)]
struct Unpacked {
    /// Recordings: index and name.
    files: Vec<(usize, String)>,
    lines: Vec<Row>,
}

impl Unpacked {
    fn put(&mut self, at: usize, name: String, bytes: &[u8]) -> Result<(), Rejection> {
        let file = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        if file.ends_with(".csv") {
            let invalid = |error| wrong(&format!("表格 {name}：{error}"), format!("{name}: {error}"));
            self.lines.extend(read_table(bytes).map_err(invalid)?);
        } else if !file.ends_with(".html") && !file.ends_with(".txt") && !file.ends_with(".md") {
            self.files.push((at, name));
        }
        Ok(())
    }
}

/// The takes made so far, and what finds duplicates.
struct Batch {
    slots: BTreeSet<Clip>,
    sounds: BTreeMap<String, Clip>,
    takes: Vec<TakeRow>,
}

impl Batch {
    /// Reports a duplicate, or a recording that is live already.
    fn judge(&mut self, slot: &Slot, bytes: &[u8], heard: Option<&Path>, report: &mut FileReport) {
        if heard.is_some_and(|path| sound_key::read(path).is_ok_and(|own| own == bytes)) {
            report
                .words
                .push(Message::new("与现用录音相同，未作改动。", "identical to the live recording: left as it is"));
            return;
        }
        if !self.slots.insert(slot.clip.clone()) {
            report.reject(Message::new(
                "这个位置有两份录音，只能留一份。",
                "a second recording of this slot: keep one of them",
            ));
            return;
        }
        match self.sounds.insert(files::hash(bytes), slot.clip.clone()) {
            Some(other) if other.lang != slot.clip.lang => {
                let same = format!("{}/{}", other.lang.code(), other.id);
                report.reject(Message::new(
                    format!("与 {same} 是同一段录音，但语言不同：可能放错了文件夹。"),
                    format!("the same recording as {same}, in another language: one of them is in the wrong folder"),
                ));
            }
            Some(_) | None => {}
        }
    }
}

/// Files that file managers add.
fn is_junk(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    name.starts_with("__MACOSX/") || file.starts_with("._") || matches!(file, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

const ENTRIES_MAX: usize = 5000;
const UNPACKED_BYTES_MAX: u64 = 1_500_000_000;
/// Compression ratio from which a large file is suspect: silence compresses well, sound does not.
const RATIO_MAX: u64 = 200;
/// Bytes up to which any ratio is allowed.
const SMALL: usize = 2_000_000;
