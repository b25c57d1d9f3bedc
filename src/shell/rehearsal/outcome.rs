//! How a call went, the report of all calls, and on a terminal what is going on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write, stderr};

use base::{Bilingual, OfficeLang, bilingual};
use flow::sheet::{Failure, SheetTest};
use os::language;

/// How one call went.
pub(super) enum Outcome {
    Passed,
    /// The failure, and what came true before it.
    Failed(Failure, Vec<String>),
    /// The reason why the call was not made.
    LeftOut(Bilingual),
}

/// Prints outcomes in the order of the sheets, each as soon as those before it are printed.
pub(super) struct Report {
    lang: OfficeLang,
    waiting: BTreeMap<usize, String>,
    next: usize,
    passed: u32,
    failed: u32,
    left_out: u32,
    progress: Option<Progress>,
}

/// The line of a terminal that shows which calls are being made.
struct Progress {
    all: usize,
    done: usize,
    running: BTreeSet<usize>,
    names: BTreeMap<usize, String>,
}

impl Report {
    /// A report of so many calls.
    pub(super) fn of(calls: usize) -> Report {
        let progress = stderr().is_terminal().then(|| Progress {
            all: calls,
            done: 0,
            running: BTreeSet::new(),
            names: BTreeMap::new(),
        });
        let lang = language::current();
        Report { lang, waiting: BTreeMap::new(), next: 0, passed: 0, failed: 0, left_out: 0, progress }
    }

    /// Call number `at` begins.
    pub(super) fn begins(&mut self, at: usize, file: &str, test: &SheetTest) {
        if let Some(progress) = &mut self.progress {
            let sheet = file.rsplit('/').next().unwrap_or(file);
            progress.running.insert(at);
            progress.names.insert(at, format!("{sheet}: {}", test.name));
            progress.show(self.lang);
        }
    }

    /// Takes the outcome of test number `at`, of a sheet in `file`.
    pub(super) fn take(&mut self, at: usize, file: &str, test: &SheetTest, outcome: Outcome) {
        let name = &test.name;
        let text = match outcome {
            Outcome::Passed => {
                self.passed += 1;
                bilingual!("ok    {name}", "通过    {name}")
            }
            Outcome::Failed(failure, heard) => {
                self.failed += 1;
                let heard: String = heard.iter().map(|line| format!("\n      | {line}")).collect();
                let (line, what) = (failure.line, failure.what);
                bilingual!(
                    "FAIL  {name}\n      {file}:{line}: {what}{heard}",
                    "未通过  {name}\n      {file}:{line}: {what:#}{heard}"
                )
            }
            Outcome::LeftOut(why) => {
                self.left_out += 1;
                let line = test.line;
                bilingual!(
                    "--    {name}\n      {file}:{line}: skipped: {why}",
                    "--    {name}\n      {file}:{line}: 跳过：{why:#}"
                )
            }
        };
        if let Some(progress) = &mut self.progress {
            progress.done += 1;
            progress.running.remove(&at);
            progress.clear();
        }
        self.waiting.insert(at, text.of(self.lang).to_owned());
        while let Some(text) = self.waiting.remove(&self.next) {
            println!("{text}");
            self.next += 1;
        }
        if let Some(progress) = &self.progress {
            progress.show(self.lang);
        }
    }

    /// Prints the totals; true if some call passed and none failed.
    pub(super) fn finish(&self) -> bool {
        if let Some(progress) = &self.progress {
            progress.clear();
        }
        let Report { passed, failed, left_out, .. } = self;
        let text = bilingual!(
            "{passed} passed, {failed} failed, {left_out} skipped",
            "通过 {passed} 项，未通过 {failed} 项，跳过 {left_out} 项"
        );
        println!("{}", text.of(self.lang));
        self.failed == 0 && self.passed > 0
    }
}

impl Progress {
    /// `12 of 60 done, 24 running: ready.call: Mandarin, ready to collect`, in one line that the next one replaces.
    fn show(&self, lang: OfficeLang) {
        let oldest = self.running.first().and_then(|at| self.names.get(at)).map_or("", String::as_str);
        let Progress { all, done, running, .. } = self;
        let running = running.len();
        let text = bilingual!(
            "{done} of {all} done, {running} running: {oldest}",
            "已完成 {done}/{all}，进行中 {running}：{oldest}"
        );
        // Short enough for one line of a terminal, also where characters are wide.
        let short: String = text.of(lang).chars().take(lang.choose(78, 44)).collect();
        let _ = write!(stderr(), "\r\x1b[K{short}");
        let _ = stderr().flush();
    }

    fn clear(&self) {
        let _ = write!(stderr(), "\r\x1b[K");
        let _ = stderr().flush();
    }
}
