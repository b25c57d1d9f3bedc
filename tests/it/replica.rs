//! `jindu replica …` beside a node that serves and without one, and a copy that ages and is healed.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use support::command::{done, done_json, run, told};
use support::folder::Folder;
use support::gateway::Gateway;
use support::wait::{SOON, eventually};

const RECEIPT: &str = "440100000000123";

fn batch(age: SignedDuration, cases: &[String]) -> String {
    let as_of = Timestamp::now() - age;
    let header = format!("{{\"batch\":{{\"as_of\":\"{as_of}\"}}}}\n");
    header + &cases.join("\n") + "\n"
}

fn case(version: u32, stage: &str) -> String {
    format!(
        r#"{{"receipt":"{RECEIPT}","id_tail":"123X","stage":"{stage}","document":"passport","case_type":"new","hall":"north","accepted_on":"2026-11-02","stage_on":"2026-11-04","version":{version}}}"#
    )
}

fn load(folder: &Path, text: &str) {
    let batch = Folder::new();
    done(folder, &["load", &batch.file("batch.ndjson", text)]);
}

fn status(folder: &Path) -> Value {
    done_json(folder, &["replica", "status", "--json"])
}

#[test]
fn the_status_is_printed_with_and_without_a_node_in_words_and_in_json() {
    let kept = Folder::new();
    let folder = kept.path();
    let none = run(folder, &["replica", "status"]);
    assert_eq!(none.status.code(), Some(1), "{}", told(&none));
    load(folder, &batch(SignedDuration::from_hours(8), &[case(1, "review"), "{\"receipt\":\"1\"}".into()]));
    let alone = status(folder);
    assert_eq!((&alone["serving"], &alone["cases"], &alone["quarantined"]), (&false.into(), &1.into(), &1.into()));
    let gateway = Gateway::start_in(folder.to_owned(), &["data.sample_cases=0"]);
    let served = status(folder);
    assert_eq!(served["serving"], true);
    let age = served["age_s"].as_u64().expect("an age");
    assert!((28_800..28_900).contains(&age), "{age}");
    let words = told(&run(folder, &["replica", "status"]));
    assert!(words.contains("8 h 0 min") && words.contains("quarantine   1 rows"), "{words}");
    assert_eq!(gateway.metric("jindu_replica_held"), 0.0);
}

#[test]
fn an_old_copy_says_its_age_a_very_old_one_transfers_and_a_new_batch_ends_both() {
    let kept = Folder::new();
    let folder = kept.path();
    load(folder, &batch(SignedDuration::from_hours(8), &[case(1, "review")]));
    let gateway = Gateway::start_in(folder.to_owned(), &["data.sample_cases=0"]);
    let answer = gateway.scan(RECEIPT);
    assert_eq!((&answer["found"], &answer["stale"]), (&true.into(), &true.into()), "{answer}");
    assert_eq!(gateway.health()["status"], "stale");
    load(folder, &batch(SignedDuration::from_hours(72), &[]));
    assert_eq!(gateway.scan(RECEIPT)["unavailable"], true);
    load(folder, &batch(SignedDuration::ZERO, &[case(2, "ready")]));
    let answer = gateway.scan(RECEIPT);
    assert_eq!((&answer["found"], &answer["stale"]), (&true.into(), &false.into()), "{answer}");
    assert_eq!(gateway.health()["status"], "ok");
    // The page's numbers are carried over once a second.
    eventually(SOON, "a young age on the page", || match gateway.metric("jindu_replica_age_seconds") {
        age if age < 60.0 => Ok(()),
        age => Err(age.to_string()),
    });
}

#[test]
fn verify_finds_a_flipped_bit_exits_1_and_informs_the_serving_node() {
    let kept = Folder::new();
    let folder = kept.path();
    let cases: Vec<String> = (0..400).map(|n| case(1, "review").replace("0123", &format!("{n:04}"))).collect();
    load(folder, &batch(SignedDuration::ZERO, &cases));
    let sound = done_json(folder, &["replica", "verify", "--json"]);
    assert_eq!((&sound["rows"], &sound["damaged_rows"]), (&400.into(), &0.into()), "{sound}");
    let path = folder.join("replica.sqlite3");
    let bytes = std::fs::read(&path).expect("the replica");
    // The old place of a row on a split page is free space, so the test searches for a page whose byte is in a row.
    let is_a_rows = |page: usize| {
        let (mut bytes, place) = (bytes.clone(), bytes.len() - 100 - 4096 * page);
        bytes[place] ^= 1;
        std::fs::write(&path, bytes).expect("writable");
        let report = run(folder, &["replica", "verify", "--json"]).stdout;
        serde_json::from_slice::<Value>(&report).expect("JSON")["damaged_rows"] == 1
    };
    assert!((0..8).any(is_a_rows));
    let gateway = Gateway::start_in(folder.to_owned(), &["data.sample_cases=0", "replica.scrub_rows_per_s=10"]);
    let damaged = run(folder, &["replica", "verify", "--json"]);
    assert_eq!(damaged.status.code(), Some(1), "{}", told(&damaged));
    let report: Value = serde_json::from_slice(&damaged.stdout).expect("JSON");
    assert_eq!((&report["ok"], &report["damaged_rows"]), (&false.into(), &1.into()), "{report}");
    let served = status(folder);
    assert_eq!(served["rebuild_wanted"], true, "{served}");
    gateway.await_log("damaged");
}

#[test]
fn a_damaged_sample_is_made_again_at_the_next_start() {
    let kept = Folder::new();
    let folder = kept.path();
    let gateway = Gateway::start_in(folder.to_owned(), &[]);
    let (receipt, _) = gateway.example("ready");
    gateway.kill();
    std::fs::write(folder.join("replica.sqlite3"), b"no replica ".repeat(1_000)).expect("writable");
    let damaged = run(folder, &["replica", "status"]);
    assert_eq!(damaged.status.code(), Some(1), "{}", told(&damaged));
    let gateway = Gateway::start_in(folder.to_owned(), &[]);
    assert_eq!(gateway.scan(&receipt)["stage"], "ready");
    let warns = |line: &str| line.contains("WARN") && line.contains("cases=2000");
    eventually(SOON, "a warning that it was made again", || gateway.log().lines().any(warns));
    let served = status(folder);
    assert_eq!((&served["cases"], &served["rebuild_wanted"]), (&2000.into(), &false.into()), "{served}");
    assert!(folder.join("replica.sqlite3.damaged").exists());
}

#[test]
fn quarantined_rows_are_listed_without_their_values_and_can_be_dropped() {
    let kept = Folder::new();
    let folder = kept.path();
    let bad = case(1, "review").replace("\"review\"", "\"mislaid\"");
    load(folder, &batch(SignedDuration::ZERO, &[bad, case(1, "review").replace("0123", "0131")]));
    let list = told(&run(folder, &["replica", "quarantine"]));
    assert!(list.contains("batch.ndjson:2"), "{list}");
    assert!(!list.contains("4401") && !list.contains("123X"), "{list}");
    let rows = || done_json(folder, &["replica", "quarantine", "list", "--json"]);
    assert_eq!((&rows()[0]["id"], &rows()[0]["tries"]), (&"batch.ndjson:2".into(), &0.into()), "{}", rows());
    done(folder, &["replica", "quarantine", "retry"]);
    assert_eq!(rows()[0]["tries"], 1, "{}", rows());
    done(folder, &["replica", "quarantine", "drop", "batch.ndjson:2"]);
    assert_eq!(rows(), Value::Array(Vec::new()));
    assert_eq!(done_json(folder, &["replica", "held", "--json"]), Value::Null);
    assert_eq!(run(folder, &["replica", "heldd"]).status.code(), Some(64));
}
