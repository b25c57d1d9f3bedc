//! `[phone.hep]`: SIP messages to a Homer collector.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::table_reader::Reader;
use super::values::count;
use base::Bilingual;

/// Where SIP messages are reported by HEP3, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hep {
    /// The collector, by UDP.
    pub collector: SocketAddr,
    /// The number of this node among the collector's capture agents.
    pub capture_id: u32,
    /// Holds what the collector knows this node by; none: it asks for nothing.
    pub password_file: Option<PathBuf>,
    /// Whether numbers, names and keys are masked.
    pub mask: bool,
}

/// Reads the table; `None` without a collector.
pub(super) fn hep(reader: &mut Reader, base: &Path) -> Option<Hep> {
    let key = |setting: &str| format!("phone.hep.{setting}");
    let written = reader.string(&key("collector"), "");
    let capture_id = count(reader, &key("capture_id"), 0..=i64::from(u32::MAX), 1);
    let password_file = reader.optional_string(&key("password_file")).filter(|path| !path.is_empty());
    if reader.string(&key("transport"), "udp") != "udp" {
        reader.report_as(
            "hep",
            &key("transport"),
            Bilingual::fixed("must be udp: HEP3 is sent by no other transport", "应为 udp：HEP3 只用 UDP 发送"),
        );
    }
    let mask = reader.boolean(&key("mask"), true);
    if written.is_empty() {
        if password_file.is_some() {
            reader.report_as(
                "hep",
                &key("password_file"),
                Bilingual::fixed("has no effect without phone.hep.collector", "未设 phone.hep.collector 时不起作用"),
            );
        }
        return None;
    }
    let collector = written.parse().ok().filter(|address: &SocketAddr| {
        address.port() != 0 && !address.ip().is_unspecified() && !address.ip().to_canonical().is_multicast()
    });
    if collector.is_none() {
        let what = Bilingual::fixed(
            "must be ADDRESS:PORT of the collector, as in 192.0.2.30:9060 or [2001:db8::30]:9060",
            "应为采集服务器的 地址:端口，如 192.0.2.30:9060 或 [2001:db8::30]:9060",
        );
        reader.report_as("hep", &key("collector"), what);
    }
    Some(Hep { collector: collector?, capture_id, password_file: password_file.map(|path| base.join(path)), mask })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Diagnostic, Settings, read};

    const RECEIPTS: &str =
        "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";

    fn settings(hep: &str) -> Result<Settings, Vec<Diagnostic>> {
        read(&format!("{RECEIPTS}[phone.hep]\n{hep}"), &[], Path::new("/srv"))
    }

    #[test]
    fn messages_are_reported_to_a_collector_alone_and_masked_unless_set_otherwise() {
        assert_eq!(settings("").expect("valid").phone.hep, None);
        let hep =
            settings("collector = \"[2001:db8::3]:9060\"\npassword_file = \"secret/hep\"").expect("valid").phone.hep;
        let hep = hep.expect("a collector");
        assert_eq!((hep.collector.port(), hep.capture_id, hep.mask), (9060, 1, true));
        assert_eq!(hep.password_file.as_deref(), Some(Path::new("/srv/secret/hep")));
        let open = settings("collector = \"192.0.2.3:9060\"\nmask = false\ntransport = \"udp\"").expect("valid");
        assert!(open.warnings().iter().any(|warning| warning.en.contains("[hep.mask]")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (hep, key) in [
            ("collector = \"homer.example:9060\"", "collector"),
            ("collector = \"192.0.2.3\"", "collector"),
            ("collector = \"0.0.0.0:9060\"", "collector"),
            ("collector = \"192.0.2.3:0\"", "collector"),
            ("collector = \"192.0.2.3:9060\"\ntransport = \"tcp\"", "transport"),
            ("collector = \"192.0.2.3:9060\"\ncapture_id = 4294967296", "capture_id"),
            ("password_file = \"a\"", "password_file"),
            ("collecter = \"192.0.2.3:9060\"", "collecter"),
        ] {
            let found: Vec<String> =
                settings(hep).err().unwrap_or_default().into_iter().map(|error| error.key).collect();
            assert_eq!(found, [format!("phone.hep.{key}")], "{hep}");
        }
    }
}
