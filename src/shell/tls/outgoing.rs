//! TLS of connections that this node makes to others than SIP peers: carriers of text messages.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::files::{machine_roots, provider, roots};
use crate::{ClientStream, TlsError};

/// Verifies servers by an authority of the settings, or by those of the machine. The authorities are read at the first connection.
pub struct OutgoingTls {
    key: &'static str,
    ca_file: Option<PathBuf>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl OutgoingTls {
    /// `key` is the setting that names the file.
    pub fn new(key: &'static str, ca_file: Option<PathBuf>) -> OutgoingTls {
        OutgoingTls { key, ca_file, config: OnceLock::new() }
    }

    /// Reads the authorities.
    ///
    /// # Errors
    /// The file, or the machine, has none that can be read.
    pub fn check(&self) -> Result<(), TlsError> {
        self.config().map(drop)
    }

    /// The handshake with a server of this name or address.
    ///
    /// # Errors
    /// Why it failed, in a sentence.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> Result<ClientStream, String> {
        let config = self.config().map_err(|error| error.to_string())?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        TlsConnector::from(config).connect(name, stream).await.map_err(|error| error.to_string())
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let roots = match &self.ca_file {
            Some(path) => roots(self.key, path)?,
            None => machine_roots()?,
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Rules(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }
}
