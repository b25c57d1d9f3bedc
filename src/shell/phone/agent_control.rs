//! `jindu agent …` beside a serving node: its agents and queues are asked for, and changed, over `<data>/agents.sock`.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::queue_handle::{QueueHandle, QueueStatus, name_of, reason_of};
use super::supervision::{SupervisorCommand, SupervisorError};
use base::{Bilingual, bilingual};
use os::control::{self, ControlListener};
use queue::{AgentChange, AgentError, AgentFigures, AgentState, QueueFigures};

/// What is asked of the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum AgentRequest {
    /// Everything.
    List,
    /// The agent takes callers.
    Ready {
        /// The account's name.
        agent: String,
    },
    /// The agent pauses; without a reason for the first of the settings.
    Pause {
        /// The account's name.
        agent: String,
        /// One of the settings' reasons.
        reason: Option<String>,
    },
    /// A queue is opened or closed.
    SetQueue {
        /// Its name.
        queue: String,
        /// Whether callers may join.
        open: bool,
    },
    /// The agent ends work.
    SignOut {
        /// The account's name.
        agent: String,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Done(AgentsStatus),
    Refused(Bilingual),
}

/// The agents and queues of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentsStatus {
    /// Each agent, by name.
    pub agents: Vec<AgentLine>,
    /// Each queue, in the order of the settings.
    pub queues: Vec<QueueLine>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentLine {
    /// The account's name.
    pub name: String,
    /// What the agent does.
    pub state: String,
    /// Why the agent is not ready.
    pub reason: Option<String>,
    /// For how long, in seconds.
    pub for_s: u64,
    /// Offers of the day: all, answered, missed.
    pub offered: u64,
    /// Answered.
    pub answered: u64,
    /// Not answered, or declined.
    pub missed: u64,
    /// Scores of the day of callers who talked to the agent last: satisfied, fair, not satisfied.
    #[serde(default)]
    pub ratings: [u64; 3],
    /// The telephone: [`super::TelephoneState::name`].
    #[serde(default)]
    pub telephone: Option<String>,
    /// What the agent serves, and where the telephone is; the command adds it from the accounts.
    #[serde(default)]
    pub duty: Option<AgentDutyLine>,
}

/// What an agent serves, by the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentDutyLine {
    /// The number of the account, which the telephone registers with.
    pub number: String,
    /// The queues; none: every one.
    pub queues: Vec<String>,
    /// What the agent can do.
    pub skills: Vec<String>,
    /// The SIP address of the telephone; none: the registered one.
    pub address: Option<String>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueLine {
    /// Its name.
    pub name: String,
    /// Callers who wait.
    pub waiting: usize,
    /// How long the first of them has waited, in seconds.
    pub longest_wait_s: u64,
    /// Callers of the day who were connected.
    pub answered: u64,
    /// Those within the time of the service level.
    pub answered_in_time: u64,
    /// Callers who hung up while they waited.
    pub abandoned: u64,
    /// Its agents who wait for a caller.
    #[serde(default)]
    pub ready: usize,
    /// Its agents whose telephone rings or is about to.
    #[serde(default)]
    pub ringing: usize,
    /// Its agents in a conversation.
    #[serde(default)]
    pub talking: usize,
    /// Its agents who write notes.
    #[serde(default)]
    pub wrap_up: usize,
    /// Its agents who are signed in and take no callers.
    #[serde(default)]
    pub paused: usize,
    /// Its lines to a call centre elsewhere.
    #[serde(default)]
    pub lines: usize,
    /// Those of them that ring, or on which somebody talks.
    #[serde(default)]
    pub lines_busy: usize,
    /// Those that rest, since the call centre took no caller.
    #[serde(default)]
    pub lines_resting: usize,
    /// Scores of the day: satisfied, fair, not satisfied.
    #[serde(default)]
    pub ratings: [u64; 3],
    /// Whether callers may join.
    #[serde(default)]
    pub open: bool,
}

/// Answers commands until the listener is dropped. The caller holds the lock of the data folder.
///
/// # Errors
/// The socket cannot be opened.
pub fn listen(folder: &Path, queue: QueueHandle) -> io::Result<ControlListener> {
    ControlListener::start(folder, NAME, move |request: io::Result<AgentRequest>| {
        let change = |agent: String, change| {
            if !queue.is_served() {
                return Err(NO_QUEUE);
            }
            queue.change_blocking(agent, change).map_err(AgentError::text)
        };
        let unread = |error: io::Error| Bilingual::from(error.to_string());
        let done = request.map_err(unread).and_then(|request| match request {
            AgentRequest::List => Ok(()),
            AgentRequest::Ready { agent } => change(agent, AgentChange::Ready),
            AgentRequest::Pause { agent, reason } => {
                change(agent, AgentChange::Pause(reason.unwrap_or_default().into()))
            }
            AgentRequest::SetQueue { queue: name, open } => {
                let name = name.as_str().into();
                let command =
                    if open { SupervisorCommand::OpenQueue(name) } else { SupervisorCommand::CloseQueue(name) };
                queue.supervise_blocking(BY.into(), command).map_err(refused)
            }
            AgentRequest::SignOut { agent } => change(agent, AgentChange::SignOut),
        });
        match done {
            Ok(()) => {
                let status = queue.status();
                let agents = status.agents.iter().map(|agent| AgentLine::of(agent, &status)).collect();
                Reply::Done(AgentsStatus { agents, queues: status.queues.iter().map(QueueLine::of).collect() })
            }
            Err(why) => Reply::Refused(why),
        }
    })
}

/// Asks the node that serves from a data folder; `None` where none does.
///
/// # Errors
/// A node serves and refuses, or does not answer.
pub fn ask(folder: &Path, request: &AgentRequest) -> Result<Option<AgentsStatus>, Bilingual> {
    let failed = |error: io::Error| {
        let folder = folder.display();
        bilingual!("{folder}: the serving node does not answer: {error}", "{folder}：运行中的节点没有应答：{error}")
    };
    if !folder.exists() {
        return Ok(None);
    }
    match control::send_request(folder, NAME, request).map_err(failed)? {
        Some(Reply::Done(status)) => Ok(Some(status)),
        Some(Reply::Refused(why)) => Err(why),
        None => Ok(None),
    }
}

impl AgentLine {
    fn of(figures: &AgentFigures, status: &QueueStatus) -> AgentLine {
        AgentLine {
            name: figures.agent.to_string(),
            state: name_of(&figures.state).to_owned(),
            reason: reason_of(&figures.state),
            for_s: figures.for_so_long.as_secs(),
            offered: figures.offered,
            answered: figures.answered,
            missed: figures.missed,
            ratings: figures.ratings,
            telephone: status.telephones.get(&figures.agent).map(|state| state.name().to_owned()),
            duty: None,
        }
    }
}

impl QueueLine {
    fn of(figures: &QueueFigures) -> QueueLine {
        let agents = |fits: fn(&AgentState) -> bool| {
            figures.agents.iter().filter(|(state, _)| fits(state)).map(|(_, count)| count).sum()
        };
        QueueLine {
            name: figures.queue.to_string(),
            waiting: figures.waiting,
            longest_wait_s: figures.longest_wait.as_secs(),
            answered: figures.answered,
            answered_in_time: figures.answered_in_time,
            abandoned: figures.abandoned,
            ready: agents(|state| matches!(state, AgentState::Ready)),
            ringing: agents(|state| matches!(state, AgentState::Offered | AgentState::Reserved)),
            talking: agents(|state| matches!(state, AgentState::Talking)),
            wrap_up: agents(|state| matches!(state, AgentState::WrapUp)),
            paused: agents(|state| matches!(state, AgentState::NotReady(_))),
            lines: figures.lines.all,
            lines_busy: figures.lines.busy,
            lines_resting: figures.lines.resting,
            ratings: figures.ratings,
            open: figures.open,
        }
    }
}

fn refused(error: SupervisorError) -> Bilingual {
    match error {
        SupervisorError::UnknownQueue => Bilingual::fixed(
            "there is no such queue: jindu queue list shows all",
            "没有这个队列：jindu queue list 列出全部队列",
        ),
        SupervisorError::NotServed => NO_QUEUE,
        other => other.to_string().into(),
    }
}

/// Who changed a queue, on the pages of agents.
const BY: &str = "command line";
const NO_QUEUE: Bilingual = Bilingual::fixed(
    "this node has no queue: the settings need a table [[queue]], and agents a studio folder that can be read (see the log)",
    "本节点没有队列：设置中须有 [[queue]] 表，且账号库可读（见日志）",
);
const NAME: &str = "agents.sock";
