//! The kiosk's page in a real browser, with a scanner that types like a keyboard.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use support::browser::Browser;
use support::gateway::Gateway;

/// A hall's screen that stands upright.
const SCREEN: (u32, u32) = (1080, 1920);

fn kiosk(gateway: &Gateway) -> Browser {
    let mut browser = Browser::start(SCREEN.0, SCREEN.1);
    browser.open(&format!("http://{}/kiosk?kiosk=hall-1", gateway.web));
    browser
}

fn shows(browser: &mut Browser, view: &str) {
    browser.until(&format!("document.body.dataset.view === '{view}'"));
}

/// Keeps a picture of the page for people to look at.
fn keep(browser: &mut Browser, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&folder).expect("a folder can be made");
    let picture = browser.picture(0.6);
    assert!(picture.starts_with(b"\x89PNG"), "a picture");
    fs::write(folder.join(format!("kiosk-{name}.png")), picture).expect("a picture can be written");
}

#[test]
fn a_scan_without_focus_is_answered_in_big_text_and_the_next_one_replaces_it_at_once() {
    let gateway = Gateway::start(&[]);
    let (ready, _) = gateway.example("ready");
    let (review, _) = gateway.example("review");
    let mut browser = kiosk(&gateway);
    shows(&mut browser, "idle");
    keep(&mut browser, "idle");
    assert_eq!(browser.value("document.activeElement === document.body"), true, "nothing is in focus");

    browser.scan(&ready);
    shows(&mut browser, "answer");
    let expected = gateway.scan(&ready);
    let zh = expected["stages"]["ready"]["zh"].as_str().expect("words").to_owned();
    assert_eq!(browser.text("#stage"), zh);
    assert_eq!(browser.text("#wording"), expected["wording"]["zh"].as_str().expect("words"));
    let size = browser.value("parseFloat(getComputedStyle(document.getElementById('stage')).fontSize)");
    assert!(size.as_f64().expect("a size") >= 60.0, "{size} pixels are read from a distance");
    keep(&mut browser, "answer-zh");

    browser.click("[data-lang=en]");
    browser.until("document.documentElement.lang === 'en'");
    assert_eq!(browser.text("#wording"), expected["wording"]["en"].as_str().expect("words"));
    keep(&mut browser, "answer-en");

    browser.scan(&review);
    let next = gateway.scan(&review);
    let wording = serde_json::json!(next["wording"]["en"]);
    browser.until(&format!("document.getElementById('wording').textContent === {wording}"));
    browser.click("[data-lang=yue]");
    assert_eq!(browser.text("#wording"), next["wording"]["yue"].as_str().expect("words"));
    browser.click(".answer [data-do=home]");
    shows(&mut browser, "idle");
    forgets(&mut browser, &[&ready, &review]);
    assert_eq!(browser.errors, Vec::<String>::new());
}

/// Nothing of a person is left in the page, its address, or the browser's storage.
fn forgets(browser: &mut Browser, receipts: &[&str]) {
    let left = browser.value("document.documentElement.outerHTML + location.href + JSON.stringify({...localStorage, ...sessionStorage}) + history.length");
    for receipt in receipts {
        assert!(!left.as_str().expect("a text").contains(receipt));
    }
    assert_eq!(browser.text("#wording"), "");
}

#[test]
fn a_number_typed_on_the_screen_is_looked_up_and_an_unknown_one_is_said_to_be() {
    let gateway = Gateway::start(&[]);
    let mut browser = kiosk(&gateway);
    shows(&mut browser, "idle");
    let (receipt, _) = gateway.example("posted");
    for digit in receipt.chars() {
        browser.click(&format!("[data-key='{digit}']"));
    }
    browser.click("[data-do=submit]");
    shows(&mut browser, "answer");
    let zh = gateway.scan(&receipt)["stages"]["posted"]["zh"].as_str().expect("words").to_owned();
    assert_eq!(browser.text("#stage"), zh);
    browser.scan("440199999999999");
    let unknown = gateway.scan("440199999999999");
    let wording = serde_json::json!(unknown["wording"]["zh"]);
    browser.until(&format!("document.getElementById('wording').textContent === {wording}"));
    keep(&mut browser, "not-found");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn an_answer_warns_before_it_goes_and_a_key_keeps_it() {
    let gateway = Gateway::start(&["web.answer_shown_s=5"]);
    let (receipt, _) = gateway.example("accepted");
    let mut browser = kiosk(&gateway);
    browser.scan(&receipt);
    shows(&mut browser, "answer");
    browser.until("!document.getElementById('warning').hidden");
    keep(&mut browser, "warning");
    let left: u32 = browser.text("#count").parse().expect("seconds");
    assert!((1..=20).contains(&left), "{left} s are left of the 20 to ask for more time");
    browser.click("[data-do=more]");
    browser.until("document.getElementById('warning').hidden");
    assert_eq!(browser.value("document.body.dataset.view"), "answer");
    browser.until("!document.getElementById('warning').hidden");
    shows(&mut browser, "idle");
    forgets(&mut browser, &[&receipt]);
}

#[test]
fn a_kiosk_without_its_node_says_so_and_comes_back_by_itself() {
    let mut gateway = Gateway::start(&[]);
    let (receipt, _) = gateway.example("review");
    let web = gateway.web;
    let mut browser = kiosk(&gateway);
    gateway.signal("KILL");
    gateway.wait(Duration::from_secs(10));
    browser.scan(&receipt);
    shows(&mut browser, "offline");
    keep(&mut browser, "offline");
    let again = Gateway::start(&[&format!("web.listen={web}")]);
    shows(&mut browser, "idle");
    browser.scan(&receipt);
    shows(&mut browser, "answer");
    assert_eq!(browser.text("#wording"), again.scan(&receipt)["wording"]["zh"].as_str().expect("words"));
}

#[test]
fn a_kiosk_under_maintenance_takes_no_scans() {
    let gateway = Gateway::start(&["web.maintenance=true"]);
    let (receipt, _) = gateway.example("review");
    let mut browser = kiosk(&gateway);
    shows(&mut browser, "maintenance");
    browser.scan(&receipt);
    keep(&mut browser, "maintenance");
    assert_eq!(browser.value("document.body.dataset.view"), "maintenance");
    assert_eq!(gateway.metric("jindu_lookups_total{door=\"scan\",result=\"found\"}"), 0.0);
}
