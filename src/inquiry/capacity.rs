//! Whether a node takes new calls: one judgement for SIP requests, admission and the health report.

/// The calls of a node, and how many it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Calls in progress.
    pub calls: usize,
    /// Calls that there may be at once.
    pub calls_max: usize,
    /// The node is going: calls in progress finish, and new ones are rejected.
    pub draining: bool,
}

/// What a node says to a new call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It is taken.
    Open,
    /// Rejected until a call ends: 503 with Retry-After. The heartbeat stays 200, as the node is well.
    Full,
    /// Rejected for good: 503, and the heartbeat and `/health` are 503 too, so that the balancer sends no more.
    Draining,
}

impl Capacity {
    /// Draining comes before full: it does not pass.
    pub fn availability(self) -> Availability {
        if self.draining {
            Availability::Draining
        } else if self.is_full() {
            Availability::Full
        } else {
            Availability::Open
        }
    }

    /// Whether every line is in use, draining or not.
    pub fn is_full(self) -> bool {
        self.calls >= self.calls_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_makes_a_node_full_and_draining_outranks_it() {
        let capacity = |calls, draining| Capacity { calls, calls_max: 2, draining };
        assert_eq!(capacity(1, false).availability(), Availability::Open);
        assert_eq!(capacity(2, false).availability(), Availability::Full);
        assert_eq!(capacity(0, true).availability(), Availability::Draining);
        assert_eq!(capacity(3, true).availability(), Availability::Draining);
        assert!(capacity(3, true).is_full());
    }
}
