//! Archives for studios and translators: out with the script and what callers hear, in with what was recorded.
//!
//! An archive is a stranger's file. Its size, its entries, what they unpack to and their names are bounded before any
//! of it is looked at; nothing is ever unpacked to a path. It is taken in whole, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Seek, Write};
use std::path::Path;

use serde::Serialize;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::bench::Studio;
use super::files;
use super::refusal::Refusal;
use super::row::{SlotRow, TakeRow, Upload};
use base::Lang;
use speech::Clip;
use studio::exchange::{self, Row, file_name, read_table, slot_of};
use studio::{Grade, Message, Operator, Slot, SlotState, TakeSource, TakeState, script_page};

/// Which slots go out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    pub lang: Option<Lang>,
    /// Only what a person has still to record.
    pub to_record: bool,
    /// Leave the recordings out.
    pub script_only: bool,
}

impl Wanted {
    fn has(&self, row: &SlotRow) -> bool {
        let open = matches!(row.state, SlotState::Missing | SlotState::Stale | SlotState::Placeholder);
        self.lang.is_none_or(|lang| row.slot.clip.lang == lang) && (open || !self.to_record)
    }
}

/// What became of an archive.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Imported {
    /// Whether anything was taken in. Nothing is where one file is refused.
    pub done: bool,
    pub files: Vec<FileReport>,
    /// Lines of the table whose text is not the script's.
    pub texts: Vec<TextChange>,
}

/// What became of one file.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    pub file: String,
    pub slot: Option<String>,
    pub take: Option<String>,
    pub refused: bool,
    /// What was found, the worst first.
    pub words: Vec<Message>,
}

/// A text that a translator changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TextChange {
    pub line: u64,
    pub lang: String,
    pub slot: String,
    pub script: String,
    pub table: String,
}

impl Studio {
    /// The script as a table.
    pub fn table(&self, wanted: &Wanted) -> Result<Vec<u8>, Refusal> {
        let rows = self.wanted(wanted)?;
        Ok(exchange::write_table(rows.iter().map(|row| (&row.slot, row.number, row.state))))
    }

    /// The script for print.
    pub fn page(&self, wanted: &Wanted) -> Result<String, Refusal> {
        let rows = self.wanted(wanted)?;
        Ok(script_page(rows.iter().map(|row| (&row.slot, row.number, row.state))))
    }

    fn wanted(&self, wanted: &Wanted) -> Result<Vec<SlotRow>, Refusal> {
        Ok(self.slots()?.into_iter().filter(|row| wanted.has(row)).collect())
    }

    /// Writes an archive: the table, the page, and the recording that callers hear of each slot. The number of files.
    pub fn export(&self, to: impl Write + Seek, wanted: &Wanted) -> Result<usize, Refusal> {
        let failed = |error: zip::result::ZipError| Refusal::Fault(format!("the archive: {error}"));
        let broken = |error: std::io::Error| Refusal::Fault(format!("the archive: {error}"));
        let catalogue = self.catalogue()?;
        let mut archive = ZipWriter::new(to);
        let mut files = vec![
            ("script.csv".to_owned(), self.table(wanted)?),
            ("script.html".to_owned(), self.page(wanted)?.into_bytes()),
        ];
        let mut count = 0;
        let rows = self.wanted(wanted)?;
        let recordings = rows.iter().filter(|_| !wanted.script_only).filter_map(|row| {
            let path = catalogue.path(&row.slot.clip)?;
            Some((file_name(&row.slot), fs::read(path)))
        });
        for (name, bytes) in files.drain(..).map(|(name, bytes)| (name, Ok(bytes))).chain(recordings) {
            archive.start_file(name, SimpleFileOptions::default().unix_permissions(0o644)).map_err(failed)?;
            archive.write_all(&bytes.map_err(broken)?).map_err(broken)?;
            count += 1;
        }
        archive.finish().map_err(failed)?;
        Ok(count)
    }

    /// Takes an archive in: every recording becomes a draft, or none does. With `check` nothing is taken in at all.
    pub fn import(&self, by: &Operator, from: impl Read + Seek, label: &str, check: bool) -> Result<Imported, Refusal> {
        let catalogue = self.catalogue()?;
        let (mut archive, unpacked) = self.survey(from)?;
        let mut imported = Imported { texts: self.changed_texts(&unpacked.lines)?, ..Imported::default() };
        let texts: BTreeMap<(String, String), String> =
            unpacked.lines.into_iter().map(|line| ((line.lang, line.slot), line.text)).collect();
        let mut pile = Pile { slots: BTreeSet::new(), sounds: BTreeMap::new(), takes: Vec::new() };
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
                    pile.judge(slot, &upload.bytes, catalogue.path(&slot.clip), &mut report);
                    if !report.refused && report.words.is_empty() {
                        self.stage(by, slot, text, upload, &mut pile, &mut report)?;
                    }
                }
                Err(error) => report.refuse(Message::new(format!("文件名不对：{error}"), error.to_string())),
            }
            imported.files.push(report);
        }
        imported.done = !check && !pile.takes.is_empty() && imported.files.iter().all(|report| !report.refused);
        if imported.done {
            self.add(by, "import", &pile.takes)?;
        } else {
            self.sweep(by, &pile.takes)?;
        }
        Ok(imported)
    }

    fn stage(
        &self,
        by: &Operator,
        slot: &Slot,
        text: &str,
        upload: Upload,
        pile: &mut Pile,
        report: &mut FileReport,
    ) -> Result<(), Refusal> {
        let catalogue = self.catalogue()?;
        let made = match self.make(by, &catalogue, slot, text, upload) {
            Ok(made) => made,
            Err(refusal @ (Refusal::Unreadable(_) | Refusal::TooLarge { .. })) => {
                report.refuse(refusal.words());
                return Ok(());
            }
            Err(refusal) => return Err(refusal),
        };
        report.take = Some(made.name.to_string());
        if *text != slot.text {
            report.words.push(Message::new(
                format!("按另一文字录的：「{text}」；脚本改成这样之后才能上线。"),
                format!("read from another text, \"{text}\": it can go live once the script says so"),
            ));
        }
        for finding in &made.report.findings {
            match finding.grade {
                Grade::Reject => report.refuse(finding.words.clone()),
                Grade::Warn => report.words.push(finding.words.clone()),
            }
        }
        pile.takes.push(TakeRow { state: TakeState::Draft, ..made });
        Ok(())
    }

    /// Lines of a table that are not as the script has them.
    pub fn changed_texts(&self, lines: &[Row]) -> Result<Vec<TextChange>, Refusal> {
        let catalogue = self.catalogue()?;
        let changed = lines.iter().filter_map(|line| {
            let clip = Clip { lang: Lang::from_code(&line.lang)?, id: line.slot.as_str().into() };
            let script = catalogue.slot(&clip).map(|slot| slot.text.clone()).unwrap_or_default();
            let (lang, slot, table) = (line.lang.clone(), line.slot.clone(), line.text.clone());
            (script != table).then_some(TextChange { line: line.line, lang, slot, script, table })
        });
        Ok(changed.collect())
    }

    /// Goes through an archive once, within its bounds, and reads its tables.
    fn survey<R: Read + Seek>(&self, from: R) -> Result<(ZipArchive<R>, Unpacked), Refusal> {
        let mut archive = ZipArchive::new(from).map_err(|error| damaged(error.to_string()))?;
        if archive.len() > ENTRIES_MOST {
            return Err(wrong(
                "压缩包里文件太多。",
                format!("the archive has {} files, at most {ENTRIES_MOST}", archive.len()),
            ));
        }
        if archive.has_overlapping_entries().map_err(|error| damaged(error.to_string()))? {
            return Err(wrong(
                "压缩包里的文件互相重叠。",
                "the archive's files overlap: it is no honest archive".into(),
            ));
        }
        if archive.has_duplicate_names() {
            return Err(wrong("压缩包里有同名文件。", "two files of the archive have the same name".into()));
        }
        let (mut unpacked, mut total) = (Unpacked::default(), 0);
        for at in 0..archive.len() {
            let entry = archive.by_index(at).map_err(|error| damaged(error.to_string()))?;
            let name = entry.name().map_err(|_| damaged("a name is not readable".into()))?.into_owned();
            if entry.is_dir() || is_litter(&name) {
                continue;
            }
            if entry.is_symlink() || entry.encrypted() {
                let en = format!("{name}: links and encrypted files are not read");
                return Err(wrong("压缩包里有链接或加密文件。", en));
            }
            drop(entry);
            let bytes = self.read(&mut archive, at)?;
            total += bytes.len() as u64;
            if total > UNPACKED_MOST {
                return Err(bomb(&name));
            }
            unpacked.put(at, name, &bytes)?;
        }
        Ok((archive, unpacked))
    }

    /// One file of an archive, if it unpacks to no more than a recording may have.
    fn read<R: Read + Seek>(&self, archive: &mut ZipArchive<R>, at: usize) -> Result<Vec<u8>, Refusal> {
        let most = self.settings.studio.upload_bytes_max;
        let mut entry = archive.by_index(at).map_err(|error| damaged(error.to_string()))?;
        let name = entry.name().map_err(|_| damaged("a name is not readable".into()))?.into_owned();
        let packed = entry.compressed_size().max(1);
        let mut bytes = Vec::new();
        entry.by_ref().take(most + 1).read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
        let ratio = bytes.len() as u64 / packed;
        let much = bytes.len() as u64 > most || (ratio > RATIO_MOST && bytes.len() > SMALL);
        if much { Err(bomb(&name)) } else { Ok(bytes) }
    }
}

fn wrong(zh: &str, en: String) -> Refusal {
    Refusal::Unreadable(Message::new(zh, en))
}

fn damaged(error: String) -> Refusal {
    wrong("压缩包已损坏。", format!("the archive is damaged: {error}"))
}

fn bomb(name: &str) -> Refusal {
    wrong("压缩包展开后过大。", format!("{name}: unpacks to more than a recording can have; is it an archive bomb?"))
}

impl FileReport {
    fn of(file: &str) -> FileReport {
        FileReport { file: file.into(), slot: None, take: None, refused: false, words: Vec::new() }
    }

    fn refuse(&mut self, words: Message) {
        self.refused = true;
        self.words.insert(0, words);
    }
}

/// What came out of an archive.
#[derive(Default)]
struct Unpacked {
    /// Recordings, by their places.
    files: Vec<(usize, String)>,
    lines: Vec<Row>,
}

impl Unpacked {
    fn put(&mut self, at: usize, name: String, bytes: &[u8]) -> Result<(), Refusal> {
        let file = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        if file.ends_with(".csv") {
            let told = |error| wrong(&format!("表格 {name}：{error}"), format!("{name}: {error}"));
            self.lines.extend(read_table(bytes).map_err(told)?);
        } else if !file.ends_with(".html") && !file.ends_with(".txt") && !file.ends_with(".md") {
            self.files.push((at, name));
        }
        Ok(())
    }
}

/// What has been staged so far, to see what comes twice.
struct Pile {
    slots: BTreeSet<Clip>,
    sounds: BTreeMap<String, Clip>,
    takes: Vec<TakeRow>,
}

impl Pile {
    /// Says what is wrong with a recording beside others, or that it is no new one.
    fn judge(&mut self, slot: &Slot, bytes: &[u8], heard: Option<&Path>, report: &mut FileReport) {
        if heard.is_some_and(|path| fs::read(path).is_ok_and(|own| own == bytes)) {
            report.words.push(Message::new("与现用录音相同，未作改动。", "what callers hear already: left as it is"));
            return;
        }
        if !self.slots.insert(slot.clip.clone()) {
            report.refuse(Message::new(
                "这个位置有两份录音，只能留一份。",
                "a second recording of one slot: leave one of them",
            ));
            return;
        }
        match self.sounds.insert(files::hash(bytes), slot.clip.clone()) {
            Some(other) if other.lang != slot.clip.lang => {
                let same = format!("{}/{}", other.lang.code(), other.id);
                report.refuse(Message::new(
                    format!("与 {same} 是同一段录音，但语言不同：可能放错了文件夹。"),
                    format!("the same recording as {same}, in another language: one of them is in the wrong folder"),
                ));
            }
            Some(_) | None => {}
        }
    }
}

/// What programs leave in archives.
fn is_litter(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    name.starts_with("__MACOSX/") || file.starts_with("._") || matches!(file, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

const ENTRIES_MOST: usize = 5000;
const UNPACKED_MOST: u64 = 1_500_000_000;
/// Silence packs well; sound does not.
const RATIO_MOST: u64 = 200;
const SMALL: usize = 2_000_000;
