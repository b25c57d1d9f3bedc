//! baresip, an independent softphone, without sound hardware: it dials, presses keys, and keeps what it hears.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use audio::g711;
use base::Codec;

use crate::gateway::{peer, temporary_folder};
use crate::wait::eventually;

/// A running softphone.
pub struct Softphone {
    child: Child,
    keyboard: ChildStdin,
    folder: PathBuf,
    heard_to: usize,
}

impl Softphone {
    /// Starts one with a configuration of its own.
    pub fn start() -> Softphone {
        Softphone::begin(&[], &caller(""), "")
    }

    /// The same with SRTP: `srtp-mand` offers RTP/SAVP alone, `srtp` RTP/AVP with `a=crypto`.
    pub fn start_protected(media_encryption: &str) -> Softphone {
        Softphone::begin(&[], &caller(&format!(";mediaenc={media_encryption}")), "")
    }

    /// The same, with these samples at 8 kHz at its microphone, over and over from the start of its call.
    pub fn start_saying(voice: &[i16]) -> Softphone {
        Softphone::begin(voice, &caller(""), "")
    }

    /// The same, trusting one certificate authority, with further parameters of its account as `;mediaenc=srtp-mand`, and with
    /// these samples at its microphone.
    pub fn start_trusting(authority: &std::path::Path, account: &str, voice: &[i16]) -> Softphone {
        Softphone::begin(voice, &caller(account), &trusting(authority))
    }

    /// One that registers over TLS for a user, answers by itself over SRTP, and says these samples.
    pub fn start_answering(
        registrar: std::net::SocketAddr,
        (user, password): (&str, &str),
        authority: &std::path::Path,
        voice: &[i16],
    ) -> Softphone {
        let account = format!(
            "<sip:{user}@{registrar};transport=tls>;auth_pass={password};regint=60;answermode=auto;mediaenc=srtp-mand;\
             audio_codecs=PCMA/8000/1\n"
        );
        Softphone::begin(voice, &account, &trusting(authority))
    }

    /// One without an account and with the addresses of its own choice, which a shell starts by a line as a guide has it; waits
    /// until the call that the line begins is answered and sound comes.
    pub fn run_line(line: &str) -> Softphone {
        let folder = temporary_folder("softphone");
        let arguments = line.strip_prefix("baresip ").expect("the line starts baresip");
        let mut shell = peer("sh");
        shell.arg("-c").arg(format!("exec baresip -f {} {arguments}", folder.display()));
        let settings = SETTINGS.replace("sip_listen 127.0.0.1:0\n", "");
        let phone = Softphone::spawn(folder, shell, (&settings, ""), &[]);
        phone.says("Call established");
        phone.says("incoming rtp");
        phone
    }

    fn begin(voice: &[i16], account: &str, settings: &str) -> Softphone {
        let folder = temporary_folder("softphone");
        let mut baresip = peer("baresip");
        baresip.arg("-f").arg(&folder);
        let phone = Softphone::spawn(folder, baresip, (&format!("{SETTINGS}{settings}"), account), voice);
        phone.says("baresip is ready");
        phone
    }

    fn spawn(folder: PathBuf, mut baresip: Command, (settings, account): (&str, &str), voice: &[i16]) -> Softphone {
        let write = |name: &str, text: &[u8]| fs::write(folder.join(name), text).expect("a file can be written");
        write("config", settings.replace("FOLDER", &folder.display().to_string()).as_bytes());
        write("accounts", account.as_bytes());
        write("contacts", b"");
        write("uuid", b"00000000-0000-4000-8000-000000000000");
        microphone(&folder.join("microphone.wav"), voice);
        let output = fs::File::create(folder.join("output")).expect("a file can be made");
        let errors = output.try_clone().expect("a second handle");
        let mut child =
            baresip.stdin(Stdio::piped()).stdout(output).stderr(errors).spawn().expect("baresip can be started");
        let keyboard = child.stdin.take().expect("its input is piped");
        Softphone { child, keyboard, folder, heard_to: 0 }
    }

    /// Dials, and waits until the call is answered and sound comes.
    pub fn dial(&mut self, uri: &str) {
        self.command(&format!("dial {uri}"));
        self.says("Call established");
        self.says("incoming rtp");
    }

    /// Dials a node that refuses the call with this status.
    pub fn dials_in_vain(&mut self, uri: &str, status: &str) {
        self.command(&format!("dial {uri}"));
        self.says(status);
    }

    /// Puts the call on hold, or takes it back.
    pub fn hold(&mut self, on: bool) {
        self.command(if on { "hold" } else { "resume" });
    }

    /// Presses keys one by one, as RFC 4733 events.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            let before = self.output().matches("DTMF digit end").count();
            self.command(&format!("sndcode {key}"));
            self.until("the key was sent", |phone| phone.output().matches("DTMF digit end").count() > before);
            // The event is still on its way when the key is up: 180 ms and its repeats.
            std::thread::sleep(Duration::from_millis(320));
        }
    }

    /// Ends the call.
    pub fn hang_up(&mut self) {
        // baresip says nothing of the end of a call that lasted less than a second.
        std::thread::sleep(Duration::from_secs(1));
        self.command("hangup");
        self.says("terminated");
    }

    /// Waits until the other side has ended the call.
    pub fn is_hung_up_on(&self) {
        self.says("session closed");
    }

    /// Waits until a recording is heard, octet for octet, after what was heard before.
    pub fn hears(&mut self, clip: &[u8], what: &str) {
        let mut search = crate::sound::Search::new(clip, self.heard_to);
        let mut end = None;
        self.until(what, |phone| {
            end = search.in_more(&phone.heard());
            end.is_some()
        });
        self.heard_to = end.expect("it was found");
    }

    /// What was heard so far, as the octets that baresip decoded: A-law decoded is A-law encoded again without loss.
    fn heard(&self) -> Vec<u8> {
        let files = fs::read_dir(&self.folder).expect("its folder");
        let mut recordings: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
        recordings.retain(|path| path.to_string_lossy().ends_with("-dec.wav"));
        recordings.sort();
        let Some(newest) = recordings.last() else { return Vec::new() };
        let bytes = fs::read(newest).expect("the recording");
        let samples = bytes.get(WAV_HEADER..).unwrap_or_default().chunks_exact(2);
        samples.map(|pair| g711::encode(Codec::Alaw, i16::from_le_bytes([pair[0], pair[1]]))).collect()
    }

    fn command(&mut self, text: &str) {
        writeln!(self.keyboard, "/{text}").expect("baresip reads its input");
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join("output")).unwrap_or_default()).into_owned()
    }

    fn says(&self, text: &str) {
        self.until(text, |phone| phone.output().contains(text));
    }

    fn until(&self, what: &str, mut done: impl FnMut(&Softphone) -> bool) {
        eventually(Duration::from_secs(60), what, || if done(self) { Ok(()) } else { Err(self.output()) });
    }
}

impl Drop for Softphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The account of a caller, who registers nowhere, with further parameters.
fn caller(parameters: &str) -> String {
    format!("<sip:caller@127.0.0.1>;regint=0;audio_codecs=PCMA/8000/1{parameters}\n")
}

fn trusting(authority: &std::path::Path) -> String {
    format!("sip_cafile {}\n", authority.display())
}

/// What the softphone says into its microphone.
fn microphone(path: &std::path::Path, voice: &[i16]) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).expect("a file can be made");
    let said = voice.iter().chain(if voice.is_empty() { &[0] } else { &[][..] });
    for sample in said.cycle().take(8000 * 120) {
        writer.write_sample(*sample).expect("a sample is written");
    }
    writer.finalize().expect("the file is written");
}

const WAV_HEADER: usize = 44;

/// No sound hardware: a file is sent, and what is decoded goes to a file before any player.
const SETTINGS: &str = "\
sip_listen 127.0.0.1:0
audio_player aubridge,nobody
audio_source aufile,FOLDER/microphone.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
module_path /usr/lib/baresip/modules
module stdio.so
module g711.so
module srtp.so
module aufile.so
module aubridge.so
module sndfile.so
module_app account.so
module_app menu.so
snd_path FOLDER
";
