//! Why a rule for reading scans cannot be used.

use base::{Bilingual, bilingual};

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub enum ScanRuleError {
    /// It would take nothing off.
    Empty,
    /// The pattern does not say where the number stands.
    Pattern(String),
}

impl ScanRuleError {
    /// What is wrong, and what to do.
    pub fn text(&self) -> Bilingual {
        match self {
            ScanRuleError::Empty => bilingual!("an empty prefix or suffix: remove it", "前缀或后缀为空：请删除"),
            ScanRuleError::Pattern(pattern) => bilingual!(
                "QR pattern {pattern:?}: must hold {{receipt}} exactly once",
                "二维码模式 {pattern:?}：须恰好包含一次 {{receipt}}"
            ),
        }
    }
}
