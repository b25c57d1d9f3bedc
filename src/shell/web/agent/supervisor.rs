//! What a supervisor sees and does. Each action is noted in the audit log before it is done.

use serde::Serialize;

use super::state::{CallBack, Day, Queue};
use super::{AgentService, Done, refused};
use crate::reply::Reply;
use crate::studio::account;
use crate::studio::replies::json;
use phone::{
    MonitorMode, MonitoredConversation, SupervisorCommand, SupervisorError, agent_state_name, agent_state_reason,
};
use queue::{AgentChange, AgentFigures};
use studio_store::AgentDuty;
use web::RequestError;
use web::agent::{
    AgentApi, AgentBody, CallBackBody, DutyBody, MonitorBody, MonitorEndBody, MoveBody, QueueBody, WantedMonitoring,
    WantedState,
};
use web::studio::{Message, StudioError};

#[derive(Serialize)]
struct Desk {
    agents: Vec<Agent>,
    queues: Vec<Queue>,
    waiting: Vec<Waiting>,
    call_backs: Vec<CallBack>,
}

#[derive(Serialize)]
struct Agent {
    name: String,
    state: &'static str,
    reason: Option<String>,
    for_s: u64,
    skills: Vec<String>,
    day: Day,
    /// The supervisor at the agent's conversation; none: there is none.
    monitor: Option<Monitor>,
}

#[derive(Serialize)]
struct Monitor {
    by: String,
    mode: &'static str,
    /// The supervisor's telephone rings.
    rings: bool,
}

#[derive(Serialize)]
struct Waiting {
    caller: u64,
    queue: String,
    waited_s: u64,
    lang: Option<&'static str>,
}

impl AgentService {
    pub(super) fn desk(&self) -> Reply {
        let status = self.queue.status();
        let waiting = status.waiting.iter().map(|waiting| Waiting {
            caller: waiting.caller,
            queue: waiting.queue.to_string(),
            waited_s: waiting.waited.as_secs(),
            lang: waiting.lang.map(base::Lang::code),
        });
        json(&Desk {
            agents: status.agents.iter().map(|agent| Agent::of(agent, &status.monitored)).collect(),
            queues: status.queues.iter().map(Queue::of).collect(),
            waiting: waiting.collect(),
            call_backs: status.requests.iter().map(CallBack::of).collect(),
        })
    }

    pub(super) async fn supervise(&self, api: AgentApi, by: String, body: &[u8]) -> Result<Reply, StudioError> {
        let (what, who, about, command) = match api {
            AgentApi::Queue => {
                let QueueBody { queue, open } = QueueBody::read(body)?;
                let what = if open { "queue_opened" } else { "queue_closed" };
                let name = queue.as_str().into();
                let command =
                    if open { SupervisorCommand::OpenQueue(name) } else { SupervisorCommand::CloseQueue(name) };
                (what, by.clone(), queue, command)
            }
            AgentApi::Move => {
                let MoveBody { caller, queue } = MoveBody::read(body)?;
                let command = SupervisorCommand::MoveCaller { caller, queue: queue.as_str().into() };
                ("caller_moved", by.clone(), queue, command)
            }
            AgentApi::CallBackCancel => {
                let CallBackBody { id } = CallBackBody::read(body)?;
                ("call_back_cancelled", by.clone(), id.to_string(), SupervisorCommand::CancelCallBack(id))
            }
            AgentApi::Agent => {
                let AgentBody { agent, wanted, reason } = AgentBody::read(body)?;
                let change = match wanted {
                    WantedState::Ready => AgentChange::Ready,
                    WantedState::Pause => AgentChange::Pause(reason.into()),
                    WantedState::SignOut => AgentChange::SignOut,
                };
                ("agent_state", agent.clone(), wanted.name().to_owned(), SupervisorCommand::Agent { agent, change })
            }
            AgentApi::Monitor => {
                let MonitorBody { agent, mode: wanted } = MonitorBody::read(body)?;
                let mode = match wanted {
                    WantedMonitoring::Listen => MonitorMode::Listen,
                    WantedMonitoring::Whisper => MonitorMode::Whisper,
                    WantedMonitoring::Barge => MonitorMode::Barge,
                    WantedMonitoring::TakeOver => MonitorMode::TakeOver,
                };
                ("monitor", agent.clone(), wanted.name().to_owned(), SupervisorCommand::Monitor { agent, mode })
            }
            AgentApi::MonitorEnd => {
                let MonitorEndBody { agent } = MonitorEndBody::read(body)?;
                ("monitor", agent.clone(), "end".to_owned(), SupervisorCommand::StopMonitoring { agent })
            }
            AgentApi::Duty => return self.set_duty(by, DutyBody::read(body)?).await,
            _ => return Err(RequestError::NotFound.into()),
        };
        let noted = by.clone();
        self.studio
            .blocking(move |stores| stores.accounts.note_desk(what, &who, &noted, &about).map_err(account::trouble))
            .await?;
        self.queue.supervise(by, command).await.map_err(not_done)?;
        Ok(json(&Done { done: true }))
    }

    /// What an agent serves is in the account, which the queues read again within seconds.
    async fn set_duty(&self, by: String, body: DutyBody) -> Result<Reply, StudioError> {
        let DutyBody { agent, queues, skills } = body;
        let known = self.queue.status();
        if let Some(unknown) = queues.iter().find(|name| known.queues.iter().all(|queue| *queue.queue != ***name)) {
            tracing::debug!(queue = unknown, "a supervisor named an unknown queue");
            return Err(not_done(SupervisorError::UnknownQueue));
        }
        self.studio
            .blocking(move |stores| {
                let agents = stores.accounts.agents().map_err(account::trouble)?;
                let found = agents.into_iter().find(|account| account.name == agent);
                let address = found.ok_or_else(|| refused(queue::AgentError::Unknown))?.duty.address;
                let duty = AgentDuty { queues, skills, address };
                stores.accounts.set_agent(&agent, &duty, &by).map_err(account::trouble)?;
                Ok(json(&Done { done: true }))
            })
            .await
    }
}

impl Agent {
    fn of(figures: &AgentFigures, monitored: &[MonitoredConversation]) -> Agent {
        let monitor = monitored.iter().find(|monitored| monitored.agent == figures.agent);
        Agent {
            name: figures.agent.to_string(),
            state: agent_state_name(&figures.state),
            reason: agent_state_reason(&figures.state),
            for_s: figures.for_so_long.as_secs(),
            skills: figures.skills.iter().map(ToString::to_string).collect(),
            day: Day::of(figures),
            monitor: monitor.map(|MonitoredConversation { by, mode, rings, .. }| Monitor {
                by: by.to_string(),
                mode: mode.name(),
                rings: *rings,
            }),
        }
    }
}

fn not_done(error: SupervisorError) -> StudioError {
    let (code, zh, en) = match error {
        SupervisorError::Agent(error) => return refused(error),
        SupervisorError::NoConversation => ("no_conversation", "该坐席没有通话。", "This agent talks to no caller."),
        SupervisorError::Monitored => {
            ("monitored", "已有其他班长介入这一通话。", "Another supervisor is at this conversation.")
        }
        SupervisorError::Consulting => (
            "consulting",
            "该坐席正在咨询他人，请稍后再试。",
            "The agent is asking somebody about the caller: try again when that is over.",
        ),
        SupervisorError::Engaged => {
            ("engaged", "您的话机已在通话：请先结束。", "Your telephone has a call: end that first.")
        }
        SupervisorError::NotCalled => (
            "not_called",
            "节点暂时无法呼叫您的话机，请稍后再试。",
            "The node could not call your telephone: try again in some seconds.",
        ),
        SupervisorError::Draining => (
            "draining",
            "节点即将停止，不再介入新的通话。",
            "The node shuts down: no further conversation can be monitored.",
        ),
        SupervisorError::UnknownQueue => ("no_queue", "没有这个队列。", "There is no such queue."),
        SupervisorError::CallerGone => ("no_caller", "该来电人已不在等候。", "This caller waits no longer."),
        SupervisorError::CallBackGone => {
            ("no_call_back", "该回电已不在等待。", "This call-back does not wait any more.")
        }
        SupervisorError::NotServed => {
            ("away", "本节点未启用队列；请联系系统管理员。", "This node serves no queues; ask the administrator.")
        }
    };
    StudioError::Refused { status: 409, code, words: Message { zh: zh.into(), en: en.into() } }
}
