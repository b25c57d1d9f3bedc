//! `[phone.registrar]`: the desk's own telephones.

use std::time::Duration;

use super::network::Network;
use super::table_reader::Reader;
use super::values::{count, networks};
use base::Bilingual;

/// The registrar of the desk's telephones; off without a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneRegistrar {
    /// The realm of their passwords, a domain by custom.
    pub realm: String,
    /// Where telephones may register from.
    pub networks: Vec<Network>,
    /// A shorter registration gets 423.
    pub expires_min: Duration,
    /// A longer registration is shortened to it.
    pub expires_max: Duration,
    /// Contacts of one account at once.
    pub contacts_max: usize,
}

/// Reads the table; `None` where nothing may register.
pub(super) fn phone_registrar(reader: &mut Reader) -> Option<PhoneRegistrar> {
    let realm = reader.string("phone.registrar.realm", "");
    let registrar = PhoneRegistrar {
        networks: networks(reader, "phone.registrar.addresses", &[]),
        expires_min: reader.seconds("phone.registrar.expires_min_s", 30..=3600, 60),
        expires_max: reader.seconds("phone.registrar.expires_max_s", 60..=86_400, 600),
        contacts_max: count(reader, "phone.registrar.contacts_max", 1..=20, 5),
        realm,
    };
    if registrar.expires_max < registrar.expires_min {
        reader.report_as(
            "registrar",
            "phone.registrar.expires_max_s",
            Bilingual::fixed(
                "must be at least phone.registrar.expires_min_s",
                "不得小于 phone.registrar.expires_min_s",
            ),
        );
    }
    if registrar.realm.is_empty() {
        if !registrar.networks.is_empty() {
            reader.report_as(
                "registrar",
                "phone.registrar.addresses",
                Bilingual::fixed(
                    "has no effect without phone.registrar.realm",
                    "未设 phone.registrar.realm 时不起作用",
                ),
            );
        }
        return None;
    }
    if registrar.realm.len() > 64
        || registrar.realm.bytes().any(|byte| !byte.is_ascii_graphic() || b"\"\\".contains(&byte))
    {
        reader.report_as(
            "registrar",
            "phone.registrar.realm",
            Bilingual::fixed(
                "must be 1 to 64 letters, digits and signs without quotes or spaces",
                "应为 1 至 64 个字母、数字或符号，不含引号和空格",
            ),
        );
    }
    if registrar.networks.is_empty() {
        reader.report_as(
            "registrar",
            "phone.registrar.addresses",
            Bilingual::fixed(
                "must name the networks of the telephones, as in [\"10.0.0.0/8\"]",
                "应写明话机所在网络，如 [\"10.0.0.0/8\"]",
            ),
        );
    }
    Some(registrar)
}
