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
use config::PhoneTls;

/// The node's certificate with what leads to its authority, and its key.
pub(crate) struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// What tells that a file has been replaced: inode, length and time of change. A file that is not there is all zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<(u64, u64, i64, i64)>);

impl Stamp {
    pub(crate) fn of(files: &PhoneTls) -> Stamp {
        let all = [&files.certificate, &files.key, &files.client_ca, &files.ca_file];
        let stamp = |path: &Path| {
            fs::metadata(path).map_or((0, 0, 0, 0), |file| (file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        };
        Stamp(all.into_iter().flatten().map(|path| stamp(path)).collect())
    }
}

/// `None` without a certificate in the settings.
pub(crate) fn identity(files: &PhoneTls) -> Result<Option<Identity>, TlsError> {
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else { return Ok(None) };
    let chain = certificates("phone.tls.certificate", certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File {
        key: "phone.tls.key",
        path: key.display().to_string(),
        what: format!("no private key can be read ({error}); it must be PEM without a passphrase"),
    })?;
    Ok(Some(Identity { chain, key }))
}

pub(crate) fn server(files: &PhoneTls, identity: &Identity) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Rules(error.to_string()))?;
    let builder = match &files.client_ca {
        Some(path) => {
            let roots = Arc::new(roots("phone.tls.client_ca", path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            builder.with_client_cert_verifier(verifier.build().map_err(|error| TlsError::Rules(error.to_string()))?)
        }
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(identity.chain.clone(), identity.key.clone_key()).map_err(TlsError::Pair)
}

/// The node shows its certificate where the far end asks for one.
pub(crate) fn client(files: &PhoneTls, identity: Option<Identity>) -> Result<ClientConfig, TlsError> {
    let roots = match &files.ca_file {
        Some(path) => roots("phone.tls.ca_file", path)?,
        // A node that only accepts connections needs none: a machine without authorities is no reason not to start.
        None => match machine_roots() {
            Err(TlsError::NoAuthorities(_)) if identity.is_some() => RootCertStore::empty(),
            read => read?,
        },
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Rules(error.to_string()))?
        .with_root_certificates(roots);
    match identity {
        Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key).map_err(TlsError::Pair),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |what: String| TlsError::File { key, path: path.display().to_string(), what };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(format!("cannot be read ({error}); it must be PEM")))?;
    if found.is_empty() { Err(wrong("holds no certificate; it must be PEM".into())) } else { Ok(found) }
}

fn roots(key: &'static str, path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(certificates(key, path)?).0 == 0 {
        let what = "holds no certificate of an authority that can be read".into();
        return Err(TlsError::File { key, path: path.display().to_string(), what });
    }
    Ok(roots)
}

fn machine_roots() -> Result<RootCertStore, TlsError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(loaded.certs).0 == 0 {
        let why = loaded.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(TlsError::NoAuthorities(why));
    }
    Ok(roots)
}
