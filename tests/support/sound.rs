//! Finds recordings in what was heard: the gateway sends each clip's octets as they were encoded, so a clip is
//! there when its own octets are.

/// The end of the first stretch from `from` on that holds a clip, but for its quiet ends.
pub fn find(heard: &[u8], clip: &[u8], from: usize) -> Option<usize> {
    let core = core_of(clip);
    if core.is_empty() || heard.len() < from + core.len() {
        return None;
    }
    heard[from..].windows(core.len()).position(|window| window == core).map(|at| from + at + core.len())
}

/// The middle half of a clip: fades and silence are alike in many.
fn core_of(clip: &[u8]) -> &[u8] {
    &clip[clip.len() / 4..clip.len() - clip.len() / 4]
}
