//! What is heard in a call, compared with what a sheet expects.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::parse::Expected;
use crate::conversation::{PromptId, SpokenLine, pause_before};
use crate::io::{PlayId, TransferOutcome};
use crate::model::Type;
use base::{Bilingual, Lang, bilingual};
use speech::{Clip, Piece, Value, estimated_length};

/// How long each recording plays.
pub type ClipLengths = Arc<dyn Fn(&Clip) -> Option<Duration> + Send + Sync>;

/// What happened in a call.
pub(super) enum Event {
    /// The lines of a menu are one event.
    Heard {
        heard: PromptId,
        lang: Lang,
        text: String,
        lines: Vec<SpokenLine>,
        play: PlayId,
    },
    Node(Arc<str>),
    /// A text message was sent.
    Text(String),
    /// How a transfer ended.
    Transferred(TransferOutcome),
    Ended,
}

/// When each line will have been heard, and when the play ends. The options of a menu are one line.
pub(super) fn schedule(
    now: Instant,
    play: PlayId,
    lines: &[SpokenLine],
    clips: Option<&ClipLengths>,
) -> (VecDeque<(Instant, Event)>, Instant) {
    let mut out: VecDeque<(Instant, Event)> = VecDeque::new();
    let mut at = now;
    for (nth, line) in lines.iter().enumerate() {
        let length = match clips {
            Some(clips) => {
                at += pause_before(lines, nth);
                recorded_length(clips, line)
            }
            None => estimated_length(line.lang, &line.text, &line.pieces),
        };
        let due = at + length.min(NOTICED);
        at += length;
        match (out.back_mut(), &line.prompt) {
            (Some((_, Event::Heard { heard, text, lines, .. })), PromptId::Menu(_)) if *heard == line.prompt => {
                if line.lang == Lang::En {
                    text.push(' ');
                }
                text.push_str(&line.text);
                lines.push(line.clone());
            }
            _ => {
                let (heard, text) = (line.prompt.clone(), line.text.clone());
                out.push_back((due, Event::Heard { heard, lang: line.lang, text, lines: vec![line.clone()], play }));
            }
        }
    }
    (out, at)
}

/// How long a line plays by its recordings; a message of the caller counts nothing. A line that is not wholly recorded is estimated.
fn recorded_length(clips: &ClipLengths, line: &SpokenLine) -> Duration {
    let lengths = line.pieces.iter().map(|piece| match piece {
        Piece::Clip(clip) => clips(clip),
        Piece::Silence(time) | Piece::Tone(time) | Piece::Ringing(time) => Some(*time),
        Piece::Message => Some(Duration::ZERO),
    });
    lengths.sum::<Option<Duration>>().unwrap_or_else(|| estimated_length(line.lang, &line.text, &line.pieces))
}

pub(super) fn is(event: &Event, said: &Expected) -> bool {
    let Event::Heard { heard, lang, text, .. } = event else { return false };
    let name = match heard {
        PromptId::Prompt(name) if !said.menu => name,
        PromptId::Menu(name) if said.menu => name,
        PromptId::Prompt(_) | PromptId::Menu(_) | PromptId::Sound => return false,
    };
    **name == *said.name
        && said.lang.is_none_or(|l| l == *lang)
        && said.words.iter().all(|word| text.contains(word.as_str()))
}

pub(super) fn shown(said: &Expected) -> Bilingual {
    let menu = if said.menu { "menu " } else { "" };
    let lang = said.lang.map(|lang| bilingual!(" in {}", "（{}）", lang.code())).unwrap_or_default();
    let words: String = said.words.iter().map(|word| format!(" {word:?}")).collect();
    let name = &said.name;
    bilingual!("to hear {menu}{name}{lang}{words}", "听到 {menu}{name}{lang:#}{words}")
}

pub(super) fn describe(event: &Event) -> String {
    match event {
        Event::Heard { heard: PromptId::Prompt(name), lang, text, .. } => {
            format!("hear {name} {} {text:?}", lang.code())
        }
        Event::Heard { heard: PromptId::Menu(name), lang, text, .. } => {
            format!("hear menu {name} {} {text:?}", lang.code())
        }
        Event::Heard { heard: PromptId::Sound, .. } => "a sound".into(),
        Event::Node(name) => format!("at_node {name}"),
        Event::Text(text) => format!("sms {text:?}"),
        Event::Transferred(outcome) => format!("transfer {outcome:?}").to_lowercase(),
        Event::Ended => "ended".into(),
    }
}

pub(super) fn value_of(kind: Option<Type>, text: &str) -> Option<Value> {
    Some(match kind {
        Some(Type::Date) => Value::Date(text.parse().ok()?),
        Some(Type::Time) => Value::Time(text.parse().ok()?),
        Some(Type::Digits) => Value::Digits { digits: text.into(), groups: Vec::new() },
        Some(Type::Count | Type::Number) => Value::Number(text.parse().ok()?),
        Some(Type::Money) => Value::Money(text.parse().ok()?),
        Some(Type::Enum(_)) | None if text.contains(',') => Value::Words(text.split(',').map(Into::into).collect()),
        Some(Type::Enum(_)) | None => Value::Word(text.into()),
    })
}

/// A line that is cut short earlier counts as not heard.
const NOTICED: Duration = Duration::from_millis(300);
