//! Names of files and sound that are not supported, so that an error names them.

use base::Bilingual;

use super::error::DecodeError;

/// Why a file is no recording that can be read, by its octets; `None` if a decoder may know it.
pub(super) fn of_file(bytes: &[u8]) -> Option<DecodeError> {
    let is = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if let Some((.., en, zh)) = ARCHIVES.iter().find(|(at, magic, ..)| is(*at, magic)) {
        return Some(DecodeError::Archive(Bilingual::fixed(en, zh)));
    }
    let found = FILES.iter().find(|(at, magic, ..)| is(*at, magic)).map(|(.., en, zh)| Bilingual::fixed(en, zh));
    found.or_else(|| of_packets(bytes)).or_else(|| aifc(bytes)).map(DecodeError::Kind)
}

/// Kinds whose mark repeats from packet to packet.
fn of_packets(bytes: &[u8]) -> Option<Bilingual> {
    let every = |start: usize, step: usize, is: fn(u8) -> bool| {
        let marks = bytes.get(start..).unwrap_or_default().iter().step_by(step);
        marks.clone().count() >= MARKS_LEAST && marks.take(MARKS_READ).all(|mark| is(*mark))
    };
    let is_sync = |octet: u8| octet == 0x47;
    if every(0, 188, is_sync) || every(4, 192, is_sync) || every(0, 204, is_sync) {
        return Some(Bilingual::fixed("MPEG-TS (a film or broadcast)", "MPEG-TS（影片或广播）"));
    }
    // ISO/IEC 14496-3 §1.7.2: eleven bits of synchronization, thirteen of length.
    let latm = |at: usize| {
        let head = bytes.get(at..at + 3).filter(|head| head[0] == 0x56 && head[1] & 0xE0 == 0xE0)?;
        Some(at + 3 + (usize::from(head[1] & 0x1F) << 8 | usize::from(head[2])))
    };
    if latm(0).and_then(latm).is_some() {
        return Some(Bilingual::fixed("AAC in LATM", "LATM 格式的 AAC"));
    }
    // GSM 06.10 has no header; every frame of 33 octets begins with 0xD.
    let gsm = bytes.len().is_multiple_of(33) && every(0, 33, |octet| octet >> 4 == 0xD);
    gsm.then(|| Bilingual::fixed("GSM", "GSM"))
}

/// The compression of an AIFF-C file, if it is none that the decoder knows.
fn aifc(bytes: &[u8]) -> Option<Bilingual> {
    if !bytes.starts_with(b"FORM") || bytes.get(8..12) != Some(b"AIFC") {
        return None;
    }
    let head = &bytes[..bytes.len().min(HEAD)];
    let code = position(head, b"COMM").and_then(|at| head.get(at + 26..at + 30))?;
    (!AIFC_KNOWN.contains(&code)).then(|| codec(code))
}

/// Whether a container or another kind of file than a bare stream of frames begins so.
pub(super) fn has_container(bytes: &[u8]) -> bool {
    container(bytes).is_some_and(|name| !BARE.contains(&name))
}

/// The kind that a file begins as, of those that can be read.
pub(super) fn container(bytes: &[u8]) -> Option<&'static str> {
    let is = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let wave = is(0, b"RIFF") || is(0, b"RF64") || is(0, b"BW64") || is(0, b"riff\x2E\x91\xCF\x11");
    Some(match () {
        () if wave => "WAV",
        () if is(0, b"fLaC") => "FLAC",
        () if is(0, b"OggS") => "Ogg",
        () if is(4, b"ftyp") || is(4, b"moov") || is(4, b"mdat") || is(4, b"wide") => "M4A",
        () if is(0, b"\x1A\x45\xDF\xA3") => "WebM",
        () if is(0, b"FORM") && (is(8, b"AIFF") || is(8, b"AIFC")) => "AIFF",
        () if is(0, b"caff") => "CAF",
        () if is(0, b"ID3") => "MP3",
        () if is(0, &[0xFF]) && super::mpeg_header::is_frame(bytes) => match bytes[1] >> 1 & 3 {
            0 => "AAC",
            1 => "MP3",
            _ => "MP2",
        },
        () => return None,
    })
}

/// Why a container without a track of sound has none.
pub(super) fn without_track(bytes: &[u8]) -> DecodeError {
    let is_ogg_film = bytes.starts_with(b"OggS") && bytes.get(28..35) == Some(b"\x80theora");
    let is_film = match container(bytes) {
        Some("M4A") => sample_entry(bytes).is_none(),
        Some("WebM") => matroska(bytes).is_none(),
        _ => is_ogg_film,
    };
    if is_film { DecodeError::NoSound } else { DecodeError::Kind(of_codec(bytes)) }
}

/// The sound in a file whose container is read, but whose codec is not: its name in the container where it has one.
pub(super) fn of_codec(bytes: &[u8]) -> Bilingual {
    let code = match container(bytes) {
        Some("M4A") => sample_entry(bytes),
        Some("WebM") => matroska(bytes),
        // The description follows the file's header of 8 octets and its own of 12, after the rate.
        Some("CAF") => bytes.get(28..32),
        _ => None,
    };
    code.map_or(Bilingual::fixed("the sound in this file", "该文件中的声音格式"), codec)
}

/// The name of the first track of sound in an MP4 or QuickTime file.
fn sample_entry(bytes: &[u8]) -> Option<&[u8]> {
    // ISO/IEC 14496-12 §8.4.3 and §8.5.2: the handler's type, then a sample entry after version, flags, count and size.
    let mut at = 0;
    loop {
        at += position(&bytes[at..], b"hdlr")? + 4;
        if bytes.get(at + 8..at + 12) == Some(b"soun") {
            let table = at + position(&bytes[at..], b"stsd")?;
            return bytes.get(table + 16..table + 20);
        }
    }
}

/// The name of the first codec of sound in a Matroska file.
fn matroska(bytes: &[u8]) -> Option<&[u8]> {
    let head = &bytes[..bytes.len().min(HEAD)];
    // The element CodecID, with a length of one octet.
    let is_sound = |window: &[u8]| window[0] == 0x86 && window[1] & 0x80 != 0 && &window[2..] == b"A_";
    let at = head.windows(4).position(is_sound)?;
    head.get(at + 2..at + 2 + usize::from(head[at + 1] & 0x7F).min(NAME_MAX))
}

/// Whether a Matroska file has files of another kind in it, as pictures.
pub(super) fn has_files(bytes: &[u8]) -> bool {
    position(bytes, &[0x19, 0x41, 0xA4, 0x69]).is_some()
}

/// A codec by its name in a container.
fn codec(code: &[u8]) -> Bilingual {
    if let Some((.., en, zh)) = CODECS.iter().find(|(codes, ..)| codes.contains(&code)) {
        return Bilingual::fixed(en, zh);
    }
    if !code.iter().all(|byte| (0x20..0x7F).contains(byte)) {
        return Bilingual::fixed("the sound in this file", "该文件中的声音格式");
    }
    let name = String::from_utf8_lossy(code);
    let name = name.trim();
    Bilingual::new(format!("sound of the kind {name:?}"), format!("“{name}”格式的声音"))
}

/// What is not supported of AAC, by its description (ISO/IEC 14496-3 §1.6.2.1).
pub(super) fn of_aac(description: &[u8]) -> DecodeError {
    let padded = description.iter().chain(&[0; 4]).take(4);
    let bits = padded.fold(0u32, |bits, octet| bits << 8 | u32::from(*octet));
    let (profile, rate, rest) = match bits >> 27 {
        31 => (32 + (bits >> 21 & 63), bits >> 17 & 15, bits << 15),
        profile => (profile, bits >> 23 & 15, bits << 9),
    };
    let channels = (rest >> 28) as usize;
    // A rate of its own takes 24 bits more.
    if profile == 2 && rate != 15 && channels > 2 {
        return DecodeError::Channels(if channels == 7 { 8 } else { channels });
    }
    DecodeError::Kind(aac_profile(profile as u8))
}

/// AAC of an audio object type.
pub(super) fn aac_profile(object: u8) -> Bilingual {
    match object {
        1 => Bilingual::fixed("AAC Main", "AAC Main"),
        3 => Bilingual::fixed("AAC SSR", "AAC SSR"),
        4 => Bilingual::fixed("AAC LTP", "AAC LTP"),
        5 | 29 => Bilingual::fixed("HE-AAC", "HE-AAC"),
        23 => Bilingual::fixed("AAC-LD", "AAC-LD"),
        39 => Bilingual::fixed("AAC-ELD", "AAC-ELD"),
        42 => Bilingual::fixed("xHE-AAC", "xHE-AAC"),
        _ => Bilingual::fixed("this kind of AAC", "这种 AAC"),
    }
}

/// Every name here.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = Bilingual> {
    let files = FILES.iter().chain(&ARCHIVES).map(|(.., en, zh)| Bilingual::fixed(en, zh));
    files.chain(CODECS.iter().map(|(.., en, zh)| Bilingual::fixed(en, zh))).chain((0..50).map(aac_profile))
}

fn position(bytes: &[u8], of: &[u8]) -> Option<usize> {
    bytes.windows(of.len()).position(|window| window == of)
}

/// Where a container names its codecs.
const HEAD: usize = 65_536;
const NAME_MAX: usize = 32;
/// Marks of packets that must be there, and that are compared.
const MARKS_LEAST: usize = 3;
const MARKS_READ: usize = 50;
/// Streams that have no container.
const BARE: [&str; 3] = ["AAC", "MP2", "MP3"];
const AIFC_KNOWN: [&[u8]; 12] =
    [b"NONE", b"none", b"sowt", b"twos", b"fl32", b"FL32", b"fl64", b"FL64", b"alaw", b"ALAW", b"ulaw", b"ULAW"];
type Codec = (&'static [&'static [u8]], &'static str, &'static str);
const CODECS: [Codec; 20] = [
    (&[b"samr"], "AMR", "AMR"),
    (&[b"sawb"], "AMR-WB", "AMR-WB"),
    (&[b"ac-3", b"A_AC3"], "AC-3", "AC-3"),
    (&[b"ec-3", b"A_EAC3"], "E-AC-3", "E-AC-3"),
    (&[b"enca", b"drms"], "copy-protected sound", "有版权保护的声音"),
    (&[b"ima4"], "IMA ADPCM", "IMA ADPCM"),
    (&[b"ulaw", b"ULAW"], "µ-law in this kind of file", "这类文件中的 µ-law"),
    (&[b"alaw", b"ALAW"], "A-law in this kind of file", "这类文件中的 A-law"),
    (&[b"flac", b"fLaC"], "FLAC in this kind of file", "这类文件中的 FLAC"),
    (&[b"mp4a", b"aac ", b"A_AAC"], "AAC in this kind of file", "这类文件中的 AAC"),
    (&[b"aach", b"aacp"], "HE-AAC", "HE-AAC"),
    (&[b".mp3", b"ms\0U"], "MP3 in this kind of file", "这类文件中的 MP3"),
    (&[b"opus", b"Opus"], "Opus in this kind of file", "这类文件中的 Opus"),
    (&[b"agsm"], "GSM", "GSM"),
    (&[b"Qclp", b"sqcp"], "QCELP", "QCELP"),
    (&[b"sevc"], "EVRC", "EVRC"),
    (&[b"MAC3", b"MAC6"], "MACE", "MACE"),
    (&[b"QDM2", b"QDMC"], "QDesign", "QDesign"),
    (&[b"A_TRUEHD", b"mlpa"], "TrueHD", "TrueHD"),
    (&[b"A_DTS", b"dtsc", b"dtsh", b"dtsl", b"dtse"], "DTS", "DTS"),
];
/// Where a kind has its mark, the mark, and the kind's name.
type File = (usize, &'static [u8], &'static str, &'static str);
const ARCHIVES: [File; 10] = [
    (0, b"PK\x03\x04", "this is a ZIP archive", "这是 ZIP 压缩包"),
    (0, b"PK\x05\x06", "this is an empty ZIP archive", "这是空的 ZIP 压缩包"),
    (0, b"Rar!\x1A\x07", "this is a RAR archive", "这是 RAR 压缩包"),
    (0, b"7z\xBC\xAF\x27\x1C", "this is a 7z archive", "这是 7z 压缩包"),
    (0, b"\x1F\x8B", "this is a gzip archive", "这是 gzip 压缩包"),
    (0, b"BZh", "this is a bzip2 archive", "这是 bzip2 压缩包"),
    (0, b"\xFD7zXZ\0", "this is an xz archive", "这是 xz 压缩包"),
    (0, b"\x28\xB5\x2F\xFD", "this is a zstd archive", "这是 zstd 压缩包"),
    (0, b"MSCF", "this is a CAB archive", "这是 CAB 压缩包"),
    (257, b"ustar", "this is a tar archive", "这是 tar 压缩包"),
];
const FILES: [File; 66] = [
    (0, b"#!AMR-WB", "AMR-WB (a telephone's voice memo)", "AMR-WB（手机录音）"),
    (0, b"#!AMR", "AMR (a telephone's voice memo)", "AMR（手机录音）"),
    (0, b"#!SILK", "SILK (a voice message)", "SILK（语音消息）"),
    (0, b"\x02#!SILK", "SILK (a voice message of WeChat)", "SILK（微信语音消息）"),
    (0, b"#!EVRC", "EVRC", "EVRC"),
    (0, b"#!QCELP", "QCELP", "QCELP"),
    (0, b"#!SMV", "SMV", "SMV"),
    (0, b"#!iLBC", "iLBC", "iLBC"),
    (0, &[0x30, 0x26, 0xB2, 0x75], "WMA", "WMA"),
    (0, b".snd", "AU", "AU"),
    (0, b"dns.", "AU", "AU"),
    (0, b"MAC ", "Monkey's Audio", "Monkey's Audio"),
    (0, b"wvpk", "WavPack", "WavPack"),
    (0, b"TTA1", "True Audio", "True Audio"),
    (0, b"TTA2", "True Audio", "True Audio"),
    (0, b"MPCK", "Musepack", "Musepack"),
    (0, b"MP+", "Musepack", "Musepack"),
    (0, b"DSD ", "DSD", "DSD"),
    (0, b"FRM8", "DSD", "DSD"),
    (0, b"ajkg", "Shorten", "Shorten"),
    (0, b"OFR ", "OptimFROG", "OptimFROG"),
    (0, b"tBaK", "TAK", "TAK"),
    (0, b"LA02", "Lossless Audio", "Lossless Audio"),
    (0, b"LA03", "Lossless Audio", "Lossless Audio"),
    (0, b"LA04", "Lossless Audio", "Lossless Audio"),
    (0, b"TWIN97", "VQF", "VQF"),
    (0, b"ea3\x03", "ATRAC", "ATRAC"),
    (0, b"EA3", "ATRAC", "ATRAC"),
    (0, b"ADIF", "AAC in ADIF", "ADIF 格式的 AAC"),
    (4, &[0xF8, 0x72, 0x6F, 0xBA], "TrueHD", "TrueHD"),
    (4, &[0xF8, 0x72, 0x6F, 0xBB], "MLP", "MLP"),
    (0, &[0x7F, 0xFE, 0x80, 0x01], "DTS", "DTS"),
    (0, &[0xFE, 0x7F, 0x01, 0x80], "DTS", "DTS"),
    (0, &[0x1F, 0xFF, 0xE8, 0x00], "DTS", "DTS"),
    (0, &[0xFF, 0x1F, 0x00, 0xE8], "DTS", "DTS"),
    (0, b"DTSHDHDR", "DTS", "DTS"),
    (0, b"\x0B\x77", "AC-3", "AC-3"),
    (0, b"\x77\x0B", "AC-3", "AC-3"),
    (0, &[0x72, 0xF8, 0x1F, 0x4E], "sound for a digital output (S/PDIF)", "数字输出（S/PDIF）格式的声音"),
    (0, b"NIST_1A", "NIST SPHERE", "NIST SPHERE"),
    (8, b"8SVX", "8SVX", "8SVX"),
    (8, b"16SV", "16SV", "16SV"),
    (0, &[0x64, 0xA3], "IRCAM", "IRCAM"),
    (2, &[0xA3, 0x64], "IRCAM", "IRCAM"),
    (0, b".SoX", "SoX", "SoX"),
    (0, b"XoS.", "SoX", "SoX"),
    (0, b"PVF1", "PVF", "PVF"),
    (0, &[0xC0, 0xDE, 0xC2], "Codec 2", "Codec 2"),
    (0, b"MThd", "MIDI, which holds notes and no sound,", "MIDI（只有音符，没有声音）"),
    (0, b".RMF", "RealAudio", "RealAudio"),
    (0, b".ra\xFD", "RealAudio", "RealAudio"),
    (0, b"Creative Voice File", "VOC", "VOC"),
    (0, b"\x02dss", "DSS (a dictation machine's)", "DSS（录音笔）"),
    (0, b"\x03ds2", "DS2 (a dictation machine's)", "DS2（录音笔）"),
    (4, &[0x57, 0x90, 0x75, 0x36], "an audio book of Audible", "Audible 有声书"),
    (28, b"Speex   ", "Speex", "Speex"),
    (0, b"FLV\x01", "Flash video", "Flash 影片"),
    (0, b"FWS", "Flash", "Flash 影片"),
    (0, b"CWS", "Flash", "Flash 影片"),
    (0, b"ZWS", "Flash", "Flash 影片"),
    (0, &[0, 0, 1, 0xBA], "MPEG-PS (a film)", "MPEG-PS（影片）"),
    (0, &[0, 0, 1, 0xB3], "MPEG video (a film)", "MPEG 影片"),
    (0, b"nut/multimedia container", "NUT (a film)", "NUT（影片）"),
    (0, &[0xB7, 0xD8, 0x00, 0x20, 0x37, 0x49], "WTV (a television recording)", "WTV（电视录像）"),
    (0, b"\x8AMNG", "MNG (a film)", "MNG（影片）"),
    (8, b"QLCM", "QCP (QCELP or EVRC)", "QCP（QCELP 或 EVRC）"),
];
