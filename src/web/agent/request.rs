//! JSON bodies of the agents' API.

use serde::Deserialize;

use crate::RequestError;

/// `POST pause`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseBody {
    /// One of the settings' reasons; empty: the first.
    #[serde(default)]
    pub reason: String,
}

/// `POST decline`, `POST hang-up`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallBody {
    /// The call's number on the page.
    pub call: u64,
}

/// `POST hold`, `POST mute`, `POST pause-recording`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldBody {
    /// The call's number on the page.
    pub call: u64,
    /// `false` ends it.
    pub on: bool,
}

/// `POST transfer`: one of the three.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferBody {
    /// The call's number on the page.
    pub call: u64,
    /// A queue's name.
    pub queue: Option<String>,
    /// An agent's account.
    pub agent: Option<String>,
    /// A number outside, or an extension.
    pub number: Option<String>,
}

/// `POST consult`: one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsultBody {
    /// The call's number on the page.
    pub call: u64,
    /// An agent's account.
    pub agent: Option<String>,
    /// A number outside, or an extension.
    pub number: Option<String>,
}

/// Where a caller goes, or who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferTo {
    /// A queue's name.
    Queue(String),
    /// An agent's account.
    Agent(String),
    /// A number.
    Number(String),
}

impl TransferBody {
    /// The call's number on the page, and the one target.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn target(self) -> Result<(u64, TransferTo), RequestError> {
        let TransferBody { call, queue, agent, number } = self;
        Ok((call, one_target(queue, agent, number)?))
    }
}

impl ConsultBody {
    /// The call's number on the page, and the one target.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn target(self) -> Result<(u64, TransferTo), RequestError> {
        let ConsultBody { call, agent, number } = self;
        Ok((call, one_target(None, agent, number)?))
    }
}

fn one_target(
    queue: Option<String>,
    agent: Option<String>,
    number: Option<String>,
) -> Result<TransferTo, RequestError> {
    match (queue, agent, number) {
        (Some(queue), None, None) => Ok(TransferTo::Queue(queue)),
        (None, Some(agent), None) => Ok(TransferTo::Agent(agent)),
        (None, None, Some(number)) => Ok(TransferTo::Number(number)),
        _ => {
            Err(RequestError::Field { field: "agent", must: "must be the only target: a queue, an agent or a number" })
        }
    }
}

/// `POST note`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentNoteBody {
    /// The call's number on the page.
    pub call: u64,
    /// One of the settings' reasons; empty: none.
    #[serde(default)]
    pub reason: String,
    /// A short text.
    #[serde(default)]
    pub text: String,
}

/// `POST queue`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueBody {
    /// The queue's name.
    pub queue: String,
    /// Whether callers may join.
    pub open: bool,
}

/// `POST move`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveBody {
    /// The caller's number, from `GET desk`.
    pub caller: u64,
    /// The queue's name.
    pub queue: String,
}

/// `POST call-back-cancel`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallBackBody {
    /// The request's number, from `GET desk`.
    pub id: u64,
}

/// What a supervisor wants an agent to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WantedState {
    /// Takes callers.
    Ready,
    /// Takes no callers.
    Pause,
    /// Ends work.
    SignOut,
}

impl WantedState {
    /// The word in the body.
    pub fn name(self) -> &'static str {
        match self {
            WantedState::Ready => "ready",
            WantedState::Pause => "pause",
            WantedState::SignOut => "sign_out",
        }
    }
}

/// `POST agent`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentBody {
    /// The agent's account.
    pub agent: String,
    /// What the agent does next.
    #[serde(rename = "do")]
    pub wanted: WantedState,
    /// Of a pause; empty: the first of the settings.
    #[serde(default)]
    pub reason: String,
}

/// What a supervisor does at a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WantedMonitoring {
    /// Hears both, and is heard by neither.
    Listen,
    /// Is heard by the agent too.
    Whisper,
    /// Is heard by both.
    Barge,
    /// Talks to the caller in the agent's place.
    TakeOver,
}

impl WantedMonitoring {
    /// The word in the body.
    pub fn name(self) -> &'static str {
        match self {
            WantedMonitoring::Listen => "listen",
            WantedMonitoring::Whisper => "whisper",
            WantedMonitoring::Barge => "barge",
            WantedMonitoring::TakeOver => "take_over",
        }
    }
}

/// `POST monitor`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorBody {
    /// The account of the agent who talks.
    pub agent: String,
    /// What the supervisor does there.
    pub mode: WantedMonitoring,
}

/// `POST monitor-end`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorEndBody {
    /// The account of the agent who talks.
    pub agent: String,
}

/// `POST duty`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DutyBody {
    /// The agent's account.
    pub agent: String,
    /// The queues by name; none: every queue.
    pub queues: Vec<String>,
    /// What the agent can do.
    pub skills: Vec<String>,
}

macro_rules! read {
    ($($of:ty: $want:literal),+ $(,)?) => {
        $(impl $of {
            /// Reads the body. The error holds only its place: the text may quote what was sent.
            ///
            /// # Errors
            /// [`RequestError::Json`]
            pub fn read(body: &[u8]) -> Result<Self, RequestError> {
                serde_json::from_slice(body).map_err(|error| RequestError::Json {
                    line: error.line(),
                    column: error.column(),
                    want: $want,
                })
            }
        })+
    };
}

read! {
    PauseBody: r#"{"reason": "break"}"#,
    CallBody: r#"{"call": 7}"#,
    HoldBody: r#"{"call": 7, "on": true}"#,
    TransferBody: r#"{"call": 7, "queue": "desk"}"#,
    ConsultBody: r#"{"call": 7, "agent": "li"}"#,
    AgentNoteBody: r#"{"call": 7, "reason": "progress", "text": "..."}"#,
    QueueBody: r#"{"queue": "desk", "open": true}"#,
    CallBackBody: r#"{"id": 1764457200000000}"#,
    MoveBody: r#"{"caller": 7, "queue": "desk"}"#,
    AgentBody: r#"{"agent": "li", "do": "pause", "reason": "break"}"#,
    MonitorBody: r#"{"agent": "li", "mode": "listen"}"#,
    MonitorEndBody: r#"{"agent": "li"}"#,
    DutyBody: r#"{"agent": "li", "queues": ["desk"], "skills": ["en"]}"#,
}

/// A note of at most 200 characters in one line, without the digits of receipts, documents and telephones: of five and more in a row,
/// or in groups with one separator between them, the last four stay.
pub fn without_numbers(text: &str) -> String {
    let mut kept = String::new();
    // Digits, each with the separator before it.
    let mut run: Vec<(Option<char>, char)> = Vec::new();
    let mut separator = None;
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    for c in plain.take(NOTE_CHARS_MAX) {
        if c.is_numeric() {
            run.push((separator.take(), c));
        } else if is_separator(c) && separator.is_none() && !run.is_empty() {
            separator = Some(c);
        } else {
            end_run(&mut kept, &mut run);
            kept.extend(separator.take());
            kept.push(c);
        }
    }
    end_run(&mut kept, &mut run);
    kept.extend(separator);
    kept
}

/// Writes the digits of a number, or what may stay of them.
fn end_run(kept: &mut String, run: &mut Vec<(Option<char>, char)>) {
    let from = run.len().saturating_sub(DIGITS_KEPT);
    if from > 0 {
        kept.push('…');
        kept.extend(run.drain(..).skip(from).map(|(_, digit)| digit));
    } else {
        run.drain(..).for_each(|(separator, digit)| kept.extend(separator.into_iter().chain([digit])));
    }
}

/// What people write between the groups of a number.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || "-‐‑–—−.·/_()（）－．／".contains(c)
}

const NOTE_CHARS_MAX: usize = 200;
const DIGITS_KEPT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_keeps_no_number() {
        for (text, kept) in [
            ("", ""),
            ("  asked for the hall  ", "asked for the hall"),
            ("回执 442026112400018，下周再来", "回执 …0018，下周再来"),
            ("1234 and 12345", "1234 and …2345"),
            ("ends in １３８００１３８０００", "ends in …８０００"),
            ("two\nlines", "two lines"),
            ("回执 4420 2611 2400 018，已查", "回执 …0018，已查"),
            ("138-0013-8000", "…8000"),
            ("(021) 6234 5678", "(021) …5678"),
            ("came at 9:00, back at 10:30", "came at 9:00, back at 10:30"),
            ("floor 3, room 12 - 14", "floor 3, room 12 - 14"),
            ("born 1980-01-31", "born …0131"),
            ("hall 2 ", "hall 2"),
        ] {
            assert_eq!(without_numbers(text), kept);
        }
        assert_eq!(without_numbers(&"x".repeat(500)).chars().count(), NOTE_CHARS_MAX);
    }

    #[test]
    fn bodies_are_read_and_unknown_fields_are_refused() {
        assert_eq!(PauseBody::read(b"{}").unwrap().reason, "");
        assert_eq!(CallBody::read(br#"{"call":7}"#).unwrap().call, 7);
        assert!(CallBody::read(br#"{"call":7,"agent":"wang"}"#).is_err());
        for mode in
            [WantedMonitoring::Listen, WantedMonitoring::Whisper, WantedMonitoring::Barge, WantedMonitoring::TakeOver]
        {
            let body = format!(r#"{{"agent":"li","mode":"{}"}}"#, mode.name());
            assert_eq!(MonitorBody::read(body.as_bytes()).unwrap().mode, mode);
        }
        assert!(MonitorBody::read(br#"{"agent":"li","mode":"record"}"#).is_err());
        let target = |body: &[u8]| TransferBody::read(body).unwrap().target();
        assert_eq!(target(br#"{"call":7,"agent":"li"}"#), Ok((7, TransferTo::Agent("li".into()))));
        for body in [r#"{"call":7}"#, r#"{"call":7,"agent":"li","number":"801"}"#] {
            assert!(matches!(target(body.as_bytes()), Err(RequestError::Field { .. })), "{body}");
        }
        assert!(ConsultBody::read(br#"{"call":7,"queue":"desk"}"#).is_err(), "a queue is not asked");
        let problem = AgentNoteBody::read(br#"{"call":7,"text":["442026112400018"]}"#).unwrap_err();
        assert!(!format!("{problem} {problem:?}").contains("4420"), "{problem}");
    }
}
