//! What a look-up puts into a conversation.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fit::{Parts, Promised, facts_of};
use crate::inquiry::{Progress, Promise};
use crate::speech::Value;

/// The variables of a case, without their prefix: `status`, `doc`, `by`.
pub fn facts(progress: &Progress) -> BTreeMap<Arc<str>, Value> {
    facts_of(&Parts {
        stage: progress.stage,
        minor: progress.minor,
        document: progress.document.as_ref(),
        hall: progress.hall.as_ref(),
        promise: match progress.promise {
            Promise::By(date) => Promised::By(date),
            Promise::WorkingDays(n) => Promised::WorkingDays(n),
            Promise::Days(n) => Promised::Days(n),
            Promise::Over => Promised::Over,
            Promise::None => Promised::None,
        },
        items: &progress.items,
        stage_on: progress.stage_on,
        waybill_tail: progress.waybill_tail.as_deref(),
    })
}
