//! The public page on a telephone's screen, with and without script, and the way of a browser to a kiosk and back.

use std::fs;
use std::path::PathBuf;

use support::browser::Browser;
use support::command::done;
use support::gateway::Gateway;

/// The narrowest telephone that is common.
const TELEPHONE: (u32, u32) = (360, 740);
const KIOSK: (u32, u32) = (1080, 1920);

/// Keeps a picture of the page for people to look at.
fn keep(browser: &mut Browser, name: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join(format!("public-{name}.png")), browser.picture(1.0)).expect("a picture can be written");
}

fn fits(browser: &mut Browser) {
    let widest = browser.value("document.documentElement.scrollWidth").as_u64().expect("a width");
    assert!(widest <= u64::from(TELEPHONE.0), "{widest} pixels");
    let small = browser.value(
        "[...document.querySelectorAll('a:not(.skip), button, input:not([type=file]), .photo')]
             .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 43.5).length",
    );
    assert_eq!(small, 0, "what is touched is at least 44 pixels high");
}

/// What a screen reader announces of the page's structure.
fn is_structured(browser: &mut Browser) {
    for (what, expression) in [
        ("one heading", "document.querySelectorAll('h1').length === 1"),
        ("a language", "document.documentElement.lang !== ''"),
        (
            "landmarks",
            "document.querySelector('header nav[aria-label]') && document.querySelector('main') && document.querySelector('footer')",
        ),
        ("names of fields", "[...document.querySelectorAll('input')].every((input) => input.labels.length === 1)"),
        (
            "hints of fields",
            "[...document.querySelectorAll('[aria-describedby]')].every((node) => document.getElementById(node.getAttribute('aria-describedby')))",
        ),
    ] {
        assert_eq!(browser.value(&format!("Boolean({expression})")), true, "{what}");
    }
}

#[test]
fn an_inquiry_on_a_telephone_is_answered_in_the_words_of_the_kiosk() {
    let gateway = Gateway::start(&[]);
    let (receipt, tail) = gateway.example("review");
    let expected = gateway.scan(&receipt);
    let mut browser = Browser::start(TELEPHONE.0, TELEPHONE.1);
    for lang in ["zh", "yue", "en"] {
        browser.open(&format!("http://{}/public?lang={lang}", gateway.web));
        fits(&mut browser);
        is_structured(&mut browser);
        keep(&mut browser, &format!("form-{lang}"));
        let fill = format!(
            "(() => {{ document.getElementById('code').value = {receipt:?}; document.getElementById('tail').value = {tail:?}; }})()"
        );
        browser.value(&fill);
        browser.value("document.querySelector('button[type=submit]').click()");
        browser.until("document.querySelector('.stage') !== null");
        // Speakers of Cantonese read what those of Mandarin do, unless the settings say otherwise.
        let written = if lang == "yue" { "zh" } else { lang };
        assert_eq!(browser.text(".wording"), expected["wording"][written].as_str().expect("words"));
        fits(&mut browser);
        is_structured(&mut browser);
        keep(&mut browser, &format!("answer-{lang}"));
        let left = browser.value("document.documentElement.outerHTML + location.href");
        assert!(!left.as_str().expect("a text").contains(&receipt));
    }
    browser.value("document.querySelector('.again').click()");
    browser.until("document.querySelector('form') !== null");
    browser.value("(() => { document.getElementById('code').value = '440100000000009'; document.getElementById('tail').value = '0000'; })()");
    browser.value("document.querySelector('button[type=submit]').click()");
    browser.until("document.querySelector('.stage.calm') !== null");
    keep(&mut browser, "nothing");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn what_was_typed_stays_in_the_fields_when_the_inquiry_has_a_problem() {
    let gateway = Gateway::start(&[]);
    let (receipt, tail) = gateway.example("review");
    let mut browser = Browser::start(TELEPHONE.0, TELEPHONE.1);
    browser.open(&format!("http://{}/public?lang=en", gateway.web));
    // The tail in full width and with a space, as an input method types it.
    let wide: String = tail.chars().map(|c| char::from_u32(u32::from(c) + 0xFEE0).expect("full width")).collect();
    let wide = format!("{} {}", &wide[..6], &wide[6..]);
    let short = &receipt[..receipt.len() - 1];
    let fill = |number: &str| {
        format!(
            "(() => {{ document.getElementById('code').value = {number:?}; document.getElementById('tail').value = {wide:?}; }})()"
        )
    };
    browser.value(&fill(short));
    for _ in 0..2 {
        browser.value("document.querySelector('button[type=submit]').click()");
        browser.until("document.querySelector('.problem') === document.activeElement");
    }
    keep(&mut browser, "problem");
    fits(&mut browser);
    assert_eq!(browser.value("document.querySelectorAll('.problem').length"), 1, "the last problem alone");
    assert_eq!(browser.value("document.getElementById('code').value"), short);
    assert_eq!(browser.value("document.getElementById('tail').value"), wide);
    browser.value(&fill(&receipt));
    browser.value("document.querySelector('button[type=submit]').click()");
    browser.until("document.querySelector('.stage') !== null");
    let left = browser.value("document.documentElement.outerHTML + location.href");
    assert!(!left.as_str().expect("a text").contains(short));
}

#[test]
fn another_language_keeps_the_answer_and_what_was_typed() {
    let gateway = Gateway::start(&[]);
    let (receipt, tail) = gateway.example("review");
    let expected = gateway.scan(&receipt);
    let mut browser = Browser::start(TELEPHONE.0, TELEPHONE.1);
    browser.open(&format!("http://{}/public?lang=en", gateway.web));
    let typed = |browser: &mut Browser, number: &str| {
        browser.until("document.getElementById('tail') !== null");
        assert_eq!(browser.value("document.getElementById('code').value"), number);
        assert_eq!(browser.value("document.getElementById('tail').value"), tail.as_str());
    };
    let unknown = "440100000000009";
    let fill = |number: &str| {
        format!(
            "(() => {{ document.getElementById('code').value = {number:?}; document.getElementById('tail').value = {tail:?}; document.querySelector('button[type=submit]').click(); }})()"
        )
    };
    browser.value(&fill(unknown));
    browser.until("document.querySelector('.stage.calm') !== null");
    browser.value("document.querySelector('a.retry').click()");
    typed(&mut browser, unknown);
    browser.value("document.querySelector('nav a[href$=\"lang=zh\"]').click()");
    browser.until("document.documentElement.lang === 'zh-CN'");
    typed(&mut browser, unknown);
    browser.value(&fill(&receipt));
    browser.until("document.querySelector('.wording') !== null");
    assert_eq!(browser.text(".wording"), expected["wording"]["zh"].as_str().expect("words"));
    browser.value("document.querySelector('nav a[href$=\"lang=en\"]').click()");
    browser.until("document.documentElement.lang === 'en'");
    assert_eq!(browser.text(".wording"), expected["wording"]["en"].as_str().expect("words"));
    let left = browser.value("document.documentElement.outerHTML + location.href");
    assert!(!left.as_str().expect("a text").contains(&receipt));
    // Back leads to the form, which is empty.
    browser.value("history.back()");
    browser.until("document.getElementById('code')?.value === ''");
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_photograph_fills_the_field_and_looks_nothing_up() {
    let gateway = Gateway::start(&[]);
    let (receipt, _) = gateway.example("ready");
    let mut browser = Browser::start(TELEPHONE.0, TELEPHONE.1);
    browser.open(&format!("http://{}/public?lang=en", gateway.web));
    browser.until("!document.getElementById('camera').hidden");
    browser.photograph("#photo", &receipt);
    browser.until(&format!("document.getElementById('code').value === {receipt:?}"));
    assert_eq!(browser.value("document.activeElement.id"), "tail");
    keep(&mut browser, "photograph");
    assert_eq!(gateway.metric("jindu_lookups_total{door=\"public\",result=\"found\"}"), 0.0);
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_browser_becomes_a_kiosk_by_its_one_time_address_and_is_none_after_it_is_revoked() {
    let gateway = Gateway::start(&["web.try_out_kiosk=false"]);
    let (receipt, _) = gateway.example("ready");
    let mut browser = Browser::start(KIOSK.0, KIOSK.1);
    browser.open(&format!("http://{}/kiosk", gateway.web));
    browser.until("document.body.dataset.view === 'unenrolled'");
    keep(&mut browser, "unenrolled");
    let at = format!("http://{}", gateway.web);
    let address = done(&gateway.folder, &["kiosk", "add", "north-1", "--hall", "north", "--plain", "--at", &at]);
    browser.open(address.trim());
    browser.until("document.querySelector('button') !== null");
    keep(&mut browser, "enrol");
    browser.click("button");
    // The page is there before its script, which the scanner's keys need.
    browser.until("location.pathname === '/kiosk' && document.readyState === 'complete'");
    browser.until("document.body.dataset.view === 'idle'");
    assert_eq!(browser.value("document.cookie"), "", "scripts cannot read the token");
    browser.scan(&receipt);
    browser.until("document.body.dataset.view === 'answer'");
    let version = done(&gateway.folder, &["kiosk", "list"]);
    assert!(version.contains("enrolled"), "{version}");
    browser.open(&format!("http://{}/", gateway.web));
    browser.until("document.body.dataset.view === 'idle'");
    done(&gateway.folder, &["kiosk", "revoke", "north-1"]);
    // The register is read again within two seconds; a scan meanwhile is still answered.
    browser.until(
        "fetch('/kiosk/config.json').then((reply) => reply.json()).then((settings) => settings.enrolled === false)",
    );
    browser.scan(&receipt);
    browser.until("document.body.dataset.view === 'unenrolled'");
}
