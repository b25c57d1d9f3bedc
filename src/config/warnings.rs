//! What does not prevent a start, but should be known.

use std::net::SocketAddr;

use super::network::{Network, network_address};
use super::settings::Settings;
use super::trunk_check;
use base::{Bilingual, bilingual};

impl Settings {
    /// Warnings: what does not prevent a start, but should be known.
    pub fn warnings(&self) -> Vec<Bilingual> {
        let (lines, ports) = (self.phone.calls_limit(), self.phone.media_ports);
        let short = lines < self.phone.calls_max;
        let remark = || {
            bilingual!(
                "phone.calls_max = {}: phone.media_ports = {}-{} has room for {lines} calls, two ports each: widen it, \
                 or further calls get 503",
                "phone.calls_max = {}：phone.media_ports = {}-{} 只容纳 {lines} 路通话（每路两个端口）：请扩大，否则其余来电收到 503",
                self.phone.calls_max,
                ports.0,
                ports.1
            )
        };
        let mut warnings: Vec<Bilingual> = short.then(remark).into_iter().collect();
        warnings.extend(nameless(self));
        warnings.extend(trunk_check::warnings(&self.phone));
        warnings.extend(self.phone.hep.as_ref().filter(|hep| !hep.mask).map(|hep| {
            bilingual!(
                "phone.hep.mask = false: numbers of callers, and receipt numbers keyed by INFO, go to {} in the clear [hep.mask]", "phone.hep.mask = false：来电号码和以 INFO 按键输入的回执号以明文发往 {} [hep.mask]",
                hep.collector
            )
        }));
        warnings.extend(web_warnings(self));
        warnings.extend(networks_by_an_address(self));
        warnings
    }
}

/// A listener on every address has none to name to the far end.
fn nameless(Settings { phone, .. }: &Settings) -> Option<Bilingual> {
    let named = |address: &SocketAddr| {
        !address.ip().is_unspecified()
            || phone.public_address.is_some_and(|public| public.is_ipv4() == address.ip().is_ipv4())
    };
    let (_, address) = phone.listen.iter().find(|(_, address)| !named(address))?;
    Some(bilingual!(
        "phone.listen has {address}, and phone.public_address names no address of that kind: Contact and SDP name the loopback, \
         which other machines cannot reach; set it [phone.public_address]",
        "phone.listen 中有 {address}，而 phone.public_address 未写同类地址：Contact 和 SDP 将写本机回环地址，其他机器无法连通；请设置 [phone.public_address]"
    ))
}

/// `192.0.2.9/24` is all of its network, which may not be what is meant.
fn networks_by_an_address(Settings { phone, web, studio, .. }: &Settings) -> Vec<Bilingual> {
    let of_trunks = phone.trunks.iter().flat_map(|trunk| {
        let name = &trunk.name;
        [
            (format!("trunk.{name}.addresses"), &trunk.networks),
            (format!("trunk.{name}.media_networks"), &trunk.media_networks),
        ]
    });
    let registrar =
        phone.registrar.as_ref().map(|registrar| ("phone.registrar.addresses".to_owned(), &registrar.networks));
    let of_pages = [
        ("web.proxies", &web.proxies),
        ("web.operations_allow", &web.operations_allow),
        ("studio.allow", &studio.allow),
        ("studio.proxies", &studio.proxies),
    ];
    let all = of_trunks.chain(registrar).chain(of_pages.map(|(key, networks)| (key.to_owned(), networks)));
    let each = all.flat_map(|(key, networks)| networks.iter().map(move |network| (key.clone(), *network)));
    let by_an_address = each.filter(|(_, network)| network_address(*network) != network.address);
    let warning = |(key, network): (String, Network)| {
        let (base, Network { address, prefix }) = (network_address(network), network);
        bilingual!(
            "{key} = {address}/{prefix} is the whole network: write {base}/{prefix} for it, or {address} for the one address \
             [network.host_bits]",
            "{key} = {address}/{prefix} 指整个网络：整个网络请写 {base}/{prefix}，单个地址请写 {address} [network.host_bits]"
        )
    };
    by_an_address.map(warning).collect()
}

fn web_warnings(Settings { web, studio, .. }: &Settings) -> Vec<Bilingual> {
    let mut warnings = Vec::new();
    if !(web.proxies.is_empty() && studio.proxies.is_empty()) && web.hosts.is_empty() {
        warnings.push(
            Bilingual::fixed("web.hosts = []: requests that a balancer or a TLS proxy forwards get 421: name the hosts that browsers open, \
             as in [\"kiosk.example\"]", "web.hosts = []：经负载均衡或 TLS 代理转来的请求会收到 421：请写浏览器打开的主机名，如 [\"kiosk.example\"]"),
        );
    }
    if web.operations_allow.iter().any(Network::is_wide) {
        warnings.push(Bilingual::fixed(
            "web.operations_allow holds a network wider than any owner's: metrics and the calls' paths are then public",
            "web.operations_allow 中的网络过大，运行指标和通话路径将对外公开",
        ));
    }
    warnings
}
