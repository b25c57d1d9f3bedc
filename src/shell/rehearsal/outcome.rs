//! How a call went, and the report of all calls.

use std::collections::BTreeMap;

use flow::sheet::{Failure, SheetTest};

/// How one call went.
pub(super) enum Outcome {
    Passed,
    /// The failure, and what came true before it.
    Failed(Failure, Vec<String>),
    /// The reason why the call was not made.
    LeftOut(String),
}

/// Prints outcomes in the order of the sheets, each as soon as those before it are printed.
#[derive(Default)]
pub(super) struct Report {
    waiting: BTreeMap<usize, String>,
    next: usize,
    passed: u32,
    failed: u32,
    left_out: u32,
}

impl Report {
    /// Takes the outcome of test number `at`, of a sheet in `file`.
    pub(super) fn take(&mut self, at: usize, file: &str, test: &SheetTest, outcome: Outcome) {
        let text = match outcome {
            Outcome::Passed => {
                self.passed += 1;
                format!("ok    {}", test.name)
            }
            Outcome::Failed(failure, heard) => {
                self.failed += 1;
                let heard: String = heard.iter().map(|line| format!("\n      | {line}")).collect();
                format!("FAIL  {}\n      {file}:{}: {}{heard}", test.name, failure.line, failure.what)
            }
            Outcome::LeftOut(why) => {
                self.left_out += 1;
                format!("--    {}\n      {file}:{}: left out: {why}", test.name, test.line)
            }
        };
        self.waiting.insert(at, text);
        while let Some(text) = self.waiting.remove(&self.next) {
            println!("{text}");
            self.next += 1;
        }
    }

    /// Prints the totals; true if some call passed and none failed.
    pub(super) fn finish(&self) -> bool {
        println!("{} passed, {} failed, {} left out", self.passed, self.failed, self.left_out);
        self.failed == 0 && self.passed > 0
    }
}
