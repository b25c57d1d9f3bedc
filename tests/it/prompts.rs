//! `jindu prompts …`: what there is to record, and archives that are made outside.

use std::fs;

use support::command::{done, done_json, run};
use support::folder::Folder;

#[test]
fn the_command_line_lists_what_is_to_be_recorded_and_plays_it() {
    let data = Folder::new();
    let told = done_json(data.path(), &["prompts", "coverage", "--json"]);
    let slots = told["slots"].as_array().expect("slots");
    assert!(slots.len() > 900);
    let digit = slots.iter().find(|slot| slot["lang"] == "yue" && slot["slot"] == "digit.f.7").expect("a digit");
    assert_eq!((digit["state"].as_str(), digit["variant"].as_str()), (Some("placeholder"), Some("f")));
    assert!(digit["before"].as_array().is_some_and(|before| !before.is_empty()), "{digit}");
    let table = done(data.path(), &["prompts", "coverage", "--spoken", "yue", "--missing"]);
    assert!(table.lines().count() > 300 && table.lines().rev().skip(1).all(|line| line.starts_with("yue")), "{table}");
    let wav = run(
        data.path(),
        &["prompts", "play", "yue/digit.f.7", "-", "--in-sentence", "--value", "receipt=440126112233457"],
    );
    let reader = hound::WavReader::new(&wav.stdout[..]).expect("a WAV on the standard output");
    assert_eq!(reader.spec().sample_rate, 8000);
    assert!(reader.duration() > 3 * 8000);
    let page = data.join("script.html");
    done(data.path(), &["prompts", "export", &page.display().to_string(), "--spoken", "en"]);
    assert!(fs::read_to_string(page).expect("a page").contains("prompt.bye"));
    for wrong in [
        &["prompts", "play", "yue/digit.f.77"][..],
        &["prompts", "approve", "000000000000"],
        &["prompts", "restore", "en/nothing"],
    ] {
        assert!(!run(data.path(), wrong).status.success(), "{wrong:?}");
    }
    assert_eq!(run(data.path(), &["prompts", "sing"]).status.code(), Some(64));
    assert_eq!(run(data.path(), &["prompts", "list", "--anyway"]).status.code(), Some(64));
}

#[test]
fn an_archive_made_outside_comes_in_whole() {
    let data = Folder::new();
    let archive = data.join("yue.zip").display().to_string();
    done(data.path(), &["prompts", "export", &archive, "--spoken", "yue", "--script"]);
    let untouched = done(data.path(), &["prompts", "import", &archive, "--who", "chen"]);
    assert!(untouched.contains("no new recording"), "{untouched}");
    let table = data.join("script.csv");
    done(data.path(), &["prompts", "export", &table.display().to_string(), "--spoken", "yue"]);
    let changed = fs::read_to_string(&table).expect("a table").replacen("七", "柒", 1);
    fs::write(&table, changed).expect("written");
    let told = done(data.path(), &["prompts", "import", &table.display().to_string()]);
    assert!(told.contains("柒") && told.contains("1 texts differ"), "{told}");
}

#[test]
fn a_recording_that_is_only_checked_is_not_stored() {
    let data = Folder::new();
    let takes = || done_json(data.path(), &["prompts", "takes", "zh/prompt.welcome", "--json"]);
    let recording = support::gateway::home().join("prompts/audio/zh/prompt.welcome.wav").display().to_string();
    let before = takes();
    done(data.path(), &["prompts", "import", &recording, "--slot", "zh/prompt.welcome", "--check"]);
    assert_eq!(takes(), before);
    let originals = fs::read_dir(data.join("studio/originals")).map_or(0, |files| files.count());
    assert_eq!(originals, 0);
    done(data.path(), &["prompts", "import", &recording, "--slot", "zh/prompt.welcome"]);
    assert_ne!(takes(), before);
}
