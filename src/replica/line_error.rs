//! Why a line of a batch or of a feed file cannot be used: the field and what it must hold, never a value, which may identify
//! a person.

use base::Bilingual;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Why a line cannot be used. Its text names fields, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than [`LINE_BYTES_MAX`](super::LINE_BYTES_MAX).
    #[error("longer than {} bytes: one case a line", super::LINE_BYTES_MAX)]
    TooLong,
    /// Not UTF-8.
    #[error("not UTF-8: write the file as UTF-8")]
    Encoding,
    /// Not an object of the format.
    #[error("{what} (column {column}): write one JSON object a line, with the fields of the format")]
    Json {
        /// The parser's reason, without any value of the line.
        what: String,
        /// Where, from 1.
        column: usize,
    },
    /// A header that is not on the first line.
    #[error("a batch header after the first line: put it first, or start another file")]
    LateHeader,
    /// A field holds what it must not.
    #[error("{field}: {wants}")]
    Field {
        /// The field's name, with dots inside a nested object.
        field: &'static str,
        /// What the field must hold.
        wants: &'static str,
    },
}

impl LineError {
    /// The same in both languages; what the parser of JSON says is in English.
    pub fn text(&self) -> Bilingual {
        let zh = match self {
            LineError::TooLong => format!("超过 {} 字节：每行应为一个案件", super::LINE_BYTES_MAX),
            LineError::Encoding => "不是 UTF-8：请用 UTF-8 编码保存".to_owned(),
            LineError::Json { what, column } => {
                format!("第 {column} 列有误（{what}）：每行应为一个符合格式的 JSON 对象")
            }
            LineError::LateHeader => "批次头不在第一行：请移到第一行，或另存一个文件".to_owned(),
            LineError::Field { field, wants } => {
                let known = WANTS.iter().find(|(known, _)| known == wants);
                format!("{field}：{}", known.map_or(*wants, |(_, chinese)| chinese))
            }
        };
        Bilingual::new(self.to_string(), zh)
    }
}

/// What a code must be.
pub(super) const CODE: &str = "must be 1 to 40 small letters, digits or _";
/// What a day must be.
pub(super) const DAY: &str = "must lie in 1980 to 2200";

/// What fields of cases must hold.
const WANTS: &[(&str, &str)] = &[
    (CODE, "应为 1 至 40 个小写字母、数字或下划线"),
    (DAY, "应在 1980 年至 2200 年之间"),
    ("must be 6 to 32 digits", "应为 6 至 32 位数字"),
    ("must be at most 32", "不得超过 32 项"),
    ("must not lie before accepted_on", "不得早于 accepted_on"),
    ("must end, if they end, on or after the day they began", "结束日期不得早于开始日期"),
    ("must be 4 letters or digits", "应为 4 位字母或数字"),
    ("must be below 2^63", "应小于 2^63"),
    ("must be 32 hex digits, not all 0", "应为 32 位十六进制数字，且不全为 0"),
    ("give exactly one of the three", "三者应有且仅有一项"),
    ("not of this kind: see the format", "格式不符：见数据格式说明"),
];

/// Reads a line that is one JSON value.
///
/// # Errors
/// [`LineError::Json`].
pub(super) fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, LineError> {
    serde_json::from_str(text).map_err(|error| json_error(text, &error))
}

/// The JSON parser's error about a line as a text that quotes no value.
fn json_error(text: &str, error: &serde_json::Error) -> LineError {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let known = said.split_once("expected ").map(|(_, known)| known.trim_start_matches("one of ").replace('`', ""));
    let known = known.map_or_else(String::new, |known| format!("; it may be {known}"));
    let field = || last_field(text, error).map_or_else(String::new, |field| format!("{field}: "));
    let what = if ["missing field", "duplicate field"].iter().any(|start| said.starts_with(start)) {
        said.to_owned()
    } else if said.starts_with("unknown field") {
        let name = said.split('`').nth(1).filter(|name| is_field(name));
        let name = name.map_or_else(String::new, |name| format!("{name}: "));
        format!("{name}a field that the format does not have{known}")
    } else if said.starts_with("unknown variant") {
        format!("{}a word that the format does not have{known}", field())
    } else {
        match error.classify() {
            Category::Syntax | Category::Eof | Category::Io => "not a JSON object".to_owned(),
            Category::Data => format!("{}a value of the wrong type or form", field()),
        }
    };
    LineError::Json { what, column: error.column() }
}

/// The field in which an error lies: the last one before it.
fn last_field<'a>(text: &'a str, error: &serde_json::Error) -> Option<&'a str> {
    let line: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let read = text.get(..line + error.column().saturating_sub(1))?;
    let parts: Vec<&str> = read.split('"').collect();
    // What follows a name's second quote begins with a colon.
    let at = parts.iter().rposition(|part| part.trim_start().starts_with(':'))?;
    parts.get(at.checked_sub(1)?).copied().filter(|name| is_field(name))
}

/// Whether a name is like those of the format, so that it is no person's.
fn is_field(name: &str) -> bool {
    (1..=24).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

pub(super) fn check(holds: bool, field: &'static str, wants: &'static str) -> Result<(), LineError> {
    if holds { Ok(()) } else { Err(LineError::Field { field, wants }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CaseRecord;
    use crate::feed::tests::CASE;

    #[test]
    fn an_unreadable_value_is_named_by_its_field_and_not_quoted() {
        for (from, to, named) in [
            ("\"review\"", "\"reveiw\"", "stage: a word"),
            ("2026-11-04", "04.11.2026", "stage_on: a value"),
            ("\"version\":3", "\"version\":\"3\"", "version: a value"),
            ("\"hall\"", "\"halle\"", "halle: a field"),
            ("\"hall\"", "\"张三\"", "a field"),
            ("\"stage_on\"", "\"pauses\":[{\"from\":\"soon\"}],\"stage_on\"", "from: a value"),
            (",\"version\":3", "", "missing field `version`"),
            ("\"north\",", "north,", "not a JSON object"),
        ] {
            let line = CASE.replace(from, to);
            let error = read_json::<CaseRecord>(&line).expect_err(&line);
            let LineError::Json { what, .. } = error else { panic!("another error of {line}") };
            assert!(what.starts_with(named), "{what}");
            assert!(!["reveiw", "04.11", "张三", "soon"].iter().any(|value| what.contains(value)), "{what}");
        }
    }
}
