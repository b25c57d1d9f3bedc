//! One question to the name servers: over UDP, and over TCP where the answer is too long (RFC 7766).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::DnsError;
use super::message::{Answer, Kind, Reply, question, reply};
use os::clock;

/// Asks one server after the other, twice.
pub(crate) async fn exchange(servers: &[SocketAddr], name: &str, kind: Kind) -> Result<Answer, DnsError> {
    let mut error = DnsError::Silent;
    for server in servers.iter().cycle().take(servers.len() * ROUNDS) {
        let id = clock::random_u64() as u16;
        let asked = question(id, name, kind).ok_or(DnsError::Name)?;
        match timeout(PATIENCE, over_udp(*server, &asked, id, name, kind)).await {
            Ok(Ok(Reply::Answer(answer))) => return Ok(answer),
            Ok(Ok(Reply::Truncated)) => match timeout(TCP_PATIENCE, over_tcp(*server, &asked)).await {
                Ok(Ok(octets)) => match reply(&octets, id, name, kind) {
                    Reply::Answer(answer) => return Ok(answer),
                    Reply::Truncated | Reply::Refused | Reply::Other => error = DnsError::Refused,
                },
                Ok(Err(_)) | Err(_) => error = DnsError::Silent,
            },
            Ok(Ok(Reply::Refused | Reply::Other)) => error = DnsError::Refused,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    Err(error)
}

/// A port of its own for each question, so that no answer can be forged without seeing it (RFC 5452 §9.2).
async fn over_udp(server: SocketAddr, asked: &[u8], id: u16, name: &str, kind: Kind) -> io::Result<Reply> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    socket.send(asked).await?;
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match reply(&buffer[..length], id, name, kind) {
            // A late answer to an earlier question, or a forged one.
            Reply::Other => {}
            reply => return Ok(reply),
        }
    }
}

async fn over_tcp(server: SocketAddr, asked: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(asked.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], asked].concat()).await?;
    let length = stream.read_u16().await?;
    let mut octets = vec![0; length.into()];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

/// How often each server is asked.
const ROUNDS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(1);
const TCP_PATIENCE: Duration = Duration::from_secs(2);
/// Without EDNS an answer has at most 512 octets; some servers send more.
const DATAGRAM_MAX: usize = 4096;
