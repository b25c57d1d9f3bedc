//! The recordings that are shipped with the program.

use crate::gateway::home;

/// Every shipped recording as `lang/id.wav` with its bytes.
pub fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for lang in base::Lang::ALL {
        let folder = home().join("prompts/audio").join(lang.code());
        for file in std::fs::read_dir(folder).expect("recordings are shipped").flatten() {
            let name = format!("{}/{}", lang.code(), file.file_name().to_string_lossy());
            files.push((name, std::fs::read(file.path()).expect("a recording")));
        }
    }
    files
}
