//! Signals that have no meaning for a serving node.

/// Ignores the signals whose default is to end or to stop a program, and which report no fault of the program itself.
/// `TERM`, `INT`, `QUIT` and `HUP` are left to those who listen to them.
pub fn ignore_others() {
    for signal in OTHERS.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
        // SAFETY: SIG_IGN runs no handler; a signal that the system does not have is refused.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Stop signals are among them: while a program is stopped, every caller hears silence. A write beyond the limit of a
/// file's size (`XFSZ`) is then an error of that write.
const OTHERS: [i32; 14] = [
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];
