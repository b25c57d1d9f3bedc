//! Reading the fields of a table, with a diagnostic for each invalid one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::model::{Go, Prompt, Target, When};
use base::{Bilingual, Key, bilingual};
use speech::toml_tree::{Field, Item, Tree};
use speech::{Diagnostic, closest_match};

/// Reads one file and collects its diagnostics.
pub(super) struct Reader {
    pub file: Arc<str>,
    pub diagnostics: Vec<Diagnostic>,
}

/// A table that is being read: `menu main`.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub at: &'a str,
    pub line: u32,
    pub item: &'a Item,
}

impl Reader {
    pub(crate) fn report(
        &mut self,
        code: &'static str,
        line: u32,
        what: impl Into<Bilingual>,
        remedy: impl Into<Bilingual>,
    ) {
        let file = self.file.clone();
        self.diagnostics.push(Diagnostic { code, file, line, message: what.into(), remedy: remedy.into() });
    }

    /// Every field must be known.
    pub(crate) fn known(&mut self, table: Table<'_>, keys: &[&str]) {
        for field in table.item.fields().iter().filter(|field| !keys.contains(&field.key.as_str())) {
            let near = closest_match(&field.key, keys.iter().copied());
            let remedy = near.map_or_else(
                || bilingual!("it may have {}", "可用的键：{}", keys.join(", ")),
                |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
            );
            self.report("E02", field.line, bilingual!("{} has no {:?}", "{} 没有 {:?}", table.at, field.key), remedy);
        }
    }

    fn wrong(&mut self, table: Table<'_>, field: &Field, wanted: &Bilingual) {
        let what = bilingual!(
            "{}: {} is {}, not {wanted}",
            "{}：{} 现为{:#}，应为{wanted:#}",
            table.at,
            field.key,
            field.item.kind()
        );
        self.report("E14", field.line, what, bilingual!("write {wanted}", "请写{wanted:#}"));
    }

    pub(crate) fn text(&mut self, table: Table<'_>, key: &str) -> Option<Arc<str>> {
        let field = table.item.field(key)?;
        let text = field.item.text();
        if text.is_none() {
            self.wrong(table, field, &Bilingual::fixed("a text in quotes", "加引号的文字"));
        }
        text.map(Into::into)
    }

    pub(crate) fn needed_text(&mut self, table: Table<'_>, key: &str, example: &str) -> Arc<str> {
        if table.item.field(key).is_none() {
            self.report(
                "E15",
                table.line,
                bilingual!("{} has no {key}", "{} 缺少 {key}", table.at),
                bilingual!("write `{key} = {example}`", "请写 `{key} = {example}`"),
            );
        }
        self.text(table, key).unwrap_or_else(|| "".into())
    }

    pub(crate) fn flag(&mut self, table: Table<'_>, key: &str, default: bool) -> bool {
        match table.item.field(key) {
            None => default,
            Some(Field { item: Item { tree: Tree::Boolean(flag), .. }, .. }) => *flag,
            Some(field) => {
                self.wrong(table, field, &Bilingual::fixed("true or false", "true 或 false"));
                default
            }
        }
    }

    pub(crate) fn whole(&mut self, table: Table<'_>, key: &str, range: std::ops::RangeInclusive<i64>) -> Option<u32> {
        let field = table.item.field(key)?;
        match field.item.tree {
            Tree::Integer(n) if range.contains(&n) => Some(n as u32),
            _ => {
                self.wrong(
                    table,
                    field,
                    &bilingual!("a number from {} to {}", "{} 到 {} 的数字", range.start(), range.end()),
                );
                None
            }
        }
    }

    /// `700ms`, `6s`, `3m`, `24h`, `180d`.
    pub(crate) fn time(&mut self, table: Table<'_>, key: &str) -> Option<Duration> {
        let field = table.item.field(key)?;
        let time = field.item.text().and_then(duration).filter(|time| *time <= Duration::from_secs(3650 * 86_400));
        if time.is_none() {
            self.wrong(
                table,
                field,
                &Bilingual::fixed(
                    "a time such as \"700ms\", \"6s\", \"3m\", \"24h\" or \"180d\"",
                    "时间，如 \"700ms\"、\"6s\"、\"3m\"、\"24h\"、\"180d\"",
                ),
            );
        }
        time
    }

    pub(crate) fn texts(&mut self, table: Table<'_>, key: &str) -> Vec<Arc<str>> {
        self.lines(table, key).unwrap_or_default().into_iter().map(|(text, _)| text).collect()
    }

    /// A prompt or a list of prompts; none if the key is absent.
    pub(crate) fn prompts(&mut self, table: Table<'_>, key: &str) -> Option<Vec<Prompt>> {
        let lines = self.lines(table, key)?;
        Some(lines.into_iter().map(|(name, line)| Prompt { name, line }).collect())
    }

    pub(crate) fn prompt(&mut self, table: Table<'_>, key: &str) -> Option<Prompt> {
        let line = table.item.field(key)?.line;
        self.text(table, key).map(|name| Prompt { name, line })
    }

    /// The prompts that a node must have.
    pub(crate) fn say(&mut self, table: Table<'_>) -> Vec<Prompt> {
        let say = self.prompts(table, "say");
        if say.as_ref().is_none_or(Vec::is_empty) {
            self.report(
                "E15",
                table.line,
                bilingual!("{} says nothing", "{} 没有播放内容", table.at),
                Bilingual::fixed("write `say = \"…\"` with a prompt's name", "请写 `say = \"…\"`，填语句名称"),
            );
        }
        say.unwrap_or_default()
    }

    fn lines(&mut self, table: Table<'_>, key: &str) -> Option<Vec<(Arc<str>, u32)>> {
        let field = table.item.field(key)?;
        let items = match &field.item.tree {
            Tree::Array(items) => items.as_slice(),
            Tree::String(_) => std::slice::from_ref(&field.item),
            Tree::Integer(_) | Tree::Boolean(_) | Tree::Table(_) | Tree::Other(_) => {
                self.wrong(table, field, &Bilingual::fixed("a text or a list of texts", "文字或文字列表"));
                return Some(Vec::new());
            }
        };
        let mut lines = Vec::new();
        for item in items {
            match item.text() {
                Some(text) => lines.push((text.into(), item.line)),
                None => self.wrong(table, field, &Bilingual::fixed("a list of texts", "文字列表")),
            }
        }
        Some(lines)
    }

    /// Where a field leads. A missing node is reported later, when all nodes are known.
    pub(crate) fn go(&mut self, at: &dyn fmt::Display, item: &Item) -> Go {
        let target = match item.text() {
            Some("@end") => Target::End,
            Some("@home") => Target::Home,
            Some("@back") => Target::Back,
            Some("@repeat") => Target::Repeat,
            Some(text) if text.starts_with('@') => {
                let near = closest_match(text, ["@end", "@home", "@back", "@repeat"]);
                let remedy = near.map_or_else(
                    || {
                        Bilingual::fixed(
                            "targets are @end, @home, @back, @repeat or a node",
                            "去处可写 @end、@home、@back、@repeat 或节点名",
                        )
                    },
                    |n| bilingual!("did you mean {n}?", "是否应为 {n}？"),
                );
                self.report(
                    "E03",
                    item.line,
                    bilingual!("{at} leads to {text}, which means nothing", "{at:#} 通向 {text}，没有这种去处"),
                    remedy,
                );
                Target::End
            }
            Some(text) => Target::Node(text.into()),
            None => {
                self.report(
                    "E14",
                    item.line,
                    bilingual!("{at} is {}, not a node's name", "{at:#} 应为节点名，现为{:#}", item.kind()),
                    Bilingual::fixed("write a node's name in quotes", "请写加引号的节点名"),
                );
                Target::End
            }
        };
        Go { target, line: item.line }
    }

    /// A target that a node must have.
    pub(crate) fn needed_go(&mut self, table: Table<'_>, key: &str, code: &'static str) -> Go {
        match table.item.field(key) {
            Some(field) => self.go(&bilingual!("{}: {key}", "{}：{key}", table.at), &field.item),
            None => {
                let what = bilingual!("{}: nothing says where {key} leads", "{}：未写明 {key} 通向何处", table.at);
                self.report(
                    code,
                    table.line,
                    what,
                    bilingual!("write `{key} = \"…\"` with a node's name", "请写 `{key} = \"…\"`，填节点名"),
                );
                nowhere(table.line)
            }
        }
    }

    /// The outcomes under `on`, each of which must be wired.
    pub(crate) fn on<const N: usize>(&mut self, table: Table<'_>, outcomes: [&str; N]) -> [Go; N] {
        let on = table.item.field("on");
        for field in on.map_or(&[][..], |on| on.item.fields()) {
            if !outcomes.contains(&field.key.as_str()) {
                let near = closest_match(&field.key, outcomes);
                let remedy = near.map_or_else(
                    || bilingual!("outcomes are {}", "结果有：{}", outcomes.join(", ")),
                    |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
                );
                self.report(
                    "E05",
                    field.line,
                    bilingual!("{} has no outcome {:?}", "{} 没有结果 {:?}", table.at, field.key),
                    remedy,
                );
            }
        }
        outcomes.map(|outcome| match on.and_then(|on| on.item.field(outcome)) {
            Some(field) => self.go(&bilingual!("{}: {outcome}", "{}：{outcome}", table.at), &field.item),
            None => {
                let line = on.map_or(table.line, |on| on.line);
                let what = bilingual!(
                    "{}: nothing says what happens on {outcome}",
                    "{}：未写明 {outcome} 时如何处理",
                    table.at
                );
                self.report(
                    "E06",
                    line,
                    what,
                    bilingual!("add `{outcome} = \"…\"` to `on`", "请在 `on` 中加上 `{outcome} = \"…\"`"),
                );
                nowhere(line)
            }
        })
    }

    pub(crate) fn when(&mut self, table: Table<'_>) -> Option<When> {
        let field = table.item.field("when")?;
        let text = self.text(table, "when")?;
        let when = match &*text {
            "caller.blocked" => When::Blocked,
            "caller.senior" => When::Senior,
            "caller.mobile" => When::Mobile,
            "caller.last_lang" => When::LastLang,
            "caller.number" => When::Number,
            "switch.emergency" => When::Emergency,
            "desk.call_back" => When::CallBack,
            "desk.recorded" => When::Recorded,
            "sms.possible" => When::Sms,
            other => match (other.strip_prefix("calendar."), other.strip_prefix("open.")) {
                (Some(name), _) => When::Calendar(name.into()),
                (None, Some(name)) => When::Open(name.into()),
                (None, None) => {
                    let remedy = match closest_match(other, CONDITIONS) {
                        Some(near) => bilingual!("did you mean {near}?", "是否应为 {near}？"),
                        None => bilingual!("conditions are {}", "条件有：{}", CONDITIONS.join(", ")),
                    };
                    self.report(
                        "E14",
                        field.line,
                        bilingual!("{}: {other:?} is not a condition", "{}：{other:?} 不是条件", table.at),
                        remedy,
                    );
                    return None;
                }
            },
        };
        Some(when)
    }

    /// The field's key of the telephone: 0 to 9, star, pound.
    pub(crate) fn key(&mut self, at: &dyn fmt::Display, line: u32, name: &str) -> Option<Key> {
        let key = phone_key(name);
        if key.is_none() {
            let remedy = match name {
                "*" => Bilingual::fixed("write star", "请写 star"),
                "#" => Bilingual::fixed("write pound", "请写 pound"),
                _ => match closest_match(name, ["star", "pound"]) {
                    Some(near) if name.len() > 2 => bilingual!("did you mean {near}?", "是否应为 {near}？"),
                    _ => Bilingual::fixed("keys are 0 to 9, star and pound", "按键为 0 至 9、star 和 pound"),
                },
            };
            self.report(
                "E10",
                line,
                bilingual!("{at}: {name:?} is not a key of a telephone", "{at:#}：{name:?} 不是电话按键"),
                remedy,
            );
        }
        key
    }

    pub(crate) fn key_field(&mut self, table: Table<'_>, key: &str) -> Option<Key> {
        let line = table.item.field(key)?.line;
        let name = self.text(table, key)?;
        self.key(&table.at, line, &name)
    }
}

/// Reads the name of a key.
pub(super) fn phone_key(name: &str) -> Option<Key> {
    match name {
        "star" => Some(Key::Star),
        "pound" => Some(Key::Pound),
        _ => match name.as_bytes() {
            [digit @ b'0'..=b'9'] => Some(Key::Digit(digit - b'0')),
            _ => None,
        },
    }
}

/// Stands for a missing target; it is reported, so no release holds it.
pub(super) fn nowhere(line: u32) -> Go {
    Go { target: Target::End, line }
}

/// Reads `700ms`, `6s`, `3m`, `24h` or `180d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let n: u64 = text[..unit_at].parse().ok()?;
    let seconds = match text[unit_at..].trim() {
        "ms" => return Some(Duration::from_millis(n)),
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    n.checked_mul(seconds).map(Duration::from_secs)
}

const CONDITIONS: [&str; 11] = [
    "caller.blocked",
    "caller.senior",
    "caller.mobile",
    "caller.last_lang",
    "caller.number",
    "switch.emergency",
    "desk.call_back",
    "desk.recorded",
    "sms.possible",
    "calendar.…",
    "open.…",
];
