//! How a trunk's keys are heard.

/// Which of the ways that a key can come count, by trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DtmfMode {
    /// Telephone events (RFC 4733) and SIP INFO; tones in the sound until the first event arrives.
    #[default]
    Auto,
    /// Telephone events alone.
    Rfc4733,
    /// SIP INFO alone.
    Info,
    /// Tones in the sound alone.
    Inband,
}

impl DtmfMode {
    /// Every mode.
    pub const ALL: [DtmfMode; 4] = [DtmfMode::Auto, DtmfMode::Rfc4733, DtmfMode::Info, DtmfMode::Inband];

    /// As it stands in the settings.
    pub fn name(self) -> &'static str {
        match self {
            DtmfMode::Auto => "auto",
            DtmfMode::Rfc4733 => "rfc4733",
            DtmfMode::Info => "info",
            DtmfMode::Inband => "inband",
        }
    }
}
