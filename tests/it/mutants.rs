//! Every small mistake of an editor: each line of the hotline's files left out or written twice, each name in it
//! mistyped. A mutant has a diagnostic, or `mutants/survivors.txt` lists it with the reason why it is correct.

use std::collections::BTreeSet;

use flow::{Environment, Release, Sources};
use inquiry::NumberError;

const FLOW: &str = include_str!("../../config/hotline/flow.toml");
const SCRIPT: &str = include_str!("../../prompts/script.toml");
const CALENDAR: &str = include_str!("../../config/calendar.toml");
const SURVIVORS: &str = include_str!("mutants/survivors.txt");

fn environment() -> Environment {
    Environment {
        receipt: Box::new(|_| Err(NumberError::Prefix)),
        receipt_formats: Vec::new(),
        desk_number: "96110110".into(),
    }
}

/// Every diagnostic, advice included, without its line: a line more or less moves them all.
fn told(flow: &str, script: &str, calendar: &str) -> BTreeSet<String> {
    let sources =
        Sources { flow: ("flow.toml", flow), script: ("script.toml", script), calendar: ("calendar.toml", calendar) };
    let diagnostics = match Release::load(sources, environment()) {
        Ok(release) => release.warnings.clone(),
        Err(diagnostics) => diagnostics,
    };
    diagnostics.iter().map(|diagnostic| format!("{} {}", diagnostic.code, diagnostic.message)).collect()
}

/// What was done to a file: in words, and the file after it.
type Mutant = (String, String);

fn mutants(name: &str, text: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mutants = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let with = |new: &[&str]| -> String {
            let mut all: Vec<&str> = lines[..at].to_vec();
            all.extend(new);
            all.extend(&lines[at + 1..]);
            all.join("\n") + "\n"
        };
        mutants.push((format!("without {bare}"), with(&[])));
        mutants.push((format!("twice {bare}"), with(&[line, line])));
        let sentences = name == "script";
        for (from, word) in names(line).into_iter().filter(|(from, _)| !(sentences && is_said(line, *from))) {
            let mistyped = format!("{}{word}x{}", &line[..from], &line[from + word.len()..]);
            mutants.push((format!("{word}x in {bare}"), with(&[&mistyped])));
        }
    }
    mutants
}

/// The names in a line, in quotes and bare, up to its comment: no sentences, no numbers.
fn names(line: &str) -> Vec<(usize, &str)> {
    let code = line.split(" #").next().unwrap_or(line);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    let mut from = 0;
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        if !is_name(c) {
            let word = &code[from..at];
            if word.starts_with(|c: char| c.is_ascii_alphabetic()) && !in_sentence(code, from) {
                names.push((from, word));
            }
            from = at + c.len_utf8();
        }
    }
    names
}

/// Whether a place lies in quotes that hold a sentence: another word in it is another sentence, and no slip.
fn in_sentence(code: &str, at: usize) -> bool {
    let open = code[..at].matches('"').count() % 2 == 1;
    let from = code[..at].rfind('"').map_or(0, |quote| quote + 1);
    let to = code[at..].find('"').map_or(code.len(), |quote| at + quote);
    open && code[from..to].contains([' ', '，', '。']) && !code[from..at].ends_with(['{', '.', ':'])
}

/// Whether a place of the script lies in words, and not in a slot.
fn is_said(line: &str, at: usize) -> bool {
    let before = &line[..at];
    before.matches('"').count() % 2 == 1 && before.rfind('{').is_none_or(|open| before[open..].contains(['}', '"']))
}

#[test]
fn every_mutant_has_a_diagnostic_or_is_correct() {
    let before = told(FLOW, SCRIPT, CALENDAR);
    let mut survivors = BTreeSet::new();
    let mut count = 0;
    for (name, text) in [("flow", FLOW), ("script", SCRIPT), ("calendar", CALENDAR)] {
        for (what, mutant) in mutants(name, text) {
            let pick = |own: &str, file: &'static str| if own == name { mutant.clone() } else { file.to_owned() };
            let after = told(&pick("flow", FLOW), &pick("script", SCRIPT), &pick("calendar", CALENDAR));
            count += 1;
            if after.difference(&before).next().is_none() {
                survivors.insert(format!("{name}: {}", without_comment(&what)));
            }
        }
    }
    let known: BTreeSet<String> = SURVIVORS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| without_comment(line.split(" ⇒ ").next().unwrap_or(line)).to_owned())
        .collect();
    let unknown: Vec<&String> = survivors.difference(&known).collect();
    assert!(count > 1500, "only {count} mutants");
    assert!(unknown.is_empty(), "{} of {count} mutants pass unnoticed:\n{}", unknown.len(), list(&unknown));
    let gone: Vec<&String> = known.difference(&survivors).collect();
    assert!(gone.is_empty(), "these have a diagnostic now, or are gone; take them off the list:\n{}", list(&gone));
}

/// A line of TOML without its comment: another comment is no other mutant.
fn without_comment(line: &str) -> &str {
    line.split(" # ").next().unwrap_or(line).trim_end()
}

fn list(mutants: &[&String]) -> String {
    mutants.iter().map(|line| format!("{line}\n")).collect()
}
