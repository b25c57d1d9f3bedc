//! Reserves trunk lines and media ports for agents, so that waiting callers cannot take all of them.

use std::time::Instant;

use queue::AgentState;

use super::Service;

impl Service {
    /// Reserves one for each signed-in agent and for each line to a call centre.
    pub(super) fn reserve_lines(&mut self, now: Instant) {
        let agents = self.queues.agent_figures(now);
        let settings = &self.shared.settings;
        let mut by_trunk = vec![0; settings.trunks.len()];
        let trunk_of = |address: &str| self.shared.telephones.at(address).and_then(|telephone| telephone.trunk);
        let mut all = 0;
        let here = agents.iter().filter(|agent| agent.state != AgentState::SignedOut);
        for agent in here {
            all += 1;
            let address = self.agents.get(&agent.agent).and_then(|account| account.duty.address.as_deref());
            if let Some(trunk) = address.and_then(trunk_of) {
                by_trunk[trunk] += 1;
            }
        }
        for queue in &settings.queues.queues {
            let lines = usize::from(queue.lines);
            all += lines;
            let address = settings.queue_addresses.get(&*queue.name).filter(|_| lines > 0);
            if let Some(trunk) = address.and_then(|address| trunk_of(address)) {
                by_trunk[trunk] += lines;
            }
        }
        self.registry.reserve_for_agents(all);
        self.shared.services.trunks.reserve_lines(&by_trunk);
    }
}
