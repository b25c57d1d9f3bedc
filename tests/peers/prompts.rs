//! Recordings of real encoders (ffmpeg), hostile files, and takes on a call.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use audio::decode::{DecodeError, Decoded, decode};
use audio::{g711, to_telephone_rate};
use base::Codec;
use support::command::{done, done_json, live_release, run, text};
use support::folder::Folder;
use support::gateway::{Gateway, home, jindu, peer};
use support::phone::Phone;
use support::studio::{Person, voice, wav};

const LONG: Duration = Duration::from_secs(60);
/// The longest recording that is taken.
const LONGEST: Duration = Duration::from_secs(660);

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
const SAVED: [(&str, &str); 36] = [
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
    ("large.wav", "-c:a pcm_s16le -rf64 always"),
    ("voice.w64", "-c:a pcm_s16le"),
    ("voice.aiff", "-c:a pcm_s16be"),
    ("voice.caf", "-c:a pcm_s16be"),
    ("alac.m4a", "-c:a alac"),
    ("alac.caf", "-c:a alac"),
    ("alac.mov", "-c:a alac"),
    ("mp3.wav", "-c:a libmp3lame -b:a 96k"),
    ("mp2.wav", "-c:a mp2 -b:a 96k -ar 32000"),
    ("adpcm.wav", "-c:a adpcm_ima_wav"),
    ("ms.wav", "-c:a adpcm_ms"),
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
fn every_programs_file_decodes_to_the_same_speech() {
    let folder = Folder::new();
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
fn an_unsupported_format_is_named_with_the_supported_ones() {
    let folder = Folder::new();
    let from = spoken(&folder, "en", "prompt.bye");
    let kind =
        |name: &str, words: &str| decode(&saved(&folder, &from, name, words), LONGEST).expect_err(name).to_string();
    assert!(kind("voice.wma", "-c:a wmav2").contains("WMA"));
    assert!(kind("gsm.wav", "-c:a libgsm_ms -ar 8000").contains("GSM"));
    assert!(kind("yamaha.wav", "-c:a adpcm_yamaha").contains("ADPCM"));
    assert!(kind("voice.wv", "-c:a wavpack").contains("WavPack"));
    assert!(kind("voice.au", "-c:a pcm_s16be").contains("AU"));
    assert!(kind("dolby.mp4", "-c:a ac3 -ac 2").contains("AC-3"));
    assert!(kind("dolby.mkv", "-c:a ac3 -ac 2").contains("AC-3"));
    assert!(kind("surround.flac", "-ac 6").contains("6 channels"));
    assert!(kind("slow.wav", "-ar 4000").contains("4000"));
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
fn a_hostile_file_loses_only_its_own_recording() {
    let folder = Folder::new();
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
    done(data.path(), &["prompts", "play", take, &file.display().to_string(), "--master"]);
    let reader = hound::WavReader::open(&file).expect("a master");
    let rate = reader.spec().sample_rate;
    let samples: Vec<i16> = reader.into_samples().map(|sample| sample.expect("a sample")).collect();
    let samples = to_telephone_rate(&samples, rate).expect("a master's rate");
    samples.into_iter().map(|sample| g711::encode(Codec::Alaw, sample)).collect()
}

#[test]
fn a_take_is_heard_by_new_calls_a_call_in_progress_keeps_its_own_and_both_come_back() {
    let data = Folder::new();
    let before = support::sound::clip("zh", "prompt.welcome", Codec::Alaw);
    let gateway = Gateway::start_in(data.path().to_owned(), &[]);
    let file = spoken(&data, "en", "prompt.bye").display().to_string();
    let words = ["prompts", "import", &file, "--slot", "zh/prompt.welcome", "--who", "li", "--json"];
    let take = done_json(data.path(), &words)["name"].as_str().expect("a take").to_owned();
    support::command::add_approver(data.path(), "li");
    let wang = support::command::add_approver(data.path(), "wang").display().to_string();
    let wang = ["--who", "wang", "--password-file", &*wang];
    let by_wang = |words: &[&'static str]| [words, &wang].concat();
    let own = run(data.path(), &[&["prompts", "approve", &take[..12], "--who", "li"][..], &wang[2..]].concat());
    assert_eq!(own.status.code(), Some(1), "own takes cannot be approved: {}", text(&own.stderr));
    let nothing = run(data.path(), &by_wang(&["prompts", "publish"]));
    assert_eq!(nothing.status.code(), Some(1), "nothing is approved: {}", text(&nothing.stderr));
    done(data.path(), &by_wang(&["prompts", "approve", "all"]));
    let mut in_progress = Phone::dial(gateway.udp);
    let told = done_json(data.path(), &by_wang(&["prompts", "publish", "--why", "a person", "--json"]));
    assert_eq!(told["publication"]["changes"][0]["take"], take.as_str());
    let published = live_release(data.path());
    gateway.await_release(&published);
    let mut new = Phone::dial(gateway.udp);
    assert!(new.hears(&as_played(&data, &take), LONG), "a new call hears the take");
    assert!(in_progress.hears(&before, LONG), "a call in progress keeps what it began with");
    new.hang_up();
    in_progress.hang_up();
    done(data.path(), &["prompts", "restore", "zh/prompt.welcome", "--who", "wang"]);
    done(data.path(), &by_wang(&["prompts", "publish", "--why", "back"]));
    gateway.await_release(&live_release(data.path()));
    let mut restored = Phone::dial(gateway.udp);
    assert!(restored.hears(&before, LONG), "the factory's recording is back");
    restored.hang_up();
    done(data.path(), &by_wang(&["prompts", "rollback", "--why", "it was better"]));
    assert_eq!(live_release(data.path()), published);
    let releases = done(data.path(), &["releases"]);
    assert!(releases.contains("publish prompts"), "{releases}");
}

#[test]
fn an_acknowledged_take_survives_a_kill_at_any_moment() {
    let data = Folder::new();
    let file = spoken(&data, "en", "num.7").display().to_string();
    let slots = ["num.1", "num.2", "num.3", "num.4", "num.5", "num.6", "num.8", "num.9"];
    let mut acknowledged = Vec::new();
    for (round, slot) in slots.iter().enumerate() {
        let slot = format!("en/{slot}");
        let words = ["prompts", "import", &file, "--slot", &slot, "--who", "li"];
        let mut child =
            jindu(data.path()).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        std::thread::sleep(Duration::from_millis(40 * round as u64));
        let _ = child.kill();
        if child.wait().expect("it ends").success() {
            acknowledged.push(slot);
        }
    }
    let last = "en/num.10".to_owned();
    done(data.path(), &["prompts", "import", &file, "--slot", &last, "--who", "li"]);
    acknowledged.push(last);
    for slot in &acknowledged {
        let takes = done_json(data.path(), &["prompts", "takes", slot, "--json"]);
        assert_eq!(takes["takes"][0]["state"], "draft", "{slot}: {takes}");
    }
}

/// A recording in every form that browsers, telephones and studios make.
#[test]
fn every_kind_of_file_is_taken() {
    let gateway = Gateway::start(&[]);
    let operator = Person::of(&gateway, "operator");
    let folder = Folder::new();
    let source = folder.join("voice.wav");
    fs::write(&source, wav(&voice("zh", "prompt.welcome"))).expect("written");
    for (name, options) in [
        ("a.wav", &["-c:a", "pcm_s24le", "-ar", "48000", "-ac", "2"][..]),
        ("b.wav", &["-c:a", "pcm_alaw", "-ar", "8000"]),
        ("c.mp3", &["-c:a", "libmp3lame", "-b:a", "128k"]),
        ("d.m4a", &["-c:a", "aac", "-b:a", "128k"]),
        ("e.webm", &["-c:a", "libopus", "-b:a", "96k"]),
        ("f.ogg", &["-c:a", "libvorbis"]),
        ("g.flac", &["-c:a", "flac", "-ar", "44100"]),
    ] {
        let file = folder.join(name);
        let mut ffmpeg = peer("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-i"]).arg(&source).args(options).arg(&file);
        assert!(ffmpeg.status().expect("ffmpeg runs").success(), "{name}");
        let reply = operator.records("zh", "prompt.welcome", &fs::read(&file).expect("made"));
        assert_eq!(reply.status, 200, "{name}: {}", String::from_utf8_lossy(&reply.body));
        assert_eq!(reply.json()["good"], true, "{name}: {}", reply.json());
    }
}
