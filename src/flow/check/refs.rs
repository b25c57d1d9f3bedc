//! Names that must exist: nodes, values of sets, variables, calendars.

use std::sync::Arc;

use super::subject::Subject;
use crate::conversation::CALLER;
use crate::fit::fit;
use crate::model::*;
use base::Lang;
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
        if let Kind::Sms(_) = &node.kind {
            let what = format!("{} {}: on a call this takes its failure outcome", node.kind_name(), node.name);
            diagnostics.push(subject.diagnostic("W07", node.line, what, "it is simulated in call sheets only"));
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
    let mut leads = |at: String, go: &Go| {
        if let Target::Node(name) = &go.target
            && flow.node(name).is_none()
            && !name.is_empty()
        {
            let near = closest_match(name, flow.index.keys().map(|key| &**key));
            let remedy =
                near.map_or_else(|| "name a node of this flow".into(), |near| format!("did you mean {near:?}?"));
            diagnostics.push(subject.diagnostic(
                "E03",
                go.line,
                format!("{at} leads to {name:?}, but there is no such node"),
                remedy,
            ));
        }
    };
    leads("start".into(), &flow.start);
    flow.called_back.iter().for_each(|go| leads("called_back".into(), go));
    flow.give_up.iter().for_each(|go| leads("defaults: give_up".into(), go));
    flow.entries.iter().for_each(|entry| leads("an entry rule".into(), &entry.go));
    for notice in &flow.notices {
        for before in &notice.before {
            let go = Go { target: Target::Node(before.clone()), line: notice.line };
            leads("a notice".into(), &go);
        }
    }
    for node in &flow.nodes {
        for exit in node.exits() {
            let inherited = exit.inherited || flow.give_up.as_ref() == Some(exit.go);
            let at = if inherited {
                format!("defaults: {}", exit.label)
            } else {
                format!("{} {}, {}", node.kind_name(), node.name, exit.label)
            };
            leads(at, exit.go);
        }
    }
}

fn values(subject: &Subject<'_>, node: &Node, switch: &Switch, diagnostics: &mut Vec<Diagnostic>) {
    let Some((set, members)) = subject.flow.members(&switch.of) else {
        let what = format!("switch {}: {} is no set of values", node.name, switch.of);
        let remedy = format!("add `\"{}\" = \"enum:…\"` to [type]", switch.of);
        diagnostics.push(subject.diagnostic("E07", node.line, what, remedy));
        return;
    };
    for member in members.iter().filter(|member| !switch.arms.iter().any(|(arm, _)| arm == *member)) {
        let what = format!("switch {}: nothing says where {member} leads", node.name);
        diagnostics.push(subject.diagnostic("E08", node.line, what, format!("add `{member} = \"…\"`")));
    }
    for (arm, go) in switch.arms.iter().filter(|(arm, _)| !members.contains(arm)) {
        let near = closest_match(arm, members.iter().map(|member| &**member));
        let remedy = near
            .map_or_else(|| format!("add it to [enum] {set}, or remove it"), |near| format!("did you mean {near}?"));
        diagnostics.push(subject.diagnostic(
            "E09",
            go.line,
            format!("switch {}: {arm} is no value of {set}", node.name),
            remedy,
        ));
    }
}

fn settings(subject: &Subject<'_>, node: &Node, choice: &Choice, diagnostics: &mut Vec<Diagnostic>) {
    let at = format!("{} {}, key {}", node.kind_name(), node.name, choice.key.as_char());
    for (var, value) in &choice.set {
        if &**var == "lang" {
            if !Lang::from_code(value).is_some_and(|lang| subject.flow.langs.contains(&lang)) {
                let what = format!("{at}: {value:?} is not among the flow's languages");
                diagnostics.push(subject.diagnostic("E09", choice.line, what, "add it to `langs`, or choose another"));
            }
            continue;
        }
        match subject.flow.members(var) {
            None => {
                let what = format!("{at} sets {var}, which is no set of values");
                diagnostics.push(subject.diagnostic(
                    "E34",
                    choice.line,
                    what,
                    format!("add `{var} = [\"{value}\"]` to [enum]"),
                ));
            }
            Some((set, members)) if !members.contains(value) => {
                let near = closest_match(value, members.iter().map(|member| &**member));
                let remedy =
                    near.map_or_else(|| format!("add it to [enum] {set}"), |near| format!("did you mean {near}?"));
                diagnostics.push(subject.diagnostic(
                    "E09",
                    choice.line,
                    format!("{at}: {value} is no value of {set}"),
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
        let remedy = closest_match(var, stores)
            .map_or_else(|| "store it in an ask before".into(), |near| format!("did you mean {near}?"));
        diagnostics.push(subject.diagnostic(
            "E34",
            node.line,
            format!("lookup {}: nothing stores {var}", node.name),
            remedy,
        ));
    }
    let status = format!("{}.status", lookup.gives);
    let Some((set, members)) = subject.flow.members(&status) else { return };
    let homeless: Vec<&str> =
        Stage::ALL.map(Stage::code).into_iter().filter(|code| fit(code, members).is_none()).collect();
    if !homeless.is_empty() && &*lookup.source == "progress" {
        let what = format!("cases may be {}, for which {set} has no value", homeless.join(", "));
        diagnostics.push(subject.diagnostic(
            "W06",
            node.line,
            what,
            format!("add the value to [enum] {set}; until then such a case counts as `down`"),
        ));
    }
}

fn waiting(subject: &Subject<'_>, node: &Node, queue: &Queue, diagnostics: &mut Vec<Diagnostic>) {
    passed_on(subject, node, &queue.pass, diagnostics);
    skills(subject, node, &queue.skills, diagnostics);
    if queue.hint.is_some() && queue.choices.is_empty() {
        let what = format!("queue {}: the hint names keys, and no key works while waiting", node.name);
        diagnostics.push(subject.diagnostic("W16", node.line, what, "add `keys`, or remove `hint`"));
    }
    for choice in queue.choices.iter().filter(|choice| choice.go.target == Target::Repeat) {
        let what = format!("queue {}, key {} leads back into the queue", node.name, choice.key.as_char());
        diagnostics.push(subject.diagnostic("W16", choice.line, what, "lead it elsewhere, or remove it"));
    }
}

fn calling_back(subject: &Subject<'_>, node: &Node, callback: &Callback, diagnostics: &mut Vec<Diagnostic>) {
    passed_on(subject, node, &callback.pass, diagnostics);
    skills(subject, node, &callback.skills, diagnostics);
    if &*callback.number != CALLER && subject.flow.type_of(&callback.number) != Some(Type::Digits) {
        let what = format!("callback {}: nothing stores the number {}", node.name, callback.number);
        diagnostics.push(subject.diagnostic(
            "E34",
            node.line,
            what,
            "write `number = \"caller\"`, or the variable of an ask",
        ));
    }
    if subject.flow.called_back.is_none() {
        let what = format!("callback {}: the flow does not say where the call begins that is made then", node.name);
        let remedy = "write `called_back = \"NODE\"`, a menu with a key that leads to a queue";
        diagnostics.push(subject.diagnostic("E15", node.line, what, remedy));
    }
}

fn skills(subject: &Subject<'_>, node: &Node, skills: &[Arc<str>], diagnostics: &mut Vec<Diagnostic>) {
    let vars = skills.iter().filter_map(|name| name.strip_prefix('{').and_then(|name| name.strip_suffix('}')));
    for var in vars.filter(|var| *var != "lang" && subject.flow.members(var).is_none()) {
        let what = format!("{} {}: the skill {{{var}}} is no set of values", node.kind_name(), node.name);
        diagnostics.push(subject.diagnostic(
            "E34",
            node.line,
            what,
            format!("add {var} to [enum], or its type to [type]"),
        ));
    }
}

fn passed_on(subject: &Subject<'_>, node: &Node, pass: &[Arc<str>], diagnostics: &mut Vec<Diagnostic>) {
    for var in pass.iter().filter(|var| subject.flow.is_secret(var)) {
        let what = format!("{} {}: {var} is secret and must not be passed on", node.kind_name(), node.name);
        diagnostics.push(subject.diagnostic("E42", node.line, what, format!("remove {var} from `pass`")));
    }
}

fn hours_of(subject: &Subject<'_>, node: &Node, hours: &Hours, diagnostics: &mut Vec<Diagnostic>) {
    let Some(calendars) = subject.flow.calendars(hours) else {
        let var = hours.calendar.var().unwrap_or_default();
        let what = format!("hours {}: {var} is no set of values", node.name);
        let remedy = format!("add {var} to [enum], or its type to [type]");
        diagnostics.push(subject.diagnostic("E34", hours.calendar.line, what, remedy));
        return;
    };
    for name in calendars {
        calendar(subject, &name, node.line, diagnostics);
        if subject.calendar.desks.get(&name).is_some_and(|desk| desk.week.is_empty()) {
            let what = format!("hours {}: calendar {name:?} has no hours, so it is never open", node.name);
            diagnostics.push(subject.diagnostic("W09", node.line, what, format!("add `week` to [{name}]")));
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
        let remedy = closest_match(name, desks.keys().map(|key| &**key))
            .map_or_else(|| format!("add [{name}] to the calendar file"), |near| format!("did you mean {near}?"));
        diagnostics.push(subject.diagnostic("E46", line, format!("there is no calendar {name:?}"), remedy));
    }
}
