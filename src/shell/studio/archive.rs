//! Export of the script and the live recordings for studios and translators, and what an import reports.

use std::io::{Seek, Write};

use os::sound_key;
use serde::Serialize;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use base::Lang;
use speech::Clip;
use studio::exchange::{self, Row, file_name};
use studio::{Message, SlotState, script_page};

use crate::handle::Studio;
use crate::rejection::Rejection;
use crate::row::SlotRow;

/// Which slots are exported.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlotFilter {
    /// One language; `None` for all.
    pub lang: Option<Lang>,
    /// Only slots that a person has to record: missing, stale or placeholder.
    pub to_record: bool,
    /// Leave the recordings out.
    pub script_only: bool,
}

impl SlotFilter {
    fn has(&self, row: &SlotRow) -> bool {
        let open = matches!(row.state, SlotState::Missing | SlotState::Stale | SlotState::Placeholder);
        self.lang.is_none_or(|lang| row.slot.clip.lang == lang) && (open || !self.to_record)
    }
}

/// The result of an import.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ImportReport {
    /// Whether anything was stored. Nothing is if one file was rejected.
    pub done: bool,
    /// One report per recording, in the order of the archive.
    pub files: Vec<FileReport>,
    /// Lines of the table whose text differs from the script.
    pub texts: Vec<TextChange>,
}

/// The result for one file.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// Its name in the archive.
    pub file: String,
    /// `LANG/SLOT`; `None` if the name is none of a slot.
    pub slot: Option<String>,
    /// The take that was made.
    pub take: Option<String>,
    /// Whether it was rejected, and with it the archive.
    pub refused: bool,
    /// Findings, worst first.
    pub words: Vec<Message>,
}

/// A text that a translator changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TextChange {
    /// The line of the table, from 1.
    pub line: u64,
    /// The language's code.
    pub lang: String,
    /// The slot's id.
    pub slot: String,
    /// The text in the script; empty if it has no such slot.
    pub script: String,
    /// The text in the table.
    pub table: String,
}

impl Studio {
    /// The script as a CSV table.
    ///
    /// # Errors
    /// The flow or the store cannot be read.
    pub fn table(&self, wanted: &SlotFilter) -> Result<Vec<u8>, Rejection> {
        let rows = self.wanted(wanted)?;
        Ok(exchange::write_table(rows.iter().map(|row| (&row.slot, row.number, row.state))))
    }

    /// The script as an HTML page for print.
    ///
    /// # Errors
    /// The flow or the store cannot be read.
    pub fn page(&self, wanted: &SlotFilter) -> Result<String, Rejection> {
        let rows = self.wanted(wanted)?;
        Ok(script_page(rows.iter().map(|row| (&row.slot, row.number, row.state))))
    }

    fn wanted(&self, wanted: &SlotFilter) -> Result<Vec<SlotRow>, Rejection> {
        Ok(self.slots()?.into_iter().filter(|row| wanted.has(row)).collect())
    }

    /// Writes an archive: the table, the page, and the live recording of each slot. The number of files.
    ///
    /// # Errors
    /// The flow or a recording cannot be read, or the archive not written.
    pub fn export(&self, to: impl Write + Seek, wanted: &SlotFilter) -> Result<usize, Rejection> {
        let failed = |error: zip::result::ZipError| Rejection::Fault(format!("the archive: {error}").into());
        let broken = |error: std::io::Error| Rejection::Fault(format!("the archive: {error}").into());
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
            Some((file_name(&row.slot), sound_key::read(path)))
        });
        for (name, bytes) in files.drain(..).map(|(name, bytes)| (name, Ok(bytes))).chain(recordings) {
            archive.start_file(name, SimpleFileOptions::default().unix_permissions(0o644)).map_err(failed)?;
            archive.write_all(&bytes.map_err(broken)?).map_err(broken)?;
            count += 1;
        }
        archive.finish().map_err(failed)?;
        Ok(count)
    }

    /// Lines of a table whose text differs from the script.
    ///
    /// # Errors
    /// The flow cannot be read.
    pub fn changed_texts(&self, lines: &[Row]) -> Result<Vec<TextChange>, Rejection> {
        let catalogue = self.catalogue()?;
        let changed = lines.iter().filter_map(|line| {
            let clip = Clip { lang: Lang::from_code(&line.lang)?, id: line.slot.as_str().into() };
            let script = catalogue.slot(&clip).map(|slot| slot.text.clone()).unwrap_or_default();
            let (lang, slot, table) = (line.lang.clone(), line.slot.clone(), line.text.clone());
            (script != table).then_some(TextChange { line: line.line, lang, slot, script, table })
        });
        Ok(changed.collect())
    }
}

impl FileReport {
    pub(crate) fn of(file: &str) -> FileReport {
        FileReport { file: file.into(), slot: None, take: None, refused: false, words: Vec::new() }
    }

    pub(crate) fn reject(&mut self, words: Message) {
        self.refused = true;
        self.words.insert(0, words);
    }
}
