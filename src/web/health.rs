//! `GET /health`: the state of this node for balancers and operators.

use std::time::Duration;

use serde::Serialize;

/// Whether new work should be sent here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Serving, with a fresh copy.
    #[default]
    Ok,
    /// The replica is older than answers may be: the node serves, and answers state their age.
    Stale,
    /// No new calls; those in progress finish.
    Draining,
}

/// A condition to look at; the node still serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// There is no replica.
    NoCopy,
    /// The replica is so old that answers state its age or are refused.
    Stale,
    /// Every line is in use.
    LinesFull,
    /// The disk of the data folder is nearly full.
    DiskLow,
    /// The replica has alarms: see `alarms`.
    Copy,
    /// The certificate of SIP over TLS expires within 30 days, or has expired.
    Certificate,
    /// A carrier has not registered this node: see `jindu trunk status`.
    Registration,
    /// More look-ups, or more that match nothing, than all clients together should make: numbers may be being guessed.
    LookUps,
    /// A message that a caller left has waited too long: see `jindu messages list`.
    Messages,
    /// The working calendar ends within 60 days, or has ended.
    Calendar,
    /// The carrier of text messages has been unreachable for too long: see `jindu status`.
    TextMessages,
    /// A mass deletion by age waits for a person: see `jindu journal held`.
    Deletion,
    /// A conversation of the last hour was to be recorded and was not, or not to its end.
    Recording,
}

/// `GET /health`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether new work should be sent here.
    pub state: NodeState,
    /// The age of the replica by the upstream's clock; `None` before the first `as_of`.
    pub replica_age: Option<Duration>,
    /// Cases in the replica.
    pub replica_cases: u64,
    /// Calls in progress.
    pub calls: usize,
    /// Calls at once; further ones get 503.
    pub calls_max: usize,
    /// The kiosk's page shows a notice instead of scanning.
    pub maintenance: bool,
    /// Callers hear the emergency notice.
    pub emergency: bool,
    /// The short name of the live release; equal on nodes with the same release.
    pub release: String,
    /// Free space on the disk of the data folder; `None` if unknown.
    pub disk_free_bytes: Option<u64>,
    /// Messages of callers that are not done.
    pub messages_waiting: u64,
    /// How long the oldest of them has waited.
    pub messages_oldest: Option<Duration>,
    /// Conditions to look at; empty if there are none.
    pub troubles: Vec<Trouble>,
    /// Codes of the replica's alarms, which `jindu replica status` explains.
    pub alarms: Vec<String>,
}

impl Health {
    /// 503 while draining, so that a balancer sends no new work; else 200, for a stale replica too.
    pub fn status(&self) -> u16 {
        match self.state {
            NodeState::Ok | NodeState::Stale => 200,
            NodeState::Draining => 503,
        }
    }

    /// The reply's body for those who are no operators: whether to send new work here.
    pub fn to_public_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body {
            status: NodeState,
        }
        serde_json::to_vec(&Body { status: self.state }).expect("a word serialises")
    }

    /// The reply's body.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            status: NodeState,
            replica_age_s: Option<u64>,
            replica_cases: u64,
            calls: usize,
            calls_max: usize,
            maintenance: bool,
            emergency: bool,
            release: &'a str,
            disk_free_bytes: Option<u64>,
            messages_waiting: u64,
            messages_oldest_s: Option<u64>,
            troubles: &'a [Trouble],
            alarms: &'a [String],
        }
        let body = Body {
            status: self.state,
            replica_age_s: self.replica_age.map(|age| age.as_secs()),
            replica_cases: self.replica_cases,
            calls: self.calls,
            calls_max: self.calls_max,
            maintenance: self.maintenance,
            emergency: self.emergency,
            release: &self.release,
            disk_free_bytes: self.disk_free_bytes,
            messages_waiting: self.messages_waiting,
            messages_oldest_s: self.messages_oldest.map(|oldest| oldest.as_secs()),
            troubles: &self.troubles,
            alarms: &self.alarms,
        };
        serde_json::to_vec(&body).expect("numbers and words serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_node_is_unavailable_and_a_stale_one_is_not() {
        let health = |state| Health { state, ..Health::default() };
        assert_eq!(health(NodeState::Draining).status(), 503);
        assert_eq!(health(NodeState::Stale).status(), 200);
    }

    #[test]
    fn the_body_is_one_line_of_json() {
        let health = Health {
            state: NodeState::Stale,
            replica_age: Some(Duration::from_secs(61)),
            replica_cases: 5,
            calls: 3,
            calls_max: 9,
            maintenance: false,
            emergency: true,
            release: "c0ffee".into(),
            disk_free_bytes: Some(7),
            messages_waiting: 1,
            messages_oldest: Some(Duration::from_secs(9)),
            troubles: vec![Trouble::Stale, Trouble::DiskLow],
            alarms: vec!["held".into()],
        };
        assert_eq!(
            String::from_utf8(health.to_json()).unwrap(),
            r#"{"status":"stale","replica_age_s":61,"replica_cases":5,"calls":3,"calls_max":9,"maintenance":false,"emergency":true,"#
                .to_owned()
                + r#""release":"c0ffee","disk_free_bytes":7,"messages_waiting":1,"messages_oldest_s":9,"troubles":["stale","disk_low"],"alarms":["held"]}"#
        );
    }
}
