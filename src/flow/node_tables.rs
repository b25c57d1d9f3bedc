//! Each kind of node as written → as checked; questions are in `question_tables`.

use std::sync::Arc;
use std::time::Duration;

use super::load::Defaults;
use super::model::*;
use super::read::{Reader, Table};
use base::{Bilingual, Key, bilingual};
use speech::toml_tree::Tree;

impl Reader {
    pub(super) fn kind(&mut self, kind: &'static str, table: Table<'_>, defaults: &Defaults) -> Kind {
        match kind {
            "menu" => Kind::Menu(self.menu(table, defaults)),
            "ask" => Kind::Ask(self.ask(table, defaults)),
            "lookup" => Kind::Lookup(self.lookup(table)),
            "switch" => Kind::Switch(self.switch(table)),
            "hours" => Kind::Hours(self.hours_node(table)),
            "queue" => Kind::Queue(self.queue(table)),
            "transfer" => Kind::Transfer(self.transfer(table)),
            "record" => Kind::Record(self.record(table, defaults)),
            "rate" => Kind::Rate(self.rate(table, defaults)),
            "sms" => Kind::Sms(self.sms(table)),
            "callback" => Kind::Callback(self.callback(table)),
            _ => {
                self.known(table, &["say", "next", "barge_in", "must_hear"]);
                let next = self.needed_go(table, "next", "E04");
                let barge_in = self.flag(table, "barge_in", true) && !self.flag(table, "must_hear", false);
                Kind::Say(Say { say: self.say(table), barge_in, next })
            }
        }
    }
    fn lookup(&mut self, table: Table<'_>) -> Lookup {
        self.known(table, &["source", "by", "gives", "filler", "give_up_after", "stale", "tries", "on"]);
        let [found, none, many, down] = self.on(table, ["found", "none", "many", "down"]);
        let by = self.texts(table, "by");
        if by.is_empty() {
            self.report(
                "E15",
                table.line,
                bilingual!("{} has nothing to look up by", "{} 未写明按什么查询", table.at),
                Bilingual::fixed("write `by = [\"receipt\"]`", "请写 `by = [\"receipt\"]`"),
            );
        }
        Lookup {
            source: self.needed_text(table, "source", "\"progress\""),
            by,
            gives: self.needed_text(table, "gives", "\"case\""),
            filler: self.filler(table),
            give_up_after: self.time(table, "give_up_after").unwrap_or(Duration::from_secs(8)),
            stale: self.stale(table),
            tries: self.tries(table),
            found,
            none,
            ambiguous: many,
            down,
        }
    }

    fn filler(&mut self, table: Table<'_>) -> Option<Filler> {
        let field = table.item.field("filler")?;
        let at = format!("{}: filler", table.at);
        let own = Table { at: &at, line: field.line, item: &field.item };
        self.known(own, &["after", "say", "every"]);
        let after = self.time(own, "after").unwrap_or(Duration::from_millis(700));
        let every = self.time(own, "every").unwrap_or(Duration::from_secs(8)).max(Duration::from_secs(1));
        let say = self.say(own).into_iter().next()?;
        Some(Filler { after, every, say })
    }

    fn stale(&mut self, table: Table<'_>) -> AgePolicy {
        let Some(field) = table.item.field("stale") else {
            return AgePolicy { tell_after: None, say: None, refuse_after: None, refuse: None };
        };
        let at = format!("{}: stale", table.at);
        let own = Table { at: &at, line: field.line, item: &field.item };
        self.known(own, &["tell_after", "say", "refuse_after", "refuse"]);
        let stale = AgePolicy {
            tell_after: self.time(own, "tell_after"),
            say: self.prompt(own, "say"),
            refuse_after: self.time(own, "refuse_after"),
            refuse: field.item.field("refuse").map(|field| self.go(&at, &field.item)),
        };
        if stale.tell_after.is_some() != stale.say.is_some() {
            self.report(
                "E15",
                field.line,
                bilingual!("{at}: tell_after and say belong together", "{at}：tell_after 与 say 须同时书写"),
                Bilingual::fixed("write both, or neither", "两个都写，或都不写"),
            );
        }
        stale
    }

    fn tries(&mut self, table: Table<'_>) -> Option<(u32, Go)> {
        let field = table.item.field("tries")?;
        let at = format!("{}: tries", table.at);
        let own = Table { at: &at, line: field.line, item: &field.item };
        self.known(own, &["max", "then"]);
        if field.item.field("max").is_none() {
            self.report(
                "E15",
                field.line,
                bilingual!("{at} has no max", "{at} 缺少 max"),
                Bilingual::fixed("write `max = 3`", "请写 `max = 3`"),
            );
        }
        let max = self.whole(own, "max", 1..=20).unwrap_or(3);
        Some((max, self.needed_go(own, "then", "E04")))
    }

    fn switch(&mut self, table: Table<'_>) -> Switch {
        let of = self.needed_text(table, "of", "\"case.status\"");
        let arms = table.item.fields().iter().filter(|field| field.key != "of");
        let arms = arms.map(|field| {
            let at = format!("{}: {}", table.at, field.key);
            (Arc::from(field.key.as_str()), self.go(&at, &field.item))
        });
        Switch { of, arms: arms.collect() }
    }

    fn hours_node(&mut self, table: Table<'_>) -> Hours {
        self.known(table, &["calendar", "on"]);
        let [open, closed, holiday] = self.on(table, ["open", "closed", "holiday"]);
        let line = table.item.field("calendar").map_or(table.line, |field| field.line);
        let calendar = Prompt { name: self.needed_text(table, "calendar", "\"desk\""), line };
        Hours { calendar, open, closed, holiday }
    }

    fn queue(&mut self, table: Table<'_>) -> Queue {
        const KEYS: [&str; 12] = [
            "say", "queue", "priority", "skills", "music", "tell", "hint", "draining", "pass", "max_wait", "keys", "on",
        ];
        self.known(table, &KEYS);
        let outcomes = ["ended", "full", "timeout", "nobody", "closed"];
        let [ended, full, timeout, nobody, closed] = self.on(table, outcomes);
        Queue {
            say: self.prompts(table, "say").unwrap_or_default(),
            queue: self.needed_text(table, "queue", "\"desk\""),
            priority: self.priority(table),
            skills: self.texts(table, "skills"),
            music: self.texts(table, "music"),
            tell: self.said_at(table, "tell", "every").map(|(every, say)| (every.max(ANNOUNCEMENTS_APART), say)),
            hint: self.said_at(table, "hint", "after").and_then(|(after, say)| Some((after, say.into_iter().next()?))),
            draining: self.prompt(table, "draining"),
            pass: self.texts(table, "pass"),
            max_wait: self.time(table, "max_wait").unwrap_or(Duration::from_secs(480)),
            choices: self.choices(table),
            ended,
            full,
            timeout,
            no_agents: nobody,
            closed,
        }
    }

    fn priority(&mut self, table: Table<'_>) -> u8 {
        self.whole(table, "priority", 0..=9).map_or(0, |priority| priority as u8)
    }

    fn said_at(&mut self, table: Table<'_>, key: &str, when: &str) -> Option<(Duration, Vec<Prompt>)> {
        let field = table.item.field(key)?;
        let at = format!("{}: {key}", table.at);
        let own = Table { at: &at, line: field.line, item: &field.item };
        self.known(own, &[when, "say"]);
        let time = self.time(own, when).unwrap_or(Duration::from_secs(30)).max(Duration::from_secs(1));
        Some((time, self.say(own)))
    }

    fn transfer(&mut self, table: Table<'_>) -> Transfer {
        self.known(table, &["say", "to", "timeout", "ringback", "on"]);
        let [done, busy, failed] = self.on(table, ["done", "busy", "failed"]);
        Transfer {
            say: self.prompts(table, "say").unwrap_or_default(),
            to: self.needed_text(table, "to", "\"desk\""),
            timeout: self.time(table, "timeout").unwrap_or(Duration::from_secs(30)),
            ringback: self.flag(table, "ringback", true),
            done,
            busy,
            failed,
        }
    }

    fn record(&mut self, table: Table<'_>, defaults: &Defaults) -> Record {
        self.known(table, &["say", "beep", "max", "stop", "review", "number", "keep", "notify", "gives", "on"]);
        let [saved, empty] = self.on(table, ["saved", "empty"]);
        let review = match table.item.field("review").map(|field| &field.item.tree) {
            None | Some(Tree::Boolean(false)) => Review::No,
            Some(Tree::Boolean(true)) => Review::Yes(None),
            Some(Tree::String(_) | Tree::Integer(_) | Tree::Array(_) | Tree::Table(_) | Tree::Other(_)) => {
                Review::Yes(self.prompt(table, "review"))
            }
        };
        let stop = self.key_field(table, "stop").unwrap_or(Key::Pound);
        Record {
            say: self.prompts(table, "say").unwrap_or_default(),
            beep: self.flag(table, "beep", true),
            max: self.time(table, "max").unwrap_or(Duration::from_secs(120)),
            stop,
            choices: defaults.keys.iter().filter(|choice| choice.key != stop).cloned().collect(),
            review,
            number: self.prompt(table, "number"),
            keep: self.time(table, "keep").unwrap_or(Duration::from_secs(180 * 86_400)),
            notify: self.needed_text(table, "notify", "\"complaints\""),
            gives: self.text(table, "gives"),
            saved,
            empty,
        }
    }
    fn sms(&mut self, table: Table<'_>) -> Sms {
        self.known(table, &["template", "to", "result", "on"]);
        let [sent, failed] = self.on(table, ["sent", "failed"]);
        let to = self.needed_text(table, "to", "\"caller\"");
        if &*to != CALLER && !to.is_empty() {
            let line = table.item.field("to").map_or(table.line, |field| field.line);
            self.report(
                "E14",
                line,
                bilingual!(
                    "{}: a text message goes to the caller alone, not to {to:?}",
                    "{}：短信只能发给来电人，不能写 {to:?}",
                    table.at
                ),
                Bilingual::fixed("write `to = \"caller\"`", "请写 `to = \"caller\"`"),
            );
        }
        let template = self.needed_text(table, "template", "\"progress_result\"");
        let line = table.item.field("template").map_or(table.line, |field| field.line);
        Sms { template: Prompt { name: template, line }, result: self.text(table, "result"), sent, failed }
    }

    fn callback(&mut self, table: Table<'_>) -> Callback {
        self.known(table, &["queue", "number", "priority", "skills", "pass", "say", "on"]);
        let [booked, failed] = self.on(table, ["booked", "failed"]);
        Callback {
            queue: self.needed_text(table, "queue", "\"desk\""),
            number: self.needed_text(table, "number", "\"caller\""),
            priority: self.priority(table),
            skills: self.texts(table, "skills"),
            pass: self.texts(table, "pass"),
            say: self.prompts(table, "say").unwrap_or_default(),
            booked,
            failed,
        }
    }
}

/// Positions are announced no closer.
const ANNOUNCEMENTS_APART: Duration = Duration::from_secs(15);
