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
    /// Gives the caller to a queue.
    Transfer,
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
    /// Changes the queues and skills of an agent.
    Duty,
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
                | AgentApi::Duty
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
            AgentApi::PauseRecording => ("pause-recording", true),
            AgentApi::Transfer => ("transfer", true),
            AgentApi::Note => ("note", true),
            AgentApi::Desk => ("desk", false),
            AgentApi::Queue => ("queue", true),
            AgentApi::Move => ("move", true),
            AgentApi::Agent => ("agent", true),
            AgentApi::Duty => ("duty", true),
            AgentApi::Recordings => ("recordings", false),
            AgentApi::Recording => ("recording", false),
        }
    }
}

const ALL: [AgentApi; 23] = [
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
    AgentApi::PauseRecording,
    AgentApi::Transfer,
    AgentApi::Note,
    AgentApi::Desk,
    AgentApi::Queue,
    AgentApi::Move,
    AgentApi::Agent,
    AgentApi::Duty,
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
