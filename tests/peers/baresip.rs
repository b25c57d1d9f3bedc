//! An independent softphone calls the hotline, presses keys, and records what it hears.

use std::process::Stdio;
use std::time::Duration;

use base::Codec;
use serde_json::json;
use support::command::{run_with, told};
use support::folder::Folder;
use support::gateway::{Gateway, peer};
use support::phone::Phone;
use support::softphone::Softphone;
use support::sound::{beep, clip, decoded};
use support::studio::{Person, Secrets, secrets};
use support::wait::{SOON, eventually};

fn alaw(lang: &str, id: &str) -> Vec<u8> {
    clip(lang, id, Codec::Alaw)
}

fn on_keys(tail: &str) -> String {
    tail.replace('X', "*")
}

#[test]
fn a_softphone_keys_in_a_receipt_and_hears_its_state() {
    let gateway = Gateway::start(&[]);
    let mut phone = Softphone::start();
    phone.dial(&format!("sip:96110110@{}", gateway.udp));
    phone.hears(&alaw("zh", "prompt.welcome"), "the greeting");
    phone.press("3");
    phone.hears(&alaw("en", "opt.progress"), "the first option, in English");
    let (receipt, tail) = gateway.example("ready");
    phone.press(&format!("1{receipt}{}", on_keys(&tail)));
    phone.hears(&alaw("en", "prompt.st_ready.0"), "the state");
    assert_eq!(gateway.metric("jindu_lookups_total{door=\"phone\",result=\"found\"}"), 1.0);
    assert_eq!(gateway.metric("jindu_keys_total{source=\"rtp\"}"), 21.0, "one key a press");
    phone.hang_up();
}

#[test]
fn the_readme_line_for_a_softphone_without_an_account_calls_the_hotline() {
    let gateway = Gateway::start(&[]);
    let line = include_str!("../../README.md").lines().find(|line| line.starts_with("baresip "));
    let line = line.and_then(|line| line.split(" #").next()).expect("the README has a line for baresip");
    assert!(line.contains("127.0.0.1:5060"));
    let mut phone = Softphone::run_line(&line.replace("127.0.0.1:5060", &gateway.udp.to_string()));
    phone.press("31");
    assert_eq!(gateway.metric("jindu_keys_total{source=\"rtp\"}"), 2.0);
    phone.hang_up();
}

#[test]
fn a_softphone_over_tcp_commissions_a_trunk_with_the_line_test() {
    let gateway = Gateway::start(&[]);
    let mut phone = Softphone::start();
    phone.dial(&format!("sip:9196@{};transport=tcp", gateway.tcp));
    for (key, name) in [("7", "7"), ("7", "7"), ("*", "star"), ("#", "pound")] {
        phone.press(key);
        phone.hears(&alaw("zh", &format!("key.{name}")), name);
    }
    let log = gateway.log();
    let heard: Vec<&str> = log.lines().filter_map(|line| line.split(" key=").nth(1)).collect();
    assert_eq!(heard, ["7 via=rtp", "7 via=rtp", "* via=rtp", "# via=rtp"]);
    phone.hang_up();
}

/// baresip 1.0 (libre 1.1) gives up on a challenge that names SHA-256, in whatever order, and tries again after half a minute.
#[test]
fn a_telephone_of_before_rfc_8760_registers_when_it_tries_again() {
    let registrar = ["phone.registrar.realm=desk.test", "phone.registrar.addresses=127.0.0.1"];
    let gateway = Gateway::start(&registrar);
    let set: Vec<&str> = registrar.iter().flat_map(|set| ["--set", set]).collect();
    let add = [&set[..], &["studio", "account", "add", "li", "--role", "agent", "--number", "801"]].concat();
    let added = run_with(&gateway.folder, &add, &["nine blue umbrellas", ""]);
    assert!(added.status.success(), "{}", told(&added));
    let sip =
        run_with(&gateway.folder, &[&set[..], &["studio", "account", "sip", "li"]].concat(), &["Telefon-im-Amt-7"]);
    assert!(sip.status.success(), "{}", told(&sip));
    let folder = Folder::new();
    let settings = "module_path /usr/lib/baresip/modules\nmodule_app menu.so\nmodule_app account.so\nmodule stdio.so\n\
                    sip_listen 127.0.0.1:0\n";
    let account = format!("<sip:801@{};transport=udp>;auth_pass=Telefon-im-Amt-7;regint=60\n", gateway.udp);
    std::fs::write(folder.join("config"), settings).expect("written");
    std::fs::write(folder.join("accounts"), account).expect("written");
    let mut baresip = peer("baresip");
    let baresip =
        baresip.arg("-f").arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut baresip = baresip.spawn().expect("baresip can be started");
    eventually(Duration::from_secs(150), "it is registered", || gateway.metric("jindu_telephones") == 1.0);
    let _ = (baresip.kill(), baresip.wait());
}

#[test]
fn a_softphone_receives_bye_when_the_node_ends_the_call() {
    let mut gateway = Gateway::start(&[]);
    let mut phone = Softphone::start();
    phone.dial(&format!("sip:96110110@{}", gateway.udp));
    gateway.drain();
    gateway.signal("TERM");
    phone.is_hung_up_on();
    assert_eq!(gateway.wait(Duration::from_secs(20)), Some(0));
}

#[test]
fn callers_hear_what_a_softphone_recorded_once_it_is_approved_and_published() {
    let gateway = Gateway::start(&[]);
    let Secrets { number, pin } = secrets(&gateway, "operator");
    let (operator, approver) = (Person::of(&gateway, "operator"), Person::of(&gateway, "approver"));
    let slot = operator.get("slot?lang=zh&slot=prompt.welcome").json()["number"].as_u64().expect("a number");
    let voice: Vec<i16> = ["prompt.rate_ask", "prompt.bye", "prompt.desk_closed"]
        .iter()
        .flat_map(|id| decoded(&alaw("zh", id)))
        .collect();
    let mut phone = Softphone::start_saying(&voice);
    phone.dial(&format!("sip:9197@{}", gateway.udp));
    phone.hears(&alaw("zh", "studio.welcome"), "the greeting");
    phone.press(&format!("{number}#{pin}#1{slot}#"));
    phone.hears(&alaw("zh", "prompt.welcome"), "the text of the slot");
    phone.hears(&beep(), "the beep");
    // The take is as long as the operator lets it be.
    std::thread::sleep(Duration::from_millis(2500));
    phone.press("#");
    phone.hears(&alaw("zh", "studio.review"), "what can be done with a take");
    phone.press("2");
    phone.hears(&alaw("zh", "studio.kept"), "that it is kept");
    phone.hang_up();
    let take =
        eventually(SOON, "a draft", || approver.get("drafts").json()["takes"][0]["name"].as_str().map(str::to_owned));
    let original = operator.get(&format!("sound?take={take}&form=original")).body;
    let length = u32::from_le_bytes(original[54..58].try_into().expect("four octets")) as usize;
    let samples = decoded(&original[58..58 + length]);
    let round: Vec<i16> = voice.iter().chain(&voice).copied().collect();
    let first = &samples[..12_000];
    assert!(samples.len() > 16_000 && round.windows(first.len()).any(|said| said == first), "what was said is kept");
    approver.does("approve", &json!({ "takes": [take] }));
    let published = approver.does("publish", &json!({"why": "recorded by telephone"}));
    gateway.await_release(published["release"].as_str().expect("a name"));
    let mut caller = Phone::dial(gateway.udp);
    assert!(caller.hears(&operator.octets(&take), SOON), "callers are greeted by the operator");
    caller.hang_up();
}
