//! The answer at a kiosk: the words that the telephone would say, for a screen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::DateTime;

use super::check::reaches_a_person;
use super::conversation::{Conversation, Medium};
use super::io::{Caller, Facts, Input, LookUpAnswer, Output, WallClock};
use super::model::{Kind, Target};
use super::release::Release;
use base::Lang;
use speech::Utterance;

/// A look-up's result for a screen.
#[derive(Clone, Debug)]
pub enum ScreenAnswer {
    /// One record fits.
    Found {
        /// What it says, fitted to the flow's variables.
        facts: Facts,
        /// How old the replica was when it was read.
        age: Duration,
    },
    /// Nothing that may be shown fits.
    NotFound,
    /// The replica could not be read.
    Unavailable,
}

/// Walks from the first look-up's outcome to the next question and returns what is said on the way, one utterance for
/// each prompt. `local` is the local time at `now`. Empty if the flow has no look-up.
pub fn answer(release: &Arc<Release>, lang: Lang, told: ScreenAnswer, local: DateTime, now: Instant) -> Vec<Utterance> {
    walk(release, lang, told, (local, now), Medium::Screen)
}

/// The same in the words that a caller hears, where a screen shows others.
pub fn heard_answer(
    release: &Arc<Release>,
    lang: Lang,
    told: ScreenAnswer,
    local: DateTime,
    now: Instant,
) -> Vec<Utterance> {
    walk(release, lang, told, (local, now), Medium::Call)
}

fn walk(
    release: &Arc<Release>,
    lang: Lang,
    told: ScreenAnswer,
    (local, now): (DateTime, Instant),
    medium: Medium,
) -> Vec<Utterance> {
    let Some(node) = release.flow.nodes.iter().find(|node| matches!(node.kind, Kind::Lookup(_))) else {
        return Vec::new();
    };
    let clock = WallClock { at: now, civil: local };
    let mut talk = Conversation::new(release.clone(), Caller::default(), clock, false, now);
    talk.await_answer(now, node, lang, medium);
    let outputs = talk.handle_input(now, Input::LookedUp(findings(told)));
    said_from(&mut talk, outputs, now)
}

/// What is said from where a conversation stands to the next question.
pub(crate) fn told_from(talk: &mut Conversation, now: Instant) -> Vec<Utterance> {
    let outputs = talk.take_outputs();
    said_from(talk, outputs, now)
}

fn said_from(talk: &mut Conversation, mut outputs: Vec<Output>, now: Instant) -> Vec<Utterance> {
    let release = Arc::clone(talk.release());
    let medium = talk.medium();
    let mut said = Vec::new();
    while outputs.iter().all(|output| tells(&release, output, medium)) {
        let Some((id, lines)) = talk.playing() else { break };
        said.extend(lines.iter().map(|line| Utterance { pieces: line.pieces.clone(), text: line.text.clone() }));
        if talk.next().is_none_or(|next| leaves(&release, next, medium)) {
            break;
        }
        outputs = talk.handle_input(now, Input::Played(id));
    }
    said
}

impl From<LookUpAnswer> for ScreenAnswer {
    fn from(findings: LookUpAnswer) -> ScreenAnswer {
        match findings {
            LookUpAnswer::Found { facts, age } => ScreenAnswer::Found { facts, age },
            LookUpAnswer::NotFound | LookUpAnswer::Ambiguous => ScreenAnswer::NotFound,
            LookUpAnswer::Unavailable => ScreenAnswer::Unavailable,
        }
    }
}

fn findings(told: ScreenAnswer) -> LookUpAnswer {
    match told {
        ScreenAnswer::Found { facts, age } => LookUpAnswer::Found { facts, age },
        ScreenAnswer::NotFound => LookUpAnswer::NotFound,
        ScreenAnswer::Unavailable => LookUpAnswer::Unavailable,
    }
}

/// Whether an output belongs to the answer. A screen shows nothing of what a call does next.
fn tells(release: &Release, output: &Output, medium: Medium) -> bool {
    match output {
        Output::Step { node } => release.flow.node(node).is_some_and(|node| passes(release, &node.kind, medium)),
        Output::Play { .. } | Output::Stop | Output::Lang(_) | Output::InputError { .. } | Output::Rated { .. } => true,
        Output::LookUp { .. }
        | Output::Transfer { .. }
        | Output::EnterQueue { .. }
        | Output::LeaveQueue
        | Output::BookCallBack { .. }
        | Output::DeclineCallBack
        | Output::RecordingAnnounced
        | Output::SendText { .. }
        | Output::Record { .. }
        | Output::StopRecording
        | Output::SaveRecording { .. }
        | Output::Fault { .. }
        | Output::HangUp => false,
    }
}

/// Whether a node belongs to the answer: it asks the caller nothing, and leads to no person. What opening hours are now is of no
/// use in a message.
fn passes(release: &Release, kind: &Kind, medium: Medium) -> bool {
    match kind {
        Kind::Say(_) | Kind::Switch(_) => true,
        Kind::Hours(_) if medium == Medium::Message => false,
        Kind::Hours(hours) => !reaches_a_person(&release.flow, &hours.open.target),
        Kind::Menu(_)
        | Kind::Ask(_)
        | Kind::Lookup(_)
        | Kind::Queue(_)
        | Kind::Transfer(_)
        | Kind::Record(_)
        | Kind::Rate(_)
        | Kind::Sms(_)
        | Kind::Callback(_) => false,
    }
}

fn leaves(release: &Release, next: &Target, medium: Medium) -> bool {
    match next {
        Target::Node(name) => release.flow.node(name).is_none_or(|node| !passes(release, &node.kind, medium)),
        Target::End | Target::Home | Target::Back | Target::Repeat => true,
    }
}
