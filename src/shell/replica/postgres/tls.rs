//! TLS towards a PostgreSQL server, as the settings say, and never less.
//!
//! Two libraries make the two kinds of connection. Both verify the same: a chain to the authority of the settings, or without
//! one to an authority of this machine; and the name of the settings, or without one the host. An address is compared with
//! the addresses in the certificate.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64ct::{Base64, Encoding};

use pgwire_replication::{SslMode, TlsConfig};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Socket;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use config::{Tls, UpstreamServer};
use replica::upstream::{UpstreamError, UpstreamErrorKind};

/// The settings of a replication connection.
pub(super) fn of_stream(tls: &Tls, server: &UpstreamServer) -> Result<TlsConfig, UpstreamError> {
    Ok(match tls {
        Tls::Off => TlsConfig::disabled(),
        Tls::Verify { ca_file, name } => TlsConfig {
            mode: SslMode::VerifyFull,
            ca_pem_path: Some(ca_path(ca_file.as_deref())?),
            sni_hostname: Some(name.clone().unwrap_or_else(|| server.host.clone())),
            ..TlsConfig::disabled()
        },
    })
}

fn ca_path(ca_file: Option<&Path>) -> Result<PathBuf, UpstreamError> {
    match ca_file {
        Some(path) => Ok(path.to_owned()),
        None => Ok(format!("/proc/self/fd/{}", machine()?.pem.as_raw_fd()).into()),
    }
}

/// The TLS of an SQL connection; `None` when it is off.
pub(super) fn of_session(tls: &Tls) -> Result<Option<Named>, UpstreamError> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Verify { ca_file, name } => {
            let config = client(ca_file.as_deref())?;
            Ok(Some(Named { connect: MakeRustlsConnect::new(config), name: name.clone() }))
        }
    }
}

/// Sets the cryptography provider of both kinds of connection, once.
pub(super) fn use_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Verifies the name of the settings instead of the host.
#[derive(Clone)]
pub(super) struct Named {
    connect: MakeRustlsConnect,
    name: Option<String>,
}

impl MakeTlsConnect<Socket> for Named {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
        let name = self.name.as_deref().unwrap_or(host);
        <MakeRustlsConnect as MakeTlsConnect<Socket>>::make_tls_connect(&mut self.connect, name)
    }
}

fn client(ca_file: Option<&Path>) -> Result<ClientConfig, UpstreamError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(format!("TLS cannot be used: {error}")))?;
    Ok(builder.with_root_certificates(roots(ca_file)?).with_no_client_auth())
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, UpstreamError> {
    let Some(path) = ca_file else { return Ok(machine()?.roots.clone()) };
    let mut roots = RootCertStore::empty();
    let name = path.display();
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(format!("replica.postgres.ca_file {name} cannot be read: {error}; it must be PEM")))?;
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(wrong(format!("replica.postgres.ca_file {name} holds no certificate")));
    }
    Ok(roots)
}

/// The certificate authorities of this machine, for the library that takes certificates and for the one that takes a file.
struct MachineAuthorities {
    roots: RootCertStore,
    /// The same as PEM, in memory; read through its descriptor.
    pem: File,
}

/// Reads the machine's authorities once: those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, or the distribution's.
fn machine() -> Result<&'static MachineAuthorities, UpstreamError> {
    static READ: OnceLock<Result<MachineAuthorities, String>> = OnceLock::new();
    READ.get_or_init(read_machine).as_ref().map_err(|what| wrong(what.clone()))
}

fn read_machine() -> Result<MachineAuthorities, String> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let pem: String = loaded.certs.iter().map(|certificate| pem(certificate)).collect();
    if roots.add_parsable_certificates(loaded.certs).0 == 0 {
        let why = loaded.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(format!(
            "the certificate authorities of this machine cannot be read ({why}); install the package ca-certificates, or set \
             replica.postgres.ca_file"
        ));
    }
    let pem =
        in_memory(pem.as_bytes()).map_err(|error| format!("the certificate authorities cannot be kept: {error}"))?;
    Ok(MachineAuthorities { roots, pem })
}

/// A certificate in PEM (RFC 7468 §5).
fn pem(der: &[u8]) -> String {
    let body = Base64::encode_string(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// A file without a name, in memory.
fn in_memory(content: &[u8]) -> io::Result<File> {
    // SAFETY: the name ends with a zero, and the call returns a new descriptor or -1.
    let descriptor = unsafe { libc::memfd_create(c"authorities".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and nothing else owns it.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    file.write_all(content)?;
    Ok(file)
}

fn wrong(what: String) -> UpstreamError {
    UpstreamError::new(UpstreamErrorKind::Tls, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_authorities_are_the_same_for_both_libraries() {
        let Ok(machine) = machine() else { return eprintln!("skipped: this machine has no certificate authorities") };
        let path = format!("/proc/self/fd/{}", machine.pem.as_raw_fd());
        for _ in 0..2 {
            let mut read = RootCertStore::empty();
            let certificates = CertificateDer::pem_file_iter(&path).unwrap();
            read.add_parsable_certificates(certificates.map(Result::unwrap));
            assert_eq!(read.roots, machine.roots.roots);
        }
    }
}
