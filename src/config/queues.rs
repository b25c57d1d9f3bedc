//! `[[queue]]`: where callers wait for an agent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use queue::{CallBackSettings, QueueSettings, Ring, Settings};

use super::table_reader::Reader;

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

/// Reads the queues, the reasons of pauses, and which queues record. Agents are accounts: they are read from the store.
pub(super) fn queues(reader: &mut Reader, call_backs: CallBackSettings) -> (Settings, BTreeSet<Arc<str>>) {
    let queues: Vec<Written> = reader.tables("queue");
    let pauses = reader.strings("phone.pause_reasons", &["break"]);
    if pauses.is_empty() {
        reader.report(
            "phone.pause_reasons",
            "must name at least one reason for a pause, as in [\"break\", \"training\"]",
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
        reader.report_as("queue", "queue", error.to_string());
    }
    (settings, recorded)
}
