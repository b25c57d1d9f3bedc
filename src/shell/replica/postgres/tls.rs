//! TLS towards a PostgreSQL server, as the settings say, and never less.
//!
//! Two libraries hold the two kinds of connection. Both verify the same way: a chain to the authority of the settings,
//! and with `verify-full` the name. Where the settings give no name, it is the host's; an address is held against the
//! addresses in the certificate.

use std::path::Path;
use std::sync::Arc;

use pgwire_replication::{SslMode, TlsConfig};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::Socket;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{Tls, UpstreamServer};
use crate::replica::upstream::{Kind, Trouble};

/// The settings of a replication connection.
pub(super) fn of_stream(tls: &Tls, server: &UpstreamServer) -> TlsConfig {
    match tls {
        Tls::Off => TlsConfig::disabled(),
        Tls::Verify { ca_file, with_name, name } => TlsConfig {
            mode: if *with_name { SslMode::VerifyFull } else { SslMode::VerifyCa },
            ca_pem_path: ca_file.clone(),
            sni_hostname: Some(name.clone().unwrap_or_else(|| server.host.clone())),
            ..TlsConfig::disabled()
        },
    }
}

/// What makes the TLS of an SQL connection; none when it is off.
pub(super) fn of_session(tls: &Tls) -> Result<Option<Named>, Trouble> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Verify { ca_file, with_name, name } => {
            let config = client(ca_file.as_deref(), *with_name)?;
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

fn client(ca_file: Option<&Path>, with_name: bool) -> Result<ClientConfig, Trouble> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(roots(ca_file)?);
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(format!("TLS cannot be used: {error}")))?;
    let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
    if !with_name {
        let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
        let inner = inner.map_err(|error| wrong(format!("the authority cannot be used: {error}")))?;
        config.dangerous().set_certificate_verifier(Arc::new(AnyName { inner, provider }));
    }
    Ok(config)
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Trouble> {
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

fn wrong(what: String) -> Trouble {
    Trouble::new(Kind::Tls, what)
}

/// Verifies the chain, and lets any name pass.
#[derive(Debug)]
struct AnyName {
    inner: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
