//! Callers one after the other: each dials, keys in a receipt and its tail, and listens for the answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base::Codec;

use super::upstream::Still;
use support::phone::Phone;
use support::scans::Peace;
use support::sound::{clip, find};
use support::wait::{eventually, within};

/// Callers at work.
pub(crate) struct Calls {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// What the callers heard, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// How many calls ended with this recording heard.
    pub(crate) clips: BTreeMap<&'static str, u64>,
    pub(crate) failed: Vec<String>,
}

struct Shared {
    server: SocketAddr,
    peace: Arc<Peace>,
    cases: Vec<Still>,
    stop: AtomicBool,
    heard: Mutex<Heard>,
}

impl Calls {
    pub(crate) fn start(server: SocketAddr, peace: Arc<Peace>, cases: Vec<Still>) -> Calls {
        let shared = Shared { server, peace, cases, stop: AtomicBool::new(false), heard: Mutex::default() };
        let shared = Arc::new(shared);
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.call()
        });
        Calls { shared, thread }
    }

    /// Waits until so many more calls heard a recording.
    pub(crate) fn await_more(&self, clip: &'static str, n: u64) {
        let heard = || self.shared.heard.lock().expect("heard").clips.get(clip).copied().unwrap_or(0);
        let until = heard() + n;
        eventually(Duration::from_secs(60), format!("{n} more callers hear {clip}"), || match heard() >= until {
            true => Ok(()),
            false => Err(format!("{:?}", self.shared.heard.lock().expect("heard"))),
        });
    }

    pub(crate) fn end(self) -> Heard {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the callers end");
        std::mem::take(&mut self.shared.heard.lock().expect("heard"))
    }
}

impl Shared {
    fn call(&self) {
        let clips: Vec<(&str, Vec<u8>)> = ANSWERS.iter().map(|id| (*id, clip("en", id, Codec::Alaw))).collect();
        for case in self.cases.iter().cycle() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let day = self.peace.day();
            match self.one_call(case, &clips) {
                Ok(clip) => *self.heard.lock().expect("heard").clips.entry(clip).or_default() += 1,
                Err(why) if self.peace.lasted_since(day) => self.heard.lock().expect("heard").failed.push(why),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn one_call(&self, case: &Still, clips: &[(&'static str, Vec<u8>)]) -> Result<&'static str, String> {
        let mut phone = Phone::try_dial(self.server)?;
        phone.press(&format!("31{}{}", case.receipt, case.tail));
        let day = self.peace.day();
        let answer = within(PATIENCE, || {
            let heard = phone.heard();
            let answer = clips.iter().find(|(_, clip)| find(&heard, clip).is_some());
            match answer {
                Some((id, _)) => Ok(Some(*id)),
                None if self.peace.day() != day => Ok(None),
                None => Err(format!("no answer is heard in {} octets", heard.len())),
            }
        })?;
        phone.try_hang_up()?;
        answer.ok_or_else(|| "no answer was heard before a fault".into())
    }
}

/// The answers that a caller may hear: the answer's age, ready, or that the copy is unreadable or too old.
const ANSWERS: [&str; 3] = [AGE, READY, DOWN];
pub(crate) const AGE: &str = "prompt.as_of.0";
pub(crate) const READY: &str = "prompt.st_ready.0";
pub(crate) const DOWN: &str = "prompt.lookup_down";
const PATIENCE: Duration = Duration::from_secs(30);
