//! Files as recorders, phones and cutting programs write them, made here or kept in the fuzzer's corpus.

use std::time::Duration;

use proptest::prelude::*;

use super::{DecodeError, Decoded, decode};

mod damaged_files;
mod other_kinds;

const LONGEST: Duration = Duration::from_secs(20);
const RATE: u32 = 8000;

fn tone() -> Vec<i16> {
    (0..2000).map(|n| (f64::from(n) * 0.3).sin() * 9000.0).map(|sample| sample as i16).collect()
}

fn octets(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn format(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
    let align = channels * bits / 8;
    let mut chunk = tag.to_le_bytes().to_vec();
    chunk.extend(channels.to_le_bytes());
    chunk.extend(RATE.to_le_bytes());
    chunk.extend((RATE * u32::from(align)).to_le_bytes());
    chunk.extend(align.to_le_bytes());
    chunk.extend(bits.to_le_bytes());
    chunk
}

/// A chunk that says another size than it has.
fn chunk(id: &[u8], size: u32, content: &[u8]) -> Vec<u8> {
    [id, &size.to_le_bytes(), content].concat()
}

fn true_chunk(id: &[u8], content: &[u8]) -> Vec<u8> {
    chunk(id, content.len() as u32, &[content, &vec![0; content.len() % 2]].concat())
}

fn riff(id: &[u8], size: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    [id, &size.to_le_bytes(), b"WAVE", &chunks.concat()].concat()
}

fn pcm() -> Vec<u8> {
    true_chunk(b"fmt ", &format(1, 1, 16))
}

fn sound(file: &[u8]) -> Decoded {
    decode(file, LONGEST).unwrap_or_else(|error| panic!("{error}"))
}

fn power(sound: &Decoded) -> f64 {
    sound.samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.samples.len() as f64
}

/// The samples of a file are the tone's.
fn is_tone(file: &[u8], name: &str) {
    let found: Vec<i16> = sound(file).samples.iter().map(|sample| (sample * 32768.0).round() as i16).collect();
    assert!(found.len() >= 2000 && found[..2000] == tone(), "{name}: {} samples", found.len());
}

#[test]
fn sizes_that_lie_lose_no_sound() {
    let data = octets(&tone());
    let list = true_chunk(b"LIST", b"INFOISFT\x04\0\0\0abc\0");
    for riff_size in [0, 8, 36, 35, u32::MAX, 1_000_000] {
        for data_size in [0, 1, 777, data.len() as u32, data.len() as u32 + 1, 0x7FFF_FFFF, u32::MAX - 1, u32::MAX] {
            let file = riff(b"RIFF", riff_size, &[pcm(), chunk(b"data", data_size, &data)]);
            is_tone(&file, &format!("RIFF {riff_size}, data {data_size}"));
        }
        let file = riff(b"RIFF", riff_size, &[pcm(), true_chunk(b"data", &data), list.clone()]);
        is_tone(&file, "a list after the sound");
        assert_eq!(sound(&file).samples.len(), 2000, "the list is no sound");
    }
}

#[test]
fn large_kinds_of_files_are_read() {
    let data = octets(&tone());
    for size in [data.len() as u64, 0, u64::MAX, 3] {
        let ds64 = [&0u64.to_le_bytes()[..], &size.to_le_bytes(), &[0; 12]].concat();
        for id in [b"RF64", b"BW64"] {
            let chunks = [true_chunk(b"ds64", &ds64), pcm(), chunk(b"data", u32::MAX, &data)];
            is_tone(&riff(id, u32::MAX, &chunks), &format!("RF64 {size}"));
        }
        is_tone(&riff(b"RF64", u32::MAX, &[pcm(), chunk(b"data", u32::MAX, &data)]), "without its sizes");
    }
    let guid = |id: &[u8]| [id, b"\xF3\xAC\xD3\x11\x8C\xD1\x00\xC0\x4F\x8E\xDB\x8A"].concat();
    for size in [data.len() as u64 + 24, 0, u64::MAX] {
        let head = [&b"riff\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\x00\x00"[..], &0u64.to_le_bytes(), &guid(b"wave")];
        let format = [&guid(b"fmt ")[..], &40u64.to_le_bytes(), &format(1, 1, 16)].concat();
        let data = [&guid(b"data")[..], &size.to_le_bytes(), &data].concat();
        is_tone(&[head.concat(), format, data].concat(), &format!("Wave64 {size}"));
    }
}

#[test]
fn odd_chunks_and_formats_with_false_figures_are_read() {
    let data = octets(&tone());
    let data_chunk = true_chunk(b"data", &data);
    is_tone(&riff(b"RIFF", 0, &[true_chunk(b"JUNK", b"odd"), pcm(), data_chunk.clone()]), "padded");
    is_tone(&riff(b"RIFF", 0, &[chunk(b"JUNK", 3, b"odd"), pcm(), data_chunk.clone()]), "not padded");
    is_tone(&riff(b"RIFF", 0, &[data_chunk.clone(), pcm()]), "the format behind");
    let mut without_align = format(1, 1, 16);
    without_align[8..14].fill(0);
    is_tone(&riff(b"RIFF", 0, &[true_chunk(b"fmt ", &without_align), data_chunk.clone()]), "no align");
    let guid = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71";
    let extensible = [&format(0xFFFE, 1, 16)[..], &[22, 0, 16, 0, 4, 0, 0, 0], guid].concat();
    is_tone(&riff(b"RIFF", 0, &[true_chunk(b"fmt ", &extensible), data_chunk]), "extensible");
    let law = riff(b"RIFF", 0, &[true_chunk(b"fmt ", &format(6, 1, 8)), chunk(b"data", 0, &[0xD5; 801])]);
    assert!(sound(&law).companded && sound(&law).samples.len() == 801);
}

#[test]
fn what_is_wrong_with_a_wave_file_is_said() {
    let error = |file: &[u8]| decode(file, LONGEST).expect_err("no sound");
    let data = true_chunk(b"data", &octets(&tone()));
    for file in [riff(b"RIFF", 0, &[]), riff(b"RIFF", 0, &[pcm()]), riff(b"RIFF", 0, std::slice::from_ref(&data))] {
        assert!(matches!(error(&file), DecodeError::Broken(_)));
    }
    assert_eq!(error(&riff(b"RIFF", 0, &[pcm(), chunk(b"data", 0, b"")])), DecodeError::Empty);
    let list = true_chunk(b"LIST", b"INFOISFT\x04\0\0\0abc\0");
    assert_eq!(error(&riff(b"RIFF", 0, &[pcm(), chunk(b"data", 0, b""), list])), DecodeError::Empty);
    for (tag, name) in [(0x31, "GSM"), (0x83, "G.729"), (0x1234, "0x1234"), (0x161, "WMA")] {
        let file = riff(b"RIFF", 0, &[true_chunk(b"fmt ", &format(tag, 1, 16)), data.clone()]);
        let DecodeError::Kind(kind) = error(&file) else { panic!("{tag}") };
        assert!(kind.en.contains(name), "{kind}");
    }
    for (file, name) in
        [(&b"RIFX\0\0\0\0WAVE"[..], "RIFX"), (b"RIFF\0\0\0\0AVI ", "AVI"), (b"RIFF\0\0\0\0RMID", "RMID")]
    {
        assert!(matches!(error(file), DecodeError::Kind(kind) if kind.en.contains(name)));
    }
    for cut in [&b"fLaC"[..], b"OggS\0\0", b"\0\0\0\x18ftypM4A ", b"caff\0\x01\0\0", b"FORM\0\0\0\0AIFF"] {
        assert!(matches!(error(cut), DecodeError::Broken(_)), "{cut:?} is a recording, and damaged");
    }
}

#[test]
fn files_of_phones_and_cutting_programs_are_read() {
    let files: [(&str, &[u8]); 6] = [
        ("ALAC in M4A", include_bytes!("../../../tests/fuzz/corpus/recording/alac.m4a")),
        ("ALAC in CAF", include_bytes!("../../../tests/fuzz/corpus/recording/alac.caf")),
        ("ALAC in MOV", include_bytes!("../../../tests/fuzz/corpus/recording/alac.mov")),
        ("Wave64", include_bytes!("../../../tests/fuzz/corpus/recording/wave64.w64")),
        ("ADPCM", include_bytes!("../../../tests/fuzz/corpus/recording/adpcm-ms.wav")),
        ("AIFF", include_bytes!("../../../tests/fuzz/corpus/recording/plain.aiff")),
    ];
    for (name, file) in files {
        let sound = decode(file, LONGEST).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The last block of ADPCM is filled up.
        assert!(sound.rate == 8000 && (150..=256).contains(&sound.duration().as_millis()), "{name}");
        assert!(power(&sound) > 0.001, "{name}");
    }
}

fn stereo(pairs: impl Iterator<Item = (i16, i16)>) -> Decoded {
    let data: Vec<i16> = pairs.flat_map(|(left, right)| [left, right]).collect();
    sound(&riff(b"RIFF", 0, &[true_chunk(b"fmt ", &format(1, 2, 16)), true_chunk(b"data", &octets(&data))]))
}

#[test]
fn channels_that_cancel_each_other_are_not_summed() {
    let tone = tone();
    let wanted = power(&stereo(tone.iter().map(|sample| (*sample, *sample))));
    let weaker = |sample: i16| -(sample / 3 * 2);
    for (name, found) in [
        ("reversed", stereo(tone.iter().map(|sample| (*sample, -*sample)))),
        ("reversed and weaker", stereo(tone.iter().map(|sample| (*sample, weaker(*sample))))),
        ("reversed in its second half", {
            let half = tone.len() / 2;
            stereo(tone.iter().enumerate().map(|(n, sample)| (*sample, if n < half { *sample } else { -*sample })))
        }),
    ] {
        assert!((power(&found) / wanted - 1.0).abs() < 0.05, "{name}: {} of {wanted}", power(&found));
    }
    // Two speakers in turn, each on a side of their own: both are heard.
    let turns = stereo(tone.iter().enumerate().map(|(n, sample)| if n < 1000 { (*sample, 0) } else { (0, *sample) }));
    let [first, second] =
        [&turns.samples[..1000], &turns.samples[1000..]].map(|half| half.iter().any(|s| s.abs() > 0.1));
    assert!(first && second);
}

#[test]
fn a_channel_that_is_the_other_one_later_makes_no_echo() {
    let mut state = 1u32;
    // Noise that a filter makes as dull as a voice.
    let mut level = 0.0;
    let voice: Vec<f64> = (0..16_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level = level * 0.7 + (f64::from(state) / f64::from(u32::MAX) - 0.5) * 6000.0;
            level
        })
        .collect();
    for delay_ms in [1usize, 5, 20, 150, 300] {
        let delay = delay_ms * RATE as usize / 1000;
        let late = |n: usize| n.checked_sub(delay).map_or(0.0, |n| voice[n]);
        let pairs = |n: usize| (voice[n] as i16, (late(n) * 0.8) as i16);
        let found = stereo((0..voice.len()).map(pairs));
        let is_left =
            found.samples.iter().zip(&voice).all(|(found, left)| (f64::from(*found) * 32768.0 - left).abs() < 2.0);
        assert!(is_left, "{delay_ms} ms");
    }
}

#[test]
fn what_follows_the_sound_is_not_played() {
    let data = octets(&tone());
    let whole = riff(b"RIFF", 36 + data.len() as u32, &[pcm(), true_chunk(b"data", &data)]);
    let random: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for tail in
        [&b"PK\x03\x04 the end of an archive"[..], b"<?xpacket begin", b"\x30\x82\x10\0", &random, &[0; 4096], b"TAG"]
    {
        assert_eq!(sound(&[&whole, tail].concat()).samples.len(), 2000, "{:?}", &tail[..3]);
    }
    let list = true_chunk(b"LIST", &[&b"INFOISFT"[..], &4000u32.to_le_bytes(), &random[..4000]].concat());
    for size in [0, u32::MAX] {
        let file = riff(b"RIFF", size, &[pcm(), chunk(b"data", size, &data), list.clone(), true_chunk(b"id3 ", b"x")]);
        assert_eq!(sound(&file).samples.len(), 2000, "a list after sound of size {size}");
    }
}

#[test]
fn sound_in_several_chunks_and_behind_false_ones_is_played() {
    let data = octets(&tone());
    let (first, second) = data.split_at(1000);
    let data_chunk = true_chunk(b"data", &data);
    let list = |size| chunk(b"LIST", size, b"INFOISFT\x04\0\0\0abc\0");
    for (name, chunks) in [
        ("two data chunks", vec![true_chunk(b"data", first), true_chunk(b"data", second)]),
        ("an empty one before", vec![chunk(b"data", 0, b""), data_chunk.clone()]),
        (
            "an empty one and a list before",
            vec![chunk(b"data", 0, b""), true_chunk(b"LIST", b"INFO"), data_chunk.clone()],
        ),
        ("a list that is too long", vec![list(0x7FFF_FFFF), data_chunk.clone()]),
        ("a list that is too short", vec![list(8), data_chunk.clone()]),
        ("a list without a size", vec![list(0), data_chunk]),
    ] {
        let file = riff(b"RIFF", 0, &[vec![pcm()], chunks].concat());
        is_tone(&file, name);
        assert_eq!(sound(&file).samples.len(), 2000, "{name}");
    }
}

proptest! {
    #[test]
    fn no_head_makes_it_panic(
        id in "RIFF|RF64|BW64", sizes in any::<[u32; 4]>(), tag in prop_oneof![0u16..8, any::<u16>()],
        figures in any::<[u16; 3]>(), data in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut format = format(tag, 1, 16);
        format[2..4].copy_from_slice(&figures[0].to_le_bytes());
        format[12..14].copy_from_slice(&figures[1].to_le_bytes());
        format[14..16].copy_from_slice(&figures[2].to_le_bytes());
        let chunks = [chunk(b"ds64", sizes[2], &[7; 28]), chunk(b"fmt ", sizes[3] % 64, &format), chunk(b"data", sizes[1], &data)];
        let _ = decode(&riff(id.as_bytes(), sizes[0], &chunks), LONGEST);
    }
}
