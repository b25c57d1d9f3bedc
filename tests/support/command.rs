//! The program's commands, run as an operator runs them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::gateway::jindu;

/// Runs a command on a data folder, to its end.
pub fn run(folder: &Path, words: &[&str]) -> Output {
    jindu(folder).args(words).stdin(Stdio::null()).output().expect("the program runs")
}

/// The same of a command that must succeed; its standard output.
#[track_caller]
pub fn done(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    assert!(output.status.success(), "{words:?}: {}", told(&output));
    text(&output.stdout)
}

/// The same of a command that prints JSON.
#[track_caller]
pub fn done_json(folder: &Path, words: &[&str]) -> Value {
    let told = done(folder, words);
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// Octets as text.
pub fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Everything that a command printed: the standard output, then the standard error.
pub fn told(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// The name of the release that a data folder points at.
pub fn live_release(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("releases/live")).expect("a live release").trim().to_owned()
}

/// Adds an approver's account; the file of its password, for `--password-file`.
pub fn add_approver(folder: &Path, name: &str) -> PathBuf {
    let mut child = jindu(folder)
        .args(["studio", "account", "add", name, "--role", "approver"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let secrets = format!("{PASSWORD}\n\n");
    child.stdin.take().expect("its input").write_all(secrets.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", told(&output));
    let file = folder.join(format!("{name}.password"));
    std::fs::write(&file, PASSWORD).expect("written");
    file
}

const PASSWORD: &str = "seven green teapots";
