//! `flow.toml` as written → the flow's graph. Whole-graph checks come after; here each table is read by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::hours::{HOURS_NOW, HOURS_NOW_MEMBERS};
use super::model::*;
use super::queue_facts;
use super::read::{Reader, Table};
use base::{Bilingual, Key, Lang, bilingual};
use speech::toml_tree::{Field, Item, Tree, read};
use speech::{Diagnostic, closest_match};

/// What every menu and ask inherits.
pub(super) struct Defaults {
    pub barge_in: bool,
    pub type_ahead: bool,
    pub first_key: Duration,
    pub next_key: Duration,
    pub silent: Vec<Prompt>,
    pub wrong: Vec<Prompt>,
    pub give_up: Option<Go>,
    pub silent_end: Option<Go>,
    pub stand_in: Option<Prompt>,
    pub keys: Vec<Choice>,
}

impl Flow {
    /// Reads a flow file. Diagnostics are returned beside what could be read, for further checks.
    pub(super) fn parse(text: &str, file: &str) -> (Flow, Vec<Diagnostic>) {
        let file: Arc<str> = file.into();
        let (root, diagnostics) = read(&file, text);
        let mut reader = Reader { file, diagnostics };
        reader.comments(text);
        let flow = reader.flow(&root);
        (flow, reader.diagnostics)
    }
}

impl Reader {
    /// A bare `#` begins a comment in TOML, so a key written that way is lost silently.
    fn comments(&mut self, text: &str) {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix('#')
                && rest.trim_start().starts_with('=')
            {
                let what = bilingual!(
                    "this line is a comment, though it looks like a key: {line}",
                    "此行看似按键，实为注释：{line}"
                );
                self.report(
                    "W05",
                    at as u32 + 1,
                    what,
                    Bilingual::fixed("write `pound` for the # key", "# 键请写 `pound`"),
                );
            }
        }
    }

    fn flow(&mut self, root: &Item) -> Flow {
        let top = Table { at: "the flow", line: 1, item: root };
        self.tables(root);
        if root.field("schema").is_some_and(|field| !matches!(field.item.tree, Tree::Integer(1))) {
            self.report(
                "E14",
                root.field("schema").map_or(1, |f| f.line),
                Bilingual::fixed("schema must be 1", "schema 必须为 1"),
                Bilingual::fixed("write `schema = 1`", "请写 `schema = 1`"),
            );
        }
        let defaults = self.defaults(root);
        let mut flow = Flow {
            name: self.text(top, "flow").unwrap_or_else(|| "hotline".into()),
            langs: self.langs(top),
            start: self.needed_go(top, "start", "E15"),
            called_back: root.field("called_back").map(|field| self.go(&"called_back", &field.item)),
            limits: self.limits(root),
            give_up: defaults.give_up.clone(),
            stand_in: defaults.stand_in.clone(),
            entries: self.each(root, "entry", Reader::entry),
            notices: self.each(root, "notice", Reader::notice),
            nodes: Vec::new(),
            index: BTreeMap::new(),
            enums: self.enums(root),
            types: BTreeMap::new(),
        };
        let members = HOURS_NOW_MEMBERS.map(Arc::from).to_vec();
        flow.enums.insert(HOURS_NOW.into(), Enum { members, line: 1 });
        for (set, members) in queue_facts::SETS {
            flow.enums.insert(
                set.into(),
                Enum { members: members.iter().map(|member| Arc::from(*member)).collect(), line: 1 },
            );
        }
        flow.types = self.types(root, &flow.enums);
        for kind in KINDS {
            for field in root.field(kind).map_or(&[][..], |field| field.item.fields()) {
                self.add_node(kind, field, &defaults, &mut flow);
            }
        }
        flow.nodes.sort_by_key(|node| node.line);
        flow.index = flow.nodes.iter().enumerate().map(|(at, node)| (node.name.clone(), at)).collect();
        flow
    }

    fn tables(&mut self, root: &Item) {
        for field in root.fields() {
            let key = field.key.as_str();
            if KINDS.contains(&key) && !field.item.fields().is_empty() || TOP.contains(&key) {
                continue;
            }
            let known = TOP.into_iter().chain(KINDS);
            let remedy = match closest_match(key, known) {
                Some(near) if near != key => bilingual!("did you mean {near}?", "是否应为 {near}？"),
                _ => bilingual!("kinds of node are {}", "节点种类：{}", KINDS.join(", ")),
            };
            self.report(
                "E02",
                field.line,
                bilingual!("[{key}] is not a table of a flow", "[{key}] 不是流程文件中的表"),
                remedy,
            );
        }
    }

    fn langs(&mut self, top: Table<'_>) -> Vec<Lang> {
        let mut langs = Vec::new();
        let line = top.item.field("langs").map_or(1, |f| f.line);
        for code in self.texts(top, "langs") {
            match Lang::from_code(&code) {
                Some(lang) if !langs.contains(&lang) => langs.push(lang),
                Some(_) => self.report(
                    "E14",
                    line,
                    bilingual!("langs names {code} twice", "langs 中 {code} 写了两次"),
                    Bilingual::fixed("name each language once", "每种语言只写一次"),
                ),
                None => self.report(
                    "E14",
                    line,
                    bilingual!("{code:?} is not a language of the hotline", "{code:?} 不是热线的语言"),
                    Bilingual::fixed("languages are zh, yue, en", "语言为 zh、yue、en"),
                ),
            }
        }
        if langs.is_empty() {
            self.report(
                "E15",
                line,
                Bilingual::fixed("the flow names no language", "流程未写明语言"),
                Bilingual::fixed(
                    "write `langs = [\"zh\", \"yue\", \"en\"]`",
                    "请写 `langs = [\"zh\", \"yue\", \"en\"]`",
                ),
            );
            langs.push(Lang::Zh);
        }
        langs
    }

    fn limits(&mut self, root: &Item) -> Limits {
        let Some(field) = root.field("limits") else { return Limits::default() };
        let table = Table { at: "limits", line: field.line, item: &field.item };
        self.known(table, &["keys_to_human", "menu_seconds", "options", "answer_seconds", "promise_words"]);
        Limits {
            keys_to_human: self.whole(table, "keys_to_human", 1..=20),
            menu_seconds: self.whole(table, "menu_seconds", 1..=600),
            options: self.whole(table, "options", 1..=12),
            answer_seconds: self.whole(table, "answer_seconds", 5..=600),
            promise_words: self.texts(table, "promise_words"),
            line: field.line,
        }
    }

    fn defaults(&mut self, root: &Item) -> Defaults {
        let empty = Item { line: 1, tree: Tree::Table(Vec::new()) };
        let (line, item) = root.field("defaults").map_or((1, &empty), |field| (field.line, &field.item));
        let table = Table { at: "defaults", line, item };
        self.known(
            table,
            &[
                "barge_in",
                "type_ahead",
                "first_key",
                "next_key",
                "silent",
                "silent_end",
                "wrong",
                "give_up",
                "stand_in",
                "keys",
            ],
        );
        let mut keys = self.choices(table);
        keys.iter_mut().for_each(|choice| choice.inherited = true);
        Defaults {
            barge_in: self.flag(table, "barge_in", true),
            type_ahead: self.flag(table, "type_ahead", true),
            first_key: self.time(table, "first_key").unwrap_or(Duration::from_secs(6)),
            next_key: self.time(table, "next_key").unwrap_or(Duration::from_secs(3)),
            silent: self.prompts(table, "silent").unwrap_or_default(),
            wrong: self.prompts(table, "wrong").unwrap_or_default(),
            stand_in: self.prompts(table, "stand_in").unwrap_or_default().into_iter().next(),
            give_up: item.field("give_up").map(|field| self.go(&"defaults: give_up", &field.item)),
            silent_end: item.field("silent_end").map(|field| self.go(&"defaults: silent_end", &field.item)),
            keys,
        }
    }

    /// The tables of a list `[[name]]`.
    fn each<T>(&mut self, root: &Item, name: &str, one: fn(&mut Reader, Table<'_>) -> Option<T>) -> Vec<T> {
        let Some(field) = root.field(name) else { return Vec::new() };
        match &field.item.tree {
            Tree::Array(items) => {
                items.iter().filter_map(|item| one(self, Table { at: name, line: item.line, item })).collect()
            }
            Tree::String(_) | Tree::Integer(_) | Tree::Boolean(_) | Tree::Table(_) | Tree::Other(_) => {
                self.report(
                    "E02",
                    field.line,
                    bilingual!("[{name}] must be a list", "[{name}] 必须为列表"),
                    bilingual!("write [[{name}]]", "请写 [[{name}]]"),
                );
                Vec::new()
            }
        }
    }

    fn entry(&mut self, table: Table<'_>) -> Option<Entry> {
        self.known(table, &["when", "go", "set"]);
        if table.item.field("when").is_none() {
            self.report(
                "E15",
                table.line,
                Bilingual::fixed("an entry rule has no condition", "进线规则没有条件"),
                Bilingual::fixed("write `when = \"caller.senior\"`", "请写 `when = \"caller.senior\"`"),
            );
        }
        let go = self.needed_go(table, "go", "E04");
        let mut set_last_lang = false;
        for field in table.item.field("set").map_or(&[][..], |set| set.item.fields()) {
            if field.key == "lang" && field.item.text() == Some("caller.last_lang") {
                set_last_lang = true;
            } else {
                let what = bilingual!("an entry rule cannot set {}", "进线规则不能设置 {}", field.key);
                self.report(
                    "E34",
                    field.line,
                    what,
                    Bilingual::fixed(
                        "it may set { lang = \"caller.last_lang\" }",
                        "可以设置 { lang = \"caller.last_lang\" }",
                    ),
                );
            }
        }
        Some(Entry { when: self.when(table)?, go, set_last_lang, line: table.line })
    }

    fn notice(&mut self, table: Table<'_>) -> Option<Notice> {
        self.known(table, &["before", "say", "when", "until", "must_hear"]);
        let before = self.texts(table, "before");
        if before.is_empty() {
            self.report(
                "E15",
                table.line,
                Bilingual::fixed("a notice has no before", "通知缺少 before"),
                Bilingual::fixed("write `before = \"main\"`", "请写 `before = \"main\"`"),
            );
        }
        let say = self.say(table).into_iter().next()?;
        let until = match self.text(table, "until") {
            None => None,
            Some(text) if &*text == "cleared" => None,
            Some(text) => text.parse().map_or_else(
                |_| {
                    let what = bilingual!("notice: until = {text:?} is not a date", "通知：until = {text:?} 不是日期");
                    self.report(
                        "E14",
                        table.line,
                        what,
                        Bilingual::fixed(
                            "write a day, \"2026-12-31\", or \"cleared\"",
                            "请写日期，如 \"2026-12-31\"，或写 \"cleared\"",
                        ),
                    );
                    None
                },
                Some,
            ),
        };
        let must_hear = self.flag(table, "must_hear", false);
        Some(Notice { before, say, when: self.when(table), must_hear, until, line: table.line })
    }

    fn enums(&mut self, root: &Item) -> BTreeMap<Arc<str>, Enum> {
        let Some(field) = root.field("enum") else { return BTreeMap::new() };
        let table = Table { at: "enum", line: field.line, item: &field.item };
        let mut enums = BTreeMap::new();
        for field in field.item.fields() {
            let members = self.texts(table, &field.key);
            let twice: Vec<&Arc<str>> =
                members.iter().enumerate().filter(|(at, m)| members[..*at].contains(m)).map(|(_, m)| m).collect();
            for member in twice {
                self.report(
                    "E11",
                    field.line,
                    bilingual!("enum {} names {member} twice", "enum {} 中 {member} 写了两次", field.key),
                    Bilingual::fixed("name each value once", "每个取值只写一次"),
                );
            }
            enums.insert(field.key.as_str().into(), Enum { members, line: field.line });
        }
        enums
    }

    fn types(&mut self, root: &Item, enums: &BTreeMap<Arc<str>, Enum>) -> BTreeMap<Arc<str>, (Type, u32)> {
        let mut types = BTreeMap::new();
        for field in root.field("type").map_or(&[][..], |field| field.item.fields()) {
            let kind = match field.item.text().unwrap_or("") {
                "date" => Type::Date,
                "time" => Type::Time,
                "digits" => Type::Digits,
                "count" => Type::Count,
                "number" => Type::Number,
                "money" => Type::Money,
                other => match other.strip_prefix("enum:").filter(|name| enums.contains_key(*name)) {
                    Some(name) => Type::Enum(name.into()),
                    None => {
                        self.no_type(field, other, enums);
                        continue;
                    }
                },
            };
            types.insert(field.key.as_str().into(), (kind, field.line));
        }
        types
    }

    fn no_type(&mut self, field: &Field, written: &str, enums: &BTreeMap<Arc<str>, Enum>) {
        let all: Vec<String> = enums.keys().map(|name| format!("enum:{name}")).collect();
        let known =
            ["date", "time", "digits", "count", "number", "money"].into_iter().chain(all.iter().map(String::as_str));
        let remedy = match closest_match(written, known) {
            Some(near) => bilingual!("did you mean {near}?", "是否应为 {near}？"),
            None => Bilingual::fixed(
                "types are date, time, digits, count, number, money and enum:…",
                "类型有 date、time、digits、count、number、money 和 enum:…",
            ),
        };
        self.report(
            "E35",
            field.line,
            bilingual!("{}: there is no type {written:?}", "{}：没有类型 {written:?}", field.key),
            remedy,
        );
    }

    fn add_node(&mut self, kind: &'static str, field: &Field, defaults: &Defaults, flow: &mut Flow) {
        if let Some(other) = flow.nodes.iter().find(|node| *node.name == *field.key) {
            let what = bilingual!(
                "[{kind}.{}]: line {} has a node of that name, [{}.{}]",
                "[{kind}.{}]：第 {} 行已有同名节点 [{}.{}]",
                field.key,
                other.line,
                other.kind_name(),
                field.key
            );
            self.report(
                "E01",
                field.line,
                what,
                Bilingual::fixed("give one of the two another name", "请将其中一个改名"),
            );
            return;
        }
        let at = format!("{kind} {}", field.key);
        let table = Table { at: &at, line: field.line, item: &field.item };
        if !matches!(field.item.tree, Tree::Table(_)) {
            self.report(
                "E02",
                field.line,
                bilingual!("{kind}.{} is {}", "{kind}.{} 现为{:#}", field.key, field.item.kind()),
                bilingual!("write [{kind}.{}]", "请写 [{kind}.{}]", field.key),
            );
            return;
        }
        let kind = self.kind(kind, table, defaults);
        flow.nodes.push(Node { name: field.key.as_str().into(), line: field.line, kind });
    }

    /// The keys of a node that is no menu, or of all nodes.
    pub(super) fn choices(&mut self, table: Table<'_>) -> Vec<Choice> {
        let choices = self.menu_choices(table);
        for choice in choices.iter().filter(|choice| choice.differs) {
            let key = choice.key.as_char();
            self.report(
                "W01",
                choice.line,
                bilingual!(
                    "{}: key {key} has `differs`, which only keys of a menu may have",
                    "{}：按键 {key} 写有 `differs`，只有菜单的按键可用",
                    table.at
                ),
                REMOVE_DIFFERS,
            );
        }
        choices
    }

    /// The keys under `keys`.
    pub(super) fn menu_choices(&mut self, table: Table<'_>) -> Vec<Choice> {
        let mut choices: Vec<Choice> = Vec::new();
        for field in table.item.field("keys").map_or(&[][..], |keys| keys.item.fields()) {
            let Some(key) = self.key(&table.at, field.line, &field.key) else { continue };
            let alternatives = match &field.item.tree {
                Tree::Array(items) => items.as_slice(),
                Tree::String(_) | Tree::Integer(_) | Tree::Boolean(_) | Tree::Table(_) | Tree::Other(_) => {
                    std::slice::from_ref(&field.item)
                }
            };
            choices.extend(alternatives.iter().filter_map(|item| self.choice(table, key, &field.key, item)));
            self.alternatives(table, field, alternatives.len(), &choices);
        }
        choices
    }

    /// Of the choices of one key, all but the last need a condition: what follows one without is never reached.
    fn alternatives(&mut self, table: Table<'_>, field: &Field, written: usize, choices: &[Choice]) {
        let own = &choices[choices.len().saturating_sub(written)..];
        if let Some((_, before)) = own.split_last()
            && let Some(always) = before.iter().find(|choice| choice.when.is_none())
        {
            let what = bilingual!(
                "{}, key {}: a choice without `when` hides those after it",
                "{} 的按键 {}：没有 `when` 的选项使其后的选项失效",
                table.at,
                field.key
            );
            self.report(
                "E11",
                always.line,
                what,
                Bilingual::fixed(
                    "give all but the last a `when`, or remove those after it",
                    "除最后一个外都写上 `when`，或删除其后的选项",
                ),
            );
        }
    }

    fn choice(&mut self, table: Table<'_>, key: Key, name: &str, item: &Item) -> Option<Choice> {
        let at = bilingual!("{}, key {name}", "{} 的按键 {name}", table.at);
        let (line, inherited) = (item.line, false);
        if !matches!(item.tree, Tree::Table(_)) {
            let go = self.go(&at, item);
            let (opt, set, when) = (None, Vec::new(), None);
            return Some(Choice { key, opt, set, go, when, slow: false, differs: false, inherited, line });
        }
        let own = Table { at: &at.en, line, item };
        self.known(own, &["opt", "set", "go", "when", "slow", "differs"]);
        let mut set = Vec::new();
        for var in item.field("set").map_or(&[][..], |set| set.item.fields()) {
            match var.item.text() {
                Some(value) => set.push((var.key.as_str().into(), value.into())),
                None => self.report(
                    "E14",
                    var.line,
                    bilingual!("{at}: {} must be a text", "{at:#}：{} 必须为文字", var.key),
                    Bilingual::fixed("put the value in quotes", "请给值加引号"),
                ),
            }
        }
        let go = self.needed_go(own, "go", "E04");
        let (slow, differs) = (self.flag(own, "slow", false), self.flag(own, "differs", false));
        Some(Choice { key, opt: self.text(own, "opt"), set, go, when: self.when(own), slow, differs, inherited, line })
    }
}

/// What to do with a `differs` that says nothing.
pub(super) const REMOVE_DIFFERS: Bilingual = Bilingual::fixed("remove `differs`", "请删去 `differs`");
/// The kinds of node.
pub(super) const KINDS: [&str; 12] =
    ["menu", "ask", "say", "lookup", "switch", "hours", "queue", "transfer", "record", "rate", "sms", "callback"];
const TOP: [&str; 11] =
    ["schema", "flow", "langs", "start", "called_back", "limits", "defaults", "entry", "notice", "enum", "type"];
