//! sipp plays many callers at once, and its log says what became of each.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::gateway::{home, peer, temporary_folder};
use support::wait::{eventually, within};

/// Callers at work.
pub(crate) struct Callers {
    child: Child,
    folder: PathBuf,
}

/// What became of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The node's address, once one has answered.
    pub(crate) node: Option<String>,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Talked, and hung up as callers do.
    Well,
    /// Answered, and then the node was gone.
    Lost,
    /// Turned away.
    Refused,
    /// Never answered, or nothing is known.
    Silent,
}

impl Callers {
    /// Starts calls at `rate` a second, until they end; each lasts `hold`.
    pub(crate) fn start(proxy: SocketAddr, rate: u32, hold: Duration) -> Callers {
        let folder = temporary_folder("callers");
        let mut sipp = peer("sipp");
        let (errors, log) = (folder.join("errors"), folder.join("log"));
        sipp.arg(proxy.to_string())
            .args(["-sf".as_ref(), home().join("tests/sipp/proxied.xml").as_os_str()])
            .args(["-s", "96110110", "-i", "127.0.0.1", "-t", "u1"])
            .args(["-r", &rate.to_string(), "-m", CALLS_MAX, "-l", CALLS_MAX])
            .args(["-d", &hold.as_millis().to_string(), "-timeout", "300s", "-nostdin"])
            .args(["-trace_err", "-error_file"])
            .arg(&errors)
            .args(["-trace_logs", "-log_file"])
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Callers { child: sipp.spawn().expect("sipp can be started"), folder }
    }

    /// Waits until so many calls were answered.
    pub(crate) fn await_answered(&self, calls: usize) {
        self.until(&format!("{calls} answered calls"), |callers| callers.fates().1 >= calls);
    }

    /// Waits until so many calls were answered by this node.
    pub(crate) fn await_answered_by(&self, node: SocketAddr, calls: usize) {
        let ip = node.ip().to_string();
        let by = |callers: &Callers| {
            callers.fates().0.values().filter(|fate| fate.node.as_deref() == Some(ip.as_str())).count()
        };
        let from = by(self);
        self.until(&format!("{calls} more calls at {ip}"), |callers| by(callers) >= from + calls);
    }

    /// Begins no more calls, and waits for the last; gives what became of each.
    pub(crate) fn end(mut self) -> Vec<Fate> {
        let begun = self.child.try_wait().expect("sipp can be waited for");
        assert!(begun.is_none(), "sipp ended before: {}", self.errors());
        let told = Command::new("kill").arg("-USR1").arg(self.child.id().to_string()).status();
        assert!(told.expect("kill can be run").success());
        let ended = within(Duration::from_secs(120), || self.child.try_wait().expect("sipp can be waited for"));
        assert!(ended.is_ok(), "sipp does not end: {}", self.errors());
        self.fates().0.into_values().collect()
    }

    /// What is known of each call, by its Call-ID, and how many were answered.
    fn fates(&self) -> (BTreeMap<String, Fate>, usize) {
        let log = String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned();
        let (mut fates, mut answered) = (BTreeMap::<String, Fate>::new(), 0);
        for line in log.lines() {
            let mut words = line.split_whitespace();
            let (Some(what), Some(call)) = (words.next(), words.next()) else { continue };
            let fate = fates.entry(call.to_owned()).or_insert(Fate { node: None, end: End::Silent });
            match what {
                "answered" => {
                    answered += 1;
                    let contact = words.next().and_then(|uri| uri.strip_prefix("sip:")).unwrap_or_default();
                    fate.node = contact.split(':').next().map(str::to_owned);
                }
                "ended" => fate.end = End::Well,
                "lost" => fate.end = End::Lost,
                "refused" => fate.end = End::Refused,
                _ => {}
            }
        }
        (fates, answered)
    }

    fn errors(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("errors")).unwrap_or_default()).into_owned()
    }

    fn until(&self, what: &str, done: impl Fn(&Callers) -> bool) {
        eventually(Duration::from_secs(60), what, || if done(self) { Ok(()) } else { Err(self.errors()) });
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// More than are made in the longest test.
const CALLS_MAX: &str = "6000";
