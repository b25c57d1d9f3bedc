//! Reads a table of settings key by key and collects every error.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::{Table, Value};

use base::{Bilingual, bilingual};

/// Where a setting is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SettingPlace {
    /// On a line of the file, counted from 1.
    Line(u32),
    /// On the command line: `--set KEY=VALUE`.
    CommandLine,
    /// Nowhere: it is missing, or its default does not fit another setting.
    #[default]
    Unknown,
}

/// One error of the settings: key, value, and what is accepted. It prints as
/// `phone.calls_max = 0: must be a number from 1 to 30000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where the key is written.
    pub place: SettingPlace,
    /// A stable name of the error, for programs: `trunk.overlap`. None where the key says enough.
    pub code: Option<&'static str>,
    /// The key, `phone.calls_max`, or what stands in its place, `--set phone`; empty where a line is no TOML.
    pub key: String,
    /// The value as written; none where the key has none.
    pub value: Option<String>,
    /// What is wrong or what would be accepted; it reads on after the value: `must be 1 to 30000`.
    pub what: Bilingual,
}

impl Diagnostic {
    /// A diagnostic of a key, still without a word.
    pub(super) fn of(key: &str) -> Diagnostic {
        Diagnostic {
            place: SettingPlace::Unknown,
            code: None,
            key: key.to_owned(),
            value: None,
            what: Bilingual::default(),
        }
    }

    /// The diagnostic as it is printed, behind the place in the file of this name: `config/jindu.toml:12: …`.
    pub fn in_file(&self, file: &str) -> Bilingual {
        let text = self.text();
        match self.place {
            SettingPlace::Line(line) => bilingual!("{file}:{line}: {text}", "{file}:{line}: {text:#}"),
            SettingPlace::CommandLine if self.key.starts_with("--set") => text,
            SettingPlace::CommandLine => bilingual!("--set: {text}", "--set: {text:#}"),
            SettingPlace::Unknown => bilingual!("{file}: {text}", "{file}: {text:#}"),
        }
    }

    /// The diagnostic as it is printed, without its place.
    fn text(&self) -> Bilingual {
        let Diagnostic { key, what, .. } = self;
        let text = match &self.value {
            Some(value) if value.is_empty() => bilingual!("{key} = \"\": {what}", "{key} = \"\"：{what:#}"),
            Some(value) => bilingual!("{key} = {value}: {what}", "{key} = {value}：{what:#}"),
            None if key.is_empty() => what.clone(),
            None if what.en.starts_with("is ") => bilingual!("{key} {what}", "{key} {what:#}"),
            None => bilingual!("{key}: {what}", "{key}：{what:#}"),
        };
        self.code.map_or_else(|| text.clone(), |code| bilingual!("{text} [{code}]", "{text:#} [{code}]"))
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().en)
    }
}

/// A table of settings being read.
pub(super) struct Reader {
    table: Table,
    used: BTreeSet<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Reader {
    pub(super) fn new(table: Table) -> Self {
        Reader { table, used: BTreeSet::new(), diagnostics: Vec::new() }
    }

    /// Adds a diagnostic for a key, with its value as written.
    pub(super) fn report(&mut self, key: &str, what: impl Into<Bilingual>) {
        let value = find(&self.table, key).map(shown);
        self.diagnostics.push(Diagnostic { value, what: what.into(), ..Diagnostic::of(key) });
    }

    /// The same under a stable code.
    pub(super) fn report_as(&mut self, code: &'static str, key: &str, what: impl Into<Bilingual>) {
        let value = find(&self.table, key).map(shown);
        self.diagnostics.push(Diagnostic { code: Some(code), value, what: what.into(), ..Diagnostic::of(key) });
    }

    /// The list of an old setting, as TOML; none if it is not written.
    pub(super) fn old_strings(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::Array(values) => Some(Value::Array(values).to_string()),
            Value::String(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Some(Value::Array(parts.map(Value::from).collect()).to_string())
            }
            other => Some(other.to_string()),
        }
    }

    /// The value of a key, which is then a known key.
    pub(super) fn value(&mut self, key: &str) -> Option<Value> {
        self.used.insert(key.to_owned());
        find(&self.table, key).cloned()
    }

    /// Whether a key is there, of whatever kind.
    pub(super) fn has(&self, key: &str) -> bool {
        find(&self.table, key).is_some()
    }

    pub(super) fn string(&mut self, key: &str, default: &str) -> String {
        self.optional_string(key).unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn optional_string(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text),
            Value::Integer(number) => Some(number.to_string()),
            _ => {
                self.report(key, Bilingual::fixed("must be a text in quotes", "应为加引号的文字"));
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        match self.value(key) {
            None => default,
            Some(Value::Boolean(value)) => value,
            Some(_) => {
                self.report(key, Bilingual::fixed("must be true or false", "应为 true 或 false"));
                default
            }
        }
    }

    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<i64>, default: i64) -> i64 {
        match self.value(key) {
            None => default,
            Some(Value::Integer(number)) if range.contains(&number) => number,
            Some(value) => {
                let is_quoted = value.as_str().is_some_and(|text| text.trim().parse::<i64>().is_ok());
                let (en, zh) = if is_quoted { (" without quotes", "，不加引号") } else { ("", "") };
                let (from, to) = (range.start(), range.end());
                self.report(
                    key,
                    bilingual!("must be a number from {from} to {to}{en}", "应为 {from} 至 {to} 的数字{zh}"),
                );
                default
            }
        }
    }

    pub(super) fn seconds(&mut self, key: &str, range: RangeInclusive<i64>, default: i64) -> Duration {
        Duration::from_secs(self.number(key, range, default).unsigned_abs())
    }

    pub(super) fn milliseconds(&mut self, key: &str, range: RangeInclusive<i64>, default: i64) -> Duration {
        Duration::from_millis(self.number(key, range, default).unsigned_abs())
    }

    /// A list of texts, or one text with commas, as `--set` gives it.
    pub(super) fn strings(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        match self.value(key) {
            None => default.iter().map(|text| (*text).to_owned()).collect(),
            Some(Value::String(text)) => {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
            }
            Some(Value::Integer(number)) => vec![number.to_string()],
            Some(Value::Array(values)) => self.strings_of(key, &values),
            Some(_) => {
                self.report(key, Bilingual::fixed("must be a list of texts in quotes", "应为加引号文字的列表"));
                Vec::new()
            }
        }
    }

    fn strings_of(&mut self, key: &str, values: &[Value]) -> Vec<String> {
        let texts: Vec<String> = values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        if texts.len() != values.len() {
            self.report(key, Bilingual::fixed("must be a list of texts in quotes", "应为加引号文字的列表"));
        }
        texts
    }

    /// A list of tables, each deserialized by serde; types that deny unknown fields refuse them.
    pub(super) fn tables<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> Vec<T> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => {
                values.into_iter().enumerate().filter_map(|(n, value)| self.table_of(key, n, value)).collect()
            }
            Some(_) => {
                self.report(key, bilingual!("must be written as tables: [[{key}]]", "应写成表：[[{key}]]"));
                Vec::new()
            }
        }
    }

    /// One table of a list. A field that cannot be read is taken out, so that those after it are read, too.
    fn table_of<T: serde::de::DeserializeOwned>(&mut self, key: &str, n: usize, mut value: Value) -> Option<T> {
        let mut taken_out = BTreeSet::new();
        loop {
            let error = match value.clone().try_into() {
                Ok(read) => return Some(read).filter(|_| taken_out.is_empty()),
                Err(error) => error.to_string().trim().replace('\n', "; "),
            };
            let field = field_of(&error).map(str::to_owned);
            if field.as_ref().is_some_and(|field| taken_out.contains(field)) {
                return None;
            }
            self.diagnostics.push(Diagnostic { what: field_error(error), ..Diagnostic::of(&format!("{key}[{n}]")) });
            let field =
                field.filter(|field| value.as_table_mut().is_some_and(|table| table.remove(field).is_some()))?;
            taken_out.insert(field);
        }
    }

    /// Reports every key that is not a setting.
    pub(super) fn unknown_keys(&mut self) {
        let mut leaves = Vec::new();
        leaves_of(&self.table, String::new(), &self.used, &mut leaves);
        for key in leaves {
            let near = nearest(&key, &self.used);
            let what = match near {
                Some(near) => bilingual!("is not a setting (did you mean {near}?)", "不是设置项（是否应为 {near}？）"),
                None => Bilingual::fixed(
                    "is not a setting (config/jindu.toml lists them all)",
                    "不是设置项（config/jindu.toml 列有全部设置项）",
                ),
            };
            self.diagnostics.push(Diagnostic { what, ..Diagnostic::of(&key) });
        }
    }
}

/// The field that an error of serde names: the one that cannot be read, is not known or is missing.
fn field_of(error: &str) -> Option<&str> {
    let named = error.split_once("; in `").map(|(_, rest)| rest);
    let named = named.or_else(|| error.split_once("field `").map(|(_, rest)| rest));
    named.and_then(|rest| rest.split('`').next())
}

/// An error of a table's field, as serde words it, in the words of the other settings.
fn field_error(en: String) -> Bilingual {
    // `invalid type: string "10s", expected u64; in `wrap_up_s``
    let at = en.split_once("; in `").and_then(|(_, rest)| rest.split('`').next());
    let wanted = en.split_once(", expected ").map(|(_, rest)| rest.split("; in `").next().unwrap_or(rest));
    if let (Some(field), Some(wanted)) = (at, wanted) {
        if let Some(got) = en.strip_prefix("unknown variant `").and_then(|rest| rest.split('`').next()) {
            let known = wanted.trim_start_matches("one of ").replace('`', "").replace(" or ", ", ");
            return bilingual!(
                "`{field}` must be one of {known}, not {got}",
                "`{field}` 应为 {known} 之一，不是 {got}"
            );
        }
        if let Some(got) = en.strip_prefix("invalid type: ").or_else(|| en.strip_prefix("invalid value: ")) {
            let got = got.split(", expected ").next().unwrap_or(got).trim_start_matches("string ");
            let (kind, kind_zh) = match wanted {
                "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => {
                    ("a whole number without quotes", "不加引号的整数")
                }
                "a string" => ("a text in quotes", "加引号的文字"),
                "a boolean" => ("true or false", "true 或 false"),
                "a sequence" => ("a list", "列表"),
                other => (other, other),
            };
            return bilingual!("`{field}` must be {kind}, not {got}", "`{field}` 应为{kind_zh}，不是 {got}");
        }
    }
    let field = en.split('`').nth(1).unwrap_or_default();
    if en.starts_with("unknown field")
        && let Some(near) = closest(field, en.split('`').skip(3).step_by(2))
    {
        let zh = format!("没有 `{field}` 这一项，是否应为 {near}？");
        return Bilingual::new(format!("there is no field `{field}` (did you mean {near}?)"), zh);
    }
    let zh = if en.starts_with("missing field") {
        format!("缺少 `{field}`")
    } else if en.starts_with("unknown field") {
        let known = en.split_once("expected").map_or("", |(_, known)| known.trim_start_matches(" one of").trim());
        format!("没有 `{field}` 这一项，可用：{known}")
    } else {
        format!("无法读取：{en}")
    };
    Bilingual::new(en, zh)
}

fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut parts = key.split('.');
    let mut value = table.get(parts.next()?)?;
    for part in parts {
        value = value.as_table()?.get(part)?;
    }
    Some(value)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => value.to_string(),
        Value::Array(_) => Some(value.to_string()).filter(|list| list.len() <= 60).unwrap_or_else(|| "[…]".to_owned()),
        Value::Table(_) => "{…}".to_owned(),
    }
}

fn leaves_of(table: &Table, prefix: String, used: &BTreeSet<String>, leaves: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if used.contains(&key) {
            continue;
        }
        match value {
            Value::Table(inner) if used.iter().any(|known| known.starts_with(&format!("{key}."))) => {
                leaves_of(inner, key, used, leaves);
            }
            _ => leaves.push(key),
        }
    }
}

fn nearest<'a>(key: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    closest(key, known.iter().map(String::as_str))
}

/// The known name that was probably meant: of a short name one letter may be wrong, of a longer one three.
fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (1 + word.rsplit('.').next().unwrap_or(word).len() / 4).min(3);
    let bare = |name: &str| name.replace('_', "");
    let written = bare(word);
    let near = known.map(|name| {
        // `wrapup` is `wrap_up_s`.
        let begins = written.len() > 3 && bare(name).starts_with(&written);
        (if begins { 1 } else { distance(word, name) }, name)
    });
    let near = near.filter(|(distance, _)| *distance <= most);
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Levenshtein distance, for suggestions.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
