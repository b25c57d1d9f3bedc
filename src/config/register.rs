//! `register` of a trunk: the carrier is told where this node is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::network::Transport;
use super::table_reader::Reader;
use base::{Bilingual, bilingual};
use sip::registration::{Listener, RegistrarAddress};

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
    for uri in &registrars {
        if let Some(name) = unknown_transport(uri) {
            let what = bilingual!(
                "{uri}: transport={name} is not supported: write udp, tcp or tls, or leave it out for UDP",
                "{uri}：不支持 transport={name}：请写 udp、tcp 或 tls，省略时为 UDP"
            );
            reader.report_as("trunk.register", &key("registrar"), what);
        }
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

/// Reports registrars that no address of `phone.listen` can reach.
pub(super) fn check_listeners(
    reader: &mut Reader,
    trunk: &str,
    register: &Register,
    listen: &[(Transport, SocketAddr)],
) {
    let listener = |(transport, local): &(Transport, SocketAddr)| Listener {
        transport: match transport {
            Transport::Udp => sip::Transport::Udp,
            Transport::Tcp => sip::Transport::Tcp,
            Transport::Tls => sip::Transport::Tls,
        },
        local: *local,
        public: local.ip(),
    };
    let listeners: Vec<Listener> = listen.iter().map(listener).collect();
    let is_sound = |uri: &&String| is_registrar(uri) && unknown_transport(uri).is_none();
    for uri in register.registrars.iter().filter(is_sound).filter(|_| !listeners.is_empty()) {
        if RegistrarAddress::read(uri, &register.user, None, &listeners).is_none() {
            let example = if uri.contains('[') { "udp:[2001:db8::10]:5060" } else { "udp:192.0.2.10:5060" };
            let what = bilingual!(
                "{uri}: phone.listen has no address that reaches it: add one of its IP version and transport, as in {example}",
                "{uri}：phone.listen 没有可到达它的地址：请添加同一 IP 版本和传输方式的地址，如 {example}"
            );
            reader.report_as("trunk.no_listener", &format!("trunk.{trunk}.register.registrar"), what);
        }
    }
}

/// The transport that a URI names, if it is none that the node has.
fn unknown_transport(uri: &str) -> Option<&str> {
    let params = uri.split(';').skip(1).filter_map(|param| param.split_once('='));
    let named = params.filter(|(name, _)| name.trim().eq_ignore_ascii_case("transport")).map(|(_, value)| value.trim());
    let is_known = |value: &&str| Transport::ALL.iter().any(|known| value.eq_ignore_ascii_case(known.name()));
    named.filter(|value| !is_known(value)).last()
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
    const LISTEN: &str = "[phone]\nlisten = [\"127.0.0.1:5060\", \"[::1]:5060\"]\n";

    fn settings(register: &str) -> Result<Settings, Vec<Diagnostic>> {
        read(&format!("{TRUNK}register = {{ {register} }}\n{LISTEN}"), &[], Path::new("/srv"))
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
            ("transport=tls", "transport=sctp", "registrar"),
            ("transport=tls", "transport=tls;Transport=ws", "registrar"),
            ("\"1001\"", "\"10\\\"01\"", "user"),
            ("realm =", "domain = \"a b\", realm =", "domain"),
            ("realm =", "expires_s = 5, realm =", "expires_s"),
            ("realm =", "relam = 5, realm =", "relam"),
        ] {
            assert_eq!(wrong(&SOUND.replace(from, to)), [format!("trunk.a.register.{key}")], "{to}");
        }
    }

    #[test]
    fn a_registrar_is_reached_by_an_address_that_is_listened_on() {
        let errors = |registrar: &str, listen: &str| -> Vec<(Option<&'static str>, String)> {
            let register =
                SOUND.replace("sip:reg.carrier;transport=tls", registrar).replace(", \"sips:[2001:db8::1]:5071\"", "");
            let text = format!("{TRUNK}register = {{ {register} }}\n[phone]\nlisten = [{listen}]\n");
            let found = read(&text, &[], Path::new("/srv")).err().unwrap_or_default();
            found.into_iter().map(|error| (error.code, error.key)).collect()
        };
        let unreached = [(Some("trunk.no_listener"), "trunk.a.register.registrar".to_owned())];
        let (four, six) = ("\"127.0.0.1:5060\"", "\"127.0.0.1:5060\", \"[::1]:5060\"");
        assert_eq!(errors("sip:[2001:db8::1]", four), unreached);
        assert_eq!(errors("sip:[2001:db8::1];transport=tcp", four), unreached);
        assert_eq!(errors("sip:reg.carrier", "\"tcp:127.0.0.1:5060\""), unreached, "UDP");
        for (registrar, listen) in
            [("sip:[2001:db8::1]", six), ("sip:192.0.2.1", four), ("sip:reg.carrier", four), ("sips:reg.carrier", four)]
        {
            assert_eq!(errors(registrar, listen), [], "{registrar}");
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
