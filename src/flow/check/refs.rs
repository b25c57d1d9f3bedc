//! Names that must exist: nodes, values of sets, variables, calendars.

use std::sync::Arc;

use super::subject::Subject;
use crate::exits::By;
use crate::fit::fit;
use crate::model::*;
use base::{Bilingual, Lang, bilingual};
use inquiry::Stage;
use speech::{Diagnostic, closest_match};

pub(super) fn check(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    targets(subject, &mut diagnostics);
    for node in &subject.flow.nodes {
        match &node.kind {
            Kind::Switch(switch) => values(subject, node, switch, &mut diagnostics),
            Kind::Hours(hours) => hours_of(subject, node, hours, &mut diagnostics),
            Kind::Lookup(lookup) => look_up(subject, node, lookup, &mut diagnostics),
            Kind::Queue(queue) => waiting(subject, node, queue, &mut diagnostics),
            Kind::Callback(callback) => calling_back(subject, node, callback, &mut diagnostics),
            Kind::Menu(_)
            | Kind::Ask(_)
            | Kind::Say(_)
            | Kind::Transfer(_)
            | Kind::Record(_)
            | Kind::Rate(_)
            | Kind::Sms(_) => {}
        }
        for choice in node.choices() {
            settings(subject, node, choice, &mut diagnostics);
            calendar_of(subject, choice.when.as_ref(), choice.line, &mut diagnostics);
        }
    }
    for entry in &subject.flow.entries {
        calendar_of(subject, Some(&entry.when), entry.line, &mut diagnostics);
    }
    for notice in &subject.flow.notices {
        calendar_of(subject, notice.when.as_ref(), notice.line, &mut diagnostics);
    }
    diagnostics
}

fn targets(subject: &Subject<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let flow = subject.flow;
    let mut leads = |at: Bilingual, go: &Go| {
        if let Target::Node(name) = &go.target
            && flow.node(name).is_none()
            && !name.is_empty()
        {
            let near = closest_match(name, flow.index.keys().map(|key| &**key));
            let remedy = near.map_or_else(
                || Bilingual::fixed("name a node of this flow", "请写本流程中的节点名"),
                |near| bilingual!("did you mean {near:?}?", "是否应为 {near:?}？"),
            );
            diagnostics.push(subject.diagnostic(
                "E03",
                go.line,
                bilingual!("{at} leads to {name:?}, but there is no such node", "{at:#} 通向 {name:?}，但没有这个节点"),
                remedy,
            ));
        }
    };
    leads("start".into(), &flow.start);
    flow.called_back.iter().for_each(|go| leads("called_back".into(), go));
    flow.give_up.iter().for_each(|go| leads("defaults: give_up".into(), go));
    flow.entries.iter().for_each(|entry| leads(Bilingual::fixed("an entry rule", "进线规则"), &entry.go));
    for notice in &flow.notices {
        for before in &notice.before {
            let go = Go { target: Target::Node(before.clone()), line: notice.line };
            leads(Bilingual::fixed("a notice", "通知"), &go);
        }
    }
    for node in &flow.nodes {
        for exit in node.exits() {
            let inherited = exit.inherited || flow.give_up.as_ref() == Some(exit.go);
            let label: Bilingual = match exit.by {
                By::Key(key) => bilingual!("key {}", "按键 {}", key.as_char()),
                By::Entry | By::Silence | By::Itself => exit.label.clone().into(),
            };
            let at = if inherited {
                format!("defaults: {}", exit.label).into()
            } else {
                bilingual!("{} {}, {label}", "{} {} 的 {label:#}", node.kind_name(), node.name)
            };
            leads(at, exit.go);
        }
    }
}

fn values(subject: &Subject<'_>, node: &Node, switch: &Switch, diagnostics: &mut Vec<Diagnostic>) {
    let Some((set, members)) = subject.flow.members(&switch.of) else {
        let what =
            bilingual!("switch {}: {} is not a set of values", "switch {}：{} 没有取值范围", node.name, switch.of);
        let remedy =
            bilingual!("add `\"{}\" = \"enum:…\"` to [type]", "请在 [type] 中加上 `\"{}\" = \"enum:…\"`", switch.of);
        diagnostics.push(subject.diagnostic("E07", node.line, what, remedy));
        return;
    };
    for member in members.iter().filter(|member| !switch.arms.iter().any(|(arm, _)| arm == *member)) {
        let what = bilingual!(
            "switch {}: nothing says where {member} leads",
            "switch {}：未写明 {member} 通向何处",
            node.name
        );
        diagnostics.push(subject.diagnostic(
            "E08",
            node.line,
            what,
            bilingual!("add `{member} = \"…\"`", "请加上 `{member} = \"…\"`"),
        ));
    }
    for (arm, go) in switch.arms.iter().filter(|(arm, _)| !members.contains(arm)) {
        let near = closest_match(arm, members.iter().map(|member| &**member));
        let remedy = near.map_or_else(
            || bilingual!("add it to [enum] {set}, or remove it", "请加入 [enum] {set}，或将其删除"),
            |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
        );
        diagnostics.push(subject.diagnostic(
            "E09",
            go.line,
            bilingual!("switch {}: {arm} is not a value of {set}", "switch {}：{arm} 不是 {set} 的取值", node.name),
            remedy,
        ));
    }
}

fn settings(subject: &Subject<'_>, node: &Node, choice: &Choice, diagnostics: &mut Vec<Diagnostic>) {
    let at = bilingual!("{} {}, key {}", "{} {} 的按键 {}", node.kind_name(), node.name, choice.key.as_char());
    for (var, value) in &choice.set {
        if &**var == "lang" {
            if !Lang::from_code(value).is_some_and(|lang| subject.flow.langs.contains(&lang)) {
                let what = bilingual!(
                    "{at}: {value:?} is not among the flow's languages",
                    "{at:#}：{value:?} 不是本流程的语言"
                );
                diagnostics.push(subject.diagnostic(
                    "E09",
                    choice.line,
                    what,
                    Bilingual::fixed("add it to `langs`, or choose another", "请加入 `langs`，或改用别的语言"),
                ));
            }
            continue;
        }
        match subject.flow.members(var) {
            None => {
                let what =
                    bilingual!("{at} sets {var}, which is not a set of values", "{at:#} 设置 {var}，但它没有取值范围");
                diagnostics.push(subject.diagnostic(
                    "E34",
                    choice.line,
                    what,
                    bilingual!("add `{var} = [\"{value}\"]` to [enum]", "请在 [enum] 中加上 `{var} = [\"{value}\"]`"),
                ));
            }
            Some((set, members)) if !members.contains(value) => {
                let near = closest_match(value, members.iter().map(|member| &**member));
                let remedy = near.map_or_else(
                    || bilingual!("add it to [enum] {set}", "请加入 [enum] {set}"),
                    |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
                );
                diagnostics.push(subject.diagnostic(
                    "E09",
                    choice.line,
                    bilingual!("{at}: {value} is not a value of {set}", "{at:#}：{value} 不是 {set} 的取值"),
                    remedy,
                ));
            }
            Some(_) => {}
        }
    }
}

fn look_up(subject: &Subject<'_>, node: &Node, lookup: &Lookup, diagnostics: &mut Vec<Diagnostic>) {
    for var in lookup.by.iter().filter(|var| subject.flow.type_of(var).is_none()) {
        let stores = subject.flow.nodes.iter().filter_map(|node| node.stores().map(|(name, _)| &**name));
        let remedy = closest_match(var, stores).map_or_else(
            || Bilingual::fixed("store it in an ask before", "请在此前的 ask 中存入"),
            |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
        );
        diagnostics.push(subject.diagnostic(
            "E34",
            node.line,
            bilingual!("lookup {}: nothing stores {var}", "lookup {}：没有节点存入 {var}", node.name),
            remedy,
        ));
    }
    let status = format!("{}.status", lookup.gives);
    let Some((set, members)) = subject.flow.members(&status) else { return };
    let homeless: Vec<&str> =
        Stage::ALL.map(Stage::code).into_iter().filter(|code| fit(code, members).is_none()).collect();
    if !homeless.is_empty() && &*lookup.source == "progress" {
        let what = bilingual!(
            "cases may be {}, for which {set} has no value",
            "案件状态可能为 {}，但 {set} 没有对应的取值",
            homeless.join(", ")
        );
        diagnostics.push(subject.diagnostic(
            "W06",
            node.line,
            what,
            bilingual!(
                "add the value to [enum] {set}; until then such a case counts as `down`",
                "请把取值加入 [enum] {set}；在此之前按 `down` 处理"
            ),
        ));
    }
}

fn waiting(subject: &Subject<'_>, node: &Node, queue: &Queue, diagnostics: &mut Vec<Diagnostic>) {
    passed_on(subject, node, &queue.pass, diagnostics);
    skills(subject, node, &queue.skills, diagnostics);
    let name = &node.name;
    if queue.hint.is_some() && queue.choices.is_empty() {
        let what = bilingual!(
            "queue {name}: the hint names keys, and no key works while waiting",
            "queue {name}：提示语说到按键，但等候时没有可用的按键"
        );
        let remedy = Bilingual::fixed("add `keys`, or remove `hint`", "请添加 `keys`，或删去 `hint`");
        diagnostics.push(subject.diagnostic("W16", node.line, what, remedy));
    }
    for choice in queue.choices.iter().filter(|choice| choice.go.target == Target::Repeat) {
        let key = choice.key.as_char();
        let what =
            bilingual!("queue {name}, key {key} leads back into the queue", "queue {name} 的按键 {key} 又回到队列");
        let remedy = Bilingual::fixed("lead it elsewhere, or remove it", "请改为其他去向，或删去");
        diagnostics.push(subject.diagnostic("W16", choice.line, what, remedy));
    }
}

fn calling_back(subject: &Subject<'_>, node: &Node, callback: &Callback, diagnostics: &mut Vec<Diagnostic>) {
    passed_on(subject, node, &callback.pass, diagnostics);
    skills(subject, node, &callback.skills, diagnostics);
    let (name, number) = (&node.name, &callback.number);
    if **number != *CALLER && subject.flow.type_of(number) != Some(Type::Digits) {
        let what = bilingual!(
            "callback {name}: nothing stores the number {number}",
            "callback {name}：没有节点保存号码 {number}"
        );
        let remedy = Bilingual::fixed(
            "write `number = \"caller\"`, or the variable of an ask",
            "请写 `number = \"caller\"`，或某个 ask 的变量",
        );
        diagnostics.push(subject.diagnostic("E34", node.line, what, remedy));
    }
    if subject.flow.called_back.is_none() {
        let what = bilingual!(
            "callback {name}: the flow does not say where the call begins that is made then",
            "callback {name}：流程没有说明回电从哪个节点开始"
        );
        let remedy = Bilingual::fixed(
            "write `called_back = \"NODE\"`, a menu with a key that leads to a queue",
            "请写 `called_back = \"节点\"`，即有按键通往队列的菜单",
        );
        diagnostics.push(subject.diagnostic("E15", node.line, what, remedy));
    }
}

fn skills(subject: &Subject<'_>, node: &Node, skills: &[Arc<str>], diagnostics: &mut Vec<Diagnostic>) {
    let vars = skills.iter().filter_map(|name| name.strip_prefix('{').and_then(|name| name.strip_suffix('}')));
    for var in vars.filter(|var| *var != "lang" && subject.flow.members(var).is_none()) {
        let (kind, name) = (node.kind_name(), &node.name);
        let what = bilingual!(
            "{kind} {name}: the skill {{{var}}} is not a set of values",
            "{kind} {name}：技能 {{{var}}} 不是取值集合"
        );
        let remedy =
            bilingual!("add {var} to [enum], or its type to [type]", "请把 {var} 加入 [enum]，或把其类型加入 [type]");
        diagnostics.push(subject.diagnostic("E34", node.line, what, remedy));
    }
}

fn passed_on(subject: &Subject<'_>, node: &Node, pass: &[Arc<str>], diagnostics: &mut Vec<Diagnostic>) {
    let flow = subject.flow;
    let begins = |known: &str, var: &str| known.strip_prefix(var).is_some_and(|rest| rest.starts_with('.'));
    let is_known = |var: &str| {
        let looked_up = flow.nodes.iter().filter_map(Node::lookup).any(|lookup| *lookup.gives == *var);
        matches!(var, "lang" | "path")
            || looked_up
            || flow.type_of(var).is_some()
            || flow.types.keys().any(|known| begins(known, var))
    };
    for var in pass.iter().filter(|var| !is_known(var)) {
        let (kind, name) = (node.kind_name(), &node.name);
        let what = bilingual!("{kind} {name}: nothing is called {var}", "{kind} {name}：没有名为 {var} 的变量");
        let remedy = bilingual!(
            "pass what an ask stores, what a look-up gives, lang or path",
            "请传出 ask 保存的变量、查询给出的变量、lang 或 path"
        );
        diagnostics.push(subject.diagnostic("E34", node.line, what, remedy));
    }
    for var in pass.iter().filter(|var| subject.flow.is_secret(var)) {
        let what = bilingual!(
            "{} {}: {var} is secret and must not be passed on",
            "{} {}：{var} 为保密内容，不得传出",
            node.kind_name(),
            node.name
        );
        diagnostics.push(subject.diagnostic(
            "E42",
            node.line,
            what,
            bilingual!("remove {var} from `pass`", "请从 `pass` 中删去 {var}"),
        ));
    }
}

fn hours_of(subject: &Subject<'_>, node: &Node, hours: &Hours, diagnostics: &mut Vec<Diagnostic>) {
    let Some(calendars) = subject.flow.calendars(hours) else {
        let var = hours.calendar.var().unwrap_or_default();
        let what = bilingual!("hours {}: {var} is not a set of values", "hours {}：{var} 没有取值范围", node.name);
        let remedy =
            bilingual!("add {var} to [enum], or its type to [type]", "请把 {var} 加入 [enum]，或在 [type] 中写明类型");
        diagnostics.push(subject.diagnostic("E34", hours.calendar.line, what, remedy));
        return;
    };
    for name in calendars {
        calendar(subject, &name, node.line, diagnostics);
        if subject.calendar.desks.get(&name).is_some_and(|desk| desk.week.is_empty()) {
            let what = bilingual!(
                "hours {}: calendar {name:?} has no hours, so it is never open",
                "hours {}：日历 {name:?} 没有工作时间，因此从不开放",
                node.name
            );
            diagnostics.push(subject.diagnostic(
                "W09",
                node.line,
                what,
                bilingual!("add `week` to [{name}]", "请在 [{name}] 中加上 `week`"),
            ));
        }
    }
}

fn calendar_of(subject: &Subject<'_>, when: Option<&When>, line: u32, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(When::Calendar(name) | When::Open(name)) = when {
        calendar(subject, name, line, diagnostics);
    }
}

fn calendar(subject: &Subject<'_>, name: &str, line: u32, diagnostics: &mut Vec<Diagnostic>) {
    let desks = &subject.calendar.desks;
    if !desks.contains_key(name) {
        let remedy = closest_match(name, desks.keys().map(|key| &**key)).map_or_else(
            || bilingual!("add [{name}] to the calendar file", "请在日历文件中加上 [{name}]"),
            |near| bilingual!("did you mean {near}?", "是否应为 {near}？"),
        );
        diagnostics.push(subject.diagnostic(
            "E46",
            line,
            bilingual!("there is no calendar {name:?}", "没有日历 {name:?}"),
            remedy,
        ));
    }
}
