//! Failures of one kind of client within a sliding window.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The failures of one kind of client. Memory is bounded by the limit of each client and by [`CLIENTS_MAX`].
#[derive(Debug)]
pub(super) struct ClientFailures {
    limit: Option<NonZeroU32>,
    window: Duration,
    /// The latest failures of each client, oldest first and never empty.
    clients: HashMap<u64, VecDeque<Failure>>,
    /// A full table is swept at most once in [`SWEEP_EVERY`].
    sweep_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    at: Instant,
    /// What was asked for, where asking for it again is no new failure.
    subject: Option<u64>,
}

impl ClientFailures {
    pub(super) fn new(limit: Option<NonZeroU32>, window: Duration) -> ClientFailures {
        ClientFailures { limit, window, clients: HashMap::new(), sweep_at: None }
    }

    /// How long until this client is below its limit; `None`: it is.
    pub(super) fn wait(&mut self, now: Instant, client: u64) -> Option<Duration> {
        self.wait_at(now, client, self.limit)
    }

    /// How long until this client has no failure; `None`: it has none.
    pub(super) fn wait_for_none(&mut self, now: Instant, client: u64) -> Option<Duration> {
        self.wait_at(now, client, Some(NonZeroU32::MIN))
    }

    /// How long until this client is below another limit than its own; `None`: it is.
    pub(super) fn wait_at(&mut self, now: Instant, client: u64, limit: Option<NonZeroU32>) -> Option<Duration> {
        let failures = self.clients.get_mut(&client)?;
        expire(failures, now, self.window, |failure| failure.at);
        if failures.is_empty() {
            self.clients.remove(&client);
            return None;
        }
        let over = failures.len().checked_sub(limit?.get() as usize)?;
        Some(left(failures[over].at, now, self.window))
    }

    /// Counts a failure; false when this client has already failed with the same subject.
    ///
    /// A client that finds the table full is not counted here: clients that have failed are not forgotten for a flood of
    /// new names, and the total still counts it.
    pub(super) fn add(&mut self, now: Instant, client: u64, subject: Option<u64>) -> bool {
        if !self.has_room(now, client) {
            return true;
        }
        let kept = self.limit.map_or(1, NonZeroU32::get) as usize;
        let failures = self.clients.entry(client).or_default();
        expire(failures, now, self.window, |failure| failure.at);
        if subject.is_some() && failures.iter().any(|failure| failure.subject == subject) {
            return false;
        }
        if failures.len() >= kept {
            failures.pop_front();
        }
        failures.push_back(Failure { at: now, subject });
        true
    }

    pub(super) fn clear(&mut self, client: u64) {
        self.clients.remove(&client);
    }

    fn has_room(&mut self, now: Instant, client: u64) -> bool {
        if self.clients.len() < CLIENTS_MAX || self.clients.contains_key(&client) {
            return true;
        }
        if self.sweep_at.is_none_or(|at| at <= now) {
            self.sweep_at = Some(now + SWEEP_EVERY);
            let window = self.window;
            self.clients.retain(|_, failures| {
                failures.back().is_some_and(|last| now.saturating_duration_since(last.at) < window)
            });
        }
        self.clients.len() < CLIENTS_MAX
    }

    #[cfg(test)]
    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }
}

/// Drops what lies before the window.
fn expire<T>(queue: &mut VecDeque<T>, now: Instant, window: Duration, at: impl Fn(&T) -> Instant) {
    while queue.front().is_some_and(|first| now.saturating_duration_since(at(first)) >= window) {
        queue.pop_front();
    }
}

/// Until a failure leaves the window.
fn left(at: Instant, now: Instant, window: Duration) -> Duration {
    window.saturating_sub(now.saturating_duration_since(at)).max(WAIT_MIN)
}

/// Clients of one kind that are remembered at once: some 6 MB where each has failed once or twice.
pub(super) const CLIENTS_MAX: usize = 32_768;
const SWEEP_EVERY: Duration = Duration::from_secs(1);
const WAIT_MIN: Duration = Duration::from_secs(1);
