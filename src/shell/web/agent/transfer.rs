//! An agent gives a caller away, or asks somebody about the caller. What leads to another agent or to a number is noted in the audit
//! log before it is done; of a number the last four digits.

use super::{AgentService, Done, no_such_call};
use crate::reply::Reply;
use crate::studio::account;
use crate::studio::replies::json;
use crate::studio::service::Asked;
use base::Private;
use phone::{TransferCommand, TransferRefusal, TransferTarget, last_four};
use web::agent::{AgentApi, CallBody, ConsultBody, TransferBody, TransferTo};
use web::studio::{Message, StudioError};

impl AgentService {
    /// Gives the caller to a queue, an agent or a number, or asks an agent or a number.
    pub(super) async fn give_or_ask(&self, api: AgentApi, asked: Asked, body: &[u8]) -> Result<Reply, StudioError> {
        let (call, to) = match api {
            AgentApi::Consult => ConsultBody::read(body)?.target()?,
            _ => TransferBody::read(body)?.target()?,
        };
        let agent = asked.session.operator.name.clone();
        let (target, about) = match to {
            TransferTo::Queue(queue) => return self.transfer(agent, call, queue).await,
            TransferTo::Agent(name) => {
                let about = format!("agent={name}");
                (TransferTarget::Agent(name), about)
            }
            TransferTo::Number(number) => {
                let about = format!("number=…{}", last_four(&number));
                (TransferTarget::Number(Private::new(number)), about)
            }
        };
        let shown = self.call(&agent, call)?;
        let tag = shown.card.tag.as_deref().unwrap_or("-");
        let about = format!("{} call={tag} {about}", asked.origin.address);
        let (what, command) = match api {
            AgentApi::Consult => ("consultation", TransferCommand::Consult(target)),
            _ => ("transfer", TransferCommand::Give(target)),
        };
        let who = agent.clone();
        self.studio
            .blocking(move |stores| stores.accounts.note_desk(what, &who, "", &about).map_err(account::trouble))
            .await?;
        self.transfers(agent, call, command).await
    }

    /// Goes on with a consultation.
    pub(super) async fn consulting(&self, api: AgentApi, agent: String, body: &[u8]) -> Result<Reply, StudioError> {
        let CallBody { call } = CallBody::read(body)?;
        let command = match api {
            AgentApi::Complete => TransferCommand::Complete,
            AgentApi::Swap => TransferCommand::Swap,
            _ => TransferCommand::Back,
        };
        self.transfers(agent, call, command).await
    }

    async fn transfers(&self, agent: String, call: u64, command: TransferCommand) -> Result<Reply, StudioError> {
        self.queue.transfer(agent, call, command).await.map_err(refused)?;
        Ok(json(&Done { done: true }))
    }
}

/// While somebody is asked, the caller is not given to a queue and not held by itself.
pub(super) fn consulting() -> StudioError {
    refused(TransferRefusal::Consulting)
}

fn refused(refusal: TransferRefusal) -> StudioError {
    let (status, code, zh, en) = match refusal {
        TransferRefusal::NoCall => return no_such_call(),
        TransferRefusal::Consulting => (
            409,
            "consulting",
            "正在咨询：请先完成转接（F）或回到来电者（X）。",
            "You are asking somebody: connect both (F) or go back to the caller (X) first.",
        ),
        TransferRefusal::NotAnswered => {
            (409, "not_answered", "被咨询方尚未接听，或已挂断。", "The one whom you ask has not answered, or is gone.")
        }
        TransferRefusal::UnknownAgent => (409, "no_agent", "没有这名坐席。", "There is no such agent."),
        TransferRefusal::SameAgent => (409, "same_agent", "这是您自己的账号。", "This is your own account."),
        TransferRefusal::NotAvailable => (
            409,
            "agent_not_available",
            "该坐席未签到、暂停或正忙，请选择其他坐席或队列。",
            "This agent is signed out, pauses or is busy: choose another agent, or a queue.",
        ),
        TransferRefusal::NumberNotAllowed => (
            403,
            "number_not_allowed",
            "不允许呼叫该号码，如有需要请联系班长。",
            "This number may not be called; ask your supervisor if it is needed.",
        ),
        TransferRefusal::NumberLimit => (
            409,
            "number_limit",
            "今天可呼叫的号码数已用完。",
            "The numbers that may be called today have been called.",
        ),
        TransferRefusal::NotMade => (
            409,
            "not_made",
            "目前无法呼出：中继线路全忙或话机不可用，请稍后再试。",
            "No call can be made now: the lines of the trunk are in use, or there is no such telephone. Try again in a moment.",
        ),
    };
    StudioError::Refused { status, code, words: Message { zh: zh.into(), en: en.into() } }
}
