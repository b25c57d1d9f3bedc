//! Listening sockets, and the connections that came in by them.
//!
//! The number of connections is bounded. When it is reached, the connection on which nothing has happened for longest
//! makes room for a new one, so that silent strangers cannot shut a kiosk out. Only when every connection is in the
//! middle of a request, or of a reply that its peer reads, is the new one rejected, with 503.
//!
//! One client has a share of them: above it, its own idlest connection makes room, or the new one is rejected with 429.
//! A proxy's connections are those of many clients, and are bounded by the number of all alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::io;
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::bounds::{ACCEPT_PAUSE, BUFFER_BYTES_MAX, HEAD_BYTES_MAX, LAST_REQUEST, STALLED_MAX, UNREAD_MAX};
use super::serves::Serves;
use super::service::HttpService;
use os::sockets::tcp_listener;
use web::ClientNetwork;

/// Bound sockets, before the first connection is accepted.
pub struct Listeners(Vec<(TcpListener, Serves)>);

impl Listeners {
    /// Binds all addresses, or none. Within a tokio runtime.
    ///
    /// # Errors
    /// The address that could not be bound, and why.
    pub fn bind(addresses: &[SocketAddr], serves: Serves) -> Result<Listeners, (SocketAddr, io::Error)> {
        let bound = addresses.iter().map(|address| match tcp_listener(*address) {
            Ok(listener) => Ok((listener, serves)),
            Err(error) => Err((*address, error)),
        });
        bound.collect::<Result<_, _>>().map(Listeners)
    }

    /// An address that serves the prompt operators' pages.
    pub fn studio(&self) -> Option<SocketAddr> {
        let mut own = self.0.iter().filter(|(_, serves)| matches!(serves, Serves::Studio | Serves::All));
        own.find_map(|(listener, _)| listener.local_addr().ok())
    }

    /// These and others.
    pub fn and(self, others: Listeners) -> Listeners {
        Listeners(self.0.into_iter().chain(others.0).collect())
    }

    /// The addresses of pages, with the ports that the system chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let pages = self.0.iter().filter(|(_, serves)| *serves != Serves::Operations);
        pages.filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// The addresses of operators' routes alone.
    pub fn operations(&self) -> Vec<SocketAddr> {
        let own = self.0.iter().filter(|(_, serves)| *serves == Serves::Operations);
        own.filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }
}

/// Serves until `stop` turns true, then lets requests in progress finish for at most `last_requests`.
pub async fn serve(
    listeners: Listeners,
    service: Arc<HttpService>,
    web: &config::Web,
    stop: watch::Receiver<bool>,
    last_requests: Duration,
) {
    let server = Arc::new(Server {
        service,
        connections: Connections::new(web.connections_max, web.shares.connections_max),
        request_timeout: web.request_timeout,
    });
    let mut tasks = JoinSet::new();
    for (listener, serves) in listeners.0 {
        tasks.spawn(Arc::clone(&server).accept(listener, serves, stop.clone(), last_requests));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a web listener ended");
        }
    }
}

struct Server {
    service: Arc<HttpService>,
    connections: Connections,
    request_timeout: Duration,
}

impl Server {
    async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        serves: Serves,
        mut stop: watch::Receiver<bool>,
        last_requests: Duration,
    ) {
        let mut tasks = JoinSet::new();
        let theirs = stop.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, from)) => self.open(&mut tasks, stream, (from, serves), &theirs),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = tasks.join_next() => {}
                () = stopped(&mut stop) => break,
            }
        }
        drop(listener);
        let _ = timeout(last_requests, async { while tasks.join_next().await.is_some() {} }).await;
        tasks.shutdown().await;
    }

    fn open(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        stream: TcpStream,
        (from, serves): (SocketAddr, Serves),
        stop: &watch::Receiver<bool>,
    ) {
        let metrics = self.service.metrics();
        let address = from.ip().to_canonical();
        // A connection that has ended already has no address; nothing is then answered.
        let Ok(local) = stream.local_addr() else { return };
        let is_proxy = self.service.is_proxy(address);
        let entry = match self.connections.admit((!is_proxy).then(|| ClientNetwork::of(address))) {
            Ok(entry) => entry,
            Err(refusal) => {
                metrics.http_connections_refused.inc();
                // One write into an empty socket buffer: it fits, or the peer is not worth waiting for.
                let _ = stream.try_write(refusal);
                return;
            }
        };
        if entry.evicted {
            metrics.http_connections_refused.inc();
        }
        let _ = stream.set_nodelay(true);
        let ends = (address, local.ip().to_canonical());
        tasks.spawn(Arc::clone(self).connection(stream, (ends, serves), entry.connection, stop.clone()));
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        (ends, serves): ((IpAddr, IpAddr), Serves),
        open: Arc<Connection>,
        mut stop: watch::Receiver<bool>,
    ) {
        self.service.metrics().http_connections.add(1);
        let _closing = Closing { server: &self, open: &open };
        let handler = service_fn(|request| {
            let (server, open) = (&self, &open);
            async move {
                let _busy = open.busy(&server.connections);
                Ok::<_, Infallible>(server.service.answer(serves, ends, request).await)
            }
        });
        let stream = TokioIo::new(Watched { stream, open: &open, connections: &self.connections });
        let connection = http(self.request_timeout).serve_connection(stream, handler);
        tokio::pin!(connection);
        let mut ending = None;
        loop {
            let check = ending.unwrap_or_else(|| self.connections.moved_at(&open) + STALLED_MAX);
            tokio::select! {
                biased;
                // An error of a connection concerns its peer, which hyper has answered.
                _ = connection.as_mut() => return,
                () = open.make_room.notified() => if self.connections.is_idle(&open) { return } else {
                    connection.as_mut().graceful_shutdown();
                    ending = Some(Instant::now() + LAST_REQUEST);
                },
                () = stopped(&mut stop), if ending.is_none() => {
                    connection.as_mut().graceful_shutdown();
                    ending = Some(Instant::now() + LAST_REQUEST);
                }
                () = sleep_until(check) => {
                    let stalled = !open.is_asked() && self.connections.moved_at(&open) + STALLED_MAX <= Instant::now();
                    if ending.is_some() || stalled {
                        return;
                    }
                    if open.is_asked() {
                        open.touch(&self.connections);
                    }
                }
            }
        }
    }
}

/// Waits for the signal to stop; a dropped sender means the same.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn http(request_timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(request_timeout)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .keep_alive(true);
    http
}

/// All open connections.
struct Connections {
    max: usize,
    /// Of one client.
    share: usize,
    start: Instant,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Arc<Connection>>,
    /// Connections of each client that has any.
    clients: HashMap<ClientNetwork, usize>,
}

struct Admitted {
    connection: Arc<Connection>,
    evicted: bool,
}

/// One open connection, as others see it.
struct Connection {
    number: u64,
    /// None: a proxy's.
    client: Option<ClientNetwork>,
    /// Requests whose reply is being made: 0 or 1.
    requests: AtomicU32,
    /// A reply is made and not yet sent.
    is_sending: AtomicBool,
    /// Milliseconds since the server's start.
    moved_ms: AtomicU64,
    make_room: Notify,
}

impl Connections {
    fn new(max: usize, share: usize) -> Connections {
        Connections { max: max.max(1), share: share.max(1), start: Instant::now(), open: Mutex::default() }
    }

    /// A place for a new connection, or what its peer is answered: the client, or the whole, has no idle connection.
    fn admit(&self, client: Option<ClientNetwork>) -> Result<Admitted, &'static [u8]> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = client.and_then(|client| open.clients.get(&client)).copied().unwrap_or(0);
        let evicted = if own >= self.share {
            open.evict(|connection| self.is_idle(connection) && connection.client == client).ok_or(SHARE)?;
            true
        } else if open.connections.len() >= self.max {
            open.evict(|connection| self.is_idle(connection)).ok_or(FULL)?;
            true
        } else {
            false
        };
        let number = open.next;
        open.next += 1;
        let connection = Arc::new(Connection {
            number,
            client,
            requests: AtomicU32::new(0),
            is_sending: AtomicBool::new(false),
            moved_ms: AtomicU64::new(self.now_ms()),
            make_room: Notify::new(),
        });
        open.connections.insert(number, Arc::clone(&connection));
        if let Some(client) = client {
            *open.clients.entry(client).or_default() += 1;
        }
        Ok(Admitted { connection, evicted })
    }

    fn remove(&self, connection: &Connection) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(connection.number);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn moved_at(&self, connection: &Connection) -> Instant {
        self.start + Duration::from_millis(connection.moved_ms.load(Relaxed))
    }

    /// Whether nothing is asked on a connection, and no reply is being read.
    fn is_idle(&self, connection: &Connection) -> bool {
        let is_read = || self.moved_at(connection) + UNREAD_MAX > Instant::now();
        let is_busy = connection.is_asked() || connection.is_sending.load(Relaxed) && is_read();
        !is_busy
    }
}

impl Open {
    /// Ends the connection, of those, on which nothing has happened for longest.
    fn evict(&mut self, of: impl Fn(&Connection) -> bool) -> Option<()> {
        let those = self.connections.values().filter(|connection| of(connection));
        let idlest = those.min_by_key(|connection| connection.moved_ms.load(Relaxed))?.number;
        self.remove(idlest)?.make_room.notify_one();
        Some(())
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Connection>> {
        let removed = self.connections.remove(&number)?;
        if let Some(client) = removed.client
            && let Entry::Occupied(mut count) = self.clients.entry(client)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(removed)
    }
}

impl Connection {
    /// Whether a reply is being made.
    fn is_asked(&self) -> bool {
        self.requests.load(Relaxed) > 0
    }

    fn touch(&self, connections: &Connections) {
        self.moved_ms.store(connections.now_ms(), Relaxed);
    }

    fn busy<'a>(&'a self, connections: &'a Connections) -> Busy<'a> {
        self.requests.fetch_add(1, Relaxed);
        Busy { connection: self, connections }
    }
}

/// A request whose reply is being made.
struct Busy<'a> {
    connection: &'a Connection,
    connections: &'a Connections,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.connection.touch(self.connections);
        self.connection.is_sending.store(true, Relaxed);
        self.connection.requests.fetch_sub(1, Relaxed);
    }
}

/// A connection's stream, which notes what its peer reads of a reply.
struct Watched<'a> {
    stream: TcpStream,
    open: &'a Connection,
    connections: &'a Connections,
}

impl AsyncRead for Watched<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        Pin::new(&mut this.stream).poll_write(cx, octets).map(|done| this.wrote(done))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        Pin::new(&mut this.stream).poll_write_vectored(cx, octets).map(|done| this.wrote(done))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once it has written all that it has.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.open.is_asked() {
            this.open.is_sending.store(false, Relaxed);
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Watched<'_> {
    fn wrote(&self, done: io::Result<usize>) -> io::Result<usize> {
        if done.as_ref().is_ok_and(|octets| *octets > 0) {
            self.open.touch(self.connections);
        }
        done
    }
}

/// Gives a connection's place back, however its task ends.
struct Closing<'a> {
    server: &'a Server,
    open: &'a Connection,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.server.connections.remove(self.open);
        self.server.service.metrics().http_connections.add(-1);
    }
}

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 78\r\n\r\n\
    {\"error\":\"busy\",\"message\":\"all connections are in use: try again in a second\"}";
const SHARE: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 87\r\n\r\n\
    {\"error\":\"client_share\",\"message\":\"too many connections from this address: close some\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_is_being_read_keeps_its_connection_and_a_finished_one_makes_room() {
        let connections = Connections::new(1, 1);
        let client = || Some(ClientNetwork::of(IpAddr::from([192, 0, 2, 1])));
        let first = connections.admit(client()).expect("room").connection;
        drop(first.busy(&connections));
        assert!(connections.admit(client()).is_err(), "its reply is on its way");
        first.is_sending.store(false, Relaxed);
        assert!(connections.admit(client()).is_ok_and(|next| next.evicted));
    }
}
