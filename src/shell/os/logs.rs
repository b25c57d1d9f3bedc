//! The log, on standard error. A thread of its own writes it, so that no call waits for the disk.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock;
use crate::log_limit::{LineFilter, LineLimit, Suppressed};
use config::Log;

/// The running log. Dropping it writes the remaining lines.
pub struct Logs {
    sender: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts logging with the level and format of the settings. When 16,384 lines wait, further lines are dropped.
/// Of one kind of line only so many are written in a second, and the others counted.
pub fn start(settings: &Log) -> Logs {
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    let limit = Arc::new(LineLimit::new(settings.lines_per_second_max));
    let summary = Summary { limit: Arc::clone(&limit), json: settings.json };
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || write_all(&receiver, &summary)).ok();
    let level: LevelFilter = settings.level.parse().unwrap_or(LevelFilter::INFO);
    let lines =
        tracing_subscriber::fmt::layer().with_writer(Writer(sender.clone())).with_ansi(false).with_target(false);
    let lines = if settings.json { lines.json().boxed() } else { lines.boxed() };
    let started =
        tracing_subscriber::registry().with(lines.with_filter(LineFilter(limit)).with_filter(level)).try_init();
    if started.is_err() {
        let _ = writeln!(io::stderr(), "the log was started twice");
    }
    Logs { sender: Some(sender), thread }
}

/// Says how many lines were suppressed.
struct Summary {
    limit: Arc<LineLimit>,
    json: bool,
}

impl Summary {
    fn write(&self) {
        let at = clock::timestamp();
        let text: String = self.limit.suppressed().iter().map(|suppressed| self.line(at, suppressed)).collect();
        if !text.is_empty() {
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }

    fn line(&self, at: Timestamp, Suppressed { message, count }: &Suppressed) -> String {
        if self.json {
            let fields = json!({"message": "log lines suppressed", "of": message, "count": count});
            format!("{}\n", json!({"timestamp": at.to_string(), "level": "WARN", "fields": fields}))
        } else {
            format!("{at:.6}  WARN log lines suppressed of={message:?} count={count}\n")
        }
    }
}

fn write_all(lines: &Receiver<Vec<u8>>, summary: &Summary) {
    let mut batch = Vec::with_capacity(BATCH_BYTES);
    let mut sum_up_at = Instant::now() + SUM_UP_EVERY;
    let mut open = true;
    while open {
        match lines.recv_timeout(sum_up_at.saturating_duration_since(Instant::now())) {
            Ok(first) => open = gather(first, lines, &mut batch),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
        let _ = io::stderr().write_all(&batch);
        batch.clear();
        if !open || Instant::now() >= sum_up_at {
            summary.write();
            sum_up_at = Instant::now() + SUM_UP_EVERY;
        }
    }
}

/// Collects the lines of one write; false at the end of the log, which is an empty line.
fn gather(first: Vec<u8>, lines: &Receiver<Vec<u8>>, batch: &mut Vec<u8>) -> bool {
    if first.is_empty() {
        return false;
    }
    batch.extend_from_slice(&first);
    // Under load many lines arrive in this time and share one wake-up and one write.
    std::thread::sleep(GATHER);
    while batch.len() < BATCH_BYTES {
        match lines.try_recv() {
            Ok(line) if line.is_empty() => return false,
            Ok(line) => batch.extend_from_slice(&line),
            Err(_) => break,
        }
    }
    true
}

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(Vec::new());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Clone)]
struct Writer(SyncSender<Vec<u8>>);

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.0.try_send(line.to_vec()) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Ok(line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Writer;

    fn make_writer(&'a self) -> Writer {
        self.clone()
    }
}

const LINES_WAITING_MAX: usize = 16_384;
const BATCH_BYTES: usize = 64 * 1024;
/// How long lines are collected for one write.
const GATHER: Duration = Duration::from_millis(5);
/// How often the suppressed lines are counted up.
const SUM_UP_EVERY: Duration = Duration::from_secs(10);
