//! The files of the settings become the rules of both sides of TLS.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::TlsError;
use base::{Bilingual, bilingual};
use config::{PhoneTls, Trunk};

/// The node's certificate with what leads to its authority, and its key.
pub(crate) struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// What tells that a file has been replaced: inode, length and time of change. A file that is not there is all zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<(u64, u64, i64, i64)>);

impl Stamp {
    pub(crate) fn of(files: &PhoneTls, trunks: &[Arc<Trunk>]) -> Stamp {
        let node = [&files.certificate, &files.key, &files.client_ca, &files.ca_file];
        let all = node.into_iter().chain(trunks.iter().map(|trunk| &trunk.ca_file));
        let stamp = |path: &Path| {
            fs::metadata(path).map_or((0, 0, 0, 0), |file| (file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        };
        Stamp(all.flatten().map(|path| stamp(path)).collect())
    }
}

/// `None` without a certificate in the settings.
pub(crate) fn identity(files: &PhoneTls) -> Result<Option<Identity>, TlsError> {
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else { return Ok(None) };
    let chain = certificates("phone.tls.certificate", certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File {
        key: "phone.tls.key".into(),
        path: key.display().to_string(),
        what: bilingual!(
            "no private key can be read ({error}); it must be PEM without a passphrase",
            "无法读取私钥（{error}）：应为不带口令的 PEM 文件"
        ),
    })?;
    Ok(Some(Identity { chain, key }))
}

/// The authorities whose clients may connect; none: clients need no certificate.
pub(crate) fn client_roots(files: &PhoneTls) -> Result<Option<RootCertStore>, TlsError> {
    files.client_ca.as_ref().map(|path| roots("phone.tls.client_ca", path)).transpose()
}

/// The authorities of servers that the node connects to: those of the settings, or of the machine. A node that has other
/// use for TLS may have none: a machine without authorities is no reason not to start.
pub(crate) fn server_roots(files: &PhoneTls, may_be_none: bool) -> Result<RootCertStore, TlsError> {
    if let Some(path) = &files.ca_file {
        return roots("phone.tls.ca_file", path);
    }
    match machine_roots() {
        Err(TlsError::NoAuthorities(_)) if may_be_none => Ok(RootCertStore::empty()),
        read => read,
    }
}

/// The authorities of a trunk's peers, where it has its own.
pub(crate) fn trunk_roots(trunk: &Trunk) -> Result<Option<RootCertStore>, TlsError> {
    trunk.ca_file.as_ref().map(|path| roots(&format!("trunk.{}.ca_file", trunk.name), path)).transpose()
}

/// `clients` are the authorities whose certificates clients must show.
pub(crate) fn server(identity: &Identity, clients: Option<RootCertStore>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Rules(error.to_string()))?;
    let builder = match clients {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            builder.with_client_cert_verifier(verifier.build().map_err(|error| TlsError::Rules(error.to_string()))?)
        }
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(identity.chain.clone(), identity.key.clone_key()).map_err(TlsError::Pair)
}

/// The node shows its certificate where the far end asks for one.
pub(crate) fn client(identity: Option<&Identity>, servers: RootCertStore) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Rules(error.to_string()))?
        .with_root_certificates(servers);
    match identity {
        Some(Identity { chain, key }) => {
            builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(TlsError::Pair)
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |what: Bilingual| TlsError::File { key: key.into(), path: path.display().to_string(), what };
    let found =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|error| {
            wrong(bilingual!("cannot be read ({error}); it must be PEM", "无法读取（{error}）：应为 PEM 文件"))
        })?;
    if found.is_empty() {
        Err(wrong(Bilingual::fixed("holds no certificate; it must be PEM", "其中没有证书：应为 PEM 文件")))
    } else {
        Ok(found)
    }
}

pub(crate) fn roots(key: &str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(certificates(key, path)?).0 == 0 {
        let what = "holds no certificate of an authority that can be read".into();
        return Err(TlsError::File { key: key.into(), path: path.display().to_string(), what });
    }
    Ok(roots)
}

pub(crate) fn machine_roots() -> Result<RootCertStore, TlsError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(loaded.certs).0 == 0 {
        let why = loaded.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(TlsError::NoAuthorities(why));
    }
    Ok(roots)
}
