//! What does not prevent a start, but should be known.

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
        warnings
    }
}
