//! The registrar of the desk's telephones: their accounts from the studio's store, their bindings in memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;

use config::{Network, PhoneRegistrar};
use os::clock;
use os::sockets::LocalAddresses;
use sip::digest::{Algorithm, Ha1};
use sip::registrar::{Binding, Registrar, RegistrarOutcome, RegistrarRules};
use sip::{Arrival, Message, Outgoing};
use studio_store::Accounts;

/// The registrar at work.
pub struct DeskRegistrar {
    settings: PhoneRegistrar,
    registrar: Mutex<Registrar>,
    accounts: Arc<Accounts>,
    /// Where this machine's own telephones send from.
    own_addresses: LocalAddresses,
    /// The hashes of each user's password.
    known: ArcSwap<HashMap<String, Vec<Ha1>>>,
}

impl DeskRegistrar {
    /// A registrar without bindings.
    ///
    /// # Errors
    /// The accounts cannot be read.
    pub fn new(settings: PhoneRegistrar, accounts: Arc<Accounts>) -> Result<DeskRegistrar, String> {
        let rules = RegistrarRules {
            realm: settings.realm.clone(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            expires_min: settings.expires_min,
            expires_max: settings.expires_max,
            contacts_max: settings.contacts_max,
        };
        let mut key = [0; 32];
        for part in key.chunks_exact_mut(8) {
            part.copy_from_slice(&clock::random_u64().to_be_bytes());
        }
        let known = ArcSwap::from_pointee(read(&accounts, &settings.realm)?);
        let registrar = Mutex::new(Registrar::new(clock::now(), rules, key));
        Ok(DeskRegistrar { settings, registrar, accounts, own_addresses: LocalAddresses::default(), known })
    }

    /// Whether telephones may register from an address. While only this machine's may, they may send from any IPv4 address of
    /// it, as its callers may.
    pub(crate) fn accepts(&self, address: IpAddr) -> bool {
        let networks = &self.settings.networks;
        networks.iter().any(|network| network.contains(address))
            || (networks.iter().all(Network::is_loopback)
                && self.own_addresses.contain_beside_loopback(clock::now(), address))
    }

    /// Answers a REGISTER.
    pub(crate) fn register(&self, request: &Message, arrival: &Arrival) -> Outgoing {
        let known = self.known.load();
        let (response, outcome) = self.lock().register(clock::now(), request, arrival, ha1_of(&known));
        log(&outcome, arrival);
        response
    }

    /// Where the telephones of a number are, the preferred one first.
    pub(crate) fn bindings(&self, number: &str) -> Vec<Binding> {
        self.lock().bindings(clock::now(), number).into_iter().cloned().collect()
    }

    /// The number whose telephone sends from there: by the connection that it has registered by, or the pair of UDP addresses.
    pub(crate) fn number_at(&self, arrival: &Arrival, named: &str) -> Option<String> {
        let Arrival { source, connection, .. } = *arrival;
        let sends = |binding: &Binding| (binding.arrival.source, binding.arrival.connection) == (source, connection);
        self.bindings(named).iter().any(sends).then(|| named.to_owned())
    }

    /// The number of a registered telephone that has connected again, if its request shows the password. Many telephones may have
    /// one address, so that the address alone says nothing.
    ///
    /// # Errors
    /// What it is answered, such as a challenge; none: no telephone of the number is registered from that address.
    pub(crate) fn identify(&self, request: &Message, arrival: &Arrival) -> Result<String, Option<Outgoing>> {
        let address = arrival.source.ip();
        let is_there = |binding: &Binding| binding.arrival.source.ip() == address;
        let named = request.from_user().filter(|_| !arrival.transport.is_unreliable()).ok_or(None)?;
        if !self.bindings(&named).iter().any(is_there) {
            return Err(None);
        }
        let known = self.known.load();
        let identified = self.lock().identify(clock::now(), request, arrival, ha1_of(&known));
        identified.map_err(|refused| {
            let (response, outcome) = *refused;
            log(&outcome, arrival);
            Some(response)
        })
    }

    /// How many accounts are reachable.
    pub fn reachable(&self) -> usize {
        self.lock().reachable(clock::now())
    }

    /// Reads the accounts again from time to time, and forgets what has expired, for as long as the registrar exists.
    pub(crate) async fn follow_accounts(this: Weak<DeskRegistrar>) {
        loop {
            tokio::time::sleep(ACCOUNTS_EVERY).await;
            let Some(registrar) = this.upgrade() else { return };
            // The store may wait for another writer.
            let _ = tokio::task::spawn_blocking(move || registrar.refresh()).await;
        }
    }

    fn refresh(&self) {
        match read(&self.accounts, &self.settings.realm) {
            Ok(known) => {
                self.lock().clean(clock::now(), |account| known.contains_key(account));
                self.known.store(Arc::new(known));
            }
            Err(error) => tracing::warn!(error, "the accounts of telephones cannot be read; those known before stay"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registrar> {
        self.registrar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ha1_of(known: &HashMap<String, Vec<Ha1>>) -> impl Fn(&str, Algorithm) -> Option<Ha1> {
    |user, algorithm| known.get(user)?.iter().find(|ha1| ha1.algorithm == algorithm).cloned()
}

fn log(outcome: &RegistrarOutcome, arrival: &Arrival) {
    match outcome {
        RegistrarOutcome::Bound { account, contacts } => {
            tracing::debug!(account, contacts, "a telephone has registered");
        }
        RegistrarOutcome::WrongPassword => {
            tracing::warn!(source = %arrival.source.ip(), "a telephone may not register: user or password is wrong");
        }
        RegistrarOutcome::Challenged | RegistrarOutcome::Refused(_) | RegistrarOutcome::Repeated => {}
    }
}

fn read(accounts: &Accounts, realm: &str) -> Result<HashMap<String, Vec<Ha1>>, String> {
    let accounts = accounts.sip_accounts(realm).map_err(|error| error.to_string())?;
    Ok(accounts.into_iter().map(|account| (account.user, account.ha1)).collect())
}

/// A changed password or a removed account takes effect within this time.
const ACCOUNTS_EVERY: Duration = Duration::from_secs(5);
