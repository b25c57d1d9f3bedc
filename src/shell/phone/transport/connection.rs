//! One stream connection: a task reads and frames, another writes what its outbox holds.
//!
//! ```text
//!  read ──► frame ──► Receiver ──► next frame, once the outbox has room and the message's call has taken it
//!   └ end, fault, or a message that drips ──► what waits is written ──► closed
//! ```
//!
//! No request is lost to a full queue: the connection is read more slowly, and the far end waits (RFC 9293 §3.8).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{timeout, timeout_at};

use super::outbox::{Outbox, WAIT_LIMIT, Waiting};
use super::receiver::Receiver;
use super::streams::{Ends, Route, Streams};
use super::tap::Tap;
use os::clock;
use sip::{Arrival, ConnectionId, Frame, StreamFramer};

impl Streams {
    /// Serves a connection that a peer opened, or closes it if the limits allow no other.
    pub(super) fn accept<S>(self: &Arc<Self>, stream: S, arrival: Arrival, receiver: Arc<dyn Receiver>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        if self.make_room(arrival.source.ip()) {
            // A far end that begins again from the same port has given up the connection before.
            let ends = self.enter(arrival.transport, arrival.local, arrival.source);
            let own = arrival.local;
            tokio::spawn(serve((stream, own), ends, arrival, receiver, Arc::clone(self)));
        }
    }

    /// Opens a connection for a message. Messages that come meanwhile and may take it share it. `connecting` gives the stream with
    /// its own address, while `route` names the listener.
    pub(super) fn connect<S, F>(
        self: &Arc<Self>,
        message: Waiting,
        route: &Route,
        receiver: Arc<dyn Receiver>,
        connecting: F,
    ) where
        S: AsyncRead + AsyncWrite + Send + 'static,
        F: Future<Output = io::Result<(S, SocketAddr)>> + Send + 'static,
    {
        let ends = self.enter_if_none(route);
        if let Err(message) = self.send_by(route, message) {
            message.fail();
        }
        let Some(ends) = ends else { return };
        let Route { transport, local, peer, .. } = *route;
        let arrival = Arrival { transport, source: peer, local, connection: Some(ends.id) };
        let streams = Arc::clone(self);
        tokio::spawn(async move {
            match connecting.await {
                Ok(stream) => serve(stream, ends, arrival, receiver, streams).await,
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be opened");
                    streams.remove(peer, ends.id);
                    ends.outbox.close();
                }
            }
        });
    }
}

/// Serves a connection to its end.
async fn serve<S>(
    (stream, own): (S, SocketAddr),
    ends: Ends,
    arrival: Arrival,
    receiver: Arc<dyn Receiver>,
    streams: Arc<Streams>,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let Ends { id, outbox, close } = ends;
    let arrival = Arrival { connection: Some(id), ..arrival };
    let (reader, writer) = tokio::io::split(stream);
    let wire = Arrival { local: own, ..arrival };
    let mut writing = tokio::spawn(write(writer, Arc::clone(&outbox), wire, Arc::clone(&streams.tap)));
    let reading = Reading { arrival, wire, id, receiver: &*receiver, streams: &streams, outbox: &outbox };
    let is_read = tokio::select! {
        () = reading.run(reader) => true,
        () = close.notified() => false,
        _ = &mut writing => false,
    };
    streams.remove(arrival.source, id);
    receiver.stream_ended(&arrival);
    if is_read {
        outbox.finish();
        let _ = timeout(WRITE_LIMIT, &mut writing).await;
    }
    writing.abort();
    outbox.close();
}

/// The reading half and where its messages go.
struct Reading<'a> {
    arrival: Arrival,
    /// The same with the connection's own address.
    wire: Arrival,
    id: ConnectionId,
    receiver: &'a dyn Receiver,
    streams: &'a Streams,
    outbox: &'a Outbox,
}

impl Reading<'_> {
    /// Reads until the stream ends, has a fault, or is silent in a message for too long.
    async fn run(&self, mut reader: impl AsyncRead + Unpin) {
        let mut framer = StreamFramer::new();
        let mut buffer = vec![0; STREAM_READ];
        let mut spoke = false;
        // When the first octet of a message came that is not complete.
        let mut begun: Option<Instant> = None;
        loop {
            let waits_since = clock::now();
            let silence = waits_since + if spoke { STREAM_IDLE } else { FIRST_MESSAGE };
            let limit = begun.map_or(silence, |begun| begun + MESSAGE_LIMIT);
            let length = match timeout_at(limit.into(), reader.read(&mut buffer)).await {
                Ok(Ok(length)) if length > 0 => length,
                Ok(_) => return,
                Err(_) => {
                    let frame = framer.time_out();
                    self.capture(&mut framer);
                    return self.take(frame).await;
                }
            };
            if clock::now() >= waits_since + PAUSE {
                framer.pause();
            }
            framer.keep_octets(self.streams.tap.is_on());
            framer.push(&buffer[..length]);
            while let Some(frame) = framer.next() {
                self.capture(&mut framer);
                if !matches!(frame, Frame::Ping | Frame::Pong) {
                    begun = None;
                }
                spoke |= matches!(frame, Frame::Message(_));
                self.take(Some(frame)).await;
            }
            self.streams.heard(self.arrival.source, self.id, spoke);
            if framer.is_closed() {
                return;
            }
            begun = framer.is_partial().then(|| begun.unwrap_or_else(clock::now));
        }
    }

    fn capture(&self, framer: &mut StreamFramer) {
        if let Some(octets) = framer.take_octets() {
            self.streams.tap.received(&self.wire, &octets);
        }
    }

    async fn take(&self, frame: Option<Frame>) {
        match frame {
            Some(Frame::Ping) => drop(self.outbox.push(Waiting::new(Bytes::from_static(b"\r\n"), || {}))),
            Some(Frame::Pong) => self.receiver.ponged(&self.arrival),
            Some(Frame::Message(message)) => {
                if let Some(backlog) = self.receiver.message(message, &self.arrival) {
                    backlog.await;
                }
            }
            Some(Frame::Malformed(malformed)) => self.receiver.malformed(&malformed, &self.arrival),
            None => {}
        }
        self.outbox.room().await;
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, outbox: Arc<Outbox>, wire: Arrival, tap: Arc<Tap>) {
    while let Some((bytes, since)) = outbox.front().await {
        let limit = (clock::now() + WRITE_LIMIT).min(since + WAIT_LIMIT);
        match timeout_at(limit.into(), writer.write_all(&bytes)).await {
            Ok(Ok(())) => {
                tap.sent(wire.transport, wire.local, wire.source, &bytes);
                outbox.written();
            }
            Ok(Err(_)) | Err(_) => return,
        }
        if outbox.is_empty() && writer.flush().await.is_err() {
            return;
        }
    }
    let _ = timeout(WRITE_LIMIT, writer.shutdown()).await;
}

const STREAM_READ: usize = 8192;
/// The halves of a ping come together; pings are seconds apart, and so are their pongs.
const PAUSE: Duration = Duration::from_secs(1);
/// A connection on which nothing comes at first is closed.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);
/// A message is whole within this time of its first octet.
const MESSAGE_LIMIT: Duration = Duration::from_secs(30);
/// RFC 5626 §4.4.1 keep-alives come every two minutes at most; a call may last an hour in silence.
const STREAM_IDLE: Duration = Duration::from_secs(7200);
/// A far end that reads nothing for this time loses its connection.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(10);
