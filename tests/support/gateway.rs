//! A `jindu` process on ports of the system's choice, with a data folder that goes when the test ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::ports::MediaPorts;
use crate::wait::{SOON, eventually, within};

/// A running gateway.
pub struct Gateway {
    child: Child,
    /// Its data folder.
    pub folder: PathBuf,
    /// Where it takes SIP over UDP.
    pub udp: SocketAddr,
    /// Where it takes SIP over TCP.
    pub tcp: SocketAddr,
    /// Where it takes SIP over TLS, if it does.
    pub tls: Option<SocketAddr>,
    /// Where it takes HTTP.
    pub web: SocketAddr,
    /// What it printed before it was ready.
    pub banner: String,
    log: Arc<Mutex<String>>,
    /// Its own while it runs.
    _media: MediaPorts,
    /// The folder outlives this process.
    kept: bool,
    _stdout: BufReader<ChildStdout>,
}

/// The project's folder.
pub fn home() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The program under test: cargo puts it beside the folder of the running test or benchmark.
pub fn program() -> PathBuf {
    let running = std::env::current_exe().expect("a test runs from a file");
    let folder = running.parent().and_then(Path::parent).expect("target/<profile>/deps");
    folder.join("jindu")
}

/// Whether a program is on the path.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A peer program of the tests; `tests/setup` installs missing ones.
pub fn peer(program: &str) -> Command {
    assert!(is_installed(program), "{program} is not installed: run tests/setup");
    Command::new(program)
}

/// Says that a check is not made and why, past the test runner's capture. Fails the test where nothing may be skipped:
/// with `CI=true` in the environment.
#[track_caller]
pub fn not_run(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "not run, and CI=true: {why}");
    let _ = writeln!(std::io::stderr(), "not run: {why}");
}

/// A new empty folder below the system's temporary one.
pub fn temporary_folder(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("jindu-{name}-{}-{n}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
    folder
}

/// The program with the shipped settings and a data folder.
pub fn jindu(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(home()).arg("--set").arg(format!("data.folder={}", folder.display()));
    command
}

impl Gateway {
    /// Starts one on free ports, with further `--set` values or `--options`, and waits until it is ready.
    pub fn start(set: &[&str]) -> Gateway {
        Gateway::start_in(temporary_folder("gateway"), set)
    }

    /// The same in a folder that may hold data.
    pub fn start_in(folder: PathBuf, set: &[&str]) -> Gateway {
        Gateway::start_under(folder, set, &[])
    }

    /// The same with variables of the environment.
    pub fn start_under(folder: PathBuf, set: &[&str], env: &[(String, String)]) -> Gateway {
        let media = MediaPorts::lease();
        let mut command = jindu(&folder);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        let range = media.setting(MediaPorts::COUNT);
        let ports = ["phone.listen=127.0.0.1:0", "web.listen=127.0.0.1:0", "data.sample_cases=2000", &range];
        for value in ports.iter().chain(set) {
            match value.starts_with("--") {
                true => command.arg(value),
                false => command.arg("--set").arg(value),
            };
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway can be started");
        let (log, reader) = collect(child.stderr.take().expect("the log is piped"));
        let mut stdout = BufReader::new(child.stdout.take().expect("the output is piped"));
        let mut banner = String::new();
        let ready = loop {
            let mut line = String::new();
            let read = stdout.read_line(&mut line).expect("the output can be read");
            if read == 0 {
                let _ = (child.wait(), reader.join());
                panic!("it ended before it was ready: {banner}\n{}", log.lock().expect("log"));
            }
            if line.starts_with("ready ") {
                break line;
            }
            banner.push_str(&line);
        };
        let address = |mark: &str| -> SocketAddr {
            let at = ready.find(mark).unwrap_or_else(|| panic!("{mark} is in {ready}")) + mark.len();
            let end = ready[at..].find([',', ' ', '\n']).map_or(ready.len(), |n| at + n);
            ready[at..end].parse().expect("an address")
        };
        let tls = ready.contains("tls:").then(|| address("tls:"));
        let (udp, tcp, web) = (address("udp:"), address("tcp:"), address("web=http://"));
        Gateway { child, folder, udp, tcp, tls, web, banner, log, _media: media, kept: false, _stdout: stdout }
    }

    /// The process, as the system numbers it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Waits until the log holds a text.
    #[track_caller]
    pub fn await_log(&self, text: &str) {
        eventually(SOON, format!("{text} in the log"), || match self.log() {
            log if log.contains(text) => Ok(()),
            log => Err(log),
        });
    }

    /// Waits until new calls begin with a release, by its name.
    #[track_caller]
    pub fn await_release(&self, name: &str) {
        eventually(SOON, format!("{name} is live"), || {
            let health = self.health();
            let live = health["release"].as_str().unwrap_or_default();
            if !live.is_empty() && name.starts_with(live) { Ok(()) } else { Err(format!("{health}\n{}", self.log())) }
        });
    }

    /// Tells it to stop, and waits until it takes no new calls.
    #[track_caller]
    pub fn drain(&self) {
        self.signal("TERM");
        eventually(SOON, "it drains", || match self.health() {
            health if health["status"] == "draining" => Ok(()),
            health => Err(health.to_string()),
        });
        // A signal that follows at once is the same one, sent twice.
        std::thread::sleep(Duration::from_millis(50));
    }

    /// Sends a signal by its name, as in `TERM`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(done.expect("kill runs").success());
    }

    /// Ends it as a power cut does; its folder stays. Gives what it had logged.
    pub fn kill(mut self) -> String {
        self.kept = true;
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log()
    }

    /// Lets its folder stay when it is dropped.
    pub fn keep_folder(&mut self) {
        self.kept = true;
    }

    /// Waits for the end of the process, and gives its exit code.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        let ended = within(limit, || self.child.try_wait().expect("the process can be waited for"));
        ended.ok()?.code()
    }

    /// One HTTP request; gives the status and the body.
    pub fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.post(method, path, "application/json", body.as_bytes())
    }

    /// The same with a body of any type.
    pub fn post(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.web).expect("the web door is open");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.web,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).expect("the request goes out");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).expect("the reply comes in");
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let status = reply.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }

    /// What `/health` says.
    pub fn health(&self) -> Value {
        serde_json::from_str(&self.http("GET", "/health", "").1).expect("JSON")
    }

    /// A receipt and ID tail that the banner names for a state.
    pub fn example(&self, state: &str) -> (String, String) {
        let line = self.banner.lines().find(|line| line.split_whitespace().nth(2) == Some(state));
        let mut words = line.unwrap_or_else(|| panic!("{state} is in {}", self.banner)).split_whitespace();
        let mut word = || words.next().expect("a word").to_owned();
        (word(), word())
    }

    /// What the scan door answers to a code, as JSON.
    pub fn scan(&self, code: &str) -> Value {
        let body = serde_json::json!({"code": code, "kiosk": "hall-1"}).to_string();
        let (status, reply) = self.http("POST", "/api/scan", &body);
        assert_eq!(status, 200, "{reply}");
        serde_json::from_str(&reply).expect("JSON")
    }

    /// One value of `/metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.http("GET", "/metrics", "");
        let line = text.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with(' '));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{name} is in:\n{text}"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.kept {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(LOG_SHOWN);
            let from = (from..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            eprintln!("--- the end of the gateway's log ---\n{}", &log[from..]);
        }
    }
}

/// Bytes of the log that a failed test shows.
const LOG_SHOWN: usize = 8000;

/// Every line as it arrives; the thread ends with the stream.
fn collect(stream: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            let mut text = copy.lock().expect("the log");
            text.push_str(&line);
            text.push('\n');
        }
    });
    (text, reader)
}
