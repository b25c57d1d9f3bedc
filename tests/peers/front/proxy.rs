//! Kamailio with the shipped files.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use super::example::{Group, free_port, put, text};
use support::gateway::{peer, temporary_folder};
use support::phone::Phone;
use support::wait::{SOON, eventually};

/// A SIP proxy in front of nodes.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    _process: Group,
}

impl Proxy {
    /// Starts one, and waits until every node takes calls.
    pub(crate) fn start(nodes: &[SocketAddr]) -> Proxy {
        let folder = temporary_folder("kamailio");
        let address = free_port(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let file = |name: &str| folder.join(name).display().to_string();
        let mut settings = text("kamailio.cfg");
        put(&mut settings, "192.0.2.10:5060", &address.to_string());
        put(&mut settings, "/etc/kamailio/dispatcher.list", &file("dispatcher.list"));
        put(&mut settings, "/etc/kamailio/address.list", &file("address.list"));
        put(&mut settings, "unix:/run/kamailio/kamailio_ctl", &format!("unix:{}", file("control")));
        put(&mut settings, "#!define PROBE_EVERY 2", "#!define PROBE_EVERY 1");
        let mut carriers = text("address.list");
        put(&mut carriers, "198.51.100.0 28", "127.0.0.0 8");
        let line = text("dispatcher.list").lines().find(|line| line.contains("192.0.2.11")).expect("a node").to_owned();
        let list: Vec<String> = nodes.iter().map(|node| line.replace("192.0.2.11:5060", &node.to_string())).collect();
        for (name, text) in
            [("kamailio.cfg", settings), ("address.list", carriers + "\n"), ("dispatcher.list", list.join("\n") + "\n")]
        {
            fs::write(folder.join(name), text).expect("a file can be written");
        }
        let log = fs::File::create(folder.join("log")).expect("a file can be made");
        let process = Group::spawn(
            peer("kamailio")
                // In the foreground, with its children; logging to the standard error; little memory.
                .args(["-DD", "-E", "-m", "64", "-M", "8"])
                .args(["-f", &file("kamailio.cfg"), "-Y", &folder.display().to_string(), "-P", &file("pid")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        );
        let proxy = Proxy { address, folder, _process: process };
        for node in nodes {
            proxy.await_state(*node, true);
        }
        proxy
    }

    /// What its log says.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    /// Its status for the carrier's heartbeat.
    pub(crate) fn heartbeat(&self) -> u16 {
        Phone::new(self.address).options().status
    }

    /// The nodes' states, as the operator sees them.
    pub(crate) fn nodes(&self) -> String {
        let control = format!("unix:{}", self.folder.join("control").display());
        let listed = peer("kamcmd").args(["-s", &control, "dispatcher.list"]).output();
        String::from_utf8_lossy(&listed.expect("kamcmd runs").stdout).into_owned()
    }

    /// Waits until a node is known to take calls, or not to.
    pub(crate) fn await_state(&self, node: SocketAddr, active: bool) {
        eventually(SOON, format!("{node}, active: {active}"), || match self.is_active(node) == Some(active) {
            true => Ok(()),
            false => Err(format!("{}\n{}", self.nodes(), self.log())),
        });
    }

    /// Whether a node is sent calls and was heard to answer; `None` while it is not known yet.
    fn is_active(&self, node: SocketAddr) -> Option<bool> {
        let nodes = self.nodes();
        let from = nodes.find(&format!("sip:{node}"))?;
        let flags = nodes[from..].split("FLAGS: ").nth(1)?;
        match flags.get(..2)? {
            "AP" => Some(true),
            "IP" => Some(false),
            _ => None,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the proxy's log ---\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
