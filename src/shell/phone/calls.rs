//! One call, one task: feeds the call its inputs, performs its effects, counts its telemetry.
//!
//! ```text
//!  inbox (SIP, replies) ─┐
//!  media events ─────────┼─► call::Call ──► effects: SIP, media, look-up, message, recording, record
//!  deadline ─────────────┘             └──► telemetry: metrics, log
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep_until};

use super::call_guard::CallGuard;
use super::caller_card::{CallerCard, CardOrigin};
use super::hold::hold_music;
use super::inbox::insist;
use super::live_release::LiveRelease;
use super::look_ups::{Cases, LookUpRequest};
use super::queue_handle::{CallerLink, WaitId};
use super::registry::{CallSound, Registration, Registry};
use super::services::Shared;
use super::transport::Sender;
use super::trunks::Permit;
use base::{Codec, Lang, Private};
use call::{
    self, Application, Call, CallBackEnd, CallBackRequest, CallSetup, CdrBuilder, Effect, Input, LineTest, MediaEvent,
    MediaPolicy, Origin, Output, Overload, Purpose, QueueNotice, QueueRequest, RecordingSession, Reply, StudioRequest,
    Telemetry,
};
use flow::sheet::TICKET;
use flow::{Caller, Conversation, WallClock};
use journal::messages::MessageRecording;
use media::{MediaBusy, OpenSession};
use metrics::Door as Way;
use os::{clock, sockets};
use queue::{CallBackId, CallBackResult, Join, Left, NewCallBack};
use replica_store::seal_text;
use sdp::{LocalMedia, MediaAddress, MediaAddresses};
use sip::{Arrival, EndedLeg, Late, Local, Message, Outgoing, PeerAddresses};
use studio_store::PhoneCaller;

/// What a call's task begins with.
pub(crate) struct Start {
    /// When the INVITE came in.
    pub received: Instant,
    pub origin: Origin,
    /// The listener that the far end talks to.
    pub local: SocketAddr,
    /// Where the far end is, for the record.
    pub source: String,
    /// The number of the person as it is dialled: calling, or called back; none: it is withheld from people.
    pub number: Option<String>,
    /// The hash that stands for the caller in limits and the record, also of a withheld number that the trunk asserts.
    pub caller: Option<u64>,
    /// The language of a call-back.
    pub lang: Option<Lang>,
    /// Its place on its trunk.
    pub permit: Permit,
    /// The address that the caller reaches this node at.
    pub address: IpAddr,
    pub session: OpenSession,
}

impl Start {
    /// A call that came in.
    pub(crate) fn incoming(
        received: Instant,
        (invite, arrival): (Message, Arrival),
        (number, caller): (Option<String>, Option<u64>),
        permit: Permit,
        (address, session): (IpAddr, OpenSession),
    ) -> Start {
        let (local, source) = (arrival.local, arrival.source.ip().to_string());
        let origin = Origin::Incoming { invite: Box::new(invite), arrival };
        Start { received, origin, local, source, number, caller, lang: None, permit, address, session }
    }
}

/// A call that waits for its first answer; dropped when it has it.
pub(crate) struct Unanswered {
    overload: Arc<Overload>,
    trunk: usize,
}

impl Unanswered {
    pub(crate) fn begin(overload: &Arc<Overload>, received: Instant, trunk: usize) -> Unanswered {
        overload.begin(received, trunk);
        Unanswered { overload: Arc::clone(overload), trunk }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.overload.answered(clock::now(), self.trunk);
    }
}

/// No telephone receives at the ports below, and services do that answer (RFC 6335 §6).
pub(crate) const PORT_MIN: u16 = 1024;

/// What a caller keyed, for the agent's screen: variables and their values.
pub(crate) type Passed = BTreeMap<Arc<str>, Private<String>>;

/// Messages that are not of the call that got them, in their order: the INVITE that begins a new call under the key of the ended
/// one, and what came behind it. No more than the inbox holds, and one.
pub(crate) type Rest = Vec<(Box<Message>, Arrival)>;

/// Runs one call to its end. Returns what came to it and is to be dispatched again, now that it is gone.
pub(crate) async fn run(
    shared: Arc<Shared>,
    registration: Registration,
    start: Start,
    unanswered: Unanswered,
    mut arrivals: mpsc::Receiver<Input>,
) -> Rest {
    let (events, media) = mpsc::channel(MEDIA_QUEUE);
    let (task, first) = Task::begin(shared, registration, start, events);
    drive(task, first, Some(unanswered), &mut arrivals, media).await
}

/// A call-back: its task, and what leads to it.
pub(crate) fn start_call_back(
    shared: &Arc<Shared>,
    registry: &Arc<Registry>,
    request: (CallBackId, Passed),
    start: Start,
) -> mpsc::Sender<Input> {
    let (events, media) = mpsc::channel(MEDIA_QUEUE);
    let (task, first, mut arrivals) = Task::call_back(shared, registry, request, start, events);
    let inbox = task.inbox().clone();
    // What comes to it when it is gone belongs to no other call: its Call-ID is its own.
    tokio::spawn(async move { drop(drive(task, first, None, &mut arrivals, media).await) });
    inbox
}

async fn drive(
    mut task: Box<Task>,
    first: Vec<Output>,
    unanswered: Option<Unanswered>,
    arrivals: &mut mpsc::Receiver<Input>,
    mut media: mpsc::Receiver<MediaEvent>,
) -> Rest {
    let far_off = far(task.guard.began);
    if task.perform(first) {
        return task.gone(arrivals).await;
    }
    drop(unanswered);
    let mut listening = true;
    let sleep = sleep_until(far_off.into());
    tokio::pin!(sleep);
    loop {
        let due = task.call.deadline().map(|deadline| deadline.at);
        reset(sleep.as_mut(), due.unwrap_or_else(|| far(clock::now())));
        let input = tokio::select! {
            biased;
            // The task itself holds a sender: this channel does not end by itself.
            Some(arrived) = arrivals.recv() => arrived,
            event = media.recv(), if listening => {
                // A session that ends by itself, by a fault or a call that took no events, ends its call.
                listening = event.is_some();
                Input::Media(event.unwrap_or(MediaEvent::PeerLost))
            }
            () = sleep.as_mut() => Input::Deadline,
        };
        let outputs = task.call.handle_input(clock::now(), input);
        if task.perform(outputs) {
            return task.gone(arrivals).await;
        }
        if task.guard.is_over()
            && let Some(remains) = task.call.ended()
        {
            return task.leave(remains, arrivals).await;
        }
    }
}

pub(crate) fn reset(sleep: std::pin::Pin<&mut Sleep>, at: Instant) {
    let at = at.into();
    if sleep.deadline() != at {
        sleep.reset(at);
    }
}

/// Later than any call lasts.
pub(crate) fn far(now: Instant) -> Instant {
    now + Duration::from_secs(86_400 * 30)
}

/// What a call begins with, from its INVITE and the settings, and its place on its trunk.
fn call_setup(
    shared: &Shared,
    (purpose, emergency): (Purpose, bool),
    live: &LiveRelease,
    start: Start,
) -> (CallSetup, Permit, Option<String>) {
    let Start { received, origin, local: listener, source, number, caller, lang, permit, address, session } = start;
    let trunk = Arc::clone(permit.trunk());
    let settings = &shared.settings;
    let local = Local {
        contact_uri: format!("sip:{}", SocketAddr::new(address, listener.port())),
        seed: clock::random_u64(),
        session_expires: trunk.session_expires,
        min_se: trunk.min_se,
        peers: peers(shared, permit.place()),
    };
    let media = LocalMedia {
        address: trunk.media_address.filter(|media| media.is_ipv4() == address.is_ipv4()).unwrap_or(address),
        rtp_port: session.rtp_port,
        rtcp_port: session.rtcp_port,
        session_id: clock::random_u64() >> 1,
        version: 1,
        codecs: trunk.codecs,
        ptime: trunk.ptime,
    };
    let facts = Caller {
        number: number.clone().map(Private::new),
        last_lang: lang,
        call_back: settings.call_back.is_some() && !settings.queues.queues.is_empty(),
        recorded: settings.recording.is_on(),
        text_messages: text_messages(shared, number.as_deref()),
        ..Caller::default()
    };
    let setup = CallSetup {
        received,
        application: application(shared, (purpose, emergency), live, facts, received),
        origin,
        local,
        media,
        policy: MediaPolicy {
            dtmf: trunk.dtmf,
            lead_in: trunk.lead_in,
            jitter_buffer: trunk.jitter_buffer,
            // A telephone on this machine may name one of its addresses and send from another.
            symmetric: trunk.symmetric || trunk.is_loopback(),
            srtp: trunk.srtp,
        },
        media_secret: clock::random_octets(),
        media_addresses: media_addresses(shared, permit.place(), listener.port()),
        transfer_targets: shared.transfer_targets(&trunk),
        message_max: shared.services.messages.longest(),
        transfers_max: shared.transfers_left(&trunk.name, caller),
        limit: match purpose {
            Purpose::Studio => settings.studio_limit,
            Purpose::Hotline => settings.call_limit,
            Purpose::LineTest => settings.shares.line_test_limit.min(settings.call_limit),
        },
        cdr: CdrBuilder::new(clock::timestamp(), live.short_name().into(), trunk.name.clone(), source, caller),
    };
    (setup, permit, number)
}

/// How many text messages the caller may get.
fn text_messages(shared: &Shared, number: Option<&str>) -> u8 {
    shared.services.sms.as_ref().zip(number).map_or(0, |(sms, number)| sms.left(number))
}

pub(crate) fn peers(shared: &Shared, place: usize) -> PeerAddresses {
    let trunks = Arc::clone(&shared.services.trunks);
    PeerAddresses::new(move |ip| trunks.contains(place, ip))
}

/// Media goes to the trunk's own networks, never to a port of this node or of a system's service.
pub(crate) fn media_addresses(shared: &Shared, place: usize, sip_port: u16) -> MediaAddresses {
    let (trunks, media) = (Arc::clone(&shared.services.trunks), Arc::clone(&shared.services.media));
    MediaAddresses::new(move |address| {
        let trunk = &trunks.states()[place].settings;
        let ours = media.is_local(address.ip()) && address.port() == sip_port;
        if address.port() < PORT_MIN || ours || media.owns(address) {
            MediaAddress::Refused
        } else if trunks.takes_media(place, address.ip())
            || (trunk.is_loopback() && sockets::is_local_address(address.ip()))
        {
            MediaAddress::Allowed
        } else if trunk.symmetric {
            MediaAddress::Learn
        } else {
            MediaAddress::Refused
        }
    })
}

/// The application of a call, by its purpose.
fn application(
    shared: &Shared,
    (purpose, emergency): (Purpose, bool),
    live: &LiveRelease,
    facts: Caller,
    now: Instant,
) -> Application {
    match purpose {
        Purpose::Studio => {
            let limit = shared.settings.shares.sign_in_limit;
            Application::Recording(Box::new(RecordingSession::new(live.release.flow.langs.clone(), limit)))
        }
        Purpose::LineTest => Application::LineTest(LineTest::new(Lang::ALL[0])),
        Purpose::Hotline => {
            let (facts, civil) = match &shared.services.cases {
                Cases::Copy(_) => (facts, clock::local(&live.zone)),
                Cases::Staged(stage) => (stage.caller.clone(), stage.civil),
            };
            let wall = WallClock { at: now, civil };
            Application::Hotline(Box::new(Conversation::new(Arc::clone(&live.release), facts, wall, emergency, now)))
        }
    }
}

/// Boxed: it has some KiB, and the future that drives it is moved.
struct Task {
    shared: Arc<Shared>,
    sender: Sender,
    live: Arc<LiveRelease>,
    call: Call,
    guard: CallGuard,
    /// Given to the media session when it begins.
    events: Option<mpsc::Sender<MediaEvent>>,
    /// The hash that stands for the caller in the limits of look-ups: of the number, or of the call where it is withheld.
    caller: u64,
    call_id: String,
    /// Asks the studio, in an operator's call.
    recording: Option<SyncSender<StudioRequest>>,
    /// The calling number, for the telephone and the page of an agent and for text messages; none: it is withheld.
    number: Option<Private<String>>,
    /// The caller waits for an agent, or talks to one.
    waiting: Option<WaitId>,
    /// The place in the queue that the caller left by a key.
    waited_before: Option<WaitId>,
    /// The last INVITE of this side, if it went to a host by its name.
    invite: Option<Bytes>,
    /// The message that is being recorded.
    message: Option<MessageRecording>,
    /// The request that this node calls for, and what the person keyed when it was made.
    call_back: Option<(CallBackId, Passed)>,
    /// What is dispatched again when the call is gone.
    rest: Rest,
    /// The call was answered by the outputs that are being performed.
    answered: bool,
}

impl Task {
    fn begin(
        shared: Arc<Shared>,
        registration: Registration,
        start: Start,
        events: mpsc::Sender<MediaEvent>,
    ) -> (Box<Task>, Vec<Output>) {
        let live = shared.services.live.load_full();
        let (began, session) = (start.received, start.session.id);
        let call_id = match &start.origin {
            Origin::Incoming { invite, .. } => invite.call_id().to_owned(),
            Origin::CallBack(_) => String::new(),
        };
        let tag = base::tag(&call_id);
        let about = (registration.purpose(), registration.emergency());
        let (setup, permit, number) = call_setup(&shared, about, &live, start);
        let record = setup.cdr.unfinished();
        let service = shared.services.recording.as_ref().filter(|_| registration.purpose() == Purpose::Studio);
        let recording = service.map(|service| {
            let number = record.caller.map(|caller| format!("{caller:016x}"));
            let from = PhoneCaller { trunk: record.trunk.clone(), number };
            service.open(from, tag.clone(), registration.inbox.clone())
        });
        let hash = record.caller;
        let guard = CallGuard::new(Arc::clone(&shared), registration, permit, session, began, tag, record);
        let (call, first) = Call::new(clock::now(), setup);
        let sender = shared.sender.clone();
        let mut task = Task::new((shared, live, sender), (call, hash), guard, events, number);
        task.recording = recording;
        (task, first)
    }

    /// The call of this node to a person who asked for it. Its Call-ID is its own, and known once it is there.
    fn call_back(
        shared: &Arc<Shared>,
        registry: &Arc<Registry>,
        request: (CallBackId, Passed),
        start: Start,
        events: mpsc::Sender<MediaEvent>,
    ) -> (Box<Task>, Vec<Output>, mpsc::Receiver<Input>) {
        let live = shared.services.live.load_full();
        let (began, session, place) = (start.received, start.session.id, start.permit.place());
        let sound = CallSound { address: start.address, session: start.session };
        let (setup, permit, number) = call_setup(shared, (Purpose::Hotline, registry.emergency()), &live, start);
        let record = setup.cdr.unfinished();
        let hash = record.caller;
        let (call, first) = Call::new(clock::now(), setup);
        let (registration, arrivals) = registry.register_call_back(call.call_id(), sound);
        shared.services.metrics.calls_in_progress.add(1);
        let tag = base::tag(call.call_id());
        let guard = CallGuard::new(Arc::clone(shared), registration, permit, session, began, tag, record);
        let sender = shared.sender.for_trunk(place);
        let mut task = Task::new((Arc::clone(shared), live, sender), (call, hash), guard, events, number);
        task.call_back = Some(request);
        (task, first, arrivals)
    }

    fn new(
        (shared, live, sender): (Arc<Shared>, Arc<LiveRelease>, Sender),
        (call, hash): (Call, Option<u64>),
        guard: CallGuard,
        events: mpsc::Sender<MediaEvent>,
        number: Option<String>,
    ) -> Box<Task> {
        let call_id = call.call_id().to_owned();
        Box::new(Task {
            caller: hash.unwrap_or_else(|| shared.services.keys.client("call", &call_id)),
            shared,
            sender,
            live,
            call,
            guard,
            events: Some(events),
            call_id,
            recording: None,
            number: number.map(Private::new),
            waiting: None,
            waited_before: None,
            invite: None,
            message: None,
            call_back: None,
            rest: Rest::new(),
            answered: false,
        })
    }

    /// Leaves what remains of a call that is over and awaits nothing to the registry, so that the task can end. The messages
    /// that have come meanwhile are answered; from the first that begins another call on they are dispatched again.
    async fn leave(mut self: Box<Task>, remains: EndedLeg, arrivals: &mut mpsc::Receiver<Input>) -> Rest {
        self.guard.registration.leave(remains);
        arrivals.close();
        while let Some(input) = arrivals.recv().await {
            let Input::Sip(sip) = input else { continue };
            match self.guard.registration.receive_late(sip.0, &sip.1) {
                Ok(Late::Reply(reply)) => self.sender.send(reply, || {}),
                Ok(Late::Absorbed | Late::NextCall(_)) => {}
                Err(message) => self.rest.push((message, sip.1)),
            }
        }
        self.rest
    }

    /// The call is gone without remains: what has come meanwhile is dispatched again.
    async fn gone(mut self: Box<Task>, arrivals: &mut mpsc::Receiver<Input>) -> Rest {
        self.guard.registration.withdraw();
        arrivals.close();
        while let Some(input) = arrivals.recv().await {
            if let Input::Sip(sip) = input {
                self.rest.push((Box::new(sip.0), sip.1));
            }
        }
        self.rest
    }

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
        if std::mem::take(&mut self.answered) && self.call_back.is_none() {
            // The 200 has left: it stands among these outputs.
            self.shared.services.metrics.answer_time.observe(clock::now() - self.guard.began);
        }
        if busy {
            tracing::warn!(call = %self.guard.tag, "the media thread does not keep up");
            let _ = self.inbox().try_send(Input::End);
        }
        if self.guard.is_over() && !self.call.awaits_response() {
            self.guard.settle();
        }
        false
    }

    fn act(&mut self, effect: Effect) -> Result<(), MediaBusy> {
        let media = &self.shared.services.media;
        match effect {
            Effect::Send(outgoing) => self.send(outgoing),
            Effect::StartMedia(setup) => {
                if let Some(events) = self.events.take() {
                    media.begin(self.guard.session, setup, Arc::clone(&self.live.bank), events)?;
                }
            }
            Effect::Media(command) => media.command(self.guard.session, command)?,
            Effect::LookUp { source, by } => self.look_up(source, by),
            Effect::MessageBegins => self.begin_message(),
            Effect::MessageSound(samples) => self.on_message(|message| message.sound(samples)),
            Effect::MessageQuiet(samples) => self.on_message(|message| message.quiet(samples)),
            Effect::MessageEnds => self.on_message(MessageRecording::end),
            Effect::ForgetMessage => self.message = None,
            Effect::ReadMessage { from, most } => self.read_message(from, most),
            Effect::KeepMessage { notify, keep, number } => self.keep(&notify, keep, number),
            Effect::JoinQueue { request, codec } => self.join_queue(*request, codec),
            Effect::LeaveQueue { by_key } => {
                let how = if by_key { Left::Key } else { Left::HungUp };
                if let Some(id) = self.waiting.take() {
                    self.shared.queue.leave(id, how);
                    self.waited_before = by_key.then_some(id);
                }
            }
            Effect::BookCallBack(request) => self.book_call_back(*request),
            Effect::CallBackEnded(end) => {
                if let (CallBackEnd::LineFailed, Some(invite)) = (end, &self.invite) {
                    self.sender.overloaded(invite);
                }
                if let Some((id, _)) = self.call_back {
                    self.shared.queue.call_back_ended(id, result_of(end));
                }
            }
            Effect::SendText { text } => self.send_text(text),
            Effect::PassKey(key) => {
                if let Some(id) = self.waiting {
                    self.shared.queue.key(id, key);
                }
            }
            Effect::Rated { queue, agent, score } => self.shared.queue.rated(queue, agent, score),
            Effect::Studio(request) => self.request(request),
            Effect::Over { record, slips } => {
                // A message that its caller did not finish is not kept.
                self.message = None;
                self.guard.over(*record, slips);
            }
            Effect::NewInvite { message, arrival } => self.rest.push((message, arrival)),
            Effect::Gone => {}
        }
        Ok(())
    }

    fn join_queue(&mut self, request: QueueRequest, codec: Option<Codec>) {
        let QueueRequest {
            queue,
            priority,
            skills,
            announce_every,
            wait_max,
            called_back,
            mut context,
            recording_announced,
        } = request;
        if let Some((_, passed)) = self.call_back.as_ref().filter(|_| called_back) {
            // What is known of this call wins.
            for (name, value) in passed {
                context.passed.entry(Arc::clone(name)).or_insert_with(|| value.clone());
            }
        }
        let (trunk, caller) =
            self.guard.caller().map_or((String::new(), None), |(trunk, caller)| (trunk.to_owned(), caller));
        let (tag, number, began) = (self.guard.tag.clone(), self.number.clone(), self.guard.started());
        // By the hash of a withheld number, earlier calls of the same person would be found.
        let caller = caller.filter(|_| number.is_some());
        let origin = CardOrigin { tag, trunk, caller, number, began };
        let link = CallerLink {
            priority,
            announce_every,
            music: hold_music(&self.live),
            recording_announced,
            card: Arc::new(CallerCard::new(&self.live, origin, context)),
            inbox: self.inbox().clone(),
            session: self.guard.session,
            codec,
            number: self.number.as_ref().map(|number| number.expose().clone()),
        };
        self.waiting = match self.call_back.as_ref().filter(|_| called_back) {
            Some((call_back, _)) => self.shared.queue.agreed(*call_back, link),
            None => {
                let join = Join { queue, priority, skills, announce_every, wait_max, place_of: None };
                self.shared.queue.join(join, self.waited_before.take(), link)
            }
        };
        if self.waiting.is_none() {
            insist(self.inbox(), Input::Queue(QueueNotice::Left(flow::QueueOutcome::NoAgents)));
        }
    }

    fn book_call_back(&mut self, request: CallBackRequest) {
        let CallBackRequest { queue, number, priority, skills, lang, passed } = request;
        let request = NewCallBack { queue, number, priority, skills, lang, passed, place_of: None };
        // The place in the queue that the caller has left by a key, or that has given the caller up.
        let before = self.waited_before.or(self.waiting);
        if !self.shared.queue.book_call_back(request, before, self.inbox().clone()) {
            insist(self.inbox(), Input::CallBackBooked(false));
        }
    }

    /// The call goes on when the message is stored, or refused; a carrier is not waited for.
    fn send_text(&self, text: Private<String>) {
        let (Some(sms), Some(number)) = (self.shared.services.sms.clone(), self.number.clone()) else {
            return insist(self.inbox(), Input::TextAccepted(false));
        };
        let (inbox, call) = (self.inbox().clone(), self.guard.tag.clone());
        tokio::spawn(async move {
            let accepted = sms.send(number.expose(), text.expose()).await;
            if let Err(refusal) = accepted {
                tracing::info!(%call, why = refusal.name(), "sms_refused");
            }
            let _ = inbox.send(Input::TextAccepted(accepted.is_ok())).await;
        });
    }

    /// Sends a message; the call is notified if it certainly did not go out.
    fn send(&mut self, outgoing: Outgoing) {
        if outgoing.is_invite_to_host() {
            self.invite = Some(outgoing.bytes.clone());
        }
        let inbox = self.inbox().clone();
        let message = outgoing.bytes.clone();
        self.sender.send(outgoing, move || {
            let _ = inbox.try_send(Input::Undelivered(message));
        });
    }

    fn inbox(&self) -> &mpsc::Sender<Input> {
        &self.guard.registration.inbox
    }

    fn observe(&mut self, telemetry: Telemetry) {
        let metrics = &self.shared.services.metrics;
        match telemetry {
            Telemetry::LineTestKey { key, source } => {
                let (call_id, key, via) = (&self.call_id, key.as_char(), source.name());
                tracing::info!("line test key call_id={call_id} key={key} via={via}");
            }
            Telemetry::KeyHeard(source) => metrics.keys.inc(source),
            Telemetry::TransferBegun => {
                if let Some((trunk, Some(caller))) = self.guard.caller() {
                    self.shared.transfer_begun(trunk, caller);
                }
            }
            Telemetry::Transferred(how) => metrics.transfers.inc(how.into()),
            Telemetry::Unreachable(method) => {
                tracing::warn!(call = %self.guard.tag, %method, "a request could not be delivered to the caller's side");
            }
            Telemetry::Answered(_) => self.answered = true,
            Telemetry::Fault { node, what } => {
                tracing::error!(call = %self.guard.tag, %node, what, "the flow met what its check should have found");
            }
        }
    }

    fn look_up(&self, source: Arc<str>, by: BTreeMap<Arc<str>, Private<String>>) {
        let shared = Arc::clone(&self.shared);
        let live = Arc::clone(&self.live);
        let inbox = self.inbox().clone();
        let caller = Some(self.caller);
        tokio::spawn(async move {
            let services = &shared.services;
            let asked = clock::now();
            let request = LookUpRequest { live: &live, source: &source, by: &by, caller };
            let (findings, result) = services.cases.look_up(request).await;
            services.metrics.look_ups.inc(Way::Phone, result);
            services.metrics.look_up_time.observe(clock::now() - asked);
            let _ = inbox.send(Input::LookedUp { findings: Box::new(findings), result }).await;
        });
    }

    /// A recording session that is gone, or does not keep up, cannot reply: the operator hears that the service is down.
    fn request(&self, request: StudioRequest) {
        if self.recording.as_ref().is_none_or(|session| session.try_send(request).is_err()) {
            tracing::error!(call = %self.guard.tag, "the studio cannot be reached by an operator's call");
            let _ = self.inbox().try_send(Input::Studio(Box::new(Reply::Down)));
        }
    }

    fn begin_message(&mut self) {
        self.message = None;
        let Some((trunk, caller)) = self.guard.caller() else { return };
        match self.shared.services.messages.begin(trunk, caller) {
            Ok(recording) => self.message = Some(recording),
            Err(limit) => {
                tracing::warn!(call = %self.guard.tag, limit = limit.name(), "no message can be left: a limit is reached");
                let _ = self.inbox().try_send(Input::MessageRefused);
            }
        }
    }

    fn on_message(&mut self, act: impl FnOnce(&mut MessageRecording)) {
        if let Some(message) = &mut self.message {
            act(message);
        }
    }

    fn read_message(&mut self, from: usize, most: usize) {
        let read = self.message.as_mut().and_then(|message| message.read(from, most));
        let inbox = self.inbox().clone();
        tokio::spawn(async move {
            let samples = match read {
                Some(read) => read.await.ok(),
                None => None,
            };
            let _ = inbox.send(Input::MessageRead { from, samples }).await;
        });
    }

    fn keep(&mut self, notify: &str, keep: Duration, number: Option<Private<String>>) {
        let recording = self.message.take();
        let shared = Arc::clone(&self.shared);
        let inbox = self.inbox().clone();
        let notify = notify.to_owned();
        let number = number.and_then(|number| seal_text(&self.shared.services.keys, number.expose()));
        tokio::spawn(async move {
            let services = &shared.services;
            let ticket = match recording {
                Some(recording) => recording.keep(notify, keep, number).await,
                None => None,
            };
            if ticket.is_none() {
                tracing::error!("a caller's message could not be kept");
            }
            let ticket = match services.cases {
                Cases::Copy(_) => ticket,
                Cases::Staged(_) => ticket.map(|_| TICKET.to_owned()),
            };
            let _ = inbox.send(Input::Ticket(ticket)).await;
        });
    }
}

/// What became of a request, as the queue names it.
fn result_of(end: CallBackEnd) -> CallBackResult {
    match end {
        CallBackEnd::Declined => CallBackResult::Cancelled,
        CallBackEnd::Busy => CallBackResult::Busy,
        CallBackEnd::NoAnswer => CallBackResult::NoAnswer,
        CallBackEnd::Machine => CallBackResult::Machine,
        CallBackEnd::Failed => CallBackResult::Failed,
        CallBackEnd::LineFailed => CallBackResult::LineFailed,
    }
}

/// Media events that wait for one call.
const MEDIA_QUEUE: usize = 64;
