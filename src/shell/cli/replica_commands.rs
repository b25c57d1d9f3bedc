//! `jindu load`, `upstream` and `sample`: cases that go into the replica.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use base::{Bilingual, bilingual};
use config::{Settings, Source};
use inquiry::Keys;
use os::{clock, folder, io_fault};
use release::hotline::Wording;
use replica::sample;
use replica_store::{Applied, Loaded, load, postgres, secret};

use crate::args::Upstream;
use crate::load_remarks::LoadedFile;
use crate::say::say;

/// The keys of the data folder; it is created if there is none.
pub(crate) fn keys(settings: &Settings) -> Result<Keys, Bilingual> {
    folder::create(&settings.data.folder)?;
    let secret = secret(&settings.data.folder).map_err(|error| error.to_string())?;
    Ok(Keys::new(&secret))
}

/// Loads a change batch, by the serving node if there is one.
pub(crate) fn load_file(settings: &Settings, file: &Path) -> Result<(), Bilingual> {
    if fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() == 0) {
        return Err(bilingual!("{} is empty: nothing was loaded", "{} 是空文件：未装入任何内容", file.display()));
    }
    if file.is_dir() {
        return Err(bilingual!("{} is a folder: name a file of cases", "{} 是文件夹：请写案件文件", file.display()));
    }
    let keys = keys(settings)?;
    let was_sample = replica_store::is_sample(&settings.data.folder);
    let loaded = load(&settings.data.folder, &settings.replica, keys.clone(), file, LOAD_TIMEOUT);
    match loaded.map_err(|error| error.text())? {
        Loaded::Directly(done) => {
            let done = Applied::in_words(&done);
            say!("{done}", "{done:#}");
        }
        Loaded::ByServer(done) => {
            let done = Applied::in_words(&done);
            say!("loaded by the node that serves: {done}", "已由运行中的节点装入：{done:#}");
        }
    }
    let remarks = LoadedFile { path: file, keys: &keys, formats: &settings.replica.formats }.remarks();
    for remark in &remarks.lines {
        say!("{remark}", "{remark:#}");
    }
    // A snapshot of a feed replaces the sample.
    if remarks.is_batch && was_sample && !replica_store::is_sample(&settings.data.folder) {
        say!(
            "the sample's cases stay beside yours, and the data is as old as the newest file that you load; for your own cases alone \
             load them into a new data folder with data.sample_cases=0",
            "样例案件仍与您的案件并存，数据时间以最近装入的文件为准；如只要自己的案件，请用新的数据文件夹并设 data.sample_cases=0"
        );
    }
    Ok(())
}

/// Checks the PostgreSQL upstream, or compares the replica with it.
pub(crate) fn upstream(settings: &Settings, command: Upstream) -> Result<(), Bilingual> {
    if settings.replica.source != Source::Postgres {
        return Err(Bilingual::fixed(
            "the replica has no PostgreSQL upstream: set replica.source = \"postgres\"",
            "副本没有 PostgreSQL 上游：请设 replica.source = \"postgres\"",
        ));
    }
    if command == Upstream::Verify {
        let keys = keys(settings)?;
        let (upstream, folder) = (&settings.replica.postgres, &settings.data.folder);
        let compared = postgres::verify::verify(upstream, folder, &keys, VERIFY_TIMEOUT);
        let compared = compared.map_err(|error| error.to_string())?;
        println!("{compared}");
        return if compared.is_equal() {
            Ok(())
        } else {
            Err(Bilingual::fixed("the replica differs from the upstream", "副本与上游不一致"))
        };
    }
    let checked = postgres::verify::check(&settings.replica.postgres).map_err(|trouble| trouble.to_string())?;
    println!("{checked}");
    if checked.diagnostics.is_empty() {
        Ok(())
    } else {
        Err(Bilingual::fixed("the upstream cannot be followed yet", "尚不能跟随该上游"))
    }
}

/// Writes sample cases as a change batch.
pub(crate) fn sample(wording: &Wording, cases: u32, seed: u64, out: &Path) -> Result<(), Bilingual> {
    let failed = |error: io::Error| io_fault(out, &error);
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
        say!("{cases} cases written to {}", "已将 {cases} 件案件写入 {}", out.display());
    }
    Ok(())
}

/// How long a serving node may take to load a file.
const LOAD_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the replica may take to catch up with the upstream.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(60);
