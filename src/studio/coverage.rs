//! Coverage: which recordings of a release are missing, out of date, synthetic or unused.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use base::Lang;
use speech::{Clip, ClipText};

/// One recording in `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// [`text_hash`] of the text that it was read from; absent if unknown.
    pub text_sha256: Option<String>,
    /// SHA-256 in hex of the file that it describes; absent if unknown. Another file there is not what was recorded.
    pub sha256: Option<String>,
    /// Synthetic, until an operator records it.
    pub placeholder: bool,
}

/// The entries of `manifest.json` by recording.
pub type Manifest = BTreeMap<Clip, ManifestEntry>;

/// Reads `manifest.json`; fields that coverage does not need are ignored.
pub fn read_manifest(json: &str) -> Result<Manifest, serde_json::Error> {
    let written: Written = serde_json::from_str(json)?;
    let recorded = |clip: WrittenClip| {
        let placeholder = clip.state == "placeholder";
        let recorded = ManifestEntry { text_sha256: clip.text_sha256, sha256: clip.sha256, placeholder };
        (Clip { lang: clip.lang, id: clip.id.into() }, recorded)
    };
    Ok(written.clips.into_iter().map(recorded).collect())
}

#[derive(Deserialize)]
struct Written {
    clips: Vec<WrittenClip>,
}

#[derive(Deserialize)]
struct WrittenClip {
    lang: Lang,
    id: String,
    #[serde(default)]
    text_sha256: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    state: String,
}

/// The recordings present compared with those that a release can play. Lists are sorted by language and id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Needed and missing: the release must not go live.
    pub missing: Vec<ClipText>,
    /// Recorded from another text than that of the script: the release must not go live.
    pub stale: Vec<ClipText>,
    /// Present, and the manifest does not say which text was recorded.
    pub unknown: Vec<ClipText>,
    /// Present, up to date and synthetic.
    pub placeholder: Vec<ClipText>,
    /// Present and unused.
    pub unused: Vec<Clip>,
}

impl Coverage {
    /// Compares the recordings present with those needed.
    pub fn of(needed: &BTreeSet<ClipText>, files: &BTreeSet<Clip>, manifest: &Manifest) -> Coverage {
        let mut coverage = Coverage::default();
        for need in needed {
            let clip = Clip { lang: need.lang, id: need.id.clone() };
            if !files.contains(&clip) {
                coverage.missing.push(need.clone());
                continue;
            }
            let recorded = manifest.get(&clip);
            match recorded.and_then(|recorded| recorded.text_sha256.as_deref()) {
                Some(hash) if hash == text_hash(&need.text) => {}
                Some(_) => {
                    coverage.stale.push(need.clone());
                    continue;
                }
                None => {
                    coverage.unknown.push(need.clone());
                    continue;
                }
            }
            if recorded.is_some_and(|recorded| recorded.placeholder) {
                coverage.placeholder.push(need.clone());
            }
        }
        let asked: BTreeSet<(Lang, &str)> = needed.iter().map(|need| (need.lang, &*need.id)).collect();
        coverage.unused = files.iter().filter(|clip| !asked.contains(&(clip.lang, &*clip.id))).cloned().collect();
        coverage
    }
}

/// SHA-256 of a text in UTF-8, in hex, as the manifest stores it.
pub fn text_hash(text: &str) -> String {
    base::hex(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(id: &str, text: &str) -> ClipText {
        ClipText { lang: Lang::Zh, id: id.into(), text: text.into() }
    }

    fn clip(id: &str) -> Clip {
        Clip { lang: Lang::Zh, id: id.into() }
    }

    fn recorded(text: &str, placeholder: bool) -> ManifestEntry {
        ManifestEntry { text_sha256: Some(text_hash(text)), sha256: None, placeholder }
    }

    #[test]
    fn each_recording_is_listed_by_its_fault() {
        let needed = [need("a", "甲"), need("b", "乙"), need("c", "丙"), need("d", "丁"), need("e", "戊")].into();
        let files = ["b", "c", "d", "e", "z"].map(clip).into();
        let manifest =
            [(clip("b"), recorded("甲", true)), (clip("c"), recorded("丙", true)), (clip("d"), recorded("丁", false))]
                .into();
        let coverage = Coverage::of(&needed, &files, &manifest);
        let ids = |list: &[ClipText]| list.iter().map(|n| n.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(&coverage.missing), ["a"]);
        assert_eq!((ids(&coverage.stale), ids(&coverage.unknown)), (vec!["b".into()], vec!["e".into()]));
        assert_eq!(ids(&coverage.placeholder), ["c"]);
        assert_eq!(coverage.unused, [clip("z")]);
    }

    #[test]
    fn a_manifest_is_parsed() {
        let json = r#"{"format": "WAV", "clips": [
            {"lang": "yue", "id": "day.1", "text": "一號", "text_sha256": "ab", "state": "placeholder", "ms": 900},
            {"lang": "zh", "id": "day.1", "state": "recorded"}]}"#;
        let manifest = read_manifest(json).expect("a manifest");
        let yue = &manifest[&Clip { lang: Lang::Yue, id: "day.1".into() }];
        assert_eq!((yue.text_sha256.as_deref(), yue.placeholder), (Some("ab"), true));
        assert!(!manifest[&clip("day.1")].placeholder);
        assert!(read_manifest("{}").is_err());
    }

    #[test]
    fn the_hash_is_the_one_that_other_tools_compute() {
        assert_eq!(text_hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
