//! HAProxy with the shipped file.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;

use super::example::{Group, free_port, put, text};
use support::gateway::{peer, temporary_folder};
use support::wait::{SOON, eventually, within};

/// An HTTP balancer in front of nodes.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    process: Group,
}

impl Balancer {
    /// Starts one, and waits until every node is up.
    pub(crate) fn start(nodes: &[SocketAddr]) -> Balancer {
        let folder = temporary_folder("haproxy");
        let address = free_port(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let socket = folder.join("admin.sock");
        let mut settings = text("haproxy.cfg");
        put(&mut settings, "bind 192.0.2.20:80\n", &format!("bind {address}\n"));
        put(&mut settings, "/run/haproxy/admin.sock", &socket.display().to_string());
        put(&mut settings, "log /dev/log local0", "log stdout format raw local0");
        for n in 1..=3 {
            let shipped = format!("server node{n} 192.0.2.1{n}:8080");
            let ours = nodes.get(n - 1).map_or(String::new(), |node| format!("server node{n} {node}"));
            put(&mut settings, &shipped, &ours);
        }
        let file = folder.join("haproxy.cfg");
        fs::write(&file, settings).expect("a file can be written");
        let log = fs::File::create(folder.join("log")).expect("a file can be made");
        let errors = log.try_clone().expect("a second handle");
        let process = Group::spawn(
            peer("haproxy").arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).stdout(log).stderr(errors),
        );
        let mut balancer = Balancer { address, folder, process };
        let listens = within(SOON, || socket.exists() || balancer.process.has_ended());
        assert!(listens.is_ok() && socket.exists(), "{}", balancer.log());
        for n in 1..=nodes.len() {
            balancer.await_state(n, "UP");
        }
        balancer
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    /// Waits until node n, counted from 1, has this state.
    pub(crate) fn await_state(&self, n: usize, state: &str) {
        eventually(SOON, format!("node{n} is {state}"), || match self.state(n) {
            now if now.starts_with(state) => Ok(()),
            now => Err(format!("{now}\n{}", self.log())),
        });
    }

    fn state(&self, n: usize) -> String {
        let mut socket = UnixStream::connect(self.folder.join("admin.sock")).expect("the admin socket");
        socket.write_all(b"show stat\n").expect("a question");
        let mut table = String::new();
        socket.read_to_string(&mut table).expect("an answer");
        // Column 18 is the status.
        let row = table.lines().find(|line| line.starts_with(&format!("nodes,node{n},")));
        row.and_then(|row| row.split(',').nth(17)).unwrap_or_default().to_owned()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            eprintln!("--- the end of the balancer's log ---\n{}", &log[log.len().saturating_sub(4000)..]);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
