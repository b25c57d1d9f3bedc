//! Finds messages in a stream of bytes (RFC 3261 §18.3, RFC 5626 §3.5.1).
//!
//! ```text
//!            CRLF CRLF                    empty line            Content-Length bytes
//!  Between ───────────► Ping   Between ─────────────► Body ──────────────────────────► Message, Between
//!     └── no empty line within the limit, no or wrong Content-Length ──► Refusal, Closed
//! ```
//!
//! Where one message ends cannot be guessed: after a message without a sound Content-Length the stream is over. The
//! refusal comes out first, so that its sender learns why.

use bytes::{Buf, BytesMut};

use super::fields::content_length;
use super::lexer::{Fault, Head, head_end};
use super::limits;
use super::message::{Message, Refusal};

/// What a stream held.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every frame is a message")]
pub enum Frame {
    Message(Message),
    /// A message that cannot be worked with; the stream goes on unless [`StreamFramer::is_closed`].
    Refused(Refusal),
    /// A keep-alive that waits for a CRLF (RFC 5626 §3.5.1).
    Ping,
}

/// The bytes of one connection that are not yet a message.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: BytesMut,
    /// Where the search for the empty line goes on, so that a dripping peer costs no second look.
    searched: usize,
    closed: bool,
}

impl StreamFramer {
    pub fn new() -> StreamFramer {
        StreamFramer::default()
    }

    /// Takes bytes as they were received. Call [`next`](Self::next) until it is `None` before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.closed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether the connection is to be closed: nothing after this can be told apart.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether part of a message waits for its rest: the shell limits how long.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next frame that is whole.
    #[allow(clippy::should_implement_trait, reason = "an iterator that ends now and goes on after a push is a trap")]
    pub fn next(&mut self) -> Option<Frame> {
        if self.closed {
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
            Ok(None) => return Some(self.close(head, Fault::bad("a stream needs Content-Length"))),
            Err(fault) => return Some(self.close(head, fault)),
        };
        if self.buffer.len() < body + length {
            return None;
        }
        let bytes = self.buffer.split_to(body + length);
        self.searched = 0;
        Some(match Message::from_parts(head, &bytes[body..]) {
            Ok(message) => Frame::Message(message),
            Err(refusal) => Frame::Refused(refusal),
        })
    }

    fn close(&mut self, head: Head, fault: Fault) -> Frame {
        self.closed = true;
        self.buffer.clear();
        Frame::Refused(Refusal::new(fault, head))
    }
}

const TOO_LARGE: Fault = Fault { status: 513, why: "the message is too large" };
