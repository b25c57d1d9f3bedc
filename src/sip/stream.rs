//! Finds messages in a stream of bytes (RFC 3261 §18.3, RFC 5626 §3.5.1).
//!
//! ```text
//!          two empty lines                 empty line            Content-Length bytes
//!  Between ───────────► Ping   Between ─────────────► Body ──────────────────────────► Message, Between
//!     ├── one empty line ──► Pong; after a message it is ignored
//!     └── no empty line within the limit, no or wrong Content-Length ──► Refusal, Closed
//! ```
//!
//! The end of a message follows from Content-Length alone: after a message without a sound one the stream is closed. The
//! refusal is returned first, so that the sender gets a response.

use bytes::{Buf, BytesMut};

use super::fields::content_length;
use super::lexer::{Fault, Head, head_end};
use super::limits;
use super::message::{MalformedMessage, Message};

/// One unit of a stream.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every frame is a message")]
pub enum Frame {
    /// A well-formed request or response.
    Message(Message),
    /// A malformed message; the stream goes on unless [`StreamFramer::is_closed`].
    Malformed(MalformedMessage),
    /// A keep-alive that waits for a CRLF (RFC 5626 §3.5.1).
    Ping,
    /// That CRLF. One that is the first half of a ping looks the same.
    Pong,
}

/// The bytes of one connection that are not yet a message.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: BytesMut,
    /// Where the search for the empty line continues: a slow sender causes no second search.
    searched: usize,
    /// Octets of the first message once its head is complete: the head is not read again for each octet of the body.
    whole: usize,
    /// Whether the last thing taken was an empty line: another one makes it a ping.
    has_empty_line: bool,
    /// Whether a message was taken of what was pushed last: an empty line behind it belongs to it.
    has_message: bool,
    closed: bool,
    /// Whether the octets of a frame are kept.
    keeps: bool,
    kept: Option<BytesMut>,
}

impl StreamFramer {
    /// A framer for a new connection.
    pub fn new() -> StreamFramer {
        StreamFramer::default()
    }

    /// Adds received bytes. Call [`next`](Self::next) until it is `None` before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.has_message = false;
        if !self.closed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// A pause in what is received: an empty line before it and one behind it are two pongs, and no ping.
    pub fn pause(&mut self) {
        self.has_empty_line = false;
    }

    /// Whether the octets of each frame are kept for [`take_octets`](Self::take_octets).
    pub fn keep_octets(&mut self, keeps: bool) {
        self.keeps = keeps;
    }

    /// The octets of the last frame, if they were kept. A ping has none.
    pub fn take_octets(&mut self) -> Option<BytesMut> {
        self.kept.take()
    }

    /// Whether the connection must be closed, because the start of the next message is unknown.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether a message has begun and is not complete. A part of a keep-alive is none.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty() && &self.buffer[..] != b"\r"
    }

    /// Gives up the message that has begun and does not arrive: closes the stream. The refusal is a 408.
    pub fn time_out(&mut self) -> Option<Frame> {
        if self.closed || !self.is_partial() {
            return None;
        }
        let end = head_end(&self.buffer, 0).map_or(self.buffer.len(), |(end, _)| end);
        let head = Head::read(&self.buffer[..end.min(limits::MESSAGE_BYTES)]);
        Some(self.close(head, TOO_SLOW))
    }

    /// The next complete frame.
    #[expect(clippy::should_implement_trait, reason = "an iterator must not continue after it has returned None")]
    pub fn next(&mut self) -> Option<Frame> {
        if self.closed || self.buffer.len() < self.whole {
            return None;
        }
        while let Some(length) = empty_line(&self.buffer) {
            self.searched = 0;
            if let Some(frame) = self.take_empty_lines(length) {
                return Some(frame);
            }
        }
        if !self.is_partial() {
            return None;
        }
        let Some((end, body)) = head_end(&self.buffer, self.searched) else { return self.wait_for_head() };
        self.searched = end.saturating_sub(2);
        self.take_message(end, body)
    }

    /// Takes an empty line and one that follows it. Bare line feeds count, as they do within a message.
    fn take_empty_lines(&mut self, first: usize) -> Option<Frame> {
        let second = empty_line(&self.buffer[first..]);
        self.buffer.advance(first + second.unwrap_or(0));
        let is_ping = second.is_some() || self.has_empty_line;
        self.has_empty_line = !is_ping;
        if is_ping { Some(Frame::Ping) } else { (!self.has_message).then_some(Frame::Pong) }
    }

    fn wait_for_head(&mut self) -> Option<Frame> {
        self.searched = self.buffer.len().saturating_sub(3);
        if self.buffer.len() <= limits::MESSAGE_BYTES {
            return None;
        }
        let head = Head::read(&self.buffer[..limits::MESSAGE_BYTES]);
        Some(self.close(head, TOO_LARGE))
    }

    fn take_message(&mut self, end: usize, body: usize) -> Option<Frame> {
        if body > limits::MESSAGE_BYTES {
            let head = Head::read(&self.buffer[..limits::MESSAGE_BYTES]);
            return Some(self.close(head, TOO_LARGE));
        }
        let head = Head::read(&self.buffer[..end]);
        let length = match content_length(&head) {
            Ok(Some(length)) if length <= limits::MESSAGE_BYTES - body => length,
            Ok(Some(_)) => return Some(self.close(head, TOO_LARGE)),
            Ok(None) => return Some(self.close(head, Fault::bad("a message on a stream has no Content-Length"))),
            Err(fault) => return Some(self.close(head, fault)),
        };
        self.whole = body + length;
        if self.buffer.len() < self.whole {
            return None;
        }
        self.whole = 0;
        let bytes = self.buffer.split_to(body + length);
        self.searched = 0;
        (self.has_empty_line, self.has_message) = (false, true);
        self.kept = self.keeps.then(|| bytes.clone());
        Some(match Message::from_parts(head, &bytes[body..]) {
            Ok(message) => Frame::Message(message),
            Err(refusal) => Frame::Malformed(refusal),
        })
    }

    fn close(&mut self, head: Head, fault: Fault) -> Frame {
        self.closed = true;
        self.buffer.truncate(limits::MESSAGE_BYTES);
        self.kept = self.keeps.then(|| self.buffer.clone());
        self.buffer.clear();
        Frame::Malformed(MalformedMessage::new(fault, head))
    }
}

/// The length of the line break that octets begin with.
fn empty_line(octets: &[u8]) -> Option<usize> {
    match octets {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

const TOO_SLOW: Fault = Fault { status: 408, why: "the message did not arrive in time" };
const TOO_LARGE: Fault = Fault { status: 513, why: "the message is longer than 65535 octets" };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;
    use crate::test_peer::{OFFER, Peer, arrival};

    fn framer(bytes: &[u8]) -> StreamFramer {
        let mut framer = StreamFramer::new();
        framer.push(bytes);
        framer
    }

    fn status(frame: Option<Frame>) -> Option<String> {
        let Some(Frame::Malformed(refusal)) = frame else { return None };
        let reply = refusal.reply(&arrival(Transport::Tcp))?;
        Some(String::from_utf8_lossy(&reply.bytes[8..11]).into_owned())
    }

    fn options(n: u32) -> String {
        Peer::new(Transport::Tcp).text("OPTIONS", n, n, "", OFFER)
    }

    #[test]
    fn octets_of_a_frame_are_kept_while_they_are_asked_for() {
        let mut framer = framer((options(1) + &options(2)).as_bytes());
        assert!(framer.next().is_some() && framer.take_octets().is_none());
        framer.keep_octets(true);
        assert!(framer.next().is_some());
        assert_eq!(framer.take_octets().as_deref(), Some(options(2).as_bytes()));
        framer.push(b"\r\n\r\nOPTIONS s");
        assert!(matches!(framer.next(), Some(Frame::Ping)) && framer.take_octets().is_none());
        assert!(framer.time_out().is_some());
        assert_eq!(framer.take_octets().as_deref(), Some(&b"OPTIONS s"[..]));
    }

    #[test]
    fn two_crlfs_are_a_ping_and_one_is_a_pong() {
        let mut framer = framer(b"\r\n");
        assert!(matches!(framer.next(), Some(Frame::Pong)) && framer.next().is_none());
        framer.push(b"\r\n\r\n");
        assert!(matches!(framer.next(), Some(Frame::Ping)));
        assert!(framer.next().is_none());
        framer.push(options(1).as_bytes());
        assert!(matches!(framer.next(), Some(Frame::Message(_))));
        assert!(framer.buffer.is_empty() && !framer.is_closed());
    }

    #[test]
    fn a_ping_in_parts_is_answered_once() {
        let mut framer = StreamFramer::new();
        let mut pings = 0;
        for octet in b"\r\n\r\n" {
            framer.push(&[*octet]);
            pings += std::iter::from_fn(|| framer.next()).filter(|frame| matches!(frame, Frame::Ping)).count();
            assert!(!framer.is_partial());
        }
        assert_eq!(pings, 1);
    }

    #[test]
    fn pongs_with_a_pause_between_them_are_no_ping() {
        let mut framer = StreamFramer::new();
        for _ in 0..3 {
            framer.push(b"\r\n");
            assert!(matches!(framer.next(), Some(Frame::Pong)) && framer.next().is_none());
            framer.pause();
        }
    }

    #[test]
    fn empty_lines_between_messages_are_no_part_of_them_whatever_ends_them() {
        for lines in ["\n", "\n\n", "\r\n", "\r\n\n", "\n\r\n", "\n\n\n", "\r\n\r\n\r\n"] {
            let mut framer = framer((options(1) + lines + &options(2) + lines).as_bytes());
            let frames: Vec<_> = std::iter::from_fn(|| framer.next()).collect();
            let messages = frames.iter().filter(|frame| matches!(frame, Frame::Message(_))).count();
            assert!(messages == 2 && !framer.is_closed(), "{lines:?}: {frames:?}");
            assert!(!frames.iter().any(|frame| matches!(frame, Frame::Pong)), "{lines:?}: it follows a message");
        }
    }

    #[test]
    fn a_refused_message_of_known_length_does_not_end_the_stream() {
        let bad = options(1).replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE");
        let mut framer = framer((bad + &options(2)).as_bytes());
        assert_eq!(status(framer.next()).as_deref(), Some("400"));
        assert!(matches!(framer.next(), Some(Frame::Message(_))));
    }

    #[test]
    fn without_a_sound_length_the_stream_closes_after_a_400() {
        for length in
            ["X: 1", "Content-Length: -1", "Content-Length: 5\r\nl: 6", "Content-Length: 99999999999999999999"]
        {
            let bad = options(1).replace(&format!("Content-Length: {}", OFFER.len()), length);
            let mut framer = framer((bad + &options(2)).as_bytes());
            assert_eq!(status(framer.next()).as_deref(), Some("400"), "{length}");
            assert!(framer.is_closed() && framer.next().is_none());
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_513_and_closes_the_stream() {
        let large = options(1).replace(&format!("Content-Length: {}", OFFER.len()), "Content-Length: 65535");
        let mut body = framer(large.as_bytes());
        assert_eq!(status(body.next()).as_deref(), Some("513"));
        assert!(body.is_closed());
        let mut head = framer(b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n");
        for _ in 0..66 {
            assert!(head.next().is_none());
            head.push(&[b'x'; 1000]);
        }
        assert_eq!(status(head.next()).as_deref(), Some("513"));
    }

    #[test]
    fn a_message_that_does_not_arrive_is_408_and_a_part_of_a_keep_alive_is_no_message() {
        let whole = options(1);
        for cut in 1..whole.len() {
            let mut framer = framer(&whole.as_bytes()[..cut]);
            assert!(framer.next().is_none() && framer.is_partial(), "{cut}");
            let answered = status(framer.time_out());
            // The Via is in the second line.
            assert!(cut < 150 || answered.as_deref() == Some("408"), "{cut}");
            assert!(framer.is_closed());
        }
        for part in ["", "\r", "\r\n", "\r\n\r"] {
            let mut framer = framer(part.as_bytes());
            let frames: Vec<_> = std::iter::from_fn(|| framer.next()).collect();
            assert!(frames.iter().all(|frame| matches!(frame, Frame::Pong)) && !framer.is_partial());
            assert!(framer.time_out().is_none());
        }
    }

    #[test]
    fn a_stream_that_is_not_sip_is_closed_without_a_reply() {
        let mut framer = framer(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(status(framer.next()).is_none());
        assert!(framer.is_closed());
    }
}
