//! QuickTime keeps the description of a lossless stream (ALAC) in an atom `wave`, MP4 without it: the first is written as the
//! second, in place.

/// The file with its ALAC description where MP4 has it; `None` for any other file.
pub(super) fn sound(bytes: &[u8]) -> Option<Vec<u8>> {
    // QuickTime File Format: a sound description follows version, flags and count of the table `stsd`.
    let entry = bytes.windows(4).position(|four| four == b"stsd")? + 12;
    if bytes.get(entry + 4..entry + 8) != Some(b"alac") {
        return None;
    }
    let end = entry.checked_add(size(bytes, entry)?)?.min(bytes.len());
    let wave = entry + bytes.get(entry..end)?.windows(4).position(|four| four == b"wave")? - 4;
    let end = wave.checked_add(size(bytes, wave)?)?.min(end);
    let mut file = bytes.to_vec();
    free(&mut file, wave, Some(HEAD));
    let mut at = wave + HEAD;
    while at + HEAD <= end {
        let length = size(&file, at)?;
        if file[at + 4..at + 8] != *b"alac" {
            // The last atom may have no length.
            free(&mut file, at, (length < HEAD).then_some(HEAD));
        }
        at += length.max(HEAD);
    }
    Some(file)
}

/// Makes an atom one that is skipped.
fn free(file: &mut [u8], at: usize, length: Option<usize>) {
    if let Some(length) = length {
        file[at..at + 4].copy_from_slice(&(length as u32).to_be_bytes());
    }
    file[at + 4..at + 8].copy_from_slice(b"free");
}

fn size(bytes: &[u8], at: usize) -> Option<usize> {
    let size = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    usize::try_from(size).ok()
}

/// Octets of an atom's length and type.
const HEAD: usize = 8;
