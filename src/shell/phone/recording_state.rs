//! Whether a conversation is recorded.

/// Whether a conversation is recorded, as the agent's page shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingState {
    /// It is not.
    #[default]
    Off,
    /// It is.
    On,
    /// The agent has paused it: silence is recorded.
    Paused,
}

impl RecordingState {
    /// The word on the page.
    pub fn name(self) -> &'static str {
        match self {
            RecordingState::Off => "off",
            RecordingState::On => "on",
            RecordingState::Paused => "paused",
        }
    }
}
