//! Reads one photograph in a process of its own, which can be ended: a search cannot be interrupted, and a picture that was
//! made for it takes minutes. Whatever ends the request, or the node, ends the process.
//!
//! ```text
//!  picture ─► standard input ─► jindu read-photograph ─► standard output ─► reports, judged here as they come
//! ```

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use base::Private;
use web::{BarcodeSearch, PhotographError, PhotographLimits, PhotographReport};

/// The command that reads a photograph; not for people.
pub const READ_PHOTOGRAPH: &str = "read-photograph";

/// The text of a photograph's barcode, as [`web::Photograph::barcode`] gives it; the outer error says that the program
/// could not be started.
pub(crate) async fn barcode(
    program: &Path,
    bytes: &Bytes,
    limits: PhotographLimits,
    receipt_of: impl Fn(&str) -> Option<Private<String>>,
) -> io::Result<Result<Private<String>, PhotographError>> {
    let mut command = Command::new(program);
    command.arg(READ_PHOTOGRAPH).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let began = Instant::now();
    let mut child = command.spawn()?;
    let mut reading = Reading { began, limits, search: BarcodeSearch::default(), is_ready: false };
    let read = timeout(limits.time + LAST_ATTEMPT, reading.of(&mut child, bytes, receipt_of)).await;
    // The place for the next picture is free once this one's process is gone.
    let _ = child.kill().await;
    match read {
        Ok(Some(result)) => Ok(result),
        Ok(None) if !reading.is_ready => Err(io::Error::other("the program is none that reads photographs")),
        Ok(None) => {
            tracing::warn!("photograph_reader_ended: a photograph could not be searched");
            Ok(reading.search.failed())
        }
        Err(_) => Ok(reading.search.time_over()),
    }
}

/// A photograph that is being read.
struct Reading {
    began: Instant,
    limits: PhotographLimits,
    search: BarcodeSearch,
    is_ready: bool,
}

impl Reading {
    /// The result; `None` when the process ended without one.
    async fn of(
        &mut self,
        child: &mut Child,
        bytes: &Bytes,
        receipt_of: impl Fn(&str) -> Option<Private<String>>,
    ) -> Option<Result<Private<String>, PhotographError>> {
        let (mut input, output) = (child.stdin.take()?, child.stdout.take()?);
        let send = async move {
            // A process that has ended reads nothing; its reports, or none, say why.
            let _ = input.write_all(bytes).await;
        };
        tokio::join!(send, self.judged(output, receipt_of)).1
    }

    async fn judged(
        &mut self,
        output: ChildStdout,
        receipt_of: impl Fn(&str) -> Option<Private<String>>,
    ) -> Option<Result<Private<String>, PhotographError>> {
        let mut lines = BufReader::new(output.take(REPORT_BYTES_MAX)).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match PhotographReport::read(&line)? {
                PhotographReport::Ready => self.is_ready = true,
                PhotographReport::Found(found) => {
                    if let Some(result) = self.search.take(found, &receipt_of) {
                        return Some(result);
                    }
                }
                PhotographReport::End => return Some(self.search.clone().exhausted()),
                PhotographReport::Damaged => return Some(Err(PhotographError::Damaged)),
                PhotographReport::TooManyPixels => return Some(Err(self.limits.exceeded())),
            }
            if self.began.elapsed() >= self.limits.time {
                return Some(self.search.clone().time_over());
            }
        }
        None
    }
}

/// How long the last attempt may take.
const LAST_ATTEMPT: Duration = Duration::from_secs(2);
/// All reports on one photograph.
const REPORT_BYTES_MAX: u64 = 4 << 20;
