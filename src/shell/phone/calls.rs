//! One call, one task: feeds the call what comes in, and performs what it wants done.

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep_until};

use super::cases::Cases;
use super::door::{Door, Live};
use base::{Lang, Private};
use call::{
    self, Application, Call, CallSetup, CdrBuilder, Effect, Input, LineTest, MediaEvent, Output, Purpose,
    RecordingSession, Reply, StudioRequest, Telemetry,
};
use flow::sheet::TICKET;
use flow::{Caller, Conversation, LookUpAnswer, WallClock};
use inquiry::{Asker, CallRecord, LookUpResult, Proof};
use journal::messages;
use media::{MediaBusy, OpenStream};
use metrics::{Door as Way, Score};
use os::clock;
use sdp::LocalMedia;
use sip::{Arrival, LegKey, Local, Message};

/// What a call's task begins with.
pub(crate) struct Start {
    /// When the INVITE came in.
    pub received: Instant,
    pub invite: Message,
    pub arrival: Arrival,
    pub purpose: Purpose,
    pub stream: OpenStream,
}

/// Frees what a call holds, however its task ends: a panic costs its own call and nothing else.
struct Held {
    door: Arc<Door>,
    key: LegKey,
    stream: OpenStream,
    began: Instant,
    tag: String,
    /// Nothing is owed: a node that drains need not stay for this call.
    settled: bool,
    purpose: Purpose,
    /// What is recorded of the call if its task panics; none once its record is written.
    unfinished: Option<CallRecord>,
    /// A call that takes this one's place.
    renewed: Option<(Box<Message>, Arrival)>,
}

impl Held {
    fn over(&mut self, record: CallRecord, slips: u32) {
        if self.unfinished.take().is_some() {
            // The record first: a node that drains may end with its last line.
            self.note(record, slips);
            self.door.freed(self.purpose);
        }
    }

    fn settle(&mut self) {
        if !std::mem::replace(&mut self.settled, true) {
            self.door.settled();
        }
    }

    fn note(&self, record: CallRecord, slips: u32) {
        let metrics = &self.door.parts.metrics;
        metrics.calls.inc(record.outcome);
        metrics.call_length.observe(record.duration);
        if let Some(rating) = record.rating {
            metrics.ratings.inc(Way::Phone, Score::of(rating));
        }
        let lang = record.lang.map_or("-", Lang::code);
        tracing::info!(
            call = %self.tag,
            outcome = record.outcome.name(),
            cause = record.cause.unwrap_or("-"),
            lang,
            answered_ms = record.answered_after.map_or(0, |after| after.as_millis() as u64),
            duration_ms = record.duration.as_millis() as u64,
            keys = record.keys,
            slips,
            look_ups = record.look_ups.len(),
            "call"
        );
        self.door.parts.journal.call(record);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(unfinished) = self.unfinished.clone() {
            tracing::error!(call = %self.tag, "the call task panicked");
            self.over(CallRecord { duration: clock::now() - self.began, ..unfinished }, 0);
        }
        self.door.parts.media.close(self.stream.id);
        self.door.forget(&self.key);
        self.settle();
        if let Some((message, arrival)) = self.renewed.take() {
            self.door.message(*message, &arrival);
        }
    }
}

/// Runs one call to its end.
pub(crate) async fn run(
    door: Arc<Door>,
    key: LegKey,
    start: Start,
    inbox: mpsc::Sender<Input>,
    mut arrivals: mpsc::Receiver<Input>,
) {
    let began = start.received;
    let live = door.parts.live.load_full();
    let call_id = start.invite.call_id().to_owned();
    let (purpose, stream) = (start.purpose, start.stream);
    let (beginning, caller) = begin(&door, &live, start);
    let record = beginning.cdr.unfinished();
    let tag = base::tag(&call_id);
    let booth = door.parts.booths.as_ref().filter(|_| purpose == Purpose::Studio).map(|booths| {
        let from = caller.map_or_else(|| record.trunk.clone(), |caller| format!("{caller:016x}"));
        booths.open(from, tag.clone(), inbox.clone())
    });
    let held = Held {
        door: Arc::clone(&door),
        key,
        stream,
        began,
        tag,
        settled: false,
        purpose,
        unfinished: Some(record),
        renewed: None,
    };
    let (events, mut media) = mpsc::channel(MEDIA_QUEUE);
    let (call, first) = Call::new(clock::now(), beginning);
    let mut task = Task { door, live, call, held, inbox, events: Some(events), caller, call_id, booth };
    if task.perform(first) {
        return;
    }
    let mut listening = true;
    let sleep = sleep_until(far(began).into());
    tokio::pin!(sleep);
    loop {
        let due = task.call.deadline().map(|deadline| deadline.at);
        reset(sleep.as_mut(), due.unwrap_or_else(|| far(clock::now())));
        let input = tokio::select! {
            biased;
            arrived = arrivals.recv() => match arrived {
                Some(arrived) => arrived,
                None => return,
            },
            event = media.recv(), if listening => {
                // A stream that ends by itself, by a fault or a call that took no events, ends its call.
                listening = event.is_some();
                Input::Media(event.unwrap_or(MediaEvent::PeerLost))
            }
            () = sleep.as_mut() => Input::Deadline,
        };
        let outputs = task.call.handle_input(clock::now(), input);
        if task.perform(outputs) {
            return;
        }
    }
}

fn reset(sleep: std::pin::Pin<&mut Sleep>, at: Instant) {
    let at = at.into();
    if sleep.deadline() != at {
        sleep.reset(at);
    }
}

/// Later than any call lasts.
fn far(now: Instant) -> Instant {
    now + Duration::from_secs(86_400 * 30)
}

fn begin(door: &Door, live: &Live, start: Start) -> (CallSetup, Option<u64>) {
    let Start { received, invite, arrival, purpose, stream } = start;
    let parts = &door.parts;
    let settings = &parts.settings;
    let number = invite.calling_user();
    let caller = number.as_deref().map(|number| parts.keys.client("caller", number));
    let talk = talk(door, live, purpose, number, received);
    let address = door.media_address(arrival.local);
    let local = Local {
        contact_uri: format!("sip:{}", std::net::SocketAddr::new(address, arrival.local.port())),
        seed: clock::seed(),
        session_expires: settings.session_expires,
        min_se: settings.min_se,
    };
    let media = LocalMedia {
        address,
        rtp_port: stream.rtp_port,
        rtcp_port: stream.rtcp_port,
        session_id: clock::seed() >> 1,
        version: 1,
    };
    let trunk = arrival.source.ip().to_string();
    let tally = CdrBuilder::new(clock::timestamp(), live.short_name().into(), trunk, caller);
    let beginning = CallSetup {
        received,
        application: talk,
        invite,
        arrival,
        local,
        media,
        transfer_targets: Arc::clone(&door.desks),
        limit: match purpose {
            Purpose::Studio => settings.studio_limit,
            Purpose::Hotline | Purpose::LineTest => settings.call_limit,
        },
        cdr: tally,
    };
    (beginning, caller)
}

/// What a call of a purpose talks to.
fn talk(door: &Door, live: &Live, purpose: Purpose, number: Option<String>, now: Instant) -> Application {
    let parts = &door.parts;
    match purpose {
        Purpose::Studio => Application::Recording(Box::new(RecordingSession::new(live.release.flow.langs.clone()))),
        Purpose::LineTest => Application::LineTest(LineTest::new(Lang::ALL[0])),
        Purpose::Hotline => {
            let (facts, civil) = match &parts.cases {
                Cases::Copy(_) => {
                    (Caller { number: number.map(Private::new), ..Caller::default() }, clock::local(&live.zone))
                }
                Cases::Staged(stage) => (stage.caller.clone(), stage.civil),
            };
            let wall = WallClock { at: now, civil };
            let emergency = parts.emergency.load(std::sync::atomic::Ordering::Relaxed);
            Application::Hotline(Box::new(Conversation::new(Arc::clone(&live.release), facts, wall, emergency, now)))
        }
    }
}

struct Task {
    door: Arc<Door>,
    live: Arc<Live>,
    call: Call,
    held: Held,
    inbox: mpsc::Sender<Input>,
    /// Given to the media stream when it begins.
    events: Option<mpsc::Sender<MediaEvent>>,
    caller: Option<u64>,
    call_id: String,
    /// Where an operator's call asks.
    booth: Option<SyncSender<StudioRequest>>,
}

impl Task {
    /// Performs outputs in order; true when the call is gone.
    fn perform(&mut self, outputs: Vec<Output>) -> bool {
        let mut busy = false;
        for output in outputs {
            match output {
                Output::Telemetry(telemetry) => self.observe(telemetry),
                Output::Effect(Effect::Gone) => return true,
                Output::Effect(effect) => busy |= self.act(effect).is_err(),
            }
        }
        if busy {
            tracing::warn!(call = %self.held.tag, "the media thread does not keep up");
            let _ = self.inbox.try_send(Input::End);
        }
        if self.held.unfinished.is_none() && !self.call.awaits_response() {
            self.held.settle();
        }
        false
    }

    fn act(&mut self, effect: Effect) -> Result<(), MediaBusy> {
        let parts = &self.door.parts;
        match effect {
            Effect::Send(outgoing) => self.door.send_for(outgoing, &self.inbox),
            Effect::StartMedia(setup) => {
                if let Some(events) = self.events.take() {
                    parts.media.begin(self.held.stream.id, setup, Arc::clone(&self.live.bank), events)?;
                }
            }
            Effect::Media(command) => parts.media.command(self.held.stream.id, command)?,
            Effect::LookUp { source, by } => self.look_up(source, by),
            Effect::KeepMessage { notify, keep, samples } => self.keep(&notify, keep, samples),
            Effect::Studio(ask) => self.ask(ask),
            Effect::Over { record, slips } => self.held.over(*record, slips),
            Effect::NewInvite { message, arrival } => self.held.renewed = Some((message, arrival)),
            Effect::Gone => {}
        }
        Ok(())
    }

    fn observe(&self, telemetry: Telemetry) {
        let metrics = &self.door.parts.metrics;
        match telemetry {
            Telemetry::LineTestKey { key, source } => {
                let (call_id, key, via) = (&self.call_id, key.as_char(), source.name());
                tracing::info!("line test key call_id={call_id} key={key} via={via}");
            }
            Telemetry::KeyHeard(source) => metrics.keys.inc(source),
            Telemetry::Transferred(how) => metrics.transfers.inc(how.into()),
            Telemetry::Answered(after) => metrics.answer_time.observe(after),
            Telemetry::Fault { node, what } => {
                tracing::error!(call = %self.held.tag, %node, what, "the flow met what its check should have found");
            }
        }
    }

    fn look_up(&self, source: Arc<str>, by: BTreeMap<Arc<str>, Private<String>>) {
        let door = Arc::clone(&self.door);
        let live = Arc::clone(&self.live);
        let inbox = self.inbox.clone();
        let caller = self.caller;
        tokio::spawn(async move {
            let asked = clock::now();
            let (findings, result) = answer(&door, &live, &source, &by, caller).await;
            door.parts.metrics.look_ups.inc(Way::Phone, result);
            door.parts.metrics.look_up_time.observe(clock::now() - asked);
            let _ = inbox.send(Input::LookedUp { findings: Box::new(findings), result }).await;
        });
    }

    /// A booth that is gone, or does not keep up, cannot reply: the operator is told.
    fn ask(&self, ask: StudioRequest) {
        if self.booth.as_ref().is_none_or(|booth| booth.try_send(ask).is_err()) {
            tracing::error!(call = %self.held.tag, "the studio cannot be reached by an operator's call");
            let _ = self.inbox.try_send(Input::Studio(Box::new(Reply::Down)));
        }
    }

    fn keep(&self, notify: &str, keep: Duration, samples: Vec<i16>) {
        let door = Arc::clone(&self.door);
        let journal = Arc::clone(&self.door.parts.journal);
        let folder = self.door.parts.messages.clone();
        let inbox = self.inbox.clone();
        let notify = notify.to_owned();
        tokio::spawn(async move {
            let ticket = messages::keep(&journal, &folder, notify, keep, samples).await;
            if ticket.is_none() {
                tracing::error!("a caller's message could not be kept");
            }
            let ticket = match door.parts.cases {
                Cases::Copy(_) => ticket,
                Cases::Staged(_) => ticket.map(|_| TICKET.to_owned()),
            };
            let _ = inbox.send(Input::Ticket(ticket)).await;
        });
    }
}

async fn answer(
    door: &Door,
    live: &Live,
    source: &str,
    by: &BTreeMap<Arc<str>, Private<String>>,
    caller: Option<u64>,
) -> (LookUpAnswer, LookUpResult) {
    let parts = &door.parts;
    let replica = match &parts.cases {
        Cases::Copy(replica) => replica,
        Cases::Staged(stage) => {
            let (findings, delay) = stage.find(source, by);
            tokio::time::sleep(delay).await;
            let result = call::result_of(&findings);
            return (findings, result);
        }
    };
    let question = call::question(&live.rules, by);
    let receipt = question.as_ref().map(|question| parts.keys.client("receipt", question.receipt.number.expose()));
    let asker = Asker { caller, kiosk: None, receipt };
    let attempts = || parts.attempts.lock().unwrap_or_else(PoisonError::into_inner);
    let verdict = attempts().may_ask(clock::now(), asker);
    if let Some(instead) = call::instead(verdict) {
        return instead;
    }
    let answer = match &question {
        Some(question) => replica.look_up(&question.receipt, &Proof::Factor(question.factor.clone())).await,
        None => inquiry::Answer::NotFound,
    };
    let refuse_after = parts.live.load().release.stale_after().1;
    let answer = call::believed(answer, replica.as_of(), replica.now(), refuse_after);
    match answer {
        inquiry::Answer::Found { .. } => attempts().succeeded(asker),
        inquiry::Answer::NotFound => attempts().failed(clock::now(), asker),
        inquiry::Answer::Unavailable => {}
    }
    let today = clock::local(&live.zone).date();
    call::findings(&live.rules, &answer, today, replica.now())
}

/// Media events that wait for one call.
const MEDIA_QUEUE: usize = 64;
