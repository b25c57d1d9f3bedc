//! The one-way gate with the program itself at both ends: packed by one, followed by another that is killed on the way.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::folder::Folder;
use support::gateway::{Gateway, jindu, program};
use support::wait::{SOON, eventually};

/// Runs `jindu feed` in a folder, as upstream does where there are no settings.
fn feed(folder: &Folder, words: &[&str], input: &str) -> Output {
    let mut command = Command::new(program());
    command.current_dir(folder.path()).arg("feed").args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be run");
    let _ = child.stdin.take().expect("it reads").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn case(n: u32, stage: &str, version: u32) -> String {
    format!(
        "{{\"receipt\":\"44010000000{n:04}\",\"id_tail\":\"123X\",\"stage\":\"{stage}\",\"document\":\"passport\",\
         \"case_type\":\"new\",\"hall\":\"central\",\"accepted_on\":\"2026-01-05\",\"stage_on\":\"2026-01-06\",\
         \"version\":{version}}}\n"
    )
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.is_file() && path.to_string_lossy().contains(".ndjson"));
    files.sort();
    files
}

/// The gate: renames every complete file of one folder into the other.
fn carry(from: &Path, data: &Path) -> usize {
    carry_files(&files(from), data)
}

fn carry_files(files: &[PathBuf], data: &Path) -> usize {
    let spool = data.join("spool");
    fs::create_dir_all(&spool).expect("a folder");
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let draft = spool.join(format!("{name}.part"));
        fs::copy(file, &draft).expect("room");
        fs::rename(&draft, spool.join(&name)).expect("one disk");
        fs::remove_file(file).expect("ours");
    }
    files.len()
}

/// The alarm lines of the metrics.
fn alarms(gateway: &Gateway) -> String {
    let (_, page) = gateway.http("GET", "/metrics", "");
    page.lines().filter(|line| line.starts_with("jindu_replica_alarm{")).collect()
}

#[test]
fn what_upstream_packs_and_signs_is_what_the_gateway_answers() {
    let folder = Folder::new();
    let keys = feed(&folder, &["keygen", "office-2026"], "");
    assert!(keys.status.success() && folder.join("office-2026.key").exists(), "{}", out(&keys));
    let public = fs::read_to_string(folder.join("office-2026.pub")).expect("the public key");
    let public = public.lines().nth(1).expect("its second line");
    let pack = |words: &[&str], lines: &str| {
        let fixed = ["pack", "--out", "out", "--source", "intranet", "--key", "office-2026.key"];
        let output = feed(&folder, &[&fixed[..], words].concat(), lines);
        assert!(output.status.success(), "{}", out(&output));
    };
    pack(&["--snapshot"], &(case(1, "accepted", 1) + &case(2, "review", 1)));
    pack(&[], &(case(1, "ready", 2) + "{\"delete\":{\"receipt\":\"440100000000002\"}}\n"));
    let verify = feed(&folder, &["verify", "out", "--key", "office-2026.pub"], "");
    assert!(verify.status.success() && out(&verify).contains("1 cases, 1 deleted"), "{}", out(&verify));

    let key = format!("replica.key=[{{name=\"office-2026\", public=\"{public}\"}}]");
    let data = folder.join("data");
    let set = ["data.sample_cases=0", key.as_str(), "replica.spool_poll_ms=20", "replica.spool_gap_s=0"];
    let gateway = Gateway::start_in(data.clone(), &set);
    carry(&folder.join("out"), &data);
    let state = |n: u32| gateway.scan(&format!("44010000000{n:04}"))["stage"].as_str().unwrap_or("none").to_owned();
    eventually(SOON, "the second file is in", || gateway.metric("jindu_replica_cases") == 1.0);
    assert_eq!((state(1).as_str(), gateway.metric("jindu_feed_waiting_files")), ("ready", 0.0));

    // A file is lost on the way: an alarm, and the later one waits; the resent one heals it.
    pack(&["--heartbeat"], "");
    let lost = files(&folder.join("out")).remove(0);
    fs::rename(&lost, folder.join("lost.ndjson.zst")).expect("one disk");
    pack(&[], &case(3, "posted", 1));
    carry(&folder.join("out"), &data);
    eventually(SOON, "the gap raises an alarm", || alarms(&gateway).contains("feed_gap"));
    gateway.await_log("intranet 3");
    fs::rename(folder.join("lost.ndjson.zst"), &lost).expect("one disk");
    carry(&folder.join("out"), &data);
    eventually(SOON, "the gap is over", || !alarms(&gateway).contains("feed_gap"));
    eventually(SOON, "what came behind it is applied", || state(3) == "posted");
}

#[test]
fn a_lost_copy_is_rebuilt_and_no_sample_case_replaces_it() {
    let folder = Folder::new();
    let data = folder.join("data");
    let pack = |words: &[&str], lines: &str| {
        let fixed = ["pack", "--out", "out", "--source", "intranet"];
        let output = feed(&folder, &[&fixed[..], words].concat(), lines);
        assert!(output.status.success(), "{}", out(&output));
    };
    pack(&["--snapshot"], &(case(1, "accepted", 1) + &case(2, "review", 1)));
    pack(&[], &case(1, "ready", 2));
    let set = ["replica.spool_poll_ms=20"];
    let gateway = Gateway::start_in(data.clone(), &set);
    carry(&folder.join("out"), &data);
    let stage = |gateway: &Gateway, n: u32| gateway.scan(&format!("44010000000{n:04}"))["stage"].clone();
    eventually(SOON, "both files are in", || stage(&gateway, 1) == "ready");
    gateway.kill();
    fs::write(data.join("replica.sqlite3"), "").expect("writable");
    let gateway = Gateway::start_in(data, &set);
    eventually(SOON, "the kept files are in", || stage(&gateway, 1) == "ready");
    assert_eq!(stage(&gateway, 2), "review");
    eventually(SOON, "two cases, and no sample", || gateway.metric("jindu_replica_cases") == 2.0);
    eventually(SOON, "nothing is wrong", || alarms(&gateway).is_empty());
}

#[test]
fn a_living_office_is_followed_through_kills_to_the_same_cases() {
    let folder = Folder::new();
    let (out_folder, data) = (folder.join("out"), folder.join("data"));
    let mut office = jindu(&folder.join("office"));
    office.args([
        "sample",
        "--live",
        "--plain",
        "--rate",
        "300",
        "--every-ms",
        "40",
        "--changes",
        "900",
        "--cases",
        "500",
    ]);
    office.args(["--out".as_ref(), out_folder.as_os_str()]).stdout(Stdio::null());
    let mut office = Office(office.spawn().expect("the program can be run"));
    let set = ["data.sample_cases=0", "replica.spool_poll_ms=20"];
    let mut truth = std::collections::BTreeMap::new();
    let mut carried = 0;
    // A gateway takes its data with it when it is dropped.
    let mut killed = Vec::new();
    for round in 0..4 {
        let mut gateway = Gateway::start_in(data.clone(), &set);
        let until = Instant::now() + Duration::from_millis(700);
        let mut over = false;
        while Instant::now() < until || (round == 3 && !over) {
            over = office.0.try_wait().expect("ours").is_some();
            let came = files(&out_folder);
            came.iter().for_each(|file| note(file, &mut truth));
            carried += carry_files(&came, &data);
            std::thread::sleep(Duration::from_millis(20));
        }
        if round < 3 {
            gateway.signal("KILL");
            gateway.wait(Duration::from_secs(10));
            killed.push(gateway);
        } else {
            let came = files(&out_folder);
            came.iter().for_each(|file| note(file, &mut truth));
            carried += carry_files(&came, &data);
            let cases = truth.len() as f64;
            eventually(SOON, format!("{cases} cases are there"), || {
                let (files, have) = (gateway.metric("jindu_feed_waiting_files"), gateway.metric("jindu_replica_cases"));
                match files == 0.0 && have == cases {
                    true => Ok(()),
                    false => Err(format!("{have}, {files} files wait: {}\n{}", alarms(&gateway), gateway.log())),
                }
            });
            for (receipt, stage) in &truth {
                assert_eq!(gateway.scan(receipt)["stage"].as_str(), Some(stage.as_str()), "{receipt}");
            }
        }
    }
    assert!(carried > 10, "{carried} files");
    assert_eq!(files(&data.join("spool/rejected")).len(), 0);
}

/// The office's program, which ends with the test.
struct Office(Child);

impl Drop for Office {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a file says, by a reader that knows nothing of the gateway's.
fn note(file: &Path, truth: &mut std::collections::BTreeMap<String, String>) {
    let text = fs::read_to_string(file).expect("plain");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        if line["feed"]["kind"] == "snapshot" {
            truth.clear();
        } else if let Some(receipt) = line["delete"]["receipt"].as_str() {
            truth.remove(receipt);
        } else if let Some(receipt) = line["receipt"].as_str() {
            truth.insert(receipt.into(), line["stage"].as_str().expect("a stage").into());
        }
    }
}

#[test]
fn verify_reports_what_is_wrong_and_exits_1() {
    let folder = Folder::new();
    for n in 1..5 {
        let kind = if n == 1 { "--snapshot" } else { "--plain" };
        assert!(feed(&folder, &["pack", "--out", "out", kind], &case(n, "ready", 1)).status.success());
    }
    let all = files(&folder.join("out"));
    fs::remove_file(&all[1]).expect("ours");
    let text = fs::read_to_string(&all[3]).expect("plain");
    fs::write(&all[3], text.replace("\"ready\"", "\"review\"")).expect("ours");
    fs::write(folder.join("out/x.ndjson"), "no feed\n").expect("ours");
    let verify = feed(&folder, &["verify", "out", "--key", "k.pub"], "");
    assert_eq!(verify.status.code(), Some(1));
    assert!(out(&verify).contains("k.pub"), "{}", out(&verify));
    assert!(feed(&folder, &["keygen", "k"], "").status.success());
    let verify = feed(&folder, &["verify", "out", "--key", "k.pub"], "");
    assert_eq!(verify.status.code(), Some(1));
    assert!(out(&verify).contains("not signed"), "{}", out(&verify));
    let mut with_settings = jindu(&folder.join("data"));
    let verify = with_settings.args(["feed", "verify"]).arg(folder.join("out")).output().expect("it runs");
    let text = out(&verify);
    for wanted in ["office: 2 is missing", "does not have the hash", "no feed file", "3 faults"] {
        assert!(text.contains(wanted), "{wanted} is in {text}");
    }
    assert_eq!(verify.status.code(), Some(1));
}
