//! The queue and its agents in a sheet: they do what the sheet says, at the moment it says so.

use super::office::Caller;
use super::parse::{AgentAct, QueueAct};
use super::run::Call;
use crate::io::{Input, QueueEvent, QueueOutcome};
use base::{Bilingual, bilingual};

impl Call {
    pub(super) fn agent(&mut self, name: &str, act: AgentAct) -> Result<(), Bilingual> {
        match act {
            AgentAct::Ready => {
                self.office.ready.insert(name.to_owned());
            }
            AgentAct::Leaves => {
                self.office.ready.remove(name);
                if self.office.ready.is_empty() && self.office.caller == Caller::Waiting {
                    self.sent_away(QueueOutcome::NoAgents);
                }
            }
            AgentAct::Answers => {
                self.wait_in_queue()?;
                if !self.office.ready.contains(name) {
                    return Err(bilingual!(
                        "{name} takes no callers; write `agent {name} ready` before",
                        "{name} 未接听来电；请先写 `agent {name} ready`"
                    ));
                }
                self.office.caller = Caller::Connected;
                self.feed(Input::Queue(QueueEvent::Connected));
            }
            AgentAct::Fails => {
                self.connected()?;
                self.office.caller = Caller::Waiting;
                self.feed(Input::Queue(QueueEvent::Disconnected));
            }
            AgentAct::HangsUp => {
                self.connected()?;
                self.office.caller = Caller::Elsewhere;
                self.feed(Input::Queue(QueueEvent::Ended));
            }
        }
        Ok(())
    }

    pub(super) fn position(&mut self, position: u32, minutes: Option<u32>) -> Result<(), Bilingual> {
        self.wait_in_queue()?;
        self.feed(Input::Queue(QueueEvent::Position { position, minutes }));
        Ok(())
    }

    pub(super) fn queue(&mut self, act: QueueAct) -> Result<(), Bilingual> {
        match act {
            QueueAct::Open => self.office.refuses = None,
            QueueAct::Full => self.office.refuses = Some(QueueOutcome::Full),
            QueueAct::Closed => self.office.refuses = Some(QueueOutcome::Closed),
            QueueAct::Late => {
                self.wait_in_queue()?;
                self.sent_away(QueueOutcome::WaitedTooLong);
            }
            QueueAct::Drains => {
                self.wait_in_queue()?;
                self.feed(Input::Queue(QueueEvent::Draining));
            }
        }
        Ok(())
    }

    fn sent_away(&mut self, outcome: QueueOutcome) {
        self.office.caller = Caller::Elsewhere;
        self.feed(Input::Queue(QueueEvent::Left(outcome)));
    }

    /// Lets time pass until the caller waits in a queue, and has heard what is said on entering.
    fn wait_in_queue(&mut self) -> Result<(), Bilingual> {
        self.dial();
        let mut steps = 0;
        while !self.waits_in_queue() && steps < STEPS && self.step_on() {
            steps += 1;
        }
        if self.waits_in_queue() {
            Ok(())
        } else {
            Err(Bilingual::fixed("the caller does not wait in a queue", "来电人不在队列中等候"))
        }
    }

    fn waits_in_queue(&self) -> bool {
        self.office.caller == Caller::Waiting
            && self.conversation.as_ref().is_some_and(|conversation| conversation.waits_in_queue())
    }

    fn connected(&self) -> Result<(), Bilingual> {
        if self.office.caller == Caller::Connected {
            Ok(())
        } else {
            Err(Bilingual::fixed("no agent talks to the caller", "没有坐席与来电人通话"))
        }
    }
}

/// Steps to a queue; more is a flow that never stops talking.
const STEPS: usize = 2_000;
