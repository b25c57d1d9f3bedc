//! Traces of calls for a carrier's engineer: one at a time, bounded, and in the audit log from its start to its end.
//!
//! ```text
//!  start ──► audit log ──► attached to the tap ──► read, read … ──► over: detached, audit log
//!                                                   └ no read for LEASE: abandoned
//! ```

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::registry::Registry;
use super::trace::{Fetched, Trace};
use super::trace_request::{CallChoice, Piece, Summary, TraceRequest};
use super::trace_sound::TraceSound;
use super::transport::{Sink, Tap};
use super::trunks::Trunks;
use base::{Bilingual, bilingual};
use config::Settings;
use media::MediaPlane;
use metrics::Counter;
use os::clock;
use release::releases::{Entry, append_audit};
use sip::capture::{CallTrace, Mask, Masked, Selection, TraceEnd, TraceLimits};

/// The traces of a node.
pub struct Traces {
    this: Weak<Traces>,
    settings: Settings,
    tap: Arc<Tap>,
    trunks: Arc<Trunks>,
    registry: Arc<Registry>,
    media: OnceLock<Arc<MediaPlane>>,
    running: Mutex<Option<Running>>,
    /// Traces that were started.
    pub started: Counter,
}

struct Running {
    number: u64,
    request: TraceRequest,
    trace: Arc<Trace>,
    mask: Mask,
    /// When the command last asked for messages.
    read_at: Instant,
    messages: u64,
    packets: u64,
    octets: u64,
}

impl Traces {
    /// Nothing is traced yet.
    pub fn new(settings: &Settings, tap: Arc<Tap>, trunks: Arc<Trunks>, registry: Arc<Registry>) -> Arc<Traces> {
        Arc::new_cyclic(|this| Traces {
            this: Weak::clone(this),
            settings: settings.clone(),
            tap,
            trunks,
            registry,
            media: OnceLock::new(),
            running: Mutex::default(),
            started: Counter::default(),
        })
    }

    /// Where the sound of calls is: without it no packet can be traced.
    pub fn follow_sound(&self, media: Arc<MediaPlane>) {
        let _ = self.media.set(media);
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a trace; its number.
    pub(crate) fn start(&self, request: TraceRequest) -> Result<u64, Bilingual> {
        let mut running = self.running();
        if let Some(running) = &*running {
            return Err(bilingual!(
                "{} is tracing a call: one trace at a time; wait until it ends",
                "{} 正在对一次通话抓包：同时只能有一个，请等其结束",
                running.request.who
            ));
        }
        let selection = self.selection(&request)?;
        let limits = TraceLimits {
            until: clock::now() + Duration::from_secs(request.for_s.clamp(1, FOR_MAX_S)),
            octets: request.octets_max.min(OCTETS_MAX),
        };
        let level = if request.unmasked { Masked::Nothing } else { Masked::Keys };
        let plan = self.settings.phone.number_plan.clone();
        let call = CallTrace::new(selection, plan.clone(), limits);
        let trace = Arc::new(Trace::new(call, Arc::clone(&self.trunks), self.sound(&request)?));
        let number = clock::random_u64();
        let begun = Running {
            number,
            trace,
            mask: Mask::new(level, [], plan),
            read_at: clock::now(),
            messages: 0,
            packets: 0,
            octets: 0,
            request,
        };
        // What is not in the audit log is not traced.
        self.audit(&begun, "begins", "")
            .map_err(|error| bilingual!("the audit log cannot be written: {error}", "无法写入审计日志：{error}"))?;
        self.watch(number)?;
        self.tap.attach(&begun.sink());
        self.started.inc();
        *running = Some(begun);
        Ok(number)
    }

    fn sound(&self, request: &TraceRequest) -> Result<Option<TraceSound>, Bilingual> {
        if !request.rtp {
            return Ok(None);
        }
        let media = self.media.get().ok_or(NOT_SERVING)?;
        Ok(Some(TraceSound::new(Arc::clone(&self.registry), Arc::clone(media))))
    }

    fn selection(&self, request: &TraceRequest) -> Result<Selection, Bilingual> {
        match &request.call {
            CallChoice::CallId(call_id) => Ok(Selection::CallId(call_id.clone())),
            CallChoice::Number(number) => Ok(Selection::Number(number.clone())),
            CallChoice::Trunk(name) => {
                let place = self.trunks.states().iter().position(|trunk| trunk.settings.name == *name);
                place.map(Selection::Trunk).ok_or_else(|| {
                    bilingual!(
                        "there is no trunk {name}; see jindu trunk status",
                        "没有中继 {name}；见 jindu trunk status"
                    )
                })
            }
        }
    }

    /// What has come since the last time.
    pub(crate) fn read(&self, number: u64) -> Result<Piece, Bilingual> {
        let mut running = self.running();
        let one = of(&mut running, number)?;
        one.read_at = clock::now();
        let Fetched { records, messages, packets } = one.trace.fetch(&one.mask, READ_OCTETS);
        one.messages += messages;
        one.packets += packets;
        one.octets += records.len() as u64;
        let standing = one.trace.standing(clock::now());
        let over = standing.end.filter(|_| standing.is_fetched).map(name);
        let over = over.and_then(|end| self.finish(&mut running, end));
        Ok(Piece { records, is_found: standing.call_id.is_some(), over })
    }

    /// Captures nothing more; what has come can still be read.
    pub(crate) fn stop(&self, number: u64) -> Result<(), Bilingual> {
        of(&mut self.running(), number)?.trace.stop();
        Ok(())
    }

    /// Ends a trace that runs, as its node does.
    pub fn end(&self) {
        self.finish(&mut self.running(), "node_ended");
    }

    /// Ends a trace whose command has gone.
    fn watch(&self, number: u64) -> Result<(), Bilingual> {
        let traces = Weak::clone(&self.this);
        let watching = move || {
            loop {
                std::thread::sleep(WATCH_EVERY);
                match traces.upgrade() {
                    Some(traces) if traces.is_held(number) => {}
                    Some(_) | None => return,
                }
            }
        };
        let started = std::thread::Builder::new().name("trace".into()).spawn(watching);
        started.map(drop).map_err(|error| bilingual!("no thread can be started: {error}", "无法启动线程：{error}"))
    }

    /// Whether a trace runs and its command asks for it.
    fn is_held(&self, number: u64) -> bool {
        let mut running = self.running();
        let Ok(one) = of(&mut running, number) else { return false };
        let is_held = clock::now().duration_since(one.read_at) < LEASE;
        if !is_held {
            self.finish(&mut running, "abandoned");
        }
        is_held
    }

    fn finish(&self, running: &mut Option<Running>, end: &'static str) -> Option<Summary> {
        let one = running.take()?;
        self.tap.detach(&one.sink());
        one.trace.stop();
        let standing = one.trace.standing(clock::now());
        let Running { messages, packets, octets, .. } = one;
        let summary = Summary { end: end.into(), messages, packets, lost: standing.lost, call_id: standing.call_id };
        let call = summary.call_id.as_ref().map_or_else(|| "no call".to_owned(), |id| format!("call-id {id}"));
        let headers = if one.request.rtp { format!("{packets} packet headers, ") } else { String::new() };
        let figures = format!(": {end}, {call}, {messages} messages, {headers}{octets} octets, {} lost", summary.lost);
        if let Err(error) = self.audit(&one, "ended", &figures) {
            tracing::error!(error, "the end of a trace is not in the audit log");
        }
        tracing::info!(end, messages, packets, octets, lost = summary.lost, "trace_ended");
        Some(summary)
    }

    /// A line of the audit log. A number is in it as a tag, which the log of the node has too.
    fn audit(&self, one: &Running, what: &str, more: &str) -> Result<(), String> {
        let TraceRequest { call, unmasked, rtp, who, why, .. } = &one.request;
        let call = match call {
            CallChoice::CallId(call_id) => format!("call-id {call_id}"),
            CallChoice::Trunk(name) => format!("trunk {name}"),
            CallChoice::Number(number) => format!("number #{}", base::tag(number)),
        };
        let masked = if *unmasked { "unmasked" } else { "masked" };
        let rtp = if *rtp { ", with packet headers" } else { "" };
        let entry = Entry {
            at: clock::timestamp(),
            what: format!("trunk trace {what}, {call}, {masked}{rtp}{more}"),
            release: None,
            who: who.clone(),
            why: why.clone(),
        };
        append_audit(&self.settings, &entry).map_err(|error| error.to_string())
    }
}

impl Running {
    fn sink(&self) -> Arc<dyn Sink> {
        Arc::<Trace>::clone(&self.trace)
    }
}

fn of(running: &mut Option<Running>, number: u64) -> Result<&mut Running, Bilingual> {
    let one = running.as_mut().filter(|running| running.number == number);
    one.ok_or(OVER)
}

fn name(end: TraceEnd) -> &'static str {
    match end {
        TraceEnd::CallEnded => "call_ended",
        TraceEnd::Time => "time",
        TraceEnd::Size => "size",
        TraceEnd::Stopped => "stopped",
    }
}

const NOT_SERVING: Bilingual = Bilingual::fixed("the node has not begun to serve", "节点尚未开始服务");
const OVER: Bilingual =
    Bilingual::fixed("the trace is over: its command did not ask for it in time", "抓包已结束：命令未及时读取");
/// The longest trace.
const FOR_MAX_S: u64 = 600;
/// The largest file.
const OCTETS_MAX: u64 = 100_000_000;
/// Octets of records in one reply; a line of a control socket holds a little more in base64.
const READ_OCTETS: usize = 1_000_000;
/// A command that asks for nothing this long has gone.
const LEASE: Duration = Duration::from_secs(15);
const WATCH_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::registry::Lines;
    use super::super::transport::Direction;
    use super::*;
    use release::releases::audit;
    use sip::Transport;
    use sip::capture::Packet;
    use support::folder::Folder;

    fn traces(folder: &Folder) -> Arc<Traces> {
        let receipts = "[[inquiry.receipt]]\nname = \"city\"\nlength = 15\nprefix = \"4401\"\ngroups = [4, 4, 4, 3]\n";
        let set = ["trunk.local.addresses=127.0.0.2".to_owned(), format!("data.folder={}", folder.path().display())];
        let settings = config::read(receipts, &set, Path::new("/srv")).expect("valid settings");
        let registry = Registry::new(Lines::of(&settings.phone), false);
        Traces::new(&settings, Tap::new(None), Trunks::new(&settings.phone), registry)
    }

    fn request(call: CallChoice) -> TraceRequest {
        TraceRequest {
            call,
            for_s: 600,
            octets_max: u64::MAX,
            unmasked: false,
            rtp: false,
            who: "li".into(),
            why: "test".into(),
        }
    }

    fn invite(traces: &Traces, call_id: &str, source: &str, filling: usize) {
        let filling = "a".repeat(filling);
        let text = format!(
            "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:2@h>;tag=1\r\nTo: <sip:1@h>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\nX: {filling}\r\nContent-Length: 0\r\n\r\n"
        );
        let source = source.parse().expect("an address");
        let destination = "127.0.0.1:5060".parse().expect("an address");
        let octets = text.as_bytes();
        let packet = Packet { at: Duration::ZERO, transport: Transport::Udp, source, destination, octets };
        let running = traces.running();
        running.as_ref().expect("a trace").trace.take(Direction::Received, &packet);
    }

    #[test]
    fn a_trace_without_its_command_is_abandoned_and_another_may_begin() {
        let folder = Folder::new();
        let traces = traces(&folder);
        let first = traces.start(request(CallChoice::Trunk("local".into()))).expect("a trace");
        assert!(traces.start(request(CallChoice::CallId("a".into()))).is_err() && traces.is_held(first));
        if let Some(running) = traces.running().as_mut() {
            running.read_at = clock::now().checked_sub(LEASE).expect("the machine runs longer");
        }
        assert!(!traces.is_held(first) && traces.read(first).is_err());
        let second = traces.start(request(CallChoice::Number("13800138000".into()))).expect("a trace");
        traces.end();
        assert!(traces.stop(second).is_err());
        let whats: Vec<String> = audit(&traces.settings).into_iter().map(|entry| entry.what).collect();
        assert!(whats[1].contains("abandoned") && whats[3].contains("node_ended"), "{whats:?}");
        assert!(!whats.concat().contains("138"), "{whats:?}");
        assert_eq!((whats.len(), traces.started.value()), (4, 2));
    }

    #[test]
    fn messages_of_the_trunk_are_read_in_pieces_and_what_finds_no_room_is_counted() {
        let folder = Folder::new();
        let traces = traces(&folder);
        assert!(traces.start(request(CallChoice::Trunk("other".into()))).is_err());
        let number = traces.start(request(CallChoice::Trunk("local".into()))).expect("a trace");
        invite(&traces, "stranger", "127.0.0.3:5060", 1);
        assert!(!traces.read(number).expect("it runs").is_found);
        for _ in 0..1300 {
            invite(&traces, "ours", "127.0.0.2:5060", 16_000);
        }
        traces.stop(number).expect("it runs");
        let mut octets = 0;
        let over = loop {
            let piece = traces.read(number).expect("it runs");
            assert!(piece.is_found && piece.records.len() < READ_OCTETS + 70_000);
            octets += piece.records.len();
            if let Some(over) = piece.over {
                break over;
            }
        };
        assert_eq!(
            (over.end.as_str(), over.call_id.as_deref(), over.messages + over.lost),
            ("stopped", Some("ours"), 1300)
        );
        assert!(over.lost > 0 && octets > 10_000_000);
    }

    #[test]
    fn what_cannot_be_audited_is_not_traced() {
        let folder = Folder::new();
        folder.file("releases", "a file where a folder should be");
        assert!(traces(&folder).start(request(CallChoice::CallId("a".into()))).is_err());
    }
}
