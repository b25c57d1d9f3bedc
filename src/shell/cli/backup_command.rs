//! `jindu backup`: copies the data folder, and names what else belongs to a backup.

use std::path::{Path, PathBuf};

use backup::Copied;
use base::Bilingual;
use config::{Settings, SoundKey};

use crate::say::say;

/// Copies the data folder of the settings into a new folder.
///
/// # Errors
/// What cannot be copied, and why.
pub(crate) fn run(settings: &Settings, settings_file: &Path, to: &Path) -> Result<(), Bilingual> {
    let Copied { files, octets } = backup::back_up(&settings.data.folder, to)?;
    let (megabytes, to) = (octets as f64 / 1e6, to.display());
    say!("{files} files, {megabytes:.1} MB, are in {to}", "已备份 {files} 个文件（{megabytes:.1} MB）到 {to}");
    say!("keep apart what is not in the data folder:", "以下内容不在数据文件夹中，请另行保存：");
    for path in elsewhere(settings, settings_file) {
        say!("  {}", "  {}", path.display());
    }
    Ok(())
}

/// Files outside the data folder without which the copy is of no use, or of less.
fn elsewhere(settings: &Settings, settings_file: &Path) -> Vec<PathBuf> {
    let hotline = &settings.hotline;
    let phone = &settings.phone.tls;
    let sound_key = settings.data.sound_key.as_ref().map(|key| match key {
        SoundKey::File(file) => file.clone(),
        SoundKey::Credential(name) => format!("credential:{name}").into(),
    });
    let named = [Some(settings_file.to_owned()), sound_key]
        .into_iter()
        .chain([&hotline.flow, &hotline.script, &hotline.calendar, &hotline.audio].map(|path| Some(path.clone())))
        .chain([phone.certificate.clone(), phone.key.clone()]);
    named.flatten().filter(|path| !path.starts_with(&settings.data.folder)).collect()
}
