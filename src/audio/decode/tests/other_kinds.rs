//! Files that are no recordings, or none that can be read: each is named.

use super::super::kinds;
use super::*;

fn error(file: &[u8]) -> DecodeError {
    decode(file, LONGEST).expect_err("no sound")
}

fn named(file: &[u8], name: &str) {
    let DecodeError::Kind(kind) = error(file) else { panic!("{name}: {}", error(file)) };
    assert!(kind.en.contains(name), "{kind} is {name}");
}

/// Packets that begin with a mark, and nothing else.
fn packets(mark: &[u8], octets: usize, count: usize) -> Vec<u8> {
    [mark, &vec![0x11; octets - mark.len()]].concat().repeat(count)
}

#[test]
fn films_and_broadcasts_are_named() {
    named(&packets(b"\x47\x40", 188, 20), "MPEG-TS");
    named(&packets(b"\0\0\0\0\x47\x40", 192, 20), "MPEG-TS");
    named(&packets(b"\0\0\x01\xBA", 2048, 3), "MPEG-PS");
    let film = b"\0\0\0\x10ftypisom\0\0\0\0....hdlr\0\0\0\0\0\0\0\0vide....stsd\0\0\0\0\0\0\0\x01\0\0\0\0avc1";
    assert_eq!(kinds::without_track(film), DecodeError::NoSound);
    let film = [&film[..], b"....hdlr\0\0\0\0\0\0\0\0soun....stsd\0\0\0\0\0\0\0\x01\0\0\0\0samr"].concat();
    assert!(matches!(kinds::without_track(&film), DecodeError::Kind(kind) if kind.en == "AMR"));
    assert_eq!(kinds::without_track(b"\x1A\x45\xDF\xA3....\x86\x85V_VP8"), DecodeError::NoSound);
}

#[test]
fn recordings_of_other_kinds_are_named() {
    for (mark, name) in [
        (&b"\x02#!SILK_V3"[..], "WeChat"),
        (b"#!SILK_V3", "SILK"),
        (b"#!AMR-WB\n", "AMR-WB"),
        (b"#!AMR\n", "AMR"),
        (b"#!EVRC\n", "EVRC"),
        (b"#!iLBC30\n", "iLBC"),
        (b"RIFF\0\0\0\0QLCMfmt ", "QCP"),
        (b"NIST_1A\n   1024\n", "NIST SPHERE"),
        (b"FORM\0\0\0\x108SVXVHDR", "8SVX"),
        (b"\x64\xA3\x01\0", "IRCAM"),
        (b"ajkg", "Shorten"),
        (b"OFR ", "OptimFROG"),
        (b"tBaK", "TAK"),
        (b"\0\x10\0\0\xF8\x72\x6F\xBA", "TrueHD"),
        (b"DSD ", "DSD"),
        (b"FRM8", "DSD"),
        (b"wvpk", "WavPack"),
        (b"MAC ", "Monkey's Audio"),
        (b"MPCK", "Musepack"),
        (b".RMF", "RealAudio"),
        (b".snd", "AU"),
        (b"\x7F\xFE\x80\x01", "DTS"),
    ] {
        named(&[mark, &[0x5A; 400]].concat(), name);
    }
    let latm = |size: usize| [vec![0x56, 0xE0, size as u8], vec![1; size]].concat();
    named(&[latm(40), latm(30), latm(20)].concat(), "LATM");
    named(&packets(&[0xD3], 33, 12), "GSM");
    // A frame of free bit rate ends where the next one begins.
    named(&packets(&[0xFF, 0xFB, 0x04, 0xC4], 500, 10), "free bit rate");
    let aifc = b"FORM\0\0\0\0AIFCCOMM\0\0\0\x18\0\x01\0\0\0\x10\0\x10\x40\x0B\xFA\0\0\0\0\0\0\0ima4";
    named(aifc, "IMA ADPCM");
}

#[test]
fn archives_are_named_as_archives() {
    for (mark, name) in [
        (&b"PK\x03\x04"[..], "ZIP"),
        (b"Rar!\x1A\x07\x01\0", "RAR"),
        (b"7z\xBC\xAF\x27\x1C", "7z"),
        (b"\x1F\x8B\x08\0", "gzip"),
    ] {
        let found = error(&[mark, &[0x5A; 100]].concat());
        assert!(matches!(&found, DecodeError::Archive(kind) if kind.en.contains(name)), "{name}: {found}");
    }
}

#[test]
fn what_is_not_supported_of_aac_is_said() {
    let kind = |description: &[u8]| match kinds::of_aac(description) {
        DecodeError::Kind(kind) => kind.en.into_owned(),
        other => other.to_string(),
    };
    assert_eq!(kind(&[0x09, 0x88]), "AAC Main");
    assert_eq!(kind(&[0x21, 0x88]), "AAC LTP");
    assert_eq!(kind(&[0x29, 0x88]), "HE-AAC");
    assert_eq!(kinds::of_aac(&[0x11, 0xB0]), DecodeError::Channels(6));
    assert_eq!(kind(&[]), "this kind of AAC");
    let main = [&[0xFF, 0xF1, 0x0C, 0x40, 0x02, 0x1F, 0xFC][..], &[0; 9]].concat().repeat(5);
    named(&main, "AAC Main");
}

#[test]
fn recordings_in_a_wave_file_are_never_called_none() {
    let wave =
        |tag, data: &[u8]| riff(b"RIFF", 0, &[true_chunk(b"fmt ", &format(tag, 1, 16)), true_chunk(b"data", data)]);
    named(&wave(0xFF, &[0x21, 0x10, 0x04, 0x60, 0x8C, 0x1C]), "AAC");
    // Layer 2 at 384 kbit/s has no mono.
    named(&wave(0x50, &packets(&[0xFF, 0xFD, 0xE4, 0xC4], 1152, 4)), "MP2");
    for start in [&[0xFF, 0xF3, 0x70, 0xC0][..], &[0xFF, 0xFD, 0x84, 0xC4]] {
        let found = error(&[start, &[0; 100]].concat());
        assert!(matches!(found, DecodeError::Broken(_)), "{found}");
    }
}

#[test]
fn chinese_names_have_no_english_words() {
    let is_english =
        |word: &str| ["of", "the", "in", "a", "an", "this", "for", "kind", "film", "sound"].contains(&word);
    for name in kinds::all() {
        let words = name.zh.split(|c: char| !c.is_ascii_alphabetic());
        assert!(!words.clone().any(is_english), "{}", name.zh);
    }
}
