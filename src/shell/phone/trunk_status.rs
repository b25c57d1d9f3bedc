//! `jindu trunk status`: what each trunk is doing, asked of the serving node over `<data>/trunks.sock`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base::{Bilingual, bilingual};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::peer::{Peer, PeerState};
use super::registrations::Registrations;
use super::trunks::{TrunkState, Trunks};
use metrics::Label;
use os::control::{self, ControlListener};
use sip::registration::RegistrationStatus;

/// The state of all trunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunksStatus {
    /// Since when the node counts; none: no node serves from this data folder.
    pub serving_since: Option<Timestamp>,
    /// Each trunk, in the order of the settings.
    pub trunks: Vec<TrunkStatus>,
}

/// The state of one trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkStatus {
    /// Its name.
    pub name: String,
    /// Where it calls from.
    pub addresses: Vec<String>,
    /// The only transport that it uses.
    pub transport: Option<String>,
    /// Calls in progress.
    pub calls: usize,
    /// Calls that it may have at once.
    pub calls_max: usize,
    /// Calls that have ended, by outcome.
    pub ended: BTreeMap<String, u64>,
    /// Calls that were refused before they began, by reason.
    pub refused: BTreeMap<String, u64>,
    /// When its last call began.
    pub last_call: Option<Timestamp>,
    /// What its registration is doing; none: it has none.
    #[serde(default)]
    pub registration: Option<RegistrationReport>,
    /// Whether its peers answer; empty where `ping_s` is 0.
    pub peers: Vec<PeerStatus>,
}

/// Whether a peer answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Where its OPTIONS goes.
    pub address: String,
    /// What is known.
    pub state: PeerState,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// What the registration with a trunk's carrier is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationReport {
    /// The registrar that holds this node's binding; none: it is not registered.
    pub registrar: Option<String>,
    /// Until when, in seconds from now.
    pub expires_s: Option<u64>,
    /// Why the last attempt failed; none after a success.
    pub error: Option<String>,
    /// The same in Chinese.
    #[serde(default)]
    pub error_zh: Option<String>,
    /// Until the next attempt, in seconds; none while one is going on.
    pub next_s: Option<u64>,
}

impl From<RegistrationStatus> for RegistrationReport {
    fn from(status: RegistrationStatus) -> RegistrationReport {
        let (registrar, expires) = status.registered.unzip();
        RegistrationReport {
            registrar,
            expires_s: expires.map(|left| left.as_secs()),
            error: status.error.map(|error| error.to_string()),
            error_zh: status.error.map(|error| error.text().zh.into_owned()),
            next_s: status.next_in.map(|next| next.as_secs()),
        }
    }
}

/// What a command asks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    Status,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Status(TrunksStatus),
    Refused(String),
}

/// Answers `jindu trunk status` until the listener is dropped. The caller holds the lock of the data folder.
///
/// # Errors
/// The socket cannot be opened.
pub fn listen(folder: &Path, trunks: Arc<Trunks>, registrations: Arc<Registrations>) -> io::Result<ControlListener> {
    ControlListener::start(folder, NAME, move |request: io::Result<Request>| match request {
        Ok(Request::Status) => {
            let mut seen = TrunksStatus { serving_since: Some(trunks.since()), ..status(&trunks) };
            for (name, registration) in registrations.status() {
                if let Some(trunk) = seen.trunks.iter_mut().find(|trunk| trunk.name == name) {
                    trunk.registration = Some(registration.into());
                }
            }
            Reply::Status(seen)
        }
        Err(error) => Reply::Refused(error.to_string()),
    })
}

/// The state as the serving node knows it; without a node the settings alone.
///
/// # Errors
/// A node serves and does not answer.
pub fn ask(folder: &Path, settings: &config::Phone) -> Result<TrunksStatus, Bilingual> {
    let failed = |error: io::Error| {
        bilingual!(
            "{}: the serving node does not answer: {error}",
            "{}：正在运行的节点没有应答：{error}",
            folder.display()
        )
    };
    if !folder.exists() {
        return Ok(status(&Trunks::new(settings)));
    }
    match control::send_request(folder, NAME, &Request::Status).map_err(failed)? {
        Some(Reply::Status(status)) => Ok(status),
        Some(Reply::Refused(why)) => Err(why.into()),
        None => Ok(status(&Trunks::new(settings))),
    }
}

fn status(trunks: &Trunks) -> TrunksStatus {
    let states = trunks.states().iter().enumerate();
    let trunks = states.map(|(n, state)| {
        let settings = &state.settings;
        TrunkStatus {
            name: settings.name.clone(),
            addresses: settings.networks.iter().map(ToString::to_string).chain(hosts(state)).collect(),
            transport: settings.transport.map(|transport| transport.name().to_owned()),
            calls: trunks.calls(n),
            calls_max: settings.calls_max,
            ended: counted(|outcome| state.outcomes.value(outcome)),
            refused: counted(|reason| state.refused.value(reason)),
            last_call: state.last_call(),
            registration: None,
            peers: state.peers.iter().map(peer).collect(),
        }
    });
    TrunksStatus { serving_since: None, trunks: trunks.collect() }
}

/// The hosts of a trunk, each with its addresses once DNS has answered.
fn hosts(state: &TrunkState) -> Vec<String> {
    let known = state.hosts();
    let host = |host: &String| match known.iter().find(|known| known.host == *host) {
        Some(known) if !known.addresses.is_empty() => {
            let addresses: Vec<String> = known.addresses.iter().map(ToString::to_string).collect();
            format!("{host} ({})", addresses.join(", "))
        }
        Some(_) | None => host.clone(),
    };
    state.settings.hosts.iter().map(host).collect()
}

fn peer(peer: &Peer) -> PeerStatus {
    let (state, since) = peer.state();
    PeerStatus { address: peer.address.to_string(), state, since }
}

/// What was counted at least once.
fn counted<L: Label>(value: impl Fn(L) -> u64) -> BTreeMap<String, u64> {
    let all = L::ALL.iter().map(|label| (label.value().to_owned(), value(*label)));
    all.filter(|(_, count)| *count > 0).collect()
}

const NAME: &str = "trunks.sock";

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use call::{NewCall, Rejection};
    use inquiry::{Availability, CallOutcome};
    use support::folder::Folder;

    fn settings() -> config::Phone {
        let receipts = "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";
        let set = ["trunk.local.calls_max=1", "trunk.local.addresses=127.0.0.0/8,127.0.0.9", "trunk.local.ping_s=10"];
        let settings = config::read(receipts, &set.map(str::to_owned), Path::new("/srv"));
        settings.expect("valid settings").phone
    }

    #[test]
    fn a_command_sees_what_the_serving_node_counts_and_the_settings_without_one() {
        let (folder, phone) = (Folder::new(), settings());
        let trunks = Trunks::new(&phone);
        let listener = listen(folder.path(), Arc::clone(&trunks), Arc::default()).expect("a socket");
        let place = trunks.find(sip::Transport::Udp, Ipv4Addr::LOCALHOST.into()).expect("a trunk");
        let call = NewCall { trunk: place, user: "1", dialled: [None, None], caller: None };
        let permit = trunks.admit(call, Availability::Open, 0).expect("a line");
        assert_eq!(trunks.admit(call, Availability::Open, 0).err(), Some(Rejection::TrunkFull));
        trunks.refused(place, Rejection::TrunkFull);
        permit.ended(CallOutcome::HungUp);

        let seen = ask(folder.path(), &phone).expect("an answer");
        let trunk = &seen.trunks[0];
        assert!(seen.serving_since.is_some() && trunk.last_call.is_some());
        assert_eq!((trunk.calls, trunk.calls_max), (1, 1));
        assert_eq!((trunk.ended["hung_up"], trunk.refused["trunk_full"]), (1, 1));
        assert_eq!((trunk.peers[0].address.as_str(), trunk.peers[0].state), ("127.0.0.9:5060", PeerState::Unknown));

        drop((permit, listener));
        assert_eq!(trunks.calls(place), 0);
        let alone = ask(folder.path(), &phone).expect("the settings");
        assert_eq!((alone.serving_since, alone.trunks[0].calls, alone.trunks[0].ended.len()), (None, 0, 0));
    }
}
