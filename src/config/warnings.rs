//! What does not prevent a start, but should be known.

use super::network::Network;
use super::settings::Settings;
use super::trunk_check;

impl Settings {
    /// Warnings: what does not prevent a start, but should be known.
    pub fn warnings(&self) -> Vec<String> {
        let (lines, ports) = (self.phone.calls_limit(), self.phone.media_ports);
        let short = lines < self.phone.calls_max;
        let remark = || {
            format!(
                "phone.calls_max = {}: phone.media_ports = {}-{} has room for {lines} calls, two ports each: widen it, \
                 or further calls get 503",
                self.phone.calls_max, ports.0, ports.1
            )
        };
        let mut warnings: Vec<String> = short.then(remark).into_iter().collect();
        warnings.extend(trunk_check::warnings(&self.phone));
        warnings.extend(self.phone.hep.as_ref().filter(|hep| !hep.mask).map(|hep| {
            format!(
                "phone.hep.mask = false: numbers of callers, and receipt numbers keyed by INFO, go to {} in the clear [hep.mask]",
                hep.collector
            )
        }));
        warnings.extend(web_warnings(self));
        warnings
    }
}

fn web_warnings(Settings { web, studio, .. }: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    if !(web.proxies.is_empty() && studio.proxies.is_empty()) && web.hosts.is_empty() {
        warnings.push(String::from(
            "web.hosts = []: requests that a balancer or a TLS proxy forwards get 421: name the hosts that browsers open, \
             as in [\"kiosk.example\"]",
        ));
    }
    if web.operations_allow.iter().any(Network::is_wide) {
        warnings.push(String::from(
            "web.operations_allow holds a network wider than any owner's: metrics and the calls' paths are then public",
        ));
    }
    warnings
}
