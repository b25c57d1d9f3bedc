//! The agents' page and API (pure): paths, bodies. The files of the page are built in; those that it shares with the studio's page
//! come from there.

mod page;
mod request;
mod route;

pub use page::page;
pub use request::{
    AgentBody, AgentNoteBody, CallBackBody, CallBody, ConsultBody, DutyBody, HoldBody, MonitorBody, MonitorEndBody,
    MoveBody, PauseBody, QueueBody, TransferBody, TransferTo, WantedMonitoring, WantedState, without_numbers,
};
pub use route::{AgentApi, agent_api};
