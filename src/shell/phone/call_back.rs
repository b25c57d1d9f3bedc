//! Calls a person who asked for it, by the line of the settings.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::calls::{Passed, Start, start_call_back};
use super::registry::Registry;
use super::services::Shared;
use base::{Lang, Private};
use call::{CallBackInvite, Input, Origin};
use journal::CALL_BACK;
use os::clock;
use queue::CallBackId;
use sip::Number;

/// A request whose turn has come.
pub(crate) struct CallBackStart {
    pub id: CallBackId,
    /// As it is dialled.
    pub number: Private<String>,
    /// The language to call in.
    pub lang: Option<Lang>,
    pub ring_limit: Duration,
    /// What the person keyed when the request was made, for the agent's screen.
    pub passed: Passed,
}

/// Begins the call. What leads to it; none, with a line in the log: this node cannot call now.
pub(crate) fn begin(
    shared: &Arc<Shared>,
    registry: &Arc<Registry>,
    start: CallBackStart,
) -> Option<mpsc::Sender<Input>> {
    let refused = |why: &str| tracing::warn!(call_back = start.id.0, why, "a person cannot be called back now");
    let Some(line) = &shared.settings.call_back else {
        refused("the settings name no line for call-backs (call_back.dial)");
        return None;
    };
    let uri = line.uri(start.number.expose());
    let telephone = shared.telephones.at(&uri);
    let Some((telephone, place)) = telephone.and_then(|telephone| telephone.trunk.map(|place| (telephone, place)))
    else {
        refused("the address of call_back.dial belongs to no trunk, or no listener reaches it");
        return None;
    };
    let number = start.number.into_inner();
    let plan = &shared.settings.number_plan;
    let canonical = Number::read(&number).map_or_else(|| number.clone(), |number| number.canonical(plan));
    let caller = shared.services.keys.client("caller", &canonical);
    let node = registry.capacity().availability();
    let permit = match shared.services.trunks.call_out(place, caller, node) {
        Ok(permit) => permit,
        Err(rejection) => {
            refused(rejection.name());
            return None;
        }
    };
    let address = shared.public_address(telephone.local);
    let session = match shared.services.media.open(address, clock::random_u64()) {
        Ok(session) => session,
        Err(error) => {
            refused(&error.to_string());
            return None;
        }
    };
    let invite = CallBackInvite {
        uri,
        to: telephone.to,
        from: format!("<sip:{}@{}>", line.from, host(address)),
        credentials: shared.services.registrations.credentials(place),
        ring_limit: start.ring_limit,
    };
    let call = Start {
        received: clock::now(),
        origin: Origin::CallBack(Box::new(invite)),
        local: telephone.local,
        source: CALL_BACK.into(),
        number: Some(number),
        caller: Some(caller),
        lang: start.lang,
        permit,
        address,
        session,
    };
    Some(start_call_back(shared, registry, (start.id, start.passed), call))
}

fn host(address: IpAddr) -> String {
    SocketAddr::new(address, 0).to_string().trim_end_matches(":0").to_owned()
}
