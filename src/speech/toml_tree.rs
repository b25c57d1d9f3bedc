//! A TOML text as a tree that knows its lines, so that every diagnostic can name one.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Diagnostic;
use base::{Bilingual, bilingual};

/// A value and the line it stands on.
#[derive(Clone, Debug)]
pub struct Item {
    /// Counted from 1.
    pub line: u32,
    /// The value.
    pub tree: Tree,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A TOML string.
    String(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    Array(Vec<Item>),
    /// In the order written.
    Table(Vec<Field>),
    /// A float or a date, which no file of a release uses; with its noun.
    Other(Bilingual),
}

/// One `key = value`.
#[derive(Clone, Debug)]
pub struct Field {
    /// One segment of the key; dotted keys are nested tables.
    pub key: String,
    /// The line of the key, counted from 1.
    pub line: u32,
    /// The value, with its own line.
    pub item: Item,
}

impl Item {
    /// The fields of a table, in the order written; none if it is no table.
    pub fn fields(&self) -> &[Field] {
        match &self.tree {
            Tree::Table(fields) => fields,
            Tree::String(_) | Tree::Integer(_) | Tree::Boolean(_) | Tree::Array(_) | Tree::Other(_) => &[],
        }
    }

    /// The field of that key.
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.fields().iter().find(|field| field.key == key)
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.tree {
            Tree::String(text) => Some(text),
            Tree::Integer(_) | Tree::Boolean(_) | Tree::Array(_) | Tree::Table(_) | Tree::Other(_) => None,
        }
    }

    /// What kind of value it is, with its article, for a diagnostic.
    pub fn kind(&self) -> Bilingual {
        match &self.tree {
            Tree::String(_) => Bilingual::fixed("a text", "文字"),
            Tree::Integer(_) => Bilingual::fixed("a number", "数字"),
            Tree::Boolean(_) => Bilingual::fixed("true or false", "true 或 false"),
            Tree::Array(_) => Bilingual::fixed("a list", "列表"),
            Tree::Table(_) => Bilingual::fixed("a table", "表"),
            Tree::Other(noun) => noun.clone(),
        }
    }
}

/// Reads a TOML text. What cannot be read becomes a diagnostic; the rest is still in the tree.
pub fn read(file: &Arc<str>, text: &str) -> (Item, Vec<Diagnostic>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let diagnostics = errors.iter().map(|error| syntax(file, text, &lines, error)).collect();
    (Item { line: 1, tree: table_tree(&lines, table.get_ref()) }, diagnostics)
}

fn syntax(file: &Arc<str>, text: &str, lines: &Lines, error: &toml::de::Error) -> Diagnostic {
    let line = error.span().map_or(1, |span| lines.at(span.start));
    let written = text.lines().nth(line as usize - 1).unwrap_or("").trim();
    let twice = error.message().contains("duplicate key");
    let (code, what, remedy) = if twice && written.starts_with('[') {
        let first = text.lines().position(|line| line.trim() == written).map_or(line, |at| at as u32 + 1);
        (
            "E01",
            bilingual!("{written} is written a second time", "{written} 重复书写"),
            bilingual!(
                "put its lines into the {written} of line {first}, or give one of the two another name",
                "请将其内容并入第 {first} 行的 {written}，或将其中一个改名"
            ),
        )
    } else if twice && (written.starts_with("keys") || written.contains("keys")) {
        (
            "E11",
            Bilingual::fixed("the same phone key is given twice", "同一按键写了两次"),
            Bilingual::fixed("give each key one target in a node", "一个节点内每个按键只能通向一处"),
        )
    } else if twice {
        (
            "E11",
            Bilingual::fixed("the same name is given twice", "同一名称写了两次"),
            Bilingual::fixed("remove one of the two", "请删除其中一个"),
        )
    } else if written.starts_with("keys.*") || written.starts_with("keys.#") || written.starts_with('*') {
        (
            "E00",
            Bilingual::fixed("TOML cannot read * and # as names", "TOML 不能以 * 和 # 作名称"),
            Bilingual::fixed(
                "write `keys.star` for * and `keys.pound` for #",
                "* 请写 `keys.star`，# 请写 `keys.pound`",
            ),
        )
    } else {
        (
            "E00",
            bilingual!("this line cannot be read: {}", "此行无法读取：{}", error.message()),
            Bilingual::fixed(
                "compare it with its neighbours: quotes, brackets, =",
                "请与上下行对照，检查引号、括号和 =",
            ),
        )
    };
    Diagnostic { code, file: file.clone(), line, message: what, remedy }
}

fn value_tree(lines: &Lines, value: &Spanned<DeValue<'_>>) -> Item {
    let tree = match value.get_ref() {
        DeValue::String(text) => Tree::String(text.to_string()),
        DeValue::Integer(whole) => i64::from_str_radix(whole.as_str(), whole.radix())
            .map_or(Tree::Other(Bilingual::fixed("a number out of range", "超出范围的数字")), Tree::Integer),
        DeValue::Boolean(flag) => Tree::Boolean(*flag),
        DeValue::Float(_) => Tree::Other(Bilingual::fixed("a number with a point", "带小数点的数字")),
        DeValue::Datetime(_) => Tree::Other(Bilingual::fixed("a date without quotes", "未加引号的日期")),
        DeValue::Array(list) => Tree::Array(list.iter().map(|item| value_tree(lines, item)).collect()),
        DeValue::Table(table) => table_tree(lines, table),
    };
    Item { line: lines.at(value.span().start), tree }
}

fn table_tree(lines: &Lines, table: &DeTable<'_>) -> Tree {
    let mut fields: Vec<(usize, Field)> = table
        .iter()
        .map(|(key, value)| {
            let start = key.span().start;
            (start, Field { key: key.get_ref().to_string(), line: lines.at(start), item: value_tree(lines, value) })
        })
        .collect();
    fields.sort_by_key(|(start, _)| *start);
    Tree::Table(fields.into_iter().map(|(_, field)| field).collect())
}

/// Where each line starts.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn at(&self, offset: usize) -> u32 {
        self.0.partition_point(|start| *start <= offset).max(1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line_and_fields_keep_their_order() {
        let (item, diagnostics) = read(&"f.toml".into(), "b = 1\na = \"x\"\n[z.y]\nk = [\n 1,\n 2]\n");
        assert!(diagnostics.is_empty());
        let keys: Vec<&str> = item.fields().iter().map(|f| f.key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "z"]);
        let y = item.field("z").unwrap().item.field("y").unwrap();
        assert_eq!(y.line, 3);
        let Tree::Array(list) = &y.item.field("k").unwrap().item.tree else { panic!() };
        assert_eq!(list[1].line, 6);
    }

    #[test]
    fn a_table_written_twice_is_an_error() {
        let (_, diagnostics) = read(&"f.toml".into(), "[say.a]\nsay=\"x\"\n[say.a]\nsay=\"y\"\n");
        assert_eq!((diagnostics[0].code, diagnostics[0].line), ("E01", 3));
    }

    #[test]
    fn a_bare_star_is_an_error_with_a_remedy() {
        let (_, diagnostics) = read(&"f.toml".into(), "[menu.a]\nkeys.* = \"x\"\n");
        assert_eq!(diagnostics[0].code, "E00");
        assert!(diagnostics[0].remedy.en.contains("star"));
    }
}
