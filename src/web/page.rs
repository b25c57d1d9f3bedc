//! The files of the kiosk's and the public page, built into the program, and the kiosk's settings.

use std::sync::LazyLock;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Route;
use base::Characters;

/// A file of a page.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The value of Content-Type.
    pub content_type: &'static str,
    /// The file as built in.
    pub body: &'static [u8],
    /// A strong validator (RFC 9110 §8.8.3), quotes included.
    pub etag: String,
}

/// The file of a route; none for routes that are not files.
pub fn asset(route: Route) -> Option<&'static Asset> {
    static FILES: LazyLock<Vec<(Route, Asset)>> = LazyLock::new(|| {
        let file = |route, kind, body: &'static [u8]| (route, Asset::new(kind, body));
        vec![
            file(Route::Page, HTML, include_bytes!("kiosk/index.html")),
            file(Route::Script, JS, include_bytes!("kiosk/app.js")),
            file(Route::Shapes, JS, include_bytes!("kiosk/shapes.js")),
            file(Route::Screen, JS, include_bytes!("kiosk/screen.js")),
            file(Route::Scanner, JS, include_bytes!("kiosk/scanner.js")),
            file(Route::Words, JS, include_bytes!("kiosk/words.js")),
            file(Route::Style, CSS, include_bytes!("kiosk/style.css")),
            file(Route::PublicScript, JS, include_bytes!("public/app.js")),
            file(Route::PublicStyle, CSS, include_bytes!("public/style.css")),
        ]
    });
    FILES.iter().find(|(of, _)| *of == route).map(|(_, asset)| asset)
}

/// Names the files of the kiosk's page, so that a kiosk with an older page is noticed.
fn page_version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        for route in
            [Route::Page, Route::Script, Route::Shapes, Route::Screen, Route::Scanner, Route::Words, Route::Style]
        {
            hash.update(asset(route).map_or(&[][..], |asset| asset.body));
        }
        base::hex(&hash.finalize()[..3])
    });
    &VERSION
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

impl Asset {
    pub(crate) fn new(content_type: &'static str, body: &'static [u8]) -> Asset {
        Asset { content_type, body, etag: entity_tag(body) }
    }

    /// Whether an `If-None-Match` header names this file (RFC 9110 §13.1.2).
    pub fn is_known_to(&self, if_none_match: &str) -> bool {
        let names = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag;
        if_none_match.split(',').any(|tag| names(tag.trim()))
    }
}

/// A strong entity tag of a body, with its quotes (RFC 9110 §8.8.3).
pub fn entity_tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", base::hex(&digest[..8]))
}

/// `GET /kiosk/config.json`, which the page reads at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KioskSettings {
    /// How long an answer is shown before the warning.
    pub answer_shown: Duration,
    /// How long the warning is shown before the screen is cleared; at least 20 s are sent.
    pub clear_warning: Duration,
    /// Whether the page shows a notice instead of scanning.
    pub maintenance: bool,
    /// The largest photograph that the node accepts.
    pub image_bytes_max: usize,
    /// The lengths of receipt numbers, shown where one is typed.
    pub receipt_lengths: Vec<u8>,
    /// The desk's telephone number; empty: not shown.
    pub desk_number: String,
    /// The characters for speakers of Cantonese.
    pub cantonese_characters: Characters,
}

impl KioskSettings {
    /// The reply's body. `enrolled`: whether the page is asked for by a kiosk.
    pub fn to_json(&self, enrolled: bool) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            enrolled: bool,
            page_version: &'static str,
            answer_shown_s: u64,
            clear_warning_s: u64,
            maintenance: bool,
            image_bytes_max: usize,
            receipt_lengths: &'a [u8],
            desk_number: &'a str,
            cantonese_characters: Characters,
        }
        let body = Body {
            enrolled,
            page_version: page_version(),
            answer_shown_s: self.answer_shown.as_secs(),
            clear_warning_s: self.clear_warning.max(WARNING_MIN).as_secs(),
            maintenance: self.maintenance,
            image_bytes_max: self.image_bytes_max,
            receipt_lengths: &self.receipt_lengths,
            desk_number: &self.desk_number,
            cantonese_characters: self.cantonese_characters,
        };
        serde_json::to_vec(&body).expect("strings and numbers serialise")
    }
}

/// WCAG 2.2 §2.2.1: a user is warned and has at least 20 seconds to extend a time limit.
const WARNING_MIN: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_tag() {
        let page = asset(Route::Page).unwrap();
        assert!(page.is_known_to(&page.etag));
        assert!(page.is_known_to(&format!("\"other\", W/{}", page.etag)));
        assert!(page.is_known_to("*"));
        assert!(!page.is_known_to("\"other\"") && !page.is_known_to("") && !page.is_known_to(",,,"));
    }

    #[test]
    fn the_page_loads_nothing_from_other_hosts_and_has_no_inline_script_or_style() {
        let text = |route| std::str::from_utf8(asset(route).unwrap().body).unwrap();
        let page = text(Route::Page);
        assert!(!page.contains("<script>") && !page.contains(" style=") && !page.contains(" onclick="));
        for route in Route::ALL.into_iter().filter(|route| asset(*route).is_some()) {
            let own = text(route).replace("http://www.w3.org/2000/svg", "");
            assert!(!own.contains("http://") && !own.contains("https://"), "{route:?}");
        }
        for route in [Route::Script, Route::Shapes, Route::Screen, Route::Scanner, Route::PublicScript] {
            for keeper in ["localStorage", "sessionStorage", "indexedDB", "pushState", "document.cookie", "innerHTML"] {
                assert!(!text(route).contains(keeper), "{keeper}");
            }
        }
    }

    #[test]
    fn the_warning_is_never_shorter_than_the_guideline() {
        let settings = KioskSettings {
            answer_shown: Duration::from_secs(40),
            clear_warning: Duration::from_secs(5),
            maintenance: false,
            image_bytes_max: 8_000_000,
            receipt_lengths: vec![15],
            desk_number: String::new(),
            cantonese_characters: Characters::Simplified,
        };
        let json: serde_json::Value = serde_json::from_slice(&settings.to_json(true)).unwrap();
        assert_eq!(json["clear_warning_s"], 20);
        assert_eq!((&json["answer_shown_s"], &json["enrolled"]), (&40.into(), &true.into()));
    }
}
