//! TLS towards a PostgreSQL server, as the settings say, and never less.
//!
//! Two libraries hold the two kinds of connection. Both verify the same way: a chain to the authority of the settings, and
//! the name. Where the settings give no name, it is the host's; an address is held against the addresses in the
//! certificate.

use std::path::Path;
use std::sync::Arc;

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
pub(super) fn of_stream(tls: &Tls, server: &UpstreamServer) -> TlsConfig {
    match tls {
        Tls::Off => TlsConfig::disabled(),
        Tls::Verify { ca_file, name } => TlsConfig {
            mode: SslMode::VerifyFull,
            ca_pem_path: ca_file.clone(),
            sni_hostname: Some(name.clone().unwrap_or_else(|| server.host.clone())),
            ..TlsConfig::disabled()
        },
    }
}

/// What makes the TLS of an SQL connection; none when it is off.
pub(super) fn of_session(tls: &Tls) -> Result<Option<Named>, UpstreamError> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Verify { ca_file, name } => {
            let config = client(ca_file.as_deref())?;
            Ok(Some(Named { connect: MakeRustlsConnect::new(config), name: name.clone() }))
        }
    }
}

/// Sets the library that both kinds of connection encrypt with, once.
pub(super) fn use_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Connects with the name of the settings instead of the host's.
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
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    let name = path.display();
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(format!("replica.postgres.ca_file {name} cannot be read: {error}; it must be PEM")))?;
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(wrong(format!("replica.postgres.ca_file {name} holds no certificate")));
    }
    Ok(roots)
}

fn wrong(what: String) -> UpstreamError {
    UpstreamError::new(UpstreamErrorKind::Tls, what)
}
