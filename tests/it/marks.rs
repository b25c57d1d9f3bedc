//! A day of marked numbers: calls, scans, inquiries and messages whose numbers and sounds are looked for afterwards, where
//! none may be: in logs of every level, metrics, temporary files and the whole data folder.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use support::command::done;
use support::folder::Folder;
use support::gateway::Gateway;
use support::phone::{Dial, Phone};
use support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);

/// A case whose receipt and ID tail are looked for.
struct Marked {
    receipt: String,
    tail: String,
}

/// Sample cases with marked ID tails; the file to load them from.
fn marked(folder: &Folder, count: usize) -> (PathBuf, Vec<Marked>) {
    let path = folder.join("cases.jsonl");
    done(folder.path(), &["sample", "--cases", "400", "--seed", "9", "--out", &path.display().to_string()]);
    let mut cases = Vec::new();
    let mut lines = String::new();
    for line in fs::read_to_string(&path).expect("sample cases").lines() {
        let mut case: Value = serde_json::from_str(line).expect("JSON");
        if case["id_tail"].is_string() && cases.len() < count {
            // An X is in no time, port or count.
            let tail = format!("{:03}X", 137 + 7 * cases.len() % 800);
            case["id_tail"] = json!(tail);
            cases.push(Marked { receipt: case["receipt"].as_str().expect("a number").to_owned(), tail });
        }
        lines.push_str(&format!("{case}\n"));
    }
    fs::write(&path, lines).expect("written");
    assert_eq!(cases.len(), count);
    (path, cases)
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn holds(octets: &[u8], mark: &[u8]) -> bool {
    octets.windows(mark.len()).any(|here| here == mark)
}

/// The caller's sound: octets that no recording of the hotline has, and the samples of them.
fn sound(n: usize) -> (Vec<u8>, Vec<u8>) {
    let period: Vec<u8> = (0..40).map(|at| 0x20 | ((at * 7 + n * 3) % 31) as u8).collect();
    let law = base::Codec::Alaw;
    let samples = period.iter().flat_map(|octet| audio::g711::decode(law, *octet).to_le_bytes()).collect();
    (period.iter().copied().cycle().take(20_000).collect(), samples)
}

fn calls(udp: SocketAddr, cases: &[Marked], first: usize) {
    for (n, case) in cases.iter().enumerate() {
        let number = format!("139{:08}", 27_182_818 + first + n);
        let headers = format!("P-Asserted-Identity: <sip:{number}@carrier.example>\r\n");
        let mut phone = Phone::dial_with(udp, &Dial { headers: &headers, ..Dial::default() });
        phone.press(&format!("31{}{}", case.receipt, case.tail.replace('X', "*")));
        // By then the keys are pressed and the answer is spoken.
        eventually(LONG, "the call is heard", || phone.heard().len() > 45_000);
        phone.hang_up();
    }
}

#[test]
fn no_mark_of_a_day_is_in_a_log_a_metric_a_temporary_file_or_the_data_folder() {
    let (scratch, temporary) = (Folder::new(), Folder::new());
    let (path, cases) = marked(&scratch, 120);
    let key = scratch.join("sound.key");
    fs::write(&key, [9; 32]).expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("its owner's");
    let sound_key = format!("data.sound_key={}", key.display());
    let set = [
        "log.level=trace",
        "log.lines_per_second_max=1000000",
        "messages.disk_free_mb_min=0",
        "trunk.local.trusted_identity=p-asserted-identity",
        "inquiry.lookups_per_client=100000",
        sound_key.as_str(),
    ];
    let environment = [("TMPDIR".to_owned(), temporary.path().display().to_string())];
    let gateway = Gateway::start_under(support::gateway::temporary_folder("marks"), &set, &environment);
    done(&gateway.folder, &["load", &path.display().to_string(), "--set", &sound_key]);
    let (by_phone, others) = cases.split_at(48);
    thread::scope(|scope| {
        for (n, part) in by_phone.chunks(3).enumerate() {
            let udp = gateway.udp;
            scope.spawn(move || calls(udp, part, 3 * n));
        }
        let gateway = &gateway;
        scope.spawn(move || {
            for case in others {
                assert_eq!(gateway.scan(&case.receipt)["found"], true);
                let body = json!({"code": case.receipt, "tail": case.tail}).to_string();
                let (status, _) = gateway.http("POST", "/api/inquiry", &body);
                assert!([200, 429].contains(&status), "{status}");
                // A careless client puts the number where it does not belong.
                gateway.http("GET", &format!("/kiosk?code={}&tail={}", case.receipt, case.tail), "");
                gateway.http("GET", &format!("/{}", case.receipt), "");
            }
        });
        for n in 0..3 {
            let udp = gateway.udp;
            scope.spawn(move || {
                let mut phone = Phone::dial(udp);
                phone.press("345");
                phone.say(&sound(n).0);
                phone.has_said_all();
                phone.press("#1");
                // One consents that the number is kept, once the question has begun; the others hang up.
                thread::sleep(Duration::from_millis(1500));
                if n == 0 {
                    phone.press("1");
                    thread::sleep(Duration::from_millis(500));
                }
                phone.hang_up();
            });
        }
    });
    let recordings = || {
        let all = files(&gateway.folder.join("messages"));
        all.iter().filter(|path| path.extension().is_some_and(|extension| extension == "wav")).count()
    };
    eventually(LONG, "a message is kept", || recordings() > 0);
    assert!(gateway.log().contains("call="), "calls are logged");
    assert!(gateway.metric("jindu_lookups_total{door=\"phone\",result=\"found\"}") > 20.0);
    let (_, metrics) = gateway.http("GET", "/metrics", "");
    let (_, health) = gateway.http("GET", "/health", "");
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "no core file is made: {core}");
    gateway.drain();
    assert_eq!(files(temporary.path()), Vec::<PathBuf>::new(), "no temporary file is left");

    let mut places: Vec<(String, Vec<u8>)> = vec![
        ("the log".into(), gateway.log().into_bytes()),
        ("the metrics".into(), metrics.into_bytes()),
        ("the health".into(), health.into_bytes()),
    ];
    let texts = places.len();
    for file in files(&gateway.folder) {
        let octets = fs::read(&file).unwrap_or_default();
        places.push((file.display().to_string(), octets));
    }
    let numbers = (0..48).map(|n| format!("139{:08}", 27_182_818 + n)).chain(["13800138000".to_owned()]);
    let receipts = cases.iter().map(|case| case.receipt.clone());
    let digits: Vec<String> = numbers.chain(receipts).collect();
    for (place, octets) in &places {
        let found = find(octets, &digits);
        assert_eq!(found, None, "a marked number is in {place}");
        for n in 0..3 {
            let (octets_of_sound, samples) = sound(n);
            assert!(!holds(octets, &octets_of_sound[..40]) && !holds(octets, &samples), "a sound is in {place}");
        }
    }
    // Four characters are in any large file by chance; in text they are not.
    for (place, octets) in places.iter().take(texts) {
        for case in &cases {
            assert!(!holds(octets, case.tail.as_bytes()), "{} is in {place}", case.tail);
        }
    }
}

/// The first of these numbers, all of 11 or 15 digits, that stands in some octets.
fn find(octets: &[u8], numbers: &[String]) -> Option<String> {
    let wanted: std::collections::HashSet<&[u8]> = numbers.iter().map(|number| number.as_bytes()).collect();
    let lengths: std::collections::BTreeSet<usize> = numbers.iter().map(String::len).collect();
    let starts = (0..octets.len()).filter(|at| octets[*at].is_ascii_digit());
    for at in starts {
        for length in &lengths {
            if let Some(number) = octets.get(at..at + length).filter(|number| wanted.contains(number)) {
                return Some(String::from_utf8_lossy(number).into_owned());
            }
        }
    }
    None
}
