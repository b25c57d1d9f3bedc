//! Exchange with recording studios and translators: file names, and the script as a CSV table.
//!
//! ```text
//!  <lang>/<slot>__<variant>.wav      yue/digit.m.7__m.wav
//!  script.csv                        lang,slot,variant,text,context,note,longest_s,set,number,state
//! ```

use std::path::{Component, Path};

use super::slot::{Intonation, Slot};
use super::take::SlotState;
use base::Lang;
use speech::{Clip, closest_match};

/// The name of a slot's file.
pub fn file_name(slot: &Slot) -> String {
    format!("{}/{}__{}.wav", slot.clip.lang.code(), slot.clip.id, slot.variant.code())
}

/// Why a file name is not that of a slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An absolute path, a drive, a backslash or `..`.
    #[error("the name points outside its folder")]
    Outside,
    /// No folder, no ending, or an ending that no recording has.
    #[error("not the name of a recording: write LANG/SLOT__VARIANT.wav, as in yue/digit.m.7__m.wav")]
    Shape,
    /// The folder is not a language code.
    #[error("{0} is not a language of the hotline: use zh, yue or en")]
    Lang(String),
    /// No slot has this id; with the nearest one that exists.
    #[error("there is no slot {0}{hint}", hint = hint(.1))]
    Slot(String, Option<String>),
    /// The name says the other variant than the slot has.
    #[error("{slot} is recorded as __{wanted}, not __{got}: {}", variant_words(.wanted))]
    Variant {
        /// The slot's id.
        slot: String,
        /// The code of the slot's variant.
        wanted: &'static str,
        /// The code in the name.
        got: String,
    },
}

/// Finds the slot of a file by its last folder and its name.
pub fn slot_of<'a>(name: &str, slots: &'a [Slot]) -> Result<&'a Slot, NameError> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.contains(['\\', '\0', ':']) || !Path::new(name).components().all(inside) {
        return Err(NameError::Outside);
    }
    let mut parts = name.rsplit('/');
    let (file, lang) = (parts.next().unwrap_or_default(), parts.next().ok_or(NameError::Shape)?);
    let (stem, ending) = file.rsplit_once('.').ok_or(NameError::Shape)?;
    if !ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) {
        return Err(NameError::Shape);
    }
    let lang = Lang::from_code(lang).ok_or_else(|| NameError::Lang(lang.into()))?;
    let (id, variant) = stem.rsplit_once("__").map_or((stem, None), |(id, variant)| (id, Some(variant)));
    let slot = find(&Clip { lang, id: id.into() }, slots)?;
    match variant {
        Some(got) if got != slot.variant.code() => {
            let wanted = slot.variant.code();
            Err(NameError::Variant { slot: id.into(), wanted, got: got.into() })
        }
        Some(_) | None => Ok(slot),
    }
}

fn find<'a>(clip: &Clip, slots: &'a [Slot]) -> Result<&'a Slot, NameError> {
    slots.iter().find(|slot| slot.clip == *clip).ok_or_else(|| {
        let known = slots.iter().filter(|slot| slot.clip.lang == clip.lang).map(|slot| &*slot.clip.id);
        NameError::Slot(format!("{}/{}", clip.lang.code(), clip.id), closest_match(&clip.id, known).map(str::to_owned))
    })
}

fn hint(near: &Option<String>) -> String {
    near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

fn variant_words(code: &str) -> &'static str {
    if code == Intonation::Medial.code() { "the sentence goes on after it" } else { "the sentence ends with it" }
}

/// A row of the table as read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Counted from 1, the header included.
    pub line: u64,
    /// The language code as written.
    pub lang: String,
    /// The slot's id as written.
    pub slot: String,
    /// The text to read.
    pub text: String,
}

/// Why a table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Saved in another encoding, GB 18030 as a rule.
    #[error("the table is not in UTF-8: save it as \"CSV UTF-8\"")]
    NotUtf8,
    /// A column of this name is missing.
    #[error("the header has no column {0}: it needs lang, slot and text")]
    Head(&'static str),
    /// The CSV reader's own error, with the line.
    #[error("line {0}: {1}")]
    Line(u64, String),
    /// More lines than any hotline has slots.
    #[error("the table has more than {LINES_MAX} lines: remove some")]
    TooLong,
}

/// Writes the table in UTF-8 with a byte order mark, which spreadsheets need.
pub fn write_table<'a>(rows: impl Iterator<Item = (&'a Slot, u32, SlotState)>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    let write = |writer: &mut csv::Writer<Vec<u8>>, cells: &[&str]| {
        writer.write_record(cells).expect("writing to memory does not fail");
    };
    write(&mut writer, &HEADER);
    for (slot, number, state) in rows {
        let (longest, number) = (format!("{:.1}", slot.longest.as_secs_f64()), number.to_string());
        let cells = [
            slot.clip.lang.code(),
            &slot.clip.id,
            slot.variant.code(),
            &escaped(&slot.text),
            &escaped(&context(slot)),
            &note(slot),
            &longest,
            &slot.set,
            &number,
            state.code(),
        ];
        write(&mut writer, &cells);
    }
    writer.into_inner().expect("writing to memory does not fail")
}

/// Reads an exported table; separators may be commas, semicolons or tabs, as spreadsheets save them.
pub fn read_table(bytes: &[u8]) -> Result<Vec<Row>, TableError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TableError::NotUtf8)?;
    let text = text.trim_start_matches('\u{feff}');
    let header = text.lines().next().unwrap_or_default();
    let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|d| header.matches(char::from(*d)).count());
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter.unwrap_or(b',')).flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| TableError::Line(1, error.to_string()))?.clone();
    let column = |name: &'static str| {
        header.iter().position(|cell| cell.trim().eq_ignore_ascii_case(name)).ok_or(TableError::Head(name))
    };
    let (lang, slot, words) = (column("lang")?, column("slot")?, column("text")?);
    let mut lines = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let line = at as u64 + 2;
        let record = record.map_err(|error| TableError::Line(line, error.to_string()))?;
        let cell = |at: usize| record.get(at).unwrap_or_default().trim().to_owned();
        let text = cell(words);
        lines.push(Row { line, lang: cell(lang), slot: cell(slot), text: text.trim_start_matches('\'').into() });
        if lines.len() > LINES_MAX {
            return Err(TableError::TooLong);
        }
    }
    Ok(lines)
}

/// What is heard before and after a slot, with the slot in brackets.
pub fn context(slot: &Slot) -> String {
    let Some(said) = &slot.said else { return String::new() };
    let side = |part: &[(Clip, String)]| part.iter().map(|(_, text)| &**text).collect::<Vec<_>>().join(" ");
    format!("{} [{}] {}", side(&said.before), slot.text, side(&said.after)).trim().into()
}

/// How to read a slot, in Chinese and English.
pub fn note(slot: &Slot) -> String {
    let ends = match slot.variant {
        Intonation::Medial => "语调保持，后面还有内容 · voice stays up: the sentence goes on",
        Intonation::Final => "语调下降，句子到此结束 · voice falls: the sentence ends here",
    };
    let yao = slot.clip.lang == Lang::Zh && slot.text == "幺";
    if yao { format!("读 yāo · {ends}") } else { ends.into() }
}

/// Prefixes a cell that a spreadsheet would run as a formula.
fn escaped(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text.into() }
}

const HEADER: [&str; 10] =
    ["lang", "slot", "variant", "text", "context", "note", "longest_s", "set", "number", "state"];
/// File name endings of recordings.
const ENDINGS: [&str; 9] = ["wav", "flac", "mp3", "m4a", "mp4", "webm", "ogg", "opus", "aac"];
const LINES_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn slot(lang: Lang, id: &str, variant: Intonation, text: &str) -> Slot {
        Slot {
            clip: Clip { lang, id: id.into() },
            text: text.into(),
            variant,
            set: "digits".into(),
            longest: Duration::from_secs(2),
            used_by: Vec::new(),
            said: None,
        }
    }

    fn slots() -> Vec<Slot> {
        vec![
            slot(Lang::Yue, "digit.m.7", Intonation::Medial, "七"),
            slot(Lang::Yue, "digit.f.7", Intonation::Final, "七"),
            slot(Lang::En, "prompt.bye", Intonation::Final, "=Goodbye, \"caller\""),
        ]
    }

    #[test]
    fn a_file_name_identifies_its_slot() {
        let slots = slots();
        for slot in &slots {
            assert_eq!(slot_of(&file_name(slot), &slots).map(|found| &found.clip), Ok(&slot.clip));
        }
        let clip = |name: &str| slot_of(name, &slots).map(|slot| slot.clip.id.to_string());
        assert_eq!(clip("from studio/yue/digit.m.7.FLAC"), Ok("digit.m.7".into()));
    }

    #[test]
    fn names_outside_the_folder_or_of_no_slot_are_refused_with_a_hint() {
        let slots = slots();
        let error = |name: &str| slot_of(name, &slots).map(|slot| slot.clip.id.clone()).expect_err(name);
        for outside in [
            "../yue/digit.m.7.wav",
            "/yue/digit.m.7.wav",
            "yue/../../digit.m.7.wav",
            "yue\\digit.m.7.wav",
            "C:/yue/digit.m.7.wav",
        ] {
            assert_eq!(error(outside), NameError::Outside, "{outside}");
        }
        assert_eq!(error("digit.m.7.wav"), NameError::Shape);
        assert_eq!(error("yue/digit.m.7"), NameError::Shape);
        assert_eq!(error("yue/notes.txt"), NameError::Shape);
        assert_eq!(error("fr/digit.m.7.wav"), NameError::Lang("fr".into()));
        assert!(error("yue/digit.m.8.wav").to_string().contains("did you mean digit."));
        assert!(error("yue/digit.m.7__f.wav").to_string().contains("recorded as __m"));
        assert_eq!(error("zh/digit.m.7.wav"), NameError::Slot("zh/digit.m.7".into(), None));
    }

    #[test]
    fn an_exported_table_is_read_back_unchanged() {
        let slots = slots();
        let table = write_table(slots.iter().map(|slot| (slot, 101, SlotState::Missing)));
        let lines = read_table(&table).expect("our own table");
        let back: Vec<(&str, &str, &str)> = lines.iter().map(|l| (&*l.lang, &*l.slot, &*l.text)).collect();
        assert_eq!(back[0], ("yue", "digit.m.7", "七"));
        assert_eq!(back[2], ("en", "prompt.bye", "=Goodbye, \"caller\""));
        assert!(String::from_utf8(table).unwrap().contains("\"'=Goodbye"), "no spreadsheet runs it");
    }

    #[test]
    fn separators_of_spreadsheets_are_read_and_a_broken_table_is_an_error() {
        let lines = read_table("slot;lang;text\r\ndigit.m.7;yue;柒\r\n".as_bytes()).expect("semicolons");
        assert_eq!((&*lines[0].slot, &*lines[0].text, lines[0].line), ("digit.m.7", "柒", 2));
        assert_eq!(read_table(b"lang,slot\nzh,a\n"), Err(TableError::Head("text")));
        assert_eq!(read_table(&[0xC6, 0xDF]), Err(TableError::NotUtf8));
        assert_eq!(read_table(b""), Err(TableError::Head("lang")));
    }
}
