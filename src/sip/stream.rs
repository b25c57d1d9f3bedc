//! Finds messages in a stream of bytes (RFC 3261 §18.3, RFC 5626 §3.5.1).
//!
//! ```text
//!            CRLF CRLF                    empty line            Content-Length bytes
//!  Between ───────────► Ping   Between ─────────────► Body ──────────────────────────► Message, Between
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
}

/// The bytes of one connection that are not yet a message.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: BytesMut,
    /// Where the search for the empty line continues: a slow sender causes no second search.
    searched: usize,
    /// Octets of the first message once its head is complete: the head is not read again for each octet of the body.
    whole: usize,
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
        if !self.closed {
            self.buffer.extend_from_slice(bytes);
        }
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
        !b"\r\n\r\n".starts_with(&self.buffer[..])
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
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.advance(4);
            return Some(Frame::Ping);
        }
        if self.buffer.starts_with(b"\r\n") && self.buffer.len() > 2 && !b"\r\n\r\n".starts_with(&self.buffer[..3]) {
            self.buffer.advance(2);
            self.searched = 0;
            return self.next();
        }
        if self.buffer.len() <= 3 && b"\r\n\r\n".starts_with(&self.buffer[..]) {
            return None;
        }
        let Some((end, body)) = head_end(&self.buffer, self.searched) else { return self.wait_for_head() };
        self.searched = end.saturating_sub(2);
        self.take_message(end, body)
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
    fn two_crlfs_are_a_ping_and_one_is_ignored() {
        let mut framer = framer(b"\r\n");
        assert!(framer.next().is_none());
        framer.push(b"\r\n\r\n");
        assert!(matches!(framer.next(), Some(Frame::Ping)));
        assert!(framer.next().is_none());
        framer.push(options(1).as_bytes());
        assert!(matches!(framer.next(), Some(Frame::Message(_))));
        assert!(framer.buffer.is_empty() && !framer.is_closed());
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
            assert!(framer.next().is_none() && !framer.is_partial());
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
