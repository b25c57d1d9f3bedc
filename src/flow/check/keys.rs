//! A key means one thing in one question.
//!
//! Star may stand for X, erase, end an entry or lead elsewhere, and pound likewise: two of these for star in one question
//! leave callers guessing, and a prompt that names star twice explains two of them.

use super::subject::Subject;
use super::words::expanded;
use crate::model::*;
use base::{Key, Lang};
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
        (ask.star_is.is_some(), "is X"),
        (ask.erase == Some(Key::Star), "erases"),
        (ask.end == Some(Key::Star), "ends the entry"),
        (leads, "leads elsewhere"),
    ];
    let held: Vec<&str> = jobs.iter().filter(|(held, _)| *held).map(|(_, job)| *job).collect();
    if held.len() > 1 {
        let what = format!("ask {}: star {}", node.name, held.join(" and "));
        diagnostics.push(subject.diagnostic("E16", node.line, what, "give all but one of them another key"));
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
    let at = format!("{} {}: in {}", node.kind_name(), node.name, lang.code());
    if let Some(prompt) = alone {
        let what = format!("{at} {} names star more than once", prompt.name);
        diagnostics.push(subject.diagnostic("E16", prompt.line, what, REMEDY));
    } else if named > 1 {
        let what = format!("{at} what is said at once names star {named} times");
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

const REMEDY: &str = "let star mean one thing here, and name it once";
