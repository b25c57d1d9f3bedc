//! Certificates of a test's own authority, made by OpenSSL.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An authority and what it signs, in a folder of the test.
pub struct Authority {
    folder: PathBuf,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate alone.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority; its files are in `folder`.
    pub fn new(folder: &Path) -> Authority {
        std::fs::create_dir_all(folder).expect("a folder");
        let authority = Authority { folder: folder.to_owned() };
        let args =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "60"];
        authority
            .openssl(&[&args[..], &["-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"]].concat());
        authority
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for `names`, as in `DNS:sip.test,IP:127.0.0.1`, that is valid for so many days.
    pub fn certify(&self, file: &str, names: &str, days: u32) -> Certified {
        let (key, request, certificate) = (format!("{file}.key"), format!("{file}.csr"), format!("{file}.pem"));
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let subject = ["-subj", "/CN=test", "-addext"];
        let names = format!("subjectAltName={names}");
        let out = ["-keyout", &key, "-out", &request];
        self.openssl(&[&["req"][..], &curve, &subject, &[&names], &out].concat());
        let days = days.to_string();
        let signed = ["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
        self.openssl(&[&signed[..], &["-copy_extensions", "copy", "-days", &days, "-out", &certificate]].concat());
        Certified { certificate: self.folder.join(&certificate), key: self.folder.join(&key) }
    }

    fn openssl(&self, args: &[&str]) {
        let run = Command::new("openssl").args(args).current_dir(&self.folder).stdin(Stdio::null()).output();
        let run = run.expect("openssl is installed: see tests/setup");
        assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
    }
}
