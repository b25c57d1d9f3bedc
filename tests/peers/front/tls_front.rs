//! HAProxy, which takes TLS off the connections to a port that knows none.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Stdio;

use support::certificates::Certified;
use support::folder::Folder;
use support::gateway::peer;
use support::wait::{SOON, eventually};

use super::example::{Group, free_port};

pub(crate) struct TlsFront {
    pub(crate) address: SocketAddr,
    _process: Group,
    _folder: Folder,
}

impl TlsFront {
    /// Starts one with this certificate before a port of this machine.
    pub(crate) fn start(certified: &Certified, port: u16) -> TlsFront {
        let folder = Folder::new();
        let address = free_port(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let both = [fs::read(&certified.certificate), fs::read(&certified.key)].map(|read| read.expect("a PEM file"));
        fs::write(folder.join("both.pem"), both.concat()).expect("written");
        let settings = format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             frontend tls\n  bind {address} ssl crt {}\n  default_backend plain\n\
             backend plain\n  server one 127.0.0.1:{port}\n",
            folder.join("both.pem").display()
        );
        let file = folder.join("haproxy.cfg");
        fs::write(&file, settings).expect("written");
        let process =
            Group::spawn(peer("haproxy").arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()));
        eventually(SOON, "it listens", || TcpStream::connect(address).is_ok());
        TlsFront { address, _process: process, _folder: folder }
    }
}
