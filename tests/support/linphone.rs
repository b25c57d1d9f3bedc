//! linphonec, the softphone of Linphone, without sound hardware: it dials, also over TLS with SRTP, presses keys, and keeps
//! what it hears. Its SIP stack is belle-sip, its RTP oRTP, its SRTP that of Cisco, its TLS Mbed TLS.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use audio::g711;
use base::Codec;

use crate::gateway::{peer, temporary_folder};
use crate::sound::Search;
use crate::wait::eventually;

/// A running linphonec.
pub struct Linphone {
    child: Child,
    keyboard: ChildStdin,
    folder: PathBuf,
    heard_to: usize,
}

impl Linphone {
    /// Starts one that trusts one certificate authority and calls with SRTP alone, in A-law.
    pub fn start(authority: &Path) -> Linphone {
        Linphone::with_settings(&SETTINGS.replace("AUTHORITY", &authority.display().to_string()))
    }

    /// Starts one that was never used, with these settings alone, in A-law.
    pub fn with_settings(text: &str) -> Linphone {
        let folder = temporary_folder("linphone");
        let settings = folder.join("settings");
        fs::write(&settings, text).expect("a file can be written");
        // Without its database it opens no transport.
        fs::create_dir_all(folder.join(".local/share/linphone")).expect("a folder can be made");
        let output = fs::File::create(folder.join("output")).expect("a file can be made");
        let errors = output.try_clone().expect("a second handle");
        let mut child = peer("linphonec")
            .arg("-c")
            .arg(settings)
            .current_dir(&folder)
            .envs(["HOME", "TMPDIR", "XDG_RUNTIME_DIR"].map(|name| (name, &folder)))
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .expect("linphonec can be started");
        let keyboard = child.stdin.take().expect("its input is piped");
        let mut phone = Linphone { child, keyboard, folder, heard_to: 0 };
        phone.says("linphonec>");
        // A-law, so that what it decodes is what was sent.
        phone.command("codec disable all");
        phone.command("codec list");
        phone.says("PCMA (8000) disabled");
        let place = phone.place_of("PCMA (8000)");
        phone.command(&format!("codec enable {place}"));
        phone.says("PCMA (8000) enabled");
        phone.command("soundcard use files");
        phone.says("Using wav files");
        phone.command("record heard.wav");
        phone
    }

    /// Dials, and waits until the call is answered and media is set up.
    pub fn dial(&mut self, uri: &str) {
        self.command(&format!("call {uri}"));
        self.says("Media streams established");
    }

    /// Presses keys one by one, as RFC 4733 events.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.command(&key.to_string());
            // Of keys that follow at once it sends the first alone: an event takes 100 ms and its repeats.
            std::thread::sleep(Duration::from_millis(400));
        }
    }

    /// Waits until a short recording is heard, octet for octet, after what was heard before. In a long one its jitter buffer
    /// may insert or leave out some samples where the machine is busy.
    pub fn hears(&mut self, clip: &[u8], what: &str) {
        let mut search = Search::new(clip, self.heard_to);
        let mut end = None;
        self.until(what, |phone| {
            end = search.in_more(&phone.heard());
            end.is_some()
        });
        self.heard_to = end.expect("it was found");
    }

    /// Ends the call.
    pub fn hang_up(&mut self) {
        self.command("terminate");
        self.is_hung_up_on();
    }

    /// Waits until the call is over.
    pub fn is_hung_up_on(&self) {
        self.says("ended (");
    }

    fn heard(&self) -> Vec<u8> {
        let bytes = fs::read(self.folder.join("heard.wav")).unwrap_or_default();
        let samples = bytes.get(WAV_HEADER..).unwrap_or_default().chunks_exact(2);
        samples.map(|pair| g711::encode(Codec::Alaw, i16::from_le_bytes([pair[0], pair[1]]))).collect()
    }

    /// The number before a codec in its list.
    fn place_of(&self, codec: &str) -> String {
        let output = self.output();
        let line = output.lines().find(|line| line.contains(codec)).expect("it was listed");
        line.split(':').next().unwrap_or_default().trim().to_owned()
    }

    fn command(&mut self, text: &str) {
        writeln!(self.keyboard, "{text}").expect("linphonec reads its input");
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("output")).unwrap_or_default()).into_owned()
    }

    fn says(&self, text: &str) {
        self.until(text, |phone| phone.output().contains(text));
    }

    fn until(&self, what: &str, mut done: impl FnMut(&Linphone) -> bool) {
        eventually(Duration::from_secs(60), what, || if done(self) { Ok(()) } else { Err(self.output()) });
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const WAV_HEADER: usize = 44;

/// Ports of the system's choice, and nothing but 127.0.0.1. Mbed TLS compares a certificate with names alone.
const SETTINGS: &str = "\
[sip]
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
bind_address=127.0.0.1
use_ipv6=0
root_ca=AUTHORITY
verify_server_certs=1
verify_server_cn=1
media_encryption=srtp
media_encryption_mandatory=1
contact=sip:caller@127.0.0.1
guess_hostname=0
use_rfc2833=1
use_info=0
[rtp]
audio_rtp_port=-1
bind_address=127.0.0.1
audio_adaptive_jitt_comp_enabled=0
[sound]
echocancellation=0
";
