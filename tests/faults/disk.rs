//! A disk that is full from any write on, and a power cut at any write: what a command changes is changed whole, or is as
//! before; a message is there with its row, or neither is.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::times;
use super::world::{KILLED, World};
use support::command::{add_approver, done, done_json, run};
use support::folder::Folder;
use support::gateway::{jindu, temporary_folder};
use support::node::Node;
use support::phone::Phone;
use support::wait::eventually;

const LONG: Duration = Duration::from_secs(60);
const OLD: &str = "seven green teapots";
const NEW: &str = "eight red kettles";

/// Runs a command in a world, with lines on its standard input; whether it succeeded.
fn runs(world: &World, folder: &Path, words: &[&str], lines: &[&str]) -> bool {
    let mut child = jindu(folder)
        .envs(world.environment())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    // A command that was killed reads nothing.
    let _ = child.stdin.take().expect("its input").write_all(text.as_bytes());
    child.wait().expect("it ends").success()
}

/// Plays `attempt` with a fault at one write after the other, until the command meets none; `after` each of them.
fn at_every_write(world: &World, mut attempt: impl FnMut(i64) -> bool, mut after: impl FnMut(i64)) {
    for fault in [libc::ENOSPC, KILLED] {
        // The short form leaves some out.
        let step = i64::from(times(3, 1));
        let mut count = 0;
        loop {
            world.writes_fail_after(count, fault);
            let done = attempt(count);
            world.writes_fail_with(0);
            after(count);
            if done {
                break;
            }
            count += step;
            assert!(count < 600, "the command ends");
        }
        assert!(count > 0, "the fault was met");
    }
}

#[test]
fn a_full_disk_or_a_kill_at_any_write_leaves_the_old_password_or_the_new_one() {
    let (data, world) = (Folder::new(), World::new());
    add_approver(data.path(), "wang");
    let calm = World::new();
    let passwd =
        |world: &World, from: &str, to: &str| runs(world, data.path(), &["studio", "passwd", "wang"], &[from, to]);
    at_every_write(
        &world,
        |_| passwd(&world, OLD, NEW),
        |count| {
            // One of them holds, and is changed back; the other one is a wrong try.
            if !passwd(&calm, NEW, OLD) {
                done(data.path(), &["studio", "account", "unlock", "wang"]);
                assert!(passwd(&calm, OLD, NEW) && passwd(&calm, NEW, OLD), "the old one holds, after {count} writes");
            }
            done(data.path(), &["studio", "account", "unlock", "wang"]);
        },
    );
}

#[test]
fn a_full_disk_or_a_kill_at_any_write_leaves_the_register_of_kiosks_whole() {
    let (data, world) = (Folder::new(), World::new());
    done(data.path(), &["kiosk", "add", "first", "--hall", "north", "--plain"]);
    let mut kiosks = vec!["first".to_owned()];
    let mut tried = 0;
    at_every_write(
        &world,
        |_| {
            tried += 1;
            let name = format!("k{tried}");
            runs(&world, data.path(), &["kiosk", "add", &name, "--hall", "north", "--plain"], &[])
        },
        |count| {
            let list = done_json(data.path(), &["kiosk", "list", "--json"]);
            let listed = names(&list);
            assert!(kiosks.iter().all(|name| listed.contains(name)), "{listed:?} after {count} writes");
            assert!(listed.len() <= kiosks.len() + 1, "{listed:?}");
            kiosks = listed;
        },
    );
}

/// The names of a list of kiosks.
fn names(list: &Value) -> Vec<String> {
    let rows = list.as_array().or_else(|| list["kiosks"].as_array()).expect("a list");
    rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_full_disk_or_a_kill_at_any_write_of_sealing_loses_no_recording() {
    let (data, world) = (Folder::new(), World::new());
    let set = data.sound_key("sound.key", 7);
    let recordings = ["messages/12345678.wav", "studio/masters/a.wav", "studio/originals/b"];
    for (n, name) in recordings.iter().enumerate() {
        let path = data.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, vec![n as u8 + 1; 10_000]).expect("written");
    }
    let in_clear = |name: &str| fs::read(data.join(name)).expect("there");
    at_every_write(
        &world,
        |_| runs(&world, data.path(), &["seal", "--set", &set], &[]),
        |count| {
            done(data.path(), &["seal", "--set", &set]);
            assert!(recordings.iter().all(|name| in_clear(name).starts_with(b"jinduSF")), "all are sealed");
            // With the same faults on the way back.
            for fault in [libc::ENOSPC, KILLED] {
                world.writes_fail_after(count, fault);
                runs(&world, data.path(), &["seal", "--undo", "--set", &set], &[]);
                world.writes_fail_with(0);
            }
            done(data.path(), &["seal", "--undo", "--set", &set]);
            for (n, name) in recordings.iter().enumerate() {
                assert!(in_clear(name) == vec![n as u8 + 1; 10_000], "{name} after {count} writes");
            }
        },
    );
    let left = fs::read_dir(data.join("messages")).expect("a folder").count();
    assert_eq!(left, 1, "no half-written file is left");
}

/// Files of messages, whole ones and others; and rows with a recording.
fn messages(folder: &Path) -> (usize, usize, i64) {
    let files = fs::read_dir(folder.join("messages")).into_iter().flatten().flatten();
    let (whole, others): (Vec<_>, Vec<_>) =
        files.map(|file| file.path()).partition(|path| path.extension().is_some_and(|extension| extension == "wav"));
    let journal = rusqlite::Connection::open(folder.join("journal.sqlite3")).expect("the journal");
    let rows = "SELECT count(*) FROM messages WHERE path IS NOT NULL";
    (whole.len(), others.len(), journal.query_row(rows, [], |row| row.get(0)).unwrap_or(0))
}

#[test]
fn a_message_is_kept_with_its_row_or_not_at_all_whatever_the_disk_and_the_caller_do() {
    let world = World::new();
    let set = ["messages.disk_free_mb_min=0", "messages.per_caller_max=1000", "data.sample_cases=0"];
    let mut node = Node::new(Ipv4Addr::LOCALHOST, temporary_folder("messages"), &set, &world.environment());
    node.start_again();
    let folder = node.folder.clone();
    let speaks = |node: &Node| {
        let phone = Phone::dial(node.udp());
        phone.press("345");
        eventually(LONG, "it is being recorded", || messages(&folder).1 == 1);
        phone.say(&[0x2A; 16_000]);
        phone
    };
    // A caller who hangs up in the middle.
    let mut phone = speaks(&node);
    phone.has_said_all();
    phone.hang_up();
    eventually(LONG, "nothing is left of it", || messages(&folder) == (0, 0, 0));
    // A disk that fills up in the middle, and stays full until the caller has gone.
    for spared in [0, 3, 9, 15] {
        let mut phone = speaks(&node);
        let failed = || node.gateway().log().matches("a caller's message could not be kept").count();
        let before = (failed(), messages(&folder).0);
        world.writes_fail_after(spared, libc::ENOSPC);
        phone.has_said_all();
        phone.press("#1");
        eventually(LONG, "it is kept or is not", || failed() > before.0 || messages(&folder).0 > before.1);
        phone.hang_up();
        world.writes_fail_with(0);
        eventually(LONG, "both or neither", || {
            let (whole, others, rows) = messages(&folder);
            others == 0 && i64::try_from(whole) == Ok(rows)
        });
    }
    // A power cut in the middle.
    let phone = speaks(&node);
    phone.has_said_all();
    node.kill();
    node.start_again();
    let (whole, others, rows) = messages(&folder);
    assert_eq!((others, i64::try_from(whole)), (0, Ok(rows)), "what was not kept is swept");
    drop(phone);
    // And all is well again.
    let before = messages(&folder).0;
    let mut phone = speaks(&node);
    phone.has_said_all();
    phone.press("#1");
    eventually(LONG, "it is kept", || messages(&folder) == (before + 1, 0, rows + 1));
    phone.hang_up();
    assert!(run(&folder, &["messages", "list"]).status.success());
}
