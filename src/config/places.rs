//! Where each key of `jindu.toml` is written, so that a diagnostic can name the line.

use std::collections::BTreeMap;

use base::bilingual;
use toml::de::{DeTable, DeValue, Deserializer, Error};
use toml::{Spanned, Table};

use super::table_reader::{Diagnostic, SettingPlace};

/// The lines of a file's keys, by their names in diagnostics: `phone.listen`, `trunk.carrier.addresses`,
/// `inquiry.receipt[0].length`.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, u32>);

/// Reads a text as far as it is TOML: its table, where its keys are, and an error for each place that is not TOML.
pub(super) fn parse(text: &str) -> (Table, Places, Vec<Diagnostic>) {
    let lines = LineStarts::of(text);
    let (tree, errors) = DeTable::parse_recoverable(text);
    let mut diagnostics: Vec<Diagnostic> = errors.iter().map(|error| syntax(&lines, error)).collect();
    let mut places = Places::default();
    places.add_table(&lines, "", tree.get_ref());
    let table = serde::Deserialize::deserialize(Deserializer::from(tree)).unwrap_or_else(|error| {
        diagnostics.push(syntax(&lines, &error));
        Table::new()
    });
    (table, places, diagnostics)
}

fn syntax(lines: &LineStarts, error: &Error) -> Diagnostic {
    let line = error.span().map_or(1, |span| lines.line_of(span.start));
    Diagnostic {
        code: Some("toml"),
        place: SettingPlace::Line(line),
        what: {
            let error = error.message().trim().replace('\n', "; ");
            bilingual!("cannot be read: {error}", "无法读取：{error}")
        },
        ..Diagnostic::of("")
    }
}

impl Places {
    /// Gives a diagnostic its place, unless it has one: the line of its key, or else of the table that lacks it.
    pub(super) fn locate(&self, diagnostic: &mut Diagnostic) {
        if diagnostic.place != SettingPlace::Unknown {
            return;
        }
        // The error of a table names the field at fault in backticks.
        let field = diagnostic.key.ends_with(']').then(|| diagnostic.what.en.split('`').nth(1)).flatten();
        let exact = field.and_then(|field| self.0.get(&format!("{}.{field}", diagnostic.key)));
        let mut key = diagnostic.key.as_str();
        let mut line = exact.or_else(|| self.0.get(key));
        while line.is_none()
            && let Some((parent, _)) = key.rsplit_once('.')
        {
            key = parent;
            line = self.0.get(key);
        }
        diagnostic.place = line.map_or(SettingPlace::Unknown, |line| SettingPlace::Line(*line));
    }

    fn add_table(&mut self, lines: &LineStarts, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            self.0.entry(key.clone()).or_insert_with(|| lines.line_of(name.span().start));
            self.add_value(lines, &key, value);
        }
    }

    fn add_value(&mut self, lines: &LineStarts, key: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(lines, key, table),
            DeValue::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    let Some(table) = item.get_ref().as_table() else { continue };
                    for key in item_keys(key, n, table) {
                        self.0.entry(key.clone()).or_insert_with(|| lines.line_of(item.span().start));
                        self.add_table(lines, &key, table);
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

/// What a table in a list is called: by its number, and where it has a name by that too (trunks).
fn item_keys(key: &str, n: usize, table: &DeTable<'_>) -> impl Iterator<Item = String> {
    let name = table.get("name").and_then(|name| name.get_ref().as_str()).map(|name| format!("{key}.{name}"));
    [format!("{key}[{n}]"), format!("{key}.#{}", n + 1)].into_iter().chain(name)
}

/// Where the lines of a text begin, in octets.
struct LineStarts(Vec<usize>);

impl LineStarts {
    fn of(text: &str) -> LineStarts {
        LineStarts(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The line of an octet, counted from 1.
    fn line_of(&self, at: usize) -> u32 {
        self.0.partition_point(|start| *start <= at) as u32 + 1
    }
}
