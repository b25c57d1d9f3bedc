//! A gateway that can be killed and started again: its folder, its address and its ports stay.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::gateway::{Gateway, temporary_folder};

/// One node of several.
pub struct Node {
    /// Its loopback address.
    pub address: Ipv4Addr,
    /// Its data folder.
    pub folder: PathBuf,
    set: Vec<String>,
    env: Vec<(String, String)>,
    /// SIP over UDP, and HTTP, once the system has given them.
    ports: Option<(SocketAddr, SocketAddr)>,
    gateway: Option<Gateway>,
}

impl Node {
    /// A node on a loopback address, started.
    pub fn start(address: Ipv4Addr, set: &[&str]) -> Node {
        let mut node = Node::new(address, temporary_folder("node"), set, &[]);
        node.start_again();
        node
    }

    /// A node that is not started yet, in a folder and under an environment.
    pub fn new(address: Ipv4Addr, folder: PathBuf, set: &[&str], env: &[(String, String)]) -> Node {
        let set = set.iter().map(|value| (*value).to_owned()).collect();
        Node { address, folder, set, env: env.to_vec(), ports: None, gateway: None }
    }

    /// Starts it where it was; gives the time until it was ready.
    pub fn start_again(&mut self) -> Duration {
        assert!(self.gateway.is_none(), "it runs");
        let began = std::time::Instant::now();
        let (phone, web) = match self.ports {
            Some((udp, web)) => (format!("phone.listen=udp:{udp}"), format!("web.listen={web}")),
            None => (format!("phone.listen=udp:{}:0", self.address), format!("web.listen={}:0", self.address)),
        };
        // An unused TCP listener keeps the ready line complete.
        let phone = format!("{phone},tcp:{}:0", self.address);
        let mut set: Vec<&str> = vec![&phone, &web];
        set.extend(self.set.iter().map(String::as_str));
        let mut gateway = Gateway::start_under(self.folder.clone(), &set, &self.env);
        gateway.keep_folder();
        self.ports = Some((gateway.udp, gateway.web));
        self.gateway = Some(gateway);
        began.elapsed()
    }

    /// Changes a setting from the next start on.
    pub fn set(&mut self, value: &str) {
        self.set.push(value.to_owned());
    }

    /// The process; it must run.
    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it runs")
    }

    /// Where it takes SIP over UDP, at every start.
    pub fn udp(&self) -> SocketAddr {
        self.ports.expect("it was started").0
    }

    /// Where it takes HTTP, at every start.
    pub fn web(&self) -> SocketAddr {
        self.ports.expect("it was started").1
    }

    /// Ends it as a power cut does. Gives its log.
    pub fn kill(&mut self) -> String {
        self.gateway.take().expect("it runs").kill()
    }

    /// Tells it to stop, and waits until it has: its exit code and its log.
    pub fn stop(&mut self, limit: Duration) -> (Option<i32>, String) {
        let mut gateway = self.gateway.take().expect("it runs");
        gateway.signal("TERM");
        let code = gateway.wait(limit);
        (code, gateway.kill())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.gateway.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
