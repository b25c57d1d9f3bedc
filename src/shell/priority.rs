//! Work that calls must not feel: reading and encoding a release, replaying past calls.

/// Lets the calling thread, and those that it starts, run only where calls leave time.
pub fn step_back() {
    // SAFETY: no pointer is passed; 0 means the calling thread, whose niceness may always be raised.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
    }
}

/// A tenth of what a call's thread gets: enough to come to an end on a machine that others use as well.
const NICE: libc::c_int = 10;
