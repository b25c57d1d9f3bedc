//! The listening sockets, bound before anything that takes time, so that a port in use is reported at once.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base::{Bilingual, bilingual};
use config::Settings;
use phone::{BindError, HepExporter, Sink, Tap, TransportLayer};
use tls::TlsContext;
use web_service::{Listeners, Serves};

use crate::Fault;
use crate::carriers::load_tls;

/// All listening sockets of a node.
pub(crate) struct Sockets {
    pub sip: TransportLayer,
    pub web: Listeners,
    pub tls: Option<Arc<TlsContext>>,
    /// Where SIP messages can be captured.
    pub tap: Arc<Tap>,
    /// What sends them to a collector.
    pub hep: Option<Arc<HepExporter>>,
}

impl Sockets {
    /// Binds all addresses of the settings. Needs a runtime.
    pub(crate) fn bind(settings: &Settings) -> Result<Sockets, Fault> {
        let sip = TransportLayer::bind(&settings.phone.listen);
        let sip = sip.map_err(|BindError { transport, address, error }| {
            let what = bilingual!(
                "cannot listen on {transport}:{address}: {error}",
                "无法监听 {transport}:{address}：{error}"
            );
            bind_error("phone.listen", &what, error.kind())
        })?;
        let tls = load_tls(settings)?;
        let tap = Tap::new(settings.phone.public_address);
        let hep = export(settings, &tap)?;
        let sip = sip.with_name_servers(&settings.phone.dns).with_tls(tls.clone()).with_tap(Arc::clone(&tap));
        Ok(Sockets { sip, web: bind_web(settings)?, tls, tap, hep })
    }
}

/// Sends SIP messages to the collector of the settings, if there is one.
fn export(settings: &Settings, tap: &Tap) -> Result<Option<Arc<HepExporter>>, Fault> {
    let Some(hep) = &settings.phone.hep else { return Ok(None) };
    let exporter = HepExporter::start(hep, &settings.phone)?;
    let sink: Arc<dyn Sink> = Arc::<HepExporter>::clone(&exporter);
    tap.attach(&sink);
    Ok(Some(exporter))
}

/// The studio has sockets of its own where `studio.listen` names any, else it shares the kiosk's.
fn bind_web(settings: &Settings) -> Result<Listeners, Fault> {
    let bind = |key: &str, addresses: &[SocketAddr], serves| {
        Listeners::bind(addresses, serves).map_err(|(address, error)| {
            let what = bilingual!("cannot listen on http://{address}: {error}", "无法监听 http://{address}：{error}");
            bind_error(key, &what, error.kind())
        })
    };
    let studio = &settings.studio.listen;
    let serves = if studio.is_empty() { Serves::All } else { Serves::Public };
    let public = bind("web.listen", &settings.web.listen, serves)?;
    let operations = bind("web.operations_listen", &settings.web.operations_listen, Serves::Operations)?;
    Ok(public.and(bind("studio.listen", studio, Serves::Studio)?).and(operations))
}

/// Adds to `what` the remedy for the setting `key`.
pub(crate) fn bind_error(key: &str, what: &Bilingual, kind: io::ErrorKind) -> Fault {
    let remedy = match kind {
        io::ErrorKind::AddrInUse => bilingual!(
            "another program uses that port (ss -lntup names it): end it, or change {key}",
            "另一个程序正在使用该端口（ss -lntup 会列出）：请结束它，或更改 {key}"
        ),
        io::ErrorKind::AddrNotAvailable => {
            bilingual!("this machine has no such address: change {key}", "本机没有该地址：请更改 {key}")
        }
        io::ErrorKind::PermissionDenied => bilingual!(
            "a port below 1024 needs root or CAP_NET_BIND_SERVICE: change {key}",
            "1024 以下的端口需要 root 或 CAP_NET_BIND_SERVICE：请更改 {key}"
        ),
        _ => bilingual!("see {key}", "请检查 {key}"),
    };
    bilingual!("{what}; {remedy}", "{what:#}；{remedy:#}")
}
