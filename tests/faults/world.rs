//! The clocks and the disk of a node, in the test's hands: see `world.c`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use support::gateway::{home, temporary_folder};

/// The world of one node.
pub(crate) struct World {
    file: File,
    folder: PathBuf,
}

/// A place in the file.
#[derive(Clone, Copy)]
enum Place {
    Wall = 0,
    Steady = 1,
    WriteDelay = 2,
    ReadDelay = 3,
    WriteError = 4,
    Failed = 5,
    Spared = 6,
}

impl World {
    pub(crate) fn new() -> World {
        let folder = temporary_folder("world");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(folder.join("world"));
        let file = file.expect("a file can be made");
        file.set_len(56).expect("room for seven numbers");
        World { file, folder }
    }

    /// What a node needs in its environment to live in it.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        vec![
            ("LD_PRELOAD".into(), library().display().to_string()),
            ("JINDU_WORLD".into(), self.folder.join("world").display().to_string()),
        ]
    }

    /// The node's wall clock jumps, by seconds; other programs' clocks stay.
    pub(crate) fn wall_clock_is_off_by(&self, seconds: i64) {
        self.put(Place::Wall, seconds * 1_000_000_000);
    }

    /// So much time has passed in all.
    pub(crate) fn time_has_passed(&self, time: Duration) {
        let ns = i64::try_from(time.as_nanos()).expect("less than centuries");
        self.put(Place::Steady, ns);
        self.put(Place::Wall, ns);
    }

    /// How long each write and each read of the disk takes longer.
    pub(crate) fn disk_is_slow(&self, write: Duration, read: Duration) {
        self.put(Place::WriteDelay, i64::try_from(write.as_micros()).expect("short"));
        self.put(Place::ReadDelay, i64::try_from(read.as_micros()).expect("short"));
    }

    /// Writes fail with this error once so many have succeeded; [`KILLED`]: the program is killed there.
    pub(crate) fn writes_fail_after(&self, count: i64, errno: i32) {
        self.put(Place::WriteError, 0);
        self.put(Place::Spared, count);
        self.put(Place::WriteError, errno.into());
    }

    /// Writes fail with this error; 0 is none.
    pub(crate) fn writes_fail_with(&self, errno: i32) {
        self.put(Place::Spared, 0);
        self.put(Place::WriteError, errno.into());
    }

    /// How many writes were failed.
    pub(crate) fn failed_writes(&self) -> i64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, Place::Failed as u64 * 8).expect("a number");
        i64::from_ne_bytes(bytes)
    }

    fn put(&self, place: Place, value: i64) {
        self.file.write_all_at(&value.to_ne_bytes(), place as u64 * 8).expect("a number can be written");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// In place of an error: a power cut.
pub(crate) const KILLED: i32 = -1;

/// The library, compiled once a run.
fn library() -> &'static PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("world-{}.so", std::process::id()));
        let made = Command::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(&to)
            .arg(home().join("tests/faults/world.c"))
            .arg("-ldl")
            .status();
        assert!(made.expect("a C compiler is there, as for the build").success());
        to
    })
}
