//! `jindu feed`: makes, packs and checks the files that cross a one-way gate, and plays an office that writes them.
//!
//! What the files are, `crate::replica::gate` says. `keygen`, `pack` and `verify --key` need no settings: they run where the
//! system of record is, where there is no gateway.

mod input;
pub mod keys;
mod pack;
mod play;
pub mod text;
mod verify;
mod words;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::Settings;
use crate::replica::gate::{GateKey, GateKeys, Kind};

use super::hotline;

pub use pack::{PackError, Packed, Packer};
pub use play::{changes, snapshot};
pub use verify::{is_feed_name, printable};
pub use words::{Feed, HELP, Packing, read};

/// Performs a command that needs no settings, or says that it does.
pub fn perform(feed: Feed, settings: impl FnOnce() -> Result<Settings, Vec<String>>) -> Result<ExitCode, Vec<String>> {
    let one = |error: String| vec![error];
    match feed {
        Feed::Keygen { name, folder } => keygen(&name, &folder).map_err(one),
        Feed::Pack { input, packing, snapshot, heartbeat, as_of } => {
            let kind = if snapshot { Kind::Snapshot } else { Kind::Changes };
            let mut text: Box<dyn BufRead> = match input {
                _ if heartbeat => Box::new(io::empty()),
                None => Box::new(io::stdin().lock()),
                Some(path) => {
                    let file = File::open(&path).map_err(|error| one(format!("{}: {error}", path.display())))?;
                    Box::new(BufReader::new(file))
                }
            };
            packed(&packing, kind, as_of, &mut *text).map_err(one)
        }
        Feed::Verify { paths, keys } => {
            let keys = if keys.is_empty() { settings()?.replica.keys } else { files(&keys).map_err(one)? };
            let verdict = verify::verify(&paths, &keys).map_err(one)?;
            verdict.lines.iter().for_each(|line| println!("{line}"));
            println!("{}", if verdict.faults == 0 { "all right".into() } else { format!("{} faults", verdict.faults) });
            Ok(if verdict.faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Feed::Play { play, packing } => {
            let settings = settings()?;
            let release = hotline::release(&settings)?;
            let (_, working) = hotline::rules(&settings, &release)?;
            let zone = TimeZone::get(&release.calendar.zone).map_err(|error| one(format!("zone: {error}")))?;
            let packer = packing.as_ref().map(open).transpose().map_err(one)?;
            play::play(&play, packer, &working, &zone).map_err(one)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn keygen(name: &str, folder: &Path) -> Result<ExitCode, String> {
    let public = keys::make(folder, name)?;
    println!(
        "{}: sign with it where the system of record is, and keep it there",
        folder.join(format!("{name}.key")).display()
    );
    println!("for the settings of every node:\n\n[[replica.key]]\nname = \"{name}\"\npublic = \"{public}\"");
    Ok(ExitCode::SUCCESS)
}

fn open(packing: &Packing) -> Result<Packer, String> {
    let key = packing.key.as_deref().map(keys::PrivateKey::read).transpose()?;
    let packer = Packer::open(&packing.out, packing.source.as_deref(), key, packing.plain);
    packer.map_err(|error| error.to_string())
}

fn packed(packing: &Packing, kind: Kind, as_of: Option<Timestamp>, text: &mut dyn BufRead) -> Result<ExitCode, String> {
    let mut packer = open(packing)?;
    if packer.is_new() && kind == Kind::Changes {
        eprintln!("the first file of this feed is no snapshot: a node that holds cases already will wait for one");
    }
    let as_of = as_of.unwrap_or_else(|| packer.time(Timestamp::now()));
    for packed in input::pack(&mut packer, &packing.out, kind, as_of, text).map_err(|error| error.to_string())? {
        println!("{} {} lines", packed.path.display(), packed.lines);
    }
    Ok(ExitCode::SUCCESS)
}

/// Keys from files, good for every number.
fn files(paths: &[std::path::PathBuf]) -> Result<GateKeys, String> {
    let read = |path: &std::path::PathBuf| {
        let (name, public) = keys::public(path)?;
        Ok(GateKey { name, public, first_sequence: 1, last_sequence: u64::MAX })
    };
    paths.iter().map(read).collect::<Result<Vec<_>, String>>().map(GateKeys::new)
}
