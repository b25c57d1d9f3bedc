//! What a queue announces, as variables for its sentences.
//!
//! | variable | holds |
//! |---|---|
//! | `queue.place` | the position: 1 is next |
//! | `queue.ahead` | how many wait before the caller |
//! | `queue.standing` | `next`, or `behind`: somebody waits before the caller |
//! | `queue.minutes` | the estimated wait, where there is one |
//! | `queue.wait` | `minute`: about one; `minutes`: more; `unsaid`: not estimated |

use super::io::Facts;
use speech::Value;

/// The sets that the variables are of, and their values.
pub(crate) const SETS: [(&str, &[&str]); 4] = [
    (STANDING, &["next", "behind"]),
    (WAIT, &["minute", "minutes", "unsaid"]),
    (CALL_BACK, &[CAN, CANNOT]),
    (RECORDED, &[CAN, CANNOT]),
];
/// The set of `desk.recorded`: whether this node records conversations.
pub(crate) const RECORDED: &str = "is_recorded";
/// The set of `desk.call_back`: whether this node can call the caller back.
pub(crate) const CALL_BACK: &str = "can_call_back";
/// It can.
pub(crate) const CAN: &str = "yes";
/// It cannot.
pub(crate) const CANNOT: &str = "no";
/// The set of `queue.standing`.
pub(crate) const STANDING: &str = "queue_standing";
/// The set of `queue.wait`.
pub(crate) const WAIT: &str = "queue_wait_known";
/// How the variables begin.
pub(crate) const PREFIX: &str = "queue.";

/// The variables, with their prefix.
pub(crate) fn queue_facts(position: u32, minutes: Option<u32>) -> Facts {
    let mut facts = Facts::new();
    let mut put = |name: &str, value| facts.insert(format!("{PREFIX}{name}").into(), value);
    put("place", Value::Number(position));
    put("ahead", Value::Number(position.saturating_sub(1)));
    put("standing", Value::Word(if position > 1 { "behind" } else { "next" }.into()));
    let wait = match minutes {
        None => "unsaid",
        Some(0 | 1) => "minute",
        Some(_) => "minutes",
    };
    put("wait", Value::Word(wait.into()));
    if let Some(minutes) = minutes {
        put("minutes", Value::Number(minutes));
    }
    facts
}
