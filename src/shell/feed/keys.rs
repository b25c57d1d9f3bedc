//! Key files: the private key (PKCS #8, RFC 5208; RFC 8410 §7) stays with the upstream, the public key (RFC 8410 §4) goes
//! into the nodes' settings. OpenSSL reads and writes both.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use ed25519_dalek::{SigningKey, VerifyingKey};

use replica::gate::{self, Hash, PUBLIC_START, Seal};

/// A private key, with the name that its signatures carry.
pub struct PrivateKey {
    /// The name of the key file, without its extension.
    pub name: String,
    key: SigningKey,
}

impl PrivateKey {
    /// Reads `<name>.key`. The error names the file, never its content.
    pub fn read(path: &Path) -> Result<PrivateKey, String> {
        let fault = |what: &str| format!("{}: {what}", path.display());
        let text = fs::read_to_string(path).map_err(|error| fault(&error.to_string()))?;
        let body: String = text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
        let der = Base64::decode_vec(&body).map_err(|_| fault(PRIVATE_WANTS))?;
        let secret = der.strip_prefix(&PRIVATE_START).and_then(|rest| rest.first_chunk::<32>());
        let secret = secret.ok_or_else(|| fault(PRIVATE_WANTS))?;
        let name = stem(path);
        gate::is_key_name(&name).then_some(()).ok_or_else(|| fault(NAME_WANTS))?;
        Ok(PrivateKey { name, key: SigningKey::from_bytes(secret) })
    }

    /// Signs the hash of a file.
    pub fn seal(&self, sha256: Hash) -> Seal {
        gate::sign(sha256, &self.name, &self.key)
    }
}

/// Reads a public key file, and gives the key with the name of the file.
pub fn public(path: &Path) -> Result<(String, VerifyingKey), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let key = gate::read_public(&text).map_err(|wants| format!("{}: {wants}", path.display()))?;
    Ok((stem(path), key))
}

/// Creates a key pair: `<folder>/<name>.key` for the upstream, `<folder>/<name>.pub` for the nodes. Existing files are not
/// overwritten. Gives the public key in base64.
pub fn make(folder: &Path, name: &str) -> Result<String, String> {
    if !gate::is_key_name(name) {
        return Err(format!("{}: {NAME_WANTS}", name.escape_default()));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| format!("the system gives no random numbers: {error}"))?;
    let key = SigningKey::from_bytes(&secret);
    let public = Base64::encode_string(&[&PUBLIC_START[..], key.verifying_key().as_bytes()].concat());
    let private = Base64::encode_string(&[&PRIVATE_START[..], &secret].concat());
    write(&folder.join(format!("{name}.key")), 0o600, &pem("PRIVATE", &private))?;
    write(&folder.join(format!("{name}.pub")), 0o644, &pem("PUBLIC", &public))?;
    Ok(public)
}

fn pem(kind: &str, body: &str) -> String {
    format!("-----BEGIN {kind} KEY-----\n{body}\n-----END {kind} KEY-----\n")
}

fn write(path: &PathBuf, mode: u32, text: &str) -> Result<(), String> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = made.and_then(|mut file: File| {
        // The process's umask would take the rights of the public key's readers.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{}: exists already and is not overwritten", path.display()),
        _ => format!("{}: {error}", path.display()),
    })
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// DER before the 32 bytes of an Ed25519 private key (RFC 8410 §7).
const PRIVATE_START: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const PRIVATE_WANTS: &str = "must be an Ed25519 private key in PEM, as jindu feed keygen writes it";
const NAME_WANTS: &str =
    "a key's name must be 1 to 40 small letters, digits, _ or -; it is the file's name before the dot";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use support::folder::Folder;

    #[test]
    fn a_key_pair_is_created_once_and_its_private_key_is_readable_by_its_owner_only() {
        let folder = Folder::new();
        let printed = make(folder.path(), "office-2026").unwrap();
        let path = folder.path().join("office-2026.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (name, read) = public(&folder.path().join("office-2026.pub")).unwrap();
        let private = PrivateKey::read(&path).unwrap();
        assert_eq!((name.as_str(), private.name.as_str()), ("office-2026", "office-2026"));
        assert_eq!(private.key.verifying_key(), read);
        assert_eq!(gate::read_public(&printed), Ok(read));
        assert!(make(folder.path(), "office-2026").unwrap_err().contains("not overwritten"));
        assert!(make(folder.path(), "../office").is_err());
    }

    #[test]
    fn an_invalid_private_key_is_rejected_without_quoting_it() {
        let folder = Folder::new();
        let path = folder.path().join("a.key");
        for text in ["", "c2VjcmV0IHNlY3JldA==", "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----"] {
            fs::write(&path, text).unwrap();
            let error = PrivateKey::read(&path).err().unwrap();
            assert!(error.contains("Ed25519") && !error.contains("c2Vj"), "{error}");
        }
    }
}
