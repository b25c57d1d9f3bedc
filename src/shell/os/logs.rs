//! The log, on standard error. A thread of its own writes it, so that no call waits for the disk.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use config::Log;

/// The running log. Dropping it writes the remaining lines.
pub struct Logs {
    sender: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts logging with the level and format of the settings. When 16,384 lines wait, further lines are dropped.
pub fn start(settings: &Log) -> Logs {
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || write_all(&receiver)).ok();
    let level: LevelFilter = settings.level.parse().unwrap_or(LevelFilter::INFO);
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(Writer(sender.clone()))
        .with_ansi(false)
        .with_target(false);
    let started = if settings.json { builder.json().try_init() } else { builder.try_init() };
    if started.is_err() {
        let _ = writeln!(io::stderr(), "the log was started twice");
    }
    Logs { sender: Some(sender), thread }
}

fn write_all(lines: &Receiver<Vec<u8>>) {
    let mut batch = Vec::with_capacity(BATCH_BYTES);
    while let Ok(line) = lines.recv() {
        if line.is_empty() {
            break;
        }
        batch.extend_from_slice(&line);
        // Under load many lines arrive in this time and share one wake-up and one write.
        std::thread::sleep(GATHER);
        while batch.len() < BATCH_BYTES {
            match lines.try_recv() {
                Ok(line) if line.is_empty() => {
                    let _ = io::stderr().write_all(&batch);
                    return;
                }
                Ok(line) => batch.extend_from_slice(&line),
                Err(_) => break,
            }
        }
        let _ = io::stderr().write_all(&batch);
        batch.clear();
    }
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
const GATHER: std::time::Duration = std::time::Duration::from_millis(5);
