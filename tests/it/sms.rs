//! A caller gets the result as a text message, by choice.

use std::time::Duration;

use base::Codec;
use serde_json::Value;
use support::command::{done, done_json, run, told};
use support::gateway::{Gateway, temporary_folder};
use support::phone::{Dial, Phone};
use support::sms_carrier::{Act, Request, SmsCarrier};
use support::sound::clip;
use support::wait::{SOON, eventually};

const LONG: Duration = Duration::from_secs(40);

fn alaw(id: &str) -> Vec<u8> {
    clip("zh", id, Codec::Alaw)
}

/// Settings of a node with this carrier. The secret is beside the data.
fn settings(carrier: &SmsCarrier, secret: &std::path::Path) -> Vec<String> {
    vec![
        "sms.carrier=http".into(),
        "sms.allow=1[3-9]XXXXXXXXX".into(),
        "sms.deny=139XXXXXXXX".into(),
        "sms.retry_first_ms=20".into(),
        "sms.retry_most_s=1".into(),
        format!("sms.http.url=http://{}/send?id={{id}}", carrier.address),
        "sms.http.headers=[\"Content-Type: application/json\", \"X-Signature: {signature}\"]".into(),
        "sms.http.sign={id}{body}".into(),
        format!("sms.http.secret_file={}", secret.display()),
        "sms.http.ok_field=code".into(),
        "sms.http.ok_values=0".into(),
        // One message at a time, so that requests stand in order.
        "sms.http.at_once_max=1".into(),
    ]
}

fn start(folder: std::path::PathBuf, settings: &[String]) -> Gateway {
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    Gateway::start_in(folder, &settings)
}

/// What a caller keys for an ID tail.
fn on_keys(tail: &str) -> String {
    tail.replace('X', "*")
}

/// A caller hears a result, asks for it as a message, and agrees.
fn asks(gateway: &Gateway, (receipt, tail): &(String, String)) -> Phone {
    let mut caller = Phone::dial_with(gateway.udp, &Dial::default());
    caller.press(&format!("11{receipt}{}", on_keys(tail)));
    assert!(caller.hears(&alaw("opt.text_result"), LONG), "it is offered\n{}", gateway.log());
    caller.press("4");
    assert!(caller.hears(&alaw("prompt.sms_consent"), LONG), "consent is asked for");
    caller.press("1");
    caller
}

fn id_of(request: &Request) -> String {
    let body: Value = serde_json::from_str(&request.body).expect("JSON");
    body["id"].as_str().expect("an identifier").to_owned()
}

#[test]
fn a_result_is_sent_once_also_after_a_kill_and_by_a_carrier_that_fails() {
    let carrier = SmsCarrier::start(&[Act::Stalls]);
    let folder = temporary_folder("sms");
    let secret = folder.join("secret");
    std::fs::write(&secret, "key\n").expect("written");
    let settings = settings(&carrier, &secret);
    let mut gateway = start(folder.clone(), &settings);
    let example = gateway.example("ready");
    let mut caller = asks(&gateway, &example);
    assert!(caller.hears(&alaw("prompt.sms_sent"), LONG), "the call does not wait for the carrier\n{}", gateway.log());
    assert!(caller.hears(&alaw("opt.another"), LONG), "and goes on");
    caller.hang_up();
    eventually(SOON, "the carrier is asked", || carrier.requests().len() == 1);
    gateway.keep_folder();
    let log = gateway.kill();
    assert!(!log.contains("13800138000"), "no number is logged: {log}");

    carrier.does(&[Act::Closes, Act::Answers(500), Act::Answers(429)]);
    let gateway = start(folder, &settings);
    eventually(LONG, "it is sent", || {
        if gateway.metric("jindu_sms_total{outcome=\"sent\"}") == 1.0 { Ok(()) } else { Err(gateway.log()) }
    });
    let requests = carrier.requests();
    let acts: Vec<Act> = requests.iter().map(|(_, act)| *act).collect();
    assert_eq!(acts, [Act::Stalls, Act::Closes, Act::Answers(500), Act::Answers(429), Act::Takes]);
    let (request, _) = &requests[0];
    let id = id_of(request);
    assert!(requests.iter().all(|(request, _)| id_of(request) == id && request.line.contains(&id)));
    let body: Value = serde_json::from_str(&request.body).expect("JSON");
    assert_eq!(body["phone"], "13800138000");
    let (receipt, tail) = &example;
    let text = body["text"].as_str().expect("words");
    let end = &receipt[receipt.len() - 4..];
    assert!(text.contains(&format!("尾号{end}")) && text.contains("可以领取了"), "{text}");
    assert!(!text.contains(receipt.as_str()) && !text.contains(tail.as_str()), "nothing personal: {text}");
    let signature = sms::signature(b"key", &format!("{id}{}", request.body), sms::Encoding::Hex);
    assert!(request.head.contains(&format!("{signature}\r\n")), "{}", request.head);

    let listed = done_json(&gateway.folder, &["sms", "list", "--json"]);
    assert_eq!((&listed[0]["id"], &listed[0]["state"]), (&Value::from(id), &Value::from("sent")));
    assert_eq!(listed[0]["number"], "*********00");
    let status = done_json(&gateway.folder, &["status", "--json"]);
    assert_eq!((&status["sms"]["carrier"], &status["sms"]["state"]), (&Value::from("http"), &Value::from("reachable")));
    // A number that may get none, a carrier that rejects, one that is withdrawn, and one that is taken.
    let tries = |number: &str| told(&run(&gateway.folder, &["sms", "test", number]));
    assert!(tries("13900138000").contains("sms.deny"));
    carrier.does(&[Act::Answers(400)]);
    assert!(!run(&gateway.folder, &["sms", "test", "13700000001"]).status.success());
    assert!(run(&gateway.folder, &["sms", "test", "13700000002"]).status.success());
    assert_eq!(gateway.metric("jindu_sms_total{outcome=\"rejected\"}"), 1.0);
    assert!(!run(&gateway.folder, &["sms", "cancel", "00ff"]).status.success());
}

#[test]
fn no_message_is_offered_where_none_may_be_sent_and_a_long_outage_is_a_trouble() {
    // A port on which no carrier listens.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let url = format!("sms.http.url=http://{closed}/");
    let set = ["sms.carrier=http", "sms.allow=1[3-9]XXXXXXXXX", "sms.deny=13800138000", "sms.retry_first_ms=20", &url];
    let gateway = Gateway::start(&set);
    let (receipt, tail) = gateway.example("ready");
    let mut caller = Phone::dial_with(gateway.udp, &Dial::default());
    caller.press(&format!("11{receipt}{}", on_keys(&tail)));
    assert!(caller.hears(&alaw("opt.halls"), LONG));
    caller.press("4");
    assert!(caller.hears(&alaw("opt.again"), LONG), "to this number none is sent: the key repeats the menu");
    caller.hang_up();
    assert_eq!(gateway.metric("jindu_sms_total{outcome=\"accepted\"}"), 0.0);
    done(&gateway.folder, &["sms", "test", "13700000001", "--no-wait"]);
    eventually(SOON, "the carrier is missed", || {
        let status = done_json(&gateway.folder, &["status", "--json"]);
        (&status["sms"]["state"], &status["sms"]["waiting"]) == (&Value::from("unreachable"), &Value::from(1))
    });
    let listed = done_json(&gateway.folder, &["sms", "list", "--json"]);
    assert_eq!((&listed[0]["state"], &listed[0]["attempts"]), (&Value::from("waiting"), &Value::from(0)));
    let id = listed[0]["id"].as_str().expect("an identifier").to_owned();
    eventually(SOON, "it is withdrawn between two attempts", || {
        run(&gateway.folder, &["sms", "cancel", &id]).status.success()
    });
    assert_eq!(gateway.metric("jindu_sms_total{outcome=\"cancelled\"}"), 1.0);
}
