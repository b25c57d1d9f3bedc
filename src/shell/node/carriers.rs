//! TLS, the registrations at carriers and the registrar of the desk's telephones, with their metrics and troubles.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::{Register, Settings};
use inquiry::Keys;
use metrics::{Collect, Page};
use phone::{DeskRegistrar, Registrations, TransportLayer, public_address};
use sip::Transport;
use sip::registration::Listener;
use studio_store::Accounts;
use tls::{EXPIRY_ALARM, TlsContext, TlsError};
use web::Trouble;

use crate::Fault;

/// How this node stands towards carriers and telephones.
#[derive(Clone)]
pub(crate) struct Carriers {
    pub tls: Option<Arc<TlsContext>>,
    pub registrations: Arc<Registrations>,
    pub registrar: Option<Arc<DeskRegistrar>>,
}

impl Carriers {
    /// Prepares them; nothing is sent yet.
    pub(crate) fn new(
        settings: &Settings,
        keys: &Keys,
        transport: &TransportLayer,
        tls: Option<Arc<TlsContext>>,
        accounts: Option<Arc<Accounts>>,
    ) -> Result<Carriers, Fault> {
        let trunks = settings.phone.trunks.iter().enumerate();
        let registered = trunks.filter_map(|(n, trunk)| Some((n, trunk.name.as_str(), trunk.register.as_ref()?)));
        let registrations = Registrations::new(registered, &listeners(settings, transport), |trunk| {
            let half = |kind| keys.client(kind, trunk).to_be_bytes();
            let mut octets = [0; 16];
            octets[..8].copy_from_slice(&half("registration"));
            octets[8..].copy_from_slice(&half("instance"));
            octets
        })?;
        let registrar = match (&settings.phone.registrar, accounts) {
            (Some(registrar), Some(accounts)) => Some(Arc::new(DeskRegistrar::new(registrar.clone(), accounts)?)),
            (Some(_), None) => {
                return Err("phone.registrar.realm: the accounts cannot be opened; the log says why".into());
            }
            (None, _) => None,
        };
        Ok(Carriers { tls, registrations: Arc::new(registrations), registrar })
    }

    /// How long the certificate is still valid; none once it has expired, or without one.
    fn certificate_left(&self) -> Option<Duration> {
        let expires = self.tls.as_ref()?.expires()?;
        Some(expires.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// What an operator should look at.
    pub(crate) fn troubles(&self) -> [(bool, Trouble); 2] {
        [
            (self.certificate_left().is_some_and(|left| left < EXPIRY_ALARM), Trouble::Certificate),
            (!self.registrations.failing().is_empty(), Trouble::Registration),
        ]
    }
}

impl Collect for Carriers {
    fn collect(&self, page: &mut Page) {
        if let Some(left) = self.certificate_left() {
            page.gauge_seconds(
                "jindu_tls_certificate_expires_seconds",
                "Until the certificate of SIP over TLS expires; 0 once it has.",
                left,
            );
        }
        let status = self.registrations.status();
        if !status.is_empty() {
            page.gauges(
                "jindu_trunk_registered",
                "1 while this node is registered with the carrier of a trunk.",
                "trunk",
                status.iter().map(|(trunk, status)| (trunk, u8::from(status.registered.is_some()))),
            );
        }
        if let Some(registrar) = &self.registrar {
            page.gauge("jindu_telephones", "Accounts whose telephones are registered here.", registrar.reachable());
        }
    }
}

/// Reads the files of TLS. A node without any setting of TLS needs no authorities, and then connects to nobody by TLS.
pub(crate) fn load_tls(settings: &Settings) -> Result<Option<Arc<TlsContext>>, Fault> {
    match TlsContext::load(&settings.phone.tls, &settings.phone.trunks) {
        Ok(context) => Ok(Some(Arc::new(context))),
        Err(TlsError::NoAuthorities(_)) if !registers_over_tls(settings) => Ok(None),
        Err(error) => Err(error.text()),
    }
}

fn registers_over_tls(settings: &Settings) -> bool {
    settings.phone.trunks.iter().filter_map(|trunk| trunk.register.as_ref()).any(Register::uses_tls)
}

fn listeners(settings: &Settings, transport: &TransportLayer) -> Vec<Listener> {
    let listener = |(transport, local)| Listener {
        transport: match transport {
            config::Transport::Udp => Transport::Udp,
            config::Transport::Tcp => Transport::Tcp,
            config::Transport::Tls => Transport::Tls,
        },
        local,
        public: public_address(&settings.phone, local),
    };
    transport.listening().into_iter().map(listener).collect()
}
