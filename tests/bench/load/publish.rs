//! Publishing and rolling back under calls: none is lost, none changes its release, and what the callers' packets feel.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::callers::{Callers, Manners};
use super::figures::{HOTLINE, Table};
use super::process::Gateway;
use super::{part, setting};

pub(crate) fn publish(table: &mut Table) {
    let calls = setting("CALLS", 500);
    let gateway = Gateway::start(None);
    let draft = gateway.folder.join("flow.toml");
    let flow =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hotline/flow.toml")).expect("the flow");
    fs::write(&draft, flow).expect("written");
    changed(&gateway, &draft, "publish");
    let began_with = live(&gateway);
    let mut callers = Callers::new(gateway.phone, calls);
    callers.dial(HOTLINE, 250.0, Duration::from_secs(60), calls as u64, Manners::default());
    let quiet = gaps(&mut callers, |callers| callers.go_on(Duration::from_secs(6), |_| false));
    let text = fs::read_to_string(&draft).expect("the draft");
    fs::write(&draft, text.replace("menu_seconds  = 30", "menu_seconds  = 31")).expect("written");
    let mut publishing = vec![];
    let mut lost = 0;
    for command in ["publish", "rollback", "rollback"] {
        let before = live(&gateway);
        let (gap, missing) = gaps(&mut callers, |callers| {
            let (settings, draft) = (gateway.folder.clone(), draft.clone());
            let worker = std::thread::spawn(move || run(&settings, &draft, command));
            callers.go_on(Duration::from_secs(60), |_| worker.is_finished());
            let done = worker.join().expect("it runs");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            callers.go_on(Duration::from_secs(30), |_| took(&gateway, &live(&gateway)));
        });
        assert_ne!(before, live(&gateway), "another release is live");
        println!("{command}: gap p99 {:.2} ms, p99.9 {:.2} ms, {missing} lost", gap[0], gap[1]);
        publishing.push(gap);
        lost += missing;
    }
    assert_eq!((callers.talking(), callers.heard.failed), (calls, 0), "every call goes on");
    callers.leave(Duration::from_secs(3));
    assert_eq!(callers.heard.failed, 0, "every caller leaves");
    std::thread::sleep(Duration::from_secs(1));
    let journal = rusqlite::Connection::open(gateway.folder.join("data/journal.sqlite3")).expect("the journal");
    let kept: i64 = journal
        .query_row("SELECT count(*) FROM calls WHERE release = ?1", [&began_with[..12]], |row| row.get(0))
        .expect("a table");
    assert_eq!(kept as usize, calls, "every call kept the release that it began with");
    gateway.end(calls as u64);
    let worst = publishing.iter().map(|gap| gap[1]).fold(0.0, f64::max);
    let p99 = publishing.iter().map(|gap| gap[0]).fold(0.0, f64::max);
    let what = format!("publish and roll back under {calls} calls");
    table.line("publish", &format!("{what}: lost calls, changed calls"), "0; 0", "0; 0".into(), "-".into());
    table.line("publish", &format!("{what}: packets lost"), "0", lost.to_string(), quiet.1.to_string());
    let limit = format!("{:.1} ms; {:.1} ms without", quiet.0[0], quiet.0[1]);
    table.line(
        "publish",
        &format!("{what}: packet gap, p99; p99.9"),
        "as without",
        format!("{p99:.1} ms; {worst:.1} ms"),
        limit,
    );
}

/// The 99th and the 99.9th part of the gaps while something is done, and the packets lost in it.
fn gaps(callers: &mut Callers, doing: impl FnOnce(&mut Callers)) -> ([f64; 2], u64) {
    callers.heard.gaps.clear();
    let before = callers.heard.lost;
    callers.measure(true);
    doing(callers);
    callers.measure(false);
    let gaps = &mut callers.heard.gaps;
    ([part(gaps, 0.99), part(gaps, 0.999)], callers.heard.lost - before)
}

fn changed(gateway: &Gateway, draft: &Path, command: &'static str) {
    let done = run(&gateway.folder, draft, command);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let until = Instant::now() + Duration::from_secs(60);
    while !took(gateway, &live(gateway)) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn run(folder: &Path, draft: &Path, command: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_jindu"));
    program.current_dir(env!("CARGO_MANIFEST_DIR"));
    program.arg("--set").arg(format!("data.folder={}", folder.join("data").display()));
    program.arg("--set").arg(format!("hotline.flow={}", draft.display()));
    let by = support::command::by_approver(&folder.join("data"));
    program.arg(command).args(by).output().expect("the program runs")
}

fn live(gateway: &Gateway) -> String {
    fs::read_to_string(gateway.folder.join("data/releases/live")).expect("a live release").trim().to_owned()
}

/// Whether the log's last word of a release is this one.
fn took(gateway: &Gateway, name: &str) -> bool {
    let log = fs::read_to_string(gateway.folder.join("log")).unwrap_or_default();
    log.lines().rfind(|line| line.contains("is live for new calls")).is_some_and(|line| line.contains(&name[..12]))
}
