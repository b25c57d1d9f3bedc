//! A private gateway for each call of a sheet: real sockets and media threads, and staged cases in place of the replica.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use base::Lang;
use config::{self, Network, Settings, Transport, Trunk};
use flow::sheet::{Db, Script};
use inquiry::Keys;
use journal::Journal;
use journal::messages::{self, MessageBox};
use media::{MediaConfig, MediaPlane};
use metrics::Metrics;
use os::clock;
use os::folder;
use phone::{Cases, Lines, LiveRelease, Registry, Services, Stage, TransportLayer, Trunks, UserAgent};
use release::hotline::Hotline;

/// What the gateways of a run share.
pub(super) struct Gateways {
    runtime: Runtime,
    settings: config::Phone,
    live: Arc<ArcSwap<LiveRelease>>,
    media: Arc<MediaPlane>,
    journal: Arc<Journal>,
    keys: Keys,
    folder: Folder,
}

/// A folder that is deleted after the run: messages that callers of sheets leave.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One gateway, set up for one call.
pub(super) struct Gateway {
    registry: Arc<Registry>,
    stage: Arc<Stage>,
    address: SocketAddr,
    transport: JoinHandle<std::io::Error>,
}

impl Gateways {
    pub(crate) fn open(settings: &Settings, hotline: &Hotline) -> Result<Gateways, String> {
        let folder = Folder(std::env::temp_dir().join(format!("jindu-test-{:016x}", clock::random_u64())));
        folder::create(&folder.0).map_err(|error| error.to_string())?;
        let journal = Journal::open(&folder.0, &settings.journal).map_err(|error| error.to_string())?;
        let media = MediaConfig {
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            ports: settings.phone.media_ports,
            threads: 1,
            media_timeout: settings.phone.media_timeout,
            hold_timeout: settings.phone.shares.hold_timeout,
            media_io: settings.phone.media_io,
            pinned: false,
        };
        let media = MediaPlane::start(&media).map_err(|error| format!("cannot start the media threads: {error}"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let loopback = Network { address: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix: 8 };
        // No agent is there: the telephone of a sheet says what became of the transfer.
        let desk = settings.phone.desk.clone().filter(|desk| !desk.starts_with("queue:"));
        let desk = desk.unwrap_or_else(|| "sip:desk@127.0.0.1".into());
        // A sheet comes by no trunk of the settings, and may be transferred.
        let trunk = Trunk::with_defaults(&settings.phone, "rehearsal", vec![loopback]);
        let trunk = Trunk { refer: true, numbers: Vec::new(), ..trunk };
        // All sheets have one caller.
        let shares = config::CallShares { transfers_per_caller_max: None, ..settings.phone.shares.clone() };
        let phone = config::Phone { trunks: vec![Arc::new(trunk)], desk: Some(desk), shares, ..settings.phone.clone() };
        Ok(Gateways {
            runtime: runtime.map_err(|error| format!("cannot start: {error}"))?,
            settings: phone,
            live: Arc::new(ArcSwap::from_pointee(LiveRelease::of(hotline))),
            media: Arc::new(media),
            journal,
            keys: Keys::new(&[0; 32]),
            folder,
        })
    }

    /// Opens a gateway as a call needs it.
    pub(crate) fn start(&self, part: &Script) -> Result<Gateway, String> {
        let stage = Arc::new(Stage::new(Arc::clone(&self.live.load().release), part.civil, part.caller.clone()));
        let _here = self.runtime.enter();
        let any = (Transport::Udp, (Ipv4Addr::LOCALHOST, 0).into());
        let transport = TransportLayer::bind(&[any]).map_err(|error| error.to_string())?;
        let address = transport.listening().first().map(|(_, address)| *address).ok_or("no socket")?;
        let registry = Registry::new(Lines::of(&self.settings), part.emergency);
        let services = self.services(Arc::clone(&stage));
        let user_agent = UserAgent::new(self.settings.clone(), services, Arc::clone(&registry), &transport);
        let transport = self.runtime.spawn(transport.run(user_agent));
        Ok(Gateway { registry, stage, address, transport })
    }

    fn services(&self, stage: Arc<Stage>) -> Services {
        Services {
            live: Arc::clone(&self.live),
            keys: self.keys.clone(),
            cases: Cases::Staged(stage),
            journal: Arc::clone(&self.journal),
            messages: MessageBox::new(Arc::clone(&self.journal), self.folder.0.join(messages::FOLDER), unlimited()),
            trunks: Trunks::new(&self.settings),
            media: Arc::clone(&self.media),
            metrics: Arc::new(Metrics::new()),
            registrations: Arc::default(),
            registrar: None,
            browsers: None,
            accounts: None,
            data: None,
            sms: None,
            recording: None,
        }
    }
}

impl Gateway {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn apply(&self, db: &Db) {
        self.stage.apply(db);
    }

    pub(crate) fn set_emergency(&self, on: bool) {
        self.registry.set_emergency(on);
    }

    pub(crate) fn set_lang(&self, lang: Lang) {
        self.registry.set_lang(lang);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.registry.end_calls();
        self.transport.abort();
    }
}

/// Sheets may leave as many messages as they like, in a folder that is deleted.
fn unlimited() -> config::Messages {
    let limits = inquiry::MessageLimits {
        per_caller: u32::MAX,
        per_day: u32::MAX,
        recordings: u32::MAX,
        bytes: u64::MAX,
        free_bytes: 0,
    };
    config::Messages { limits, ..config::Messages::default() }
}
