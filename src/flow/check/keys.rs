//! A key means one thing in one question.
//!
//! Star may stand for X, erase, end an entry or lead elsewhere, and pound likewise: two of these for star in one question
//! leave callers guessing, and a prompt that names star twice explains two of them.

use super::subject::Subject;
use super::words::expanded;
use crate::model::*;
use base::{Bilingual, Key, Lang, bilingual};
use speech::Diagnostic;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for node in &subject.flow.nodes {
        if let Kind::Ask(ask) = &node.kind {
            jobs(subject, node, ask, &mut diagnostics);
        }
        for lang in &subject.flow.langs {
            named_twice(subject, node, *lang, &mut diagnostics);
        }
    }
    diagnostics
}

fn jobs(subject: &Subject<'_>, node: &Node, ask: &Ask, diagnostics: &mut Vec<Diagnostic>) {
    let leads = ask.choices.iter().any(|choice| choice.key == Key::Star);
    let jobs = [
        (ask.star_is.is_some(), Bilingual::fixed("is X", "代表 X")),
        (ask.erase == Some(Key::Star), Bilingual::fixed("erases", "用于删除")),
        (ask.end == Some(Key::Star), Bilingual::fixed("ends the entry", "用于结束输入")),
        (leads, Bilingual::fixed("leads elsewhere", "通向别处")),
    ];
    let held: Vec<Bilingual> = jobs.into_iter().filter(|(held, _)| *held).map(|(_, job)| job).collect();
    if held.len() > 1 {
        let what =
            bilingual!("ask {}: star {}", "ask {}：星号{:#}", node.name, Bilingual::list(&held, " and ", "，又"));
        diagnostics.push(subject.diagnostic(
            "E16",
            node.line,
            what,
            Bilingual::fixed("give all but one of them another key", "只保留一个，其余换成别的按键"),
        ));
    }
}

/// What is said at once names star once.
fn named_twice(subject: &Subject<'_>, node: &Node, lang: Lang, diagnostics: &mut Vec<Diagnostic>) {
    let together: Vec<&Prompt> = match &node.kind {
        Kind::Menu(menu) => menu.say.iter().collect(),
        Kind::Ask(ask) => ask.say.iter().collect(),
        Kind::Say(say) => say.say.iter().collect(),
        Kind::Rate(rate) => rate.say.iter().collect(),
        Kind::Record(record) => record.say.iter().collect(),
        Kind::Queue(queue) => queue.say.iter().collect(),
        Kind::Transfer(transfer) => transfer.say.iter().collect(),
        Kind::Callback(callback) => callback.say.iter().collect(),
        Kind::Lookup(_) | Kind::Switch(_) | Kind::Hours(_) | Kind::Sms(_) => Vec::new(),
    };
    let most = |prompt: &&Prompt| {
        let entries = expanded(subject.flow, prompt).unwrap_or_default();
        entries.iter().map(|entry| stars(subject, entry, lang)).max().unwrap_or(0)
    };
    let named: usize = together.iter().map(most).sum();
    let alone = node.prompts().into_iter().find(|prompt| most(prompt) > 1);
    let at = bilingual!("{} {}: in {}", "{} {}：{} 中", node.kind_name(), node.name, lang.code());
    if let Some(prompt) = alone {
        let what = bilingual!("{at} {} names star more than once", "{at:#} {} 多次提到星号", prompt.name);
        diagnostics.push(subject.diagnostic("E16", prompt.line, what, REMEDY));
    } else if named > 1 {
        let what =
            bilingual!("{at} what is said at once names star {named} times", "{at:#}连续播放的内容 {named} 次提到星号");
        diagnostics.push(subject.diagnostic("E16", together[0].line, what, REMEDY));
    }
}

fn stars(subject: &Subject<'_>, entry: &str, lang: Lang) -> usize {
    let Some(sentence) = subject.script.entry(entry).and_then(|entry| entry.sentence(lang)) else { return 0 };
    let text = sentence.text.to_lowercase();
    match lang {
        Lang::Zh | Lang::Yue => {
            text.matches("星号").count() + text.matches("星字").count() + text.matches("星號").count()
        }
        Lang::En => text.split(|c: char| !c.is_alphanumeric()).filter(|word| *word == "star").count(),
    }
}

const REMEDY: Bilingual =
    Bilingual::fixed("let star mean one thing here, and name it once", "此处星号只应有一种含义，且只提一次");
