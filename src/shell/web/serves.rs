//! Which pages a socket serves.

/// Which pages a socket serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Scans, the kiosk's and the public page, health and metrics.
    Public,
    /// The prompt operators' pages.
    Studio,
    /// Both.
    All,
    /// Metrics, the diagram and the health alone, with all details.
    Operations,
}
