//! What lies in the data folder: who may read it, what is kept in clear, and what a wrong clock or a broken folder of
//! releases does to it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use support::command::{add_approver, done, done_json, run, run_with, text, told};
use support::folder::Folder;
use support::gateway::{Gateway, jindu};
use support::phone::Phone;
use support::wait::eventually;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        if path.is_dir() && !path.is_symlink() {
            found.extend(fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        }
    }
    found
}

#[test]
fn a_lax_data_folder_is_repaired_and_nothing_in_it_is_for_others() {
    let folder = Folder::new();
    let lax = folder.join("journal.sqlite3.old");
    fs::write(&lax, "records").expect("written");
    for (path, mode) in [(&lax, 0o644), (&folder.path().to_owned(), 0o755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    }
    let gateway = Gateway::start_in(folder.path().to_owned(), &["studio.allow=127.0.0.1/32"]);
    gateway.await_log("data_folder_repaired");
    let others: Vec<PathBuf> = everything(&gateway.folder).into_iter().filter(|path| mode(path) & 0o077 != 0).collect();
    assert_eq!(others, Vec::<PathBuf>::new());
    assert!(everything(&gateway.folder).len() > 5);
}

#[test]
fn the_first_passwords_go_to_a_private_file_and_not_to_what_reads_the_output() {
    let gateway = Gateway::start(&["studio.allow=127.0.0.1/32"]);
    let file = gateway.folder.join("studio/initial-passwords");
    let text = fs::read_to_string(&file).expect("written");
    assert_eq!(mode(&file), 0o600);
    let password = text.split("password  ").nth(1).or_else(|| text.split("password ").nth(1)).expect("a password");
    let password = password.split_whitespace().next().expect("a password");
    assert!(!gateway.banner.contains(password) && gateway.banner.contains("studio/initial-passwords"));
}

#[test]
fn the_first_passwords_outlive_a_start_that_fails() {
    let folder = support::gateway::temporary_folder("passwords");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let even = taken.local_addr().expect("bound").port() & !1;
    let ports = format!("phone.media_ports={even}-{}", even + 1);
    let set = ["serve", "--set", "phone.listen=udp:127.0.0.1:0", "--set", "web.listen=127.0.0.1:0", "--set", &ports];
    let failed = run(&folder, &set);
    assert_eq!(failed.status.code(), Some(1), "{}", told(&failed));
    assert!(told(&failed).contains(&format!("phone.media_ports, {even}-{}", even + 1)), "{}", told(&failed));
    let kept = fs::read_to_string(folder.join("studio/initial-passwords")).expect("kept");
    assert_eq!(kept.lines().count(), 5);
    let gateway = Gateway::start_in(folder, &[]);
    assert!(gateway.banner.contains("studio/initial-passwords"), "{}", gateway.banner);
    assert_eq!(fs::read_to_string(gateway.folder.join("studio/initial-passwords")).ok(), Some(kept));
}

#[test]
fn a_backup_of_a_serving_node_is_a_data_folder_that_a_node_serves_from() {
    let mut gateway = Gateway::start(&[]);
    let mut phone = Phone::dial(gateway.udp);
    phone.press("3");
    phone.hang_up();
    eventually(Duration::from_secs(10), "the call is recorded", || gateway.metric("jindu_calls_in_progress") == 0.0);
    add_approver(&gateway.folder, "wang");
    done(&gateway.folder, &["emergency", "on", "--who", "wang"]);
    let place = Folder::new();
    let copy = place.join("copy");
    let listed = done(&gateway.folder, &["backup", &copy.display().to_string()]);
    assert!(listed.contains("config/jindu.toml"), "{listed}");
    assert_eq!(run(&gateway.folder, &["backup", &copy.display().to_string()]).status.code(), Some(1));
    let (receipt, _) = gateway.example("ready");
    let stage = gateway.scan(&receipt)["stage"].clone();
    gateway.signal("TERM");
    gateway.wait(Duration::from_secs(10));
    // The password's file is the test's own.
    let own = copy.join("wang.password");
    let others = everything(&copy).into_iter().filter(|path| *path != own && mode(path) & 0o077 != 0);
    assert_eq!(others.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    let restored = Gateway::start_in(copy, &[]);
    assert_eq!(restored.scan(&receipt)["stage"], stage);
    let status = done_json(&restored.folder, &["status", "--json"]);
    assert_eq!(status["emergency"], true, "{status}");
    assert_eq!(done_json(&restored.folder, &["calls", "--json"])["calls"], 1);
    assert!(done(&restored.folder, &["studio", "account", "list"]).contains("wang"));
    assert_eq!(run(&restored.folder, &["replica", "verify"]).status.code(), Some(0));
}

#[test]
fn releases_that_cannot_be_read_stop_the_start_and_the_working_files_do_not_stand_in() {
    let folder = Folder::new();
    fs::write(folder.join("releases"), "no folder").expect("written");
    assert_eq!(run(folder.path(), &["serve", "--set", "web.listen=127.0.0.1:0"]).status.code(), Some(64));
    fs::remove_file(folder.join("releases")).expect("removed");
    fs::create_dir(folder.join("releases")).expect("made");
    fs::write(folder.join("releases/live"), "0".repeat(64)).expect("written");
    let refused = run(folder.path(), &["serve", "--set", "web.listen=127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(64), "{}", told(&refused));
}

#[test]
fn an_approver_signs_what_callers_hear() {
    let data = Folder::new();
    let file = add_approver(data.path(), "wang").display().to_string();
    let wrong = data.file("wrong", "another password\n");
    let refused = run(data.path(), &["prompts", "publish", "--who", "wang", "--password-file", &wrong]);
    assert_eq!(refused.status.code(), Some(64));
    let without = run(data.path(), &["prompts", "approve", "all", "--who", "wang"]);
    assert_eq!(without.status.code(), Some(64), "{}", told(&without));
    let stranger = run(data.path(), &["prompts", "approve", "all", "--who", "li", "--password-file", &file]);
    assert_eq!(stranger.status.code(), Some(64));
    done(data.path(), &["prompts", "approve", "all", "--who", "wang", "--password-file", &file]);
}

#[test]
fn a_command_takes_no_password_that_another_person_chose() {
    let data = Folder::new();
    let first = data.file("first", "nine blue umbrellas\n");
    let own = data.file("own", "eight red kettles\n");
    let added = run_with(
        data.path(),
        &["studio", "account", "add", "wang", "--role", "approver"],
        &["nine blue umbrellas", ""],
    );
    assert!(added.status.success(), "{}", told(&added));
    for words in [["prompts", "approve", "all"].as_slice(), &["publish"], &["rollback"]] {
        let words = [words, &["--who", "wang", "--password-file", &first]].concat();
        let refused = run(data.path(), &words);
        assert!(!refused.status.success() && text(&refused.stderr).contains("jindu studio passwd wang"), "{words:?}");
    }
    let passwd = |old: &str, new: &str| {
        run(data.path(), &["studio", "passwd", "wang", "--password-file", old, "--new-password-file", new])
            .status
            .code()
    };
    assert_eq!(passwd(&first, &first), Some(64), "it must be another one");
    assert_eq!(passwd(&own, &own), Some(64), "the present one is asked for");
    assert_eq!(passwd(&first, &own), Some(0));
    done(data.path(), &["prompts", "approve", "all", "--who", "wang", "--password-file", &own]);
}

#[test]
fn a_publication_of_the_flow_names_a_person_and_proves_it_where_there_are_accounts() {
    let data = Folder::new();
    let unnamed = run(data.path(), &["publish", "--why", "first"]);
    assert_eq!(unnamed.status.code(), Some(64), "{}", told(&unnamed));
    done(data.path(), &["publish", "--who", "Li Min", "--why", "first"]);
    let releases = done(data.path(), &["releases"]);
    assert!(releases.contains("Li Min (no account, uid "), "{releases}");
    let file = add_approver(data.path(), "wang").display().to_string();
    let wrong = data.file("wrong", "another password\n");
    for words in [["publish"].as_slice(), &["rollback", "0000"]] {
        for by in [["--who", "Li Min"].as_slice(), &["--who", "wang"], &["--who", "wang", "--password-file", &wrong]] {
            let refused = run(data.path(), &[words, by].concat());
            assert_eq!(refused.status.code(), Some(64), "{words:?} {by:?}");
            assert_eq!(done(data.path(), &["releases"]), releases, "nothing was done");
        }
    }
    done(data.path(), &["publish", "--who", "wang", "--password-file", &file]);
    let removed = run(data.path(), &["studio", "account", "remove", "wang"]);
    assert!(removed.status.success());
    let refused = run(data.path(), &["publish", "--who", "Li Min"]);
    assert_eq!(refused.status.code(), Some(64), "without its accounts the studio trusts no name again");
}

#[test]
fn an_id_tail_comes_from_the_standard_input_or_with_a_warning() {
    let folder = Folder::new();
    let gateway = Gateway::start_in(folder.path().to_owned(), &[]);
    let (receipt, tail) = gateway.example("ready");
    let looked = run(&gateway.folder, &["lookup", &receipt, "--tail", &tail]);
    assert!(looked.status.success() && !looked.stderr.is_empty());
    let mut child = jindu(&gateway.folder)
        .args(["lookup", &receipt, "--tail", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("its input").write_all(format!("{tail}\n").as_bytes()).expect("written");
    let asked = child.wait_with_output().expect("it ends");
    assert!(asked.status.success() && asked.stderr.is_empty(), "{}", told(&asked));
    let result = |octets: &[u8]| text(octets).lines().next().map(str::to_owned);
    assert_eq!(result(&asked.stdout), result(&looked.stdout));
}

#[test]
fn a_loaded_file_is_kept_sealed_and_an_operator_can_open_it() {
    let gateway = Gateway::start(&[]);
    let file = gateway.folder.join("case.ndjson");
    let lines = format!("{{\"batch\":{{\"as_of\":\"{}\"}}}}\n{CASE}\n", jiff::Timestamp::now());
    fs::write(&file, &lines).expect("written");
    done(&gateway.folder, &["load", &file.display().to_string()]);
    let kept: Vec<PathBuf> = everything(&gateway.folder.join("spool/applied"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "sealed"))
        .collect();
    assert_eq!(kept.len(), 1);
    let octets = fs::read(&kept[0]).expect("it is kept");
    assert!(!octets.windows(4).any(|four| four == b"123X"));
    let clear = gateway.folder.join("clear");
    done(&gateway.folder, &["feed", "unseal", &kept[0].display().to_string(), &clear.display().to_string()]);
    assert_eq!(fs::read_to_string(&clear).expect("opened"), lines);
    assert_eq!(fs::metadata(&clear).expect("a file").mode() & 0o777, 0o600);
    assert!(
        !everything(&gateway.folder.join("spool"))
            .iter()
            .any(|path| fs::read(path).is_ok_and(|octets| octets == lines.as_bytes()))
    );
}

#[test]
fn what_the_journal_holds_is_shown_as_json() {
    let gateway = Gateway::start(&[]);
    assert_eq!(done_json(&gateway.folder, &["journal", "held", "--json"]), serde_json::json!([]));
    assert_eq!(done_json(&gateway.folder, &["journal", "held", "apply", "--json"]), serde_json::json!([]));
}

#[test]
fn a_calendar_that_has_ended_is_a_trouble_and_a_remark_of_check() {
    let folder = Folder::new();
    let calendar = fs::read_to_string(support::gateway::home().join("config/calendar.toml")).expect("the calendar");
    let line = calendar.lines().find(|line| line.trim_start().starts_with("published_to")).expect("its end");
    let ended = folder.file("calendar.toml", &calendar.replace(line, "published_to = \"2020-12-31\""));
    let set = format!("hotline.calendar={ended}");
    let checked = run(folder.path(), &["check", "--set", &set]);
    assert!(told(&checked).contains("2020-12-31"), "{}", told(&checked));
    let gateway = Gateway::start(&[&set]);
    let (_, health) = gateway.http("GET", "/health", "");
    assert!(health.contains("\"calendar\""), "{health}");
    gateway.await_log("calendar_ends");
}

const CASE: &str = r#"{"receipt":"440100000000123","id_tail":"123X","stage":"review","document":"passport","case_type":"new","hall":"north","accepted_on":"2026-11-02","stage_on":"2026-11-04","version":3}"#;
