//! Blind transfer to a person: the REFER (RFC 3515) and its progress; or a queue of this node.

use std::time::{Duration, Instant};

use super::{Call, Output, State, Telemetry};
use flow::{self, TransferOutcome};
use inquiry::{CallOutcome, TransferResult};
use sip::{LegInput, TransferProgress};

impl Call {
    pub(super) fn on_referred(&mut self, now: Instant, progress: TransferProgress, out: &mut Vec<Output>) {
        match progress {
            TransferProgress::Accepted | TransferProgress::Trying | TransferProgress::Ringing => {
                self.transfer_accepted = self.transfer_until.is_some();
            }
            TransferProgress::Done => {
                self.cdr.transferred();
                self.cdr.transfer(TransferResult::Done);
                if self.transfer_until.is_some() {
                    self.transfer_over(now, TransferOutcome::Done, out);
                } else if !matches!(self.state, State::Over | State::Gone) {
                    out.push(Telemetry::Transferred(TransferOutcome::Done).into());
                    self.end(now, CallOutcome::Transferred, None, out);
                }
            }
            TransferProgress::Busy(status) => {
                self.transfer_failed(now, TransferOutcome::Busy, TransferResult::Refused(status), out);
            }
            TransferProgress::Failed(status) => {
                let result = status.map_or(TransferResult::NoReport, TransferResult::Refused);
                self.transfer_failed(now, TransferOutcome::Failed, result, out);
            }
        }
    }

    /// The transfer that is under way failed.
    pub(super) fn transfer_failed(
        &mut self,
        now: Instant,
        how: TransferOutcome,
        result: TransferResult,
        out: &mut Vec<Output>,
    ) {
        if self.transfer_until.is_some() {
            self.cdr.transfer(result);
        }
        self.transfer_over(now, how, out);
    }

    fn transfer_over(&mut self, now: Instant, how: TransferOutcome, out: &mut Vec<Output>) {
        self.transfer_accepted = false;
        if self.transfer_until.take().is_some() {
            out.push(Telemetry::Transferred(how).into());
            self.feed_application(now, flow::Input::TransferEnded(how), out);
        }
    }

    /// The caller's side hangs up while its transfer is under way: the caller is with the other side. Many carriers say so by
    /// their BYE alone, right after the 202, and send no NOTIFY.
    pub(super) fn caller_left_with_transfer(&mut self, out: &mut Vec<Output>) {
        self.cdr.transferred();
        self.cdr.transfer(TransferResult::Done);
        out.push(Telemetry::Transferred(TransferOutcome::Done).into());
    }

    pub(super) fn transfer(&mut self, now: Instant, to: &str, timeout: Duration, out: &mut Vec<Output>) {
        (self.transfer_until, self.transfer_accepted) = (Some(now + timeout), false);
        if self.transfers_left == 0 {
            return self.transfer_failed(now, TransferOutcome::Failed, TransferResult::Limited, out);
        }
        self.transfers_left -= 1;
        out.push(Telemetry::TransferBegun.into());
        let target = self.desks.get(to).cloned();
        if let Some(queue) = target.as_deref().and_then(|target| target.strip_prefix(QUEUE)) {
            self.transfer_until = None;
            return self.join_queue(now, queue, out);
        }
        match target {
            Some(target_uri) => self.feed_leg(now, LegInput::Refer { target_uri, referred_by: None }, out),
            None => self.transfer_failed(now, TransferOutcome::Failed, TransferResult::NoTarget, out),
        }
    }
}

/// What a transfer target begins with that is a queue of this node.
const QUEUE: &str = "queue:";
