//! Reads a table of settings key by key, and gathers every complaint.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::{Table, Value};

/// One thing that is wrong with the settings: the key, its value, and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub key: String,
    pub value: Option<String>,
    pub what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {}: {}", self.key, value, self.what),
            None => write!(f, "{}: {}", self.key, self.what),
        }
    }
}

/// A table of settings being read.
pub(super) struct Reader {
    table: Table,
    used: BTreeSet<String>,
    pub(super) complaints: Vec<Complaint>,
}

impl Reader {
    pub(super) fn new(table: Table) -> Self {
        Reader { table, used: BTreeSet::new(), complaints: Vec::new() }
    }

    /// Notes a complaint about a key as it stands.
    pub(super) fn complain(&mut self, key: &str, what: impl Into<String>) {
        let value = find(&self.table, key).map(shown);
        self.complaints.push(Complaint { key: key.into(), value, what: what.into() });
    }

    /// The value of a key, which counts as read.
    pub(super) fn value(&mut self, key: &str) -> Option<Value> {
        self.used.insert(key.to_owned());
        find(&self.table, key).cloned()
    }

    pub(super) fn string(&mut self, key: &str, default: &str) -> String {
        self.optional_string(key).unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn optional_string(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(text) => Some(text),
            Value::Integer(number) => Some(number.to_string()),
            _ => {
                self.complain(key, "must be a text in quotes");
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        match self.value(key) {
            None => default,
            Some(Value::Boolean(value)) => value,
            Some(_) => {
                self.complain(key, "must be true or false");
                default
            }
        }
    }

    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<i64>, default: i64) -> i64 {
        match self.value(key) {
            None => default,
            Some(Value::Integer(number)) if range.contains(&number) => number,
            Some(_) => {
                self.complain(key, format!("must be {} to {}", range.start(), range.end()));
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

    /// A list of texts; one text with commas will do too, as `--set` gives it.
    pub(super) fn strings(&mut self, key: &str, default: &[&str]) -> Vec<String> {
        match self.value(key) {
            None => default.iter().map(|text| (*text).to_owned()).collect(),
            Some(Value::String(text)) => {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
            }
            Some(Value::Integer(number)) => vec![number.to_string()],
            Some(Value::Array(values)) => self.strings_of(key, &values),
            Some(_) => {
                self.complain(key, "must be a list of texts in quotes");
                Vec::new()
            }
        }
    }

    fn strings_of(&mut self, key: &str, values: &[Value]) -> Vec<String> {
        let texts: Vec<String> = values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        if texts.len() != values.len() {
            self.complain(key, "must be a list of texts in quotes");
        }
        texts
    }

    /// A list of tables, each read by serde, which refuses unknown fields.
    pub(super) fn tables<T: serde::de::DeserializeOwned>(&mut self, key: &str) -> Vec<T> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => {
                values.into_iter().enumerate().filter_map(|(n, value)| self.table_of(key, n, value)).collect()
            }
            Some(_) => {
                self.complain(key, format!("must be written as tables: [[{key}]]"));
                Vec::new()
            }
        }
    }

    fn table_of<T: serde::de::DeserializeOwned>(&mut self, key: &str, n: usize, value: Value) -> Option<T> {
        match value.try_into() {
            Ok(read) => Some(read),
            Err(error) => {
                let what = error.to_string().trim().replace('\n', "; ");
                self.complaints.push(Complaint { key: format!("{key}[{n}]"), value: None, what });
                None
            }
        }
    }

    /// Complains of every key that nobody read.
    pub(super) fn unknown_keys(&mut self) {
        let mut leaves = Vec::new();
        leaves_of(&self.table, String::new(), &self.used, &mut leaves);
        for key in leaves {
            let near = nearest(&key, &self.used);
            let what = match near {
                Some(near) => format!("is no setting; did you mean {near}?"),
                None => "is no setting; config/jindu.toml lists them all".to_owned(),
            };
            self.complain(&key, what);
        }
    }
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
        Value::Array(_) => "[…]".to_owned(),
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

fn nearest<'a>(key: &str, known: &'a BTreeSet<String>) -> Option<&'a String> {
    known
        .iter()
        .map(|name| (distance(key, name), name))
        .filter(|(d, _)| *d <= 3)
        .min_by_key(|(d, _)| *d)
        .map(|(_, n)| n)
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
