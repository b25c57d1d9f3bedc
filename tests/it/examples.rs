//! The files of `config/examples` fit one another and the program, and name nothing that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use support::command::done;
use support::folder::Folder;
use support::gateway::{Gateway, home};
use support::wait::{SOON, eventually};

fn example(name: &str) -> PathBuf {
    home().join("config/examples").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(example(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands behind `KEY=` or `KEY = `.
fn number(text: &str, key: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key} is set"));
    let value = line.split_once('=').expect("a value").1.trim();
    value.split(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn a_node_starts_with_its_example_and_is_given_the_time_to_drain() {
    let settings = text("node.toml");
    let folder = Folder::new();
    // The addresses of the example are those of no machine.
    let here = ["phone.listen=udp:127.0.0.1:5060,tcp:127.0.0.1:5060", "web.listen=127.0.0.1:8080"];
    let node = example("node.toml").display().to_string();
    done(folder.path(), &["check", "--config", &node, "--set", here[0], "--set", here[1]]);
    let (drain, stop) = (number(&settings, "drain_limit_s"), number(&text("jindu.service"), "TimeoutStopSec"));
    assert!(stop > drain, "systemd waits {stop} s for a drain of {drain} s");
    let mut ours = settings.replace("192.0.2.11:5060", "127.0.0.1:0").replace("192.0.2.11:8080", "127.0.0.1:0");
    ours = ours.replace("192.0.2.10", "127.0.0.1").replace("192.0.2.20", "127.0.0.1").replace("json = true", "");
    // The harness names settings only; the file is one of them.
    let file = format!("--config={}", folder.file("node.toml", &ours));
    let gateway = Gateway::start(&["phone.drain_least_s=0", &file]);
    let (status, health) = gateway.http("GET", "/health", "");
    assert_eq!(status, 200);
    assert!(health.contains("\"troubles\":["), "{health}");
}

#[test]
fn every_metric_of_an_alert_is_on_the_metrics_page() {
    let gateway = Gateway::start(&[]);
    // The age of the scrub is known after its first pass.
    let page = eventually(SOON, "a scrub ends", || {
        let (_, page) = gateway.http("GET", "/metrics", "");
        page.contains("jindu_replica_scrub_age_seconds").then_some(page)
    });
    let there: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let rules = text("jindu.rules.yml");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let used: BTreeSet<&str> = words.filter(|word| word.starts_with("jindu_")).collect();
    assert!(used.len() > 10, "{used:?}");
    for name in used {
        let family = name.trim_end_matches("_bucket");
        assert!(there.contains(family), "{name} is on the page:\n{page}");
    }
}

#[test]
fn every_alert_is_explained_in_the_guide() {
    let (rules, guide) = (text("jindu.rules.yml"), text("README.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        assert!(guide.contains(&format!("`{alert}`")), "{alert} is explained");
    }
}

#[test]
fn every_file_is_named_in_the_guide() {
    let guide = text("README.md");
    for entry in fs::read_dir(example("")).expect("the folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if name != "README.md" && !name.ends_with(".png") {
            assert!(guide.contains(&name), "{name} is named in the guide");
        }
    }
}

/// Each line is a comment, or a name, labels in braces and a number: what Prometheus takes.
#[test]
fn the_metrics_page_is_valid_for_prometheus() {
    let gateway = Gateway::start(&["data.sample_cases=0"]);
    let (_, page) = gateway.http("GET", "/metrics", "");
    for line in page.lines().filter(|line| !line.starts_with("# ")) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(value.parse::<f64>().is_ok() || value == "+Inf", "{line}");
        let (name, labels) = series.split_once('{').map_or((series, None), |(name, labels)| (name, Some(labels)));
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{line}");
        let pair = |pair: &str| pair.split_once("=\"").is_some_and(|(_, value)| value.ends_with('"'));
        assert!(
            labels.is_none_or(|labels| labels.strip_suffix('}').is_some_and(|all| all.split(',').all(pair))),
            "{line}"
        );
    }
}
