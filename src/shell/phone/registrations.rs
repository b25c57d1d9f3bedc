//! The registrations at carriers: a task each, over the sockets of the node.
//!
//! ```text
//!  response ── by Call-ID ──► sip::Registration ──► task ──► Sender
//!  pong ──────────────────────────┘                  ▲ └──► status, log, metrics
//!  stream ended ─────────────────────────────────────┘
//! ```
//!
//! A response is judged before the next message of its connection, which may be a call by the binding that it confirms.

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
use sip::{Arrival, Message, Target, Transport};

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
    inbox: mpsc::Sender<Work>,
    /// Answers the carrier's challenges of calls.
    digest: DigestClient,
    /// Taken by the task that serves it.
    work: Mutex<Option<mpsc::Receiver<Work>>>,
}

/// What waits for the task of a registration.
enum Work {
    Input(Box<RegistrationInput>),
    /// What an input has caused that was handled already.
    Outputs(Vec<RegistrationOutput>),
}

impl Registered {
    fn machine(&self) -> MutexGuard<'_, Registration> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles an input at once; the task performs what it causes. An input for which the task has no room is lost, as it might be
    /// on its way.
    fn judge(&self, input: RegistrationInput) {
        let mut machine = self.machine();
        let Ok(room) = self.inbox.try_reserve() else { return };
        room.send(Work::Outputs(machine.handle_input(clock::now(), input)));
    }

    /// Leaves an input to the task.
    fn give(&self, input: RegistrationInput) {
        let _ = self.inbox.try_send(Work::Input(Box::new(input)));
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
            let (inbox, work) = mpsc::channel(INBOX_SIZE);
            registrations.by_call_id.insert(machine.call_id().to_owned(), registrations.all.len());
            let (machine, work) = (Mutex::new(machine), Mutex::new(Some(work)));
            registrations.all.push(Arc::new(Registered { trunk: trunk.into(), place, machine, inbox, digest, work }));
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
            let work = registered.work.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(work) = work {
                let sender = sender.for_trunk(registered.place);
                tokio::spawn(serve(Arc::clone(registered), work, sender));
            }
        }
    }

    /// Gives a response to its registration; the response comes back if it belongs to none.
    pub(crate) fn receive(&self, message: Message, arrival: &Arrival) -> Option<Message> {
        if message.status().is_none() {
            return Some(message);
        }
        let Some(at) = self.by_call_id.get(message.call_id()) else { return Some(message) };
        self.all[*at].judge(RegistrationInput::Received { message, arrival: *arrival });
        None
    }

    /// The place of the trunk that is registered by the TLS connection of a message. No two trunks share one.
    pub(crate) fn on_flow(&self, arrival: &Arrival) -> Option<usize> {
        if arrival.transport != Transport::Tls {
            return None;
        }
        let is_on_it = |registered: &&Arc<Registered>| registered.machine().is_on_flow(clock::now(), arrival);
        self.all.iter().find(is_on_it).map(|registered| registered.place)
    }

    /// A stream has ended: a registration on it begins again.
    pub(crate) fn stream_ended(&self, arrival: &Arrival) {
        for registered in self.all.iter().filter(|registered| registered.machine().has_flow(arrival)) {
            registered.give(RegistrationInput::FlowLost(*arrival));
        }
    }

    /// A ping was answered on a stream.
    pub(crate) fn ponged(&self, arrival: &Arrival) {
        for registered in &self.all {
            let nothing = registered.machine().handle_input(clock::now(), RegistrationInput::Ponged(*arrival));
            debug_assert!(nothing.is_empty(), "a pong causes nothing");
        }
    }

    /// Removes this node from every carrier, and returns when that is done or has taken too long.
    pub async fn drain(&self) {
        for registered in &self.all {
            let _ = registered.inbox.send(Work::Input(Box::new(RegistrationInput::Drain))).await;
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
async fn serve(registered: Arc<Registered>, mut waiting: mpsc::Receiver<Work>, sender: Sender) {
    // The address of the host that is being asked.
    let mut server = None;
    while let Some(work) = next_work(&registered, &mut waiting).await {
        let outputs = match work {
            Work::Input(input) => registered.machine().handle_input(clock::now(), *input),
            Work::Outputs(outputs) => outputs,
        };
        for output in outputs {
            perform(&registered, output, &sender, &mut server).await;
        }
    }
}

/// What comes next: what waits, in order, else the deadline. `None` once the registration is over and nothing waits.
async fn next_work(registered: &Registered, waiting: &mut mpsc::Receiver<Work>) -> Option<Work> {
    let deadline = registered.machine().deadline();
    let Some(deadline) = deadline else { return waiting.try_recv().ok() };
    tokio::select! {
        biased;
        work = waiting.recv() => work,
        () = tokio::time::sleep_until(deadline.at.into()) => Some(Work::Input(Box::new(RegistrationInput::Deadline))),
    }
}

async fn perform(
    registered: &Registered,
    output: RegistrationOutput,
    sender: &Sender,
    server: &mut Option<(Transport, SocketAddr)>,
) {
    let trunk = &registered.trunk;
    match output {
        RegistrationOutput::Send(outgoing) => {
            let servers = sender.servers(&outgoing.to).await;
            let asked = match &outgoing.to {
                Target::Same { peer, .. } => Some(*peer),
                Target::Address { .. } | Target::Host { .. } => servers.first().copied(),
            };
            *server = asked.map(|server| (outgoing.to.transport(), server));
            if !servers.is_empty() {
                let count = RegistrationInput::Addresses(servers.len());
                let nothing = registered.machine().handle_input(clock::now(), count);
                debug_assert!(nothing.is_empty(), "a number causes nothing");
            }
            let inbox = registered.inbox.clone();
            sender.send(outgoing, move || {
                let _ = inbox.try_send(Work::Input(Box::new(RegistrationInput::SendFailed)));
            });
        }
        RegistrationOutput::Registered { registrar, expires } => {
            tracing::info!(trunk, registrar, expires_s = expires.as_secs(), "registered");
        }
        RegistrationOutput::Failed { registrar, error, retry_in } => {
            if let (Some((transport, server)), RegistrationError::Timeout | RegistrationError::Refused(503)) =
                (server.take(), error)
            {
                sender.silent(server);
                if error == RegistrationError::Timeout {
                    sender.close(transport, server);
                }
            }
            tracing::warn!(trunk, registrar, %error, retry_s = retry_in.as_secs(), "registration failed");
        }
        RegistrationOutput::CloseFlow(arrival) => {
            tracing::info!(trunk, "a connection is closed that answers no keep-alive");
            sender.close_connection(&arrival);
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
    use std::num::NonZeroU64;

    use support::folder::Folder;

    use super::*;
    use sip::{ConnectionId, parse_datagram};

    /// The registrations of two trunks with one registrar, over TLS.
    fn registrations(folder: &Folder) -> Registrations {
        let local = SocketAddr::from(([192, 0, 2, 1], 5060));
        let listener = Listener { transport: Transport::Tcp, local, public: local.ip() };
        let register = Register {
            registrars: vec!["sip:192.0.2.9;transport=tls".into()],
            user: "1001".into(),
            realm: "carrier".into(),
            domain: None,
            password_file: folder.file("password", "secret\n").into(),
            expires: Duration::from_secs(600),
        };
        let trunks = [(0, "first", &register), (1, "second", &register)];
        Registrations::new(trunks, &[listener], |_| [7; 16]).expect("a password and a listener")
    }

    /// The 200 to the first REGISTER of a trunk.
    fn confirmed(registered: &Registered) -> Message {
        let outputs = registered.machine().handle_input(clock::now(), RegistrationInput::Deadline);
        let Some(RegistrationOutput::Send(outgoing)) = outputs.into_iter().next() else { panic!("a REGISTER") };
        let request = String::from_utf8(outgoing.bytes.to_vec()).expect("text");
        let is_copied = |line: &&str| {
            ["Via:", "From:", "To:", "Call-ID:", "CSeq:", "Contact:"].iter().any(|name| line.starts_with(name))
        };
        let lines: Vec<_> = request.lines().filter(is_copied).collect();
        let text = format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"));
        parse_datagram(text.as_bytes()).expect("well formed")
    }

    #[test]
    fn a_connection_carries_the_calls_of_its_trunk_from_its_200_on() {
        let folder = Folder::new();
        let registrations = registrations(&folder);
        let by = |connection: u64| Arrival {
            transport: Transport::Tls,
            source: SocketAddr::from(([192, 0, 2, 9], 5061)),
            local: SocketAddr::from(([192, 0, 2, 1], 5060)),
            connection: NonZeroU64::new(connection).map(ConnectionId),
        };
        for (place, registered) in registrations.all.iter().enumerate() {
            let arrival = by(place as u64 + 1);
            let confirmed = confirmed(registered);
            assert_eq!(registrations.on_flow(&arrival), None, "a REGISTER without its 200");
            assert!(registrations.receive(confirmed, &arrival).is_none());
            assert_eq!(registrations.on_flow(&arrival), Some(place), "the next message may be a call");
        }
        assert_eq!(registrations.on_flow(&by(3)), None, "another connection of the same far end");
        assert_eq!(registrations.on_flow(&Arrival { transport: Transport::Tcp, ..by(1) }), None);
    }

    #[test]
    fn an_instance_is_a_uuid() {
        assert_eq!(urn([0xff; 16]), "urn:uuid:ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(urn([0; 16]), "urn:uuid:00000000-0000-8000-8000-000000000000");
    }
}
