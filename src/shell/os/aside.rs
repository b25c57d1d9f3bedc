//! Work that may wait: it runs on a thread of its own that lets those of the calls go first.

/// Does some work aside, and gives what came of it. The caller waits.
pub fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            step_back();
            work()
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Lets other threads go before this one, for good, whenever there is a core too few.
pub fn step_back() {
    // SAFETY: plain numbers; on Linux process 0 means the calling thread, and a refusal changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// A tenth of what a call's thread gets: enough to come to an end on a machine that others use as well.
const NICE: libc::c_int = 10;
