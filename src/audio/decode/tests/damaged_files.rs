//! Files that lost octets: findings say what is missing, and the rest of the sound keeps its place.

use super::super::damage::{Damage, Gap};
use super::super::ogg;
use super::*;

/// A FLAC file of one channel in frames of 1000 samples, written as they are.
fn flac(samples: &[i16]) -> Vec<u8> {
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    file.extend([FRAME.to_be_bytes(), FRAME.to_be_bytes()].concat());
    file.extend([0; 6]);
    // The rate in 20 bits, channels in 3, bits in 5, samples in 36.
    let figures = u64::from(RATE) << 44 | 15 << 36 | samples.len() as u64;
    file.extend(figures.to_be_bytes());
    file.extend([0; 16]);
    for (number, block) in samples.chunks(usize::from(FRAME)).enumerate() {
        let mut frame = vec![0xFF, 0xF8, 0x74, 0x08, number as u8];
        frame.extend((block.len() as u16 - 1).to_be_bytes());
        frame.push(crc(&frame, 0x07, 8) as u8);
        frame.push(0x02);
        block.iter().for_each(|sample| frame.extend(sample.to_be_bytes()));
        frame.extend((crc(&frame, 0x8005, 16) as u16).to_be_bytes());
        file.extend(frame);
    }
    file
}

fn crc(bytes: &[u8], polynomial: u32, bits: u32) -> u32 {
    bytes.iter().fold(0, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet) << (bits - 8), |sum, _| {
            let next = sum << 1;
            (if sum >> (bits - 1) == 1 { next ^ polynomial } else { next }) & ((1 << bits) - 1)
        })
    })
}

/// An MP3 stream of silence: 64 kbit/s at 48 kHz, frames of 192 octets and 24 ms.
fn mp3(frames: usize) -> Vec<u8> {
    let frame = [&[0xFF, 0xFB, 0x54, 0xC4][..], &[0; 188]].concat();
    frame.repeat(frames)
}

/// The same stream whose first frame states the number of the others.
fn counted_mp3(frames: usize, count: u32) -> Vec<u8> {
    let mut file = mp3(frames + 1);
    file[21..25].copy_from_slice(b"Info");
    file[25..29].copy_from_slice(&1u32.to_be_bytes());
    file[29..33].copy_from_slice(&count.to_be_bytes());
    file
}

fn page(flags: u8, position: u64, sequence: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(position.to_le_bytes());
    page.extend(7u32.to_le_bytes());
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(packets.len() as u8);
    page.extend(packets.iter().map(|packet| packet.len() as u8));
    packets.iter().for_each(|packet| page.extend(*packet));
    let sum = ogg::checksum(&page);
    page[22..26].copy_from_slice(&sum.to_le_bytes());
    page
}

/// The pages of an Opus file: two of headers, then `seconds` of one second each.
fn opus(seconds: u64) -> Vec<Vec<u8>> {
    let head = [b"OpusHead\x01\x01".as_slice(), &[0, 0], &48_000u32.to_le_bytes(), &[0; 3]].concat();
    let tags = b"OpusTags\0\0\0\0\0\0\0\0";
    let mut pages = vec![page(2, 0, 0, &[&head]), page(0, 0, 1, &[tags])];
    for second in 1..=seconds {
        let last = if second == seconds { 4 } else { 0 };
        pages.push(page(last, second * 48_000, 1 + second as u32, &[PACKET; 50]));
    }
    pages
}

fn damage(file: &[u8]) -> (Damage, f64) {
    let sound = sound(file);
    (sound.damage, sound.duration().as_secs_f64())
}

fn is_near(found: f64, wanted: f64) -> bool {
    (found - wanted).abs() < 0.03
}

#[test]
fn whole_files_have_no_damage() {
    let samples: Vec<i16> = (0..5000).map(|n| n as i16).collect();
    let files = [flac(&samples), mp3(40), counted_mp3(40, 40), opus(3).concat()];
    for file in files {
        assert_eq!(damage(&file).0, Damage::default());
    }
    for file in [
        &include_bytes!("../../../../tests/fuzz/corpus/recording/voice.m4a")[..],
        include_bytes!("../../../../tests/fuzz/corpus/recording/voice.aac"),
        include_bytes!("../../../../tests/fuzz/corpus/recording/voice.mp3"),
        include_bytes!("../../../../tests/fuzz/corpus/recording/vorbis.ogg"),
        include_bytes!("../../../../tests/fuzz/corpus/recording/opus.webm"),
        include_bytes!("../../../../tests/fuzz/corpus/recording/live-60ms.webm"),
    ] {
        assert_eq!(damage(file).0, Damage::default());
    }
}

#[test]
fn a_frame_of_flac_that_is_damaged_becomes_silence() {
    let samples: Vec<i16> = (0..8000).map(|n| 1000 + n as i16).collect();
    let whole = flac(&samples);
    for damaged in [1, 50, 300] {
        let mut file = whole.clone();
        file[5000..5000 + damaged].iter_mut().for_each(|octet| *octet ^= 0x55);
        let found = sound(&file);
        assert_eq!((found.damage.places, found.damage.lost), (1, Duration::from_millis(125)), "{damaged}");
        let found: Vec<i16> = found.samples.iter().map(|sample| (sample * 32768.0).round() as i16).collect();
        assert_eq!((&found[..2000], &found[3000..]), (&samples[..2000], &samples[3000..]));
        assert!(found[2000..3000].iter().all(|sample| *sample == 0));
    }
}

#[test]
fn frames_that_are_missing_from_a_stream_are_noticed() {
    for mut file in [mp3(60), counted_mp3(60, 60)] {
        file[4000..8000].fill(0);
        let (found, seconds) = damage(&file);
        assert!(found.places == 1 && is_near(found.lost.as_secs_f64(), 22.0 * 0.024), "{found:?}");
        assert!(is_near(seconds, 60.0 * 0.024), "{seconds} s");
    }
    let mut file = include_bytes!("../../../../tests/fuzz/corpus/recording/voice.aac").repeat(10);
    let whole = damage(&file).1;
    file[2000..2600].iter_mut().for_each(|octet| *octet ^= 0x55);
    let (found, seconds) = damage(&file);
    assert!(found.places >= 1 && found.lost > Duration::from_millis(20), "{found:?}");
    assert!((seconds - whole).abs() < 0.1, "{seconds} of {whole} s");
}

#[test]
fn files_in_one_file_and_tags_between_them_are_no_damage() {
    let tag = [&b"ID3\x04\0\0\0\0\0\x0A"[..], &[0; 10]].concat();
    let file = [&tag[..], &counted_mp3(40, 40), b"APETAGEX and so on", &tag, &counted_mp3(40, 40)].concat();
    let (found, seconds) = damage(&file);
    assert_eq!(found, Damage::default());
    assert!(seconds > 1.9, "both are played: {seconds} s");
    // A stream that was cut out of another begins within a frame.
    assert_eq!(damage(&mp3(40)[77..]).0, Damage::default());
}

#[test]
fn a_page_of_ogg_that_is_damaged_becomes_silence() {
    for damaged in 3..=5 {
        let mut pages = opus(4);
        pages[damaged][100] ^= 0x55;
        let (found, seconds) = damage(&pages.concat());
        assert_eq!(found.places, 1);
        assert!(is_near(found.lost.as_secs_f64(), 1.0) && is_near(seconds, 4.0), "{damaged}: {found:?}");
    }
    // The header itself is damaged: of the last page nothing is known.
    let mut pages = opus(4);
    pages[5][0] = b'X';
    assert_eq!(damage(&pages.concat()).0.places, 1);
    pages.remove(5);
    pages[4][0] = b'X';
    pages.push(page(4, 4 * 48_000, 5, &[PACKET; 50]));
    assert!(is_near(damage(&pages.concat()).0.lost.as_secs_f64(), 1.0));
}

#[test]
fn ogg_files_that_follow_each_other_are_all_played() {
    let two = [opus(2).concat(), opus(1).concat()].concat();
    assert_eq!(damage(&two), (Damage::default(), 3.0));
}

#[test]
fn a_packet_of_mp4_that_is_not_decodable_keeps_its_time() {
    let whole = include_bytes!("../../../../tests/fuzz/corpus/recording/voice.m4a");
    let (_, length) = damage(whole);
    let sound = whole.windows(4).position(|four| four == b"mdat").expect("an atom with the sound");
    let mut file = whole.to_vec();
    file[sound + 150..sound + 300].fill(0xFF);
    let (found, seconds) = damage(&file);
    assert!(found.places >= 1 && found.lost > Duration::from_millis(10), "{found:?}");
    assert!(is_near(seconds, length), "{seconds} of {length} s");
}

#[test]
fn a_file_that_ends_early_by_its_own_count_says_so() {
    let data = octets(&tone().repeat(4));
    let wave = riff(b"RIFF", 36 + data.len() as u32, &[pcm(), true_chunk(b"data", &data)]);
    let samples: Vec<i16> = (0..8000).map(|n| n as i16).collect();
    let files = [
        ("WAV", wave[..44 + data.len() / 2].to_vec(), 1.0),
        ("FLAC", flac(&samples)[..8000].to_vec(), 1.0),
        ("MP3", counted_mp3(40, 80), 1.92),
        ("Ogg", opus(3).concat()[..500].to_vec(), 3.0),
    ];
    for (name, file, seconds) in files {
        let stated = damage(&file).0.stated.unwrap_or_default();
        assert!(is_near(stated.as_secs_f64(), seconds), "{name}: {stated:?}");
    }
    // Sizes of a writer that did not know them yet.
    for size in [0, 0x7FFF_F000, u32::MAX - 40] {
        let file = riff(b"RIFF", size + 36, &[pcm(), chunk(b"data", size, &data)]);
        assert_eq!(damage(&file).0, Damage::default(), "{size}");
    }
}

#[test]
fn silence_is_bounded_by_the_longest_recording() {
    let mut sink = super::super::samples::SampleSink::new(false, Duration::from_secs(1));
    sink.push(&[0.5; 4000], 1, RATE).expect("a short sound");
    sink.fill(&[Gap { at: 1000, samples: 100 }, Gap { at: 2000, samples: u64::MAX }, Gap { at: u64::MAX, samples: 9 }]);
    let channels = sink.finish().expect("sound");
    assert_eq!(channels.left.len(), 8000);
    assert_eq!(channels.left.iter().filter(|sample| **sample > 0.0).count(), 4000);
}

const FRAME: u16 = 1000;
/// 20 ms of Opus.
const PACKET: &[u8] = &[0xF8, 0];
