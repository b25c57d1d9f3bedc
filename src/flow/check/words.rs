//! Words that must exist: prompts, families, options, the values of slots, in every language.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::subject::Subject;
use crate::model::*;
use base::{Bilingual, Lang, bilingual};
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

/// The entries of text messages: the templates, and what messages say in place of used prompts.
fn in_messages(flow: &Flow, script: &Script, used: &BTreeSet<String>) -> Vec<String> {
    let templates: BTreeSet<&str> = messages(flow).map(|sms| &*sms.template.name).collect();
    let said = |path: &&Arc<str>| {
        path.strip_prefix(MESSAGE).is_some_and(|name| {
            templates.contains(name) || !templates.is_empty() && used.contains(&format!("prompt.{name}"))
        })
    };
    script.entries().map(|(path, _)| path).filter(said).map(|path| path.to_string()).collect()
}

fn messages(flow: &Flow) -> impl Iterator<Item = &Sms> {
    flow.nodes.iter().filter_map(|node| if let Kind::Sms(sms) = &node.kind { Some(sms) } else { None })
}

/// The script's entry of a template of text messages.
pub(super) fn message_entry(template: &str) -> String {
    format!("{MESSAGE}{template}")
}

/// How the entries of text messages begin.
const MESSAGE: &str = "sms.";

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
    templates(subject, &mut diagnostics);
    let mut used = used(subject.flow, subject.script);
    let in_messages = in_messages(subject.flow, subject.script, &used);
    for path in &in_messages {
        whole_entries(subject, path, &mut diagnostics);
    }
    used.extend(on_screens(subject.script, &used));
    used.extend(in_messages);
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
        let what = bilingual!("{}: {var} is not a set of values", "{}：{var} 没有取值范围", prompt.name);
        diagnostics.push(subject.diagnostic(
            "E34",
            prompt.line,
            what,
            bilingual!("add {var} to [enum], or its type to [type]", "请把 {var} 加入 [enum]，或在 [type] 中写明类型"),
        ));
        return;
    };
    let family = prompt.var().is_some();
    for entry in entries.iter().filter(|entry| subject.script.entry(entry).is_none()) {
        let known = subject.script.entries().map(|(path, _)| &**path);
        let near = closest_match(entry, known).filter(|_| !family).and_then(|near| near.strip_prefix("prompt."));
        let remedy = match near {
            Some(near) => bilingual!("did you mean {near:?}?", "是否应为 {near:?}？"),
            None => bilingual!("write it in {} as {entry}", "请在 {} 中写入 {entry}", subject.script.file()),
        };
        let (code, what) = match family {
            true => ("E31", bilingual!("{}: there are no words for {entry}", "{}：{entry} 没有文案", prompt.name)),
            false => ("E30", bilingual!("there is no prompt {:?}", "没有语句 {:?}", prompt.name)),
        };
        diagnostics.push(subject.diagnostic(code, prompt.line, what, remedy));
    }
}

/// Text messages have words.
fn templates(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for sms in messages(subject.flow).filter(|sms| !sms.template.name.is_empty()) {
        let entry = message_entry(&sms.template.name);
        if subject.script.entry(&entry).is_some() {
            continue;
        }
        let known = subject.script.entries().filter_map(|(path, _)| path.strip_prefix(MESSAGE));
        let remedy = match closest_match(&sms.template.name, known) {
            Some(near) => bilingual!("did you mean {near:?}?", "是否应为 {near:?}？"),
            None => bilingual!("write it in {} as {entry}", "请在 {} 中写入 {entry}", subject.script.file()),
        };
        let what = bilingual!("there are no words for the text message {:?}", "短信 {:?} 没有文案", sms.template.name);
        diagnostics.push(subject.diagnostic("E30", sms.template.line, what, remedy));
    }
}

/// What a caller keyed is in a message by its end alone: others may read it.
fn whole_entries(subject: &Subject<'_>, path: &str, diagnostics: &mut Vec<Diagnostic>) {
    let Some(entry) = subject.script.entry(path) else { return };
    let keyed = |name: &str| {
        let mut stores = subject.flow.nodes.iter().filter(|node| matches!(node.kind, Kind::Ask(_)));
        name == "caller.number" || stores.any(|node| node.stores().is_some_and(|(var, _)| **var == *name))
    };
    for slot in entry.slots().iter().filter(|slot| keyed(&slot.name)) {
        let name = &slot.name;
        diagnostics.push(Diagnostic {
            code: "E26",
            file: subject.script.file().clone(),
            line: entry.line,
            message: bilingual!(
                "{path}: a text message must not hold the whole of {{{name}}}",
                "{path}：短信中不得包含完整的 {{{name}}}"
            ),
            remedy: bilingual!("write {{{name}{TAIL}:digits}}, its end", "请写 {{{name}{TAIL}:digits}}（末四位）"),
        });
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
                || bilingual!("write it in {} as opt.{opt}", "请在 {} 中写入 opt.{opt}", subject.script.file()),
                |near| bilingual!("did you mean {near:?}?", "是否应为 {near:?}？"),
            );
            let what = bilingual!(
                "menu {}: there are no words for the option {opt:?}",
                "menu {}：选项 {opt:?} 没有文案",
                node.name
            );
            diagnostics.push(subject.diagnostic("E37", choice.line, what, remedy));
        }
    }
    if !offered.is_empty() {
        menu_line(subject, diagnostics);
    }
    if let Some(most) = subject.flow.limits.options.filter(|most| keys.len() > *most as usize) {
        let what = bilingual!(
            "menu {} offers {} options, more than {most}",
            "menu {} 有 {} 个选项，多于 {most} 个",
            node.name,
            keys.len()
        );
        diagnostics.push(subject.diagnostic(
            "W03",
            node.line,
            what,
            Bilingual::fixed("callers forget the first ones: split the menu", "来电人会忘记前面的选项：请拆分菜单"),
        ));
    }
    seconds(subject, node, menu, diagnostics);
}

fn menu_line(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let file = subject.script.file().clone();
    let has = |entry: &speech::Entry, kind| entry.slots().iter().any(|slot| slot.kind == kind);
    let (line, what) = match subject.script.entry("menu_line") {
        None => (1, Bilingual::fixed("the script has no menu_line", "文案缺少 menu_line")),
        Some(entry) if !has(entry, SlotType::Opt) || !has(entry, SlotType::Key) => {
            (entry.line, Bilingual::fixed("menu_line needs {opt} and {key}", "menu_line 必须有 {opt} 和 {key}"))
        }
        Some(_) => return,
    };
    let remedy = Bilingual::fixed(
        "write [menu_line] with zh = \"{opt}，请按{key}。\" and the other languages",
        "请写 [menu_line]：zh = \"{opt}，请按{key}。\" 以及其他语言",
    );
    diagnostics.push(Diagnostic { code: "E38", file, line, message: what, remedy });
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
            let what = bilingual!(
                "menu {} takes about {length} s to hear in {}, more than {most}",
                "menu {} 播放约需 {length} 秒（{}），超过 {most} 秒",
                node.name,
                lang.code()
            );
            diagnostics.push(subject.diagnostic(
                "W04",
                node.line,
                what,
                Bilingual::fixed("shorten the options, or split the menu", "请缩短选项，或拆分菜单"),
            ));
        }
    }
}

fn slots(subject: &Subject<'_>, path: &str, diagnostics: &mut Vec<Diagnostic>) {
    let Some(entry) = subject.script.entry(path) else { return };
    let mut report = |code, what: Bilingual, remedy: Bilingual| {
        let file = subject.script.file().clone();
        diagnostics.push(Diagnostic { code, file, line: entry.line, message: what, remedy });
    };
    for slot in entry.slots().iter().filter(|slot| !matches!(slot.kind, SlotType::Opt | SlotType::Key)) {
        let name = &slot.name;
        if subject.flow.is_secret(name) {
            report(
                "E42",
                bilingual!(
                    "{path}: {{{name}}} is secret and must never be spoken",
                    "{path}：{{{name}}} 为保密内容，不得播放"
                ),
                Bilingual::fixed("remove the slot", "请删除该空位"),
            );
            continue;
        }
        let Some(kind) = subject.flow.type_of(name) else {
            let known = subject.flow.types.keys().map(|key| &**key).chain(["receipt.length", "desk.number"]);
            let remedy = closest_match(name, known).map_or_else(
                || bilingual!("add \"{name}\" to [type]", "请在 [type] 中加上 \"{name}\""),
                |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
            );
            report(
                "E34",
                bilingual!("{path}: nothing is called {{{name}}}", "{path}：没有名为 {{{name}}} 的内容"),
                remedy,
            );
            continue;
        };
        if !fits(slot.kind, &kind) {
            let remedy = bilingual!("write {{{name}:{}}}", "请写 {{{name}:{}}}", slot_for(&kind));
            report(
                "E35",
                bilingual!(
                    "{path}: {{{name}}} is {}, not {}",
                    "{path}：{{{name}}} 的类型为 {:#}，不是 {}",
                    noun(&kind),
                    slot.kind.name()
                ),
                remedy,
            );
            continue;
        }
        for (set, member) in
            subject.flow.members(name).into_iter().flat_map(|(set, all)| all.iter().map(move |m| (set.clone(), m)))
        {
            let word = format!("opt.{set}.{member}");
            if subject.script.entry(&word).is_none() {
                report(
                    "E36",
                    bilingual!("{path}: there is no word for {member} of {set}", "{path}：{set} 的 {member} 没有文案"),
                    bilingual!("write {word}", "请写 {word}"),
                );
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

fn noun(kind: &Type) -> Bilingual {
    match kind {
        Type::Enum(set) => bilingual!("a word of {set}", "{set} 的词语"),
        Type::Date | Type::Time | Type::Digits | Type::Count | Type::Number | Type::Money => slot_for(kind).into(),
    }
}

fn languages(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (path, entry) in subject.script.entries() {
        // A message to speakers of Cantonese is in written Chinese.
        let spoken_only = path.starts_with(MESSAGE) && subject.flow.langs.contains(&Lang::Zh);
        let needed = subject.flow.langs.iter().filter(|lang| !(spoken_only && **lang == Lang::Yue));
        for lang in needed.filter(|lang| entry.sentence(**lang).is_none()) {
            let file = subject.script.file().clone();
            let what = bilingual!("{path} has no words in {}", "{path} 缺少 {} 的文案", lang.code());
            let remedy = bilingual!("add `{} = \"…\"`", "请加上 `{} = \"…\"`", lang.code());
            diagnostics.push(Diagnostic { code: "E32", file, line: entry.line, message: what, remedy });
        }
    }
}

fn unused(subject: &Subject<'_>, used: &BTreeSet<String>, diagnostics: &mut Vec<Diagnostic>) {
    for (path, entry) in subject.script.entries().filter(|(path, _)| !used.contains(&***path)) {
        let file = subject.script.file().clone();
        let what = bilingual!("no node uses {path}", "没有节点用到 {path}");
        diagnostics.push(Diagnostic {
            code: "W02",
            file,
            line: entry.line,
            message: what,
            remedy: Bilingual::fixed("remove it, or use it in the flow", "请将其删除，或在流程中使用"),
        });
    }
}
