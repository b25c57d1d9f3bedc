//! A one-way gate on a bad day: it seals the office's batches as it should, and then delivers them late, twice, in another
//! order, and in halves. In the end every file has come, whole, once at least.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use replica::CaseRecord;

use support::gateway::{home, program, temporary_folder};

/// A gate with a key of its own.
pub(crate) struct Gate {
    folder: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// Files that were sealed and have not come whole yet.
    waiting: VecDeque<PathBuf>,
    random: u64,
    copies: u32,
}

impl Gate {
    pub(crate) fn new() -> Gate {
        let folder = temporary_folder("gate");
        let gate = Gate {
            folder,
            state: Mutex::new(State { waiting: VecDeque::new(), random: 0x9E37_79B9_7F4A_7C15, copies: 0 }),
        };
        gate.run(&["feed", "keygen", "office"]);
        gate
    }

    /// Settings of a node that takes what this gate has sealed, and nothing else.
    pub(crate) fn settings(&self) -> PathBuf {
        let shipped = fs::read_to_string(home().join("config/jindu.toml")).expect("the shipped settings");
        let public = fs::read_to_string(self.path("office.pub")).expect("a public key");
        let public = public.lines().find(|line| !line.starts_with('-')).expect("a key between its PEM lines");
        let file = self.path("jindu.toml");
        let text = format!("{shipped}\n[[replica.key]]\nname = \"office\"\npublic = \"{public}\"\n");
        fs::write(&file, text).expect("a file can be written");
        file
    }

    /// Seals a batch, the first as a snapshot, and delivers something.
    pub(crate) fn send(&self, batch: &[CaseRecord], sequence: u64, spool: &Path) {
        let cases = self.path("cases.ndjson");
        let text: String = batch.iter().map(|case| case.to_line() + "\n").collect();
        fs::write(&cases, text).expect("a file can be written");
        let (out, key) = (self.path("OUT").display().to_string(), self.path("office.key").display().to_string());
        let file = cases.display().to_string();
        let mut words = vec!["feed", "pack", &file, "--out", &out, "--key", &key];
        if sequence == 1 {
            words.extend(["--snapshot", "--source", "intranet"]);
        }
        self.run(&words);
        let mut state = self.state.lock().expect("the gate");
        let sealed = fs::read_dir(&out).expect("what was packed").filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_string_lossy().into_owned();
            (!name.starts_with('.') && name.contains(".ndjson")).then_some(path)
        });
        for path in sealed {
            let kept = self.folder.join(path.file_name().expect("a name"));
            fs::rename(&path, &kept).expect("a file can be taken");
            state.waiting.push_back(kept);
        }
        state.deliver_some(spool, sequence == 1);
    }

    /// Everything that has not come yet comes, the last first.
    pub(crate) fn deliver_all(&self, spool: &Path) {
        let mut state = self.state.lock().expect("the gate");
        while let Some(path) = state.waiting.pop_back() {
            state.deliver(&path, spool, 1);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn run(&self, words: &[&str]) {
        let output = Command::new(program()).current_dir(&self.folder).args(words).output();
        let output = output.expect("the program runs");
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&told));
    }
}

impl State {
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    /// Some of what waits comes whole, in any order; some comes twice, some in halves first, some not yet.
    fn deliver_some(&mut self, spool: &Path, all: bool) {
        if all && let Some(path) = self.waiting.pop_front() {
            return self.deliver(&path, spool, 1);
        }
        if self.waiting.len() < 4 && self.draw(3) > 0 {
            return;
        }
        for _ in 0..self.draw(5) {
            let at = usize::try_from(self.draw(self.waiting.len().max(1) as u64)).expect("few");
            let Some(path) = self.waiting.remove(at) else { return };
            match self.draw(6) {
                0 => {
                    self.deliver(&path, spool, 2);
                    self.waiting.push_back(path);
                }
                1 => {
                    self.deliver(&path, spool, 1);
                    self.deliver(&path, spool, 1);
                }
                _ => self.deliver(&path, spool, 1),
            }
        }
    }

    /// A copy under a name of its own; with `part` 2 only the first half, as a line that breaks leaves it.
    fn deliver(&mut self, path: &Path, spool: &Path, part: usize) {
        self.copies += 1;
        let bytes = fs::read(path).expect("it waits here");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let draft = spool.join(format!("copy{}-{name}.tmp", self.copies));
        fs::write(&draft, &bytes[..bytes.len() / part]).expect("the spool takes it");
        fs::rename(&draft, draft.with_extension("")).expect("a file can be renamed");
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
