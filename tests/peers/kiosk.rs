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
    assert_eq!(browser.text("#wording"), next["wording"]["zh"].as_str().expect("words"), "in simplified characters");
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

/// Has the page take key events, one list for each key: event, key, code, and what is set besides.
fn keys(browser: &mut Browser, events: &[(&str, String, String, &str)]) {
    let made: Vec<String> = events
        .iter()
        .map(|(event, key, code, set)| {
            format!(
                "new KeyboardEvent({event:?}, {{key: {key:?}, code: {code:?}, bubbles: true, cancelable: true, {set}}})"
            )
        })
        .collect();
    // Pressed at once; the page handles each late, as when it is busy.
    let busy = "const until = performance.now() + 25; while (performance.now() < until);";
    browser.value(&format!(
        "(() => {{ for (const e of [{}]) {{ {busy} document.body.dispatchEvent(e); }} }})()",
        made.join(",")
    ));
}

#[test]
fn a_scanner_that_types_in_a_way_of_its_own_is_understood() {
    let gateway = Gateway::start(&[]);
    let (receipt, _) = gateway.example("ready");
    let zh = gateway.scan(&receipt)["stages"]["ready"]["zh"].as_str().expect("words").to_owned();
    let down = |key: &dyn Fn(char) -> String, code: &dyn Fn(char) -> String, set: &'static str| {
        receipt.chars().map(|digit| ("keydown", key(digit), code(digit), set)).collect::<Vec<_>>()
    };
    let digit = |c: char| format!("Digit{c}");
    let pad = |c: char| format!("Numpad{c}");
    let enter = || ("keydown", "Enter".to_owned(), "Enter".to_owned(), "");
    let by_code = receipt.chars().flat_map(|c| {
        let alt = |event| (event, "Alt".to_owned(), "AltLeft".to_owned(), "altKey: true");
        let digits = format!("0{}", u32::from(c));
        let typed: Vec<_> = digits.chars().map(|d| ("keydown", d.to_string(), pad(d), "altKey: true")).collect();
        std::iter::once(alt("keydown")).chain(typed).chain([alt("keyup")]).collect::<Vec<_>>()
    });
    let ways = [
        ("codes on the number pad", by_code.collect::<Vec<_>>()),
        ("Alt on every key", down(&|c| c.to_string(), &digit, "altKey: true")),
        ("Meta on every key", down(&|c| c.to_string(), &digit, "metaKey: true")),
        ("AltGr on every key", down(&|c| c.to_string(), &digit, "altKey: true, ctrlKey: true")),
        ("an input method", down(&|_| "Process".to_owned(), &digit, "")),
        ("Num Lock off", down(&|_| "Home".to_owned(), &pad, "")),
        ("held keys", down(&|c| c.to_string(), &digit, "repeat: true")),
    ];
    let mut browser = kiosk(&gateway);
    for (way, mut events) in ways {
        events.push(enter());
        keys(&mut browser, &events);
        shows(&mut browser, "answer");
        assert_eq!(browser.text("#stage"), zh, "{way}");
        browser.click(".answer [data-do=home]");
        // Who has left the answer may scan the same receipt again at once.
        shows(&mut browser, "idle");
    }
    // A pause within the number.
    let paused = down(&|c| c.to_string(), &digit, "");
    let (before, after) = paused.split_at(8);
    keys(&mut browser, before);
    std::thread::sleep(Duration::from_millis(200));
    keys(&mut browser, after);
    shows(&mut browser, "answer");
    assert_eq!(browser.text("#stage"), zh, "a pause");
    browser.click(".answer [data-do=home]");
    shows(&mut browser, "idle");
    let mut unknown = down(&|_| "Unidentified".to_owned(), &|_| String::new(), "");
    unknown.push(enter());
    keys(&mut browser, &unknown);
    shows(&mut browser, "answer");
    assert_eq!(browser.errors, Vec::<String>::new());
}

fn enter_looks_up(browser: &mut Browser) {
    browser.press("Enter");
    shows(browser, "answer");
}

#[test]
fn enter_ends_what_was_typed_whichever_button_was_pressed_before() {
    let gateway = Gateway::start(&[]);
    let (receipt, _) = gateway.example("ready");
    let mut browser = kiosk(&gateway);
    shows(&mut browser, "idle");
    let pause = "new Promise((done) => setTimeout(done, 150))";
    for button in ["[data-lang=en]", "[data-do=erase]"] {
        browser.click(button);
        browser.value(&format!("document.querySelector({button:?}).focus()"));
        for digit in receipt.chars() {
            browser.press(&digit.to_string());
            browser.value(pause);
        }
        let entered = format!("document.querySelector('#entry').textContent.replace(/ /g, '') === {receipt:?}");
        browser.until(&entered);
        enter_looks_up(&mut browser);
        browser.click(".answer [data-do=home]");
        shows(&mut browser, "idle");
    }
    // Digits pressed on the screen, and Enter on a keyboard.
    for digit in receipt.chars() {
        browser.click(&format!("[data-key='{digit}']"));
    }
    enter_looks_up(&mut browser);
    browser.click(".answer [data-do=home]");
    shows(&mut browser, "idle");
    // The same with a finger.
    for digit in receipt.chars() {
        browser.tap(&format!("[data-key='{digit}']"));
    }
    browser.until(&format!("document.querySelector('#entry').textContent.replaceAll(' ', '') === {receipt:?}"));
    enter_looks_up(&mut browser);
    browser.tap(".answer [data-do=home]");
    shows(&mut browser, "idle");
    // A button that is chosen after the typing is meant, and one in focus where nothing is entered.
    browser.press("4");
    browser.value(pause);
    browser.value("document.querySelector('[data-lang=zh]').focus()");
    browser.press("Enter");
    browser.until("document.documentElement.lang === 'zh-CN'");
    assert_eq!(browser.value("document.body.dataset.view"), "idle");
    browser.value("document.querySelector('[data-lang=en]').focus()");
    browser.press("Backspace");
    browser.press("5");
    browser.value(pause);
    browser.press("Backspace");
    browser.press("Enter");
    browser.until("document.documentElement.lang === 'en'");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_receipt_that_lies_under_the_scanner_does_not_come_back() {
    let gateway = Gateway::start(&[]);
    let (receipt, _) = gateway.example("ready");
    let mut browser = kiosk(&gateway);
    browser.scan(&receipt);
    shows(&mut browser, "answer");
    browser.scan(&receipt);
    browser.scan(&receipt);
    browser.click(".answer [data-do=home]");
    shows(&mut browser, "idle");
    browser.scan(&receipt);
    browser.value("new Promise((done) => setTimeout(done, 300))");
    assert_eq!(browser.value("document.body.dataset.view"), "idle");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn speakers_of_cantonese_read_traditional_characters_where_the_settings_say_so() {
    let gateway = Gateway::start(&["web.cantonese_characters=traditional"]);
    let (receipt, _) = gateway.example("ready");
    let mut browser = kiosk(&gateway);
    shows(&mut browser, "idle");
    browser.click("[data-lang=yue]");
    browser.until("document.documentElement.lang === 'yue-Hant'");
    browser.scan(&receipt);
    shows(&mut browser, "answer");
    assert_eq!(browser.text("#wording"), gateway.scan(&receipt)["wording"]["yue"].as_str().expect("words"));
    keep(&mut browser, "answer-traditional");
}

/// A text of the page itself.
fn own_text(browser: &mut Browser, key: &str) -> String {
    let text = browser.value(&format!("import('/kiosk/words.js').then(({{ TEXT }}) => TEXT.zh.{key})"));
    text.as_str().expect("a text").replace('|', "")
}

#[test]
fn a_page_that_is_not_touched_for_45_seconds_is_for_the_next_person() {
    let gateway = Gateway::start(&[]);
    let mut browser = Browser::start(SCREEN.0, SCREEN.1);
    browser.stop_clock();
    browser.open(&format!("http://{}/kiosk?kiosk=hall-1", gateway.web));
    shows(&mut browser, "idle");
    let state = "`${document.documentElement.lang} ${document.getElementById('entry').classList.contains('empty')}`";
    assert_eq!(browser.value(state), "zh-CN true");
    browser.click("[data-lang=en]");
    for digit in ['4', '4', '0'] {
        browser.click(&format!("[data-key='{digit}']"));
    }
    browser.pass(Duration::from_secs(44));
    assert_eq!(browser.value(state), "en false");
    browser.click("[data-key='1']");
    browser.pass(Duration::from_secs(44));
    assert_eq!(browser.value(state), "en false", "a touch begins the time again");
    browser.pass(Duration::from_secs(2));
    browser.until(&format!("{state} === 'zh-CN true'"));
    // An answer goes by its own time, and the language with it.
    browser.click("[data-lang=en]");
    browser.scan(&gateway.example("ready").0);
    shows(&mut browser, "answer");
    browser.pass(Duration::from_secs(39));
    assert_eq!(browser.value("document.body.dataset.view"), "answer");
    browser.pass(Duration::from_secs(30));
    shows(&mut browser, "idle");
    assert_eq!(browser.value(state), "zh-CN true");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_typed_number_is_looked_up_once_it_has_its_digits() {
    let gateway = Gateway::start(&[]);
    let (receipt, _) = gateway.example("ready");
    let mut browser = kiosk(&gateway);
    shows(&mut browser, "idle");
    let ready = "document.getElementById('look-up').getAttribute('aria-disabled') === 'false'";
    let wrong = "document.getElementById('entry-note').classList.contains('wrong')";
    for (n, digit) in receipt.chars().enumerate() {
        assert_eq!(browser.value(ready), false, "{n} digits");
        browser.click(&format!("[data-key='{digit}']"));
        if n == 13 {
            assert_eq!(browser.value(wrong), false);
            browser.click("#look-up");
            assert_eq!(browser.value(wrong), true, "the page says how many digits there must be");
        }
    }
    assert_eq!((browser.value(ready), browser.value(wrong)), (true.into(), false.into()));
    browser.click("[data-key='1']");
    assert_eq!((browser.value(ready), browser.value(wrong)), (false.into(), true.into()), "one too many");
    browser.value("document.activeElement.blur()");
    browser.press("Enter");
    assert_eq!(browser.value("document.body.dataset.view"), "idle");
    browser.click("[data-do=erase]");
    browser.click("#look-up");
    shows(&mut browser, "answer");
    assert_eq!(gateway.metric("jindu_lookups_total{door=\"scan\",result=\"found\"}"), 1.0);
    let short = gateway.scan(&receipt[..14]);
    assert_eq!(short["kind"], "wrong_length");
    assert!(short["wording"]["zh"].as_str().expect("words").contains("15"), "{short}");
}

#[test]
fn after_a_failed_attempt_the_main_action_is_to_try_again() {
    let gateway = Gateway::start(&[]);
    let mut browser = kiosk(&gateway);
    let main = "[...document.querySelectorAll('.answer .actions .first')].filter((node) => node.checkVisibility()).map((node) => node.innerText.trim()).join()";
    browser.scan("440199999999999");
    shows(&mut browser, "answer");
    assert_eq!(browser.value(main), own_text(&mut browser, "scan_again"));
    let (receipt, _) = gateway.example("ready");
    browser.scan(&receipt);
    let zh = gateway.scan(&receipt)["stages"]["ready"]["zh"].as_str().expect("words").to_owned();
    browser.until(&format!("document.getElementById('stage').innerText === {zh:?}"));
    assert_eq!(browser.value(main), own_text(&mut browser, "done"));

    browser.hand_held(360, 640);
    browser.open(&format!("http://{}/kiosk?kiosk=hall-1", gateway.web));
    shows(&mut browser, "idle");
    browser.photograph(".idle input[type=file]", "");
    shows(&mut browser, "answer");
    keep(&mut browser, "failed-photograph");
    assert_eq!(browser.value(main), own_text(&mut browser, "photo_again"));
    browser.photograph("#rephoto input", &receipt);
    browser.until(&format!("document.getElementById('stage').innerText === {zh:?}"));
    keep(&mut browser, "photograph");
    let spoken = "jindu_scans_total{path=\"speech\",result=\"found\"}";
    assert_eq!(gateway.metric(spoken), 0.0);
    browser.click("#speak");
    browser.until("fetch('/metrics').then((reply) => reply.text()).then((text) => /jindu_scans_total.path=\"speech\",result=\"found\". 1/.test(text))");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_hall_is_on_one_card_and_a_posted_document_has_its_date() {
    let gateway = Gateway::start(&[]);
    let ready = gateway.scan(&gateway.example("ready").0);
    let (address, hours) = (&ready["hall"]["address"]["zh"], &ready["hall"]["hours"]["zh"]);
    assert!(address.is_string() && hours.is_string(), "{ready}");
    let mut browser = kiosk(&gateway);
    browser.scan(&gateway.example("ready").0);
    shows(&mut browser, "answer");
    let page = browser.text(".answer .body");
    for part in [&ready["hall"]["zh"], address, hours] {
        assert_eq!(page.matches(part.as_str().expect("words")).count(), 1, "{part} in {page}");
    }
    assert!(browser.value("document.querySelectorAll('.facts dd').length") == 3);
    let posted = gateway.scan(&gateway.example("posted").0);
    let date = posted["posted_on"].as_str().expect("a date").to_owned();
    browser.scan(&gateway.example("posted").0);
    browser.until("document.querySelectorAll('.facts dd').length === 1");
    let day: u32 = date[8..].parse().expect("a day");
    assert!(browser.text(".facts").contains(&format!("{day}日")), "{date}: {}", browser.text(".facts"));
    assert!(posted["hall"].is_null());
}

#[test]
fn a_kiosk_transfers_no_call_and_says_where_to_ask() {
    let gateway = Gateway::start(&["phone.desk_number=96110110"]);
    for state in ["contact", "minor"] {
        let wording = &gateway.scan(&gateway.example(state).0)["wording"];
        for lang in ["zh", "yue", "en"] {
            let text = wording[lang].as_str().expect("words");
            assert!(text.contains("96110110"), "{state} {lang}: {text}");
        }
        assert!(!wording["zh"].as_str().expect("words").contains("转人工"), "{wording}");
    }
}
