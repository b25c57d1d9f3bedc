//! What an agent's page shows, as JSON.

use serde::Serialize;

use phone::{
    AgentPage, CallStage, DeskNotice, PageCall, PageMonitor, QueueStatus, WaitingCallBack, agent_state_name,
    agent_state_reason,
};
use queue::{AgentFigures, AgentState, QueueFigures};

/// The state of an agent.
#[derive(Serialize)]
pub(super) struct State {
    version: u64,
    /// None: the account is no agent's.
    state: Option<&'static str>,
    reason: Option<String>,
    for_s: u64,
    call: Option<Call>,
    day: Option<Day>,
    queues: Vec<Queue>,
    colleagues: Vec<Colleague>,
    call_backs: Vec<CallBack>,
    notice: Option<Notice>,
    /// Another one for each notice.
    notice_number: u64,
}

#[derive(Serialize)]
struct Call {
    call: u64,
    stage: &'static str,
    queue: String,
    waited_s: u64,
    /// For how long it is in this stage.
    for_s: u64,
    lang: Option<&'static str>,
    can_note: bool,
    held: bool,
    /// The supervisor at this conversation; none: there is none.
    monitor: Option<Monitor>,
    /// `on`, `paused` or `off`.
    recording: &'static str,
    muted: bool,
    consultation: Option<Consultation>,
    /// The agent who asks this one about the caller.
    asked_by: Option<String>,
}

#[derive(Serialize)]
struct Monitor {
    by: String,
    mode: &'static str,
}

/// Somebody whom the agent asks about the caller.
#[derive(Serialize)]
struct Consultation {
    with: String,
    stage: &'static str,
    in_progress: bool,
}

/// A call-back request that waits.
#[derive(Serialize)]
pub(super) struct CallBack {
    id: u64,
    queue: String,
    /// The last four digits.
    number: String,
    lang: Option<&'static str>,
    since: String,
    attempts: u8,
    /// The next call is not before.
    not_before: String,
    /// `waiting`, `calling`.
    state: &'static str,
}

/// Another agent who is signed in.
#[derive(Serialize)]
struct Colleague {
    name: String,
    state: &'static str,
}

#[derive(Serialize)]
struct Notice {
    what: &'static str,
    about: String,
    by: String,
}

/// An agent's figures of the day.
#[derive(Serialize)]
pub(super) struct Day {
    offered: u64,
    answered: u64,
    missed: u64,
    talking_s: u64,
    wrap_up_s: u64,
    ready_s: u64,
    not_ready_s: u64,
    ratings: Ratings,
}

/// Scores of the day.
#[derive(Serialize)]
struct Ratings {
    satisfied: u64,
    fair: u64,
    not_satisfied: u64,
}

impl Ratings {
    fn of([satisfied, fair, not_satisfied]: [u64; 3]) -> Ratings {
        Ratings { satisfied, fair, not_satisfied }
    }
}

/// A queue's figures of the day.
#[derive(Serialize)]
pub(super) struct Queue {
    name: String,
    open: bool,
    waiting: usize,
    longest_wait_s: u64,
    answered: u64,
    abandoned: u64,
    /// From 0 to 1.
    service_level: Option<f64>,
    agents_ready: usize,
    agents_talking: usize,
    agents_signed_in: usize,
    ratings: Ratings,
}

impl State {
    pub(super) fn of(agent: &str, page: &AgentPage, status: &QueueStatus) -> State {
        let figures = status.agents.iter().find(|figures| *figures.agent == *agent);
        State {
            version: page.version,
            state: figures.map(|figures| agent_state_name(&figures.state)),
            reason: figures.and_then(|figures| agent_state_reason(&figures.state)),
            for_s: figures.map_or(0, |figures| figures.for_so_long.as_secs()),
            call: page.call.as_ref().map(Call::of),
            day: figures.map(Day::of),
            queues: status.queues.iter().map(Queue::of).collect(),
            colleagues: colleagues(agent, status),
            call_backs: status.requests.iter().map(CallBack::of).collect(),
            notice_number: page.notice_number,
            notice: page.notice.as_ref().map(|DeskNotice { what, about, by }| Notice {
                what,
                about: about.clone(),
                by: by.clone(),
            }),
        }
    }
}

/// The other agents who are signed in, those who are ready first.
fn colleagues(agent: &str, status: &QueueStatus) -> Vec<Colleague> {
    let others = status.agents.iter().filter(|other| *other.agent != *agent && other.state != AgentState::SignedOut);
    let (ready, rest): (Vec<&AgentFigures>, Vec<&AgentFigures>) =
        others.partition(|other| other.state == AgentState::Ready);
    let colleague =
        |other: &AgentFigures| Colleague { name: other.agent.to_string(), state: agent_state_name(&other.state) };
    ready.into_iter().chain(rest).map(colleague).collect()
}

impl Call {
    fn of(call: &PageCall) -> Call {
        let since = os::clock::timestamp().duration_since(call.since).as_secs();
        Call {
            call: call.id,
            stage: call.stage.name(),
            queue: call.queue.to_string(),
            waited_s: call.waited.as_secs(),
            for_s: u64::try_from(since).unwrap_or(0),
            lang: call.card.lang.map(base::Lang::code),
            can_note: call.stage != CallStage::Ringing,
            held: call.held,
            recording: call.recording.name(),
            monitor: call
                .monitor
                .as_ref()
                .map(|PageMonitor { by, mode }| Monitor { by: by.to_string(), mode: mode.name() }),
            muted: call.muted,
            consultation: call.consultation.as_ref().map(|consultation| Consultation {
                with: consultation.with.to_string(),
                stage: consultation.stage.name(),
                in_progress: consultation.stage.is_in_progress(),
            }),
            asked_by: call.asked_by.as_ref().map(ToString::to_string),
        }
    }
}

impl CallBack {
    pub(super) fn of(request: &WaitingCallBack) -> CallBack {
        CallBack {
            id: request.id,
            queue: request.queue.to_string(),
            number: request.number.clone(),
            lang: request.lang.map(base::Lang::code),
            since: request.since.to_string(),
            attempts: request.attempts,
            not_before: request.not_before.to_string(),
            state: if request.is_called { "calling" } else { "waiting" },
        }
    }
}

impl Day {
    pub(super) fn of(figures: &AgentFigures) -> Day {
        Day {
            offered: figures.offered,
            answered: figures.answered,
            missed: figures.missed,
            talking_s: figures.talking.as_secs(),
            wrap_up_s: figures.wrap_up.as_secs(),
            ready_s: figures.ready.as_secs(),
            not_ready_s: figures.not_ready.as_secs(),
            ratings: Ratings::of(figures.ratings),
        }
    }
}

impl Queue {
    pub(super) fn of(figures: &QueueFigures) -> Queue {
        let agents = |of: &dyn Fn(&AgentState) -> bool| {
            figures.agents.iter().filter(|(state, _)| of(state)).map(|(_, count)| count).sum()
        };
        Queue {
            name: figures.queue.to_string(),
            open: figures.open,
            waiting: figures.waiting,
            longest_wait_s: figures.longest_wait.as_secs(),
            answered: figures.answered,
            abandoned: figures.abandoned,
            service_level: figures.service_level,
            agents_ready: agents(&|state| *state == AgentState::Ready),
            agents_talking: agents(&|state| *state == AgentState::Talking),
            agents_signed_in: agents(&|state| *state != AgentState::SignedOut),
            ratings: Ratings::of(figures.ratings),
        }
    }
}
