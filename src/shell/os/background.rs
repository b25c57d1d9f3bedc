//! Background work: it runs on a thread of its own at a low priority, so that calls are not delayed.

/// Runs some work on a background thread and returns its result. Blocks the caller; a panic is passed on.
pub fn run<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            lower_priority();
            work()
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Lowers the priority of the calling thread until it ends.
pub fn lower_priority() {
    // SAFETY: the arguments are plain numbers; on Linux process 0 means the calling thread, and a failure changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

/// About a tenth of the CPU share of a call's thread when the cores are busy.
const NICE: libc::c_int = 10;
