//! Settings as checked: every value in range and in the type that the crates use.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::{Characters, Codecs, DtmfMode, MediaIo, SrtpPolicy};
use sip::NumberPlan;

use super::call_back::CallBackLine;
use super::call_shares::CallShares;
use super::hep::Hep;
use super::messages::Messages;
use super::network::{Network, Transport};
use super::queues::QueueAddresses;
use super::recording::Recording;
use super::registrar::PhoneRegistrar;
use super::sound_key::SoundKey;
use super::tls::PhoneTls;
use super::transfer::TransferLine;
use super::trunk::Trunk;
use super::web_shares::WebShares;
use super::webrtc::Webrtc;

/// All settings of one node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data folder and the sample.
    pub data: Data,
    /// SIP, media and limits of calls.
    pub phone: Phone,
    /// The HTTP service of scans and pages.
    pub web: Web,
    /// The files of the conversation.
    pub hotline: Hotline,
    /// The prompt operators' page.
    pub studio: Studio,
    /// Receipt formats, time limits and limits of failed look-ups.
    pub inquiry: Inquiry,
    /// The local copy of the cases and its source.
    pub replica: Replica,
    /// How long records are kept.
    pub journal: Journal,
    /// Messages that callers leave.
    pub messages: Messages,
    /// Text messages to callers who asked for one.
    pub sms: sms::Settings,
    /// A message of a caller that waits for longer is a trouble in `/health`.
    pub messages_wait: Duration,
    /// Log level and format.
    pub log: Log,
}

/// Where the program writes.
#[derive(Clone, Debug)]
pub struct Data {
    /// The only folder that the program writes to.
    pub folder: PathBuf,
    /// How many sample cases a new replica starts with; 0: none.
    pub sample_cases: u32,
    /// Whether a replica of sample cases counts as fresh while the node runs.
    pub sample_heartbeat: bool,
    /// What seals callers' messages and the studio's takes; none: they are kept in clear.
    pub sound_key: Option<SoundKey>,
}

/// The telephone side: SIP, media, limits of calls.
#[derive(Clone, Debug)]
pub struct Phone {
    /// Each transport with its address; port 0 lets the system choose.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// The certificate of TLS listeners, and whom TLS trusts.
    pub tls: PhoneTls,
    /// Where callers wait for an agent, and the reasons that agents give for pauses; the agents are accounts.
    pub queues: queue::Settings,
    /// Where the queues are that a call centre elsewhere serves.
    pub queue_addresses: QueueAddresses,
    /// Which conversations are recorded, and the limits of that.
    pub recording: Recording,
    /// By which line people are called back; none: no call-backs.
    pub call_back: Option<CallBackLine>,
    /// The calendar of the hotline within whose hours numbers are called back; none: at any time.
    pub call_back_hours: Option<String>,
    /// By which line agents call numbers outside, and which; none: no number.
    pub transfer: Option<TransferLine>,
    /// The registrar of the desk's telephones; none: nothing may register.
    pub registrar: Option<PhoneRegistrar>,
    /// The address that Contact and SDP name when a listener is bound to an unspecified address.
    pub public_address: Option<IpAddr>,
    /// The socket of telephones in agents' browsers.
    pub webrtc: Webrtc,
    /// The name servers that SIP's host names are asked of; empty: those of the machine.
    pub dns: Vec<SocketAddr>,
    /// First and last RTP port.
    pub media_ports: (u16, u16),
    /// How many media threads; at most one a core.
    pub media_threads: usize,
    /// How they read and write their sockets.
    pub media_io: MediaIo,
    /// Whether each is bound to a core of its own.
    pub media_pinned: bool,
    /// Calls at once; further ones get 503 with Retry-After.
    pub calls_max: usize,
    /// What Retry-After says in a 503.
    pub retry_after: Duration,
    /// Calls at once of one calling number by one trunk; none: no limit.
    pub calls_per_caller_max: Option<NonZeroU32>,
    /// New calls a second by one trunk; further ones are refused.
    pub calls_per_second_max: u32,
    /// Who may call; packets from other addresses are ignored.
    pub trunks: Vec<Arc<Trunk>>,
    /// The user parts that reach the hotline; empty: every one.
    pub numbers: Vec<String>,
    /// The user part of the line test; none disables it.
    pub line_test: Option<String>,
    /// The user part of the recording service; none disables it.
    pub studio: Option<String>,
    /// Recording sessions at once.
    pub studio_calls_max: usize,
    /// The longest call to the recording service.
    pub studio_limit: Duration,
    /// Where `transfer` to `desk` sends a caller: a SIP or tel URI.
    pub desk: Option<String>,
    /// The desk's number as callers hear it, in digits.
    pub desk_number: String,
    /// What agents note as the reason of a conversation.
    pub call_reasons: Vec<String>,
    /// A call without media from the caller for this long is ended.
    pub media_timeout: Duration,
    /// What one caller, and the services beside the hotline, may take of the lines.
    pub shares: CallShares,
    /// The longest call.
    pub call_limit: Duration,
    /// How long a drain waits for calls in progress.
    pub drain_limit: Duration,
    /// How long a draining node answers at least, so that balancers notice the drain.
    pub drain_min: Duration,
    /// RFC 4028 §4: the session interval that is requested.
    pub session_expires: Duration,
    /// RFC 4028 §5: the smallest session interval that is accepted; less gets 422.
    pub min_se: Duration,
    /// Whether a call may be transferred by REFER.
    pub refer: bool,
    /// The codecs of calls, the preferred first.
    pub codecs: Codecs,
    /// The time of one packet, where the peer asks for none.
    pub ptime: Duration,
    /// Which ways of keys are heard.
    pub dtmf: DtmfMode,
    /// Silence before the first sound of a call.
    pub lead_in: Duration,
    /// The jitter buffer of sound between callers and agents, at the beginning.
    pub jitter_buffer: Duration,
    /// The country and area that local numbers belong to.
    pub number_plan: NumberPlan,
    /// Whether the media of calls is protected.
    pub srtp: SrtpPolicy,
    /// Where SIP messages are reported; none: nowhere.
    pub hep: Option<Hep>,
}

impl Phone {
    /// Calls at once that `calls_max` and the media ports allow: RTP on an even port, RTCP on the next, on each address.
    pub fn calls_limit(&self) -> usize {
        self.calls_max.min(self.media_pairs())
    }

    /// The user parts that are this node's own: of the hotline, the desk, the line test and the recording service.
    pub fn own_numbers(&self) -> BTreeSet<String> {
        let trunks = self.trunks.iter().flat_map(|trunk| &trunk.numbers);
        let services = [&self.line_test, &self.studio].into_iter().flatten();
        let all = self.numbers.iter().chain(trunks).chain(services).chain([&self.desk_number]);
        all.filter(|number| !number.is_empty()).cloned().collect()
    }

    /// Pairs of ports for media.
    pub fn media_pairs(&self) -> usize {
        let (first, last) = self.media_ports;
        let pairs = (first..last).filter(|port| port % 2 == 0).count();
        let addresses: BTreeSet<IpAddr> = self.listen.iter().map(|(_, address)| address.ip()).collect();
        pairs * addresses.len()
    }
}

/// The HTTP service: scan API, kiosk page, public page, and the studio unless it has its own addresses.
#[derive(Clone, Debug)]
pub struct Web {
    /// Addresses of the HTTP service.
    pub listen: Vec<SocketAddr>,
    /// Balancers whose X-Forwarded-For is trusted.
    pub proxies: Vec<Network>,
    /// Host names that requests may use, in lower case. The address of a socket, and localhost on the loopback address,
    /// are always accepted.
    pub hosts: Vec<String>,
    /// Addresses of operators' routes alone: metrics, diagram, details of the health.
    pub operations_listen: Vec<SocketAddr>,
    /// The addresses that get operators' routes at `listen`, too.
    pub operations_allow: Vec<Network>,
    /// Whether a browser on this machine counts as a kiosk without enrolment, while only loopback addresses are served.
    pub try_out_kiosk: bool,
    /// Open connections at once; a further one takes the place of an idle one or gets 503.
    pub connections_max: usize,
    /// What one client may take.
    pub shares: WebShares,
    /// A connection without a complete request for this long is closed.
    pub request_timeout: Duration,
    /// The largest photograph of a barcode, in bytes.
    pub image_bytes_max: usize,
    /// How long the kiosk shows an answer before it warns.
    pub answer_shown: Duration,
    /// How long the kiosk warns before it clears; 20 s at least (WCAG 2.2.1).
    pub clear_warning: Duration,
    /// Whether the kiosk shows a notice instead of scanning.
    pub maintenance: bool,
    /// The characters of the screens for speakers of Cantonese.
    pub cantonese_characters: Characters,
}

impl Web {
    /// Whether a browser on this machine may be the kiosk for trying out: only this machine reaches the service.
    pub fn has_try_out_kiosk(&self) -> bool {
        self.try_out_kiosk && self.proxies.is_empty() && self.listen.iter().all(|address| address.ip().is_loopback())
    }
}

/// The files that make a conversation.
#[derive(Clone, Debug)]
pub struct Hotline {
    /// The call flow: `flow.toml`.
    pub flow: PathBuf,
    /// Every sentence in three languages: `script.toml`.
    pub script: PathBuf,
    /// Working days and public holidays: `calendar.toml`.
    pub calendar: PathBuf,
    /// The folder of recordings: `<lang>/<clip>.wav`.
    pub audio: PathBuf,
    /// What each recording was read from: `manifest.json`.
    pub manifest: PathBuf,
    /// The folder of call sheets that a publication must pass.
    pub call_sheets: PathBuf,
    /// Whether the emergency notice is on at the start.
    pub emergency: bool,
}

/// The prompt operators' pages.
#[derive(Clone, Debug)]
pub struct Studio {
    /// Addresses of its own; empty: it is served at `web.listen`.
    pub listen: Vec<SocketAddr>,
    /// The addresses that may open it; others get 404.
    pub allow: Vec<Network>,
    /// TLS proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted.
    pub proxies: Vec<Network>,
    /// Whether browsers on other machines may sign in without TLS.
    pub allow_insecure: bool,
    /// A session without a request for this long ends.
    pub session_idle: Duration,
    /// The longest session, in use or not.
    pub session: Duration,
    /// Bytes of one recording as uploaded.
    pub upload_bytes_max: u64,
    /// How long a recording may be before it is trimmed.
    pub upload_longest: Duration,
    /// Bytes that all recordings of the studio may take on the disk.
    pub disk_bytes_max: u64,
}

/// What telephone and kiosk share.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// Receipt formats, tried in this order.
    pub formats: Vec<inquiry::ReceiptFormat>,
    /// Legal time limits by document and case type.
    pub limits: Vec<inquiry::TimeLimit>,
    /// What is removed from a scanned text before it is read as a receipt number.
    pub scanner: Scanner,
    /// Failed look-ups (no match) within `failure_window` after which a caller is transferred to the desk, and an address
    /// must wait at the public page.
    pub failures_per_caller: u32,
    /// The same for one kiosk: it must wait.
    pub failures_per_kiosk: u32,
    /// The same for one receipt number.
    pub failures_per_receipt: u32,
    /// The same over all callers, kiosks and visitors of the public page together.
    pub failures_total: u32,
    /// The time over which these failures are counted.
    pub failure_window: Duration,
    /// Look-ups within an hour, found or not, of one caller or one address of the public page.
    pub look_ups_per_client: u32,
    /// The same for one receipt number, by telephone and on the public page together.
    pub look_ups_per_receipt: u32,
    /// The same over all callers, kiosks and visitors of the public page together.
    pub look_ups_total: u32,
}

/// What a scanner adds around a code.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    /// Texts before the code, as the scanner is set up.
    pub prefixes: Vec<String>,
    /// Texts after the code.
    pub suffixes: Vec<String>,
    /// Patterns of QR texts that hold a receipt number: literal text with one `{receipt}`.
    pub qr_patterns: Vec<String>,
}

/// The replica: the local copy of the cases.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Where changes come from.
    pub source: Source,
    /// Threads that read the replica from disk.
    pub reader_threads: usize,
    /// Rows held in memory.
    pub cache_entries: usize,
    /// A look-up that takes longer ends as unavailable.
    pub look_up_timeout: Duration,
    /// Look-ups that may wait for a reader; the next one ends as unavailable at once.
    pub look_ups_waiting_max: usize,
    /// How many rows a second the background scrub verifies.
    pub scrub_rows_per_second: u32,
    /// How often the spool folder is read.
    pub spool_poll: Duration,
    /// How the upstream is reached; in use when `source` is [`Source::Postgres`].
    pub postgres: super::Postgres,
    /// The source whose feed files are accepted; none: that of the first snapshot.
    pub spool_source: Option<String>,
    /// An incomplete file that has not grown for this long is rejected as torn.
    pub spool_settle: Duration,
    /// A missing sequence number raises an alarm after this long.
    pub spool_gap: Duration,
    /// How long applied and rejected files are kept; they hold second factors in the clear.
    pub spool_keep: Duration,
    /// The public keys that may sign feed files; none: files need no signature.
    pub keys: replica::gate::GateKeys,
    /// The receipt formats of [`Inquiry`]: cases of no format are counted, since no caller can ask for them.
    pub formats: Vec<inquiry::ReceiptFormat>,
}

/// Where the replica gets its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Files in the spool folder.
    Spool,
    /// A table of a PostgreSQL server, by logical replication.
    Postgres,
}

/// The append-only record of calls and scans.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Records older than this are deleted.
    pub keep: Duration,
    /// The largest file; beyond it the oldest records are deleted.
    pub bytes_max: u64,
}

/// Log lines.
#[derive(Clone, Debug)]
pub struct Log {
    /// error, warn, info, debug or trace.
    pub level: String,
    /// JSON lines in place of text lines.
    pub json: bool,
    /// Lines of one kind in a second, and ten times as many at once; further ones are counted.
    pub lines_per_second_max: u32,
}
