//! What a balancer and an operator are told of this node.

use std::time::Duration;

use serde::Serialize;

/// Whether new work should be sent here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    #[default]
    Ok,
    /// The copy is older than answers may be: the node serves, and says so.
    Stale,
    /// No new calls; those in progress finish.
    Draining,
}

/// What somebody should look at; the node serves all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Nothing to answer from: no copy was ever made.
    NoCopy,
    /// The copy is so old that its age is told, or that it is not told at all.
    Stale,
    /// Every line is in use.
    LinesFull,
    /// The disk of the data folder has little room.
    DiskLow,
    /// The copy has alarms of its own: see `alarms`.
    Copy,
}

/// `GET /health`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    pub state: NodeState,
    /// How long ago the upstream vouched for the copy; `None` before the first time.
    pub replica_age: Option<Duration>,
    pub replica_cases: u64,
    /// Calls in progress, and how many there may be.
    pub calls: usize,
    pub calls_max: usize,
    /// The kiosk's page shows a notice instead of scanning.
    pub maintenance: bool,
    /// The release that new calls begin with: its short name, the same on every node that serves the same.
    pub release: String,
    /// Room on the disk of the data folder; `None` when the system does not say.
    pub disk_free_bytes: Option<u64>,
    pub troubles: Vec<Trouble>,
    /// Kinds of the copy's own alarms, as `jindu replica status` explains them: an upstream that is not reached is one.
    pub alarms: Vec<String>,
}

impl Health {
    /// 503 while draining, so that a balancer sends nobody; a stale copy still answers.
    pub fn status(&self) -> u16 {
        match self.state {
            NodeState::Ok | NodeState::Stale => 200,
            NodeState::Draining => 503,
        }
    }

    /// The reply's body.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Told<'a> {
            status: NodeState,
            replica_age_s: Option<u64>,
            replica_cases: u64,
            calls: usize,
            calls_max: usize,
            maintenance: bool,
            release: &'a str,
            disk_free_bytes: Option<u64>,
            troubles: &'a [Trouble],
            alarms: &'a [String],
        }
        let told = Told {
            status: self.state,
            replica_age_s: self.replica_age.map(|age| age.as_secs()),
            replica_cases: self.replica_cases,
            calls: self.calls,
            calls_max: self.calls_max,
            maintenance: self.maintenance,
            release: &self.release,
            disk_free_bytes: self.disk_free_bytes,
            troubles: &self.troubles,
            alarms: &self.alarms,
        };
        serde_json::to_vec(&told).expect("numbers and words serialise")
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
    fn everything_is_told_in_one_line_of_json() {
        let health = Health {
            state: NodeState::Stale,
            replica_age: Some(Duration::from_secs(61)),
            replica_cases: 5,
            calls: 3,
            calls_max: 9,
            maintenance: false,
            release: "c0ffee".into(),
            disk_free_bytes: Some(7),
            troubles: vec![Trouble::Stale, Trouble::DiskLow],
            alarms: vec!["held".into()],
        };
        assert_eq!(
            String::from_utf8(health.to_json()).unwrap(),
            r#"{"status":"stale","replica_age_s":61,"replica_cases":5,"calls":3,"calls_max":9,"maintenance":false,"#
                .to_owned()
                + r#""release":"c0ffee","disk_free_bytes":7,"troubles":["stale","disk_low"],"alarms":["held"]}"#
        );
    }
}
