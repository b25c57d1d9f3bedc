//! `jindu test --sip`: call sheets over real SIP and RTP, where the received audio proves what is heard.
//!
//! ```text
//!  sheet ─► flow::sheet::part (the call in text) ─► steps ─► Telephone ── SIP, RTP ──► a gateway
//!                                                               └─ the recordings of each sentence, octet for octet
//! ```
//! Without an address each call gets a private gateway inside this program, on the loopback, set up as the sheet says:
//! its day, its cases, its caller, its emergency notice. A running gateway cannot be set up; calls that need it are left
//! out, each with the reason.

mod dialog;
mod gateway;
mod never;
mod outcome;
mod perform;
mod received_audio;
mod rtp_sender;
mod telephone;
mod transcript;

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gateway::{Gateway, Gateways};
use outcome::{Outcome, Report};
use perform::{Called, perform};

use config::Settings;
use flow::sheet::{Failure, Requirement, Script, SheetTest, parse, script};
use os::clock;
use release::hotline;
use release::hotline::Hotline;
use release::recordings::MissingPolicy;
use release::releases;
use speech::ClipText;

/// Runs sheets against the gateway at an address (`HOST[:PORT]`, UDP), else against private ones. Success: some call
/// passed and none failed.
pub fn run(settings: &Settings, sheets: &[PathBuf], address: Option<&str>) -> Result<ExitCode, Vec<String>> {
    let address = address.map(find).transpose().map_err(|diagnostic| vec![diagnostic])?;
    let hotline = match address {
        None => hotline::read(settings, MissingPolicy::Tolerate)?,
        Some(_) => releases::to_serve(settings)?,
    };
    let tests = read(sheets)?;
    let gateways = match address {
        None => Some(Gateways::open(settings, &hotline).map_err(|diagnostic| vec![diagnostic])?),
        Some(_) => None,
    };
    let at = address.map_or_else(|| "a gateway of its own".into(), |address| address.to_string());
    println!("{} calls over SIP to {at}, {} at a time", tests.len(), AT_ONCE.min(tests.len()));
    let texts = hotline::needed(&hotline.release);
    let run = Run { settings, hotline: &hotline, texts: &texts, gateways: gateways.as_ref(), address };
    Ok(if run.all(&tests) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find(written: &str) -> Result<SocketAddr, String> {
    let bare = written.trim_start_matches("sip:").trim_start_matches("udp:");
    let with_port = if bare.parse::<std::net::IpAddr>().is_ok() || !bare.contains(':') {
        bare.parse::<std::net::Ipv6Addr>().map_or_else(|_| format!("{bare}:5060"), |ip| format!("[{ip}]:5060"))
    } else {
        bare.to_owned()
    };
    let wrong = || format!("--sip {written}: write the gateway's address and UDP port, as in 127.0.0.1:5060");
    with_port.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)
}

fn read(sheets: &[PathBuf]) -> Result<Vec<(String, SheetTest)>, Vec<String>> {
    let (mut tests, mut diagnostics) = (Vec::new(), Vec::new());
    for path in sheets {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => match parse(&text, &file) {
                Ok(sheet) => tests.extend(sheet.tests.into_iter().map(|test| (file.clone(), test))),
                Err(wrong) => diagnostics.extend(wrong.iter().map(ToString::to_string)),
            },
            Err(error) => diagnostics.push(format!("{file}: {error}")),
        }
    }
    if diagnostics.is_empty() { Ok(tests) } else { Err(diagnostics) }
}

/// One run of all sheets.
struct Run<'a> {
    settings: &'a Settings,
    hotline: &'a Hotline,
    texts: &'a BTreeSet<ClipText>,
    /// Opens a private gateway for each call; none where a running one is called.
    gateways: Option<&'a Gateways>,
    address: Option<SocketAddr>,
}

impl Run<'_> {
    /// Makes all calls, some at a time; true if some passed and none failed.
    fn all(&self, tests: &[(String, SheetTest)]) -> bool {
        let next = AtomicUsize::new(0);
        let report = Mutex::new(Report::default());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(tests.len()) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some((file, test)) = tests.get(at) else { break };
                        let outcome = self.call(test);
                        report.lock().unwrap_or_else(PoisonError::into_inner).take(at, file, test, outcome);
                    }
                });
            }
        });
        report.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
    }

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
        match (self.gateways, self.address) {
            (Some(gateways), _) => self.in_private(gateways, &part),
            (None, Some(address)) => perform(&self.called(address, &self.number(), None), release, &part),
            (None, None) => Outcome::LeftOut("there is no gateway".into()),
        }
    }

    fn in_private(&self, gateways: &Gateways, part: &Script) -> Outcome {
        match gateways.start(part) {
            Ok(gateway) => {
                let number = self.number();
                let called = self.called(gateway.address(), &number, Some(&gateway));
                perform(&called, &self.hotline.release, part)
            }
            Err(what) => Outcome::Failed(Failure { line: 0, what }, Vec::new()),
        }
    }

    fn called<'b>(&'b self, address: SocketAddr, number: &'b str, private: Option<&'b Gateway>) -> Called<'b> {
        Called { address, number, bank: &self.hotline.bank, texts: self.texts, private }
    }

    fn number(&self) -> String {
        self.settings.phone.number().unwrap_or("hotline").to_owned()
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
