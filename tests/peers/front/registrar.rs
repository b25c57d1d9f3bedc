//! Kamailio as a carrier's registrar: it asks for a digest, keeps bindings, and sends calls to them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use super::example::{Group, free_port};
use support::certificates::Certified;
use support::gateway::{peer, temporary_folder};
use support::wait::{SOON, eventually};

/// A registrar that takes SIP over UDP, TCP and TLS.
pub(crate) struct Registrar {
    /// UDP and TCP.
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    folder: PathBuf,
    process: Option<Group>,
}

/// The user, the realm and the password that it knows.
pub(crate) const USER: &str = "1001";
pub(crate) const REALM: &str = "carrier.test";
pub(crate) const PASSWORD: &str = "tel-4711";

impl Registrar {
    /// Starts one; `algorithm` is MD5 or SHA-256.
    pub(crate) fn start(certified: &Certified, algorithm: &str) -> Registrar {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (plain, tls) = (free_port(localhost), free_port(localhost));
        let folder = temporary_folder("registrar");
        let text = SETTINGS
            .replace("PLAIN", &plain.to_string())
            .replace("TLS_ADDRESS", &tls.to_string())
            .replace("CONTROL", &folder.join("control").display().to_string())
            .replace("CERTIFICATE", &certified.certificate.display().to_string())
            .replace("KEY", &certified.key.display().to_string())
            .replace("ALGORITHM", algorithm)
            .replace("REALM", REALM)
            .replace("PASSWORD", PASSWORD);
        fs::write(folder.join("kamailio.cfg"), text).expect("a file can be written");
        let mut registrar = Registrar { plain, tls, folder, process: None };
        registrar.resume();
        registrar
    }

    /// Goes away, with all its bindings.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Comes back at the same addresses, knowing nothing.
    pub(crate) fn resume(&mut self) {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let log = fs::File::create(self.folder.join("log")).expect("a file can be made");
        let _ = fs::remove_file(self.folder.join("control"));
        let process = Group::spawn(
            peer("kamailio")
                .args(["-DD", "-E", "-m", "64", "-M", "8"])
                .args(["-f", &file("kamailio.cfg"), "-Y", &file(""), "-P", &file("pid")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        );
        self.process = Some(process);
        eventually(SOON, "the registrar runs", || match self.command("core.version") {
            text if text.contains("kamailio") => Ok(()),
            text => Err(format!("{text}\n{}", self.log())),
        });
    }

    /// The bindings, as the operator sees them.
    pub(crate) fn bindings(&self) -> String {
        self.command("ul.dump")
    }

    /// Waits until the contact of a user is known, or none is.
    #[track_caller]
    pub(crate) fn await_binding(&self, present: bool) {
        eventually(RETRY, format!("a binding: {present}"), || match self.bindings() {
            text if text.contains(&format!("sip:{USER}@")) == present => Ok(()),
            text => Err(format!("{text}\n{}", self.log())),
        });
    }

    /// What its log says.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    fn command(&self, command: &str) -> String {
        let control = format!("unix:{}", self.folder.join("control").display());
        let run = peer("kamcmd").args(["-s", &control, command]).output().expect("kamcmd runs");
        String::from_utf8_lossy(&run.stdout).into_owned()
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the registrar's log ---\n{}", self.log());
        }
        self.process = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The first pause of a registration whose registrar is gone is up to 30 s (RFC 5626 §4.5).
const RETRY: Duration = Duration::from_secs(60);

/// Kamailio loads its modules from Debian's folder without a path.
const SETTINGS: &str = r#"#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
enable_tls=yes
listen=udp:PLAIN
listen=tcp:PLAIN
listen=tls:TLS_ADDRESS
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "ctl.so"
modparam("ctl", "binrpc", "unix:CONTROL")
modparam("tls", "certificate", "CERTIFICATE")
modparam("tls", "private_key", "KEY")
modparam("tls", "tls_method", "TLSv1.2+")
modparam("usrloc", "db_mode", 0)
modparam("registrar", "max_expires", 60)
modparam("registrar", "path_mode", 0)
modparam("auth", "algorithm", "ALGORITHM")
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) { if (loose_route()) { t_relay(); exit; } if (is_method("ACK") && t_check_trans()) { t_relay(); exit; }
    sl_send_reply("404", "Not Here"); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("REALM", "PASSWORD", "0")) { www_challenge("REALM", "1"); exit; }
    save("location");
    exit;
  }
  if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
  record_route();
  if (!lookup("location")) { sl_send_reply("404", "Not Registered"); exit; }
  t_relay();
}
"#;
