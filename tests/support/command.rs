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

/// Runs a command with lines on its standard input.
pub fn run_with(folder: &Path, words: &[&str], lines: &[&str]) -> Output {
    let mut child = jindu(folder)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // A command that refuses at once reads nothing.
    let _ = child
        .stdin
        .take()
        .expect("its input")
        .write_all(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes());
    child.wait_with_output().expect("it ends")
}

/// Adds an approver's account, whose password is the person's own; the file of it, for `--password-file`.
pub fn add_approver(folder: &Path, name: &str) -> PathBuf {
    let words = ["studio", "account", "add", name, "--role", "approver"];
    let output = run_with(folder, &words, &[FIRST_PASSWORD, ""]);
    assert!(output.status.success(), "{}", told(&output));
    let output = run_with(folder, &["studio", "passwd", name], &[FIRST_PASSWORD, PASSWORD]);
    assert!(output.status.success(), "{}", told(&output));
    let file = folder.join(format!("{name}.password"));
    std::fs::write(&file, PASSWORD).expect("written");
    file
}

/// `--who` and `--password-file` of an approver, whose account is made where there is none.
pub fn by_approver(folder: &Path) -> [String; 4] {
    let file = folder.join("wang.password");
    let file = if file.exists() { file } else { add_approver(folder, "wang") };
    ["--who".into(), "wang".into(), "--password-file".into(), file.display().to_string()]
}

const FIRST_PASSWORD: &str = "nine blue umbrellas";
const PASSWORD: &str = "seven green teapots";
