//! Routes of the agents' API: method and name → [`AgentApi`], and who may use it.

use crate::RequestError;
use crate::studio::RequiredAccess;

/// A route of the agents' API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentApi {
    /// Name and password open a session.
    SignIn,
    /// The session of this browser ends.
    SignOut,
    /// The signed-in account.
    Me,
    /// Changes the account's password.
    Password,
    /// The reasons of pauses and of conversations, and the queues.
    Settings,
    /// What the agent does, the call, figures; waits for a change after the version that is named.
    State,
    /// What the caller did; the look is in the audit log.
    Card,
    /// Takes callers.
    Ready,
    /// Takes no callers, for a reason.
    Pause,
    /// Ends work.
    Stop,
    /// Does not answer the call that rings.
    Decline,
    /// Ends the conversation.
    HangUp,
    /// Lets the caller hear music, or ends that.
    Hold,
    /// Pauses the recording of the conversation, or goes on with it.
    PauseRecording,
    /// Lets the other side hear silence and not the agent, or ends that.
    Mute,
    /// Gives the caller to a queue, an agent or a number.
    Transfer,
    /// Asks an agent or a number about the caller, who hears music.
    Consult,
    /// Connects the caller with the one who was asked.
    Complete,
    /// Talks to the other one of both.
    Swap,
    /// Hangs up on the one who was asked, and talks to the caller.
    Back,
    /// Notes what the conversation was about.
    Note,
    /// Queues, agents and callers who wait; for supervisors, as are the next ones.
    Desk,
    /// Opens or closes a queue.
    Queue,
    /// Puts a waiting caller into another queue.
    Move,
    /// Changes what an agent does.
    Agent,
    /// Comes into the conversation of an agent, or does something else there.
    Monitor,
    /// Leaves the conversation of an agent.
    MonitorEnd,
    /// Changes the queues and skills of an agent.
    Duty,
    /// Withdraws a call-back request.
    CallBackCancel,
    /// The recorded conversations.
    Recordings,
    /// The sound of one; each listening is in the audit log.
    Recording,
}

/// Finds the route of a request; `name` is the path after `/agent/api/`.
///
/// # Errors
/// [`RequestError::NotFound`] for an unknown name, [`RequestError::Method`] for the wrong method.
pub fn agent_api(method: &str, name: &str) -> Result<AgentApi, RequestError> {
    let api = ALL.into_iter().find(|api| api.name() == name).ok_or(RequestError::NotFound)?;
    match (api.changes(), method) {
        (false, "GET" | "HEAD") | (true, "POST") => Ok(api),
        (false, _) => Err(RequestError::Method { allow: "GET, HEAD" }),
        (true, _) => Err(RequestError::Method { allow: "POST" }),
    }
}

impl AgentApi {
    /// The path after `/agent/api/`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Who may use it.
    pub fn who(self) -> RequiredAccess {
        if self == AgentApi::SignIn { RequiredAccess::Public } else { RequiredAccess::SignedIn }
    }

    /// Whether it changes something: its body is JSON, and it must come from the page.
    pub fn changes(self) -> bool {
        self.row().1
    }

    /// Whether only supervisors may use it.
    pub fn is_for_supervisors(self) -> bool {
        matches!(
            self,
            AgentApi::Desk
                | AgentApi::Queue
                | AgentApi::Move
                | AgentApi::Agent
                | AgentApi::Monitor
                | AgentApi::MonitorEnd
                | AgentApi::Duty
                | AgentApi::CallBackCancel
                | AgentApi::Recordings
                | AgentApi::Recording
        )
    }

    /// Whether a session whose password must be changed may use it.
    pub fn before_change(self) -> bool {
        matches!(self, AgentApi::Me | AgentApi::Password | AgentApi::SignOut)
    }

    fn row(self) -> (&'static str, bool) {
        match self {
            AgentApi::SignIn => ("sign-in", true),
            AgentApi::SignOut => ("sign-out", true),
            AgentApi::Me => ("me", false),
            AgentApi::Password => ("password", true),
            AgentApi::Settings => ("settings", false),
            AgentApi::State => ("state", false),
            AgentApi::Card => ("card", false),
            AgentApi::Ready => ("ready", true),
            AgentApi::Pause => ("pause", true),
            AgentApi::Stop => ("stop", true),
            AgentApi::Decline => ("decline", true),
            AgentApi::HangUp => ("hang-up", true),
            AgentApi::Hold => ("hold", true),
            AgentApi::Mute => ("mute", true),
            AgentApi::PauseRecording => ("pause-recording", true),
            AgentApi::Transfer => ("transfer", true),
            AgentApi::Consult => ("consult", true),
            AgentApi::Complete => ("complete", true),
            AgentApi::Swap => ("swap", true),
            AgentApi::Back => ("back", true),
            AgentApi::Note => ("note", true),
            AgentApi::Desk => ("desk", false),
            AgentApi::Queue => ("queue", true),
            AgentApi::Move => ("move", true),
            AgentApi::Agent => ("agent", true),
            AgentApi::Monitor => ("monitor", true),
            AgentApi::MonitorEnd => ("monitor-end", true),
            AgentApi::Duty => ("duty", true),
            AgentApi::CallBackCancel => ("call-back-cancel", true),
            AgentApi::Recordings => ("recordings", false),
            AgentApi::Recording => ("recording", false),
        }
    }
}

const ALL: [AgentApi; 31] = [
    AgentApi::SignIn,
    AgentApi::SignOut,
    AgentApi::Me,
    AgentApi::Password,
    AgentApi::Settings,
    AgentApi::State,
    AgentApi::Card,
    AgentApi::Ready,
    AgentApi::Pause,
    AgentApi::Stop,
    AgentApi::Decline,
    AgentApi::HangUp,
    AgentApi::Hold,
    AgentApi::Mute,
    AgentApi::PauseRecording,
    AgentApi::Transfer,
    AgentApi::Consult,
    AgentApi::Complete,
    AgentApi::Swap,
    AgentApi::Back,
    AgentApi::Note,
    AgentApi::Desk,
    AgentApi::Queue,
    AgentApi::Move,
    AgentApi::Agent,
    AgentApi::Monitor,
    AgentApi::MonitorEnd,
    AgentApi::Duty,
    AgentApi::CallBackCancel,
    AgentApi::Recordings,
    AgentApi::Recording,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_method_and_only_sign_in_needs_no_session() {
        for wanted in ALL {
            let (right, wrong) = if wanted.changes() { ("POST", "GET") } else { ("GET", "POST") };
            assert_eq!(agent_api(right, wanted.name()), Ok(wanted));
            assert!(matches!(agent_api(wrong, wanted.name()), Err(RequestError::Method { .. })), "{wanted:?}");
            assert_eq!(wanted.who() == RequiredAccess::Public, wanted == AgentApi::SignIn);
        }
        for nothing in ["", "state/", "../scan", "State", "telephone.js"] {
            assert_eq!(agent_api("GET", nothing), Err(RequestError::NotFound));
        }
    }
}
