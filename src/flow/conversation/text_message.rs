//! A text message with the result that the caller was told, and where the flow goes on.
//!
//! ```text
//!        may get one                     accepted
//!  node ────────────► Submitting ───────────────────► sent
//!    └─ not, or cannot be worded ──┴─ refused, late ──► failed
//! ```
//!
//! The words are composed again rather than repeated: a message is read later, and elsewhere. It leaves out what holds only
//! now (opening hours), says things in the script's `[sms.…]` words where there are some, and never has a whole entry of the
//! caller in it: of a receipt number its last four characters at most.

use std::time::Instant;

use super::{Caller, Conversation, Medium, State, WallClock};
use crate::answer::told_from;
use crate::io::Output;
use crate::model::*;
use base::{Lang, Private};

impl Conversation {
    /// Whether the caller may get a text message.
    pub(super) fn may_get_text(&self) -> bool {
        self.caller.text_messages > 0
    }

    pub(super) fn send_text(&mut self, now: Instant, sms: &Sms) {
        if !self.may_get_text() {
            return self.go(now, &sms.failed.target);
        }
        match self.text_message(now, sms) {
            Ok(text) => {
                self.state = State::Submitting { until: now + super::waiting::PATIENCE };
                self.out.push(Output::SendText { text: Private::new(text) });
            }
            Err(what) => {
                self.out.push(Output::Fault { node: self.node.clone(), what });
                self.go(now, &sms.failed.target);
            }
        }
    }

    pub(super) fn text_accepted(&mut self, now: Instant, accepted: bool) {
        let release = self.release.clone();
        if !matches!(self.state, State::Submitting { .. }) {
            return;
        }
        let Some(Node { kind: Kind::Sms(sms), .. }) = release.flow.node(&self.node) else { return };
        if accepted {
            self.caller.text_messages = self.caller.text_messages.saturating_sub(1);
        }
        let go = if accepted { &sms.sent } else { &sms.failed };
        self.go(now, &go.target);
    }

    /// The template's words, and the result as a message says it.
    fn text_message(&self, now: Instant, sms: &Sms) -> Result<String, String> {
        let lang = self.written_lang();
        let clock = WallClock { at: now, civil: self.civil(now) };
        let mut talk = Conversation::new(self.release.clone(), Caller::default(), clock, false, now);
        (talk.lang, talk.medium) = (lang, Medium::Message);
        (talk.facts, talk.entries) = (self.facts.clone(), self.entries.clone());
        let slots = |slot: &str| talk.slot(slot);
        let entry = format!("sms.{}", sms.template.name);
        let composed = self.release.script.compose(lang, &entry, &slots, self.today(now));
        let mut text = composed.map_err(|error| error.to_string())?.text;
        if let Some(gives) = &sms.result {
            let mut lookups = self.release.flow.nodes.iter().filter_map(Node::lookup);
            let lookup = lookups.find(|lookup| lookup.gives == *gives);
            let lookup = lookup.ok_or_else(|| format!("no look-up gives {gives}"))?;
            talk.go(now, &lookup.found.target);
            let said = told_from(&mut talk, now);
            if said.is_empty() {
                return Err("the flow says nothing of this result".into());
            }
            for sentence in said.iter().filter(|sentence| !sentence.text.is_empty()) {
                if lang == Lang::En {
                    text.push(' ');
                }
                text.push_str(&sentence.text);
            }
        }
        Ok(text)
    }

    /// Cantonese is spoken: a message to its speakers is in written Chinese.
    fn written_lang(&self) -> Lang {
        let has_chinese = self.release.flow.langs.contains(&Lang::Zh);
        if self.lang == Lang::Yue && has_chinese { Lang::Zh } else { self.lang }
    }
}
