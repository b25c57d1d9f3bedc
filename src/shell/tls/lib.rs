//! TLS of SIP (RFC 3261 §26.2, RFC 5922): the node's certificate and key, the authorities that it trusts, handshakes.
//!
//! A trunk with `ca_file` has an authority of its own: its peers' certificates are verified with it alone, in both
//! directions. The node shows the same certificate to all.
//!
//! ```text
//!  PEM files ─► load ─► TlsContext ── accept(stream) ──► ServerStream
//!      ▲                    │  └───── connect(stream, name) ──► ClientStream
//!      └── reload_if_changed┘  connections in use keep the certificate that they began with
//! ```
//!
//! A changed certificate or key takes effect for new connections. Files that cannot be used are reported once, and the
//! earlier ones stay in use: a renewal in two steps, first the certificate and then the key, drops nothing.

mod expiry;
mod files;
mod outgoing;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::files::{Identity, Stamp};
use base::{Bilingual, bilingual};
use config::{PhoneTls, Trunk};

pub use outgoing::OutgoingTls;

/// A connection whose far end began it.
pub type ServerStream = tokio_rustls::server::TlsStream<TcpStream>;
/// A connection that this node began.
pub type ClientStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Why TLS cannot be used; each names the setting and the file.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub enum TlsError {
    /// A file cannot be read, or is not what the setting asks for.
    File {
        /// The setting: `phone.tls.certificate`, `trunk.carrier.ca_file`.
        key: String,
        /// The file.
        path: String,
        /// What is wrong and what would do.
        what: Bilingual,
    },
    /// Certificate and key do not belong together, or are of a kind that TLS does not take.
    Pair(rustls::Error),
    /// The machine has no certificate authorities.
    NoAuthorities(String),
    /// The rules of TLS cannot be made.
    Rules(String),
}

impl TlsError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            TlsError::File { key, path, what } => bilingual!("{key} = {path}: {what}", "{key} = {path}：{what:#}"),
            TlsError::Pair(error) => bilingual!(
                "phone.tls.certificate and phone.tls.key cannot be used together: {error}",
                "phone.tls.certificate 与 phone.tls.key 不能配对：{error}"
            ),
            TlsError::NoAuthorities(why) => bilingual!(
                "the certificate authorities of this machine cannot be read ({why}); install the package ca-certificates, or set \
         phone.tls.ca_file",
                "无法读取本机的证书机构（{why}）；请安装 ca-certificates，或设 phone.tls.ca_file"
            ),
            TlsError::Rules(why) => bilingual!("TLS cannot be used: {why}", "无法使用 TLS：{why}"),
        }
    }
}

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It was not complete within the limit.
    #[error("the TLS handshake took longer than {} s", HANDSHAKE_LIMIT.as_secs())]
    Slow,
    /// This node has no certificate, so it accepts no TLS.
    #[error("this node has no certificate")]
    NoCertificate,
    /// The name of the far end is none that a certificate can hold.
    #[error("the far end has no name that a certificate can hold")]
    Name,
    /// The far end, or its certificate, was refused.
    #[error("{0}")]
    Refused(#[from] std::io::Error),
}

/// What the node's TLS connections are made with.
pub struct TlsContext {
    files: PhoneTls,
    trunks: Vec<Arc<Trunk>>,
    current: ArcSwap<Loaded>,
    /// The files as they were when they were last tried.
    tried: Mutex<Stamp>,
}

/// The files as read.
struct Loaded {
    node: Sides,
    /// By the place of the trunk; none: it has no authority of its own.
    trunks: Vec<Option<Sides>>,
    expires: Option<SystemTime>,
}

/// Both sides of handshakes with peers of the same authorities.
struct Sides {
    acceptor: Option<TlsAcceptor>,
    connector: TlsConnector,
}

impl Loaded {
    fn sides(&self, trunk: Option<usize>) -> &Sides {
        trunk.and_then(|trunk| self.trunks.get(trunk)?.as_ref()).unwrap_or(&self.node)
    }
}

impl TlsContext {
    /// Reads the files of the settings: those of `[phone.tls]`, and the authorities of trunks.
    ///
    /// # Errors
    /// A file cannot be used. Without a certificate only the authorities are needed.
    pub fn load(files: &PhoneTls, trunks: &[Arc<Trunk>]) -> Result<TlsContext, TlsError> {
        let tried = Mutex::new(Stamp::of(files, trunks));
        let current = ArcSwap::from_pointee(load(files, trunks)?);
        Ok(TlsContext { files: files.clone(), trunks: trunks.to_vec(), current, tried })
    }

    /// Reads the files again if one has changed since they were last tried; `None` if none has.
    ///
    /// # Errors
    /// A file cannot be used; what was loaded stays in use.
    pub fn reload_if_changed(&self) -> Option<Result<(), TlsError>> {
        let stamp = Stamp::of(&self.files, &self.trunks);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if *tried == stamp {
            return None;
        }
        *tried = stamp;
        Some(load(&self.files, &self.trunks).map(|loaded| self.current.store(Arc::new(loaded))))
    }

    /// When the first certificate of the node's chain expires; `None` without a certificate.
    pub fn expires(&self) -> Option<SystemTime> {
        self.current.load().expires
    }

    /// The server's side of a handshake with a peer of this trunk, by its place in the settings, within
    /// [`HANDSHAKE_LIMIT`].
    ///
    /// # Errors
    /// The far end is too slow, is refused, or sends no TLS.
    pub async fn accept(&self, stream: TcpStream, trunk: Option<usize>) -> Result<ServerStream, HandshakeError> {
        self.accept_within(HANDSHAKE_LIMIT, stream, trunk).await
    }

    async fn accept_within(
        &self,
        limit: Duration,
        stream: TcpStream,
        trunk: Option<usize>,
    ) -> Result<ServerStream, HandshakeError> {
        let acceptor = self.current.load().sides(trunk).acceptor.clone().ok_or(HandshakeError::NoCertificate)?;
        let accepted = timeout(limit, acceptor.accept(stream)).await;
        Ok(accepted.map_err(|_| HandshakeError::Slow)??)
    }

    /// What the certificate of a peer of this trunk must hold that is reached by `name`: the trunk's `tls_name`, or else that name.
    pub fn name_of<'a>(&'a self, name: &'a str, trunk: Option<usize>) -> &'a str {
        trunk.and_then(|trunk| self.trunks.get(trunk)?.tls_name.as_deref()).unwrap_or(name)
    }

    /// The client's side of a handshake with a peer of this trunk, by its place in the settings, within
    /// [`HANDSHAKE_LIMIT`]. The far end's certificate must hold the trunk's `tls_name`, or else `name`, a host name or an
    /// address.
    ///
    /// # Errors
    /// The far end is too slow, or its certificate is refused.
    pub async fn connect(
        &self,
        stream: TcpStream,
        name: &str,
        trunk: Option<usize>,
    ) -> Result<ClientStream, HandshakeError> {
        let name = server_name(self.name_of(name, trunk)).ok_or(HandshakeError::Name)?;
        let connector = self.current.load().sides(trunk).connector.clone();
        let connected = timeout(HANDSHAKE_LIMIT, connector.connect(name, stream)).await;
        Ok(connected.map_err(|_| HandshakeError::Slow)??)
    }
}

fn load(files: &PhoneTls, trunks: &[Arc<Trunk>]) -> Result<Loaded, TlsError> {
    let identity = files::identity(files)?;
    let expires = identity.as_ref().and_then(|identity| expiry::earliest(&identity.chain));
    let has_own = trunks.iter().any(|trunk| trunk.ca_file.is_some());
    let node = Sides {
        acceptor: acceptor(identity.as_ref(), files::client_roots(files)?)?,
        connector: connector(identity.as_ref(), files::server_roots(files, identity.is_some() || has_own)?)?,
    };
    let of_trunk = |trunk: &Arc<Trunk>| {
        let Some(roots) = files::trunk_roots(trunk)? else { return Ok(None) };
        // Only where peers must show a certificate at all.
        let clients = files.client_ca.as_ref().map(|_| roots.clone());
        let acceptor = acceptor(identity.as_ref(), clients)?;
        Ok(Some(Sides { acceptor, connector: connector(identity.as_ref(), roots)? }))
    };
    Ok(Loaded { node, trunks: trunks.iter().map(of_trunk).collect::<Result<_, TlsError>>()?, expires })
}

fn acceptor(identity: Option<&Identity>, clients: Option<RootCertStore>) -> Result<Option<TlsAcceptor>, TlsError> {
    let config = identity.map(|identity| files::server(identity, clients)).transpose()?;
    Ok(config.map(|config| TlsAcceptor::from(Arc::new(config))))
}

fn connector(identity: Option<&Identity>, servers: RootCertStore) -> Result<TlsConnector, TlsError> {
    Ok(TlsConnector::from(Arc::new(files::client(identity, servers)?)))
}

/// An IPv6 reference loses its brackets, a name the dot of the root.
fn server_name(name: &str) -> Option<ServerName<'static>> {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(ServerName::from(address.to_canonical()));
    }
    ServerName::try_from(bare.trim_end_matches('.').to_owned()).ok()
}

/// How long a handshake may take.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long before its end a certificate's expiry is an alarm.
pub const EXPIRY_ALARM: Duration = Duration::from_secs(30 * 86_400);
