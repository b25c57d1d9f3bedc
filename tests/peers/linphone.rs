//! Another independent softphone, Linphone, calls the hotline as the README says.

use support::gateway::{Gateway, home};
use support::linphone::Linphone;
use support::sound::clip;

use base::Codec;

#[test]
fn the_readme_line_for_a_linphone_that_was_never_used_calls_the_hotline_and_presses_keys() {
    let line = include_str!("../../README.md").lines().find(|line| line.contains("linphonec -c "));
    let line = line.expect("the README has a line for linphonec");
    let copied = line.split("cp ").nth(1).map(|rest| rest.split_whitespace().take(2).collect::<Vec<_>>());
    let [settings, copy] = copied.expect("it copies the settings")[..] else { panic!("{line}") };
    assert!(line.ends_with(&format!("linphonec -c {copy}")), "Linphone writes to the copy: {line}");
    assert!(line.contains("mkdir -p ~/.local/share/linphone"), "without its folder it opens no transport");
    let settings = std::fs::read_to_string(home().join(settings)).expect("shipped");
    let gateway = Gateway::start(&[]);
    let mut phone = Linphone::with_settings(&settings);
    phone.dial(&format!("sip:96110110@{}", gateway.udp));
    phone.press("3");
    phone.hears(&clip("en", "opt.progress", Codec::Alaw), "the first option, in English");
    phone.press("1");
    phone.hears(&clip("en", "prompt.ask_receipt.0", Codec::Alaw), "the question for the receipt");
    assert_eq!(gateway.metric("jindu_keys_total{source=\"rtp\"}"), 2.0, "one key a press");
    phone.hang_up();
}
