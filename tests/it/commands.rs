//! The commands of the program, run as an operator runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use support::certificates::Authority;
use support::folder::Folder;
use support::gateway::{Gateway, home, jindu};
use support::phone::Phone;
use support::sound::clip;

use base::Codec;

fn run(folder: &Folder, words: &[&str]) -> Output {
    ran(jindu(folder.path()).args(words))
}

fn ran(command: &mut Command) -> Output {
    command.output().expect("the program can be run")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One case as a line of a batch.
fn case(receipt: &str, stage: &str, version: u32) -> String {
    format!(
        "{{\"receipt\":\"{receipt}\",\"id_tail\":\"123X\",\"stage\":\"{stage}\",\"document\":\"passport\",\"case_type\":\"new\",\
         \"hall\":\"central\",\"accepted_on\":\"2026-01-05\",\"stage_on\":\"2026-01-06\",\"version\":{version}}}\n"
    )
}

const RECEIPT: &str = "440100000000001";

#[test]
fn help_names_every_command_and_a_wrong_one_exits_64() {
    let folder = Folder::new();
    let help = run(&folder, &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for command in ["serve", "check", "test", "lookup", "sample", "load", "prompts"] {
        assert!(out(&help).contains(command), "{command} is in {}", out(&help));
    }
    let wrong = run(&folder, &["dance"]);
    assert_eq!((wrong.status.code(), out(&wrong)), (Some(64), String::new()));
    assert!(err(&wrong).contains("dance") && err(&wrong).contains("--help"), "{}", err(&wrong));
}

#[test]
fn the_shipped_files_pass_the_check() {
    let folder = Folder::new();
    let check = run(&folder, &["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "a check writes nothing");
}

/// The closing hours are the office's, and no sentence makes up for them: what is said of them counts as a full hour.
#[test]
fn halls_that_do_not_close_on_the_hour_pass_the_check() {
    let folder = Folder::new();
    let shipped = fs::read_to_string(home().join("config/calendar.toml")).expect("the calendar");
    let path = folder.join("calendar.toml");
    for closing in ["17:30", "16:45", "23:57"] {
        fs::write(&path, shipped.replace("09:00-17:00", &format!("09:00-{closing}"))).expect("written");
        let check = run(&folder, &["check", "--set", &format!("hotline.calendar={}", path.display())]);
        assert_eq!(check.status.code(), Some(0), "{closing}: {}", err(&check));
    }
}

#[test]
fn a_command_without_its_subcommand_is_answered_with_help_and_no_error_in_chinese_too() {
    let folder = Folder::new();
    for command in ["agent", "messages", "studio"] {
        let told = err(&run(&folder, &["--lang", "zh", command]));
        assert!(!told.contains("错误") && told.contains("用法：") && told.contains("命令："), "{told}");
        assert!(!told.contains("[OPTIONS]") && !told.contains("Print "), "{told}");
    }
}

#[test]
fn all_wrong_settings_are_reported_at_once_and_nothing_starts() {
    let folder = Folder::new();
    let wrong = ["--set", "phone.calls_max=0", "--set", "web.clear_warning_s=5", "--set", "phone.colour=red"];
    for command in ["serve", "check"] {
        let output = run(&folder, &[&[command][..], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(64));
        // A check has remarks, too.
        assert!(command == "check" || out(&output).is_empty(), "{}", out(&output));
        for key in ["phone.calls_max", "web.clear_warning_s", "phone.colour"] {
            assert!(err(&output).contains(key), "{key} is in {}", err(&output));
        }
        assert!(err(&output).lines().last().is_some_and(|line| line.starts_with("3 ")), "{}", err(&output));
    }
    let missing = run(&folder, &["--config", "no/such/file.toml", "check"]);
    assert_eq!(missing.status.code(), Some(64));
    assert!(err(&missing).contains("--config"), "{}", err(&missing));
}

#[test]
fn hours_of_call_backs_that_no_calendar_has_are_remarked_on_and_an_error_once_there_is_a_line() {
    let folder = Folder::new();
    let hours = ["check", "--set", "call_back.hours=nosuch"];
    let without = run(&folder, &hours);
    assert_eq!(without.status.code(), Some(0), "{}", err(&without));
    assert!(out(&without).contains("call_back.hours") || err(&without).contains("call_back.hours"));
    let line = ["--set", "call_back.dial=sip:{number}@127.0.0.1", "--set", "call_back.allow=[\"8XX\"]"];
    let with = run(&folder, &[&hours[..], &line].concat());
    assert_eq!(with.status.code(), Some(64), "{}", out(&with));
    assert!(err(&with).contains("call_back.hours"), "{}", err(&with));
}

#[test]
fn a_missing_recording_fails_the_check_by_its_name() {
    let folder = Folder::new();
    let audio = folder.join("audio");
    link_all(&home().join("prompts/audio"), &audio);
    let setting = format!("hotline.audio={}", audio.display());
    let whole = run(&folder, &["--set", &setting, "check"]);
    assert_eq!(whole.status.code(), Some(0), "{}", err(&whole));
    fs::remove_file(audio.join("yue/prompt.bye.wav")).expect("the recording is there");
    for command in ["check", "serve"] {
        let output = run(&folder, &["--set", &setting, command]);
        assert_eq!(output.status.code(), Some(64), "{}", out(&output));
        assert!(err(&output).contains("prompt.bye") && err(&output).contains("yue"), "{}", err(&output));
    }
}

/// A copy of a folder without copying what the files hold.
fn link_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("the recordings are there") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            link_all(&path, &target);
        } else {
            std::os::unix::fs::symlink(&path, &target).expect("a link can be made");
        }
    }
}

#[test]
fn a_sample_is_the_same_for_a_seed_and_another_for_another() {
    let folder = Folder::new();
    let sample = |seed: &str| {
        let output = run(&folder, &["sample", "--cases", "200", "--seed", seed, "--out", "-"]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let text = out(&output);
        let (header, cases) = text.split_once('\n').expect("a header");
        assert!(header.contains("\"cases\":200"), "{header}");
        assert_eq!(cases.lines().count(), 200);
        cases.to_owned()
    };
    let first = sample("7");
    assert_eq!(first, sample("7"));
    assert_ne!(first, sample("8"));
    for line in first.lines() {
        let case: Value = serde_json::from_str(line).expect("one JSON object a line");
        assert!(case["receipt"].as_str().expect("a receipt").starts_with("4401"));
    }
    let file = folder.join("cases.jsonl").display().to_string();
    let written = run(&folder, &["sample", "--cases", "200", "--seed", "7", "--out", &file]);
    assert_eq!(written.status.code(), Some(0), "{}", err(&written));
    assert!(fs::read_to_string(&file).expect("the file").ends_with(&first));
    assert_eq!(run(&folder, &["sample"]).status.code(), Some(64), "a sample needs a place to go");
}

#[test]
fn cases_are_loaded_and_looked_up_without_a_serving_node() {
    let folder = Folder::new();
    let file = folder.file(
        "cases.jsonl",
        &format!("{{\"batch\":{{\"as_of\":\"2026-01-06T08:00:00Z\"}}}}\n{}", case(RECEIPT, "ready", 1)),
    );
    let loaded = run(&folder, &["load", &file]);
    assert_eq!(loaded.status.code(), Some(0), "{}", err(&loaded));
    let right = run(&folder, &["lookup", RECEIPT, "--tail", "123X"]);
    assert_eq!(right.status.code(), Some(0), "{}", err(&right));
    let wrong = run(&folder, &["lookup", RECEIPT, "--tail", "1234"]);
    let unknown = run(&folder, &["lookup", "440100000000009", "--tail", "123X"]);
    assert_eq!((wrong.status.code(), unknown.status.code()), (Some(1), Some(1)));
    assert_eq!((out(&wrong), err(&wrong)), (out(&unknown), err(&unknown)), "both answers are the same");
    assert_eq!(run(&folder, &["lookup", "12345"]).status.code(), Some(64), "not a receipt number");
    assert_eq!(run(&folder, &["lookup", RECEIPT, "--tail", "1"]).status.code(), Some(64), "not a tail");
    let torn = folder.file("torn.jsonl", "{\"receipt\":\n");
    assert_eq!(run(&folder, &["load", &torn]).status.code(), Some(1));
    assert_eq!(run(&folder, &["load", "no/such/file"]).status.code(), Some(1));
}

#[test]
fn a_look_up_without_a_replica_creates_nothing() {
    let folder = Folder::new();
    let looked = run(&folder, &["lookup", RECEIPT, "--tail", "123X"]);
    assert_eq!(looked.status.code(), Some(1), "{}", err(&looked));
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn an_authority_of_a_trunk_that_cannot_be_read_is_an_error() {
    let folder = Folder::new();
    let node = Authority::new(&folder.join("authority")).certify("node", "DNS:sip.test", 60);
    let tls = [
        "phone.listen=127.0.0.1:5060,tls:127.0.0.1:5061".to_owned(),
        format!("phone.tls.certificate={}", node.certificate.display()),
        format!("phone.tls.key={}", node.key.display()),
    ];
    let broken = format!("trunk.local.ca_file={}", folder.file("ca.pem", "not PEM"));
    for set in [broken.as_str(), "trunk.local.ca_file=/no/such/file"] {
        let checked = run(&folder, &["check", "--set", set, "--set", &tls[0], "--set", &tls[1], "--set", &tls[2]]);
        assert_eq!(checked.status.code(), Some(64), "{}", err(&checked));
        assert!(err(&checked).contains("trunk.local.ca_file"), "{}", err(&checked));
        assert!(!err(&checked).contains("no effect"), "{}", err(&checked));
    }
}

#[test]
fn a_case_loaded_or_changed_while_serving_is_answered_at_once_by_telephone_and_kiosk() {
    let gateway = Gateway::start(&[]);
    let now = || jiff::Timestamp::now().to_string();
    let load = |name: &str, stage: &str, version: u32| {
        let file = gateway.folder.join(name);
        let text = format!("{{\"batch\":{{\"as_of\":\"{}\"}}}}\n{}", now(), case(RECEIPT, stage, version));
        fs::write(&file, text).expect("a file can be written");
        let loaded = ran(jindu(&gateway.folder).arg("load").arg(&file));
        assert_eq!(loaded.status.code(), Some(0), "{}", err(&loaded));
    };
    assert_eq!(gateway.scan(RECEIPT)["found"], false, "and that is remembered");
    let mut heard = String::new();
    for (version, stage) in [(1, "production"), (2, "ready"), (3, "collected")] {
        load(&format!("cases-{version}.jsonl"), stage, version);
        let reply = gateway.scan(RECEIPT);
        assert_eq!((&reply["found"], &reply["stage"]), (&Value::from(true), &Value::from(stage)));
        let told = ran(jindu(&gateway.folder).args(["lookup", RECEIPT, "--tail", "123x"]));
        assert_eq!(told.status.code(), Some(0), "{}", err(&told));
        // What a caller hears is worded otherwise than what the screen shows; each state differs from the one before.
        assert_eq!(out(&told).lines().filter(|line| line.starts_with("en ")).count(), 1, "{}", out(&told));
        assert!(out(&told).contains("passport") && out(&told) != heard, "{}", out(&told));
        heard = out(&told);
    }
    let mut phone = Phone::dial(gateway.udp);
    phone.press(&format!("31{RECEIPT}123*"));
    assert!(phone.hears(&clip("en", "prompt.st_collected.0", Codec::Alaw), Duration::from_secs(40)));
    phone.hang_up();
}

#[test]
fn a_case_with_a_word_that_the_flow_lacks_is_answered_by_its_state_alone_and_raises_an_alarm() {
    let gateway = Gateway::start(&[]);
    let file = gateway.folder.join("mars.jsonl");
    let unknown = case(RECEIPT, "ready", 1).replace("\"central\"", "\"mars\"");
    let text = format!("{{\"batch\":{{\"as_of\":\"{}\"}}}}\n{unknown}", jiff::Timestamp::now());
    fs::write(&file, text).expect("a file can be written");
    let loaded = ran(jindu(&gateway.folder).arg("load").arg(&file));
    assert_eq!(loaded.status.code(), Some(0), "{}", err(&loaded));
    assert!(out(&loaded).lines().count() == 2, "the second line says that the sample ends: {}", out(&loaded));
    let reply = gateway.scan(RECEIPT);
    assert_eq!(reply["stage"], "ready", "{reply}");
    for lang in ["zh", "yue", "en"] {
        assert!(reply["wording"][lang].as_str().is_some_and(|words| !words.is_empty()), "{reply}");
    }
    let looked = ran(jindu(&gateway.folder).args(["lookup", RECEIPT]));
    assert!(looked.status.code() == Some(1) && err(&looked).contains("mars"), "{}", err(&looked));
    let health = gateway.health();
    assert!(health["alarms"].as_array().is_some_and(|kinds| kinds.contains(&"unknown_word".into())), "{health}");
}

/// Not every office says which waybill it is, or which documents are missing.
#[test]
fn a_posted_case_without_a_waybill_and_a_supplement_without_its_documents_are_told_by_their_state() {
    let folder = Folder::new();
    for (version, stage, said) in [(1, "supplement", "further documents needed"), (2, "posted", "posted")] {
        let text =
            format!("{{\"batch\":{{\"as_of\":\"{}\"}}}}\n{}", jiff::Timestamp::now(), case(RECEIPT, stage, version));
        let file = folder.file(&format!("cases-{version}.jsonl"), &text);
        assert_eq!(run(&folder, &["load", &file]).status.code(), Some(0));
        let told = out(&run(&folder, &["lookup", RECEIPT]));
        let of = |lang: &str| told.lines().find(|line| line.starts_with(lang)).unwrap_or_default().len();
        assert!(told.contains(said) && of("zh") > 10 && of("yue") > 10, "{told}");
    }
}

#[test]
fn a_time_limit_of_a_document_that_the_flow_lacks_fails_the_check() {
    let folder = Folder::new();
    let shipped = fs::read_to_string(home().join("config/jindu.toml")).expect("the settings");
    let path = folder.join("jindu.toml");
    let written = shipped.replace("document = \"passport\"", "document = \"pasport\"");
    assert_ne!(written, shipped);
    fs::write(&path, written).expect("written");
    let checked = run(&folder, &["--config", &path.display().to_string(), "check"]);
    assert_eq!(checked.status.code(), Some(64), "{}", out(&checked));
    assert!(err(&checked).contains("pasport"), "{}", err(&checked));
}

#[test]
fn a_second_node_on_one_data_folder_is_refused_and_leaves_the_first_alone() {
    let gateway = Gateway::start(&[]);
    let mut second = jindu(&gateway.folder);
    second.args(["--set", "phone.listen=127.0.0.1:0", "--set", "web.listen=127.0.0.1:0"]);
    let refused = ran(&mut second);
    assert_eq!(refused.status.code(), Some(1), "{}", out(&refused));
    assert!(!out(&refused).contains("ready "), "{}", out(&refused));
    assert!(err(&refused).contains(&gateway.folder.display().to_string()), "{}", err(&refused));
    assert_eq!(gateway.http("GET", "/health", "").0, 200);
}
