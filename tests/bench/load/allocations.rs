//! What a call allocates. The gateway is this program itself, started again with an allocator that counts.
//!
//! ```text
//!  bench ── starts itself, COUNTS=FILE ──► `jindu serve`, whose allocator counts into FILE, a shared map
//!        ── calls ──► ◄── reads FILE before and after
//! ```
//! `SITES=FILE` writes there, when it ends, which places allocate most often, by every [`SAMPLED`]th allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::ExitCode;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::callers::{Callers, Heard, Manners};
use super::figures::{HOTLINE, Table};
use super::process::{Gateway, pin};
use super::setting;

/// The system's allocator; it counts in the gateway that [`serve`] starts, and nowhere else.
pub(crate) struct Counting;

/// Lies in a file that two processes map.
#[repr(C)]
struct Counts {
    allocations: AtomicU64,
    octets: AtomicU64,
    /// Not 0 while the sites of allocations are recorded.
    sampling: AtomicU64,
}

// SAFETY: every call goes to the system's allocator with what was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

fn count(octets: usize) {
    // What a sample itself allocates is no part of a call.
    if BUSY.try_with(Cell::get).unwrap_or(true) {
        return;
    }
    // SAFETY: it is null, or a map of `Counts` that is never removed.
    let Some(counts) = (unsafe { COUNTS.load(Ordering::Relaxed).as_ref() }) else { return };
    let nth = counts.allocations.fetch_add(1, Ordering::Relaxed);
    counts.octets.fetch_add(octets as u64, Ordering::Relaxed);
    if counts.sampling.load(Ordering::Relaxed) != 0 && nth.is_multiple_of(SAMPLED) {
        let _ = BUSY.try_with(|busy| busy.set(true));
        let trace = Backtrace::force_capture();
        SITES.lock().unwrap_or_else(PoisonError::into_inner).push(trace);
        let _ = BUSY.try_with(|busy| busy.set(false));
    }
}

/// Serves as `jindu` does, and counts, if this process was started for it.
pub(crate) fn serve() -> Option<ExitCode> {
    let file = std::env::var_os(COUNTS_FILE)?;
    COUNTS.store(mapped(Path::new(&file)), Ordering::Relaxed);
    let code = cli::run::run(std::env::args_os());
    COUNTS.store(null_mut(), Ordering::Relaxed);
    if let Some(file) = std::env::var_os("SITES") {
        fs::write(file, sites()).expect("the sites can be written");
    }
    Some(code)
}

/// What one call allocates, at a rate that is no load.
pub(crate) fn allocations(table: &mut Table) {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("jindu-allocations-{}", std::process::id()));
    File::create(&file).and_then(|made| made.set_len(size_of::<Counts>() as u64)).expect("a file can be made");
    // SAFETY: the map has the size of the value, is aligned to a page, and is never removed.
    let counts = unsafe { &*mapped(&file) };
    let gateway = Gateway::counted(&file);
    pin(Some(1));
    let mut callers = Callers::new(gateway.phone, 1000);
    let time = Duration::from_secs(setting("SECONDS", 5) as u64);
    let mut calls = run(&mut callers, time);
    let read = || [&counts.allocations, &counts.octets].map(|count| count.load(Ordering::Relaxed) as f64);
    let before = read();
    std::thread::sleep(time);
    let idle = read();
    counts.sampling.store(std::env::var_os("SITES").is_some().into(), Ordering::Relaxed);
    let begun = std::time::Instant::now();
    let counted = run(&mut callers, time);
    let passed = begun.elapsed().as_secs_f64() / time.as_secs_f64();
    counts.sampling.store(0, Ordering::Relaxed);
    let after = read();
    calls += counted;
    // What a node allocates by itself in the same time is none of a call.
    let of_a_call = |n: usize| (after[n] - idle[n] - (idle[n] - before[n]) * passed) / counted as f64;
    table.line(
        "allocations",
        "allocations of a call (INVITE, 200, ACK, 20 ms, BYE, 200)",
        "-",
        format!("{:.0}, {:.1} KiB", of_a_call(0), of_a_call(1) / 1024.0),
        "-".into(),
    );
    gateway.end(calls);
    let _ = fs::remove_file(&file);
}

/// Calls for a time; how many.
fn run(callers: &mut Callers, time: Duration) -> u64 {
    callers.heard = Heard::default();
    let manners = Manners { leaves_after: Some(Duration::from_millis(20)), ..Manners::default() };
    callers.dial(HOTLINE, 500.0, time, u64::MAX, manners);
    // Until what remains of the last ones is gone, too.
    callers.go_on(Duration::from_secs(40), |callers| callers.busy() == 0);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!((callers.heard.failed, callers.heard.shed), (0, 0));
    callers.heard.called
}

/// Maps the counts of a file that has their size.
fn mapped(file: &Path) -> *mut Counts {
    let file = OpenOptions::new().read(true).write(true).open(file).expect("the file of the counts is there");
    // SAFETY: a new shared map of an open file; the kernel chooses where.
    let at = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(null_mut(), size_of::<Counts>(), access, libc::MAP_SHARED, file.as_raw_fd(), 0)
    };
    assert_ne!(at, libc::MAP_FAILED, "the counts can be mapped");
    at.cast()
}

/// The places that allocate most often, with those that call them, a line each.
fn sites() -> String {
    let traces = std::mem::take(&mut *SITES.lock().unwrap_or_else(PoisonError::into_inner));
    let all = traces.len();
    let mut found: HashMap<String, usize> = HashMap::new();
    for trace in traces {
        *found.entry(site(&trace.to_string())).or_default() += 1;
    }
    let mut found: Vec<(String, usize)> = found.into_iter().collect();
    found.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let line = |(site, times): &(String, usize)| format!("{:5.2} %  {site}\n", *times as f64 * 100.0 / all as f64);
    found.iter().map(line).collect()
}

/// The innermost places of this project, the innermost first.
fn site(trace: &str) -> String {
    // `  12: function`, `             at place:line:column`; what is inlined has its own lines.
    let places = trace.lines().filter_map(|line| line.trim().strip_prefix("at "));
    let own = places.filter(|place| !NOT_OURS.iter().any(|other| place.contains(other)));
    own.take(4).collect::<Vec<_>>().join(" < ")
}

static COUNTS: AtomicPtr<Counts> = AtomicPtr::new(null_mut());
static SITES: Mutex<Vec<Backtrace>> = Mutex::new(Vec::new());
thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
}
/// The variable of the environment that names the file of the counts.
pub(crate) const COUNTS_FILE: &str = "COUNTS";
const SAMPLED: u64 = 17;
/// Where what allocates is called from, but not why: the standard library, other crates, this file.
const NOT_OURS: [&str; 3] = ["/rustc/", "/registry/", "allocations.rs"];
