//! Runs the command that the command line names.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base::{Bilingual, bilingual};
use config::{Diagnostic, Settings};
use node::{READ_PHOTOGRAPH, serve};
use os::{io_fault, language};
use release::hotline::{self, Wording};
use release::recordings::MissingPolicy;
use release::releases;

use crate::account;
use crate::agent;
use crate::args::prompts::PromptCommand;
use crate::args::{self, Arguments, Command, Span, Way};
use crate::audit;
use crate::backup_command;
use crate::call::call;
use crate::call_back;
use crate::calls::calls;
use crate::check::check;
use crate::diagram;
use crate::exit::{Errors, coded, command_line, done, print, problems, wrong};
use crate::journal_command;
use crate::kiosk;
use crate::look_up::{look_up, tail};
use crate::messages;
use crate::prompts;
use crate::publish;
use crate::queue;
use crate::read_photograph;
use crate::recording;
use crate::replica_commands;
use crate::replica_status;
use crate::seal;
use crate::sheets;
use crate::sim;
use crate::sms;
use crate::status::status;
use crate::trace::trace;
use crate::trunk_status::trunk_status;

/// Runs the program on its command line, the program's name first; the exit code.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Before anything is written: records, recordings, feed files and exports are for this user.
    os::folder::keep_files_private();
    os::folder::keep_memory_private();
    let words: Vec<OsString> = words.into_iter().collect();
    if words.get(1).is_some_and(|word| word == READ_PHOTOGRAPH) {
        return read_photograph::run();
    }
    let (Arguments { config, set, lang: _, command }, lang) = match args::read(words, language::of_environment()) {
        Ok(read) => read,
        Err((error, lang)) => {
            language::set(lang);
            return command_line(&error);
        }
    };
    language::set(lang);
    let command = command.unwrap_or(Command::Serve);
    if !matches!(command, Command::Serve) {
        die_of_sigpipe();
    }
    let settings = || settings(&config, &set);
    match command {
        Command::Version => printed(concat!("jindu ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        Command::Man => manual(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::table(), "jindu", &mut script);
            printed(&script)
        }
        // Most of these run beside the system of record, without settings of a node.
        Command::Feed(command) => coded(crate::feed::perform(command, settings)),
        Command::Check => match all_settings(&config, &set) {
            Ok((settings, wrong)) => {
                replica_store::adopt_clock(&settings.data.folder);
                let _ = os::sound_key::adopt_to_read(&settings.data);
                check(&settings, &wrong, &config.display().to_string())
            }
            Err(error) => problems(&[error], 0),
        },
        Command::Backup { folder } => match settings() {
            Ok(settings) => done(backup_command::run(&settings, &config, &folder)),
            Err(errors) => wrong(&errors),
        },
        command => match settings() {
            Ok(settings) => perform(command, &settings),
            Err(errors) => wrong(&errors),
        },
    }
}

fn printed(text: &[u8]) -> ExitCode {
    print(text);
    ExitCode::SUCCESS
}

fn manual() -> ExitCode {
    let mut page = Vec::new();
    match clap_mangen::Man::new(args::table()).render(&mut page) {
        Ok(()) => printed(&page),
        Err(error) => done(Err(error.to_string().into())),
    }
}

/// Lets a command end silently when its output is closed, as every filter does. A serving node goes on.
fn die_of_sigpipe() {
    // SAFETY: SIG_DFL is the system's default; it runs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

fn settings(path: &Path, set: &[String]) -> Result<Settings, Errors> {
    let (settings, wrong) = all_settings(path, set).map_err(|error| vec![error])?;
    let file = path.display().to_string();
    let errors: Errors = wrong.iter().map(|error| error.in_file(&file)).collect();
    if errors.is_empty() { Ok(settings) } else { Err(errors) }
}

/// The settings as far as they can be read, and what is wrong with them.
fn all_settings(path: &Path, set: &[String]) -> Result<(Settings, Vec<Diagnostic>), Bilingual> {
    let unread = |error: io::Error| {
        let fault = io_fault(path, &error);
        bilingual!("{fault}; name the settings with --config PATH", "{fault:#}；请用 --config 写明设置文件")
    };
    let text = fs::read_to_string(path).map_err(unread)?;
    // Relative paths start from the working directory, which holds prompts/ beside config/.
    Ok(config::read_all(&text, set, Path::new("")))
}

fn perform(command: Command, settings: &Settings) -> ExitCode {
    if let Err(error) = prepare(&command, settings) {
        return done(Err(error));
    }
    match command {
        Command::Serve => match releases::to_serve(settings) {
            Ok(hotline) => done(serve::serve(settings, hotline)),
            Err(errors) => wrong(&errors),
        },
        Command::Status { json } => done(status(settings, json)),
        Command::Calls(arguments) => done(calls(settings, arguments)),
        Command::Call(arguments) => done(call(settings, &arguments)),
        Command::Messages(command) => done(messages::run(settings, &command)),
        Command::Recording(command) => done(recording::run(settings, &command)),
        Command::Sample { cases, seed, out, live: _ } => {
            with_wording(settings, |wording| done(replica_commands::sample(&wording, cases, seed, &out)))
        }
        Command::Load { file } => done(replica_commands::load_file(settings, &file)),
        Command::Lookup { receipt, tail: given } => match tail(given) {
            Ok(tail) => with_wording(settings, |wording| look_up(settings, &wording, &receipt, tail)),
            Err(error) => wrong(&[error]),
        },
        Command::Upstream(command) => done(replica_commands::upstream(settings, command)),
        Command::Replica(arguments) => replica_status::replica(settings, arguments),
        Command::Journal(command) => done(journal_command::run(settings, command)),
        Command::Trunk(args::Trunk::Status { json }) => done(trunk_status(settings, json)),
        Command::Trunk(args::Trunk::Trace(arguments)) => done(trace(settings, *arguments)),
        Command::Agent(command) => done(agent::run(settings, &command)),
        Command::Queue(command) => done(queue::run(settings, &command)),
        Command::CallBack(command) => done(call_back::run(settings, command)),
        Command::Sms(command) => done(sms::run(settings, command)),
        Command::Prompts(command) => coded(prompts::run(settings, &command)),
        Command::Test(arguments) => match arguments.read() {
            Ok((way, sheets)) => test(settings, &way, &sheets),
            Err(error) => wrong(&[error]),
        },
        Command::Sim => coded(sim::run(settings)),
        Command::Flow { svg: _, file, calls } => {
            coded(diagram::run(settings, file.as_deref(), calls.map(Span::length)))
        }
        Command::Publish { by, allow_missing } => {
            let missing = if allow_missing { MissingPolicy::Substitute } else { MissingPolicy::Reject };
            coded(publish::publish(settings, &by, missing))
        }
        Command::Rollback { release, by } => {
            let release = release.map(|hash| hash.to_ascii_lowercase());
            coded(publish::rollback(settings, release.as_deref(), &by))
        }
        Command::Releases { json } => publish::list(settings, json),
        Command::Audit { since, json } => done(audit::audit(settings, since.as_deref(), json)),
        Command::Emergency { state, by, json } => coded(publish::emergency(settings, state.wanted(), &by, json)),
        Command::Studio(args::Studio::Account(command)) => coded(account::run(settings, &command)),
        Command::Studio(args::Studio::Passwd { name, password_file, new_password_file }) => {
            coded(account::change_own(settings, &name, password_file.as_deref(), new_password_file.as_deref()))
        }
        Command::Kiosk(command) => coded(kiosk::run(settings, &command)),
        Command::Seal { undo } => done(seal::run(settings, undo)),
        Command::Replay { last } => coded(publish::replay_calls(settings, last)),
        Command::Check
        | Command::Version
        | Command::Man
        | Command::Completions { .. }
        | Command::Feed(_)
        | Command::Backup { .. } => ExitCode::SUCCESS,
    }
}

/// What a command deletes or locks follows the node's clock, and what it reads or writes may be sealed. A serving node sees to both
/// itself.
fn prepare(command: &Command, settings: &Settings) -> Result<(), Bilingual> {
    if matches!(command, Command::Serve) {
        return Ok(());
    }
    if uses_data(command) {
        os::folder::may_be_read(&settings.data.folder)?;
    }
    replica_store::adopt_clock(&settings.data.folder);
    let adopted = if seals(command) {
        os::sound_key::adopt(&settings.data)
    } else {
        os::sound_key::adopt_to_read(&settings.data)
    };
    match adopted {
        // A key that is wrong or missing stops no other command: an emergency needs none.
        Err(error) if seals(command) || opens(command) => Err(error.text()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether a command needs what is in the data folder, if there is one.
fn uses_data(command: &Command) -> bool {
    !matches!(command, Command::Test(_) | Command::Sim | Command::Sample { .. } | Command::Flow { calls: None, .. })
}

/// Whether a command stores recordings in the data folder.
fn seals(command: &Command) -> bool {
    match command {
        Command::Seal { .. } => true,
        Command::Prompts(command) => matches!(**command, PromptCommand::Import { check: false, .. }),
        _ => false,
    }
}

/// Whether a command reads recordings of the data folder that may be sealed.
fn opens(command: &Command) -> bool {
    match command {
        Command::Messages(_) | Command::Recording(_) | Command::Publish { .. } | Command::Test(_) => true,
        Command::Prompts(command) => !matches!(**command, PromptCommand::List | PromptCommand::Rollback { .. }),
        _ => false,
    }
}

fn test(settings: &Settings, way: &Way, sheets: &[PathBuf]) -> ExitCode {
    match way {
        Way::OverSip => coded(rehearsal::run(settings, sheets, None)),
        Way::OverSipTo(address) => coded(rehearsal::run(settings, sheets, Some(address))),
        Way::InText => match hotline::read(settings, MissingPolicy::Unrecorded) {
            Ok(hotline) if sheets::run(&hotline, sheets) => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(errors) => wrong(&errors),
        },
    }
}

/// Calls `work` with the hotline's texts; recordings are not read.
fn with_wording(settings: &Settings, work: impl FnOnce(Wording) -> ExitCode) -> ExitCode {
    match hotline::wording(settings) {
        Ok(wording) => work(wording),
        Err(errors) => wrong(&errors),
    }
}
