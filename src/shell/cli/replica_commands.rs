//! `jindu load`, `upstream`, `replica` and `sample`: cases that go into the replica, and its state.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use config::{Settings, Source};
use inquiry::Keys;
use os::{clock, folder};
use release::hotline::Wording;
use replica::sample;
use replica_store::{Loaded, command, load, postgres, secret};

use crate::args::Upstream;
use crate::args::replica::ReplicaArguments;
use crate::exit::done;

/// The keys of the data folder; it is created if there is none.
pub(crate) fn keys(settings: &Settings) -> Result<Keys, String> {
    folder::create(&settings.data.folder)?;
    let secret = secret(&settings.data.folder).map_err(|error| error.to_string())?;
    Ok(Keys::new(&secret))
}

/// Loads a change batch, by the serving node if there is one.
pub(crate) fn load_file(settings: &Settings, file: &Path) -> Result<(), String> {
    let keys = keys(settings)?;
    let loaded = load(&settings.data.folder, &settings.replica, keys, file, LOAD_TIMEOUT);
    match loaded.map_err(|error| error.to_string())? {
        Loaded::Directly(done) => println!("{done}"),
        Loaded::ByServer(done) => println!("{done}, by the node that serves"),
    }
    Ok(())
}

/// Checks the PostgreSQL upstream, or compares the replica with it.
pub(crate) fn upstream(settings: &Settings, command: Upstream) -> Result<(), String> {
    if settings.replica.source != Source::Postgres {
        return Err("the replica has no PostgreSQL upstream: set replica.source = \"postgres\"".into());
    }
    if command == Upstream::Verify {
        let keys = keys(settings)?;
        let (upstream, folder) = (&settings.replica.postgres, &settings.data.folder);
        let compared = postgres::verify::verify(upstream, folder, &keys, VERIFY_TIMEOUT);
        let compared = compared.map_err(|error| error.to_string())?;
        println!("{compared}");
        return if compared.is_equal() { Ok(()) } else { Err("the replica differs from the upstream".into()) };
    }
    let checked = postgres::verify::check(&settings.replica.postgres).map_err(|trouble| trouble.to_string())?;
    println!("{checked}");
    if checked.diagnostics.is_empty() { Ok(()) } else { Err("the upstream cannot be followed yet".into()) }
}

/// Runs a command of `jindu replica`.
pub(crate) fn replica(settings: &Settings, arguments: ReplicaArguments) -> ExitCode {
    let json = arguments.json;
    let request = arguments.into();
    let ran = keys(settings).and_then(|keys| command(&settings.data.folder, &settings.replica, &keys, request, json));
    ran.unwrap_or_else(|error| done(Err(error)))
}

/// Writes sample cases as a change batch.
pub(crate) fn sample(wording: &Wording, cases: u32, seed: u64, out: &Path) -> Result<(), String> {
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

/// How long a serving node may take to load a file.
const LOAD_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the replica may take to catch up with the upstream.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(60);
