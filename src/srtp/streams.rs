//! The streams that were received under one key, each with its replay window.

use crate::window::ReplayWindow;

/// How many SSRCs are kept for each of RTP and RTCP; a further one takes the place of the one not heard for longest.
pub const STREAMS_MAX: usize = 64;

/// The windows by SSRC. Only an authentic packet makes an entry, so that forged ones cost no memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    streams: Vec<Stream>,
    packets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    window: ReplayWindow,
    /// The count of packets when it was last heard.
    heard: u64,
}

impl Streams {
    pub(crate) fn window(&self, ssrc: u32) -> Option<&ReplayWindow> {
        self.streams.iter().find(|stream| stream.ssrc == ssrc).map(|stream| &stream.window)
    }

    /// Marks the index of an authentic packet.
    pub(crate) fn mark(&mut self, ssrc: u32, index: u64) {
        self.packets += 1;
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) {
            stream.window.mark(index);
            stream.heard = self.packets;
            return;
        }
        let stream = Stream { ssrc, window: ReplayWindow::new(index), heard: self.packets };
        if self.streams.len() < STREAMS_MAX {
            self.streams.push(stream);
        } else if let Some(oldest) = self.streams.iter_mut().min_by_key(|stream| stream.heard) {
            *oldest = stream;
        }
    }
}
