//! `register` of a trunk: the carrier is told where this node is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::table_reader::Reader;
use base::{Bilingual, bilingual};

/// How this node registers with a trunk's carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// The registrars' URIs, the preferred first.
    pub registrars: Vec<String>,
    /// The user of the digest, and of the address of record.
    pub user: String,
    /// The realm that the password is for; challenges of others get no credentials.
    pub realm: String,
    /// The domain of the address of record; none: the host of each registrar.
    pub domain: Option<String>,
    /// Holds the password.
    pub password_file: PathBuf,
    /// The time that is asked for.
    pub expires: Duration,
}

impl Register {
    /// Whether a registrar is asked over TLS.
    pub fn uses_tls(&self) -> bool {
        let over_tls = |uri: &String| uri.starts_with("sips:") || uri.to_ascii_lowercase().contains("transport=tls");
        self.registrars.iter().any(over_tls)
    }
}

/// Reads `trunk.NAME.register`; `None` where the trunk has no such table.
pub(super) fn register(reader: &mut Reader, trunk: &str, base: &Path) -> Option<Register> {
    let table = format!("trunk.{trunk}.register");
    if !reader.has(&table) {
        return None;
    }
    let key = |setting: &str| format!("{table}.{setting}");
    let needed = |reader: &mut Reader, setting: &str, what: Bilingual| {
        let text = reader.string(&key(setting), "");
        if text.is_empty() {
            reader.report_as("trunk.register", &key(setting), what);
        }
        text
    };
    let registrars = reader.strings(&key("registrar"), &[]);
    if registrars.is_empty() {
        reader.report_as(
            "trunk.register",
            &key("registrar"),
            Bilingual::fixed(
                "must name at least one registrar, as in [\"sip:reg.carrier.example\"]",
                "至少应写一个注册服务器，如 [\"sip:reg.carrier.example\"]",
            ),
        );
    }
    for uri in registrars.iter().filter(|uri| !is_registrar(uri)) {
        let what = bilingual!(
            "{uri} must be a SIP URI with a host, as in sip:reg.carrier.example;transport=tls",
            "{uri} 应为含主机的 SIP URI，如 sip:reg.carrier.example;transport=tls"
        );
        reader.report_as("trunk.register", &key("registrar"), what);
    }
    let user =
        needed(reader, "user", Bilingual::fixed("must be the user that the carrier knows", "应为运营商分配的用户名"));
    let realm = needed(
        reader,
        "realm",
        Bilingual::fixed(
            "must be the realm of the carrier's challenges: others get no credentials",
            "应为运营商质询中的 realm：其他 realm 不予应答",
        ),
    );
    let password_file =
        needed(reader, "password_file", Bilingual::fixed("must name the file with the password", "应写明密码文件"));
    for (setting, text) in [("user", &user), ("realm", &realm)] {
        if text.bytes().any(|byte| byte.is_ascii_control() || b"\"\\<>@ ".contains(&byte)) {
            reader.report_as(
                "trunk.register",
                &key(setting),
                Bilingual::fixed("must have no spaces, quotes or angle brackets", "不得含空格、引号或尖括号"),
            );
        }
    }
    let domain = reader.optional_string(&key("domain")).filter(|domain| !domain.is_empty());
    if domain.as_deref().is_some_and(|domain| !is_registrar(&format!("sip:{domain}"))) {
        reader.report_as(
            "trunk.register",
            &key("domain"),
            Bilingual::fixed("must be a host name, as in carrier.example", "应为主机名，如 carrier.example"),
        );
    }
    let expires = reader.seconds(&key("expires_s"), 60..=86_400, 3600);
    Some(Register { registrars, user, realm, domain, password_file: base.join(password_file), expires })
}

fn is_registrar(uri: &str) -> bool {
    let host = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:")).unwrap_or("");
    let host = host.split(';').next().unwrap_or("");
    !host.is_empty()
        && !uri.contains('@')
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Diagnostic, Settings, read};

    const TRUNK: &str = "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n\
                         [[trunk]]\nname = \"a\"\naddresses = [\"127.0.0.2\"]\n";

    fn settings(register: &str) -> Result<Settings, Vec<Diagnostic>> {
        read(&format!("{TRUNK}register = {{ {register} }}"), &[], Path::new("/srv"))
    }

    fn wrong(register: &str) -> Vec<String> {
        settings(register).err().unwrap_or_default().into_iter().map(|error| error.key).collect()
    }

    const SOUND: &str = "registrar = [\"sip:reg.carrier;transport=tls\", \"sips:[2001:db8::1]:5071\"], user = \"1001\", \
                         realm = \"carrier\", password_file = \"secret/a\"";

    #[test]
    fn a_trunk_registers_as_its_table_says() {
        let settings = settings(SOUND).expect("valid settings");
        let register = settings.phone.trunks[0].register.clone().expect("a registration");
        assert_eq!(register.registrars.len(), 2);
        assert_eq!(register.password_file, Path::new("/srv/secret/a"));
        assert_eq!((register.expires.as_secs(), register.domain), (3600, None));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let all = ["registrar", "user", "realm", "password_file"].map(|key| format!("trunk.a.register.{key}"));
        let found = wrong("expires_s = 600");
        assert!(all.iter().all(|key| found.contains(key)), "{found:?}");
        for (from, to, key) in [
            ("sip:reg.carrier;", "sip:1001@reg.carrier;", "registrar"),
            ("sip:reg.carrier;", "tel:110;", "registrar"),
            ("\"1001\"", "\"10\\\"01\"", "user"),
            ("realm =", "domain = \"a b\", realm =", "domain"),
            ("realm =", "expires_s = 5, realm =", "expires_s"),
            ("realm =", "relam = 5, realm =", "relam"),
        ] {
            assert_eq!(wrong(&SOUND.replace(from, to)), [format!("trunk.a.register.{key}")], "{to}");
        }
    }

    #[test]
    fn tls_and_the_registrar_need_what_belongs_together() {
        let wrong = |more: &str| -> Vec<String> {
            let read = read(&format!("{TRUNK}{more}"), &[], Path::new("/srv"));
            read.err().unwrap_or_default().into_iter().map(|error| error.key).collect()
        };
        let listen = "[phone]\nlisten = [\"udp:127.0.0.1:5060\", \"tls:127.0.0.1:5061\"]\n";
        assert_eq!(wrong(listen), ["phone.tls.certificate"]);
        assert!(wrong(&format!("{listen}tls = {{ certificate = \"c\", key = \"k\", client_ca = \"a\" }}")).is_empty());
        assert_eq!(wrong("[phone.tls]\ncertificate = \"c\""), ["phone.tls.key"]);
        assert_eq!(wrong("[phone.tls]\nkey = \"c\""), ["phone.tls.certificate"]);
        assert_eq!(wrong("[phone.tls]\nclient_ca = \"c\""), ["phone.tls.client_ca"]);
        assert_eq!(wrong("[phone.registrar]\nrealm = \"desk\""), ["phone.registrar.addresses"]);
        assert_eq!(wrong("[phone.registrar]\naddresses = [\"10.0.0.0/8\"]"), ["phone.registrar.addresses"]);
        let desk = "[phone.registrar]\nrealm = \"desk\"\naddresses = [\"10.0.0.0/8\"]\n";
        assert!(wrong(desk).is_empty());
        assert_eq!(wrong(&format!("{desk}expires_min_s = 900")), ["phone.registrar.expires_max_s"]);
    }
}
