//! Names of sound that is not supported, so that an error names it.

use std::borrow::Cow;

/// The kind of a file that no decoder reads, by its first octets.
pub(super) fn of_file(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let found = FILES.iter().find(|(magic, _)| starts(magic)).map(|(_, name)| *name);
    found.or_else(|| (bytes.get(28..36) == Some(b"Speex   ")).then_some("Speex"))
}

/// The sound in a file whose container is read, but whose codec is not: its name in the container where it has one.
pub(super) fn of_codec(bytes: &[u8]) -> Cow<'static, str> {
    // ISO/IEC 14496-12 §8.5.2: a sample entry follows version, flags, count and size.
    let entry = position(bytes, b"stsd").and_then(|at| bytes.get(at + 16..at + 20));
    let matroska = position(&bytes[..bytes.len().min(HEAD)], b"A_").map(|at| &bytes[at..]);
    let matroska = matroska.map(|name| {
        let length = name.iter().take_while(|byte| byte.is_ascii_graphic()).count().min(NAME_MAX);
        &name[..length]
    });
    let Some(code) = entry.or(matroska).filter(|code| code.iter().all(|byte| (0x20..0x7F).contains(byte))) else {
        return "the sound in this file".into();
    };
    let name = match code {
        b"samr" => "AMR",
        b"sawb" => "AMR-WB",
        b"ac-3" | b"A_AC3" => "AC-3",
        b"ec-3" | b"A_EAC3" => "E-AC-3",
        b"enca" | b"drms" => "copy-protected sound",
        _ => return format!("sound of the kind {:?}", String::from_utf8_lossy(code)).into(),
    };
    name.into()
}

fn position(bytes: &[u8], of: &[u8]) -> Option<usize> {
    bytes.windows(of.len()).position(|window| window == of)
}

/// Where a container names its codecs.
const HEAD: usize = 65_536;
const NAME_MAX: usize = 32;
const FILES: [(&[u8], &str); 19] = [
    (b"#!AMR", "AMR (a telephone's voice memo)"),
    (&[0x30, 0x26, 0xB2, 0x75], "WMA"),
    (b"PK\x03\x04", "a ZIP archive (bring it in with jindu prompts import)"),
    (b".snd", "AU"),
    (b"MAC ", "Monkey's Audio"),
    (b"wvpk", "WavPack"),
    (b"TTA1", "True Audio"),
    (b"MPCK", "Musepack"),
    (b"MP+", "Musepack"),
    (b"DSD ", "DSD"),
    (b"FRM8", "DSD"),
    (b"MThd", "MIDI, which holds notes and no sound,"),
    (b".RMF", "RealAudio"),
    (b".ra\xFD", "RealAudio"),
    (b"Creative Voice File", "VOC"),
    (b"\x02dss", "DSS (a dictation machine's)"),
    (b"\x03ds2", "DS2 (a dictation machine's)"),
    (b"\x0B\x77", "AC-3"),
    (b"FLV\x01", "Flash video"),
];
