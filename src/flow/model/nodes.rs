//! The twelve kinds of node.

use std::sync::Arc;
use std::time::Duration;

use super::target::{Go, Prompt, When};
use base::Key;

/// One step of a call.
#[derive(Clone, Debug)]
pub struct Node {
    /// Unique in the flow: the journal and call sheets name it.
    pub name: Arc<str>,
    /// Where its table stands.
    pub line: u32,
    /// What it does.
    pub kind: Kind,
}

/// The twelve kinds of node.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Offers keys.
    Menu(Menu),
    /// Collects an entry of digits.
    Ask(Ask),
    /// Speaks and goes on.
    Say(Say),
    /// Asks a data source about what was entered.
    Lookup(Lookup),
    /// Goes on by the value of a variable.
    Switch(Switch),
    /// Goes on by the hours of a calendar.
    Hours(Hours),
    /// Waits for an agent.
    Queue(Queue),
    /// Transfers to a telephone number.
    Transfer(Transfer),
    /// Takes a message.
    Record(Record),
    /// Asks for a score.
    Rate(Rate),
    /// Sends a text message.
    Sms(Sms),
    /// Books a call back.
    Callback(Callback),
}

/// How a question waits for keys, and what it does about no-input and no-match.
#[derive(Clone, Debug)]
pub struct InputPolicy {
    /// A key cuts the prompt short.
    pub barge_in: bool,
    /// Keys pressed before the question answer it.
    pub type_ahead: bool,
    /// How long the first key may take, from the end of the prompt.
    pub first_key: Duration,
    /// How long each further key may take.
    pub next_key: Duration,
    /// Said on the first, second, … no-input: no key in time.
    pub no_input: Vec<Prompt>,
    /// Said on the first, second, … no-match: a wrong key or entry.
    pub no_match: Vec<Prompt>,
    /// Where the call goes after the last no-match, and after the last no-input without `silent_end`.
    pub give_up: Go,
    /// Where the call goes after the last no-input; absent: `give_up`.
    pub silent_end: Option<Go>,
}

impl InputPolicy {
    /// Where the call goes after the last no-input.
    pub fn after_silence(&self) -> &Go {
        self.silent_end.as_ref().unwrap_or(&self.give_up)
    }
}

/// A key and where it leads.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The key.
    pub key: Key,
    /// The words it is offered with: `progress`, `doc.passport`. Absent: it works, and is not read out.
    pub opt: Option<Arc<str>>,
    /// Variables that it sets, and their values.
    pub set: Vec<(Arc<str>, Arc<str>)>,
    /// Where it leads.
    pub go: Go,
    /// When it is offered and works; absent: always. Of several choices with one key, the first that holds counts.
    pub when: Option<When>,
    /// What follows is read out slowly, until the next question.
    pub slow: bool,
    /// It is meant to do something else than the key of `[defaults]`.
    pub differs: bool,
    /// It comes from `[defaults]`.
    pub inherited: bool,
    /// Where it is written.
    pub line: u32,
}

/// `[menu.…]`: the caller chooses a key.
#[derive(Clone, Debug)]
pub struct Menu {
    /// Said before the options.
    pub say: Vec<Prompt>,
    /// Each option that sets a language is read in that language.
    pub native: bool,
    /// `@home` leads here.
    pub home: bool,
    /// How it waits.
    pub manner: InputPolicy,
    /// Its keys, and the inherited ones that it does not use itself.
    pub choices: Vec<Choice>,
}

/// How long an entry may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many keys, both bounds included.
    Digits {
        /// The fewest.
        min: u8,
        /// The most: with it the entry is complete.
        max: u8,
    },
    /// As the receipt formats of the settings say.
    Receipt,
}

/// `[ask.…]`: the caller types digits.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The question.
    pub say: Vec<Prompt>,
    /// The variable that takes the entry.
    pub store: Arc<str>,
    /// How long it is.
    pub length: Length,
    /// The key that ends it.
    pub end: Option<Key>,
    /// The key that deletes what was typed.
    pub erase: Option<Key>,
    /// What star types: `X`, the last character of some identity numbers.
    pub star_is: Option<char>,
    /// The entry is never spoken nor passed on.
    pub secret: bool,
    /// The entry may be scanned instead at a kiosk.
    pub scan: bool,
    /// Said when the length is wrong; absent: what `wrong` says.
    pub wrong_length: Option<Prompt>,
    /// Said when the number cannot be a receipt number; absent: what `wrong` says.
    pub wrong_number: Option<Prompt>,
    /// Where an entry leads.
    pub next: Go,
    /// Keys that lead elsewhere while nothing has been typed.
    pub choices: Vec<Choice>,
    /// How it waits.
    pub manner: InputPolicy,
}

/// `[say.…]`: words without a question.
#[derive(Clone, Debug)]
pub struct Say {
    /// The prompts, in order.
    pub say: Vec<Prompt>,
    /// A key cuts them short.
    pub barge_in: bool,
    /// Where the call goes after them.
    pub next: Go,
}

/// The prompt that fills the wait for a look-up.
#[derive(Clone, Debug)]
pub struct Filler {
    /// The wait before it is said first.
    pub after: Duration,
    /// The wait before it is said again.
    pub every: Duration,
    /// The prompt.
    pub say: Prompt,
}

/// What follows from the age of an answer.
#[derive(Clone, Debug)]
pub struct AgePolicy {
    /// An older answer is preceded by `say`.
    pub tell_after: Option<Duration>,
    /// The prompt that announces the age.
    pub say: Option<Prompt>,
    /// An older answer is refused.
    pub refuse_after: Option<Duration>,
    /// Where it leads; absent: as if the source were down.
    pub refuse: Option<Go>,
}

/// `[lookup.…]`: a question to a data source.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The source's name: `progress`.
    pub source: Arc<str>,
    /// The variables that the query sends.
    pub by: Vec<Arc<str>>,
    /// The prefix of the variables that it gives: `case` for `case.status`.
    pub gives: Arc<str>,
    /// Said while it takes its time.
    pub filler: Option<Filler>,
    /// Without an answer within this time the source counts as unavailable.
    pub give_up_after: Duration,
    /// What an old answer leads to.
    pub stale: AgePolicy,
    /// After so many look-ups in a call that found nothing, the call goes here.
    pub tries: Option<(u32, Go)>,
    /// One record fits.
    pub found: Go,
    /// No record fits.
    pub none: Go,
    /// More than one record fits, or the caller has failed too often.
    pub ambiguous: Go,
    /// The source does not answer.
    pub down: Go,
}

/// `[switch.…]`: goes on by a value.
#[derive(Clone, Debug)]
pub struct Switch {
    /// The variable.
    pub of: Arc<str>,
    /// Each of its values, and where it leads.
    pub arms: Vec<(Arc<str>, Go)>,
}

/// `[hours.…]`: goes on by the clock.
#[derive(Clone, Debug)]
pub struct Hours {
    /// The calendar's name, or a family `hall_{case.hall}`.
    pub calendar: Prompt,
    /// Within its hours.
    pub open: Go,
    /// Outside its hours.
    pub closed: Go,
    /// On one of its holidays.
    pub holiday: Go,
}

/// `[queue.…]`: waits for an agent.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Said on entering.
    pub say: Vec<Prompt>,
    /// The queue's name in the settings.
    pub queue: Arc<str>,
    /// Callers of a higher priority come first.
    pub priority: u8,
    /// What the agent must be able to do: `visa`, or `{lang}` for what a variable holds.
    pub skills: Vec<Arc<str>>,
    /// The pieces of music that play meanwhile, in order and again from the start; `hold.a` is the recording `music.hold.a`.
    pub music: Vec<Arc<str>>,
    /// Said every so often: the position and the estimated wait.
    pub tell: Option<(Duration, Vec<Prompt>)>,
    /// Said once after this time: what else the caller can do.
    pub hint: Option<(Duration, Prompt)>,
    /// Said when the node shuts down while the caller waits.
    pub draining: Option<Prompt>,
    /// Variables that the agent is shown.
    pub pass: Vec<Arc<str>>,
    /// The longest wait.
    pub max_wait: Duration,
    /// Keys that work meanwhile.
    pub choices: Vec<Choice>,
    /// An agent has served the caller.
    pub ended: Go,
    /// The queue is full.
    pub full: Go,
    /// The longest wait is over.
    pub timeout: Go,
    /// No agent is on duty, or the node has no such queue.
    pub no_agents: Go,
    /// The queue is closed.
    pub closed: Go,
}

/// `[transfer.…]`: hands the call over to a telephone.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Said before it.
    pub say: Vec<Prompt>,
    /// The address by its name in the settings: `desk`.
    pub to: Arc<str>,
    /// How long it may ring.
    pub timeout: Duration,
    /// The caller hears a ringing tone until the other side answers.
    pub ringback: bool,
    /// The other side has taken the call, and it is over.
    pub done: Go,
    /// The other side is busy.
    pub busy: Go,
    /// The other side cannot be reached.
    pub failed: Go,
}

/// Whether a caller may hear a message again before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    /// The message is kept when it ends.
    No,
    /// 1 sends, 2 plays, 3 records again; with words that say so.
    Yes(Option<Prompt>),
}

/// `[record.…]`: the caller leaves a message.
#[derive(Clone, Debug)]
pub struct Record {
    /// Said before the beep.
    pub say: Vec<Prompt>,
    /// Whether there is a beep.
    pub beep: bool,
    /// The longest message.
    pub max: Duration,
    /// The key that ends it.
    pub stop: Key,
    /// Whether the caller may review it.
    pub review: Review,
    /// Asks whether the calling number may be kept with the message; absent: it is not kept.
    pub number: Option<Prompt>,
    /// How long it is kept.
    pub keep: Duration,
    /// Which department it is for.
    pub notify: Arc<str>,
    /// The variable that takes its ticket number.
    pub gives: Option<Arc<str>>,
    /// Inherited keys, which work before the beep and after the take.
    pub choices: Vec<Choice>,
    /// It is kept.
    pub saved: Go,
    /// Nothing was spoken, or it could not be kept.
    pub empty: Go,
}

/// `[rate.…]`: the caller gives a score.
#[derive(Clone, Debug)]
pub struct Rate {
    /// The question.
    pub say: Vec<Prompt>,
    /// The variable that takes the score.
    pub store: Arc<str>,
    /// The digit that praises most.
    pub best: u8,
    /// The digit that praises least.
    pub worst: u8,
    /// Scores from this one to `worst` lead elsewhere.
    pub low: Option<(u8, Go)>,
    /// Where a score leads.
    pub next: Go,
    /// Where no-input leads.
    pub skip: Go,
    /// How it waits.
    pub manner: InputPolicy,
    /// Inherited keys that are no scores.
    pub choices: Vec<Choice>,
}

/// `[sms.…]`: sends the caller a text message: the template's words, and then the result of a look-up, where one is named.
#[derive(Clone, Debug)]
pub struct Sms {
    /// The words, by the name of the script's entry: `[sms.progress_result]`.
    pub template: Prompt,
    /// What the look-up gives whose result is in the message; none: the template's words are the whole message.
    pub result: Option<Arc<str>>,
    /// It is accepted for sending.
    pub sent: Go,
    /// It cannot be accepted: the node sends none, the number may get none, a limit is reached.
    pub failed: Go,
}

/// `[callback.…]`: books a call back. A caller who comes from a queue keeps the place.
#[derive(Clone, Debug)]
pub struct Callback {
    /// The queue's name in the settings.
    pub queue: Arc<str>,
    /// Whom to call: `caller` for the calling number, or the variable of an `ask`.
    pub number: Arc<str>,
    /// As in [`Queue`].
    pub priority: u8,
    /// As in [`Queue`].
    pub skills: Vec<Arc<str>>,
    /// Variables that the agent is shown.
    pub pass: Vec<Arc<str>>,
    /// Said when it is booked.
    pub say: Vec<Prompt>,
    /// It is booked.
    pub booked: Go,
    /// It cannot be booked.
    pub failed: Go,
}
