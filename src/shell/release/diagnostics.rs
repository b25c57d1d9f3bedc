//! Diagnostics for recordings that are missing or out of date. Each names the line of the script with the words.

use std::path::Path;
use std::sync::Arc;

use base::{Bilingual, bilingual};
use flow::Release;
use speech::{ClipText, Diagnostic};

/// `E47`: a sentence has no recording.
pub fn missing(release: &Release, folder: &Path, needed: &ClipText) -> Diagnostic {
    let file = folder.join(needed.lang.code()).join(format!("{}.wav", needed.id));
    diagnostic(
        release,
        needed,
        "E47",
        bilingual!(
            "{} has no recording in {}: \"{}\"",
            "{} 缺少 {} 的录音：“{}”",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        bilingual!(
            "record it as {}, or render a placeholder (prompts/render)",
            "请录成 {}，或用 prompts/render 生成占位录音",
            file.display()
        ),
    )
}

/// `W08`: the words of a sentence were changed after it was recorded; the release is live already, or a trial.
pub fn stale(release: &Release, needed: &ClipText) -> Diagnostic {
    diagnostic(
        release,
        needed,
        "W08",
        bilingual!(
            "{} was recorded in {} before its words were changed to \"{}\"",
            "{} 的 {} 录音早于文案改为“{}”之前",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        Bilingual::fixed(
            "record it again at /studio, by telephone, or hand in a WAV file: jindu prompts import --slot",
            "请在 /studio 或用电话重新录音，或提交 WAV 文件：jindu prompts import --slot",
        ),
    )
}

/// `W08`: a recording lies there whose words the manifest does not have, such as a file that the office supplied.
pub fn unknown(release: &Release, needed: &ClipText) -> Diagnostic {
    diagnostic(
        release,
        needed,
        "W08",
        bilingual!(
            "the recording of {} in {} is not the one that the manifest describes; its words should be \"{}\"",
            "{} 的 {} 录音与清单（manifest）所述不符；应为“{}”",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        bilingual!(
            "listen to it: jindu prompts play {}/{}",
            "请试听：jindu prompts play {}/{}",
            needed.lang.code(),
            needed.id
        ),
    )
}

/// `E48`: the words were changed after they were recorded, and no recording has the new words.
pub fn outdated(release: &Release, needed: &ClipText) -> Diagnostic {
    diagnostic(
        release,
        needed,
        "E48",
        bilingual!(
            "callers would hear a recording of {} in {} that was made before its words were changed to \"{}\"",
            "来电人会听到 {} 的 {} 旧录音，文案此后已改为“{}”",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        Bilingual::fixed(
            "record the new words at /studio or by telephone, or hand in a WAV file (jindu prompts import --slot), and have the take \
             approved: the publication then includes it; or restore the old words",
            "请在 /studio 或用电话录制新文案，或提交 WAV 文件（jindu prompts import --slot），经审核后发布即包含该录音；或恢复旧文案",
        ),
    )
}

/// `W14`: the words were changed after a take of them went live; the factory's recording has the new words.
pub fn replaced_by_factory(release: &Release, needed: &ClipText) -> Diagnostic {
    diagnostic(
        release,
        needed,
        "W14",
        bilingual!(
            "the take of {} in {} was recorded before its words were changed to \"{}\"; the factory's recording is played",
            "{} 的 {} 录音早于文案改为“{}”之前；现播放出厂录音",
            needed.id,
            needed.lang.code(),
            needed.text
        ),
        Bilingual::fixed(
            "record it again at /studio, by telephone, or hand in a WAV file: jindu prompts import --slot",
            "请在 /studio 或用电话重新录音，或提交 WAV 文件：jindu prompts import --slot",
        ),
    )
}

fn diagnostic(
    release: &Release,
    needed: &ClipText,
    code: &'static str,
    message: Bilingual,
    remedy: Bilingual,
) -> Diagnostic {
    let file = Arc::clone(release.script.file());
    Diagnostic { code, file, line: line_of(release, &needed.id), message, remedy }
}

/// The line of an entry's recording: `prompt.bye`, or `prompt.ready.0` for the first of several.
fn line_of(release: &Release, id: &str) -> u32 {
    let whole = release.script.entry(id);
    let part = || id.rsplit_once('.').and_then(|(entry, _)| release.script.entry(entry));
    // The words of numbers and dates stand in no line.
    whole.or_else(part).map_or(1, |entry| entry.line)
}
