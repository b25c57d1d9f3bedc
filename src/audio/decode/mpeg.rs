//! Streams of frames without a container: MPEG audio of layers 1 to 3 (ISO/IEC 11172-3, 13818-3) and AAC in ADTS
//! (ISO/IEC 13818-7).
//!
//! Such a stream has neither sizes nor times. A decoder that loses a frame looks for the next header and goes on, and
//! nothing tells that sound is missing. So the frames are followed here from header to header: what lies between them is
//! left out and noted as a gap.

use std::borrow::Cow;

use super::damage::{Gap, time};
use super::error::DecodeError;
use super::kinds;
use super::mpeg_header::Header;
use super::stream::Stream;

/// The frames of a stream; `None` for another kind of file.
pub(super) fn sound(bytes: &[u8]) -> Result<Option<Stream<'_>>, DecodeError> {
    let at = after_tags(bytes);
    if kinds::has_container(bytes) {
        return Ok(None);
    }
    if is_free_format(&bytes[at..]) {
        return Err(DecodeError::Kind(base::Bilingual::fixed("MP3 of free bit rate", "自由码率的 MP3")));
    }
    let Some((at, first)) = first(bytes, at) else { return Ok(None) };
    check(&first)?;
    Ok(Some(Walk::of(bytes, at, first).stream()))
}

/// Whether the decoder supports such frames.
fn check(header: &Header) -> Result<(), DecodeError> {
    let channels = if header.channels == 7 { 8 } else { usize::from(header.channels) };
    match header.profile {
        _ if !header.adts => Ok(()),
        1 if channels > 2 => Err(DecodeError::Channels(channels)),
        1 => Ok(()),
        profile => Err(DecodeError::Kind(kinds::aac_profile(profile + 1))),
    }
}

/// The frames of a stream as they are found.
struct Walk<'a> {
    bytes: &'a [u8],
    first: Header,
    start: usize,
    /// Where frames were interrupted and began again.
    breaks: Vec<(usize, usize)>,
    end: usize,
    frames: u64,
    gaps: Vec<Gap>,
}

impl<'a> Walk<'a> {
    fn of(bytes: &'a [u8], start: usize, first: Header) -> Walk<'a> {
        let mut walk = Walk { bytes, first, start, breaks: Vec::new(), end: start, frames: 0, gaps: Vec::new() };
        let mut octets = 0;
        loop {
            while let Some(frame) = walk.frame(walk.end) {
                walk.end += frame.octets;
                walk.frames += 1;
                octets += frame.octets;
            }
            let Some(next) = walk.next(walk.end) else { return walk };
            if !is_tag(&bytes[walk.end..]) {
                walk.lose(next - walk.end, octets);
            }
            walk.breaks.push((walk.end, next));
            walk.end = next;
        }
    }

    /// The whole frame at a place.
    fn frame(&self, at: usize) -> Option<Header> {
        let frame = Header::read(self.bytes.get(at..)?)?;
        (frame.key == self.first.key && frame.octets <= self.bytes.len() - at).then_some(frame)
    }

    /// The next place from which two frames follow each other.
    fn next(&self, from: usize) -> Option<usize> {
        let twice = |at: usize| {
            let second = self.frame(at).map(|frame| at + frame.octets);
            second.is_some_and(|second| second == self.bytes.len() || self.frame(second).is_some())
        };
        (from..self.bytes.len()).find(|at| self.bytes[*at] == 0xFF && twice(*at))
    }

    /// Notes a gap, whose time follows from the mean size of the frames before it.
    fn lose(&mut self, skipped: usize, octets: usize) {
        let frame = (octets as f64 / self.frames.max(1) as f64).max(1.0);
        let samples = ((skipped as f64 / frame).round().max(1.0) as u64).saturating_mul(self.first.samples);
        let before: u64 = self.gaps.iter().map(|gap| gap.samples).sum();
        self.gaps.push(Gap { at: self.frames * self.first.samples + before, samples });
    }

    fn stream(mut self) -> Stream<'a> {
        let count = self.count();
        let found = self.frames.saturating_sub(u64::from(count.is_some()));
        if let Some(count) = count {
            self.correct(count.saturating_sub(found));
        }
        let frames = found + self.lost();
        let mut start = self.start;
        // Several files in one: the count is of the first, and the decoder would end there.
        if count.is_some_and(|count| frames > count + 1) {
            start += self.first.octets;
        }
        let stated = count.filter(|count| frames + PADDING < *count);
        let stated = stated.map(|count| time(count.saturating_mul(self.first.samples), self.first.rate));
        Stream { stated, bytes: self.frames_from(start), gaps: self.gaps, name: None }
    }

    /// Frames that are missing.
    fn lost(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.samples).sum::<u64>() / self.first.samples
    }

    /// Shortens gaps whose estimate exceeds the frames that are missing by count.
    fn correct(&mut self, missing: u64) {
        let (lost, mut before) = (self.lost(), 0);
        if lost <= missing {
            return;
        }
        for gap in &mut self.gaps {
            let less = gap.samples - gap.samples.saturating_mul(missing) / lost;
            gap.at -= before;
            gap.samples -= less;
            before += less;
        }
    }

    fn frames_from(&self, start: usize) -> Cow<'a, [u8]> {
        if self.breaks.is_empty() {
            return Cow::Borrowed(&self.bytes[start..self.end]);
        }
        let (mut frames, mut from) = (Vec::with_capacity(self.end - start), start);
        for (end, next) in &self.breaks {
            frames.extend_from_slice(&self.bytes[from.min(*end)..*end]);
            from = (*next).max(start);
        }
        frames.extend_from_slice(&self.bytes[from..self.end]);
        Cow::Owned(frames)
    }

    /// The number of frames that the first one states, which then has no sound (Xing, LAME, VBRI).
    fn count(&self) -> Option<u64> {
        if self.first.adts {
            return None;
        }
        let frame = self.bytes.get(self.start..self.start + self.first.octets)?;
        let number = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
        let tag = |names: [&[u8; 4]; 2]| {
            let head = &frame[..frame.len().min(TAG_END)];
            head.windows(4).position(|four| names.iter().any(|name| *name == four))
        };
        let found = match (tag([b"Xing", b"Info"]), tag([b"VBRI", b"VBRI"])) {
            (Some(at), _) if number(at + 4)? & 1 == 1 => number(at + 8)?,
            (None, Some(at)) => number(at + 14)?,
            _ => return None,
        };
        Some(found.into())
    }
}

/// The first of three frames in a row, or of all frames of a short file.
fn first(bytes: &[u8], from: usize) -> Option<(usize, Header)> {
    let follows = |at: usize, first: &Header| {
        let mut next = at + first.octets;
        for _ in 1..FRAMES_LEAST {
            if next == bytes.len() {
                return true;
            }
            match bytes.get(next..).and_then(Header::read) {
                Some(frame) if frame.key == first.key => next += frame.octets,
                _ => return false,
            }
        }
        true
    };
    let last = bytes.len().min(from + SEARCH);
    (from..last).filter(|at| bytes[*at] == 0xFF).find_map(|at| {
        let header = Header::read(&bytes[at..])?;
        follows(at, &header).then_some((at, header))
    })
}

/// Where the tags before the frames end (ID3v2).
pub(super) fn after_tags(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + 10).filter(|head| head.starts_with(b"ID3")) {
        let size = head[6..].iter().fold(0, |size, octet| size << 7 | usize::from(octet & 0x7F));
        let footer = if head[5] & 0x10 == 0 { 0 } else { 10 };
        let end = at + 10 + size + footer;
        if end > bytes.len() {
            return at;
        }
        at = end;
    }
    at
}

fn is_tag(bytes: &[u8]) -> bool {
    [&b"TAG"[..], b"ID3", b"APETAGEX", b"LYRICSBEGIN"].iter().any(|tag| bytes.starts_with(tag))
}

/// Whether the headers leave the bit rate open, at one distance from each other.
fn is_free_format(bytes: &[u8]) -> bool {
    let Some(head) = bytes.get(..4) else { return false };
    let is_open = head[0] == 0xFF && head[1] >= 0xE0 && head[1] >> 3 & 3 != 1 && head[1] >> 1 & 3 != 0;
    if !is_open || head[2] & 0xF0 != 0 || head[2] & 0x0C == 0x0C {
        return false;
    }
    // The padding bit changes from frame to frame.
    let same = |at: usize| {
        bytes.get(at..at + 3).is_some_and(|next| next[..2] == head[..2] && next[2] & 0xFC == head[2] & 0xFC)
    };
    let distance = (HEADER..FREE_MAX).find(|at| same(*at));
    distance.is_some_and(|step| (step * 2 - 1..=step * 2 + 1).any(same))
}

const HEADER: usize = 4;
/// Octets of the largest frame of free bit rate.
const FREE_MAX: usize = 5760;
const FRAMES_LEAST: usize = 3;
/// Octets before the first frame that are searched.
const SEARCH: usize = 65_536;
/// A count of frames stands within these octets of a frame.
const TAG_END: usize = 64;
/// Frames by which encoders miscount.
const PADDING: u64 = 2;
