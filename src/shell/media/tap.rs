//! Recording of a conversation: what each of two bridged sessions receives goes, in blocks, to whoever writes it.
//!
//! ```text
//!  caller's session ─► call's tap ─┐  bounded, never waits
//!                                  ├───────────────────────► TapReceiver: a thread that writes
//!  agent's session ──► call's tap ─┘  full: the block is lost, and counted
//! ```
//!
//! Sound is taken only while the two sessions are bridged with each other: on hold, with music, and while the agent talks to a third
//! party, silence stands in its place. A block is copied into a slot of the channel; the media thread allocates nothing for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::id::SessionId;
use super::links::Links;
use base::Codec;
use call::{TAP_BLOCK_MAX, TapBlock};

/// Whose sound a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapChannel {
    /// The first session's peer: the caller.
    Caller,
    /// The second session's peer: the agent.
    Agent,
}

/// A stretch of one side's sound.
#[derive(Clone, Debug)]
pub struct TappedSound {
    /// Whose it is.
    pub channel: TapChannel,
    /// Its first sample, counted at 8 kHz from the beginning of the tap, which is the same for both channels.
    pub at: u64,
    /// How many samples it has.
    pub samples: usize,
    law: Codec,
    is_sound: bool,
    octets: [u8; TAP_BLOCK_MAX],
}

impl TappedSound {
    /// Its octets and their law; none: silence.
    pub fn octets(&self) -> Option<(Codec, &[u8])> {
        self.is_sound.then(|| (self.law, &self.octets[..self.samples]))
    }
}

/// Takes the sound of a conversation that is tapped. Given to [`MediaPlane::tap`](super::MediaPlane::tap).
#[derive(Clone, Debug)]
pub struct TapSender {
    blocks: SyncSender<TappedSound>,
    lost: Arc<AtomicU64>,
}

/// The sound of a conversation that is tapped.
#[derive(Debug)]
pub struct TapReceiver {
    blocks: Receiver<TappedSound>,
    lost: Arc<AtomicU64>,
}

/// Why there is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSound {
    /// None came within the limit.
    Yet,
    /// The tap has ended: none will come.
    Ended,
}

/// What a tapped conversation goes through.
pub fn tap_channel() -> (TapSender, TapReceiver) {
    let (sender, receiver) = sync_channel(BLOCKS_MAX);
    let lost = Arc::new(AtomicU64::new(0));
    (TapSender { blocks: sender, lost: Arc::clone(&lost) }, TapReceiver { blocks: receiver, lost })
}

impl TapReceiver {
    /// Waits for the next block.
    ///
    /// # Errors
    /// There is none within the limit, or the tap has ended.
    pub fn next(&self, limit: Duration) -> Result<TappedSound, NoSound> {
        self.blocks.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => NoSound::Yet,
            RecvTimeoutError::Disconnected => NoSound::Ended,
        })
    }

    /// Samples that were lost because blocks were not taken in time: silence stands in their place.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// A session's part of a tap.
#[derive(Debug)]
pub(super) struct SessionTap {
    channel: TapChannel,
    /// The session that it hears while sound is taken.
    pub(super) with: SessionId,
    pub(super) paused: bool,
    sender: TapSender,
}

impl SessionTap {
    /// A part that is not paused, of a tap with the session `with`.
    pub(super) fn new(channel: TapChannel, with: SessionId, sender: TapSender) -> SessionTap {
        SessionTap { channel, with, paused: false, sender }
    }

    /// Whether sound is taken: while the session hears the other one.
    pub(super) fn is_open(&self, links: &Links) -> bool {
        !self.paused && links.hears(self.with)
    }

    pub(super) fn send(&self, block: TapBlock<'_>) {
        let mut octets = [0; TAP_BLOCK_MAX];
        if let Some(sound) = block.octets {
            octets[..sound.len()].copy_from_slice(sound);
        }
        let TapBlock { at, samples, law, octets: sound } = block;
        let sound = TappedSound { channel: self.channel, at, samples, law, is_sound: sound.is_some(), octets };
        if self.sender.blocks.try_send(sound).is_err() {
            self.sender.lost.fetch_add(samples as u64, Ordering::Relaxed);
        }
    }
}

/// Three seconds of both channels: for so long the disk may stall.
const BLOCKS_MAX: usize = 32;
