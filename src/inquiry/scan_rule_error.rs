//! Why a rule for reading scans cannot be used.

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanRuleError {
    /// It would take nothing off.
    #[error("an empty prefix or suffix: remove it")]
    Empty,
    /// The pattern does not say where the number stands.
    #[error("QR pattern {0:?}: must hold {{receipt}} exactly once")]
    Pattern(String),
}
