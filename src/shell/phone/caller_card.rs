//! What an agent sees of a caller: what the caller did, in words, and what the copy holds of the case, as the caller hears it.
//!
//! A card is made when the caller begins to wait, travels with the caller, and is given to the agent who is offered the caller
//! or talks to the caller. No log line holds a part of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use jiff::civil::Date;

use super::live_release::LiveRelease;
use base::{Lang, Private};
use call::{CallerContext, LastInquiry};
use flow::{LookUpAnswer, past_steps};
use inquiry::LookUpResult;
use os::clock;
use speech::Value;

/// A text in the languages of the agents' page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentWords {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// What an agent sees of a caller.
#[derive(Clone, Debug, Default)]
pub struct CallerCard {
    /// Stands for the call in its record; none where the node has no key for tags.
    pub tag: Option<String>,
    /// The trunk that the caller came by.
    pub trunk: String,
    /// The keyed hash of the calling number; none: it is withheld.
    pub caller: Option<u64>,
    /// The calling number, as the agent's telephone shows it; none: it is withheld.
    pub number: Option<Private<String>>,
    /// The language of the call.
    pub lang: Option<Lang>,
    /// This node called the person, who had asked to be called back.
    pub called_back: bool,
    /// The caller's way through the menus.
    pub way: Vec<CardStep>,
    /// The variables that the flow passes on.
    pub passed: BTreeMap<Arc<str>, Private<String>>,
    /// The last look-up that was answered.
    pub inquiry: Option<CardInquiry>,
    /// When earlier calls of the day began: since midnight, and before this call.
    pub earlier: Range<Timestamp>,
}

/// One step of a caller's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardStep {
    /// The node that it led to.
    pub node: String,
    /// The key that was pressed, where a key led there.
    pub key: Option<char>,
    /// What the key was offered with; empty where it was offered with nothing.
    pub words: AgentWords,
    /// It led to a person, without a question between.
    pub person: bool,
}

/// A look-up, and what the caller heard of it.
#[derive(Clone, Debug)]
pub struct CardInquiry {
    /// The receipt number as keyed in.
    pub receipt: Option<Private<String>>,
    /// How the look-up ended. Found: number and second factor fit.
    pub result: LookUpResult,
    /// What is disclosed of the case.
    pub case: Option<Private<CardCase>>,
}

/// What is disclosed of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardCase {
    /// The stage's code.
    pub stage: String,
    /// The stage in words.
    pub stage_words: AgentWords,
    /// What is applied for, in words.
    pub document: Option<AgentWords>,
    /// By when it is expected.
    pub expected: Option<Date>,
    /// Whether the limit is near or over.
    pub limit: Option<LimitWarning>,
    /// What the caller hears, by language.
    pub heard: BTreeMap<Lang, String>,
    /// When the copy had this state from the upstream.
    pub as_of: Timestamp,
}

/// How near a case is to its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitWarning {
    /// The day is at most [`NEAR_DAYS`] away.
    Near,
    /// The day is past.
    Over,
}

impl LimitWarning {
    /// The word on the page.
    pub fn name(self) -> &'static str {
        match self {
            LimitWarning::Near => "near",
            LimitWarning::Over => "over",
        }
    }
}

/// What a card is made of beside the caller's actions.
pub(crate) struct CardOrigin {
    pub tag: String,
    pub trunk: String,
    pub caller: Option<u64>,
    pub number: Option<Private<String>>,
    /// When the call began.
    pub began: Timestamp,
}

impl CallerCard {
    /// The card of a caller, in the words of the release that the call began with.
    pub(crate) fn new(live: &LiveRelease, origin: CardOrigin, context: CallerContext) -> CallerCard {
        let CardOrigin { tag, trunk, caller, number, began } = origin;
        let CallerContext { lang, path, passed, inquiry } = context;
        let inquiry = inquiry.map(|inquiry| card_inquiry(live, &inquiry, lang));
        let way = way(live, &path);
        let first = path.first().map(|node| &**node);
        let called_back = first.is_some() && first == live.release.flow.called_back_node();
        let tag = Some(tag).filter(|tag| tag != NO_TAG);
        let midnight = clock::local(&live.zone).date().to_zoned_datetime(live.zone.clone());
        let midnight = midnight.map_or(began, |midnight| midnight.timestamp());
        CallerCard { tag, trunk, caller, number, lang, called_back, way, passed, inquiry, earlier: midnight..began }
    }
}

/// The keys that were pressed in menus, and where they led.
fn way(live: &LiveRelease, path: &[Arc<str>]) -> Vec<CardStep> {
    let joined = path.iter().map(|node| &**node).collect::<Vec<_>>().join(",");
    let steps = past_steps(Some(&live.release.flow), &joined).into_iter().filter_map(|step| {
        let (key, offered) = step.chosen?;
        let words = offered.map(|offered| words(live, &format!("opt.{offered}"))).unwrap_or_default();
        let person = live.release.flow.leads_to_a_person(&step.node);
        Some(CardStep { node: step.node, key: Some(key.as_char()), words, person })
    });
    let steps: Vec<CardStep> = steps.collect();
    steps[steps.len().saturating_sub(STEPS_SHOWN)..].to_vec()
}

/// The words of an entry of the script.
fn words(live: &LiveRelease, path: &str) -> AgentWords {
    let entry = live.release.script.entry(path);
    let of = |lang| entry.and_then(|entry| entry.plain(lang)).unwrap_or_default().to_owned();
    AgentWords { zh: of(Lang::Zh), en: of(Lang::En) }
}

fn card_inquiry(live: &LiveRelease, inquiry: &LastInquiry, lang: Option<Lang>) -> CardInquiry {
    let LastInquiry { by, result, answer, at } = inquiry;
    let case = match answer.expose() {
        LookUpAnswer::Found { facts, age } => {
            let now = clock::now();
            let since = now.saturating_duration_since(*at).saturating_add(*age);
            let as_of = clock::timestamp().checked_sub(since).unwrap_or(Timestamp::MIN);
            let stage = word(facts.get("status"));
            let document = facts.get("doc").map(|document| word(Some(document)));
            let expected = match facts.get("by") {
                Some(Value::Date(date)) => Some(*date),
                Some(_) | None => None,
            };
            let is_over = word(facts.get("promise")) == "over";
            Some(CardCase {
                stage_words: words(live, &format!("opt.case_status.{stage}")),
                document: document.map(|document| words(live, &format!("opt.doc.{document}"))),
                limit: limit(is_over, expected, clock::local(&live.zone).date()),
                expected,
                stage,
                heard: heard(live, answer.expose(), lang, now),
                as_of,
            })
        }
        LookUpAnswer::NotFound | LookUpAnswer::Ambiguous | LookUpAnswer::Unavailable => None,
    };
    CardInquiry { receipt: by.get(RECEIPT).cloned(), result: *result, case: case.map(Private::new) }
}

fn word(value: Option<&Value>) -> String {
    match value {
        Some(Value::Word(word)) => word.to_string(),
        Some(_) | None => String::new(),
    }
}

fn limit(is_over: bool, expected: Option<Date>, today: Date) -> Option<LimitWarning> {
    if is_over {
        return Some(LimitWarning::Over);
    }
    let left = (expected? - today).get_days();
    (left <= NEAR_DAYS).then_some(if left < 0 { LimitWarning::Over } else { LimitWarning::Near })
}

/// What the telephone says of an answer: in the languages of the page, and in the caller's.
fn heard(live: &LiveRelease, answer: &LookUpAnswer, lang: Option<Lang>, now: Instant) -> BTreeMap<Lang, String> {
    let local = clock::local(&live.zone);
    let langs = [Some(Lang::Zh), Some(Lang::En), lang].into_iter().flatten();
    let text = |lang| {
        let said = flow::heard_answer(&live.release, lang, answer.clone().into(), local, now);
        let texts: Vec<&str> = said.iter().map(|said| said.text.as_str()).filter(|text| !text.is_empty()).collect();
        (lang, texts.join(if lang == Lang::En { " " } else { "" }))
    };
    langs.filter(|lang| live.release.flow.langs.contains(lang)).map(text).collect()
}

/// The flow's name of the receipt number.
const RECEIPT: &str = "receipt";
/// What [`base::tag`] gives where there is no key for tags.
const NO_TAG: &str = "~";
/// A day this near is warned of.
const NEAR_DAYS: i32 = 2;
/// The last steps of a longer way.
const STEPS_SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_limit_is_near_two_days_before_and_over_after_it() {
        let today = date(2026, 11, 27);
        assert_eq!(limit(true, None, today), Some(LimitWarning::Over));
        assert_eq!(limit(false, None, today), None);
        for (day, expected) in [
            (date(2026, 11, 26), Some(LimitWarning::Over)),
            (date(2026, 11, 27), Some(LimitWarning::Near)),
            (date(2026, 11, 29), Some(LimitWarning::Near)),
            (date(2026, 11, 30), None),
            (date(2027, 1, 4), None),
        ] {
            assert_eq!(limit(false, Some(day), today), expected, "{day}");
        }
    }

    #[test]
    fn a_card_prints_nothing_that_names_a_person() {
        let secret = |text: &str| Private::new(text.to_owned());
        let card = CallerCard {
            number: Some(secret("13800138000")),
            passed: BTreeMap::from([("receipt".into(), secret("442026112400018"))]),
            inquiry: Some(CardInquiry {
                receipt: Some(secret("442026112400018")),
                result: LookUpResult::Found,
                case: Some(Private::new(CardCase {
                    stage: "ready".into(),
                    stage_words: AgentWords::default(),
                    document: None,
                    expected: None,
                    limit: None,
                    heard: BTreeMap::new(),
                    as_of: Timestamp::UNIX_EPOCH,
                })),
            }),
            ..CallerCard::default()
        };
        let printed = format!("{card:?}");
        assert!(!printed.contains("138") && !printed.contains("4420") && !printed.contains("ready"), "{printed}");
    }
}
