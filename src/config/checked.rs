//! Settings as checked: everything in range, in the types that the rooms use.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// All settings of one node.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data: Data,
    pub phone: Phone,
    pub web: Web,
    pub hotline: Hotline,
    pub studio: Studio,
    pub inquiry: Inquiry,
    pub replica: Replica,
    pub journal: Journal,
    pub log: Log,
}

impl Settings {
    /// What does not stop a start, but should be known.
    pub fn remarks(&self) -> Vec<String> {
        let (lines, ports) = (self.phone.lines(), self.phone.media_ports);
        let short = lines < self.phone.calls_max;
        let remark = || {
            format!(
                "phone.calls_max = {}: phone.media_ports = {}-{} has room for {lines} calls, two ports each; widen it, \
                 or the next call gets 503",
                self.phone.calls_max, ports.0, ports.1
            )
        };
        short.then(remark).into_iter().collect()
    }
}

/// Where the program writes.
#[derive(Clone, Debug)]
pub struct Data {
    /// The only folder that the program writes to.
    pub folder: PathBuf,
    /// How many sample cases are made when the folder holds no replica; 0 makes none.
    pub sample_cases: u32,
    /// Whether a replica made of sample cases counts as fresh for as long as the node runs.
    pub sample_heartbeat: bool,
}

/// A transport that SIP comes in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// As it stands in a Via header and in the ready line, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}

/// A range of addresses: `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl Network {
    /// Whether an address is in the range. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                shifted(u32::from(net).into(), self.prefix, 32) == shifted(u32::from(ip).into(), self.prefix, 32)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                shifted(u128::from(net), self.prefix, 128) == shifted(u128::from(ip), self.prefix, 128)
            }
            _ => false,
        }
    }
}

fn shifted(bits: u128, prefix: u8, width: u32) -> u128 {
    bits.checked_shr(width - u32::from(prefix)).unwrap_or(0)
}

/// The phone door.
#[derive(Clone, Debug)]
pub struct Phone {
    pub listen: Vec<(Transport, SocketAddr)>,
    /// The address that Contact and SDP name when a listener is bound to an unspecified address.
    pub public_address: Option<IpAddr>,
    /// First and last RTP port.
    pub media_ports: (u16, u16),
    /// How many media threads; at most one a core.
    pub media_threads: usize,
    /// Calls at once; the next one gets 503 with Retry-After.
    pub calls_max: usize,
    pub retry_after: Duration,
    /// New calls a second from one address before they are refused.
    pub calls_per_second_max: u32,
    /// Who may call; nobody else gets an answer.
    pub trunks: Vec<Network>,
    /// The user parts that reach the hotline; empty: every one.
    pub numbers: Vec<String>,
    /// The user part of the line test; none switches it off.
    pub line_test: Option<String>,
    /// The user part of the recording service; none switches it off.
    pub studio: Option<String>,
    /// Who may call it, beside being a trunk; empty: every trunk.
    pub studio_trunks: Vec<Network>,
    /// Operators who record by telephone at once.
    pub studio_calls_max: usize,
    /// The longest call to the recording service.
    pub studio_limit: Duration,
    /// Where `transfer` to `desk` sends a caller: a SIP or tel URI.
    pub desk: Option<String>,
    /// The desk's number as it is read out.
    pub desk_number: String,
    /// A caller that sends no media for so long is ended.
    pub media_timeout: Duration,
    /// The longest call.
    pub call_limit: Duration,
    /// How long a drain waits for calls in progress.
    pub drain_limit: Duration,
    /// How long both doors stay open after the signal at least, so that balancers see it.
    pub drain_least: Duration,
    /// RFC 4028: the session interval that we ask for, and the smallest that we accept.
    pub session_expires: Duration,
    pub min_se: Duration,
}

impl Phone {
    /// Calls at once that there are lines and media ports for: RTP on an even port, RTCP on the next, on each address.
    pub fn lines(&self) -> usize {
        self.calls_max.min(self.media_pairs())
    }

    fn media_pairs(&self) -> usize {
        let (first, last) = self.media_ports;
        let pairs = (first..last).filter(|port| port % 2 == 0).count();
        let addresses: BTreeSet<IpAddr> = self.listen.iter().map(|(_, address)| address.ip()).collect();
        pairs * addresses.len()
    }
}

/// The scan door and the operators' pages.
#[derive(Clone, Debug)]
pub struct Web {
    pub listen: Vec<SocketAddr>,
    /// Balancers in front, whose X-Forwarded-For is believed.
    pub proxies: Vec<Network>,
    pub connections_max: usize,
    /// A connection that sends no complete request for so long is closed.
    pub request_timeout: Duration,
    /// The largest photograph of a barcode, in bytes.
    pub image_bytes_max: usize,
    /// How long the kiosk shows an answer before it warns, and how long it warns before it clears (WCAG 2.2.1).
    pub answer_shown: Duration,
    pub clear_warning: Duration,
    /// Shown on the kiosk instead of scanning when set.
    pub maintenance: bool,
}

/// The files that make a conversation.
#[derive(Clone, Debug)]
pub struct Hotline {
    pub flow: PathBuf,
    pub script: PathBuf,
    pub calendar: PathBuf,
    /// The folder of recordings: `<lang>/<clip>.wav`.
    pub audio: PathBuf,
    pub manifest: PathBuf,
    /// The folder of call sheets that a publication must pass.
    pub sheets: PathBuf,
    /// The duty officer's switch at start.
    pub emergency: bool,
}

/// The prompt operators' pages.
#[derive(Clone, Debug)]
pub struct Studio {
    /// Addresses of its own; none: it is at `web.listen`.
    pub listen: Vec<SocketAddr>,
    /// Who may open it. Everybody else is told that nothing is there.
    pub allow: Vec<Network>,
    /// The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub proxies: Vec<Network>,
    /// Whether browsers on other machines may sign in without TLS.
    pub in_the_clear: bool,
    /// A session without a request ends after so long, and any after `session`.
    pub session_idle: Duration,
    pub session: Duration,
    /// Bytes of one recording, as it is sent.
    pub upload_bytes_max: u64,
    /// How long a recording may be before it is trimmed.
    pub upload_longest: Duration,
    /// Bytes that all recordings of the studio may take on the disk.
    pub disk_bytes_max: u64,
}

/// What both doors share.
#[derive(Clone, Debug)]
pub struct Inquiry {
    pub formats: Vec<inquiry::ReceiptFormat>,
    pub limits: Vec<inquiry::TimeLimit>,
    pub scanner: Scanner,
    /// Failures (no match) within `failure_window` after which a caller is handed to a person, a kiosk told to wait.
    pub failures_per_caller: u32,
    pub failures_per_kiosk: u32,
    pub failures_per_receipt: u32,
    pub failures_total: u32,
    pub failure_window: Duration,
}

/// What a scanner adds around a code.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    pub prefixes: Vec<String>,
    pub suffixes: Vec<String>,
    /// Patterns of QR texts that hold a receipt number: literal text with one `{receipt}`.
    pub qr_patterns: Vec<String>,
}

/// The copy on the node.
#[derive(Clone, Debug)]
pub struct Replica {
    /// What the copy follows.
    pub source: Source,
    pub reader_threads: usize,
    pub cache_entries: usize,
    pub look_up_timeout: Duration,
    pub look_ups_waiting_max: usize,
    /// How fast the background scrub looks the file through.
    pub scrub_rows_per_second: u32,
    /// How often the spool folder is looked at.
    pub spool_poll: Duration,
    pub postgres: super::Postgres,
    /// Whose feed files are taken; none: of any source, until the copy follows one.
    pub spool_source: Option<String>,
    /// An incomplete file that has not grown for so long is torn.
    pub spool_settle: Duration,
    /// A number that has been missing for so long is told of.
    pub spool_gap: Duration,
    /// How long files that were refused or taken are kept; they hold second factors in clear.
    pub spool_keep: Duration,
    /// Who may sign feed files; none: files need no signature.
    pub keys: replica::gate::GateKeys,
}

/// What the copy follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The files that come to the spool folder.
    Spool,
    /// The table of a PostgreSQL server, by logical replication.
    Postgres,
}

/// The append-only record of calls and scans.
#[derive(Clone, Debug)]
pub struct Journal {
    pub keep: Duration,
}

/// Log lines.
#[derive(Clone, Debug)]
pub struct Log {
    /// error, warn, info, debug or trace.
    pub level: String,
    pub json: bool,
}
