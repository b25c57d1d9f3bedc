//! SIP addresses in settings that this node calls: in a trunk, since answers from elsewhere would be a stranger's.

use std::net::IpAddr;
use std::sync::Arc;

use base::{Bilingual, bilingual};

use super::trunk::Trunk;

/// Whether a SIP address is one of a trunk.
///
/// # Errors
/// What is wrong with it.
pub(super) fn in_a_trunk(address: &str, trunks: &[Arc<Trunk>]) -> Result<(), Bilingual> {
    let is_sip = ["sip:", "sips:"].iter().any(|scheme| address.starts_with(scheme));
    let Some((_, behind)) = address.split_once('@').filter(|_| is_sip) else {
        return Err(Bilingual::fixed(
            "must be a SIP address, as in sip:600@192.0.2.7",
            "应为 SIP 地址，如 sip:600@192.0.2.7",
        ));
    };
    let host = host(behind);
    let names = |trunk: &Arc<Trunk>| match host.parse::<IpAddr>() {
        Ok(address) => trunk.contains(address),
        Err(_) => trunk.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)),
    };
    if trunks.iter().any(names) {
        return Ok(());
    }
    Err(bilingual!(
        "{host} is in no trunk; write it in the addresses of a [[trunk]]",
        "{host} 不属于任何中继，请写入某个 [[trunk]] 的 addresses"
    ))
}

/// The host of what stands behind the `@` of a SIP URI.
fn host(behind: &str) -> &str {
    match behind.strip_prefix('[').and_then(|address| address.split_once(']')) {
        Some((address, _)) => address,
        None => behind.split([':', ';', '?']).next().unwrap_or(behind),
    }
}
