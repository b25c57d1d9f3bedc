//! The files of `config/examples`, with the addresses of a test in place of theirs: what is shipped is what is tested.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command};

use support::gateway::home;

/// A shipped file.
pub(crate) fn text(name: &str) -> String {
    let path = path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn path(name: &str) -> PathBuf {
    home().join("config/examples").join(name)
}

/// Puts one text in place of another, which must be there.
pub(crate) fn put(text: &mut String, shipped: &str, ours: &str) {
    assert!(text.contains(shipped), "{shipped} is in the shipped file");
    *text = text.replace(shipped, ours);
}

/// A port of this address that is free for TCP and UDP.
pub(crate) fn free_port(address: IpAddr) -> SocketAddr {
    for _ in 0..100 {
        let listener = TcpListener::bind((address, 0)).expect("a free port");
        let place = listener.local_addr().expect("bound");
        if UdpSocket::bind(place).is_ok() {
            return place;
        }
    }
    panic!("no port is free for TCP and UDP");
}

/// A program with children of its own, which end with it.
pub(crate) struct Group(Child);

impl Group {
    pub(crate) fn spawn(command: &mut Command) -> Group {
        std::os::unix::process::CommandExt::process_group(command, 0);
        Group(command.spawn().expect("it can be started"))
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it can be waited for").is_some()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The whole group, which only this program and its children are in.
        let _ = Command::new("kill").arg("-KILL").arg("--").arg(format!("-{}", self.0.id())).status();
        let _ = self.0.wait();
    }
}
