//! `jindu test --sip`: call sheets over real SIP and RTP, where what is heard is proven by the sound received.
//!
//! ```text
//!  sheet ─► flow::sheet::part (the call in text) ─► steps ─► Telephone ── SIP, RTP ──► a gateway
//!                                                               └─ the recordings of each sentence, octet for octet
//! ```
//! Without an address each call gets a gateway of its own inside this program, on the loopback, set up as the sheet
//! says: its day, its cases, its caller, the duty officer's switch. A gateway that already runs cannot be set up; calls
//! that need it are left out, each with the reason.

mod dialog;
mod line_in;
mod never;
mod own;
mod perform;
mod telephone;
mod transcript;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use own::{Staged, Theatre};
use perform::{Cast, perform};

use config::Settings;
use flow::sheet::{Failure, Requirement, Script, SheetTest, parse, script};
use os::clock;
use release::hotline;
use release::hotline::Hotline;
use release::recordings::Missing;
use release::releases;
use speech::ClipText;

/// How one call went.
pub(crate) enum Outcome {
    Passed,
    /// What came true is told with it.
    Failed(Failure, Vec<String>),
    LeftOut(String),
}

/// Runs sheets against the gateway at an address, else against one of our own.
pub fn run(settings: &Settings, sheets: &[PathBuf], address: Option<&str>) -> Result<ExitCode, Vec<String>> {
    let address = address.map(find).transpose().map_err(|complaint| vec![complaint])?;
    let hotline = match address {
        None => hotline::read(settings, Missing::StoodInFor)?,
        Some(_) => releases::to_serve(settings)?,
    };
    let tests = read(sheets)?;
    let theatre = match address {
        None => Some(Theatre::open(settings, &hotline).map_err(|complaint| vec![complaint])?),
        Some(_) => None,
    };
    let at = address.map_or("a gateway of its own".into(), |address| address.to_string());
    println!("{} calls over SIP to {at}, {} at a time", tests.len(), AT_ONCE.min(tests.len()));
    let texts = hotline::needed(&hotline.release);
    let house = House { settings, hotline: &hotline, texts: &texts, theatre: theatre.as_ref(), address };
    Ok(tell(&house, &tests))
}

fn find(written: &str) -> Result<SocketAddr, String> {
    let bare = written.trim_start_matches("sip:").trim_start_matches("udp:");
    let with_port = if bare.parse::<std::net::IpAddr>().is_ok() || !bare.contains(':') {
        bare.parse::<std::net::Ipv6Addr>().map_or(format!("{bare}:5060"), |ip| format!("[{ip}]:5060"))
    } else {
        bare.to_owned()
    };
    let wrong = || format!("--sip {written}: write the gateway's address and UDP port, as in 127.0.0.1:5060");
    with_port.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)
}

fn read(sheets: &[PathBuf]) -> Result<Vec<(String, SheetTest)>, Vec<String>> {
    let (mut tests, mut complaints) = (Vec::new(), Vec::new());
    for path in sheets {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => match parse(&text, &file) {
                Ok(sheet) => tests.extend(sheet.tests.into_iter().map(|test| (file.clone(), test))),
                Err(told) => complaints.extend(told.iter().map(ToString::to_string)),
            },
            Err(error) => complaints.push(format!("{file}: {error}")),
        }
    }
    if complaints.is_empty() { Ok(tests) } else { Err(complaints) }
}

/// Where calls are made.
struct House<'a> {
    settings: &'a Settings,
    hotline: &'a Hotline,
    texts: &'a BTreeSet<ClipText>,
    theatre: Option<&'a Theatre>,
    address: Option<SocketAddr>,
}

/// Runs all calls, some at a time, and tells each as soon as those before it are told.
fn tell(house: &House<'_>, tests: &[(String, SheetTest)]) -> ExitCode {
    let next = AtomicUsize::new(0);
    let told = Mutex::new(Told::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(tests.len()) {
            scope.spawn(|| {
                while let Some((file, test)) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let at = tests.iter().position(|(_, other)| std::ptr::eq(other, test)).unwrap_or(0);
                    let outcome = house.call(test);
                    told.lock().unwrap_or_else(PoisonError::into_inner).take(at, file, test, outcome);
                }
            });
        }
    });
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} passed, {} failed, {} left out", told.passed, told.failed, told.left_out);
    if told.failed == 0 && told.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Told {
    waiting: BTreeMap<usize, String>,
    next: usize,
    passed: u32,
    failed: u32,
    left_out: u32,
}

impl Told {
    fn take(&mut self, at: usize, file: &str, test: &SheetTest, outcome: Outcome) {
        let text = match outcome {
            Outcome::Passed => {
                self.passed += 1;
                format!("ok    {}", test.name)
            }
            Outcome::Failed(failure, heard) => {
                self.failed += 1;
                let heard: String = heard.iter().map(|line| format!("\n      | {line}")).collect();
                format!("FAIL  {}\n      {file}:{}: {}{heard}", test.name, failure.line, failure.what)
            }
            Outcome::LeftOut(why) => {
                self.left_out += 1;
                format!("--    {}\n      {file}:{}: left out: {why}", test.name, test.line)
            }
        };
        self.waiting.insert(at, text);
        while let Some(text) = self.waiting.remove(&self.next) {
            println!("{text}");
            self.next += 1;
        }
    }
}

impl House<'_> {
    fn call(&self, test: &SheetTest) -> Outcome {
        let release = &self.hotline.release;
        let (civil, emergency) = match self.address {
            None => (None, false),
            Some(_) => {
                let on = releases::emergency(self.settings).unwrap_or(self.settings.hotline.emergency);
                (Some(clock::local(&self.hotline.zone)), on)
            }
        };
        let part = match script(release, test, civil, emergency, clock::now()) {
            Ok(part) => part,
            Err(failure) if self.address.is_some() && asks_for_cases(test) => {
                return Outcome::LeftOut(format!("{}; {}", why(Requirement::Cases), failure.what));
            }
            Err(failure) => {
                let what = format!("the call fails in text already: {}", failure.what);
                return Outcome::Failed(Failure { what, ..failure }, Vec::new());
            }
        };
        if let Some(need) = part.needs.iter().find(|need| self.address.is_some() || **need == Requirement::ActedOut) {
            return Outcome::LeftOut(why(*need).into());
        }
        match (self.theatre, self.address) {
            (Some(theatre), _) => self.staged(theatre, &part),
            (None, Some(address)) => perform(&self.cast(address, &self.number(), None), release, &part),
            (None, None) => Outcome::LeftOut("there is no gateway".into()),
        }
    }

    fn staged(&self, theatre: &Theatre, part: &Script) -> Outcome {
        match theatre.stage(part) {
            Ok(stage) => {
                let number = self.number();
                perform(&self.cast(stage.address(), &number, Some(&stage)), &self.hotline.release, part)
            }
            Err(what) => Outcome::Failed(Failure { line: 0, what }, Vec::new()),
        }
    }

    fn cast<'b>(&'b self, gateway: SocketAddr, number: &'b str, house: Option<&'b Staged>) -> Cast<'b> {
        Cast { gateway, number, bank: &self.hotline.bank, texts: self.texts, house }
    }

    fn number(&self) -> String {
        self.settings.phone.numbers.first().cloned().unwrap_or_else(|| "hotline".into())
    }
}

fn asks_for_cases(test: &SheetTest) -> bool {
    test.acts.iter().any(|(_, act)| matches!(act, flow::sheet::Act::Db(_)))
}

fn why(need: Requirement) -> &'static str {
    match need {
        Requirement::Time => "a gateway that runs cannot be told the day (`at`); run it without an address",
        Requirement::Cases => "a gateway that runs has its own cases (`db`); run it without an address",
        Requirement::Caller => "a gateway that runs knows its callers itself (`caller`); run it without an address",
        Requirement::Switch => {
            "the switch of a gateway that runs is not turned (`emergency`); run it without an address"
        }
        Requirement::Language => "no caller can change the language by itself (`lang`); run it without an address",
        Requirement::ActedOut => {
            "queue, sms and callback are acted out in text only; on a call they take the outcome of their failure"
        }
    }
}

/// Calls at once.
const AT_ONCE: usize = 24;
