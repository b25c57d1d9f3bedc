//! A gateway in a process of its own, on one core or on all, and what the system says about it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::allocations::COUNTS_FILE;

/// A running gateway; its data folder goes with it.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) folder: PathBuf,
    pub(crate) phone: SocketAddr,
    pub(crate) web: SocketAddr,
    /// From the start of the process to its ready line.
    pub(crate) started: Duration,
}

impl Gateway {
    /// Starts one in an empty folder.
    pub(crate) fn start(core: Option<usize>) -> Gateway {
        Gateway::start_with(core, &[])
    }

    /// The same with further settings.
    pub(crate) fn start_with(core: Option<usize>, settings: &[&str]) -> Gateway {
        Gateway::start_in_with(new_folder(), core, settings)
    }

    /// Starts one that counts its allocations in a file.
    pub(crate) fn counted(file: &Path) -> Gateway {
        let mut program = Command::new(std::env::current_exe().expect("this program"));
        program.env(COUNTS_FILE, file);
        Gateway::start_program(program, new_folder(), Some(0), &[])
    }

    /// Starts one in a folder that may hold data. A child inherits the core of the thread that starts it.
    pub(crate) fn start_in(folder: PathBuf, core: Option<usize>) -> Gateway {
        Gateway::start_in_with(folder, core, &[])
    }

    fn start_in_with(folder: PathBuf, core: Option<usize>, settings: &[&str]) -> Gateway {
        Gateway::start_program(Command::new(env!("CARGO_BIN_EXE_jindu")), folder, core, settings)
    }

    fn start_program(mut command: Command, folder: PathBuf, core: Option<usize>, settings: &[&str]) -> Gateway {
        let log = File::create(folder.join("log")).expect("a file");
        let data = format!("data.folder={}", folder.join("data").display());
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["serve", "--set", &data]);
        for value in SETTINGS.iter().chain(settings) {
            command.args(["--set", value]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let began = Instant::now();
        pin(core);
        let mut child = command.spawn().expect("the gateway can be started");
        pin(None);
        let mut out = BufReader::new(child.stdout.take().expect("the output is piped"));
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            assert!(out.read_line(&mut line).expect("text") > 0, "see {}", folder.join("log").display());
        }
        let started = began.elapsed();
        let address = |mark: &str| {
            let rest = line.split(mark).nth(1).expect("the ready line names it");
            rest.split([',', ' ', '\n']).next().and_then(|text| text.parse().ok()).expect("an address")
        };
        Gateway { child, phone: address("udp:"), web: address("web=http://"), folder, started }
    }

    /// Processor time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().filter_map(|n| fields.get(*n)?.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }

    fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join(name)).unwrap_or_default()
    }

    /// One value of `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut stream = TcpStream::connect(self.web).expect("the web door is open");
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.web);
        stream.write_all(request.as_bytes()).expect("the request goes out");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the reply comes in");
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// Ends it and checks what it leaves: nothing held, nothing wrong in the log, a record of every call.
    pub(crate) fn end(mut self, calls: u64) {
        let until = Instant::now() + Duration::from_secs(10);
        while self.metric("jindu_calls_in_progress") > 0.0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(self.metric("jindu_calls_in_progress"), 0.0, "every call has ended");
        self.stop();
        let log = std::fs::read_to_string(self.folder.join("log")).expect("the log is a text");
        let wrong: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ")).take(5).collect();
        assert!(wrong.is_empty(), "errors in the log: {wrong:#?}");
        let journal = self.folder.join("data/journal.sqlite3");
        let journal = rusqlite::Connection::open(journal).expect("the journal is there");
        let records: i64 = journal.query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).expect("a table");
        assert_eq!(records as u64, calls, "every call is in the journal");
    }

    /// Ends it in an orderly way.
    pub(crate) fn stop(&mut self) {
        // SAFETY: no pointer is passed; the process is our child and has not been waited for.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let _ = self.child.wait();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn new_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("jindu-load-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
    folder
}

/// Keeps this thread, and what it starts, on one core; `None` lets it go.
pub(crate) fn pin(core: Option<usize>) {
    // SAFETY: a cpu_set_t is plain data, all zeros is a value of it, and it lives for the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let cores = match core {
            Some(core) => core..core + 1,
            None => 0..libc::CPU_SETSIZE as usize,
        };
        cores.for_each(|core| libc::CPU_SET(core, &mut set));
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// Free ports, enough lines, and cases that count as fresh.
const SETTINGS: [&str; 11] = [
    "phone.listen=127.0.0.1:0",
    "web.listen=127.0.0.1:0",
    "phone.media_ports=20000-29999",
    "inquiry.failures_per_caller=1000000",
    "inquiry.lookups_per_client=1000000",
    "phone.calls_per_second_max=100000",
    "phone.calls_per_caller_max=0",
    "phone.line_test_calls_max=30000",
    "phone.line_test_limit_s=3600",
    "web.client_connections_max=100000",
    "web.client_requests_per_second_max=1000000",
];
