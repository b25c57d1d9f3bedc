//! How long a recording of ten minutes takes to come in, and the table of slots; what a loaded set costs in memory.
//!
//! `cargo bench --bench takes`

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use audio::decode::decode;
use studio::{Conditions, TakeSource, process};
use studio_store::Studio;

fn main() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::temp_dir().join(format!("jindu-takes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    ten_minutes(home, &folder);
    table(home, &folder);
    memory(home, &folder);
    let _ = std::fs::remove_dir_all(&folder);
}

fn ten_minutes(home: &Path, folder: &Path) {
    let from = home.join("prompts/audio/en/prompt.desk_holiday.wav").display().to_string();
    for (name, words) in [
        ("float.wav", "-ar 48000 -c:a pcm_f32le"),
        ("stereo.wav", "-ar 48000 -ac 2"),
        ("voice.mp3", "-ar 44100 -ac 2 -c:a libmp3lame -b:a 128k"),
        ("voice.m4a", "-ar 48000 -ac 2 -c:a aac -b:a 128k"),
        ("voice.webm", "-ar 48000 -ac 2 -c:a libopus -b:a 96k"),
        ("voice.flac", "-ar 48000 -ac 2 -c:a flac"),
    ] {
        let to = folder.join(name);
        let loops = ["-v", "error", "-y", "-stream_loop", "-1", "-t", "600", "-i", &from];
        let status = Command::new("ffmpeg").args(loops).args(words.split(' ')).arg(&to).status().expect("ffmpeg");
        assert!(status.success());
        let bytes = std::fs::read(&to).expect("saved");
        let longest = Duration::from_secs(660);
        let begin = Instant::now();
        let sound = decode(&bytes, longest).expect("a recording");
        let decoded = begin.elapsed();
        let conditions =
            Conditions { kind: TakeSource::File, expected: longest, longest, sitting_dbov: Vec::new(), voice: None };
        let done = process(sound, &conditions);
        let all = begin.elapsed();
        println!(
            "ten minutes of {name}: {:.2} s, of which decoding {:.2} s; {} MB master",
            all.as_secs_f64(),
            decoded.as_secs_f64(),
            done.master.len() / 1_000_000
        );
        let _ = std::fs::remove_file(to);
    }
}

fn settings(home: &Path, folder: &Path) -> config::Settings {
    let text = std::fs::read_to_string(home.join("config/jindu.toml")).expect("the settings");
    let set = [format!("data.folder={}", folder.display())];
    config::read(&text, &set, home).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"))
}

fn table(home: &Path, folder: &Path) {
    let studio = Studio::open(&settings(home, folder)).expect("a studio");
    for round in ["cold", "warm", "warm"] {
        let begin = Instant::now();
        let slots = studio.slots().expect("slots").len();
        println!("{slots} slots listed, {round}: {:.1} ms", begin.elapsed().as_secs_f64() * 1000.0);
    }
}

fn memory(home: &Path, folder: &Path) {
    let before = resident();
    let hotline =
        release::hotline::read(&settings(home, folder), release::recordings::MissingPolicy::Reject).expect("a hotline");
    let (clips, octets) = hotline.bank.size();
    let grown = resident().saturating_sub(before);
    println!(
        "{clips} clips of {octets} octets in both laws; the process grew by {grown} ({:.2} times)",
        grown as f64 / octets as f64
    );
}

/// Resident memory in octets.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
