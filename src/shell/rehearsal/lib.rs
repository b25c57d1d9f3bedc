//! `jindu test --sip`: call sheets over real SIP and RTP, where the received audio proves what is heard.
//!
//! ```text
//!  sheet ─► flow::sheet::part (the call in text) ─► steps ─► Telephone ── SIP, RTP ──► a gateway
//!                                                               └─ the recordings of each sentence, octet for octet
//! ```
//! Without an address each call gets a private gateway inside this program, on the loopback, set up as the sheet says:
//! its day, its cases, its caller, its emergency notice. A running gateway cannot be set up; calls that need it, or other hours than
//! its clock shows, are skipped, each with the reason.

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

use jiff::civil::DateTime;

use base::{Bilingual, bilingual};
use config::Settings;
use flow::sheet::{Failure, Requirement, Script, SheetTest, parse, script};
use os::{clock, io_fault, language};
use release::hotline;
use release::hotline::Hotline;
use release::recordings::MissingPolicy;
use release::releases;
use speech::{ClipText, Diagnostic};

/// Runs sheets against the gateway at an address (`HOST[:PORT]`, UDP), else against private ones. Success: some call
/// passed and none failed.
pub fn run(settings: &Settings, sheets: &[PathBuf], address: Option<&str>) -> Result<ExitCode, Vec<Bilingual>> {
    let address = address.map(find).transpose().map_err(|error| vec![error])?;
    let hotline = match address {
        None => hotline::read(settings, MissingPolicy::Tolerate)?,
        Some(_) => releases::to_serve(settings)?,
    };
    let tests = read(sheets)?;
    let gateways = match address {
        None => Some(Gateways::open(settings, &hotline).map_err(|error| vec![error.into()])?),
        Some(_) => None,
    };
    let own = || Bilingual::fixed("a gateway of its own", "临时启动的网关");
    let at = address.map_or_else(own, |address| address.to_string().into());
    let (calls, at_once) = (tests.len(), AT_ONCE.min(tests.len()));
    print_line(&bilingual!(
        "calls over SIP to {at}: {calls}, {at_once} at a time",
        "经 SIP 向{at:#}呼叫 {calls} 次，同时 {at_once} 路"
    ));
    let texts = hotline::needed(&hotline.release);
    let run = Run { settings, hotline: &hotline, texts: &texts, gateways: gateways.as_ref(), address };
    Ok(if run.all(&tests) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find(written: &str) -> Result<SocketAddr, Bilingual> {
    let bare = written.trim_start_matches("sip:").trim_start_matches("udp:");
    let with_port = if bare.parse::<std::net::IpAddr>().is_ok() || !bare.contains(':') {
        bare.parse::<std::net::Ipv6Addr>().map_or_else(|_| format!("{bare}:5060"), |ip| format!("[{ip}]:5060"))
    } else {
        bare.to_owned()
    };
    let wrong = || {
        bilingual!(
            "--sip {written}: write the gateway's address and UDP port, as in 127.0.0.1:5060",
            "--sip {written}：请写网关的地址和 UDP 端口，如 127.0.0.1:5060"
        )
    };
    with_port.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)
}

fn read(sheets: &[PathBuf]) -> Result<Vec<(String, SheetTest)>, Vec<Bilingual>> {
    let (mut tests, mut diagnostics) = (Vec::new(), Vec::new());
    for path in sheets {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => match parse(&text, &file) {
                Ok(sheet) => tests.extend(sheet.tests.into_iter().map(|test| (file.clone(), test))),
                Err(wrong) => diagnostics.extend(wrong.iter().map(Diagnostic::line)),
            },
            Err(error) => diagnostics.push(io_fault(path, &error)),
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
        let report = Mutex::new(Report::of(tests.len()));
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(tests.len()) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some((file, test)) = tests.get(at) else { break };
                        report.lock().unwrap_or_else(PoisonError::into_inner).begins(at, file, test);
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
                let (why, what) = (why(Requirement::Cases), failure.what);
                return Outcome::LeftOut(bilingual!("{why}; {what}", "{why:#}；{what:#}"));
            }
            Err(_) if civil.is_some() && self.passes_in_the_hours(test, emergency) => {
                return Outcome::LeftOut(other_hours(civil));
            }
            Err(_) if emergency && self.passes_without_notice(test, civil) => {
                return Outcome::LeftOut(why(Requirement::Switch));
            }
            Err(failure) => {
                let text = failure.what;
                let what = bilingual!("the call fails in text already: {text}", "以文字方式已不能通过：{text:#}");
                return Outcome::Failed(Failure { what, ..failure }, Vec::new());
            }
        };
        if let Some(need) = part.needs.iter().find(|need| self.address.is_some() || **need == Requirement::ActedOut) {
            return Outcome::LeftOut(why(*need));
        }
        match (self.gateways, self.address) {
            (Some(gateways), _) => self.in_private(gateways, &part),
            (None, Some(address)) => perform(&self.called(address, &self.number(), None), release, &part),
            (None, None) => Outcome::LeftOut(Bilingual::fixed("there is no gateway", "没有网关")),
        }
    }

    /// Whether a call that fails now passes at the time that a sheet without `at` is written for: within the desk's hours.
    fn passes_in_the_hours(&self, test: &SheetTest, emergency: bool) -> bool {
        script(&self.hotline.release, test, None, emergency, clock::now()).is_ok()
    }

    fn passes_without_notice(&self, test: &SheetTest, civil: Option<DateTime>) -> bool {
        script(&self.hotline.release, test, civil, false, clock::now()).is_ok()
    }

    fn in_private(&self, gateways: &Gateways, part: &Script) -> Outcome {
        match gateways.start(part) {
            Ok(gateway) => {
                let number = self.number();
                let called = self.called(gateway.address(), &number, Some(&gateway));
                perform(&called, &self.hotline.release, part)
            }
            Err(what) => Outcome::Failed(Failure { line: 0, what: what.into() }, Vec::new()),
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

fn why(need: Requirement) -> Bilingual {
    match need {
        Requirement::Time => Bilingual::fixed(
            "a running gateway has its own day (`at`); run it without an address",
            "运行中的网关用自己的日期（`at`）；请不写地址运行",
        ),
        Requirement::Cases => Bilingual::fixed(
            "a running gateway has its own cases (`db`); run it without an address",
            "运行中的网关用自己的案件（`db`）；请不写地址运行",
        ),
        Requirement::Caller => Bilingual::fixed(
            "a running gateway knows its callers itself (`caller`); run it without an address",
            "运行中的网关自行识别来电人（`caller`）；请不写地址运行",
        ),
        Requirement::Switch => Bilingual::fixed(
            "the emergency notice of a running gateway is not switched (`emergency`); run it without an address",
            "不切换运行中网关的紧急通知（`emergency`）；请不写地址运行",
        ),
        Requirement::Language => Bilingual::fixed(
            "no caller can change the language by itself (`lang`); run it without an address",
            "来电人无法自行切换语言（`lang`）；请不写地址运行",
        ),
        Requirement::Message => Bilingual::fixed(
            "a running gateway would keep the message (`talk`), under a number of its own; run it without an address",
            "运行中的网关会保留留言（`talk`），且编号不同；请不写地址运行",
        ),
        Requirement::ActedOut => Bilingual::fixed(
            "queue, sms and callback are acted out in text only; on a call they take the outcome of their failure",
            "queue、sms、callback 只以文字方式模拟；实际通话中按失败处理",
        ),
    }
}

/// Why a sheet that says no time is not run now: it is written for another hour than the gateway's.
fn other_hours(now: Option<DateTime>) -> Bilingual {
    let now = now.map(|now| now.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
    bilingual!(
        "it needs other hours than the gateway's clock shows ({now}); run it without an address, or in the desk's hours",
        "需要在网关当前时间（{now}）以外的工作时间进行；请不写地址运行，或在工作时间运行"
    )
}

fn print_line(text: &Bilingual) {
    println!("{}", language::shown(text));
}

/// Calls at once.
const AT_ONCE: usize = 24;
