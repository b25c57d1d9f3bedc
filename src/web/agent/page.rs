//! The files of the agents' page.

use std::sync::LazyLock;

use crate::Asset;

/// The file at a path; none for other paths.
pub fn page(path: &str) -> Option<&'static Asset> {
    static FILES: LazyLock<Vec<(&'static str, Asset)>> = LazyLock::new(|| {
        let page = ["/agent", "/agent/"].map(|path| (path, Asset::new(HTML, include_bytes!("index.html"))));
        let style = [("/agent/style.css", Asset::new(CSS, include_bytes!("style.css")))];
        let scripts = SCRIPTS.iter().map(|(path, body)| (*path, Asset::new(JS, body)));
        page.into_iter().chain(style).chain(scripts).collect()
    });
    FILES.iter().find(|(at, _)| *at == path).map(|(_, asset)| asset)
}

macro_rules! scripts {
    ($($name:literal),+ $(,)?) => {
        [$((concat!("/agent/", $name), include_bytes!($name) as &[u8])),+]
    };
}

static SCRIPTS: [(&str, &[u8]); 7] =
    scripts!["app.js", "caller.js", "recordings.js", "ring.js", "supervisor.js", "transfer.js", "words.js"];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &'static [u8]) -> &'static str {
        std::str::from_utf8(body).expect("UTF-8")
    }

    #[test]
    fn every_imported_module_is_built_in() {
        for (path, body) in SCRIPTS {
            for line in text(body).lines().filter(|line| line.starts_with("import ")) {
                let name = line.split('"').nth(1).expect("a module");
                let found = match name.strip_prefix("./") {
                    Some(own) => page(&format!("/agent/{own}")),
                    None => crate::studio::page(name),
                };
                assert!(found.is_some(), "{path} asks for {name}");
            }
        }
        assert!(page("/agent/nothing.js").is_none() && page("/agent/../studio").is_none());
    }

    #[test]
    fn the_page_runs_under_a_strict_policy() {
        let html = text(page("/agent").expect("the page").body);
        assert!(!html.contains("<script>") && !html.contains(" style=") && !html.contains(" onclick="));
        for (path, body) in SCRIPTS {
            for evil in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "document.cookie"] {
                assert!(!text(body).contains(evil), "{path}: {evil}");
            }
            assert!(
                !text(body).contains("http://") && !text(body).contains("https://"),
                "{path} loads from other hosts"
            );
        }
    }
}
