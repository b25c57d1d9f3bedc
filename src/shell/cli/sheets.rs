//! `jindu test`: runs call sheets against the flow, in text and on virtual time.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use flow::Release;
use flow::sheet::{Outcome, parse, run as run_sheet};

/// Which calls of the sheets are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    All,
    Failures,
}

/// Runs every sheet and tells how many calls passed; whether none failed.
pub(crate) fn run(release: &Arc<Release>, sheets: &[PathBuf], tell: Tell) -> bool {
    let (mut passed, mut failed) = (0, 0);
    for path in sheets {
        let file = path.display().to_string();
        match read(release, path, &file) {
            Ok(outcomes) => {
                for outcome in &outcomes {
                    passed += usize::from(outcome.failure.is_none());
                    failed += usize::from(outcome.failure.is_some());
                    if tell == Tell::All || outcome.failure.is_some() {
                        print(&file, outcome);
                    }
                }
            }
            Err(complaints) => {
                failed += 1;
                complaints.iter().for_each(|complaint| println!("{complaint}"));
            }
        }
    }
    match tell {
        Tell::All => println!("{passed} passed, {failed} failed"),
        Tell::Failures => println!("{passed} calls of the sheets passed, {failed} failed"),
    }
    failed == 0
}

fn read(release: &Arc<Release>, path: &PathBuf, file: &str) -> Result<Vec<Outcome>, Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| vec![format!("{file}: {error}")])?;
    let sheet =
        parse(&text, file).map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(run_sheet(release, &sheet, Instant::now()))
}

fn print(file: &str, outcome: &Outcome) {
    let Some(failure) = &outcome.failure else {
        println!("ok    {}", outcome.name);
        return;
    };
    println!("FAIL  {}\n      {file}:{}: {}", outcome.name, failure.line, failure.what);
    for line in &outcome.transcript {
        println!("      | {line}");
    }
}
