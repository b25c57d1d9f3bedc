//! The commands of the program.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::account;
use crate::args::replica::ReplicaArguments;
use crate::args::{self, Arguments, Command, Span, Upstream, Way};
use crate::picture;
use crate::prompts;
use crate::publish;
use crate::sheets;
use crate::sim;
use base::Lang;
use config::{Settings, Source};
use inquiry::{Answer, Factor, Keys, Proof};
use node::serve;
use os::clock;
use os::folder;
use release::hotline::{self, Hotline, Wording};
use release::recordings::Missing;
use release::releases;
use replica::sample;
use replica_store::{Loaded, Replica, Role, command, load, postgres, secret};

/// Runs the program.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Arguments { config, set, command } = match args::read(words) {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    let command = command.unwrap_or(Command::Serve);
    if !matches!(command, Command::Serve) {
        end_with_the_reader();
    }
    let settings = || settings(&config, &set);
    match command {
        Command::Version => said(concat!("jindu ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        Command::Man => manual(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::table(), "jindu", &mut script);
            said(&script)
        }
        // Most of these run where the system of record is, which has no settings of a node.
        Command::Feed(command) => coded(crate::feed::perform(command, settings)),
        command => match settings() {
            Ok(settings) => perform(command, &settings),
            Err(complaints) => wrong(&complaints),
        },
    }
}

/// Prints what is wrong with the command line, or the help that it asked for.
fn refused(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn manual() -> ExitCode {
    let mut page = Vec::new();
    match clap_mangen::Man::new(args::table()).render(&mut page) {
        Ok(()) => said(&page),
        Err(error) => done(Err(error.to_string())),
    }
}

/// Lets a command end without a word when who reads what it prints has seen enough, as every filter does. A node that
/// serves goes on.
fn end_with_the_reader() {
    // SAFETY: the system's own way of handling the signal; no handler of ours runs.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

fn settings(path: &Path, set: &[String]) -> Result<Settings, Vec<String>> {
    let text = fs::read_to_string(path)
        .map_err(|error| vec![format!("{}: {error}; name the settings with --config PATH", path.display())])?;
    // Relative paths start from the working directory, which holds prompts/ beside config/.
    config::read(&text, set, Path::new("")).map_err(|complaints| complaints.iter().map(ToString::to_string).collect())
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
        Command::Lookup { receipt, tail } => {
            with_wording(settings, |wording| look_up(settings, &wording, &receipt, tail))
        }
        Command::Upstream(command) => done(upstream(settings, command)),
        Command::Replica(arguments) => replica(settings, arguments),
        Command::Prompts(command) => coded(prompts::run(settings, &command)),
        Command::Test(arguments) => match arguments.read() {
            Ok((way, sheets)) => test(settings, &way, &sheets),
            Err(error) => refused(&error),
        },
        Command::Sim => coded(sim::run(settings)),
        Command::Flow { svg: _, file, calls } => {
            coded(picture::run(settings, file.as_deref(), calls.map(Span::length)))
        }
        Command::Publish { by, allow_missing } => {
            let missing = if allow_missing { Missing::StoodInFor } else { Missing::Refused };
            coded(publish::publish(settings, &by, missing))
        }
        Command::Rollback { release, by } => {
            let release = release.map(|hash| hash.to_ascii_lowercase());
            coded(publish::rollback(settings, release.as_deref(), &by))
        }
        Command::Releases => publish::list(settings),
        Command::Emergency { state, by } => coded(publish::emergency(settings, state.wanted(), &by)),
        Command::Studio(args::Studio::Account(command)) => coded(account::run(settings, &command)),
        Command::Replay { last } => coded(publish::replay_calls(settings, last)),
        Command::Version | Command::Man | Command::Completions { .. } | Command::Feed(_) => ExitCode::SUCCESS,
    }
}

fn test(settings: &Settings, way: &Way, sheets: &[PathBuf]) -> ExitCode {
    match way {
        Way::OverSip => coded(rehearsal::run(settings, sheets, None)),
        Way::OverSipTo(address) => coded(rehearsal::run(settings, sheets, Some(address))),
        Way::InText => match hotline::release(settings) {
            Ok(release) if sheets::run(&release, sheets, sheets::Tell::All) => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(complaints) => wrong(&complaints),
        },
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
    let sheets = &settings.hotline.call_sheets;
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

fn upstream(settings: &Settings, command: Upstream) -> Result<(), String> {
    if settings.replica.source != Source::Postgres {
        return Err("the copy follows no PostgreSQL server: set replica.source = \"postgres\"".into());
    }
    if command == Upstream::Verify {
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

fn replica(settings: &Settings, arguments: ReplicaArguments) -> ExitCode {
    let json = arguments.json;
    let wish = arguments.into();
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
        Answer::Unavailable => Err("the replica could not be read".into()),
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
    ExitCode::from(USAGE)
}

fn said(text: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text).and_then(|()| out.flush());
    ExitCode::SUCCESS
}

/// How long a serving node may take to load a file.
const LOAD_PATIENCE: Duration = Duration::from_secs(300);
/// How long the copy may take to reach where the upstream is.
const VERIFY_PATIENCE: Duration = Duration::from_secs(60);
/// Wrong command line or settings: `EX_USAGE` of sysexits.
const USAGE: u8 = 64;
