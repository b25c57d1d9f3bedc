//! A gateway of our own for each call of a sheet: real sockets and media threads, and a stage in place of the copy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use base::Lang;
use config::{self, Network, Settings, Transport};
use flow::sheet::{Db, Script};
use inquiry::{AttemptLimits, Attempts, Keys};
use journal::Journal;
use media::{MediaConfig, MediaPlane};
use metrics::Metrics;
use os::clock;
use os::folder;
use phone::{Cases, Door, Live, Parts, Stage, Wire};
use release::hotline::Hotline;

/// What the gateways of a run share.
pub(super) struct Theatre {
    runtime: Runtime,
    settings: config::Phone,
    live: Arc<ArcSwap<Live>>,
    media: Arc<MediaPlane>,
    journal: Arc<Journal>,
    keys: Arc<Keys>,
    folder: Folder,
}

/// A folder that goes with the run: messages that callers of sheets leave.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One gateway, set up for one call.
pub(super) struct Staged {
    door: Arc<Door>,
    stage: Arc<Stage>,
    address: SocketAddr,
    wire: JoinHandle<std::io::Error>,
}

impl Theatre {
    pub(crate) fn open(settings: &Settings, hotline: &Hotline) -> Result<Theatre, String> {
        let folder = Folder(std::env::temp_dir().join(format!("jindu-test-{:016x}", clock::seed())));
        folder::make(&folder.0)?;
        let journal = Journal::open(&folder.0, &settings.journal).map_err(|error| error.to_string())?;
        let media = MediaConfig {
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            ports: settings.phone.media_ports,
            threads: 1,
            media_timeout: settings.phone.media_timeout,
            latch_any: false,
        };
        let media = MediaPlane::start(&media).map_err(|error| format!("cannot start the media threads: {error}"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let loopback = Network { address: IpAddr::V4(Ipv4Addr::LOCALHOST), prefix: 8 };
        let desk = settings.phone.desk.clone().unwrap_or_else(|| "sip:desk@127.0.0.1".into());
        let phone = config::Phone { trunks: vec![loopback], desk: Some(desk), ..settings.phone.clone() };
        Ok(Theatre {
            runtime: runtime.map_err(|error| format!("cannot start: {error}"))?,
            settings: phone,
            live: Arc::new(ArcSwap::from_pointee(Live::of(hotline))),
            media: Arc::new(media),
            journal,
            keys: Arc::new(Keys::new(&[0; 32])),
            folder,
        })
    }

    /// Opens a gateway as a call needs it.
    pub(crate) fn stage(&self, part: &Script) -> Result<Staged, String> {
        let live = self.live.load();
        let stage = Arc::new(Stage::new(Arc::clone(&live.release), part.civil, part.caller.clone()));
        let _here = self.runtime.enter();
        let wire =
            Wire::bind(&[(Transport::Udp, (Ipv4Addr::LOCALHOST, 0).into())]).map_err(|error| error.to_string())?;
        let address = wire.listening().first().map(|(_, address)| *address).ok_or("no socket")?;
        let unlimited =
            AttemptLimits { per_caller: 0, per_kiosk: 0, per_receipt: 0, total: 0, window: self.settings.call_limit };
        let parts = Parts {
            settings: self.settings.clone(),
            live: Arc::clone(&self.live),
            emergency: Arc::new(AtomicBool::new(part.emergency)),
            keys: Arc::clone(&self.keys),
            attempts: Arc::new(Mutex::new(Attempts::new(unlimited))),
            cases: Cases::Staged(Arc::clone(&stage)),
            journal: Arc::clone(&self.journal),
            media: Arc::clone(&self.media),
            metrics: Arc::new(Metrics::new()),
            booths: None,
            messages: self.folder.0.join("messages"),
        };
        let door = Door::new(parts, &wire);
        let wire = self.runtime.spawn(wire.run(Arc::clone(&door)));
        Ok(Staged { door, stage, address, wire })
    }
}

impl Staged {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn apply(&self, db: &Db) {
        self.stage.apply(db);
    }

    pub(crate) fn set_emergency(&self, on: bool) {
        self.door.set_emergency(on);
    }

    pub(crate) fn set_lang(&self, lang: Lang) {
        self.door.set_lang(lang);
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.door.end_calls();
        self.wire.abort();
    }
}
