//! What a supervisor does to queues, waiting callers and agents; the agents whom it concerns read it on their pages.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::agent_states::{KeptAgent, KeptDesk};
use call::MonitorMode;
use queue::{AgentChange, AgentError, AgentFigures, AgentState, CallBackId, CallerId, NotReadyReason, Queues};

/// What a supervisor wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SupervisorCommand {
    /// Let callers join a queue.
    OpenQueue(Arc<str>),
    /// Let nobody join; those who wait are served.
    CloseQueue(Arc<str>),
    /// Put a waiting caller into another queue.
    MoveCaller {
        /// The caller's number in the figures.
        caller: u64,
        /// The queue's name.
        queue: Arc<str>,
    },
    /// Withdraw a call-back request: its number.
    CancelCallBack(u64),
    /// Change what an agent does.
    Agent {
        /// The agent's account.
        agent: String,
        /// The change.
        change: AgentChange,
    },
    /// Come into the conversation of an agent, or do something else there.
    Monitor {
        /// The agent's account.
        agent: String,
        /// What the supervisor does there.
        mode: MonitorMode,
    },
    /// Leave the conversation of an agent, which goes on.
    StopMonitoring {
        /// The agent's account.
        agent: String,
    },
}

/// Why a supervisor's request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SupervisorError {
    /// There is no such queue.
    #[error("there is no such queue")]
    UnknownQueue,
    /// The caller waits no longer.
    #[error("the caller waits no longer")]
    CallerGone,
    /// The call-back request does not wait.
    #[error("the request does not wait")]
    CallBackGone,
    /// The agent's change is refused.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent talks to no caller, or the supervisor is not at that conversation.
    #[error("there is no such conversation")]
    NoConversation,
    /// Another supervisor is at this conversation.
    #[error("another supervisor is at this conversation")]
    Monitored,
    /// The agent asks somebody about the caller.
    #[error("the agent asks somebody about the caller")]
    Consulting,
    /// The supervisor's telephone has a call.
    #[error("the supervisor's telephone has a call")]
    Engaged,
    /// This node could not call the supervisor's telephone, which may be in order.
    #[error("the supervisor's telephone could not be called")]
    NotCalled,
    /// The node shuts down.
    #[error("the node shuts down")]
    Draining,
    /// The queues are not served.
    #[error("the queues are not served")]
    NotServed,
}

/// What a supervisor did, on the page of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskNotice {
    /// `queue_opened`, `queue_closed`, `agent_ready`, `agent_pause`, `agent_sign_out`; of the agent's conversation
    /// `monitor_listen`, `monitor_whisper`, `monitor_barge`, `monitor_take_over`, `monitor_ended`, `monitor_consultation`; to the
    /// supervisor `monitor_no_answer`, `monitor_failed`, `monitor_consults`.
    pub what: &'static str,
    /// The queue's name, the reason of a pause, or to the supervisor the agent's account; empty: none.
    pub about: String,
    /// The supervisor's account.
    pub by: String,
}

impl SupervisorCommand {
    /// What the agents whom it concerns read.
    pub(super) fn notice(&self, by: &str) -> Option<DeskNotice> {
        let (what, about) = match self {
            SupervisorCommand::OpenQueue(queue) => ("queue_opened", queue.to_string()),
            SupervisorCommand::CloseQueue(queue) => ("queue_closed", queue.to_string()),
            // The agent is told of a supervisor once the supervisor's telephone was answered.
            SupervisorCommand::MoveCaller { .. }
            | SupervisorCommand::CancelCallBack(_)
            | SupervisorCommand::Monitor { .. }
            | SupervisorCommand::StopMonitoring { .. } => return None,
            SupervisorCommand::Agent { change: AgentChange::Pause(reason), .. } => ("agent_pause", reason.to_string()),
            SupervisorCommand::Agent { change: AgentChange::SignOut, .. } => ("agent_sign_out", String::new()),
            SupervisorCommand::Agent { .. } => ("agent_ready", String::new()),
        };
        Some(DeskNotice { what, about, by: by.to_owned() })
    }
}

/// Opens or closes a queue, or moves a caller. The rest is done by the caller of this function.
pub(super) fn supervise(queues: &mut Queues, now: Instant, command: &SupervisorCommand) -> Result<(), SupervisorError> {
    let known = |known: bool| if known { Ok(()) } else { Err(SupervisorError::UnknownQueue) };
    match command {
        SupervisorCommand::OpenQueue(queue) => known(queues.set_open(now, queue, true)),
        SupervisorCommand::CloseQueue(queue) => known(queues.set_open(now, queue, false)),
        SupervisorCommand::MoveCaller { caller, queue } => {
            known(queues.is_open(queue).is_some())?;
            let moved = queues.move_caller(now, CallerId(*caller), queue);
            if moved { Ok(()) } else { Err(SupervisorError::CallerGone) }
        }
        SupervisorCommand::CancelCallBack(id) => {
            let cancelled = queues.cancel_call_back(now, CallBackId(*id));
            if cancelled { Ok(()) } else { Err(SupervisorError::CallBackGone) }
        }
        SupervisorCommand::Agent { .. }
        | SupervisorCommand::Monitor { .. }
        | SupervisorCommand::StopMonitoring { .. } => Ok(()),
    }
}

/// Signs the agents of the last run in, and closes the queues that were closed.
pub(super) fn restore(queues: &mut Queues, now: Instant, kept: &KeptDesk, first_reason: Option<&Arc<str>>) {
    for queue in &kept.closed {
        queues.set_open(now, queue, false);
    }
    for (agent, KeptAgent { pause }) in &kept.agents {
        if queues.agent(now, agent, AgentChange::SignIn).is_err() {
            continue;
        }
        tracing::info!(agent, paused = pause.is_some(), "an agent of the last run is signed in");
        let Some(reason) = pause else { continue };
        // A reason that the settings have no longer, or none: the first one.
        if queues.agent(now, agent, AgentChange::Pause(reason.as_str().into())).is_err()
            && let Some(first) = first_reason
        {
            let _ = queues.agent(now, agent, AgentChange::Pause(Arc::clone(first)));
        }
    }
}

/// What is kept of these agents, and of the queues that are closed.
pub(super) fn kept(agents: &[AgentFigures], closed: BTreeSet<String>) -> KeptDesk {
    let signed_in = agents.iter().filter(|agent| agent.state != AgentState::SignedOut);
    let pause = |state: &AgentState| match state {
        AgentState::NotReady(NotReadyReason::Pause(reason)) => Some(reason.to_string()),
        AgentState::NotReady(NotReadyReason::NoAnswer | NotReadyReason::Declined) => Some(String::new()),
        AgentState::NotReady(NotReadyReason::PhoneFailed)
        | AgentState::SignedOut
        | AgentState::Ready
        | AgentState::Offered
        | AgentState::Reserved
        | AgentState::Talking
        | AgentState::WrapUp => None,
    };
    let agents = signed_in.map(|agent| (agent.agent.to_string(), KeptAgent { pause: pause(&agent.state) }));
    KeptDesk { agents: agents.collect(), closed, ..KeptDesk::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use os::clock;
    use queue::{AgentSettings, CallBackSettings, QueueSettings, Settings};

    fn office() -> Queues {
        let settings = Settings {
            queues: vec![QueueSettings::new("desk"), QueueSettings::new("second")],
            agents: Vec::new(),
            pauses: vec!["break".into(), "training".into()],
            call_backs: CallBackSettings::default(),
        };
        let mut queues = Queues::new(settings, clock::now(), 0).expect("sound");
        let agent = |name: &str| AgentSettings { name: name.into(), queues: vec!["desk".into()], skills: vec![] };
        queues.set_agents(clock::now(), &["li", "wang", "chen"].map(agent)).expect("sound");
        queues
    }

    fn kept_of(queues: &mut Queues) -> KeptDesk {
        let figures = queues.queue_figures(clock::now());
        let closed = figures.iter().filter(|queue| !queue.open).map(|queue| queue.queue.to_string()).collect();
        kept(&queues.agent_figures(clock::now()), closed)
    }

    #[test]
    fn who_was_signed_in_and_what_was_closed_is_so_after_a_restart() {
        let (mut before, now) = (office(), clock::now());
        for agent in ["li", "wang"] {
            before.agent(now, agent, AgentChange::SignIn).unwrap();
        }
        before.agent(now, "wang", AgentChange::Pause("training".into())).unwrap();
        supervise(&mut before, now, &SupervisorCommand::CloseQueue("second".into())).unwrap();
        let desk = kept_of(&mut before);
        let mut after = office();
        restore(&mut after, now, &desk, None);
        assert_eq!(kept_of(&mut after), desk);
        assert_eq!(desk.agents.keys().collect::<Vec<_>>(), ["li", "wang"]);
        assert_eq!(desk.agents["wang"].pause.as_deref(), Some("training"));
    }

    #[test]
    fn an_agent_who_left_is_not_signed_in_and_an_old_reason_is_the_first_one() {
        let desk = KeptDesk {
            agents: ["gone", "li"].map(|name| (name.into(), KeptAgent { pause: Some("tea".into()) })).into(),
            ..KeptDesk::default()
        };
        let mut queues = office();
        restore(&mut queues, clock::now(), &desk, Some(&"break".into()));
        let agents = kept_of(&mut queues).agents;
        assert_eq!((agents.len(), agents["li"].pause.as_deref()), (1, Some("break")));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let (mut queues, now) = (office(), clock::now());
        let closed = supervise(&mut queues, now, &SupervisorCommand::CloseQueue("third".into()));
        assert_eq!(closed, Err(SupervisorError::UnknownQueue));
        for (queue, error) in [("third", SupervisorError::UnknownQueue), ("second", SupervisorError::CallerGone)] {
            let moved = SupervisorCommand::MoveCaller { caller: 7, queue: queue.into() };
            assert_eq!(supervise(&mut queues, now, &moved), Err(error));
        }
    }
}
