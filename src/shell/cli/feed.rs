//! `jindu feed`: makes, packs and checks the files that cross a one-way gate, and plays an office that writes them.
//!
//! `replica::gate` describes the files. `keygen`, `pack` and `verify --key` need no settings: they run where the
//! system of record is, where there is no gateway.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use base::{Bilingual, plural};
use config::Settings;
use os::io_fault;
use replica::gate::{FileKind, GateKey, GateKeys};

use release::hotline;

use feed::Packer;
use feed::{input, keys, play, verify};

use crate::args::feed::{FeedCommand, Packing};
use crate::exit::{Errors, failed, print};
use crate::say::say;
use crate::unseal::unseal;

/// Runs a command. Most need no settings; the errors are those of the settings.
pub(crate) fn perform(
    command: FeedCommand,
    settings: impl FnOnce() -> Result<Settings, Errors>,
) -> Result<ExitCode, Errors> {
    Ok(ended(match command {
        FeedCommand::Keygen { name, out } => keygen(&name, &out),
        FeedCommand::Pack { file, packing, snapshot, heartbeat, as_of } => {
            let kind = if snapshot { FileKind::Snapshot } else { FileKind::Changes };
            let input = if heartbeat { Ok(Box::new(io::empty()) as Box<dyn BufRead>) } else { opened(file.as_deref()) };
            input.and_then(|mut text| packed(&packing, kind, as_of, &mut *text))
        }
        FeedCommand::Verify { paths, keys } => {
            let keys = if keys.is_empty() { Ok(settings().map_err(no_keys)?.replica.keys) } else { files(&keys) };
            keys.and_then(|keys| verified(&paths, &keys))
        }
        FeedCommand::Unseal { file, out } => unseal(&settings()?, &file, out.as_deref()),
        FeedCommand::Play(arguments) => {
            let (office, packing) = arguments.read();
            let settings = settings()?;
            let release = hotline::release(&settings)?;
            let (_, working) = hotline::rules(&settings, &release)?;
            let zone = TimeZone::get(&release.calendar.zone).map_err(|error| vec![format!("zone: {error}").into()])?;
            let packer = packing.as_ref().map(open).transpose();
            packer.and_then(|packer| {
                play::play(&office, packer, &working, &zone)?;
                Ok(ExitCode::SUCCESS)
            })
        }
    }))
}

fn no_keys(mut errors: Errors) -> Errors {
    errors.push(Bilingual::fixed(
        "the keys come from the settings: without settings give --key NAME.pub",
        "公钥取自设置：没有设置时请写 --key NAME.pub",
    ));
    errors
}

fn ended(result: Result<ExitCode, Bilingual>) -> ExitCode {
    result.unwrap_or_else(|error| {
        failed(&error);
        ExitCode::FAILURE
    })
}

/// A file, or the standard input.
fn opened(input: Option<&Path>) -> Result<Box<dyn BufRead>, Bilingual> {
    let Some(path) = input.filter(|path| path.as_os_str() != "-") else { return Ok(Box::new(io::stdin().lock())) };
    let file = File::open(path).map_err(|error| io_fault(path, &error))?;
    Ok(Box::new(BufReader::new(file)))
}

fn verified(paths: &[PathBuf], keys: &GateKeys) -> Result<ExitCode, Bilingual> {
    let verdict = verify::verify(paths, keys)?;
    verdict.lines.iter().for_each(|line| print(format!("{line}\n")));
    if verdict.faults == 0 {
        say!("all right", "检查通过");
        return Ok(ExitCode::SUCCESS);
    }
    let s = plural(verdict.faults);
    say!("{} fault{s}", "{} 处错误", verdict.faults);
    Ok(ExitCode::FAILURE)
}

fn keygen(path: &Path, out: &Path) -> Result<ExitCode, Bilingual> {
    let name = &path.file_name().unwrap_or_default().to_string_lossy();
    let folder = &path.parent().map_or_else(|| out.to_owned(), |parent| out.join(parent));
    let public = keys::make(folder, name)?;
    say!(
        "{}: sign with it beside the system of record, and keep it there",
        "{}：请在上游一侧用它签名，并留存于该处",
        folder.join(format!("{name}.key")).display()
    );
    say!(
        "for the settings of every node:\n\n[[replica.key]]\nname = \"{name}\"\npublic = \"{public}\"",
        "请写入每个节点的设置：\n\n[[replica.key]]\nname = \"{name}\"\npublic = \"{public}\""
    );
    Ok(ExitCode::SUCCESS)
}

fn open(packing: &Packing) -> Result<Packer, Bilingual> {
    let key = packing.signing.key.as_deref().map(keys::PrivateKey::read).transpose()?;
    let packer = Packer::open(&packing.out, packing.signing.source.as_deref(), key, packing.signing.plain);
    packer.map_err(|error| error.to_string().into())
}

fn packed(
    packing: &Packing,
    kind: FileKind,
    as_of: Option<Timestamp>,
    text: &mut dyn BufRead,
) -> Result<ExitCode, Bilingual> {
    let mut packer = open(packing)?;
    if packer.is_new() && kind == FileKind::Changes {
        failed(&Bilingual::fixed(
            "the first file of this feed is not a snapshot: a node with cases waits for one",
            "此数据流的第一个文件不是快照：已有案件的节点会等候快照",
        ));
    }
    let as_of = as_of.unwrap_or_else(|| packer.time(Timestamp::now()));
    for packed in input::pack_lines(&mut packer, &packing.out, kind, as_of, text).map_err(|error| error.to_string())? {
        let s = plural(packed.lines);
        say!("{} {} line{s}", "{}：{} 行", packed.path.display(), packed.lines);
    }
    Ok(ExitCode::SUCCESS)
}

/// Keys from files, valid for every sequence number.
fn files(paths: &[PathBuf]) -> Result<GateKeys, Bilingual> {
    let read = |path: &PathBuf| {
        let (name, public) = keys::public(path)?;
        Ok(GateKey { name, public, first_sequence: 1, last_sequence: u64::MAX })
    };
    paths.iter().map(read).collect::<Result<Vec<_>, Bilingual>>().map(GateKeys::new)
}
