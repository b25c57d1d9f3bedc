//! Every sentence of the hotline, languages side by side.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::Diagnostic;
use super::diagnostic::closest_match;
use super::sentence::{Sentence, Slot, SlotError, SlotType};
use super::toml_tree::{self, Field, Item, Tree};
use base::{Bilingual, Lang, bilingual};

/// The words of a release: `menu_line`, `opt.*` and `prompt.*`; `screen.*` for what a screen shows in place of them, `sms.*` for what a text
/// message says, and how it begins.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) file: Arc<str>,
    pub(super) entries: BTreeMap<Arc<str>, Entry>,
}

/// One sentence in every language that it is written in.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The line of the script file it begins on, counted from 1.
    pub line: u32,
    texts: [Option<Sentence>; 3],
}

impl Entry {
    /// The sentence in a language.
    pub fn sentence(&self, lang: Lang) -> Option<&Sentence> {
        self.texts[lang_index(lang)].as_ref()
    }

    /// The words of an entry without slots.
    pub fn plain(&self, lang: Lang) -> Option<&str> {
        match self.sentence(lang)?.parts.as_slice() {
            [super::Part::Text { text, .. }] => Some(text),
            _ => None,
        }
    }

    /// The slots, which are the same in every language.
    pub fn slots(&self) -> Vec<Slot> {
        let any = self.texts.iter().flatten().next();
        any.map(|sentence| sentence.slots().cloned().collect()).unwrap_or_default()
    }
}

pub(super) fn lang_index(lang: Lang) -> usize {
    match lang {
        Lang::Zh => 0,
        Lang::Yue => 1,
        Lang::En => 2,
    }
}

impl Script {
    /// Reads a script file whole.
    pub fn parse(text: &str, file: &str) -> Result<Script, Vec<Diagnostic>> {
        let (script, diagnostics) = Script::parse_recoverable(text, file);
        if diagnostics.is_empty() { Ok(script) } else { Err(diagnostics) }
    }

    /// Reads what can be read, so that one run reports every error of every file.
    pub fn parse_recoverable(text: &str, file: &str) -> (Script, Vec<Diagnostic>) {
        let file: Arc<str> = file.into();
        let (root, diagnostics) = toml_tree::read(&file, text);
        let mut reader = Reader { script: Script { file, entries: BTreeMap::new() }, diagnostics };
        for field in root.fields() {
            reader.top(field);
        }
        (reader.script, reader.diagnostics)
    }

    /// The file it was read from, for diagnostics.
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// An entry by its path: `prompt.welcome`, `opt.doc.passport`.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// All entries by path.
    pub fn entries(&self) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        self.entries.iter()
    }
}

struct Reader {
    script: Script,
    diagnostics: Vec<Diagnostic>,
}

impl Reader {
    fn report(&mut self, code: &'static str, line: u32, what: Bilingual, remedy: impl Into<Bilingual>) {
        let file = self.script.file.clone();
        self.diagnostics.push(Diagnostic { code, file, line, message: what, remedy: remedy.into() });
    }

    fn top(&mut self, field: &Field) {
        match field.key.as_str() {
            "schema" => {
                if !matches!(field.item.tree, Tree::Integer(1)) {
                    self.report(
                        "E14",
                        field.line,
                        Bilingual::fixed("schema must be 1", "schema 必须为 1"),
                        Bilingual::fixed("write `schema = 1`", "请写 `schema = 1`"),
                    );
                }
            }
            "menu_line" | "opt" | "prompt" | "screen" | "sms" => self.branch(&field.key, field.line, &field.item),
            other => {
                let known = closest_match(other, ["menu_line", "opt", "prompt", "schema", "screen", "sms"]);
                let remedy = known.map_or_else(
                    || {
                        Bilingual::fixed(
                            "use [prompt.…], [opt], [screen], [sms] or [menu_line]",
                            "请使用 [prompt.…]、[opt]、[screen]、[sms] 或 [menu_line]",
                        )
                    },
                    |k| bilingual!("did you mean [{k}]?", "是否应为 [{k}]？"),
                );
                self.report(
                    "E02",
                    field.line,
                    bilingual!("[{other}] is not a table of a script", "[{other}] 不是文案文件中的表"),
                    remedy,
                );
            }
        }
    }

    fn branch(&mut self, path: &str, line: u32, item: &Item) {
        if item.fields().is_empty() {
            let what = bilingual!("{path} is {}, not sentences", "{path} 应为各语言的句子，现为{:#}", item.kind());
            self.report(
                "E14",
                line,
                what,
                Bilingual::fixed("write one text for each language: zh, yue, en", "请为 zh、yue、en 各写一句"),
            );
        } else if item.fields().iter().any(|field| !matches!(field.item.tree, Tree::Table(_))) {
            self.leaf(path, line, item);
        } else {
            for field in item.fields() {
                self.branch(&format!("{path}.{}", field.key), field.line, &field.item);
            }
        }
    }

    fn leaf(&mut self, path: &str, line: u32, item: &Item) {
        let mut texts = [None, None, None];
        for field in item.fields() {
            let Some(lang) = Lang::ALL.into_iter().find(|lang| lang.code() == field.key) else {
                let what = bilingual!(
                    "{path}: {:?} is not a language of the hotline",
                    "{path}：{:?} 不是热线的语言",
                    field.key
                );
                self.report(
                    "E02",
                    field.line,
                    what,
                    Bilingual::fixed("languages are zh, yue and en", "语言为 zh、yue、en"),
                );
                continue;
            };
            match field.item.text() {
                Some(text) if !text.trim().is_empty() => {
                    texts[lang_index(lang)] = self.sentence(path, field.line, text)
                }
                Some(_) => self.report(
                    "E32",
                    field.line,
                    bilingual!("{path}: the sentence in {} is empty", "{path}：{} 的句子为空", field.key),
                    Bilingual::fixed("write the sentence", "请写出句子"),
                ),
                None => {
                    let what = bilingual!(
                        "{path}: {} is {}, not a text",
                        "{path}：{} 应为文字，现为{:#}",
                        field.key,
                        field.item.kind()
                    );
                    self.report(
                        "E14",
                        field.line,
                        what,
                        Bilingual::fixed("put the sentence in quotes", "请给句子加引号"),
                    );
                }
            }
        }
        self.same_slots(path, line, &texts);
        self.script.entries.insert(path.into(), Entry { line, texts });
    }

    fn sentence(&mut self, path: &str, line: u32, text: &str) -> Option<Sentence> {
        match Sentence::parse(path, text) {
            Ok(sentence) => Some(sentence),
            Err(error) => {
                let (code, remedy) = match &error {
                    SlotError::UnknownType { kind, .. } => (
                        "E35",
                        match closest_match(kind, SlotType::NAMES) {
                            Some(near) => bilingual!("did you mean {near}?", "是否应为 {near}？"),
                            None => bilingual!("types are {}", "可用类型：{}", SlotType::NAMES.join(", ")),
                        },
                    ),
                    SlotError::NoType(name) => (
                        "E35",
                        bilingual!(
                            "write {{{name}:word}}, with one of {}",
                            "请写 {{{name}:word}}，类型可用：{}",
                            SlotType::NAMES.join(", ")
                        ),
                    ),
                    SlotError::Open | SlotError::Close | SlotError::NoName => {
                        ("E34", Bilingual::fixed("a slot is written {name:type}", "空位的写法为 {name:type}"))
                    }
                };
                self.report(
                    code,
                    line,
                    bilingual!("{path}: {error}", "{path}：{error:#}", error = error.text()),
                    remedy,
                );
                None
            }
        }
    }

    fn same_slots(&mut self, path: &str, line: u32, texts: &[Option<Sentence>; 3]) {
        let sets: Vec<(Lang, BTreeSet<&Slot>)> = Lang::ALL
            .into_iter()
            .filter_map(|lang| texts[lang_index(lang)].as_ref().map(|sentence| (lang, sentence.slots().collect())))
            .collect();
        let Some((first, slots)) = sets.first() else { return };
        let differing: Vec<Bilingual> = sets
            .iter()
            .filter(|(_, other)| other != slots)
            .map(|(lang, other)| {
                let names: Vec<String> =
                    slots.symmetric_difference(other).map(|s| format!("{{{}:{}}}", s.name, s.kind.name())).collect();
                bilingual!(
                    "{} and {} differ in {}",
                    "{} 与 {} 的空位不同：{}",
                    first.code(),
                    lang.code(),
                    names.join(" and ")
                )
            })
            .collect();
        for what in differing {
            self.report(
                "E33",
                line,
                bilingual!("{path}: {what}", "{path}：{what:#}"),
                Bilingual::fixed("use the same slots in every language", "各语言请使用相同的空位"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_come_in_one_run() {
        let text = "[prompt.a]\nzh = \"甲{x:date}\"\nen = \"a\"\n[prompt.b]\nfr = \"b\"\nzh = \"{x}\"\n[promt.c]\nzh = \"c\"\n";
        let diagnostics = Script::parse(text, "script.toml").unwrap_err();
        let codes: Vec<(&str, u32)> = diagnostics.iter().map(|c| (c.code, c.line)).collect();
        assert_eq!(codes, [("E33", 1), ("E02", 5), ("E35", 6), ("E02", 7)]);
    }
}
