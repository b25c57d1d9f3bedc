//! An operator records prompts by telephone.

mod support;

use std::time::Duration;

use jindu::audio::sine;
use jindu::base::Codec;
use support::gateway::Gateway;
use support::phone::{Dial, Phone};
use support::sound::clip;

const LONG: Duration = Duration::from_secs(20);

/// An operator's number and PIN, as the gateway told them once.
struct Secrets {
    number: String,
    pin: String,
}

fn secrets(gateway: &Gateway, name: &str) -> Secrets {
    let line = gateway.banner.lines().find(|line| line.contains(&format!(" as {name},"))).expect("an account");
    let after = |mark: &str| {
        let rest = line.split(mark).nth(1).unwrap_or_else(|| panic!("{mark} is in {line}"));
        rest.chars().take_while(char::is_ascii_digit).collect::<String>()
    };
    Secrets { number: after("number "), pin: after("PIN ") }
}

fn hears(phone: &mut Phone, lang: &str, id: &str) {
    assert!(phone.hears(&clip(lang, id, Codec::Alaw), LONG), "{lang} {id} is not heard");
}

fn dial(gateway: &Gateway) -> Phone {
    Phone::dial_with(gateway.udp, &Dial { number: "9197", ..Dial::default() })
}

/// Signs in and chooses English.
fn signed_in(gateway: &Gateway) -> Phone {
    let mut phone = dial(gateway);
    let Secrets { number, pin } = secrets(gateway, "operator");
    hears(&mut phone, "zh", "studio.welcome");
    phone.press(&format!("{number}#"));
    hears(&mut phone, "zh", "studio.pin");
    phone.press(&format!("{pin}#"));
    hears(&mut phone, "zh", "studio.language");
    phone.press("3");
    hears(&mut phone, "en", "studio.slot");
    phone
}

/// Something that is said, and nothing that a key could be heard in.
fn sentence() -> Vec<u8> {
    ["prompt.welcome", "prompt.bye"].iter().flat_map(|id| clip("en", id, Codec::Alaw)).collect()
}

#[test]
fn an_operator_records_a_take_and_keeps_it() {
    let gateway = Gateway::start(&[]);
    let mut phone = signed_in(&gateway);
    phone.press("*");
    hears(&mut phone, "en", "studio.number");
    hears(&mut phone, "en", "studio.speak");
    assert!(phone.hears(&beep(), LONG), "a beep");
    phone.say(&sentence());
    phone.has_said_all();
    phone.press("#");
    hears(&mut phone, "en", "studio.review");
    phone.press("2");
    hears(&mut phone, "en", "studio.kept");
    phone.press("0");
    hears(&mut phone, "en", "studio.bye");
    assert!(phone.await_request("BYE", LONG).is_some());
    eprintln!("{}", gateway.log());
}

fn beep() -> Vec<u8> {
    let samples = sine(1000.0, -20.0, Duration::from_millis(250));
    samples.iter().map(|sample| jindu::audio::g711::encode(Codec::Alaw, *sample)).collect()
}
