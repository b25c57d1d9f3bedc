//! What a balancer and an operator are told of this node.

use std::time::Duration;

use serde::Serialize;

/// Whether new work should be sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    Ok,
    /// The copy is older than answers may be: the node serves, and says so.
    Stale,
    /// No new calls; those in progress finish.
    Draining,
}

/// `GET /health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    pub state: NodeState,
    /// How long ago the upstream vouched for the copy; `None` before the first time.
    pub replica_age: Option<Duration>,
    /// Calls in progress.
    pub calls: usize,
    /// The kiosk's page shows a notice instead of scanning.
    pub maintenance: bool,
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
        struct Told {
            status: NodeState,
            replica_age_s: Option<u64>,
            calls: usize,
            maintenance: bool,
        }
        let told = Told {
            status: self.state,
            replica_age_s: self.replica_age.map(|age| age.as_secs()),
            calls: self.calls,
            maintenance: self.maintenance,
        };
        serde_json::to_vec(&told).expect("numbers serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_node_is_unavailable_and_a_stale_one_is_not() {
        let health = |state| Health { state, replica_age: Some(Duration::from_secs(61)), calls: 3, maintenance: false };
        assert_eq!(health(NodeState::Draining).status(), 503);
        assert_eq!(health(NodeState::Stale).status(), 200);
        assert_eq!(
            String::from_utf8(health(NodeState::Stale).to_json()).unwrap(),
            r#"{"status":"stale","replica_age_s":61,"calls":3,"maintenance":false}"#
        );
    }
}
