//! Transfers: the words before one, the wait for the other side, and where its end leads.

use std::time::Instant;

use super::{Conversation, State};
use crate::io::{Output, TransferOutcome};
use crate::model::*;
use speech::Piece;

impl Conversation {
    pub(super) fn announce(&mut self, now: Instant, transfer: &Transfer) {
        if transfer.say.is_empty() {
            return self.transfer(now);
        }
        match self.compose(now, &transfer.say) {
            Ok(lines) => {
                self.state = State::Announcing;
                self.play(now, lines, None);
            }
            Err(what) => self.fault(now, what),
        }
    }

    pub(super) fn transfer(&mut self, now: Instant) {
        let release = self.release.clone();
        let Some(Node { kind: Kind::Transfer(transfer), .. }) = release.flow.node(&self.node) else { return };
        self.prefix.clear();
        let longest = transfer.timeout + super::waiting::PATIENCE;
        if transfer.ringback {
            let ringing = self.sound(Piece::Ringing(longest));
            self.play(now, vec![ringing], None);
        }
        self.state = State::Transferring { until: now + longest };
        self.out.push(Output::Transfer { to: transfer.to.clone(), timeout: transfer.timeout });
    }

    pub(super) fn transferred(&mut self, now: Instant, ended: TransferOutcome) {
        let release = self.release.clone();
        let Some(Node { kind: Kind::Transfer(transfer), .. }) = release.flow.node(&self.node) else { return };
        if !matches!(self.state, State::Transferring { .. }) {
            return;
        }
        let go = match ended {
            TransferOutcome::Done => &transfer.done,
            TransferOutcome::Busy => &transfer.busy,
            TransferOutcome::Failed => &transfer.failed,
        };
        self.stop();
        // Keys pressed while it rang answer no question.
        self.type_ahead.clear();
        self.answering = true;
        self.go(now, &go.target);
    }
}
