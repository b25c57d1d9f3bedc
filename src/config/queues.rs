//! `[[queue]]`: where callers wait for an agent, or for a line of a call centre elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use base::{Bilingual, bilingual};
use queue::{CallBackSettings, QueueSettings, Ring, Settings};

use super::sip_address::in_a_trunk;
use super::table_reader::Reader;
use super::trunk::Trunk;

/// A queue as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    ring_limit_s: Option<u64>,
    ring_together: Option<u8>,
    missed_offers_max: Option<u8>,
    wrap_up_s: Option<u64>,
    waiting_max: Option<usize>,
    wait_max_s: Option<u64>,
    without_agents_s: Option<u64>,
    service_level_s: Option<u64>,
    overflow: Option<String>,
    address: Option<String>,
    lines: Option<u16>,
    record: Option<bool>,
}

impl Written {
    fn settings(self) -> QueueSettings {
        let usual = QueueSettings::new(&self.name);
        let seconds = |written: Option<u64>, usual: Duration| written.map_or(usual, Duration::from_secs);
        QueueSettings {
            ring: self.ring_together.map_or(usual.ring, Ring::Group),
            ring_limit: seconds(self.ring_limit_s, usual.ring_limit),
            missed_offers_max: self.missed_offers_max.unwrap_or(usual.missed_offers_max),
            lines: self.lines.unwrap_or_else(|| if self.address.is_some() { LINES } else { 0 }),
            wrap_up: seconds(self.wrap_up_s, usual.wrap_up),
            waiting_max: self.waiting_max.unwrap_or(usual.waiting_max),
            wait_max: seconds(self.wait_max_s, usual.wait_max),
            overflow: self.overflow.map(Into::into),
            without_agents: seconds(self.without_agents_s, usual.without_agents),
            service_level: seconds(self.service_level_s, usual.service_level),
            ..usual
        }
    }
}

/// The SIP addresses of queues that a call centre elsewhere serves, by the queues' names.
pub type QueueAddresses = BTreeMap<Arc<str>, String>;

/// Reads the queues, the reasons of pauses, and which queues record. Agents are accounts: they are read from the store.
pub(super) fn queues(
    reader: &mut Reader,
    call_backs: CallBackSettings,
) -> (Settings, QueueAddresses, BTreeSet<Arc<str>>) {
    let queues: Vec<Written> = reader.tables("queue");
    let addresses = addresses(reader, &queues);
    let pauses = reader.strings("phone.pause_reasons", &["break"]);
    if pauses.is_empty() {
        reader.report(
            "phone.pause_reasons",
            Bilingual::fixed(
                "must name at least one reason for a pause, as in [\"break\", \"training\"]",
                "至少应写一种暂停原因，如 [\"break\", \"training\"]",
            ),
        );
    }
    let records = |queue: &&Written| queue.record == Some(true);
    let recorded = queues.iter().filter(records).map(|queue| Arc::from(&*queue.name)).collect();
    let settings = Settings {
        queues: queues.into_iter().map(Written::settings).collect(),
        agents: Vec::new(),
        pauses: pauses.iter().map(|reason| reason.as_str().into()).collect(),
        call_backs,
    };
    for error in settings.errors() {
        reader.report_as("queue", "queue", error.text());
    }
    (settings, addresses, recorded)
}

fn addresses(reader: &mut Reader, queues: &[Written]) -> QueueAddresses {
    let mut addresses = QueueAddresses::new();
    for queue in queues {
        let name = &queue.name;
        if queue.address.is_some() && queue.record == Some(true) {
            let what = bilingual!(
                "{name}: conversations of a call centre elsewhere (address) are not recorded here; take record away",
                "{name}：由外部呼叫中心（address）接听的通话不在本节点录音，请去掉 record"
            );
            reader.report_as("queue", "queue", what);
        }
        match (&queue.address, queue.lines) {
            (None, None) => {}
            (Some(address), None | Some(1..)) => {
                addresses.insert(name.as_str().into(), address.clone());
            }
            (Some(_), Some(0)) | (None, Some(_)) => {
                let what = bilingual!(
                    "{name}: lines, 1 to 500, go with the address of a call centre; without address and lines the queue's agents \
                     answer",
                    "{name}：lines（1 至 500）须与呼叫中心的 address 一起填写；两项都不写时由本队列的坐席接听"
                );
                reader.report_as("queue", "queue", what);
            }
        }
    }
    addresses
}

/// The addresses are SIP addresses in trunks: others are not called.
pub(super) fn check_addresses(reader: &mut Reader, addresses: &QueueAddresses, trunks: &[Arc<Trunk>]) {
    for (name, address) in addresses {
        if let Err(wrong) = in_a_trunk(address, trunks) {
            reader.report_as("queue", "queue", bilingual!("{name}: address {wrong}", "{name}：address {wrong:#}"));
        }
    }
}

/// Lines to an address without `lines`.
const LINES: u16 = 10;
