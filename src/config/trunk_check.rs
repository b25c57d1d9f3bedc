//! Reads the trunks and explains what contradicts itself. `[phone]` gives the defaults.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Bilingual, DtmfMode, SrtpPolicy, bilingual};
use sip::{IdentityHeader, IdentityTrust, NumberPlan};

use super::network::{Network, Transport};
use super::register::Register;
use super::settings::Phone;
use super::table_reader::Reader;
use super::trunk::Trunk;
use super::values::{called_users, codecs, count, networks, packet_time, reachable_address, sources};

impl Trunk {
    /// A trunk with the defaults of `[phone]`.
    pub fn with_defaults(phone: &Phone, name: &str, networks: Vec<Network>) -> Trunk {
        Trunk {
            name: name.to_owned(),
            networks,
            media_networks: Vec::new(),
            hosts: Vec::new(),
            transport: None,
            numbers: phone.numbers.clone(),
            line_test: false,
            studio: false,
            calls_max: phone.calls_max,
            calls_per_caller_max: phone.calls_per_caller_max,
            calls_withheld_max: None,
            calls_per_second_max: phone.calls_per_second_max,
            session_expires: phone.session_expires,
            min_se: phone.min_se,
            media_address: None,
            refer: phone.refer,
            identity: IdentityTrust::default(),
            codecs: phone.codecs,
            ptime: phone.ptime,
            dtmf: phone.dtmf,
            lead_in: phone.lead_in,
            jitter_buffer: phone.jitter_buffer,
            symmetric: false,
            srtp: phone.srtp,
            ca_file: None,
            tls_name: None,
            ping: None,
            port: None,
            register: None,
        }
    }
}

impl Phone {
    /// A number that reaches the hotline, if any is named.
    pub fn number(&self) -> Option<&str> {
        self.trunks.iter().find_map(|trunk| trunk.numbers.first()).map(String::as_str)
    }
}

/// Reads the trunks, whose tables [`super::overrides::name_trunks`] has named.
pub(super) fn trunks(reader: &mut Reader, names: &[String], phone: &Phone, base: &Path) -> Vec<Arc<Trunk>> {
    let read: Vec<Arc<Trunk>> = names.iter().map(|name| Arc::new(trunk(reader, name, phone, base))).collect();
    for (n, trunk) in read.iter().enumerate() {
        report_overlaps(reader, trunk, &read[..n]);
    }
    if read.is_empty() {
        // An empty list is no unknown key.
        let _ = reader.value("trunk");
        reader.report_as(
            "trunk.none",
            "trunk",
            Bilingual::fixed(
                "must name at least one trunk, in a table [[trunk]], or no call can come in",
                "至少应有一条中继，写在 [[trunk]] 表中，否则无法接入来电",
            ),
        );
    }
    read
}

fn trunk(reader: &mut Reader, name: &str, phone: &Phone, base: &Path) -> Trunk {
    let key = |setting: &str| format!("trunk.{name}.{setting}");
    // Part of the table's name already.
    let _ = reader.value(&key("name"));
    let sources = sources(reader, &key("addresses"));
    let has_sound_sources = sources.is_some();
    let (own, hosts) = sources.unwrap_or_default();
    let defaults = Trunk::with_defaults(phone, name, own);
    let numbers = called_users(reader, &key("numbers"));
    let calls_max: usize = count(reader, &key("calls_max"), 1..=30_000, counted(defaults.calls_max));
    // Where the trunk has few lines, half of them: no default gives one number every line.
    let half = counted((calls_max / 2).max(1));
    let per_caller = defaults.calls_per_caller_max.map_or(0, |most| i64::from(most.get()).min(half));
    // Where only this machine calls, one number tries everything out.
    let is_tried_out = hosts.is_empty() && defaults.is_loopback() && !reader.has("phone.calls_per_caller_max");
    let per_caller = if is_tried_out { 0 } else { per_caller };
    let calls_per_caller_max = most(count(reader, &key("calls_per_caller_max"), 0..=30_000, per_caller));
    // By default half of the lines: withholding the number must not be a way round the limit of a number.
    let half = calls_per_caller_max.map(|_| (calls_max / 2).max(1));
    let pool: usize = count(reader, &key("calls_withheld_max"), 0..=30_000, 0);
    let ping: u64 = count(reader, &key("ping_s"), 0..=3600, 0);
    let port: u16 = count(reader, &key("port"), 0..=65_535, 0);
    let trunk = Trunk {
        media_networks: networks(reader, &key("media_networks"), &[]),
        hosts,
        transport: transport(reader, &key("transport")),
        numbers: if numbers.is_empty() { defaults.numbers.clone() } else { numbers },
        line_test: reader.boolean(&key("line_test"), defaults.line_test),
        studio: reader.boolean(&key("studio"), defaults.studio),
        calls_max,
        calls_per_caller_max,
        calls_withheld_max: Some(pool).filter(|most| *most > 0).or(half),
        calls_per_second_max: count(
            reader,
            &key("calls_per_second_max"),
            1..=100_000,
            defaults.calls_per_second_max.into(),
        ),
        session_expires: reader.seconds(&key("session_expires_s"), 90..=86_400, whole(defaults.session_expires)),
        min_se: reader.seconds(&key("min_se_s"), 90..=7200, whole(defaults.min_se)),
        media_address: reachable_address(reader, &key("media_address")),
        refer: reader.boolean(&key("refer"), defaults.refer),
        identity: identity(reader, &key("trusted_identity")),
        codecs: codecs(reader, &key("codecs"), defaults.codecs),
        ptime: packet_time(reader, &key("ptime_ms"), defaults.ptime),
        dtmf: dtmf_mode(reader, &key("dtmf"), defaults.dtmf),
        lead_in: reader.milliseconds(&key("lead_in_ms"), 0..=2000, milliseconds(defaults.lead_in)),
        jitter_buffer: reader.milliseconds(&key("jitter_buffer_ms"), 0..=100, milliseconds(defaults.jitter_buffer)),
        symmetric: reader.boolean(&key("symmetric"), defaults.symmetric),
        srtp: srtp_policy(reader, &key("srtp"), defaults.srtp),
        ca_file: reader.optional_string(&key("ca_file")).filter(|file| !file.is_empty()).map(|file| base.join(file)),
        tls_name: super::tls::certificate_name(reader, &key("tls_name")),
        ping: Some(Duration::from_secs(ping)).filter(|ping| !ping.is_zero()),
        port: Some(port).filter(|port| *port > 0),
        register: super::register::register(reader, name, base),
        ..defaults
    };
    if has_sound_sources {
        report_sources(reader, &trunk, phone);
    }
    report_conflicts(reader, &trunk, phone);
    trunk
}

/// How keys are heard.
pub(super) fn dtmf_mode(reader: &mut Reader, key: &str, default: DtmfMode) -> DtmfMode {
    let name = reader.string(key, default.name());
    let mode = DtmfMode::ALL.into_iter().find(|mode| mode.name() == name);
    mode.unwrap_or_else(|| {
        let names = DtmfMode::ALL.map(DtmfMode::name).join(", ");
        reader.report_as("trunk.dtmf", key, bilingual!("must be one of {names}", "应为其中之一：{names}"));
        default
    })
}

fn identity(reader: &mut Reader, key: &str) -> IdentityTrust {
    let mut trusted = Vec::new();
    for name in reader.strings(key, &[]) {
        match IdentityHeader::from_name(&name) {
            Some(header) => trusted.push(header),
            None => {
                let names = IdentityHeader::ALL.map(IdentityHeader::name).join(", ");
                reader.report_as(
                    "trunk.identity",
                    key,
                    bilingual!("must name headers out of {names}", "应从下列信头中选择：{names}"),
                );
            }
        }
    }
    trusted.into_iter().collect()
}

/// Country and area of local numbers.
pub(super) fn number_plan(reader: &mut Reader) -> NumberPlan {
    let defaults = NumberPlan::default();
    let country = digits(reader, "phone.country_code", &defaults.country);
    let area = digits(reader, "phone.area_code", "");
    NumberPlan { country, area: (!area.is_empty()).then_some(area) }
}

/// Digits without `+` or a leading 0, as plans of numbers hold them.
fn digits(reader: &mut Reader, key: &str, default: &str) -> String {
    let text = reader.string(key, default);
    let valid = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && text.len() <= 6;
    if !valid || (text.is_empty() && !default.is_empty()) {
        reader.report_as(
            "phone.number_plan",
            key,
            Bilingual::fixed(
                "must be digits without + and without a leading 0, as in \"86\" or \"20\"",
                "应为数字，不带 +，不以 0 开头，如 \"86\" 或 \"20\"",
            ),
        );
        return default.to_owned();
    }
    text
}

fn transport(reader: &mut Reader, key: &str) -> Option<Transport> {
    let name = reader.optional_string(key).filter(|name| !name.is_empty())?;
    let transport = Transport::ALL.into_iter().find(|transport| transport.name() == name);
    if transport.is_none() {
        let names = Transport::ALL.map(Transport::name).join(" or ");
        reader.report_as(
            "trunk.transport",
            key,
            bilingual!("must be {names}, or empty for any", "应为 udp、tcp 或 tls，留空表示不限"),
        );
    }
    transport
}

/// When SRTP is used.
pub(super) fn srtp_policy(reader: &mut Reader, key: &str, default: SrtpPolicy) -> SrtpPolicy {
    let Some(name) = reader.optional_string(key) else { return default };
    let policy = SrtpPolicy::ALL.into_iter().find(|policy| policy.name() == name);
    policy.unwrap_or_else(|| {
        reader.report_as(
            "trunk.srtp",
            key,
            Bilingual::fixed("must be off, optional or required", "应为 off、optional 或 required"),
        );
        default
    })
}

/// What is wrong with where a trunk calls from.
fn report_sources(reader: &mut Reader, trunk: &Trunk, phone: &Phone) {
    let key = |setting: &str| format!("trunk.{}.{setting}", trunk.name);
    if trunk.networks.is_empty() && trunk.hosts.is_empty() {
        reader.report_as(
            "trunk.addresses",
            &key("addresses"),
            Bilingual::fixed("must name the addresses, networks or hosts that it calls from, as in [\"192.0.2.10\", \"192.0.2.0/28\"]", "应写明来电的地址、网络或主机，如 [\"192.0.2.10\", \"192.0.2.0/28\"]"),
        );
    } else if !reader.diagnostics.iter().any(|diagnostic| diagnostic.key == "phone.listen")
        && !phone.listen.iter().any(|(transport, address)| trunk.reaches((*transport, address.ip())))
    {
        let over = trunk.transport.map_or_else(String::new, |transport| format!(" over {}", transport.name()));
        reader.report_as(
            "trunk.no_listener",
            &key("addresses"),
            bilingual!(
                "phone.listen has no address of this IP version{over}: add one, or none of its calls can come in",
                "phone.listen 没有此 IP 版本的地址{over}：请添加，否则无法接入其来电"
            ),
        );
    }
    if trunk.ping.is_some() && trunk.peers().next().is_none() && trunk.hosts.is_empty() {
        let what = Bilingual::fixed(
            "needs a single address or a host in addresses: an OPTIONS cannot be sent to a network",
            "要求 addresses 中有单个地址或主机：OPTIONS 不能发往网络",
        );
        reader.report_as("trunk.ping", &key("ping_s"), what);
    }
    if let Some(media) = trunk.media_address
        && trunk.hosts.is_empty()
        && !trunk.networks.iter().any(|network| network.address.is_ipv4() == media.is_ipv4())
    {
        reader.report_as(
            "trunk.media_address",
            &key("media_address"),
            Bilingual::fixed("must be of the IP version of its addresses", "应与其 addresses 的 IP 版本一致"),
        );
    }
}

/// What contradicts itself or `[phone]` within one trunk.
fn report_conflicts(reader: &mut Reader, trunk: &Trunk, phone: &Phone) {
    let key = |setting: &str| format!("trunk.{}.{setting}", trunk.name);
    if let Some(why) = without_tls(trunk, phone) {
        let set = [("ca_file", trunk.ca_file.is_some()), ("tls_name", trunk.tls_name.is_some())];
        for (setting, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
            reader.report_as("trunk.tls", &key(setting), why.clone());
        }
    }
    if let Some(register) = &trunk.register {
        super::register::check_listeners(reader, &trunk.name, register, &phone.listen);
    }
    if trunk.session_expires < trunk.min_se {
        reader.report_as(
            "trunk.session",
            &key("session_expires_s"),
            Bilingual::fixed("must be at least min_se_s", "不得小于 min_se_s"),
        );
    }
    for (number, service) in [(&phone.line_test, "phone.line_test"), (&phone.studio, "phone.studio")] {
        if let Some(number) = number.as_ref().filter(|number| trunk.numbers.contains(number)) {
            let what = bilingual!(
                "{number} is {service}, which answers it: take it out of one of them",
                "{number} 已用于 {service}：请从其中一处删去"
            );
            reader.report_as("trunk.number", &key("numbers"), what);
        }
    }
}

/// Why nothing of a trunk goes over TLS, so that its certificates are never asked for.
fn without_tls(trunk: &Trunk, phone: &Phone) -> Option<Bilingual> {
    let listens = phone.listen.is_empty() || phone.listen.iter().any(|(transport, _)| *transport == Transport::Tls);
    match trunk.transport {
        _ if registers_over_tls(trunk) => None,
        Some(Transport::Tls) => None,
        None if listens => None,
        None => Some(bilingual!(
            "has no effect: phone.listen has no tls address, and trunk.{}.register names no registrar over TLS; add one of them",
            "不起作用：phone.listen 没有 tls 地址，trunk.{}.register 也没有经 TLS 的注册服务器；请添加其一",
            trunk.name
        )),
        Some(only) => Some(bilingual!(
            "has no effect: trunk.{}.transport is {}, not tls",
            "不起作用：trunk.{}.transport 为 {}，不是 tls",
            trunk.name,
            only.name()
        )),
    }
}

fn registers_over_tls(trunk: &Trunk) -> bool {
    trunk.register.as_ref().is_some_and(Register::uses_tls)
}

/// Two trunks with one network and the same choice of transport: the source would not decide between them.
fn report_overlaps(reader: &mut Reader, trunk: &Trunk, earlier: &[Arc<Trunk>]) {
    for other in earlier.iter().filter(|other| other.transport == trunk.transport) {
        for network in
            trunk.networks.iter().filter(|network| other.networks.iter().any(|known| known.same_as(**network)))
        {
            let what = bilingual!(
                "{network} is also an address of trunk {}: name it once, or give each trunk its own transport",
                "{network} 也是中继 {} 的地址：请只写一处，或为各中继设不同的 transport",
                other.name
            );
            reader.report_as("trunk.overlap", &format!("trunk.{}.addresses", trunk.name), what);
        }
        for host in trunk.hosts.iter().filter(|host| other.hosts.contains(host)) {
            let what = bilingual!(
                "{host} is also a host of trunk {}: name it once, or give each trunk its own transport",
                "{host} 也是中继 {} 的主机：请只写一处，或为各中继设不同的 transport",
                other.name
            );
            reader.report_as("trunk.overlap", &format!("trunk.{}.addresses", trunk.name), what);
        }
    }
}

/// What does not prevent a start, but should be known.
pub(super) fn warnings(phone: &Phone) -> Vec<Bilingual> {
    let mut warnings = Vec::new();
    for trunk in &phone.trunks {
        for network in trunk.networks.iter().filter(|network| network.is_wide()) {
            warnings.push(bilingual!(
                "trunk.{}.addresses = {network}: strangers may call by it; name the peer's own networks [trunk.open]",
                "trunk.{}.addresses = {network}：任何人都可由此呼入；请写对端自己的网络 [trunk.open]",
                trunk.name
            ));
        }
        for network in trunk.media_networks.iter().filter(|network| network.is_wide()) {
            warnings.push(bilingual!(
                "trunk.{}.media_networks = {network}: a caller may have sound sent to any host; name the networks of the \
                 media gateways [trunk.open_media]", "trunk.{}.media_networks = {network}：来电人可让语音发往任何主机；请写媒体网关的网络 [trunk.open_media]",
                trunk.name
            ));
        }
        if trunk.srtp != SrtpPolicy::Off && trunk.transport.is_none_or(|transport| transport.name() != "tls") {
            warnings.push(bilingual!(
                "trunk.{}.srtp = {}: the keys of SRTP can be read in SIP over UDP or TCP; protect that way by other means, \
                 or take calls over TLS alone [trunk.srtp_keys]", "trunk.{}.srtp = {}：UDP 或 TCP 上的 SIP 会泄露 SRTP 密钥；请另行保护该通路，或只用 TLS [trunk.srtp_keys]",
                trunk.name,
                trunk.srtp.name()
            ));
        }
        warnings.extend(limit_warnings(trunk, phone));
        let loopback = |address: IpAddr| address.to_canonical().is_loopback();
        let heard = phone.listen.iter().filter(|(transport, address)| trunk.reaches((*transport, address.ip())));
        let deaf = heard.into_iter().all(|(_, address)| loopback(address.ip()));
        if deaf && !trunk.networks.iter().any(|network| network.is_wide() || loopback(network.address)) {
            warnings.push(bilingual!(
                "trunk.{}.addresses: phone.listen has only loopback addresses, where no other machine's call comes in: \
                 listen on an address of the network [trunk.loopback]",
                "trunk.{}.addresses：phone.listen 只有环回地址，其他机器无法呼入：请监听网络地址 [trunk.loopback]",
                trunk.name
            ));
        }
    }
    warnings
}

fn limit_warnings(trunk: &Trunk, phone: &Phone) -> Vec<Bilingual> {
    let (name, lines) = (&trunk.name, phone.calls_limit());
    let mut warnings = Vec::new();
    // Its default, the node's own limit, is no promise to this trunk.
    if trunk.calls_max > lines && trunk.calls_max != phone.calls_max {
        warnings.push(bilingual!(
            "trunk.{name}.calls_max = {}: phone.calls_max and phone.media_ports have room for {lines} calls of all trunks \
             together [trunk.calls_max]", "trunk.{name}.calls_max = {}：按 phone.calls_max 和 phone.media_ports，所有中继合计只容纳 {lines} 路通话 [trunk.calls_max]",
            trunk.calls_max
        ));
    }
    let loopback = trunk.networks.iter().all(Network::is_loopback);
    if trunk.calls_per_caller_max.is_none() && !loopback {
        warnings.push(bilingual!(
            "trunk.{name}.calls_per_caller_max = 0: one caller may take every line; set a few, as 5, unless all callers of \
             the trunk show one number [trunk.caller_unlimited]", "trunk.{name}.calls_per_caller_max = 0：一个来电人可占满全部线路；请设较小的数，如 5，除非该中继所有来电显示同一号码 [trunk.caller_unlimited]"
        ));
    }
    let per_caller = trunk.calls_per_caller_max.map_or(0, |most| most.get() as usize);
    if per_caller >= trunk.calls_max.min(lines) && per_caller > 1 {
        warnings.push(bilingual!(
            "trunk.{name}.calls_per_caller_max = {per_caller}: one caller may take every line of the trunk, which has {} \
             [trunk.caller_share]", "trunk.{name}.calls_per_caller_max = {per_caller}：一个来电人可占满该中继的 {} 路线路 [trunk.caller_share]",
            trunk.calls_max.min(lines)
        ));
    }
    warnings
}

/// A limit as the settings write it: 0 is none.
pub(super) fn most(written: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(written)
}

fn counted(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
