//! Serves until a signal, then drains.
//!
//! ```text
//!            signal              last call over, and drain_least passed
//!  Serving ─────────► Draining ─────────────────────────────────────────► stopped
//!                        ├── drain_limit ────► BYE to all, 4 s for replies ──┤
//!                        └── second signal ──► BYE to all, 0.5 s ────────────┘
//! ```

use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;

use phone::Registry;

use crate::Fault;
use crate::signals::Signals;

/// Serves until a signal, then drains until the last call, the limit or a second signal. `transport` is the task that
/// receives SIP messages; it ends only when it fails.
pub(crate) async fn serve_and_drain(
    mut signals: Signals,
    registry: &Registry,
    mut transport: JoinHandle<io::Error>,
    settings: &config::Phone,
) -> Result<(), Fault> {
    tokio::select! {
        () = signals.next() => {}
        ended = &mut transport => {
            let error = ended.unwrap_or_else(io::Error::other);
            tracing::error!(%error, "the SIP transport failed");
            return Err(format!("the SIP transport failed: {error}"));
        }
    }
    tracing::info!(calls = registry.calls(), "draining: no new calls; a second signal ends at once");
    tokio::select! {
        // The sockets stay open for a while, so that balancers see the 503 before connections are refused.
        _ = async { tokio::join!(registry.drain(), tokio::time::sleep(settings.drain_min)) } => {}
        () = tokio::time::sleep(settings.drain_limit) => {
            tracing::warn!(calls = registry.calls(), "the drain limit is over");
            end_calls(registry, AFTER_LIMIT).await;
        }
        () = signals.next() => end_calls(registry, AFTER_SECOND_SIGNAL).await,
    }
    transport.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Hangs up all calls, and waits up to `limit` for replies to the BYEs.
async fn end_calls(registry: &Registry, limit: Duration) {
    registry.end_calls();
    let _ = tokio::time::timeout(limit, registry.drain()).await;
}

const AFTER_SECOND_SIGNAL: Duration = Duration::from_millis(500);
/// A BYE is repeated three times in it.
const AFTER_LIMIT: Duration = Duration::from_secs(4);
