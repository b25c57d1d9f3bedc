//! `jindu status`: one look at the node that serves from the data folder, or at the folder where none does.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use config::Settings;
use journal::WaitingMessages;
use node::NodeStatus;
use os::folder;
use phone::{PeerState, TrunkStatus, TrunksStatus};
use release::releases;
use replica_store::{Replica, Role, span};

use crate::exit::print;
use crate::local_time::{rfc3339, shown, zone};
use crate::replica_commands::keys;

/// What is known.
struct Status {
    zone: TimeZone,
    node: Option<NodeStatus>,
    trunks: TrunksStatus,
    emergency: bool,
    messages: WaitingMessages,
    disk_free: Option<u64>,
    /// The live release of the folder.
    release: Option<String>,
    /// The replica's own time, where no node serves.
    as_of: Option<Timestamp>,
}

/// Prints it.
///
/// # Errors
/// A node serves and does not answer, or the journal cannot be read.
pub(crate) fn status(settings: &Settings, json: bool) -> Result<(), String> {
    let data = &settings.data.folder;
    let node = node::node_status(data)?;
    let status = Status {
        zone: zone(settings),
        as_of: node.is_none().then(|| as_of(settings)).flatten(),
        node,
        trunks: phone::trunk_status(data, &settings.phone)?,
        emergency: releases::emergency(settings).unwrap_or(settings.hotline.emergency),
        messages: journal::waiting_messages(data)?,
        disk_free: folder::free_bytes(data),
        release: releases::live(settings).map(|name| name.get(..12).unwrap_or(&name).to_owned()),
    };
    if json {
        let text = serde_json::to_string_pretty(&status.to_json()).map_err(|error| error.to_string())?;
        print(format!("{text}\n"));
    } else {
        print(status.to_text(&data.display().to_string()));
    }
    Ok(())
}

/// When the upstream last confirmed the replica of the folder. Creates nothing in a folder without one.
fn as_of(settings: &Settings) -> Option<Timestamp> {
    Replica::require(&settings.data.folder).ok()?;
    let keys = keys(settings).ok()?;
    Replica::open(&settings.data.folder, &settings.replica, keys, Role::Read).ok()?.as_of()
}

impl Status {
    fn to_json(&self) -> Value {
        let time = |at: Timestamp| rfc3339(at, &self.zone);
        json!({
            "serving": self.node.is_some(),
            "serving_since": self.node.as_ref().map(|node| time(node.serving_since)),
            "version": self.node.as_ref().map(|node| &node.version),
            "health": self.node.as_ref().map(|node| &node.health),
            "release": self.release(),
            "replica_as_of": self.as_of.map(time),
            "emergency": self.emergency,
            "messages": {"waiting": self.messages.count, "oldest": self.messages.oldest.map(time)},
            "disk_free_bytes": self.disk_free,
            "trunks": self.trunks.trunks,
        })
    }

    /// What calls begin with now: the node's word, else the folder's.
    fn release(&self) -> Option<&str> {
        let served = self.node.as_ref().and_then(|node| node.health["release"].as_str());
        served.or(self.release.as_deref())
    }

    fn to_text(&self, folder: &str) -> String {
        let mut text = String::new();
        let mut line = |name: &str, what: &str| {
            let _ = writeln!(text, "{name:<11} {what}");
        };
        match &self.node {
            Some(node) => {
                let since = shown(node.serving_since, &self.zone);
                line("serving", &format!("since {since}, version {}", node.version));
                of_health(&node.health, &mut line);
            }
            None => {
                line("serving", &format!("no: no node serves from {folder}"));
                let as_of = self.as_of.map(|at| format!("as of {}", shown(at, &self.zone)));
                line("data", as_of.as_deref().unwrap_or("no replica, or it has no time yet"));
            }
        }
        line("release", self.release().unwrap_or("none published: the files of the settings"));
        line("emergency", if self.emergency { "on: every caller hears the notice" } else { "off" });
        line("messages", &self.messages());
        let free = self.disk_free.map(|free| format!("{:.1} GB free", free as f64 / 1e9));
        line("disk", free.as_deref().unwrap_or("unknown"));
        for trunk in &self.trunks.trunks {
            line("trunk", &of_trunk(trunk, self.trunks.serving_since.is_some()));
        }
        text
    }

    fn messages(&self) -> String {
        let oldest = self.messages.oldest.map(|at| format!(", the oldest since {}", shown(at, &self.zone)));
        format!("{} waiting{}", self.messages.count, oldest.unwrap_or_default())
    }
}

fn of_health(health: &Value, line: &mut impl FnMut(&str, &str)) {
    let number = |key: &str| health[key].as_u64();
    line("state", if health["status"] == "draining" { "draining: takes no new calls" } else { "ready" });
    let (calls, most) = (number("calls").unwrap_or(0), number("calls_max").unwrap_or(0));
    line("lines", &format!("{calls} of {most} in use, {} free", most.saturating_sub(calls)));
    let age = number("replica_age_s").map(|age| format!("{} old", span(age)));
    let cases = number("replica_cases").unwrap_or(0);
    line("data", &format!("{}, {cases} cases", age.as_deref().unwrap_or("no time yet")));
    let words = |key: &str| -> Vec<&str> {
        health[key].as_array().map(|words| words.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    };
    for (key, remedy) in [("troubles", ""), ("alarms", " (jindu replica status explains them)")] {
        let words = words(key);
        let shown = if words.is_empty() { "none".to_owned() } else { format!("{}{remedy}", words.join(", ")) };
        line(key, &shown);
    }
}

fn of_trunk(trunk: &TrunkStatus, serving: bool) -> String {
    if !serving {
        return format!("{}: at most {} calls", trunk.name, trunk.calls_max);
    }
    let mut text = format!("{}: {} of {} calls", trunk.name, trunk.calls, trunk.calls_max);
    if !trunk.peers.is_empty() {
        let reachable = trunk.peers.iter().filter(|peer| peer.state == PeerState::Reachable).count();
        let _ = write!(text, "; {reachable} of {} peers reachable", trunk.peers.len());
    }
    if let Some(registration) = &trunk.registration {
        text.push_str(if registration.registrar.is_some() { "; registered" } else { "; not registered" });
    }
    let _ = write!(text, "; refused {}", trunk.refused.values().sum::<u64>());
    for (n, (reason, count)) in trunk.refused.iter().enumerate() {
        let _ = write!(text, "{}{reason} {count}", if n == 0 { ": " } else { ", " });
    }
    text
}
