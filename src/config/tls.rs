//! `[phone.tls]`: the node's certificate, and whom it trusts.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::network::Transport;
use super::table_reader::Reader;
use super::values::is_host_name;
use base::Bilingual;

/// The files of SIP over TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneTls {
    /// The node's certificate with those that lead to its authority, as PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, as PEM.
    pub key: Option<PathBuf>,
    /// The authorities whose clients may connect; none: clients need no certificate.
    pub client_ca: Option<PathBuf>,
    /// The authorities of servers that this node connects to; none: those of the machine.
    pub ca_file: Option<PathBuf>,
}

/// Reads the table. A TLS listener needs certificate and key.
pub(super) fn phone_tls(reader: &mut Reader, base: &Path, listens: impl IntoIterator<Item = Transport>) -> PhoneTls {
    let mut file = |key: &str| {
        let path = reader.optional_string(&format!("phone.tls.{key}")).filter(|path| !path.is_empty());
        path.map(|path| base.join(path))
    };
    let tls = PhoneTls {
        certificate: file("certificate"),
        key: file("key"),
        client_ca: file("client_ca"),
        ca_file: file("ca_file"),
    };
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => reader.report_as(
            "tls",
            "phone.tls.key",
            Bilingual::fixed(
                "must name the key's file, as phone.tls.certificate is set",
                "已设 phone.tls.certificate，应写明私钥文件",
            ),
        ),
        (None, Some(_)) => {
            reader.report_as(
                "tls",
                "phone.tls.certificate",
                Bilingual::fixed(
                    "must name the certificate's file, as phone.tls.key is set",
                    "已设 phone.tls.key，应写明证书文件",
                ),
            );
        }
        (None, None) if listens.into_iter().any(|transport| transport == Transport::Tls) => {
            reader.report_as(
                "tls",
                "phone.tls.certificate",
                Bilingual::fixed(
                    "must name a certificate, as phone.listen has a tls address",
                    "phone.listen 有 tls 地址，应写明证书",
                ),
            );
        }
        (None, None) if tls.client_ca.is_some() => {
            reader.report_as(
                "tls",
                "phone.tls.client_ca",
                Bilingual::fixed(
                    "has no effect without phone.tls.certificate and phone.tls.key",
                    "未设 phone.tls.certificate 和 phone.tls.key 时不起作用",
                ),
            );
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    tls
}

/// A name that a certificate can hold: a host name or an IP address.
pub(super) fn certificate_name(reader: &mut Reader, key: &str) -> Option<String> {
    let name = reader.optional_string(key).filter(|name| !name.is_empty())?;
    if name.parse::<IpAddr>().is_ok() || is_host_name(&name) {
        return Some(name);
    }
    reader.report_as(
        "trunk.tls",
        key,
        Bilingual::fixed(
            "must be a host name or an address, as in sbc.carrier.example",
            "应为主机名或地址，如 sbc.carrier.example",
        ),
    );
    None
}
