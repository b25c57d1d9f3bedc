//! What a duty officer and an engineer ask on the command line: `jindu status`, `calls`, `call` and `messages`.

use std::fs;
use std::time::Duration;

use base::Codec;
use rusqlite::Connection;
use serde_json::Value;
use support::command::{done, done_json, run, text, told};
use support::folder::Folder;
use support::gateway::{Gateway, jindu};
use support::phone::Phone;
use support::sound::clip;
use support::wait::{SOON, eventually};

const LONG: Duration = Duration::from_secs(40);

fn hears(phone: &mut Phone, id: &str) {
    assert!(phone.hears(&clip("en", id, Codec::Alaw), LONG), "{id} is heard");
}

#[test]
fn status_shows_the_node_and_without_one_the_folder() {
    let mut gateway = Gateway::start(&["queue=[]"]);
    let mut phone = Phone::dial(gateway.udp);
    let status = || done_json(&gateway.folder, &["status", "--json"]);
    let seen = status();
    assert_eq!((&seen["serving"], &seen["health"]["status"]), (&true.into(), &"ok".into()), "{seen}");
    assert_eq!((&seen["health"]["calls"], &seen["trunks"][0]["calls"]), (&1.into(), &1.into()));
    assert_eq!((&seen["emergency"], &seen["messages"]["waiting"]), (&false.into(), &0.into()));
    assert!(seen["serving_since"].as_str().is_some_and(|since| since.ends_with("+08:00")), "{seen}");
    assert!(seen["disk_free_bytes"].as_u64().is_some());
    done(&gateway.folder, &["emergency", "on"]);
    assert_eq!(status()["emergency"], true);
    let words = done(&gateway.folder, &["status"]);
    assert!(!words.contains("queue"), "without a queue nothing is said of one: {words}");
    let chinese = done(&gateway.folder, &["--lang", "zh", "status"]);
    if status()["health"]["troubles"].to_string().contains("calendar") {
        assert!(words.contains("the working calendar ends soon") && words.contains("[calendar]"), "{words}");
        assert!(chinese.contains("工作日历即将用完"), "{chinese}");
    }
    for name in ["lines", "trunk", "troubles", "disk"] {
        assert!(words.lines().any(|line| line.starts_with(name)), "{name} is in {words}");
    }
    phone.hang_up();
    gateway.keep_folder();
    let folder = Folder::at(gateway.folder.clone());
    gateway.kill();
    let seen = done_json(folder.path(), &["status", "--json"]);
    assert_eq!((&seen["serving"], &seen["health"], &seen["emergency"]), (&false.into(), &Value::Null, &true.into()));
    assert!(seen["replica_as_of"].as_str().is_some_and(|at| at.ends_with("+08:00")), "{seen}");
}

#[test]
fn status_of_an_empty_folder_creates_nothing() {
    let folder = Folder::new();
    assert_eq!(done_json(folder.path(), &["status", "--json"])["serving"], false);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    assert_eq!(run(folder.path(), &["calls"]).status.code(), Some(1));
    assert_eq!(run(folder.path(), &["call", "0a1b2c3d4e5f"]).status.code(), Some(1));
    assert_eq!(done_json(folder.path(), &["messages", "list", "--json"]), serde_json::json!([]));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn calls_are_counted_and_one_is_shown_step_by_step() {
    let gateway = Gateway::start(&[]);
    let (receipt, tail) = gateway.example("ready");
    let mut phone = Phone::dial(gateway.udp);
    phone.press(&format!("31{receipt}{}", tail.replace('X', "*")));
    hears(&mut phone, "prompt.st_ready.0");
    phone.hang_up();
    let folder = &gateway.folder;
    let counted = eventually(SOON, "the call is counted", || {
        let counted = done_json(folder, &["calls", "--hour", "--json"]);
        (counted["calls"] == 1).then_some(counted)
    });
    assert_eq!((&counted["outcomes"]["hung_up"], &counted["look_ups"]["found"]), (&1.into(), &1.into()), "{counted}");
    assert!(counted["answered_s_mean"].is_number() && counted["left_at"].as_object().is_some_and(|at| at.len() == 1));
    assert_eq!(done_json(folder, &["calls", "--failed", "--json"])["calls"], 0);
    assert_eq!(done_json(folder, &["calls", "--trunk", "local", "--json"])["trunks"]["local"], 1);
    assert_eq!(run(folder, &["calls", "--trunk", "nowhere"]).status.code(), Some(1));
    for wrong in [&["calls", "--since", "yesterday"], &["calls", "--lang", "fr"]] {
        assert_eq!(run(folder, wrong).status.code(), Some(64), "{wrong:?}");
    }
    let chinese = done(folder, &["calls", "--since", "2026-01-01", "--lang", "zh"]);
    let locale = jindu(folder).args(["calls", "--since", "2026-01-01"]).env("LC_ALL", "zh_CN.UTF-8").output();
    assert_eq!(text(&locale.expect("the program runs").stdout), chinese);
    assert_ne!(done(folder, &["calls", "--since", "2026-01-01", "--lang", "en"]), chinese);

    gateway.await_log("outcome");
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("outcome")).expect("the call's line");
    let tag = line.split("call=").nth(1).and_then(|rest| rest.split(' ').next()).expect("a tag");
    let call = done_json(folder, &["call", tag, "--json"]);
    assert_eq!(
        (call["call"].as_str(), &call["outcome"], &call["trunk"]),
        (Some(tag), &"hung_up".into(), &"local".into())
    );
    let steps = call["steps"].as_array().expect("steps");
    let step = |node: &str| steps.iter().find(|step| step["node"] == node).unwrap_or_else(|| panic!("{node}: {call}"));
    assert_eq!((&step("main")["kind"], &step("main")["way"]), (&"menu".into(), &Value::Null), "three keys lead there");
    assert_eq!(step("receipt")["way"], "key 1 progress");
    assert_eq!(step("find")["kind"], "lookup");
    assert_eq!(done_json(folder, &["call", phone.call_id(), "--json"]), call, "a Call-ID names it, too");
    assert_eq!(done_json(folder, &["call", "#1", "--json"]), call);
    let listed = done_json(folder, &["calls", "--list", "--json"]);
    let line = &listed[0];
    assert_eq!((line["call"].as_str(), &line["row"], &line["outcome"]), (Some(tag), &1.into(), &"hung_up".into()));
    assert_eq!(done_json(folder, &["calls", "--list", "--failed", "--json"]), serde_json::json!([]));
    assert!(done(folder, &["calls", "--list"]).contains(tag));
    let shown = done(folder, &["call", tag]);
    assert!(shown.contains("find") && !shown.contains(&receipt) && !shown.contains("13800138000"), "{shown}");
    assert_eq!(run(folder, &["call", "ffffffffffff"]).status.code(), Some(1));
}

#[test]
fn a_message_is_listed_played_done_and_exported() {
    let gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("34");
    hears(&mut phone, "prompt.complaint_ask");
    phone.say(&clip("en", "prompt.complaint_ask", Codec::Alaw));
    phone.has_said_all();
    phone.press("#");
    hears(&mut phone, "prompt.record_review");
    phone.press("1");
    hears(&mut phone, "prompt.number_consent");
    phone.press("1");
    hears(&mut phone, "prompt.complaint_ok.0");
    phone.hang_up();

    let folder = &gateway.folder;
    let list = || done_json(folder, &["messages", "list", "--json"]);
    let message = list()[0].clone();
    assert_eq!((&message["state"], &message["mailbox"]), (&"new".into(), &"complaints".into()), "{message}");
    assert!(message["length_s"].as_f64().is_some_and(|length| length > 1.0), "{message}");
    let ticket = message["ticket"].as_str().expect("a ticket");
    eventually(SOON, "it is counted", || gateway.metric("jindu_messages_waiting") == 1.0);
    let troubles = || gateway.health()["troubles"].to_string();
    assert!(!troubles().contains("\"messages\""));
    let journal = Connection::open(folder.join("journal.sqlite3")).expect("the journal");
    journal.execute("UPDATE messages SET at_us = at_us - 25 * 3600 * 1000000", []).expect("an older message");
    drop(journal);
    eventually(SOON, "it has waited too long", || troubles().contains("\"messages\""));
    assert!(gateway.metric("jindu_messages_oldest_seconds") > 86_400.0);
    assert_eq!(done_json(folder, &["status", "--json"])["messages"]["waiting"], 1);

    let out = Folder::new();
    let (wave, exported) = (out.join("message.wav"), out.join("exported"));
    let wave_word = wave.display().to_string();
    let play = ["messages", "play", ticket, "--who", "wang", "--out", &wave_word];
    done(folder, &play);
    assert!(fs::read(&wave).expect("a recording").starts_with(b"RIFF"));
    assert_eq!(run(folder, &play).status.code(), Some(1), "an existing file stays");
    assert_eq!(run(folder, &["messages", "play", "1"]).status.code(), Some(1));
    let played = done(folder, &["messages", "play", ticket, "--who", "wang"]);
    let (path, number) = played.trim().split_once('\n').expect("the recording and the number");
    assert_eq!((number, &message["number_kept"]), ("call back 13800138000", &true.into()));
    let bytes = [fs::read(folder.join("journal.sqlite3")), fs::read(folder.join("journal.sqlite3-wal"))];
    let kept = |bytes: &Vec<u8>| bytes.windows(11).any(|window| window == b"13800138000");
    assert!(!bytes.iter().flatten().any(kept), "the number is sealed");
    assert_eq!(fs::read(path).expect("the recording"), fs::read(&wave).expect("its copy"));

    done(folder, &["messages", "done", ticket, "--who", "li"]);
    let message = list()[0].clone();
    assert_eq!((&message["state"], &message["done_by"]), (&"done".into(), &"li".into()), "{message}");
    assert_eq!(done_json(folder, &["messages", "list", "--new", "--json"]), serde_json::json!([]));
    eventually(SOON, "none waits", || gateway.metric("jindu_messages_waiting") == 0.0);
    assert!(!troubles().contains("\"messages\""));

    let to = exported.display().to_string();
    done(folder, &["messages", "export", &to, "--who", "li"]);
    assert_eq!(fs::read(exported.join(format!("{ticket}.wav"))).expect("it"), fs::read(&wave).expect("its copy"));
    let table = fs::read_to_string(exported.join("messages.csv")).expect("a table");
    assert!(table.lines().count() == 2 && table.trim_end().ends_with(",13800138000"), "{table}");
    let again = run(folder, &["messages", "export", &to]);
    assert_eq!(again.status.code(), Some(1), "{}", told(&again));
    let chinese = done(folder, &["--lang", "zh", "audit"]);
    for action in ["播放留言", "留言标为已处理", "导出留言"] {
        assert!(chinese.contains(&action.to_string()) && !chinese.contains("message "), "{action} in {chinese}");
    }
    let audit = fs::read_to_string(folder.join("releases/audit.jsonl")).expect("the audit log");
    let entries: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let by: Vec<_> = entries.iter().map(|entry| (entry["what"].as_str(), entry["who"].as_str())).collect();
    let (played, finished) = (format!("message play {ticket}"), format!("message done {ticket}"));
    for expected in [(&*played, "wang"), (&*finished, "li"), ("message export 1", "li")] {
        assert!(by.contains(&(Some(expected.0), Some(expected.1))), "{expected:?} in {audit}");
    }
}
