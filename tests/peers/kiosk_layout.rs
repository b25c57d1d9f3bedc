//! The kiosk's and the public page as they lie on screens of halls and in the hand, in every state and language.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use support::browser::Browser;
use support::gateway::Gateway;

const HALLS: [(u32, u32); 6] = [(1920, 1080), (1366, 768), (1280, 800), (1080, 1920), (768, 1024), (800, 1280)];
const TELEPHONE: (u32, u32) = (360, 640);
const LANGS: [&str; 3] = ["zh", "yue", "en"];
const GEOMETRY: &str = include_str!("geometry.js");
const FOCUS: &str = include_str!("focus.js");

/// Answers that the page gets in place of the node's: `reply` is a status and a body, a failure, or none yet.
const REPLIES: &str = "(() => {
    const real = window.fetch.bind(window);
    window.fetch = async (path, ...rest) => {
        if (path === '/kiosk/config.json') {
            const response = await real(path, ...rest);
            return new Response(JSON.stringify({ ...(await response.json()), ...window.settings }));
        }
        if (window.reply === 'never') return new Promise(() => {});
        if (window.reply === 'fails') throw new TypeError('no network');
        return new Response(JSON.stringify(window.reply.body), { status: window.reply.status });
    };
})()";

/// What a page shows, and the view that it is.
struct State {
    name: &'static str,
    view: &'static str,
    reply: Value,
}

fn states(gateway: &Gateway) -> Vec<State> {
    let found = |body: Value| json!({"status": 200, "body": body});
    let scanned =
        |name, stage: &str| State { name, view: "answer", reply: found(gateway.scan(&gateway.example(stage).0)) };
    let mut states: Vec<State> =
        ["accepted", "review", "supplement", "production", "ready", "posted", "collected", "contact"]
            .map(|stage| scanned(stage, stage))
            .into();
    let mut stale = gateway.scan(&gateway.example("supplement").0);
    stale["stale"] = json!(true);
    let mut down = gateway.scan("440199999999999");
    down["unavailable"] = json!(true);
    let refused = |status: u16, error: &str| {
        json!({"status": status, "body": {"error": error, "wording": {
            "zh": "照片中没有识别到条形码。请将回执放平，靠近拍摄，使条形码清晰并占满画面，再拍一次。",
            "yue": "照片中沒有識別到條形碼。請將回執放平，靠近拍攝，使條形碼清晰並佔滿畫面，再拍一次。",
            "en": "No barcode was found. Please lay the receipt flat, move closer until the barcode fills the picture, and try again.",
        }}})
    };
    let answer = |name, reply| State { name, view: "answer", reply };
    states.extend([
        answer("stale", found(stale)),
        answer("not found", found(gateway.scan("440199999999999"))),
        answer("wrong length", found(gateway.scan("44019999"))),
        answer("waybill", found(gateway.scan("SF1234567890123"))),
        answer("unavailable", found(down)),
        answer("failed photograph", refused(422, "no_barcode")),
        answer("limit", refused(429, "limited")),
        answer("fault", json!({"status": 500, "body": {}})),
        State { name: "reading", view: "asking", reply: json!("never") },
        State { name: "network fault", view: "offline", reply: json!("fails") },
    ]);
    states
}

/// Opens the page with a stopped clock and replies of the test's choice.
fn opened(gateway: &Gateway, browser: &mut Browser) {
    browser.stop_clock();
    browser.at_start(REPLIES);
    browser.open(&format!("http://{}/kiosk?kiosk=hall-1", gateway.web));
    browser.until("document.body.dataset.view === 'idle' && document.fonts.status === 'loaded'");
}

/// Brings the page into a state.
fn enter(browser: &mut Browser, state: &State, n: usize) {
    browser.value(&format!("void (window.reply = {})", state.reply));
    browser.value("document.querySelector('[data-do=home]').click()");
    browser.scan(&format!("4401{n:011}"));
    browser.until(&format!("document.body.dataset.view === '{}'", state.view));
}

fn faults(browser: &mut Browser, whole: bool) -> Vec<String> {
    let found = browser.value(&format!("({})({whole})", GEOMETRY.trim_end_matches(['\n', ';'])));
    serde_json::from_value(found).expect("lines")
}

/// Looks at a page in every language; gives its faults.
fn in_every_language(browser: &mut Browser, what: &str, whole: bool) -> Vec<String> {
    let mut all = Vec::new();
    for lang in LANGS {
        browser.value(&format!("document.querySelector('[data-lang={lang}]').click()"));
        let size = browser.value("`${innerWidth}x${innerHeight}`");
        let size = size.as_str().expect("a size").to_owned();
        let found = faults(browser, whole);
        keep(browser, &format!("{size}-{}-{lang}", what.replace(' ', "-")));
        all.extend(found.into_iter().map(|fault| format!("{what}, {lang}, {size}: {fault}")));
    }
    all
}

/// Keeps a picture of the page for people to look at, where `KEEP_PICTURES` is set.
fn keep(browser: &mut Browser, name: &str) {
    if std::env::var_os("KEEP_PICTURES").is_none() {
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("layout");
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join(format!("{name}.png")), browser.picture(0.6)).expect("a picture can be written");
}

/// Walks through every state at this size.
fn walk(browser: &mut Browser, states: &[State], count: &mut usize, whole: bool) -> Vec<String> {
    browser.value("document.querySelector('[data-do=home]').click()");
    let mut all = in_every_language(browser, "idle", whole);
    if browser.value("document.querySelector('.open-keys').checkVisibility()") == true {
        browser.click(".open-keys");
        all.extend(in_every_language(browser, "keys", whole));
    }
    for digit in ['4', '1', '0'] {
        browser.value(&format!("document.querySelector('[data-key=\"{digit}\"]').click()"));
    }
    browser.value("document.getElementById('look-up').click()");
    all.extend(in_every_language(browser, "too few digits", whole));
    for state in states {
        *count += 1;
        enter(browser, state, *count);
        all.extend(in_every_language(browser, state.name, whole));
        if state.name == "ready" {
            browser.click("[data-score='1']");
            all.extend(in_every_language(browser, "rated", whole));
            browser.pass(Duration::from_secs(41));
            browser.until("!document.getElementById('warning').hidden");
            all.extend(in_every_language(browser, "warning", whole));
        }
    }
    for (name, settings) in
        [("maintenance", "{ maintenance: true }"), ("unenrolled", "{ enrolled: false }"), ("idle", "{}")]
    {
        browser.value(&format!("void (window.settings = {settings})"));
        browser.value("document.querySelector('[data-do=home]').click()");
        browser.pass(Duration::from_secs(20));
        browser.until(&format!("document.body.dataset.view === '{name}'"));
        all.extend(in_every_language(browser, name, whole));
    }
    all
}

#[test]
fn on_a_halls_screen_every_state_is_whole_and_its_actions_are_in_sight() {
    let gateway = Gateway::start(&[]);
    let states = states(&gateway);
    let mut browser = Browser::start(HALLS[0].0, HALLS[0].1);
    opened(&gateway, &mut browser);
    let (mut all, mut count) = (Vec::new(), 0);
    for (width, height) in HALLS {
        browser.resize(width, height);
        all.extend(walk(&mut browser, &states, &mut count, true));
    }
    assert!(all.is_empty(), "{} faults\n{}", all.len(), all.join("\n"));
    assert_eq!(browser.errors, Vec::<String>::new());
}

#[test]
fn a_page_at_twice_its_size_keeps_its_actions_in_sight() {
    let gateway = Gateway::start(&[]);
    let states = states(&gateway);
    let mut browser = Browser::start(HALLS[0].0, HALLS[0].1);
    opened(&gateway, &mut browser);
    let (mut all, mut count) = (Vec::new(), 0);
    for (width, height) in HALLS {
        browser.zoom(width, height, 2);
        all.extend(walk(&mut browser, &states, &mut count, false));
    }
    assert!(all.is_empty(), "{} faults\n{}", all.len(), all.join("\n"));
}

#[test]
fn in_the_hand_the_actions_are_in_sight_and_the_camera_is_one_of_them() {
    let gateway = Gateway::start(&[]);
    let states = states(&gateway);
    let mut browser = Browser::start(TELEPHONE.0, TELEPHONE.1);
    browser.hand_held(TELEPHONE.0, TELEPHONE.1);
    opened(&gateway, &mut browser);
    assert_eq!(browser.value("document.querySelector('.idle .photo').checkVisibility()"), true);
    let all = walk(&mut browser, &states, &mut 0, false);
    assert!(all.is_empty(), "{} faults\n{}", all.len(), all.join("\n"));
}

#[test]
fn what_is_touched_is_low_on_a_screen_that_stands() {
    let gateway = Gateway::start(&[]);
    let states = states(&gateway);
    let mut browser = Browser::start(HALLS[3].0, HALLS[3].1);
    opened(&gateway, &mut browser);
    let high = "[...document.querySelectorAll('button, a[href]')].filter((node) => node.checkVisibility())
        .filter((node) => node.getBoundingClientRect().bottom < innerHeight * 0.45).map((node) => node.innerText)";
    let mut count = 0;
    for (width, height) in HALLS.into_iter().filter(|(width, height)| width < height) {
        browser.resize(width, height);
        assert_eq!(browser.value(high), json!([]), "idle at {width} × {height}");
        for state in &states {
            count += 1;
            enter(&mut browser, state, count);
            assert_eq!(browser.value(high), json!([]), "{} at {width} × {height}", state.name);
        }
        browser.value("document.querySelector('[data-do=home]').click()");
    }
}

#[test]
fn what_is_in_focus_has_a_ring_that_stands_out_from_every_ground() {
    let gateway = Gateway::start(&[]);
    let states = states(&gateway);
    let mut browser = Browser::start(HALLS[0].0, HALLS[0].1);
    opened(&gateway, &mut browser);
    let mut seen = walked_by_keyboard(&mut browser);
    for (n, state) in states.iter().enumerate() {
        enter(&mut browser, state, n);
        seen += walked_by_keyboard(&mut browser);
    }
    enter(&mut browser, &states[0], 90);
    browser.pass(Duration::from_secs(41));
    seen += walked_by_keyboard(&mut browser);
    for lang in LANGS {
        browser.open(&format!("http://{}/public?lang={lang}", gateway.web));
        seen += walked_by_keyboard(&mut browser);
    }
    assert!(seen > 60, "{seen} places");
}

/// Goes once around the page with the Tab key; gives how many places had the focus.
fn walked_by_keyboard(browser: &mut Browser) -> usize {
    let view = browser.value("document.body.dataset.view || location.pathname");
    let mut names: Vec<String> = Vec::new();
    for _ in 0..40 {
        browser.press("Tab");
        let at = browser.value(&format!("({})()", FOCUS.trim_end()));
        let Some(name) = at["name"].as_str() else { break };
        if names.iter().any(|seen| seen == name) && names.len() > 3 {
            break;
        }
        let (contrast, width) = (at["contrast"].as_f64().expect("a ratio"), at["width"].as_f64().expect("pixels"));
        assert!(contrast >= 3.0 && width >= 2.0, "{name} in {view}: {contrast:.2} to 1, {width} pixels wide");
        names.push(name.to_owned());
    }
    names.len()
}

#[test]
fn the_public_page_fits_every_screen_and_its_action_is_in_sight() {
    let many = ["failures_per_caller", "failures_per_receipt", "lookups_per_client", "lookups_per_receipt"];
    let set = many.map(|limit| format!("inquiry.{limit}=100000"));
    let gateway = Gateway::start(&set.each_ref().map(String::as_str));
    let mut browser = Browser::start(TELEPHONE.0, TELEPHONE.1);
    let mut all = Vec::new();
    let sizes = HALLS.into_iter().chain([TELEPHONE]);
    for (width, height, zoom) in sizes.flat_map(|(width, height)| [(width, height, 1), (width, height, 2)]) {
        browser.zoom(width, height, zoom);
        for lang in LANGS {
            for (page, receipt, tail) in pages(&gateway) {
                browser.open(&format!("http://{}/public?lang={lang}", gateway.web));
                if page != "form" {
                    browser.value(&format!("void (document.getElementById('code').value = {receipt:?}, document.getElementById('tail').value = {tail:?})"));
                    browser.value("document.querySelector('button[type=submit]').click()");
                    browser.until("document.querySelector('.stage') !== null");
                }
                let mut found = faults(&mut browser, false);
                keep(&mut browser, &format!("public-{width}x{height}-{zoom}-{page}-{lang}"));
                browser.value("window.scrollTo(0, 1e6)");
                found.extend(faults(&mut browser, false));
                let hidden = "document.querySelector('main').getBoundingClientRect().bottom > document.querySelector('.bar').getBoundingClientRect().top + 1";
                if browser.value(hidden) == true {
                    found.push("the end of the page stays under the bar".into());
                }
                all.extend(
                    found.into_iter().map(|fault| format!("{page}, {lang}, {width}×{height} / {zoom}: {fault}")),
                );
            }
        }
    }
    assert!(all.is_empty(), "{} faults\n{}", all.len(), all.join("\n"));
}

/// Pages by name, with what is typed for them.
fn pages(gateway: &Gateway) -> [(&'static str, String, String); 4] {
    let of = |name, (receipt, tail): (String, String)| (name, receipt, tail);
    [
        of("form", (String::new(), String::new())),
        of("ready", gateway.example("ready")),
        of("supplement", gateway.example("supplement")),
        of("not found", ("440100000000009".into(), "0000".into())),
    ]
}
