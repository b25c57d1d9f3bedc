//! The caller's card as JSON. Each look at it is noted before it is shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::AgentService;
use crate::reply::Reply;
use crate::studio::account;
use crate::studio::replies::json;
use crate::studio::service::Asked;
use base::{Lang, Private};
use journal::NoteOfCall;
use os::clock;
use phone::{AgentWords, CallerCard, CardCase, CardInquiry};
use web::RequestError;
use web::studio::{Message, StudioError};

#[derive(Serialize)]
struct Card {
    call: u64,
    lang: Option<&'static str>,
    /// None: it is withheld.
    number: Option<String>,
    /// The person had asked to be called back.
    called_back: bool,
    way: Vec<Step>,
    receipt: Option<String>,
    /// Number and second factor fit.
    verified: bool,
    /// How the last look-up ended; none: there was none.
    result: Option<&'static str>,
    /// A receipt number that was keyed in after it, and is not verified.
    keyed: Option<String>,
    case: Option<Case>,
    /// What else the flow passes on.
    passed: BTreeMap<String, String>,
    earlier: Vec<Earlier>,
    /// What other agents have noted of this call.
    notes: Vec<Note>,
}

#[derive(Serialize)]
struct Note {
    agent: String,
    reason: Option<String>,
    text: String,
}

#[derive(Serialize)]
struct Step {
    key: Option<char>,
    node: String,
    words: Message,
    person: bool,
}

#[derive(Serialize)]
struct Case {
    stage: String,
    stage_words: Message,
    document: Option<Message>,
    expected: Option<String>,
    limit: Option<&'static str>,
    heard: BTreeMap<&'static str, String>,
    as_of: String,
    age_s: i64,
}

#[derive(Serialize)]
struct Earlier {
    at: String,
    outcome: String,
    queue_outcome: Option<String>,
    agent: Option<String>,
    reason: Option<String>,
    /// What agents noted of it.
    note: Option<String>,
}

impl AgentService {
    pub(super) async fn card(&self, asked: Asked) -> Result<Reply, StudioError> {
        let Asked { session, origin, query } = asked;
        let agent = session.operator.name;
        let id = query.get("call").and_then(|call| call.parse().ok());
        let id = id.ok_or(RequestError::Field { field: "call", must: "must be the number of a call" })?;
        let card = self.call(&agent, id)?.card;
        let about = format!("{} {}", origin.address, about(&card));
        let journal = std::sync::Arc::clone(&self.journal);
        let (shown, earlier) = (std::sync::Arc::clone(&card), async move {
            self.studio
                .blocking(move |stores| {
                    stores.accounts.note_desk("look", &agent, "", &about).map_err(account::trouble)?;
                    let of = |caller| journal.earlier_calls(&card.trunk, caller, &card.earlier);
                    let notes = card.tag.as_deref().map(|tag| journal.notes(tag)).unwrap_or_default();
                    let others = notes.into_iter().filter(|note| note.agent != agent);
                    Ok((card.caller.map(of).unwrap_or_default(), others.collect::<Vec<_>>()))
                })
                .await
        });
        let (earlier, notes) = earlier.await?;
        let notes = notes.into_iter().map(|NoteOfCall { agent, reason, text }| Note { agent, reason, text });
        let earlier = earlier.into_iter().map(|call| Earlier {
            at: call.started.to_string(),
            outcome: call.outcome,
            queue_outcome: call.queue_outcome,
            agent: call.agent,
            reason: call.reason,
            note: call.note,
        });
        Ok(json(&Card::of(id, &shown, earlier.collect(), notes.collect())))
    }
}

/// Which call and case, for the audit log: of a receipt the last four.
fn about(card: &CallerCard) -> String {
    let call = card.tag.as_deref().unwrap_or("-");
    let receipt = card.inquiry.as_ref().and_then(|inquiry| inquiry.receipt.as_ref());
    match receipt.map(|receipt| receipt.expose().as_str()) {
        Some(receipt) => {
            format!("call={call} receipt=…{}", receipt.get(receipt.len().saturating_sub(4)..).unwrap_or(""))
        }
        None => format!("call={call}"),
    }
}

impl Card {
    fn of(call: u64, card: &CallerCard, earlier: Vec<Earlier>, notes: Vec<Note>) -> Card {
        let shown = |value: &Private<String>| value.expose().clone();
        let inquiry = card.inquiry.as_ref();
        let receipt = inquiry.and_then(|inquiry| inquiry.receipt.as_ref()).map(shown);
        let keyed = card.passed.get(RECEIPT).map(shown).filter(|keyed| Some(keyed) != receipt.as_ref());
        let case = inquiry.and_then(|CardInquiry { case, .. }| case.as_ref());
        let is_other = |name: &str| ![RECEIPT, "lang", "case"].contains(&name) && !name.starts_with("case.");
        let passed = card.passed.iter().filter(|(name, _)| is_other(name));
        Card {
            call,
            lang: card.lang.map(Lang::code),
            number: card.number.as_ref().map(shown),
            called_back: card.called_back,
            way: card
                .way
                .iter()
                .map(|step| Step {
                    key: step.key,
                    node: step.node.clone(),
                    words: words(&step.words),
                    person: step.person,
                })
                .collect(),
            verified: case.is_some(),
            result: inquiry.map(|inquiry| inquiry.result.name()),
            receipt,
            keyed,
            case: case.map(|case| Case::of(case.expose())),
            passed: passed.map(|(name, value)| (name.to_string(), shown(value))).collect(),
            earlier,
            notes,
        }
    }
}

impl Case {
    fn of(case: &CardCase) -> Case {
        Case {
            stage: case.stage.clone(),
            stage_words: words(&case.stage_words),
            document: case.document.as_ref().map(words),
            expected: case.expected.map(|date| date.to_string()),
            limit: case.limit.map(phone::LimitWarning::name),
            heard: case.heard.iter().map(|(lang, text)| (lang.code(), text.clone())).collect(),
            as_of: case.as_of.to_string(),
            age_s: clock::timestamp().duration_since(case.as_of).as_secs(),
        }
    }
}

fn words(words: &AgentWords) -> Message {
    Message { zh: words.zh.clone(), en: words.en.clone() }
}

/// The flow's name of the receipt number.
const RECEIPT: &str = "receipt";
