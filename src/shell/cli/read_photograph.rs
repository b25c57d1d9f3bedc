//! `jindu read-photograph`: the process in which a node reads one photograph of a barcode, within limits of its own. It is
//! no command for people, and in no help.

use std::fs;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use web::{FoundTexts, Photograph, PhotographError, PhotographLimits, PhotographReport};

/// Reads a photograph from the standard input, and writes reports to the standard output.
pub(crate) fn run() -> ExitCode {
    limit_process();
    match read(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The node has what it wants, or has gone.
        Err(_) => ExitCode::FAILURE,
    }
}

fn read(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut report = |report: PhotographReport| {
        output.write_all(report.to_line().as_bytes())?;
        output.flush()
    };
    report(PhotographReport::Ready)?;
    let mut bytes = Vec::new();
    input.take(PICTURE_BYTES_MAX).read_to_end(&mut bytes)?;
    match search(&bytes, |found| report(PhotographReport::Found(found))) {
        Ok(searched) => {
            searched?;
            report(PhotographReport::End)
        }
        Err(error) => report(error.into()),
    }
}

/// Makes all attempts; the inner error is that of `tell`.
fn search(bytes: &[u8], mut tell: impl FnMut(FoundTexts) -> io::Result<()>) -> Result<io::Result<()>, PhotographError> {
    let photograph = Photograph::read(bytes, PhotographLimits::default())?;
    Ok(photograph.attempts().try_for_each(&mut tell))
}

/// Bounds what a picture can cost if the node cannot end this process. A limit that cannot be set is the system's.
fn limit_process() {
    let limits = [(libc::RLIMIT_CPU, CPU_SECONDS), (libc::RLIMIT_AS, MEMORY_BYTES), (libc::RLIMIT_CORE, 0)];
    for (kind, most) in limits {
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: the structure is complete.
        let _ = unsafe { libc::setrlimit(kind, &raw const limit) };
    }
    // SAFETY: the argument is a signal; it is sent to this process when its node ends.
    let _ = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // Where memory is short, this process goes and not the node.
    let _ = fs::write("/proc/self/oom_score_adj", "500");
}

/// More than `web.image_bytes_max` can be.
const PICTURE_BYTES_MAX: u64 = 128 << 20;
/// More than the node waits for.
const CPU_SECONDS: u64 = 6;
/// The largest picture takes 400 MB; the allocator reserves 1 GB of addresses at a time.
const MEMORY_BYTES: u64 = 3 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_is_reported_in_one_line() {
        let mut output = Vec::new();
        read(&mut &b"\xff\xd8\xff"[..], &mut output).unwrap();
        let reports: Vec<_> = std::str::from_utf8(&output).unwrap().lines().map(PhotographReport::read).collect();
        assert_eq!(reports, [Some(PhotographReport::Ready), Some(PhotographReport::Damaged)]);
    }
}
