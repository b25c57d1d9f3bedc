//! `jindu feed unseal`: a kept feed file in clear.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use base::{Bilingual, bilingual};
use config::Settings;
use os::{io_fault, sealed_file};

use crate::replica_commands::keys;

/// Writes a sealed file in clear to a new file of mode 0600, or to the standard output.
pub(crate) fn unseal(settings: &Settings, file: &Path, out: Option<&Path>) -> Result<ExitCode, Bilingual> {
    let (_, is_sealed) = sealed_file::text_length(file).map_err(|error| io_fault(file, &error))?;
    if !is_sealed {
        return Err(bilingual!("{} is not sealed: read it as it is", "{} 未加密，可直接读取", file.display()));
    }
    if out.is_none() && io::stdout().is_terminal() && file.extension().is_some_and(|end| end == "zst") {
        return Err(Bilingual::fixed(
            "what is in it is compressed (zstd): name a file for it, or lead the output to another program",
            "其中的内容经 zstd 压缩：请写明输出文件，或用管道交给其他程序",
        ));
    }
    let keys = keys(settings)?;
    let mut to: Box<dyn Write> = match out {
        Some(path) => {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            Box::new(made.map_err(|error| io_fault(path, &error))?)
        }
        None => Box::new(io::stdout().lock()),
    };
    replica_store::unseal(&keys, file, &mut to).map_err(|error| io_fault(file, &error))?;
    Ok(ExitCode::SUCCESS)
}
