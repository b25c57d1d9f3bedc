//! A softphone of others calls the hotline, presses keys, and records what it hears.

use base::Codec;
use support::gateway::Gateway;
use support::softphone::Softphone;
use support::sound::clip;

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

#[test]
fn a_softphone_is_told_when_the_node_ends_the_call() {
    let mut gateway = Gateway::start(&[]);
    let mut phone = Softphone::start();
    phone.dial(&format!("sip:96110110@{}", gateway.udp));
    gateway.signal("TERM");
    assert!(gateway.await_log("draining"));
    gateway.signal("TERM");
    phone.is_hung_up_on();
    assert_eq!(gateway.wait(std::time::Duration::from_secs(20)), Some(0));
}
