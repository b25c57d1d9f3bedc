//! Every call sheet of the hotline and of the example flow, in text on virtual time.

use std::sync::Arc;
use std::time::Instant;

use flow::sheet;
use flow::{Environment, Release, Sources};
use inquiry::{CheckDigit, NumberError, ReceiptFormat, SecondFactor};
use support::gateway::home;

/// The sample office's format: 15 digits that begin with 4401.
fn environment() -> Environment {
    let format = ReceiptFormat {
        name: "city".into(),
        length: 15,
        prefix: "4401".into(),
        groups: vec![4, 4, 4, 3],
        check: CheckDigit::None,
        second_factor: SecondFactor::IdTail,
    };
    let receipt = |typed: &str| match typed.len() {
        15 if typed.starts_with("4401") => Ok((typed.to_string(), vec![4, 4, 4, 3])),
        15 => Err(NumberError::Prefix),
        got => Err(NumberError::Length { expected: 15, got }),
    };
    Environment { receipt: Box::new(receipt), receipt_formats: vec![format], desk_number: "96110110".into() }
}

fn read(path: &str) -> String {
    let path = home().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn release(flow: &str, script: &str, calendar: &str) -> Arc<Release> {
    let (flow_text, script_text, calendar_text) = (read(flow), read(script), read(calendar));
    let sources =
        Sources { flow: (flow, &flow_text), script: (script, &script_text), calendar: (calendar, &calendar_text) };
    Release::load(sources, environment()).unwrap_or_else(|diagnostics| {
        let told: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        panic!("{}", told.join("\n"))
    })
}

fn hotline() -> Arc<Release> {
    release("config/hotline/flow.toml", "prompts/script.toml", "config/calendar.toml")
}

fn example() -> Arc<Release> {
    release("tests/flows/example/flow.toml", "tests/flows/example/prompts.toml", "tests/flows/example/calendar.toml")
}

fn passes(release: &Arc<Release>, path: &str) -> usize {
    let sheet = sheet::parse(&read(path), path).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
    let outcomes = sheet::run(release, &sheet, Instant::now());
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| {
            let failure = outcome.failure.as_ref()?;
            Some(format!(
                "{path}:{}: {:?}: {}\n  {}",
                failure.line,
                outcome.name,
                failure.what,
                outcome.transcript.join("\n  ")
            ))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    outcomes.len()
}

#[test]
fn the_hotline_keeps_every_call_sheet() {
    let release = hotline();
    let folder = home().join("config/hotline/calls");
    let mut calls = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of call sheets") {
        let name = entry.expect("a folder that can be read").file_name();
        calls += passes(&release, &format!("config/hotline/calls/{}", name.to_string_lossy()));
    }
    assert!(calls >= 30, "only {calls} calls");
}

#[test]
fn the_example_flow_keeps_its_call_sheet() {
    assert_eq!(passes(&example(), "tests/flows/example/hotline.call"), 13);
}

/// Lines of other offices: other names, other languages, every kind of node.
#[test]
fn other_offices_flows_keep_their_call_sheets() {
    for (name, tests) in [("water", 15), ("lamp", 3)] {
        let file = |file: &str| format!("tests/flows/{name}/{file}");
        let release = release(&file("flow.toml"), &file("words.toml"), &file("days.toml"));
        assert_eq!(passes(&release, &file(&format!("{name}.call"))), tests);
        let codes: Vec<&str> = release.warnings.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, Vec::<&str>::new(), "{:#?}", release.warnings);
    }
}

#[test]
fn both_flows_are_clean_but_for_advice() {
    for release in [hotline(), example()] {
        let told: Vec<String> = release.warnings.iter().map(ToString::to_string).collect();
        println!("{}", told.join("\n"));
        assert!(release.warnings.iter().all(|diagnostic| diagnostic.code.starts_with('W')));
    }
}

/// The option that config/hotline/README.md teaches to add.
#[test]
fn the_lesson_of_the_readme_works() {
    let flow = read("config/hotline/flow.toml").replacen(
        "[say.hall]",
        "keys.6 = { opt = \"parking\", go = \"parking\" }\n[say.parking]\nsay = \"parking\"\nnext = \"halls\"\n[say.hall]",
        1,
    );
    let script = read("prompts/script.toml")
        .replacen("[opt]\n", "[opt]\nparking = { zh = \"停车信息\", yue = \"泊車資料\", en = \"parking\" }\n", 1)
        .replacen(
            "[prompt.bye]",
            "[prompt.parking]\nzh = \"中心大厅地下一层可以停车。\"\nyue = \"中心大廳地庫一層可以泊車。\"\nen = \"You can park below the Central Hall.\"\n[prompt.bye]",
            1,
        );
    let calendar = read("config/calendar.toml");
    let sources = Sources {
        flow: ("flow.toml", &flow),
        script: ("script.toml", &script),
        calendar: ("calendar.toml", &calendar),
    };
    let release = Release::load(sources, environment()).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
    let calls = "test \"parking\"\n  press 13\n  hear menu halls\n  press 6\n  hear parking zh \"停车\"\n";
    let outcomes = sheet::run(&release, &sheet::parse(calls, "parking.call").expect("a sheet"), Instant::now());
    assert_eq!(outcomes[0].failure, None);
}
