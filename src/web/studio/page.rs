//! The files of the page.

use std::sync::LazyLock;

use crate::Asset;

/// The file at a path; none for other paths.
pub fn page(path: &str) -> Option<&'static Asset> {
    static FILES: LazyLock<Vec<(&'static str, Asset)>> = LazyLock::new(|| {
        let page = ["/studio", "/studio/"].map(|path| (path, Asset::new(HTML, include_bytes!("index.html"))));
        let style = [("/studio/style.css", Asset::new(CSS, include_bytes!("style.css")))];
        let scripts = SCRIPTS.iter().map(|(path, body)| (*path, Asset::new(JS, body)));
        page.into_iter().chain(style).chain(scripts).collect()
    });
    FILES.iter().find(|(at, _)| *at == path).map(|(_, asset)| asset)
}

macro_rules! scripts {
    ($($name:literal),+ $(,)?) => {
        [$((concat!("/studio/", $name), include_bytes!($name) as &[u8])),+]
    };
}

static SCRIPTS: [(&str, &[u8]); 24] = scripts![
    "account.js",
    "api.js",
    "app.js",
    "dom.js",
    "files.js",
    "first_password.js",
    "hands.js",
    "mic.js",
    "notes.js",
    "outbox.js",
    "overview.js",
    "password_fields.js",
    "plan.js",
    "player.js",
    "publish.js",
    "reading.js",
    "record.js",
    "report.js",
    "review.js",
    "sign_in.js",
    "sitting.js",
    "slots.js",
    "wave.js",
    "worklet.js",
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> &'static str {
        std::str::from_utf8(page(path).expect("a file").body).expect("UTF-8")
    }

    #[test]
    fn every_imported_module_is_built_in() {
        for (path, body) in SCRIPTS {
            let script = std::str::from_utf8(body).expect("UTF-8");
            for line in script.lines().filter(|line| line.starts_with("import ") || line.contains("} from \"./")) {
                let name = line.split("\"./").nth(1).and_then(|rest| rest.split('"').next()).expect("a module");
                assert!(page(&format!("/studio/{name}")).is_some(), "{path} asks for {name}");
            }
        }
        assert!(page("/studio/../kiosk").is_none() && page("/studio/nothing.js").is_none());
    }

    #[test]
    fn the_page_runs_under_a_strict_policy() {
        let page = text("/studio");
        assert!(!page.contains("<script>") && !page.contains(" style=") && !page.contains(" onclick="));
        for (path, body) in SCRIPTS {
            let script = std::str::from_utf8(body).expect("UTF-8");
            for evil in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "document.cookie"] {
                assert!(!script.contains(evil), "{path}: {evil}");
            }
            assert!(
                !script.contains("http://") && !script.contains("https://"),
                "{path} loads nothing from other hosts"
            );
        }
    }
}
