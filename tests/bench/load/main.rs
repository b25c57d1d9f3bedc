//! The whole product under load: a `jindu` process on one side, the bench's callers and scanners on the other.
//!
//! `tests/bench/run` runs every figure and prints one table; `cargo bench --bench load -- media` runs one
//! (`media`, `media-io`, `bridged`, `media-srtp`, `signal`, `allocations`, `keys`, `scan`, `start`, `publish`, `overload`; `soak` runs only by its name). `CALLS`,
//! `SECONDS` and `ROUNDS` in the environment change the size.
//!
//! The machine may be shared: a figure with a limit is measured beside that limit in the same run, rounds alternate,
//! and medians are printed. No time is asserted; correctness is: no call may fail, no error may be logged, every call
//! must be in the journal, and nothing may be held once the callers are gone.

mod allocations;
mod bridged;
mod callers;
mod figures;
mod marks;
mod media_io;
mod overload;
mod probe;
mod process;
mod publish;
mod scans;
mod soak;
mod sockets;
mod srtp;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> ExitCode {
    if let Some(code) = allocations::serve() {
        return code;
    }
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |name: &str| {
        let all = asked.is_empty() && name != "soak";
        all || asked.iter().any(|word| word == name)
    };
    let mut table = figures::Table::default();
    for (name, measure) in figures::ALL {
        if wanted(name) {
            measure(&mut table);
        }
    }
    table.print();
    ExitCode::SUCCESS
}

/// A size from the environment.
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The middle one; the worse of two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A part of sorted values, as in 0.99.
fn part(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}
