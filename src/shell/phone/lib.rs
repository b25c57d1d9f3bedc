//! The phone service: SIP transport, the call registry, one task for each call, recording by telephone.
//!
//! ```text
//!  transport ──► user_agent ──► calls (one task each) ──► services: journal, media, look-ups, recording
//!                    ├──► registry ◄──┘   lines, counts, drain
//!                    └──► trunks          admission, limits and counts of each trunk; peers asked by OPTIONS
//!      └─ tap ──┬─► hep      every message to a Homer collector
//!               └─► traces   the messages of one call to `jindu trunk trace`
//! ```

mod agent_call;
mod agent_control;
mod agent_pages;
mod agent_states;
mod browser_call;
mod call_back;
mod call_back_control;
mod call_backs;
mod call_guard;
mod caller_card;
mod calls;
mod conversation_recording;
mod desk_audit;
mod drain;
mod ended_calls;
mod hep;
mod hold;
mod inbox;
mod live_release;
mod look_ups;
mod peer;
mod peers;
mod queue_handle;
mod queue_service;
mod reachable;
mod recording_service;
mod recording_state;
mod registrar;
mod registrations;
mod registry;
mod services;
mod strangers;
mod supervision;
mod take_file;
mod take_store;
mod telephones;
mod trace;
mod trace_control;
mod trace_request;
mod trace_sound;
mod traces;
mod transfer;
mod transport;
mod trunk_hosts;
mod trunk_status;
mod trunks;
mod user_agent;

pub use agent_control::{
    AgentDutyLine, AgentLine, AgentRequest, AgentsStatus, QueueLine, ask as ask_agents, listen as listen_agents,
};
pub use agent_pages::{AgentPage, CallStage, ConsultationStage, PageCall, PageConsultation, PageMonitor};
pub use call::MonitorMode;
pub use call_back_control::{
    CallBackEntry, CallBackReply, CallBackRequest, ask as ask_call_backs, listen as listen_call_backs,
};
pub use caller_card::{AgentWords, CallerCard, CardCase, CardInquiry, CardStep, LimitWarning};
pub use hep::{HepCounts, HepExporter};
pub use live_release::LiveRelease;
pub use look_ups::{Cases, LookUps, Stage};
pub use peer::{Peer, PeerAddress, PeerState};
pub use queue_handle::{
    MonitoredConversation, PageCommand, QueueHandle, QueueStatus, TelephoneState, WaitingCallBack, WaitingCaller,
    name_of as agent_state_name, reason_of as agent_state_reason,
};
pub use recording_service::RecordingService;
pub use recording_state::RecordingState;
pub use registrar::DeskRegistrar;
pub use registrations::Registrations;
pub use registry::{Lines, Registry};
pub use services::{Services, public_address};
pub use supervision::{DeskNotice, SupervisorCommand, SupervisorError};
pub use take_store::TakeStore;
pub use telephones::is_of_a_trunk;
pub use trace_control::{TraceClient, listen as listen_traces};
pub use trace_request::{CallChoice, Piece, Summary, TraceRequest};
pub use traces::Traces;
pub use transfer::{TransferCommand, TransferRefusal, TransferTarget, last_four};
pub use transport::{Backlog, BindError, Direction, Receiver, Screening, Sink, Tap, TransportLayer};
pub use trunk_status::{
    PeerStatus, RegistrationReport, TrunkStatus, TrunksStatus, ask as trunk_status, listen as listen_trunk_status,
};
pub use trunks::{HostAddresses, TrunkState, Trunks};
pub use user_agent::UserAgent;
