//! Questions as written → as checked: menus, entries and ratings.

use super::load::{Defaults, REMOVE_DIFFERS};
use super::model::*;
use super::read::{Reader, Table};
use base::{Bilingual, Key, bilingual};

impl Reader {
    /// `silence` is the field that says where the silent go: `give_up`, or a rating's `skip`.
    fn manner(&mut self, table: Table<'_>, defaults: &Defaults, give_up: Go) -> InputPolicy {
        InputPolicy {
            barge_in: self.flag(table, "barge_in", defaults.barge_in),
            type_ahead: self.flag(table, "type_ahead", defaults.type_ahead),
            first_key: self.time(table, "first_key").unwrap_or(defaults.first_key),
            next_key: self.time(table, "next_key").unwrap_or(defaults.next_key),
            no_input: self.prompts(table, "silent").unwrap_or_else(|| defaults.silent.clone()),
            no_match: self.prompts(table, "wrong").unwrap_or_else(|| defaults.wrong.clone()),
            give_up,
            silent_end: None,
        }
    }

    /// Where no-input leads in the end, for the questions that may say so.
    fn silent_end(&mut self, table: Table<'_>, defaults: &Defaults) -> Option<Go> {
        let own =
            table.item.field("silent_end").map(|field| self.go(&format!("{}: silent_end", table.at), &field.item));
        // A node that says where to give up means both, unless it says more.
        own.or_else(|| defaults.silent_end.clone().filter(|_| table.item.field("give_up").is_none()))
    }

    fn give_up(&mut self, table: Table<'_>, defaults: &Defaults) -> Go {
        match (&defaults.give_up, table.item.field("give_up")) {
            (Some(go), None) => go.clone(),
            (_, Some(_)) | (None, None) => self.needed_go(table, "give_up", "E12"),
        }
    }

    /// A node's own keys, and the inherited ones that it does not use itself.
    fn with_defaults(&mut self, own: Vec<Choice>, defaults: &Defaults, at: &str) -> Vec<Choice> {
        for choice in &own {
            let is_meant = own.iter().any(|other| other.key == choice.key && other.differs);
            let changed =
                defaults.keys.iter().find(|d| d.key == choice.key).filter(|d| d.go.target != choice.go.target);
            if let Some(default) = changed.filter(|_| !is_meant) {
                let what = bilingual!(
                    "{at}: key {} does something else than everywhere",
                    "{at}：按键 {} 与别处的作用不同",
                    choice.key.as_char()
                );
                let remedy = bilingual!(
                    "callers expect what line {} gives it; leave it out, or write `differs = true` beside its `go` if it must",
                    "来电人习惯第 {} 行的作用；请删去，确需不同时在其 `go` 旁写 `differs = true`",
                    default.line
                );
                self.report("W01", choice.line, what, remedy);
            }
            if choice.differs && changed.is_none() {
                let what = bilingual!(
                    "{at}: key {} has `differs`, and does nothing else than everywhere",
                    "{at}：按键 {} 写有 `differs`，但与别处的作用并无不同",
                    choice.key.as_char()
                );
                self.report("W01", choice.line, what, REMOVE_DIFFERS);
            }
        }
        let missing: Vec<Choice> =
            defaults.keys.iter().filter(|d| !own.iter().any(|choice| choice.key == d.key)).cloned().collect();
        own.into_iter().chain(missing).collect()
    }

    pub(super) fn menu(&mut self, table: Table<'_>, defaults: &Defaults) -> Menu {
        self.known(table, &[&["say", "speak", "home", "keys"][..], &MANNER, &["give_up", "silent_end"]].concat());
        let give_up = self.give_up(table, defaults);
        let own = self.menu_choices(table);
        if own.is_empty() {
            self.report(
                "E15",
                table.line,
                bilingual!("{} has no key", "{} 没有按键", table.at),
                Bilingual::fixed(
                    "write `keys.1 = { opt = \"…\", go = \"…\" }`",
                    "请写 `keys.1 = { opt = \"…\", go = \"…\" }`",
                ),
            );
        }
        let native = self.text(table, "speak");
        if native.as_deref().is_some_and(|speak| speak != "native") {
            self.report(
                "E14",
                table.line,
                bilingual!("{}: speak may only be \"native\"", "{}：speak 只能写 \"native\"", table.at),
                Bilingual::fixed("leave it out, or write \"native\"", "请删去，或写 \"native\""),
            );
        }
        Menu {
            say: self.prompts(table, "say").unwrap_or_default(),
            native: native.is_some(),
            home: self.flag(table, "home", false),
            choices: self.with_defaults(own, defaults, table.at),
            manner: InputPolicy {
                silent_end: self.silent_end(table, defaults),
                ..self.manner(table, defaults, give_up)
            },
        }
    }

    pub(super) fn ask(&mut self, table: Table<'_>, defaults: &Defaults) -> Ask {
        let own = ["say", "store", "digits", "format", "end", "erase", "star_is", "secret", "scan", "next", "keys"];
        self.known(table, &[&own[..], &["wrong_length", "wrong_number"], &MANNER, &["give_up", "silent_end"]].concat());
        let give_up = self.give_up(table, defaults);
        let keys = self.choices(table);
        let ask = Ask {
            say: self.say(table),
            store: self.needed_text(table, "store", "\"receipt\""),
            length: self.length(table),
            end: self.key_field(table, "end"),
            erase: self.key_field(table, "erase"),
            star_is: self.star_is(table),
            secret: self.flag(table, "secret", false),
            scan: self.flag(table, "scan", false),
            wrong_length: self.prompt(table, "wrong_length"),
            wrong_number: self.prompt(table, "wrong_number"),
            next: self.needed_go(table, "next", "E04"),
            choices: Vec::new(),
            manner: InputPolicy {
                silent_end: self.silent_end(table, defaults),
                ..self.manner(table, defaults, give_up)
            },
        };
        self.two_jobs(table, &ask, &keys);
        Ask { choices: self.ask_keys(keys, &ask, defaults), ..ask }
    }

    /// Inherited keys work while nothing has been typed, unless the entry needs them.
    fn ask_keys(&mut self, own: Vec<Choice>, ask: &Ask, defaults: &Defaults) -> Vec<Choice> {
        let taken = |key: Key| {
            own.iter().any(|choice| choice.key == key)
                || ask.end == Some(key)
                || ask.erase == Some(key)
                || key == Key::Star && ask.star_is.is_some()
        };
        let inherited: Vec<Choice> = defaults.keys.iter().filter(|d| !taken(d.key)).cloned().collect();
        own.into_iter().chain(inherited).collect()
    }

    fn two_jobs(&mut self, table: Table<'_>, ask: &Ask, keys: &[Choice]) {
        let mut jobs: Vec<(Key, &str)> = Vec::new();
        jobs.extend(ask.end.map(|key| (key, "end")));
        jobs.extend(ask.erase.map(|key| (key, "erase")));
        jobs.extend(ask.star_is.map(|_| (Key::Star, "star_is")));
        for (at, (key, job)) in jobs.iter().enumerate() {
            let name = key.as_char();
            if let Some((_, other)) = jobs[..at].iter().find(|(other, _)| other == key) {
                let what = bilingual!(
                    "{}: key {name} is both {other} and {job}",
                    "{}：按键 {name} 同时用作 {other} 和 {job}",
                    table.at
                );
                self.report(
                    "E13",
                    table.line,
                    what,
                    Bilingual::fixed("give one of the two another key", "请将其中一个换成别的按键"),
                );
            }
            if matches!(key, Key::Digit(_)) {
                let what = bilingual!(
                    "{}: key {name} is both a digit of the entry and {job}",
                    "{}：按键 {name} 既是输入的数字，又用作 {job}",
                    table.at
                );
                self.report("E13", table.line, what, Bilingual::fixed("use star or pound", "请用 star 或 pound"));
            }
        }
        for choice in keys.iter().filter(|choice| matches!(choice.key, Key::Digit(_))) {
            let what = bilingual!(
                "{}: key {} is a digit of the entry and cannot lead elsewhere",
                "{}：按键 {} 是输入的数字，不能通向别处",
                table.at,
                choice.key.as_char()
            );
            self.report(
                "E13",
                choice.line,
                what,
                Bilingual::fixed(
                    "use keys.star or keys.pound, or a menu before it",
                    "请用 keys.star 或 keys.pound，或在其前放一个菜单",
                ),
            );
        }
    }

    fn star_is(&mut self, table: Table<'_>) -> Option<char> {
        let line = table.item.field("star_is")?.line;
        let text = self.text(table, "star_is")?;
        if &*text != "X" {
            self.report(
                "E14",
                line,
                bilingual!("{}: star can only stand for X", "{}：星号只能代表 X", table.at),
                Bilingual::fixed("write `star_is = \"X\"`", "请写 `star_is = \"X\"`"),
            );
        }
        Some('X')
    }

    fn length(&mut self, table: Table<'_>) -> Length {
        let (digits, format) = (self.text(table, "digits"), self.text(table, "format"));
        match (digits, format) {
            (None, Some(format)) if &*format == "receipt" => Length::Receipt,
            (None, Some(format)) => {
                let what = bilingual!("{}: there is no format {format:?}", "{}：没有格式 {format:?}", table.at);
                self.report(
                    "E14",
                    table.line,
                    what,
                    Bilingual::fixed(
                        "write `format = \"receipt\"`, or `digits = \"4\"`",
                        "请写 `format = \"receipt\"` 或 `digits = \"4\"`",
                    ),
                );
                Length::Receipt
            }
            (Some(_), Some(_)) => {
                let what = bilingual!("{} has both digits and format", "{} 同时写了 digits 和 format", table.at);
                self.report("E14", table.line, what, Bilingual::fixed("keep one of the two", "只保留其中一个"));
                Length::Receipt
            }
            (Some(digits), None) => self.digits(table, &digits),
            (None, None) => {
                if table.item.field("digits").is_none() {
                    let what =
                        bilingual!("{} does not say how many digits it takes", "{} 未写明输入几位数字", table.at);
                    self.report(
                        "E15",
                        table.line,
                        what,
                        Bilingual::fixed(
                            "write `digits = \"4\"`, `digits = \"12..15\"` or `format = \"receipt\"`",
                            "请写 `digits = \"4\"`、`digits = \"12..15\"` 或 `format = \"receipt\"`",
                        ),
                    );
                }
                Length::Digits { min: 1, max: 1 }
            }
        }
    }

    fn digits(&mut self, table: Table<'_>, text: &str) -> Length {
        match range(text).filter(|(min, max)| 1 <= *min && min <= max && *max <= 32) {
            Some((min, max)) => Length::Digits { min, max },
            None => {
                let what =
                    bilingual!("{}: digits = {text:?} is not a length", "{}：digits = {text:?} 不是位数", table.at);
                self.report(
                    "E14",
                    table.line,
                    what,
                    Bilingual::fixed("write \"4\" or \"12..15\", at most 32", "请写 \"4\" 或 \"12..15\"，最多 32 位"),
                );
                Length::Digits { min: 1, max: 1 }
            }
        }
    }

    pub(super) fn rate(&mut self, table: Table<'_>, defaults: &Defaults) -> Rate {
        self.known(table, &[&["say", "store", "scale", "low", "next", "skip"][..], &MANNER].concat());
        let skip = self.needed_go(table, "skip", "E04");
        let (best, worst) = self.scale(table);
        let low = table.item.field("low").map(|field| {
            let at = format!("{}: low", table.at);
            let own = Table { at: &at, line: field.line, item: &field.item };
            self.known(own, &["from", "go"]);
            let from = self.whole(own, "from", i64::from(best)..=i64::from(worst)).unwrap_or_else(|| u32::from(worst));
            (from as u8, self.needed_go(own, "go", "E04"))
        });
        let free = |choice: &&Choice| !matches!(choice.key, Key::Digit(d) if (best..=worst).contains(&d));
        Rate {
            say: self.say(table),
            store: self.text(table, "store").unwrap_or_else(|| "score".into()),
            best,
            worst,
            low,
            next: self.needed_go(table, "next", "E04"),
            manner: self.manner(table, defaults, skip.clone()),
            skip,
            choices: defaults.keys.iter().filter(free).cloned().collect(),
        }
    }

    fn scale(&mut self, table: Table<'_>) -> (u8, u8) {
        let text = self.needed_text(table, "scale", "\"1..5\"");
        range(&text).filter(|(best, worst)| best < worst && *worst <= 9).unwrap_or_else(|| {
            if !text.is_empty() {
                self.report(
                    "E14",
                    table.line,
                    bilingual!("{}: scale = {text:?} is not a scale", "{}：scale = {text:?} 不是评分范围", table.at),
                    Bilingual::fixed("write \"1..3\" or \"1..5\"", "请写 \"1..3\" 或 \"1..5\""),
                );
            }
            (1, 5)
        })
    }
}

fn range(text: &str) -> Option<(u8, u8)> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

const MANNER: [&str; 6] = ["barge_in", "type_ahead", "first_key", "next_key", "silent", "wrong"];
