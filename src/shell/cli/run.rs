//! The commands of the program.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::args::{self, Asked, Command, Way};
use crate::picture;
use crate::prompts;
use crate::publish;
use crate::sheets;
use crate::sim;
use base::Lang;
use call;
use config::{self, Settings, Source};
use flow;
use inquiry::{Answer, Factor, Keys, Proof};
use node::serve;
use os::clock;
use os::folder;
use rehearsal;
use release::hotline::{self, Hotline, Wording};
use release::recordings::Missing;
use release::releases;
use replica::sample;
use replica_store::{Loaded, Replica, Role, Wish, command, load, postgres, secret};

/// Runs the program.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let asked = match args::read(words) {
        Ok(asked) => asked,
        Err(complaint) => return wrong(&[complaint]),
    };
    if !matches!(asked.command, Command::Serve) {
        end_with_the_reader();
    }
    match &asked.command {
        Command::Help(of) => return said(&args::help(of.as_deref())),
        Command::Version => return said(concat!("jindu ", env!("CARGO_PKG_VERSION"), "\n")),
        _ => {}
    }
    if let Command::Feed(feed) = asked.command {
        let asked = Asked { command: Command::Check, ..asked };
        return coded(super::feed::perform(feed, || settings(&asked)));
    }
    match settings(&asked) {
        Ok(settings) => perform(asked.command, &settings),
        Err(complaints) => wrong(&complaints),
    }
}

/// Lets a command end without a word when who reads what it prints has seen enough, as every filter does. A node that
/// serves goes on.
fn end_with_the_reader() {
    // SAFETY: the system's own way of handling the signal; no handler of ours runs.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

fn settings(asked: &Asked) -> Result<Settings, Vec<String>> {
    let path = &asked.config;
    let text = fs::read_to_string(path)
        .map_err(|error| vec![format!("{}: {error}; name the settings with --config PATH", path.display())])?;
    // Relative paths start from the working directory, which holds prompts/ beside config/.
    config::read(&text, &asked.set, Path::new(""))
        .map_err(|complaints| complaints.iter().map(ToString::to_string).collect())
}

fn perform(command: Command, settings: &Settings) -> ExitCode {
    match command {
        Command::Serve => match releases::to_serve(settings) {
            Ok(hotline) => done(serve::serve(settings, hotline)),
            Err(complaints) => wrong(&complaints),
        },
        Command::Check => check(settings),
        Command::Sample { cases, seed, out } => {
            with_wording(settings, |wording| done(sample(&wording, cases, seed, &out)))
        }
        Command::Load { file } => done(load_file(settings, &file)),
        Command::LookUp { receipt, tail } => {
            with_wording(settings, |wording| look_up(settings, &wording, &receipt, tail))
        }
        Command::Upstream { verify } => done(upstream(settings, verify)),
        Command::Replica { wish, json } => replica(settings, wish, json),
        Command::Prompts(command) => coded(prompts::run(settings, &command)),
        Command::Test { sheets, by: Way::OverSip } => coded(rehearsal::run(settings, &sheets, None)),
        Command::Test { sheets, by: Way::OverSipTo(address) } => {
            coded(rehearsal::run(settings, &sheets, Some(&address)))
        }
        Command::Test { sheets, by: Way::InText } => match hotline::release(settings) {
            Ok(release) if sheets::run(&release, &sheets, sheets::Tell::All) => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(complaints) => wrong(&complaints),
        },
        Command::Sim => coded(sim::run(settings)),
        Command::Picture { file, calls } => coded(picture::run(settings, file.as_deref(), calls)),
        Command::Publish { by, missing } => coded(publish::publish(settings, &by, missing)),
        Command::Rollback { release, by } => coded(publish::rollback(settings, release.as_deref(), &by)),
        Command::Releases => publish::list(settings),
        Command::Emergency { on, by } => coded(publish::emergency(settings, on, &by)),
        Command::Account(command) => coded(studio_store::accounts::commands::run(settings, &command)),
        Command::Replay { last } => coded(publish::replay_calls(settings, last)),
        Command::Help(_) | Command::Version | Command::Feed(_) => ExitCode::SUCCESS,
    }
}

fn coded(result: Result<ExitCode, Vec<String>>) -> ExitCode {
    result.unwrap_or_else(|complaints| wrong(&complaints))
}

/// What is said in text needs no recordings.
fn with_wording(settings: &Settings, work: impl FnOnce(Wording) -> ExitCode) -> ExitCode {
    match hotline::wording(settings) {
        Ok(wording) => work(wording),
        Err(complaints) => wrong(&complaints),
    }
}

/// Flow, words and days first: what is wrong with them is not to be looked for among recordings.
fn check(settings: &Settings) -> ExitCode {
    let release = match hotline::release(settings) {
        Ok(release) => release,
        Err(complaints) => return wrong(&complaints),
    };
    let unreadable = files_not_there(settings);
    match publish::edited(settings, Missing::Refused) {
        Ok((hotline, _)) if unreadable.is_empty() => all_right(&hotline),
        Ok(_) => wrong(&unreadable),
        Err(complaints) => {
            release.warnings.iter().for_each(|warning| println!("{warning}"));
            let short = release.short_name();
            println!("flow, words and calendar are right ({short}); its recordings are not all there:");
            wrong(&complaints)
        }
    }
}

/// What the settings name and a later command would look for in vain.
fn files_not_there(settings: &Settings) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut look = |key: &str, path: &Path, found: bool| {
        if !found {
            complaints.push(format!("{key} = {}: it is not there, or may not be read", path.display()));
        }
    };
    let sheets = &settings.hotline.sheets;
    look("hotline.sheets", sheets, sheets.is_dir());
    if settings.replica.source == Source::Postgres {
        let upstream = &settings.replica.postgres;
        let mut file = |key, path: &Path| look(key, path, fs::File::open(path).is_ok());
        upstream.password_file.iter().for_each(|path| file("replica.postgres.password_file", path));
        if let config::Tls::Verify { ca_file: Some(path), .. } = &upstream.tls {
            file("replica.postgres.ca_file", path);
        }
    }
    complaints
}

fn all_right(hotline: &Hotline) -> ExitCode {
    for remark in &hotline.remarks {
        println!("{remark}");
    }
    println!(
        "all right: flow {}, {} recordings",
        hotline.release.short_name(),
        hotline::needed(&hotline.release).len()
    );
    ExitCode::SUCCESS
}

fn sample(wording: &Wording, cases: u32, seed: u64, out: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", out.display());
    let writer: Box<dyn Write> = match out.to_str() {
        Some("-") => Box::new(io::stdout().lock()),
        _ => Box::new(fs::File::create(out).map_err(failed)?),
    };
    let mut writer = BufWriter::new(writer);
    let today = clock::local(&wording.zone).date();
    let header =
        replica::BatchHeader { source: None, sequence: None, as_of: clock::timestamp(), cases: Some(cases.into()) };
    writeln!(writer, "{}", header.to_line()).map_err(failed)?;
    for case in sample::cases(cases.into(), seed, today, &wording.working) {
        writeln!(writer, "{}", case.to_line()).map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    if out != Path::new("-") {
        println!("{cases} cases written to {}", out.display());
    }
    Ok(())
}

fn keys(settings: &Settings) -> Result<Keys, String> {
    folder::make(&settings.data.folder)?;
    let secret = secret(&settings.data.folder).map_err(|error| error.to_string())?;
    Ok(Keys::new(&secret))
}

fn load_file(settings: &Settings, file: &Path) -> Result<(), String> {
    let keys = keys(settings)?;
    let loaded = load(&settings.data.folder, &settings.replica, keys, file, LOAD_PATIENCE);
    match loaded.map_err(|error| error.to_string())? {
        Loaded::Directly(done) => println!("{done}"),
        Loaded::ByServer(done) => println!("{done}, by the node that serves"),
    }
    Ok(())
}

fn upstream(settings: &Settings, verify: bool) -> Result<(), String> {
    if settings.replica.source != Source::Postgres {
        return Err("the copy follows no PostgreSQL server: set replica.source = \"postgres\"".into());
    }
    if verify {
        let keys = keys(settings)?;
        let (upstream, folder) = (&settings.replica.postgres, &settings.data.folder);
        let compared = postgres::verify::verify(upstream, folder, &keys, VERIFY_PATIENCE);
        let compared = compared.map_err(|error| error.to_string())?;
        println!("{compared}");
        return if compared.is_equal() { Ok(()) } else { Err("the copy is not the upstream".into()) };
    }
    let checked = postgres::verify::check(&settings.replica.postgres).map_err(|trouble| trouble.to_string())?;
    println!("{checked}");
    if checked.complaints.is_empty() { Ok(()) } else { Err("the upstream cannot be followed yet".into()) }
}

fn replica(settings: &Settings, wish: Wish, json: bool) -> ExitCode {
    let ran = keys(settings).and_then(|keys| command(&settings.data.folder, &settings.replica, &keys, wish, json));
    ran.unwrap_or_else(|complaint| done(Err(complaint)))
}

fn look_up(settings: &Settings, wording: &Wording, number: &str, tail: Option<String>) -> ExitCode {
    let receipt = match wording.rules.formats.from_keys(number) {
        Ok(receipt) => receipt,
        Err(error) => return wrong(&[error.to_string()]),
    };
    let kind = wording.rules.formats.of(&receipt).second_factor;
    let factor = match tail.map(|tail| Factor::read(kind, &tail)).transpose() {
        Ok(factor) => factor,
        Err(error) => return wrong(&[error.to_string()]),
    };
    done(keys(settings).and_then(|keys| {
        let replica = Replica::open(&settings.data.folder, &settings.replica, keys, Role::Read);
        let replica = replica.map_err(|error| error.to_string())?;
        let proof = factor.map_or(Proof::Paper, Proof::Factor);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
        let answer = runtime.block_on(replica.look_up(&receipt, &proof));
        print_answer(wording, &answer, replica.now())
    }))
}

fn print_answer(wording: &Wording, answer: &Answer, now: jiff::Timestamp) -> Result<(), String> {
    let local = clock::local(&wording.zone);
    let (findings, result) = call::findings(&wording.rules, answer, local.date(), now);
    println!("{}", result.name());
    for lang in Lang::ALL {
        let words = flow::answer(&wording.release, lang, findings.clone().into(), local, clock::now());
        let text: Vec<String> = words.into_iter().map(|utterance| utterance.text).collect();
        println!("{:<4} {}", lang.code(), text.join(" "));
    }
    match answer {
        Answer::Found { .. } => Ok(()),
        Answer::NotFound => Err("no case has this number and tail".into()),
        Answer::Down => Err("the replica could not be read".into()),
    }
}

fn done(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("jindu: {complaint}");
            ExitCode::FAILURE
        }
    }
}

/// Wrong command line, settings or files: nothing was opened (sysexits' EX_USAGE).
fn wrong(complaints: &[String]) -> ExitCode {
    for complaint in complaints {
        eprintln!("{complaint}");
    }
    if complaints.len() > 1 {
        eprintln!("{} complaints; nothing was done", complaints.len());
    }
    ExitCode::from(64)
}

fn said(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::SUCCESS
}

/// How long a serving node may take to load a file.
const LOAD_PATIENCE: Duration = Duration::from_secs(300);
/// How long the copy may take to reach where the upstream is.
const VERIFY_PATIENCE: Duration = Duration::from_secs(60);
