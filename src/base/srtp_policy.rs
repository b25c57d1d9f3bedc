//! Whether a trunk's media is protected.

/// When SRTP is used, by trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SrtpPolicy {
    /// Never; a call that must be protected is refused.
    #[default]
    Off,
    /// If the peer offers it.
    Optional,
    /// Always; a call that cannot be protected is refused.
    Required,
}

impl SrtpPolicy {
    /// Every policy.
    pub const ALL: [SrtpPolicy; 3] = [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required];

    /// As it stands in the settings.
    pub fn name(self) -> &'static str {
        match self {
            SrtpPolicy::Off => "off",
            SrtpPolicy::Optional => "optional",
            SrtpPolicy::Required => "required",
        }
    }
}
