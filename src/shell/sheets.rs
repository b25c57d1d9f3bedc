//! `jindu test`: runs call sheets against the flow, in text and on virtual time.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use crate::flow::Release;
use crate::flow::sheet::{Outcome, parse, run as run_sheet};

/// Runs every sheet, and tells what did not come true. Fails when anything did not.
pub fn run(release: &Arc<Release>, sheets: &[PathBuf]) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for path in sheets {
        let file = path.display().to_string();
        match read(release, path, &file) {
            Ok(outcomes) => {
                for outcome in &outcomes {
                    passed += usize::from(outcome.failure.is_none());
                    failed += usize::from(outcome.failure.is_some());
                    tell(&file, outcome);
                }
            }
            Err(complaints) => {
                failed += 1;
                complaints.iter().for_each(|complaint| println!("{complaint}"));
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs every sheet and tells only what fails, and how many passed.
pub fn run_quietly(release: &Arc<Release>, sheets: &[PathBuf]) -> bool {
    let (mut passed, mut failed) = (0, 0);
    for path in sheets {
        let file = path.display().to_string();
        match read(release, path, &file) {
            Ok(outcomes) => {
                for outcome in &outcomes {
                    passed += usize::from(outcome.failure.is_none());
                    failed += usize::from(outcome.failure.is_some());
                    outcome.failure.iter().for_each(|_| tell(&file, outcome));
                }
            }
            Err(complaints) => {
                failed += 1;
                complaints.iter().for_each(|complaint| println!("{complaint}"));
            }
        }
    }
    println!("{passed} calls of the sheets passed, {failed} failed");
    failed == 0
}

fn read(release: &Arc<Release>, path: &PathBuf, file: &str) -> Result<Vec<Outcome>, Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| vec![format!("{file}: {error}")])?;
    let sheet =
        parse(&text, file).map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(run_sheet(release, &sheet, Instant::now()))
}

fn tell(file: &str, outcome: &Outcome) {
    let Some(failure) = &outcome.failure else {
        println!("ok    {}", outcome.name);
        return;
    };
    println!("FAIL  {}\n      {file}:{}: {}", outcome.name, failure.line, failure.what);
    for line in &outcome.transcript {
        println!("      | {line}");
    }
}
