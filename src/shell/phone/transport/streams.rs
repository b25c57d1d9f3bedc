//! The stream connections, by their far end.
//!
//! A connection is two tasks: one reads and frames, one writes what its bounded queue holds. At the limit of
//! connections, one that never completed a message is closed for a newer one, else the one that was silent longest.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::receiver::Receiver;
use os::clock;
use sip::{Arrival, Frame, StreamFramer};

/// All connections.
#[derive(Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<SocketAddr, Stream>>,
}

struct Stream {
    queue: mpsc::Sender<Bytes>,
    /// Closes the connection; also identifies it: a later one with the same far end has another.
    close: Arc<Notify>,
    heard: Instant,
    spoke: bool,
}

/// What became of bytes for a connection.
pub(super) enum Queued {
    Yes,
    /// The far end reads too slowly: the bytes are dropped.
    Full,
    /// There is no such connection; the bytes come back.
    NoStream(Bytes),
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Stream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues bytes for the connection with a peer; never waits.
    pub(super) fn send(&self, peer: SocketAddr, bytes: Bytes) -> Queued {
        match self.lock().get(&peer).map(|stream| &stream.queue) {
            Some(queue) => queue.try_send(bytes).into(),
            None => Queued::NoStream(bytes),
        }
    }

    /// Takes a connection into service, and returns its queue.
    pub(super) fn adopt(
        self: &Arc<Self>,
        stream: TcpStream,
        arrival: Arrival,
        receiver: Arc<dyn Receiver>,
    ) -> mpsc::Sender<Bytes> {
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (queue, waiting) = mpsc::channel(STREAM_QUEUE);
        let close = Arc::new(Notify::new());
        self.insert(arrival.source, queue.clone(), Arc::clone(&close));
        tokio::spawn(write(writer, waiting));
        let streams = Arc::clone(self);
        let answers = queue.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = read(reader, &arrival, &*receiver, &streams, &answers) => {}
                () = close.notified() => {}
            }
            streams.remove(arrival.source, &close);
        });
        queue
    }

    fn insert(&self, peer: SocketAddr, queue: mpsc::Sender<Bytes>, close: Arc<Notify>) {
        let mut open = self.lock();
        if open.len() >= STREAMS_MAX {
            make_room(&mut open);
        }
        open.insert(peer, Stream { queue, close, heard: clock::now(), spoke: false });
    }

    fn remove(&self, peer: SocketAddr, close: &Arc<Notify>) {
        let mut open = self.lock();
        if open.get(&peer).is_some_and(|stream| Arc::ptr_eq(&stream.close, close)) {
            open.remove(&peer);
        }
    }

    fn heard(&self, peer: SocketAddr, spoke: bool) {
        if let Some(stream) = self.lock().get_mut(&peer) {
            stream.heard = clock::now();
            stream.spoke |= spoke;
        }
    }
}

impl From<Result<(), TrySendError<Bytes>>> for Queued {
    fn from(sent: Result<(), TrySendError<Bytes>>) -> Queued {
        match sent {
            Ok(()) => Queued::Yes,
            Err(TrySendError::Full(_)) => Queued::Full,
            Err(TrySendError::Closed(bytes)) => Queued::NoStream(bytes),
        }
    }
}

fn make_room(open: &mut HashMap<SocketAddr, Stream>) {
    let oldest = open.iter().min_by_key(|(_, stream)| (stream.spoke, stream.heard)).map(|(peer, _)| *peer);
    if let Some(stream) = oldest.and_then(|peer| open.remove(&peer)) {
        stream.close.notify_one();
    }
}

async fn read(
    mut reader: OwnedReadHalf,
    arrival: &Arrival,
    receiver: &dyn Receiver,
    streams: &Streams,
    answers: &mpsc::Sender<Bytes>,
) {
    let mut framer = StreamFramer::new();
    let mut buffer = vec![0; STREAM_READ];
    let mut spoke = false;
    loop {
        let patience = if spoke { STREAM_IDLE } else { FIRST_MESSAGE };
        let length = match timeout(patience, reader.read(&mut buffer)).await {
            Ok(Ok(length)) if length > 0 => length,
            Ok(_) | Err(_) => return,
        };
        framer.push(&buffer[..length]);
        while let Some(framed) = framer.next() {
            match framed {
                Frame::Ping => {
                    let _ = answers.try_send(Bytes::from_static(b"\r\n"));
                }
                Frame::Message(message) => {
                    receiver.message(message, arrival);
                    spoke = true;
                }
                Frame::Malformed(malformed) => receiver.malformed(&malformed, arrival),
            }
        }
        streams.heard(arrival.source, spoke);
        if framer.is_closed() {
            return;
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut waiting: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = waiting.recv().await {
        match timeout(WRITE_LIMIT, writer.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

const STREAM_READ: usize = 8192;
/// Messages that wait for a slow reader.
const STREAM_QUEUE: usize = 64;
const STREAMS_MAX: usize = 4096;
/// A connection that completes no message within this time is closed.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);
/// RFC 5626 §4.4.1 keep-alives come every two minutes at most; a call may last an hour in silence.
const STREAM_IDLE: Duration = Duration::from_secs(7200);
/// A far end that reads nothing for this time loses its connection.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(10);
