//! Text messages by SMPP 3.4, to a centre by Net::SMPP.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Codec;
use serde_json::Value;
use support::certificates::{Authority, Certified};
use support::command::{done, done_json, run, told};
use support::folder::Folder;
use support::gateway::{Gateway, home, peer, temporary_folder};
use support::phone::{Dial, Phone};
use support::sms_carrier::SmsCarrier;
use support::sound::clip;
use support::wait::{SOON, eventually};

use crate::front::tls_front::TlsFront;

const LONG: Duration = Duration::from_secs(40);

/// A service centre in a process of its own.
struct Centre {
    child: Child,
    port: u16,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Centre {
    fn start(password: &str, acts: &[&str]) -> Centre {
        let mut child = peer("perl")
            .arg(home().join("tests/peers/smsc.pl"))
            .arg(password)
            .args(acts)
            .stdout(Stdio::piped())
            .spawn()
            .expect("perl runs");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut first = String::new();
        output.read_line(&mut first).expect("a line");
        let port = first.trim().strip_prefix("port ").and_then(|port| port.parse().ok());
        let port = port.expect("the centre listens; Debian's libnet-smpp-perl is installed by tests/setup");
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                seen.lock().expect("unharmed").push(line);
            }
        });
        Centre { child, port, lines }
    }

    /// What it has printed that begins so.
    fn printed(&self, what: &str) -> Vec<String> {
        self.lines.lock().expect("unharmed").iter().filter(|line| line.starts_with(what)).cloned().collect()
    }
}

impl Drop for Centre {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(centre: &Centre, password: &Path, more: &[&str]) -> Vec<String> {
    let mut settings = vec![
        "sms.carrier=smpp".into(),
        "sms.allow=1[3-9]XXXXXXXXX".into(),
        "sms.retry_first_ms=20".into(),
        "sms.retry_most_s=1".into(),
        "sms.smpp.host=127.0.0.1".into(),
        format!("sms.smpp.port={}", centre.port),
        "sms.smpp.system_id=jindu".into(),
        format!("sms.smpp.password_file={}", password.display()),
        "sms.smpp.source=10690110".into(),
        "sms.smpp.destination=86{number}".into(),
        "sms.smpp.enquire_every_s=1".into(),
        "sms.smpp.response_timeout_s=1".into(),
    ];
    settings.extend(more.iter().map(|set| (*set).to_owned()));
    settings
}

fn start(centre: &Centre, password: &str, more: &[&str]) -> Gateway {
    let folder = temporary_folder("smpp");
    let file = folder.join("password");
    std::fs::write(&file, password).expect("written");
    let settings = settings(centre, &file, more);
    Gateway::start_in(folder, &settings.iter().map(String::as_str).collect::<Vec<&str>>())
}

/// The words of a part, without its header.
fn words(line: &str) -> String {
    let fields: Vec<&str> = line.split(' ').collect();
    let hex = fields[6];
    let octets: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal")).collect();
    let body = if fields[4] == "64" { &octets[6..] } else { &octets[..] };
    let units: Vec<u16> = body.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).expect("UTF-16")
}

#[test]
fn a_long_result_reaches_the_centre_in_parts_and_through_throttling_and_a_broken_connection() {
    let centre = Centre::start("secret", &["ok", "throttle", "ok", "drop", "silent"]);
    let gateway = start(&centre, "secret", &[]);
    let (receipt, tail) = gateway.example("ready");
    let mut caller = Phone::dial_with(gateway.udp, &Dial::default());
    caller.press(&format!("31{receipt}{}", tail.replace('X', "*")));
    assert!(caller.hears(&clip("en", "opt.text_result", Codec::Alaw), LONG), "{}", gateway.log());
    caller.press("4");
    assert!(caller.hears(&clip("en", "opt.sms_agree", Codec::Alaw), LONG));
    caller.press("1");
    assert!(caller.hears(&clip("en", "prompt.sms_sent", Codec::Alaw), LONG), "{}", gateway.log());
    caller.hang_up();
    eventually(LONG, "the centre has it", || {
        if gateway.metric("jindu_sms_total{outcome=\"sent\"}") == 1.0 { Ok(()) } else { Err(gateway.log()) }
    });
    let submits = centre.printed("submit ");
    let taken: Vec<&String> = submits.iter().filter(|line| line.starts_with("submit ok")).collect();
    let text: String = taken.iter().map(|line| words(line)).collect();
    let end = &receipt[receipt.len() - 4..];
    assert!(text.contains(&format!("application ending {end}")) && text.contains("You can collect"), "{text}");
    assert!(taken.len() >= 3 && submits.len() == taken.len() + 3, "each part is taken once: {submits:#?}");
    assert!(submits.iter().all(|line| line.contains(" 10690110 8613800138000 64 8 050003")), "{submits:#?}");
    assert!(centre.printed("bound jindu").len() >= 2, "after the broken connection it is bound again");
    eventually(SOON, "what was delivered is counted", || {
        gateway.metric("jindu_sms_total{outcome=\"delivered\"}") >= taken.len() as f64 - 1.0
    });
    eventually(SOON, "the silent connection is asked whether it lives", || !centre.printed("enquire").is_empty());
    assert_eq!(done_json(&gateway.folder, &["status", "--json"])["sms"]["state"], "reachable");
}

#[test]
fn a_refused_number_ends_and_a_wrong_password_keeps_messages() {
    let centre = Centre::start("secret", &["refuse"]);
    let gateway = start(&centre, "secret", &["sms.smpp.concatenation=sar"]);
    let refused = run(&gateway.folder, &["sms", "test", "13700000001"]);
    assert!(!refused.status.success(), "{}", told(&refused));
    assert!(run(&gateway.folder, &["sms", "test", "13700000002"]).status.success());
    assert_eq!(gateway.metric("jindu_sms_total{outcome=\"rejected\"}"), 1.0);

    // The centre serves one connection at a time.
    drop(gateway);
    let gateway = start(&centre, "wrong", &[]);
    done(&gateway.folder, &["sms", "test", "13700000001", "--no-wait"]);
    eventually(SOON, "the centre refuses to bind", || !centre.printed("refused").is_empty());
    let status = done_json(&gateway.folder, &["status", "--json"]);
    assert_eq!((&status["sms"]["state"], &status["sms"]["waiting"]), (&Value::from("unreachable"), &Value::from(1)));
}

/// An authority that the node trusts, a certificate of it for this machine, one for another machine, and one of another authority.
fn certificates(folder: &Folder) -> (Authority, [Certified; 3]) {
    let (authority, foreign) = (Authority::new(&folder.join("ca")), Authority::new(&folder.join("foreign")));
    let ours = authority.certify("carrier", "DNS:localhost", 10);
    let elsewhere = authority.certify("elsewhere", "DNS:sms.test", 10);
    let theirs = foreign.certify("carrier", "DNS:localhost", 10);
    (authority, [ours, elsewhere, theirs])
}

#[test]
fn a_carrier_by_https_is_given_messages_only_where_its_certificate_fits() {
    let folder = Folder::new();
    let (authority, certified) = certificates(&folder);
    for (at, certified) in certified.iter().enumerate() {
        let carrier = SmsCarrier::start(&[]);
        let front = TlsFront::start(certified, carrier.address.port());
        let set = [
            "sms.carrier=http".to_owned(),
            "sms.allow=1[3-9]XXXXXXXXX".to_owned(),
            format!("sms.http.url=https://localhost:{}/send", front.address.port()),
            format!("sms.http.ca_file={}", authority.certificate().display()),
        ];
        let gateway = Gateway::start(&set.iter().map(String::as_str).collect::<Vec<&str>>());
        assert_sent(&gateway, at == 0);
        assert_eq!(carrier.requests().len(), usize::from(at == 0), "no message goes to a stranger");
    }
}

#[test]
fn a_centre_by_smpp_over_tls_is_told_the_password_only_where_its_certificate_fits() {
    let folder = Folder::new();
    let (authority, certified) = certificates(&folder);
    for (at, certified) in certified.iter().enumerate() {
        let mut centre = Centre::start("secret", &[]);
        let front = TlsFront::start(certified, centre.port);
        centre.port = front.address.port();
        let ca = format!("sms.smpp.ca_file={}", authority.certificate().display());
        let gateway = start(&centre, "secret", &["sms.smpp.host=localhost", "sms.smpp.tls=true", &ca]);
        assert_sent(&gateway, at == 0);
        assert_eq!(centre.printed("bound jindu").is_empty(), at > 0);
    }
}

/// Whether a message is sent, or waits because the carrier cannot be reached.
fn assert_sent(gateway: &Gateway, is_sent: bool) {
    if is_sent {
        done(&gateway.folder, &["sms", "test", "13700000001"]);
        assert_eq!(gateway.metric("jindu_sms_total{outcome=\"sent\"}"), 1.0, "{}", gateway.log());
    } else {
        done(&gateway.folder, &["sms", "test", "13700000001", "--no-wait"]);
        eventually(SOON, "the carrier is not trusted", || {
            let sms = done_json(&gateway.folder, &["status", "--json"])["sms"].clone();
            if sms["state"] == "unreachable" && sms["waiting"] == 1 { Ok(()) } else { Err(sms.to_string()) }
        });
    }
}
