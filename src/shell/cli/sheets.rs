//! `jindu test`: runs call sheets against the flow, in text and on virtual time.

use std::path::PathBuf;

use base::plural;
use flow::sheet::Outcome;
use release::call_sheets::{self, SheetReport};
use release::hotline::Hotline;

use crate::say::say;

/// Runs the sheets and prints every call; whether all passed.
pub(crate) fn run(hotline: &Hotline, sheets: &[PathBuf]) -> bool {
    let reports = sheets.iter().map(|sheet| {
        let report = call_sheets::run(hotline, sheet);
        print(&report, |_| true);
        report
    });
    let reports: Vec<SheetReport> = reports.collect();
    let (passed, failed) = count(&reports);
    if passed + failed == 0 {
        say!("there is no test in it; a test begins with test \"NAME\"", "文件中没有测试；测试以 test \"名称\" 开头");
        return false;
    }
    // The failures may have scrolled out of sight.
    if failed > 0 && passed > failed {
        for report in &reports {
            let calls = report.calls.as_deref().unwrap_or_default();
            for (call, failure) in calls.iter().filter_map(|call| Some((call, call.failure.as_ref()?))) {
                let (file, line, name) = (&report.file, failure.line, &call.name);
                say!("FAIL  {file}:{line}: {name}", "未通过  {file}:{line}：{name}");
            }
        }
    }
    say!("{passed} passed, {failed} failed", "通过 {passed} 项，未通过 {failed} 项");
    failed == 0
}

/// Prints the failed calls; whether there is none.
pub(crate) fn print_failures(reports: &[SheetReport]) -> bool {
    reports.iter().for_each(|report| print(report, |call| call.failure.is_some()));
    let (passed, failed) = count(reports);
    let s = plural(passed);
    say!("{passed} call{s} of the sheets passed, {failed} failed", "通话脚本：通过 {passed} 项，未通过 {failed} 项");
    failed == 0
}

fn count(reports: &[SheetReport]) -> (usize, usize) {
    (reports.iter().map(SheetReport::passed).sum(), reports.iter().map(SheetReport::failed).sum())
}

fn print(report: &SheetReport, shown: impl Fn(&Outcome) -> bool) {
    match &report.calls {
        Ok(calls) => calls.iter().filter(|call| shown(call)).for_each(|call| print_call(&report.file, call)),
        Err(errors) => errors.iter().for_each(|error| say!("{error}", "{error:#}")),
    }
}

fn print_call(file: &str, call: &Outcome) {
    let Some(failure) = &call.failure else {
        let (name, seconds) = (&call.name, call.seconds.as_secs_f64());
        say!("ok    {name} ({seconds:.1} s)", "通过    {name}（{seconds:.1} 秒）");
        return;
    };
    let (name, line, what) = (&call.name, failure.line, &failure.what);
    say!("FAIL  {name}\n      {file}:{line}: {what}", "未通过  {name}\n      {file}:{line}: {what:#}");
    if call.transcript.len() > call.matched {
        say!("      what came instead is marked >", "      实际出现的内容以 > 标出");
    }
    for (n, line) in call.transcript.iter().enumerate() {
        let mark = if n < call.matched { '|' } else { '>' };
        crate::exit::print(format!("      {mark} {line}\n"));
    }
}
