//! `jindu backup`: copies the data folder, and names what else belongs to a backup.

use std::path::{Path, PathBuf};

use backup::Copied;
use base::Bilingual;
use config::{Settings, SoundKey, Tls};
use sms::Carrier;

use crate::say::say;

/// Copies the data folder of the settings into a new folder.
///
/// # Errors
/// What cannot be copied, and why.
pub(crate) fn run(settings: &Settings, settings_file: &Path, to: &Path) -> Result<(), Bilingual> {
    let Copied { files, octets } = backup::back_up(&settings.data.folder, to)?;
    let (megabytes, to) = (octets as f64 / 1e6, to.display());
    say!("{files} files, {megabytes:.1} MB, are in {to}", "已备份 {files} 个文件（{megabytes:.1} MB）到 {to}");
    say!("also keep what the settings name elsewhere:", "设置中的以下文件不在数据文件夹中，请另行保存：");
    for path in elsewhere(settings, settings_file) {
        say!("  {}", "  {}", path.display());
    }
    Ok(())
}

/// Files outside the data folder that the settings name: without them a node with the copy cannot do all of its work.
fn elsewhere(settings: &Settings, settings_file: &Path) -> Vec<PathBuf> {
    let (hotline, phone, postgres) = (&settings.hotline, &settings.phone, &settings.replica.postgres);
    let mut files = vec![settings_file.to_owned()];
    files.extend(
        [&hotline.flow, &hotline.script, &hotline.calendar, &hotline.audio, &hotline.manifest, &hotline.call_sheets]
            .map(Clone::clone),
    );
    let sound_key = settings.data.sound_key.as_ref().map(|key| match key {
        SoundKey::File(file) => file.clone(),
        SoundKey::Credential(name) => format!("credential:{name}").into(),
    });
    let tls = &phone.tls;
    let hep = phone.hep.as_ref().and_then(|hep| hep.password_file.clone());
    let authority = match &postgres.tls {
        Tls::Verify { ca_file, .. } => ca_file.clone(),
        _ => None,
    };
    let own = [&tls.certificate, &tls.key, &tls.client_ca, &tls.ca_file].map(Clone::clone);
    files.extend(own.into_iter().chain([sound_key, hep, authority, postgres.password_file.clone()]).flatten());
    for trunk in &phone.trunks {
        files.extend(trunk.ca_file.clone());
        files.extend(trunk.register.as_ref().map(|register| register.password_file.clone()));
    }
    match &settings.sms.carrier {
        Some(Carrier::Http(carrier)) => {
            files.extend(carrier.secret_file.clone().into_iter().chain(carrier.ca_file.clone()));
        }
        Some(Carrier::Smpp(carrier)) => {
            files.extend(carrier.ca_file.clone().into_iter().chain([carrier.password_file.clone()]));
        }
        None => {}
    }
    files.retain(|path| !path.starts_with(&settings.data.folder));
    files
}
