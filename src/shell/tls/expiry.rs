//! When a certificate expires (RFC 5280 §4.1.2.5).

use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The end of the certificate of a chain that expires first. One that cannot be read does not count: TLS refuses it.
pub(crate) fn earliest(chain: &[CertificateDer<'_>]) -> Option<SystemTime> {
    let expires = |der: &CertificateDer<'_>| {
        let certificate = Certificate::from_der(der).ok()?;
        Some(SystemTime::UNIX_EPOCH + certificate.tbs_certificate.validity.not_after.to_unix_duration())
    };
    chain.iter().filter_map(expires).min()
}
