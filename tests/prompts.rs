//! The prompt studio by the program itself: recordings from real encoders, hostile files, and takes on a call.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use audio::decode::{DecodeError, Decoded, decode};
use audio::{g711, to_telephone_rate};
use base::Codec;
use support::gateway::{Gateway, home, jindu, peer, temporary_folder};
use support::phone::Phone;

const LONG: Duration = Duration::from_secs(60);
/// The longest recording that is taken.
const LONGEST: Duration = Duration::from_secs(660);

/// A folder of its own, gone when the test ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(name: &str) -> Folder {
        Folder(temporary_folder(name))
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn prompts(data: &Folder, words: &[&str]) -> Output {
    let mut command = jindu(&data.0);
    command.arg("prompts").args(words).stdin(Stdio::null()).output().expect("the program runs")
}

fn done(data: &Folder, words: &[&str]) -> String {
    let output = prompts(data, words);
    assert!(output.status.success(), "{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Somebody saying a sentence, with half a second of quiet around it: 48 kHz, 16 bits, one channel.
fn spoken(folder: &Folder, lang: &str, id: &str) -> PathBuf {
    let (from, to) = (home().join(format!("prompts/audio/{lang}/{id}.wav")), folder.join(&format!("{lang}-{id}.wav")));
    let from = from.display().to_string();
    ffmpeg(&["-i", &from, "-af", "adelay=500:all=1,apad=pad_dur=0.5", "-ar", "48000", "-ac", "1"], &to);
    to
}

fn ffmpeg(words: &[&str], to: &Path) {
    let output = peer("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(words).arg(to).output().expect("it runs");
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
}

/// How each program saves: the file's name, and the encoder's words.
const SAVED: [(&str, &str); 25] = [
    ("8.wav", "-c:a pcm_u8"),
    ("16.wav", "-c:a pcm_s16le"),
    ("24.wav", "-c:a pcm_s24le"),
    ("32.wav", "-c:a pcm_s32le"),
    ("float.wav", "-c:a pcm_f32le"),
    ("double.wav", "-c:a pcm_f64le"),
    ("alaw.wav", "-c:a pcm_alaw -ar 8000"),
    ("mulaw.wav", "-c:a pcm_mulaw -ar 8000"),
    ("stereo.wav", "-ac 2"),
    ("left.wav", "-af pan=stereo|c0=c0"),
    ("11025.wav", "-ar 11025"),
    ("22050.wav", "-ar 22050"),
    ("96000.wav", "-ar 96000"),
    ("voice.mp3", "-c:a libmp3lame -b:a 96k"),
    ("vbr.mp3", "-c:a libmp3lame -q:a 4 -ac 2 -ar 44100"),
    ("low.mp3", "-c:a libmp3lame -b:a 24k -ar 16000"),
    ("voice.m4a", "-c:a aac -b:a 96k"),
    ("fragments.mp4", "-c:a aac -b:a 96k -movflags frag_keyframe+empty_moov+default_base_moof"),
    ("voice.aac", "-c:a aac -b:a 96k -f adts"),
    ("opus.mp4", "-c:a libopus -b:a 64k"),
    ("browser.webm", "-c:a libopus -b:a 64k -f webm -live 1"),
    ("long-frames.webm", "-c:a libopus -frame_duration 60 -b:a 32k"),
    ("voice.opus", "-c:a libopus -b:a 32k -ac 2"),
    ("voice.ogg", "-c:a libvorbis -q:a 4"),
    ("voice.flac", "-c:a flac -sample_fmt s32"),
];

fn saved(folder: &Folder, from: &Path, name: &str, words: &str) -> Vec<u8> {
    let (from, to) = (from.display().to_string(), folder.join(name));
    let words: Vec<&str> = ["-i", &from].into_iter().chain(words.split(' ')).collect();
    ffmpeg(&words, &to);
    fs::read(to).expect("saved")
}

/// The envelope of a recording in steps of 20 ms, in dB.
fn envelope(sound: &Decoded) -> Vec<f64> {
    let step = sound.rate as usize / 50;
    let power = |part: &[f32]| part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64;
    sound.samples.chunks_exact(step).map(|part| 10.0 * (power(part) + 1e-6).log10()).collect()
}

/// How far two envelopes are apart where they lie best on each other, within 120 ms.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    let at = |shift: usize, a: &[f64], b: &[f64]| {
        let pairs: Vec<f64> = a.iter().skip(shift).zip(b).map(|(a, b)| (a - b).abs()).collect();
        pairs.iter().sum::<f64>() / pairs.len() as f64
    };
    (0..=6).flat_map(|shift| [at(shift, a, b), at(shift, b, a)]).fold(f64::MAX, f64::min)
}

#[test]
fn whatever_a_program_saves_is_the_same_speech() {
    let folder = Folder::new("formats");
    let from = spoken(&folder, "en", "prompt.desk_holiday");
    let original = decode(&fs::read(&from).expect("the source"), LONGEST).expect("16-bit WAV");
    let wanted = envelope(&original);
    for (name, words) in SAVED {
        let sound = decode(&saved(&folder, &from, name, words), LONGEST).unwrap_or_else(|e| panic!("{name}: {e}"));
        let longer = sound.duration().as_secs_f64() - original.duration().as_secs_f64();
        assert!(longer.abs() < 0.15, "{name} is {longer} s longer");
        let apart = apart(&envelope(&sound), &wanted);
        assert!(apart < 2.5, "{name} is {apart} dB away");
        assert_eq!(sound.companded, name.contains("law"), "{name}");
    }
}

#[test]
fn what_is_not_read_is_named_with_what_would_do() {
    let folder = Folder::new("foreign");
    let from = spoken(&folder, "en", "prompt.bye");
    let kind =
        |name: &str, words: &str| decode(&saved(&folder, &from, name, words), LONGEST).expect_err(name).to_string();
    assert!(kind("voice.wma", "-c:a wmav2").contains("WMA"));
    assert!(kind("gsm.wav", "-c:a libgsm_ms -ar 8000").contains("GSM"));
    assert!(kind("adpcm.wav", "-c:a adpcm_ms").contains("ADPCM"));
    assert!(kind("voice.aiff", "-c:a pcm_s16be").contains("save it as WAV"));
    assert!(kind("surround.flac", "-ac 6").contains("6 channels"));
    assert!(kind("slow.wav", "-ar 4000").contains("4000 samples a second"));
    assert!(decode(b"#!AMR\n\x3c", LONGEST).expect_err("AMR").to_string().contains("AMR"));
    for (bytes, error) in
        [(&b""[..], DecodeError::Empty), (b"hello", DecodeError::Unknown), (&[0; 4096], DecodeError::Unknown)]
    {
        assert_eq!(decode(bytes, LONGEST), Err(error));
    }
    let long = saved(&folder, &from, "long.flac", "-af apad=whole_dur=20");
    let short = Duration::from_secs(10);
    assert_eq!(decode(&long, short), Err(DecodeError::TooLong(short)));
}

#[test]
fn hostile_files_cost_their_sender_the_recording_and_nothing_else() {
    let folder = Folder::new("hostile");
    let from = spoken(&folder, "en", "num.7");
    let mut state = 7u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for (name, words) in SAVED {
        let good = saved(&folder, &from, name, words);
        for round in 0..40 {
            let mut bytes = good.clone();
            // Heads are where lengths and counts stand.
            let within = if round % 2 == 0 { bytes.len().min(600) } else { bytes.len() };
            for _ in 0..1 + round % 5 {
                let at = random() % within;
                bytes[at] = [0, 0xFF, 0x7F, 0x80, random() as u8][random() % 5];
            }
            if round % 7 == 0 {
                bytes.truncate(random() % bytes.len());
            }
            if let Ok(sound) = decode(&bytes, LONGEST) {
                assert!(sound.samples.len() <= 64_000_000 && sound.samples.iter().all(|s| s.is_finite()), "{name}");
            }
        }
    }
}

/// The master of a take as a caller hears it.
fn as_played(data: &Folder, take: &str) -> Vec<u8> {
    let file = data.join("master.wav");
    done(data, &["play", take, &file.display().to_string(), "--master"]);
    let reader = hound::WavReader::open(&file).expect("a master");
    let rate = reader.spec().sample_rate;
    let samples: Vec<i16> = reader.into_samples().map(|sample| sample.expect("a sample")).collect();
    let samples = to_telephone_rate(&samples, rate).expect("a master's rate");
    samples.into_iter().map(|sample| g711::encode(Codec::Alaw, sample)).collect()
}

fn json(told: &str) -> serde_json::Value {
    serde_json::from_str(told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

#[test]
fn a_take_is_heard_by_new_calls_a_call_in_progress_keeps_its_own_and_both_come_back() {
    let data = Folder::new("takes");
    let before = support::sound::clip("zh", "prompt.welcome", Codec::Alaw);
    let gateway = Gateway::start_in(data.0.clone(), &[]);
    let file = spoken(&data, "en", "prompt.bye").display().to_string();
    let told = done(&data, &["import", &file, "--slot", "zh/prompt.welcome", "--who", "li", "--json"]);
    let take = json(&told)["name"].as_str().expect("a take").to_owned();
    let own = prompts(&data, &["approve", &take[..12], "--who", "li"]);
    assert!(!own.status.success() && text(&own.stderr).contains("another person"), "{}", text(&own.stderr));
    let nothing = prompts(&data, &["publish", "--who", "wang"]);
    assert!(!nothing.status.success() && text(&nothing.stderr).contains("1 takes wait"), "{}", text(&nothing.stderr));
    done(&data, &["approve", "all", "--who", "wang"]);
    let mut in_progress = Phone::dial(gateway.udp);
    let told = done(&data, &["publish", "--who", "wang", "--why", "a person", "--json"]);
    assert_eq!(json(&told)["publication"]["changes"][0]["take"], take.as_str());
    assert!(gateway.await_log("is live for new calls"), "{}", gateway.log());
    let mut new = Phone::dial(gateway.udp);
    assert!(new.hears(&as_played(&data, &take), LONG), "a new call hears the take");
    assert!(in_progress.hears(&before, LONG), "a call in progress keeps what it began with");
    new.hang_up();
    in_progress.hang_up();
    done(&data, &["restore", "zh/prompt.welcome", "--who", "wang"]);
    done(&data, &["publish", "--who", "wang", "--why", "back"]);
    let mut restored = Phone::dial(gateway.udp);
    std::thread::sleep(Duration::from_secs(2));
    restored.hang_up();
    let mut restored = Phone::dial(gateway.udp);
    assert!(restored.hears(&before, LONG), "the factory's recording is back");
    restored.hang_up();
    let told = done(&data, &["rollback", "--who", "wang", "--why", "it was better"]);
    assert!(told.contains("live again"), "{told}");
    let releases = jindu(&data.0).arg("releases").output().expect("it runs");
    assert!(text(&releases.stdout).contains("publish prompts"), "{}", text(&releases.stdout));
}

#[test]
fn the_command_line_tells_what_is_to_be_recorded_and_plays_it() {
    let data = Folder::new("coverage");
    let told = json(&done(&data, &["coverage", "--json"]));
    let slots = told["slots"].as_array().expect("slots");
    assert!(slots.len() > 900);
    let digit = slots.iter().find(|slot| slot["lang"] == "yue" && slot["slot"] == "digit.f.7").expect("a digit");
    assert_eq!((digit["state"].as_str(), digit["variant"].as_str()), (Some("placeholder"), Some("f")));
    assert!(digit["before"].as_array().is_some_and(|before| !before.is_empty()), "{digit}");
    let table = done(&data, &["coverage", "--lang", "yue", "--missing"]);
    assert!(table.lines().count() > 300 && table.lines().rev().skip(1).all(|line| line.starts_with("yue")), "{table}");
    let wav = prompts(&data, &["play", "yue/digit.f.7", "-", "--in-sentence", "--value", "receipt=440126112233457"]);
    let reader = hound::WavReader::new(&wav.stdout[..]).expect("a WAV on the standard output");
    assert_eq!(reader.spec().sample_rate, 8000);
    assert!(reader.duration() > 3 * 8000);
    let page = data.join("script.html");
    done(&data, &["export", &page.display().to_string(), "--lang", "en"]);
    assert!(fs::read_to_string(page).expect("a page").contains("Recording script"));
    for wrong in [&["play", "yue/digit.f.77"][..], &["approve", "000000000000"], &["restore", "en/nothing"]] {
        assert!(!prompts(&data, wrong).status.success(), "{wrong:?}");
    }
    assert_eq!(prompts(&data, &["sing"]).status.code(), Some(64));
    assert_eq!(prompts(&data, &["list", "--anyway"]).status.code(), Some(64));
}

#[test]
fn an_archive_made_outside_comes_in_whole() {
    let data = Folder::new("archive");
    let archive = data.join("yue.zip").display().to_string();
    done(&data, &["export", &archive, "--lang", "yue", "--script"]);
    let untouched = done(&data, &["import", &archive, "--who", "chen"]);
    assert!(untouched.contains("no new recording"), "{untouched}");
    let table = data.join("script.csv");
    done(&data, &["export", &table.display().to_string(), "--lang", "yue"]);
    let changed = fs::read_to_string(&table).expect("a table").replacen("七", "柒", 1);
    fs::write(&table, changed).expect("written");
    let told = done(&data, &["import", &table.display().to_string()]);
    assert!(told.contains("柒") && told.contains("1 texts differ"), "{told}");
}

#[test]
fn what_was_acknowledged_outlives_kills_at_any_moment() {
    let data = Folder::new("kills");
    let file = spoken(&data, "en", "num.7").display().to_string();
    let slots = ["num.1", "num.2", "num.3", "num.4", "num.5", "num.6", "num.8", "num.9"];
    let mut acknowledged = Vec::new();
    for (round, slot) in slots.iter().enumerate() {
        let slot = format!("en/{slot}");
        let words = ["prompts", "import", &file, "--slot", &slot, "--who", "li"];
        let mut child =
            jindu(&data.0).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        std::thread::sleep(Duration::from_millis(40 * round as u64));
        let _ = child.kill();
        if child.wait().expect("it ends").success() {
            acknowledged.push(slot);
        }
    }
    let last = "en/num.10".to_owned();
    done(&data, &["import", &file, "--slot", &last, "--who", "li"]);
    acknowledged.push(last);
    for slot in &acknowledged {
        let takes = json(&done(&data, &["takes", slot, "--json"]));
        assert_eq!(takes["takes"][0]["state"], "draft", "{slot}: {takes}");
    }
}
