//! One phone call, sans-IO: admission, a SIP leg with its media session and its application, and the call's record.

mod admission;
mod application;
mod call;
mod caller_context;
mod cdr;
mod line_test;
mod look_up;
mod media_control;
mod media_session;
mod monitoring;
mod outgoing_call;
mod overload;
mod recording_session;
#[cfg(test)]
mod test_clock;
mod transfer_limit;

pub use admission::{Admission, AdmissionRules, AdmittedCall, NewCall, Purpose, Rejection, TrunkRules};
pub use application::Application;
pub use base::DtmfMode;
pub use call::{
    Call, CallBackEnd, CallBackInvite, CallBackRequest, CallSetup, Effect, Input, Origin, Output, QueueNotice,
    QueueRequest, Telemetry,
};
pub use caller_context::{CallerContext, LastInquiry};
pub use cdr::CdrBuilder;
pub use line_test::{LineTest, line_test_clips};
pub use look_up::{findings, query, result_of};
pub use media_control::{KeySource, MediaCommand, MediaEvent, MediaPolicy, MediaSetup, RecordMode, Signalling};
pub use media_session::{
    LISTENERS_MAX, MediaFrame, MediaLimits, MediaQuality, MediaSession, MissingClip, Relay, SOURCES_MAX, SrtpDrop,
    SrtpDrops, TAP_BLOCK_MAX, TapBlock,
};
pub use monitoring::{MonitorMode, Party, hears};
pub use outgoing_call::{OutgoingCall, OutgoingEnd, OutgoingInput, OutgoingOutput, OutgoingSetup};
pub use overload::Overload;
pub use recording_session::{
    RecordingSession, Reply, SignIn, Slot, StudioRequest, TakeFault, TakeReport, studio_clips, trim_to_speech,
};
pub use transfer_limit::TransferLimiter;
