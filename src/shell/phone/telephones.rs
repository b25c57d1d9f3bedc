//! Which telephone a call of this node goes to: one that is registered here, or a SIP address of a trunk.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::registrar::DeskRegistrar;
use super::trunks::{Trunks, of_set};
use sip::registrar::Binding;
use sip::{Target, Transport};

/// A telephone that can be called.
#[derive(Clone)]
pub(crate) struct Telephone {
    /// What is called: the Request-URI.
    pub uri: String,
    /// Where the INVITE goes.
    pub to: Target,
    /// The proxies in front of a registered telephone (RFC 3327).
    pub routes: Vec<String>,
    /// The listener that the INVITE leaves by.
    pub local: SocketAddr,
    /// The place of the trunk that the address belongs to; none: the telephone is registered here.
    pub trunk: Option<usize>,
}

/// Without the number, which is in the URI.
impl fmt::Debug for Telephone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Telephone { uri: _, to, routes: _, local, trunk } = self;
        let mut shown = f.debug_struct("Telephone");
        shown.field("to", to).field("local", local).field("trunk", trunk).finish_non_exhaustive()
    }
}

/// Finds telephones.
pub(crate) struct Telephones {
    listeners: Vec<(Transport, SocketAddr)>,
    trunks: Arc<Trunks>,
    registrar: Option<Arc<DeskRegistrar>>,
}

impl Telephones {
    /// Those that these listeners reach.
    pub(crate) fn new(
        listeners: Vec<(Transport, SocketAddr)>,
        trunks: Arc<Trunks>,
        registrar: Option<Arc<DeskRegistrar>>,
    ) -> Telephones {
        Telephones { listeners, trunks, registrar }
    }

    /// The telephones that are registered with a number, the preferred one first.
    pub(crate) fn registered(&self, number: &str) -> VecDeque<Telephone> {
        let bindings = self.registrar.as_ref().map(|registrar| registrar.bindings(number)).unwrap_or_default();
        bindings.iter().filter_map(of_binding).collect()
    }

    /// Until when the telephone of a number is registered: later with each renewal.
    pub(crate) fn registered_until(&self, number: &str) -> Option<Instant> {
        let bindings = self.registrar.as_ref()?.bindings(number);
        bindings.iter().find(|binding| binding.target().is_some()).map(|binding| binding.until)
    }

    /// The telephone at a SIP address. An address of no trunk is not called: its answers would be a stranger's.
    pub(crate) fn at(&self, uri: &str) -> Option<Telephone> {
        self.listeners.iter().find_map(|(transport, local)| {
            let to = Target::of_uri(uri, *transport, *local).filter(|to| to.transport() == *transport)?;
            let trunk = match &to {
                Target::Address { to, .. } if to.is_ipv4() == local.is_ipv4() => self.trunks.find(*transport, to.ip()),
                Target::Host { host, .. } => self.trunks.of_host(*transport, host),
                Target::Address { .. } | Target::Same { .. } => None,
            };
            let (uri, routes, trunk) = (uri.to_owned(), Vec::new(), Some(trunk?));
            Some(Telephone { uri, to, routes, local: *local, trunk })
        })
    }
}

/// Whether a SIP address is one of a trunk of the settings, so that a node with them calls it. Where trunks name hosts, any IP address
/// may be one of theirs: DNS is not asked here.
pub fn is_of_a_trunk(settings: &config::Phone, uri: &str) -> bool {
    let listeners: Vec<(Transport, SocketAddr)> =
        settings.listen.iter().map(|(transport, local)| (of_set(*transport), *local)).collect();
    let by_name = settings.trunks.iter().any(|trunk| !trunk.hosts.is_empty());
    let is_literal = |(transport, local): &(Transport, SocketAddr)| {
        matches!(Target::of_uri(uri, *transport, *local), Some(Target::Address { .. }))
    };
    let may_be_named = by_name && listeners.iter().any(is_literal);
    may_be_named || Telephones::new(listeners, Trunks::new(settings), None).at(uri).is_some()
}

fn of_binding(binding: &Binding) -> Option<Telephone> {
    let to = binding.target()?;
    let (uri, routes, local) = (binding.uri.clone(), binding.path.clone(), binding.arrival.local);
    Some(Telephone { uri, to, routes, local, trunk: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telephone_prints_without_its_number() {
        let local = SocketAddr::from(([127, 0, 0, 1], 5060));
        let to = Target::Address { transport: Transport::Udp, local, to: local };
        let (uri, routes) = ("sip:13800000000@127.0.0.1".into(), vec!["<sip:13800000000@127.0.0.1;lr>".into()]);
        let shown = format!("{:?}", Telephone { uri, to, routes, local, trunk: Some(3) });
        assert!(!shown.contains("1380") && shown.contains("Some(3)"), "{shown}");
    }
}
