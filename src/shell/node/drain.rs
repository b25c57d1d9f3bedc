//! Serves until a signal, then drains.
//!
//! ```text
//!            signal              last call over, and drain_min passed
//!  Serving ─────────► Draining ─────────────────────────────────────────► stopped
//!                        ├── drain_limit ────► BYE to all, 4 s for replies ──┤
//!                        └── second signal ──► BYE to all, 0.5 s ────────────┘
//! ```

use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;

use base::bilingual;
use phone::{QueueHandle, Registrations, Registry};

use crate::Fault;
use crate::signals::{Asked, Signals};

/// What drains.
pub(crate) struct Served<'a> {
    /// The calls.
    pub registry: &'a Registry,
    /// The registrations at carriers.
    pub registrations: &'a Registrations,
    /// Where callers wait.
    pub queue: &'a QueueHandle,
}

/// Serves until a signal, then drains until the last call, the limit or a second signal. `transport` is the task that
/// receives SIP messages; it ends only when it fails.
pub(crate) async fn serve_and_drain(
    mut signals: Signals,
    Served { registry, registrations, queue }: Served<'_>,
    mut transport: JoinHandle<io::Error>,
    settings: &config::Phone,
) -> Result<(), Fault> {
    let signal = tokio::select! {
        signal = end(&mut signals) => signal,
        ended = &mut transport => {
            let error = ended.unwrap_or_else(io::Error::other);
            tracing::error!(%error, "the SIP transport failed");
            return Err(bilingual!("the SIP transport failed: {error}", "SIP 传输失败：{error}"));
        }
    };
    tracing::info!(
        signal,
        calls = registry.calls(),
        limit_s = settings.drain_limit.as_secs(),
        "draining: no new calls; a second signal ends at once"
    );
    queue.drain(settings.drain_limit);
    tokio::select! {
        // The sockets stay open for a while, so that balancers see the 503 before connections are refused.
        _ = async { tokio::join!(registrations.drain(), registry.drain(), tokio::time::sleep(settings.drain_min)) } => {}
        () = tokio::time::sleep(settings.drain_limit) => {
            tracing::warn!(calls = registry.calls(), "the drain limit is over");
            end_calls(registry, AFTER_LIMIT).await;
        }
        () = second(&mut signals, registry) => end_calls(registry, AFTER_SECOND_SIGNAL).await,
    }
    transport.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Waits for a signal that ends the node, and gives its name.
async fn end(signals: &mut Signals) -> &'static str {
    loop {
        match signals.next().await {
            Asked::End(name) => return name,
            Asked::HangUp => return "HUP",
            Asked::Reload => tracing::info!("HUP: the node serves on; a release goes live by jindu publish"),
        }
    }
}

/// Waits for a signal that ends a draining node. One that comes with the first is the same one, sent by a terminal and by
/// the program that started the node; and a terminal that closes asks for no more than a drain. HUP asks what is waited for.
async fn second(signals: &mut Signals, registry: &Registry) {
    let first = tokio::time::Instant::now();
    loop {
        match signals.next().await {
            Asked::End(_) if first.elapsed() >= SAME_SIGNAL => return,
            Asked::End(_) => {}
            Asked::HangUp | Asked::Reload => {
                let (calls, ended) = (registry.calls(), registry.unanswered());
                tracing::info!(calls, ended, "still draining: waits for calls in progress, and for answers to BYE");
            }
        }
    }
}

/// Hangs up all calls, and waits up to `limit` for replies to the BYEs.
async fn end_calls(registry: &Registry, limit: Duration) {
    registry.end_calls();
    let _ = tokio::time::timeout(limit, registry.drain()).await;
}

const SAME_SIGNAL: Duration = Duration::from_millis(20);
const AFTER_SECOND_SIGNAL: Duration = Duration::from_millis(500);
/// A BYE is repeated three times in it.
const AFTER_LIMIT: Duration = Duration::from_secs(4);
