//! `jindu test`: runs call sheets against the flow, in text and on virtual time.

use std::path::PathBuf;

use flow::sheet::Outcome;
use release::call_sheets::{self, SheetReport};
use release::hotline::Hotline;

/// Runs the sheets and prints every call; whether all passed.
pub(crate) fn run(hotline: &Hotline, sheets: &[PathBuf]) -> bool {
    let reports = sheets.iter().map(|sheet| {
        let report = call_sheets::run(hotline, sheet);
        print(&report, |_| true);
        report
    });
    let (passed, failed) = count(&reports.collect::<Vec<_>>());
    println!("{passed} passed, {failed} failed");
    failed == 0
}

/// Prints the failed calls; whether there is none.
pub(crate) fn print_failures(reports: &[SheetReport]) -> bool {
    reports.iter().for_each(|report| print(report, |call| call.failure.is_some()));
    let (passed, failed) = count(reports);
    println!("{passed} calls of the sheets passed, {failed} failed");
    failed == 0
}

fn count(reports: &[SheetReport]) -> (usize, usize) {
    (reports.iter().map(SheetReport::passed).sum(), reports.iter().map(SheetReport::failed).sum())
}

fn print(report: &SheetReport, shown: impl Fn(&Outcome) -> bool) {
    match &report.calls {
        Ok(calls) => calls.iter().filter(|call| shown(call)).for_each(|call| print_call(&report.file, call)),
        Err(errors) => errors.iter().for_each(|error| println!("{error}")),
    }
}

fn print_call(file: &str, call: &Outcome) {
    let Some(failure) = &call.failure else {
        println!("ok    {} ({:.1} s)", call.name, call.seconds.as_secs_f64());
        return;
    };
    println!("FAIL  {}\n      {file}:{}: {}", call.name, failure.line, failure.what);
    for line in &call.transcript {
        println!("      | {line}");
    }
}
