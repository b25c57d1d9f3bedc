//! The registrations at carriers: a task each, over the sockets of the node.
//!
//! ```text
//!  response ── by Call-ID ──► task: sip::Registration ──► Sender
//!  stream ended ──► every task       └──► status, log, metrics
//! ```

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::transport::Sender;
use config::Register;
use os::clock;
use sip::digest::DigestClient;
use sip::registration::{
    Listener, RegistrarAddress, Registration, RegistrationError, RegistrationInput, RegistrationOutput,
    RegistrationSettings, RegistrationStatus,
};
use sip::{Arrival, Message, Target};

/// All registrations of a node.
#[derive(Default)]
pub struct Registrations {
    all: Vec<Arc<Registered>>,
    by_call_id: HashMap<String, usize>,
}

/// One registration.
struct Registered {
    trunk: String,
    /// The place of the trunk in the settings.
    place: usize,
    machine: Mutex<Registration>,
    inbox: mpsc::Sender<RegistrationInput>,
    /// Answers the carrier's challenges of calls.
    digest: DigestClient,
    /// Taken by the task that serves it.
    inputs: Mutex<Option<mpsc::Receiver<RegistrationInput>>>,
}

impl Registered {
    fn machine(&self) -> MutexGuard<'_, Registration> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registrations {
    /// The registrations of trunks by place and name, not yet begun. `instance` gives this node's own octets for a trunk, the same
    /// after a restart.
    ///
    /// # Errors
    /// A password cannot be read, or no listener can reach a registrar.
    pub fn new<'a>(
        trunks: impl IntoIterator<Item = (usize, &'a str, &'a Register)>,
        listeners: &[Listener],
        instance: impl Fn(&str) -> [u8; 16],
    ) -> Result<Registrations, String> {
        let mut registrations = Registrations::default();
        for (place, trunk, register) in trunks {
            let settings = settings(trunk, register, listeners, instance(trunk))?;
            let password = password(trunk, &register.password_file)?;
            let digest = DigestClient::new(&register.user, &register.realm, &password, clock::random_u64());
            let machine = Registration::new(clock::now(), settings, digest.clone());
            let (inbox, inputs) = mpsc::channel(INBOX_SIZE);
            registrations.by_call_id.insert(machine.call_id().to_owned(), registrations.all.len());
            let (machine, inputs) = (Mutex::new(machine), Mutex::new(Some(inputs)));
            registrations.all.push(Arc::new(Registered { trunk: trunk.into(), place, machine, inbox, digest, inputs }));
        }
        Ok(registrations)
    }

    /// What answers the challenges of the trunk at a place; none: this node has no password there.
    pub(crate) fn credentials(&self, place: usize) -> Option<DigestClient> {
        let registered = self.all.iter().find(|registered| registered.place == place)?;
        Some(registered.digest.clone())
    }

    /// Begins all of them.
    pub(crate) fn start(&self, sender: &Sender) {
        for registered in &self.all {
            let inputs = registered.inputs.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(inputs) = inputs {
                let sender = sender.for_trunk(registered.place);
                tokio::spawn(serve(Arc::clone(registered), inputs, sender));
            }
        }
    }

    /// Gives a response to its registration; the response comes back if it belongs to none.
    pub(crate) fn receive(&self, message: Message, arrival: &Arrival) -> Option<Message> {
        if message.status().is_none() {
            return Some(message);
        }
        let Some(at) = self.by_call_id.get(message.call_id()) else { return Some(message) };
        let _ = self.all[*at].inbox.try_send(RegistrationInput::Received { message, arrival: *arrival });
        None
    }

    /// The place of the trunk that is registered by the TLS connection of a message.
    pub(crate) fn on_flow(&self, arrival: &Arrival) -> Option<usize> {
        let is_on_it = |registered: &&Arc<Registered>| registered.machine().is_on_flow(clock::now(), arrival);
        self.all.iter().find(is_on_it).map(|registered| registered.place)
    }

    /// A stream has ended: a registration on it begins again.
    pub(crate) fn stream_ended(&self, peer: SocketAddr) {
        for registered in &self.all {
            let _ = registered.inbox.try_send(RegistrationInput::FlowLost(peer));
        }
    }

    /// Removes this node from every carrier, and returns when that is done or has taken too long.
    pub async fn drain(&self) {
        for registered in &self.all {
            let _ = registered.inbox.send(RegistrationInput::Drain).await;
        }
        let over = async {
            for registered in &self.all {
                registered.inbox.closed().await;
            }
        };
        let _ = tokio::time::timeout(DRAIN_LIMIT, over).await;
    }

    /// What each is doing, by trunk.
    pub fn status(&self) -> Vec<(String, RegistrationStatus)> {
        let now = clock::now();
        self.all.iter().map(|registered| (registered.trunk.clone(), registered.machine().status(now))).collect()
    }

    /// The names of the trunks that are not registered although they should be.
    pub fn failing(&self) -> Vec<String> {
        let failing =
            self.status().into_iter().filter(|(_, status)| status.registered.is_none() && status.error.is_some());
        failing.map(|(trunk, _)| trunk).collect()
    }

    /// Whether a trunk registers, and the node is registered with it.
    pub fn is_registered(&self, trunk: &str) -> Option<bool> {
        let registered = self.all.iter().find(|registered| registered.trunk == trunk)?;
        Some(registered.machine().status(clock::now()).registered.is_some())
    }
}

fn settings(
    trunk: &str,
    register: &Register,
    listeners: &[Listener],
    instance: [u8; 16],
) -> Result<RegistrationSettings, String> {
    let address = |uri: &String| {
        RegistrarAddress::read(uri, &register.user, register.domain.as_deref(), listeners).ok_or_else(|| {
            format!("trunk.{trunk}.register.registrar = {uri}: phone.listen has no address that can reach it")
        })
    };
    let registrars = register.registrars.iter().map(address).collect::<Result<Vec<_>, _>>()?;
    let domain = register.domain.as_deref().or_else(|| RegistrarAddress::host(register.registrars.first()?));
    Ok(RegistrationSettings {
        registrars,
        address: format!("sip:{}@{}", register.user, domain.unwrap_or("invalid")),
        expires: register.expires,
        instance: urn(instance),
        seed: clock::random_u64(),
    })
}

/// A UUID of the node's own octets (RFC 9562 §5.8), as RFC 5626 §4.1 asks for.
fn urn(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = base::hex(&bytes);
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The first line of a file.
fn password(trunk: &str, path: &Path) -> Result<String, String> {
    let wrong = |what: String| format!("trunk.{trunk}.register.password_file = {}: {what}", path.display());
    let text =
        std::fs::read_to_string(path).map_err(|error: io::Error| wrong(format!("it cannot be read: {error}")))?;
    match text.lines().next().unwrap_or("") {
        "" => Err(wrong("its first line is empty; it must be the password".into())),
        password => Ok(password.to_owned()),
    }
}

/// Serves one registration until it is over.
async fn serve(registered: Arc<Registered>, mut inputs: mpsc::Receiver<RegistrationInput>, sender: Sender) {
    // The address of the host that is being asked.
    let mut server = None;
    loop {
        let Some(deadline) = registered.machine().deadline() else { return };
        let input = tokio::select! {
            input = inputs.recv() => match input { Some(input) => input, None => return },
            () = tokio::time::sleep_until(deadline.at.into()) => RegistrationInput::Deadline,
        };
        let outputs = registered.machine().handle_input(clock::now(), input);
        for output in outputs {
            perform(&registered, output, &sender, &mut server).await;
        }
    }
}

async fn perform(
    registered: &Registered,
    output: RegistrationOutput,
    sender: &Sender,
    server: &mut Option<SocketAddr>,
) {
    let trunk = &registered.trunk;
    match output {
        RegistrationOutput::Send(outgoing) => {
            let servers = sender.servers(&outgoing.to).await;
            *server = match &outgoing.to {
                Target::Same { peer, .. } => Some(*peer),
                Target::Address { .. } | Target::Host { .. } => servers.first().copied(),
            };
            if !servers.is_empty() {
                let count = RegistrationInput::Addresses(servers.len());
                let nothing = registered.machine().handle_input(clock::now(), count);
                debug_assert!(nothing.is_empty(), "a number causes nothing");
            }
            let inbox = registered.inbox.clone();
            sender.send(outgoing, move || {
                let _ = inbox.try_send(RegistrationInput::SendFailed);
            });
        }
        RegistrationOutput::Registered { registrar, expires } => {
            tracing::info!(trunk, registrar, expires_s = expires.as_secs(), "registered");
        }
        RegistrationOutput::Failed { registrar, error, retry_in } => {
            if let (Some(server), RegistrationError::Timeout | RegistrationError::Refused(503)) = (server.take(), error)
            {
                sender.silent(server);
                if error == RegistrationError::Timeout {
                    sender.close(server);
                }
            }
            tracing::warn!(trunk, registrar, %error, retry_s = retry_in.as_secs(), "registration failed");
        }
        RegistrationOutput::Over => tracing::info!(trunk, "no longer registered"),
    }
}

/// Inputs that wait for one registration.
const INBOX_SIZE: usize = 32;
/// How long a drain waits for registrars.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_uuid() {
        assert_eq!(urn([0xff; 16]), "urn:uuid:ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(urn([0; 16]), "urn:uuid:00000000-0000-8000-8000-000000000000");
    }
}
