//! Words that must exist: prompts, families, options, the values of slots, in every language.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::subject::Subject;
use crate::model::*;
use speech::{Diagnostic, Script, SlotType, closest_match, estimated_length};

/// The script's entries that a flow can play.
pub(crate) fn used(flow: &Flow, script: &Script) -> BTreeSet<String> {
    used_by(flow, script).into_keys().collect()
}

/// The same, each with the nodes that use it. The farewell can end any call, and `stand_in` can precede any sentence.
pub(crate) fn used_by(flow: &Flow, script: &Script) -> BTreeMap<String, BTreeSet<Arc<str>>> {
    let mut used: BTreeMap<String, BTreeSet<Arc<str>>> = BTreeMap::new();
    used.insert("prompt.bye".into(), BTreeSet::new());
    let mut add = |entry: String, user: &Arc<str>| used.entry(entry).or_default().insert(Arc::clone(user));
    for node in &flow.nodes {
        for entry in node.prompts().into_iter().filter_map(|prompt| expanded(flow, prompt)).flatten() {
            add(entry, &node.name);
        }
        for opt in node.choices().iter().filter_map(|choice| choice.opt.as_deref()) {
            add(format!("opt.{opt}"), &node.name);
            add("menu_line".into(), &node.name);
        }
    }
    for notice in &flow.notices {
        for entry in expanded(flow, &notice.say).unwrap_or_default() {
            for before in &notice.before {
                add(entry.clone(), &format!("notice:{before}").into());
            }
        }
    }
    for entry in flow.stand_in.iter().filter_map(|prompt| expanded(flow, prompt)).flatten() {
        add(entry, &"stand_in".into());
    }
    for (entry, users) in used.clone() {
        let slots = script.entry(&entry).map(|entry| entry.slots()).unwrap_or_default();
        for slot in slots.iter().filter(|slot| matches!(slot.kind, SlotType::Word | SlotType::Words)) {
            let Some((set, members)) = flow.members(&slot.name) else { continue };
            for member in members {
                used.entry(format!("opt.{set}.{member}")).or_default().extend(users.iter().cloned());
            }
        }
    }
    used
}

/// The entries that screens show in place of used ones, and those of a hall's card.
fn on_screens(script: &Script, used: &BTreeSet<String>) -> Vec<String> {
    let shown = |path: &&Arc<str>| {
        let Some(name) = path.strip_prefix("screen.") else { return false };
        name.split_once('.').is_some_and(|(family, hall)| {
            family == "hall_address" && script.entry(&format!("opt.hall.{hall}")).is_some()
        }) || used.contains(&format!("prompt.{name}"))
            || used.contains(&format!("opt.{name}"))
    };
    script.entries().map(|(path, _)| path).filter(shown).map(|path| path.to_string()).collect()
}

/// Every prompt of a flow, notices included.
fn prompts(flow: &Flow) -> impl Iterator<Item = &Prompt> {
    flow.nodes.iter().flat_map(Node::prompts).chain(flow.notices.iter().map(|notice| &notice.say)).chain(&flow.stand_in)
}

/// The entries of a prompt: one, or one for each member of its family.
pub(crate) fn expanded(flow: &Flow, prompt: &Prompt) -> Option<Vec<String>> {
    match prompt.var() {
        None => Some(vec![prompt.entry("")]),
        Some(var) => flow.members(var).map(|(_, members)| members.iter().map(|member| prompt.entry(member)).collect()),
    }
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for prompt in prompts(subject.flow) {
        exists(subject, prompt, &mut diagnostics);
    }
    for node in &subject.flow.nodes {
        if let Kind::Menu(menu) = &node.kind {
            options(subject, node, menu, &mut diagnostics);
        }
    }
    let mut used = used(subject.flow, subject.script);
    used.extend(on_screens(subject.script, &used));
    for path in &used {
        slots(subject, path, &mut diagnostics);
    }
    languages(subject, &mut diagnostics);
    unused(subject, &used, &mut diagnostics);
    diagnostics
}

fn exists(subject: &Subject<'_>, prompt: &Prompt, diagnostics: &mut Vec<Diagnostic>) {
    let Some(entries) = expanded(subject.flow, prompt) else {
        let var = prompt.var().unwrap_or_default();
        let what = format!("{}: {var} is no set of values", prompt.name);
        diagnostics.push(subject.diagnostic(
            "E34",
            prompt.line,
            what,
            format!("add {var} to [enum], or its type to [type]"),
        ));
        return;
    };
    let family = prompt.var().is_some();
    for entry in entries.iter().filter(|entry| subject.script.entry(entry).is_none()) {
        let known = subject.script.entries().map(|(path, _)| &**path);
        let near = closest_match(entry, known).filter(|_| !family).and_then(|near| near.strip_prefix("prompt."));
        let remedy = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("write it in {} as {entry}", subject.script.file()),
        };
        let (code, what) = match family {
            true => ("E31", format!("{}: there are no words for {entry}", prompt.name)),
            false => ("E30", format!("there is no prompt {:?}", prompt.name)),
        };
        diagnostics.push(subject.diagnostic(code, prompt.line, what, remedy));
    }
}

fn options(subject: &Subject<'_>, node: &Node, menu: &Menu, diagnostics: &mut Vec<Diagnostic>) {
    let offered: Vec<&Choice> = menu.choices.iter().filter(|choice| choice.opt.is_some()).collect();
    let keys: BTreeSet<char> = offered.iter().map(|choice| choice.key.as_char()).collect();
    for choice in &offered {
        let opt = choice.opt.as_deref().unwrap_or_default();
        if subject.script.entry(&format!("opt.{opt}")).is_none() {
            let known = subject.script.entries().filter_map(|(path, _)| path.strip_prefix("opt."));
            let remedy = closest_match(opt, known).map_or_else(
                || format!("write it in {} as opt.{opt}", subject.script.file()),
                |near| format!("did you mean {near:?}?"),
            );
            let what = format!("menu {}: there are no words for the option {opt:?}", node.name);
            diagnostics.push(subject.diagnostic("E37", choice.line, what, remedy));
        }
    }
    if !offered.is_empty() {
        menu_line(subject, diagnostics);
    }
    if let Some(most) = subject.flow.limits.options.filter(|most| keys.len() > *most as usize) {
        let what = format!("menu {} offers {} options, more than {most}", node.name, keys.len());
        diagnostics.push(subject.diagnostic("W03", node.line, what, "callers forget the first ones: split the menu"));
    }
    seconds(subject, node, menu, diagnostics);
}

fn menu_line(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let file = subject.script.file().clone();
    let has = |entry: &speech::Entry, kind| entry.slots().iter().any(|slot| slot.kind == kind);
    let (line, what) = match subject.script.entry("menu_line") {
        None => (1, "the script has no menu_line"),
        Some(entry) if !has(entry, SlotType::Opt) || !has(entry, SlotType::Key) => {
            (entry.line, "menu_line needs {opt} and {key}")
        }
        Some(_) => return,
    };
    let remedy = "write [menu_line] with zh = \"{opt}，请按{key}。\" and the other languages".into();
    diagnostics.push(Diagnostic { code: "E38", file, line, message: what.into(), remedy });
}

fn seconds(subject: &Subject<'_>, node: &Node, menu: &Menu, diagnostics: &mut Vec<Diagnostic>) {
    let Some(most) = subject.flow.limits.menu_seconds else { return };
    for &lang in &subject.flow.langs {
        let head = menu.say.iter().filter_map(|prompt| subject.script.entry(&prompt.entry(""))?.sentence(lang));
        let head: std::time::Duration = head.map(|sentence| estimated_length(lang, &sentence.text, &[])).sum();
        let lines = menu.choices.iter().filter_map(|choice| {
            let said =
                subject.script.compose_option(lang, &format!("opt.{}", choice.opt.as_ref()?), choice.key).ok()?;
            Some(estimated_length(lang, &said.text, &said.pieces))
        });
        let length = (head + lines.sum::<std::time::Duration>()).as_secs();
        if length > u64::from(most) {
            let what =
                format!("menu {} takes about {length} s to hear in {}, more than {most}", node.name, lang.code());
            diagnostics.push(subject.diagnostic("W04", node.line, what, "shorten the options, or split the menu"));
        }
    }
}

fn slots(subject: &Subject<'_>, path: &str, diagnostics: &mut Vec<Diagnostic>) {
    let Some(entry) = subject.script.entry(path) else { return };
    let mut complain = |code, what: String, remedy: String| {
        let file = subject.script.file().clone();
        diagnostics.push(Diagnostic { code, file, line: entry.line, message: what, remedy });
    };
    for slot in entry.slots().iter().filter(|slot| !matches!(slot.kind, SlotType::Opt | SlotType::Key)) {
        let name = &slot.name;
        if subject.flow.is_secret(name) {
            complain("E42", format!("{path}: {{{name}}} is secret and must never be spoken"), "remove the slot".into());
            continue;
        }
        let Some(kind) = subject.flow.type_of(name) else {
            let known = subject.flow.types.keys().map(|key| &**key).chain(["receipt.length", "desk.number"]);
            let remedy = closest_match(name, known)
                .map_or_else(|| format!("add \"{name}\" to [type]"), |near| format!("did you mean {near}?"));
            complain("E34", format!("{path}: nothing is called {{{name}}}"), remedy);
            continue;
        };
        if !fits(slot.kind, &kind) {
            let remedy = format!("write {{{name}:{}}}", slot_for(&kind));
            complain("E35", format!("{path}: {{{name}}} is {}, not {}", noun(&kind), slot.kind.name()), remedy);
            continue;
        }
        for (set, member) in
            subject.flow.members(name).into_iter().flat_map(|(set, all)| all.iter().map(move |m| (set.clone(), m)))
        {
            let word = format!("opt.{set}.{member}");
            if subject.script.entry(&word).is_none() {
                complain("E36", format!("{path}: there is no word for {member} of {set}"), format!("write {word}"));
            }
        }
    }
}

fn fits(slot: SlotType, kind: &Type) -> bool {
    match kind {
        Type::Enum(_) => matches!(slot, SlotType::Word | SlotType::Words),
        Type::Date => slot == SlotType::Date,
        Type::Time => slot == SlotType::Time,
        Type::Digits => slot == SlotType::Digits,
        Type::Count | Type::Number => matches!(slot, SlotType::Count | SlotType::Number),
        Type::Money => slot == SlotType::Money,
    }
}

fn slot_for(kind: &Type) -> &'static str {
    match kind {
        Type::Enum(_) => "word",
        Type::Date => "date",
        Type::Time => "time",
        Type::Digits => "digits",
        Type::Count => "count",
        Type::Number => "number",
        Type::Money => "money",
    }
}

fn noun(kind: &Type) -> String {
    match kind {
        Type::Enum(set) => format!("a word of {set}"),
        Type::Date | Type::Time | Type::Digits | Type::Count | Type::Number | Type::Money => slot_for(kind).into(),
    }
}

fn languages(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (path, entry) in subject.script.entries() {
        for lang in subject.flow.langs.iter().filter(|lang| entry.sentence(**lang).is_none()) {
            let file = subject.script.file().clone();
            let what = format!("{path} has no words in {}", lang.code());
            let remedy = format!("add `{} = \"…\"`", lang.code());
            diagnostics.push(Diagnostic { code: "E32", file, line: entry.line, message: what, remedy });
        }
    }
}

fn unused(subject: &Subject<'_>, used: &BTreeSet<String>, diagnostics: &mut Vec<Diagnostic>) {
    for (path, entry) in subject.script.entries().filter(|(path, _)| !used.contains(&***path)) {
        let file = subject.script.file().clone();
        let what = format!("no node uses {path}");
        diagnostics.push(Diagnostic {
            code: "W02",
            file,
            line: entry.line,
            message: what,
            remedy: "remove it, or use it in the flow".into(),
        });
    }
}
